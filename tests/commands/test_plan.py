"""What the settings mean for the actors: none of them is read and then forgotten."""

from dataclasses import replace
from pathlib import Path

import pytest

from actors import tree
from commands.plan import PAPER_REST_BARS, PAPER_TRADE_USD, plan_of, script_of
from config.script import ScriptInvalid
from config.settings import Settings, load

PLANNED = {
    "INSTRUMENTS": "BTC-PERPETUAL",
    "STRATEGIES": "none",
    "BRACKET": "otoco",
    "STOP_TRIGGER": "index_price",
    "STOP_RETRIES": "5",
    "PROTECTION_DEADLINE_SECONDS": "7",
    "ORPHAN_SWEEP_SECONDS": "11",
    "POSITION_POLL_SECONDS": "5",
    "INITIAL_EQUITY": "12345",
    "MAX_DAILY_LOSS_PCT": "0.03",
    "MAX_OPEN_TRADES": "4",
    "MAX_TRADES_PER_INSTRUMENT": "2",
    "MAX_NOTIONAL_USD": "777",
    "RISK_PER_TRADE_PCT": "0.001",
    "FOREIGN_POSITIONS": "protect",
    "FOREIGN_STOP_PCT": "0.2",
    "TIMEZONE": "Europe/Berlin",
}
"""Settings that reach the actors, each with a value that is not its default."""
ELSEWHERE = (
    Path("commands"),
    Path("adapters/binance"),
    Path("config/model.py"),
    Path("config/conflicts.py"),
    Path("run.py"),
)
"""Where the others are read, or refused."""


def plan(**environ: str) -> tree.Plan:
    """The plan, without the copy of the settings that is only shown."""
    found = plan_of(load(Path("/nonexistent/.env"), environ), ())
    return replace(found, desk=plan_of(load(Path("/nonexistent/.env"), {}), ()).desk)


@pytest.mark.parametrize("key", sorted(PLANNED))
def test_a_setting_of_trading_changes_the_plan(key: str) -> None:
    """What a person sets reaches the actors: otherwise he trusts in what does not happen."""
    assert plan(**{key: PLANNED[key]}) != plan()


def test_foreign_positions_are_protected_when_that_is_set() -> None:
    """The plan names the choice and the distance, and the guardian is built from both."""
    wanted = plan(FOREIGN_POSITIONS="protect", FOREIGN_STOP_PCT="0.2")
    assert wanted.foreign_positions == "protect"
    assert str(wanted.foreign_stop_pct) == "0.2"


def test_on_paper_the_toy_trades_little_unless_told_how_much() -> None:
    """An untouched `make run` must live through the night; who names a size gets it."""
    assert plan().sizing.max_notional_usd == PAPER_TRADE_USD
    assert plan(MAX_NOTIONAL_USD="1000").sizing.max_notional_usd == 1000
    assert plan(MAX_NOTIONAL_USD="50000").sizing.max_notional_usd == 50_000
    assert plan(RISK_PER_TRADE_PCT="0.005").sizing.max_notional_usd == 100_000
    live = {"DERIBIT_CLIENT_ID": "id", "DERIBIT_CLIENT_SECRET": "secret"}
    assert plan(DERIBIT_ENV="testnet", **live).sizing.max_notional_usd == 100_000


def test_the_toy_rests_on_endless_prices_and_not_on_a_recording(tmp_path: Path) -> None:
    """A recording is over soon enough."""
    recording = tmp_path / "ticks"
    recording.write_text("", "utf-8")
    resting, replaying = plan().breakout, plan(PAPER_FEED=f"replay:{recording}").breakout
    assert resting is not None
    assert replaying is not None
    assert (resting.rest_bars, replaying.rest_bars) == (PAPER_REST_BARS, 0)


def test_every_setting_has_an_effect_somewhere() -> None:
    """A setting that nobody reads would be a promise nobody keeps."""
    files = [
        file
        for place in ELSEWHERE
        for file in (sorted(place.rglob("*.py")) if place.is_dir() else [place])
    ]
    source = "\n".join(file.read_text() for file in files)
    unread = [
        name
        for name in Settings.model_fields
        if f"settings.{name}" not in source
        and f"self.{name}" not in source
        and f"roots.{name}" not in source
    ]
    assert not unread


def test_a_script_that_cannot_be_read_is_told_before_anything_starts(tmp_path: Path) -> None:
    """A script is read once, at the start."""
    script = tmp_path / "drill.json"
    script.write_text("[{}]", "utf-8")
    settings = load(Path("/nonexistent/.env"), {"STRATEGIES": f"script:{script}"})
    with pytest.raises(ScriptInvalid):
        script_of(settings)
