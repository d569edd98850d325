"""Strategies at work: the breakout on a moving market, scripts with offsets and mistakes."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest

from actors.messages.lifecycle import ChildFailed, ChildRestarted
from actors.messages.risk import Denied
from actors.messages.session import SessionOpened
from actors.messages.signals import SignalRaised
from actors.messages.trading import (
    EntryDenied,
    TradeAccepted,
    TradeClosed,
    TradeOpened,
)
from actors.strategist import Sizing, TradeDoor
from domain.risk import Reason
from domain.sizing import Coins, Contracts, Usd
from domain.strategies import BreakoutSettings, ScriptLine
from simulation.daemon import DEFAULT_LIMITS, default_plan
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, ETH, LINEAR, PLACE, Scene, poisonable

USD_OF: Any = Usd
COINS_OF: Any = Coins
CONTRACTS_OF: Any = Contracts
"""Called with what their types do not allow, as a script without a type checker may."""

FAST = BreakoutSettings(bar_ms=2_000, lookback=10, atr_period=5)


def walk(scene: Scene, seconds: float, step: float = 0.5) -> None:
    """A market that wanders, now and then with a will of its own."""
    price, drift = 100_000.0, 0.0
    for number in range(int(seconds / step)):
        if number % 20 == 0:
            drift = scene.world.uniform(-25, 25)
        price += drift + scene.world.uniform(-15, 15)
        scene.market.move(btc_usd=round(Decimal(price), 2), eth_usd=round(Decimal(price / 31), 2))
        scene.run(step)


@pytest.mark.parametrize("seed", range(2))
def test_a_breakout_trades_within_two_minutes_on_a_moving_market(stage: Stage, seed: int) -> None:
    """Bars of two seconds: signals, brackets, ends; never two trades on one instrument."""
    limits = replace(DEFAULT_LIMITS, max_open_trades=3)
    scene = stage(seed, plan=default_plan(breakout=FAST, limits=limits)).ready()
    walk(scene, 120)
    signals, opened = scene.events(SignalRaised), scene.events(TradeOpened)
    assert opened
    assert len(opened) <= len(signals)
    assert {signal.strategy for signal in signals} == {"breakout"}
    assert all(event.stop_loss and event.take_profit for event in opened)
    scene.run(3)
    scene.settled()
    assert scene.naked.longest() < 0.1


@pytest.mark.parametrize(
    ("instruments", "equity"),
    [((BTC, ETH, LINEAR), 10 * 100_000 + 100 * 3_200 + 100_000), ((BTC,), 10 * 100_000)],
)
def test_signals_are_sized_by_risk(stage: Stage, instruments: tuple[str, ...], equity: int) -> None:
    """What is lost between entry and stop is a fixed part of the equity; of that which is traded,
    as the day's limit is: USDC beside it would make one trade's risk larger than the limit."""
    part = Decimal("0.0001")
    sizing = Sizing(risk_per_trade_pct=part, max_notional_usd=Decimal(10_000_000))
    plan = default_plan(breakout=FAST, sizing=sizing, instruments=instruments)
    scene = stage(2, plan=plan).ready()
    walk(scene, 60)
    raised = [e for e in scene.events(SignalRaised) if e.instrument == BTC]
    assert raised
    for event in raised:
        assert event.stop_loss is not None
        assert event.take_profit is not None
        span = event.take_profit - event.stop_loss
        distance = abs(span) * FAST.stop_atr / (FAST.stop_atr + FAST.target_atr)
        entry = event.stop_loss + span * FAST.stop_atr / (FAST.stop_atr + FAST.target_atr)
        at_risk = event.quantity * 10 * distance / entry
        assert at_risk == pytest.approx(equity * part, rel=Decimal("0.05"))


@pytest.mark.parametrize(("bar", "gap"), [(2, 0.0), (2, 60.0), (20, 0.0), (20, 10.0)])
def test_a_breakout_from_before_a_gap_is_not_traded(stage: Stage, bar: int, gap: float) -> None:
    """The first tick after an outage ended it: at a price minutes old, more was at risk than may
    be. What breaks out afterwards is traded, as it is without a gap."""
    settings = replace(FAST, bar_ms=1000 * bar, lookback=4, atr_period=4)
    scene = stage(plan=default_plan(breakout=settings, instruments=(BTC,))).ready()
    for number in range(10 * bar):
        scene.market.move(btc_usd=100_060 if number % 2 else 99_940)
        scene.run(1)
    scene.until(lambda: scene.world.now().timestamp() % bar < 0.1)
    scene.market.move(btc_usd=100_100)
    scene.run(0.65 * bar)
    if gap:
        scene.market.is_partitioned = True
        scene.market.hang_up()
        scene.rest(gap)
        scene.market.move(btc_usd=100_430)
        scene.market.is_partitioned = False
        scene.wait(SessionOpened, count=2)
    else:
        scene.run(0.4 * bar)
        scene.market.move(btc_usd=100_430)
    scene.run(3 * bar)
    raised = scene.events(SignalRaised)
    assert ("close 100100" in raised[0].why) == (not gap)
    assert ("close 100430" in raised[0].why) == bool(gap)
    scene.run(1)


def test_a_breakout_is_traded_after_a_failure_too(stage: Stage) -> None:
    """A restarted Strategist asks for the contract data its predecessor had; without, it was
    silent for a day."""
    scene = stage(plan=default_plan(breakout=FAST)).ready(derive=poisonable)
    scene.poison("strategist")
    scene.wait(ChildRestarted)
    assert not scene.events(SignalRaised)
    walk(scene, 60)
    assert scene.events(SignalRaised)
    assert scene.events(TradeOpened)
    scene.run(3)


def test_a_breakout_needs_a_ready_daemon_and_no_kill(stage: Stage) -> None:
    """Killed, its signals are denied; they do not pile up."""
    scene = stage(2, plan=default_plan(breakout=FAST)).ready()
    scene.kill()
    walk(scene, 60)
    assert not scene.events(TradeOpened)
    assert all(Reason.KILLED.value in event.reasons for event in scene.events(EntryDenied))


def line(after: float, **changes: str | None) -> ScriptLine:
    fields: dict[str, str | None] = {
        "instrument_name": BTC,
        "direction": "buy",
        "quantity": "0.05",
        "stop_loss": "-1%",
        "take_profit": "+1%",
    }
    return ScriptLine(after=after, **(fields | changes))


def test_a_script_plays_its_lines_with_offsets_on_tick(stage: Stage) -> None:
    """ "-1%" is a price on tick below the mark at that moment, for either direction."""
    script = (
        line(1),
        line(2, instrument_name=ETH, direction="sell", stop_loss="+1%", take_profit="-2%"),
        line(3, instrument_name=LINEAR, quantity="0.02", take_profit=None, label="mine"),
    )
    scene = stage(plan=default_plan(script=script)).ready()
    scene.run(6)
    opened = {event.instrument: event for event in scene.events(TradeOpened)}
    assert set(opened) == {BTC, ETH, LINEAR}
    assert abs(opened[BTC].stop_loss - 99_000) < 60
    assert opened[ETH].stop_loss > opened[ETH].entry_price > opened[ETH].take_profit
    assert opened[LINEAR].take_profit is None
    scene.settled()


BAD: list[tuple[dict[str, str | None], Reason]] = [
    ({"quantity": "a lot"}, Reason.BAD_QUANTITY),
    ({"quantity": "-1"}, Reason.BAD_QUANTITY),
    ({"quantity": "1e400000"}, Reason.BAD_QUANTITY),
    ({"stop_loss": "below"}, Reason.BAD_PRICE),
    ({"stop_loss": "x%"}, Reason.BAD_PRICE),
    ({"stop_loss": "nan%"}, Reason.BAD_PRICE),
    ({"stop_loss": "1e300%"}, Reason.BAD_PRICE),
    ({"stop_loss": "sNaN"}, Reason.BAD_PRICE),
    ({"stop_loss": None}, Reason.NO_STOP),
    ({"stop_loss": "+1%"}, Reason.STOP_WRONG_SIDE),
    ({"direction": "sideways"}, Reason.BAD_DIRECTION),
    ({"entry_type": "limit"}, Reason.BAD_PRICE),
    ({"instrument_name": "DOGE-PERPETUAL"}, Reason.UNKNOWN_INSTRUMENT),
    ({"instrument_name": "BTC-27DEC24"}, Reason.NOT_A_PERPETUAL),
    ({"instrument_name": "ETH_USDC-PERPETUAL"}, Reason.NOT_TRADED_HERE),
    ({"stop_loss": "99000.123"}, Reason.OFF_TICK),
]


@pytest.mark.parametrize(("changes", "reason"), BAD, ids=str)
def test_a_bad_line_is_denied_and_the_next_one_played(
    stage: Stage, changes: dict[str, str | None], reason: Reason
) -> None:
    """Whatever stands in a script, nobody falls over and the rest of it goes on."""
    scene = stage(plan=default_plan(script=(line(1, **changes), line(2)))).ready()
    scene.run(6)
    (denied,) = scene.events(EntryDenied)
    assert reason.value in denied.reasons
    assert len(scene.events(TradeOpened)) == 1


@pytest.mark.parametrize("seed", range(4))
def test_a_line_at_ready_is_played_on_an_accounts_first_day(stage: Stage, seed: int) -> None:
    """Ready means ready: the day's equity is known by then."""
    scene = stage(seed, plan=default_plan(script=(line(0),))).ready()
    scene.wait(TradeOpened)
    assert not scene.events(EntryDenied)


def test_a_script_line_may_be_a_limit_entry(stage: Stage) -> None:
    """It rests at its offset until the market comes to it."""
    script = (line(1, entry_type="limit", price="-0.5%", stop_loss="-2%"),)
    scene = stage(plan=default_plan(script=script)).ready()
    scene.run(3)
    assert [x.price for x in scene.live()] == [Decimal(99500)]
    scene.market.move(btc_usd=99_400)
    scene.wait(TradeOpened)


def test_a_script_is_not_played_again_after_a_failure(stage: Stage) -> None:
    """A restarted Strategist does not repeat what may have been traded already."""
    script = (line(1), line(8, instrument_name=ETH, stop_loss="-1%", take_profit=None))
    scene = stage(plan=default_plan(script=script)).ready(derive=poisonable)
    scene.wait(TradeOpened)
    scene.poison("strategist")
    scene.run(15)
    assert len(scene.events(TradeOpened)) == 1


@pytest.mark.parametrize(
    ("quantity", "contracts"),
    [(Decimal("0.05"), 500), ("0.05", 500), (0.05, 500), (Usd(Decimal(1000)), 100)],
)
def test_the_door_takes_quantities_in_every_unit(
    stage: Stage, quantity: object, contracts: int
) -> None:
    """Coin unless the type says otherwise; the answer is (ok, trade id)."""
    scene = stage().ready()
    door = TradeDoor(scene.daemon.system.address("execution"), scene.world)
    ok, trade_id = door.execute_generic_trade(
        BTC, "buy", quantity, stop_loss=Decimal(99000), take_profit=Decimal(101000), label="x"
    )
    assert ok
    scene.run(1)
    assert scene.trades()[trade_id].plan.contracts == pytest.approx(contracts, abs=1)


def test_the_door_takes_prices_as_they_are_at_hand(stage: Stage) -> None:
    """Floats and texts are read as they are written."""
    scene = stage().ready()
    door = TradeDoor(scene.daemon.system.address("execution"), scene.world)
    ok, trade_id = door.execute_generic_trade(
        BTC, "buy", USD_OF(1000.0), stop_loss=99000.5, take_profit="101000", trail=1500.5
    )
    assert ok
    scene.run(1)
    plan = scene.trades()[trade_id].plan
    assert (plan.stop_price, plan.target_price) == (Decimal("99000.5"), Decimal(101000))
    assert plan.contracts == 100
    assert not scene.events(ChildFailed)


@pytest.mark.parametrize(
    "wrong",
    [
        {"stop_loss": float("nan")},
        {"stop_loss": "sNaN"},
        {"stop_loss": "dear"},
        {"stop_loss": object()},
        {"take_profit": float("inf")},
        {"price": [], "entry_type": "limit"},
        {"trail": {}},
        {"break_even_at": True},
        {"quantity": None},
        {"quantity": USD_OF(None)},
        {"quantity": COINS_OF("x")},
        {"quantity": CONTRACTS_OF("sNaN")},
        {"quantity": CONTRACTS_OF(10.5)},
        {"direction": None},
        {"direction": 7},
        {"instrument_name": None},
        {"entry_type": None},
    ],
)
def test_whatever_the_door_is_given_is_a_refusal_and_never_a_failure(
    stage: Stage, wrong: dict[str, Any]
) -> None:
    """A float for a price killed Execution, and five of them in a minute ended the process."""
    scene = stage().ready()
    door: Any = TradeDoor(scene.daemon.system.address("execution"), scene.world)
    usual = {
        "instrument_name": BTC,
        "direction": "buy",
        "quantity": Decimal("0.05"),
        "stop_loss": 99_000.0,
    }
    assert door.execute_generic_trade(**{**usual, **wrong}) == (False, "")
    scene.run(2)
    assert not scene.events(ChildFailed)
    assert len(scene.events(EntryDenied)) == 1
    assert not scene.market.sent(*PLACE)


@pytest.mark.parametrize(
    ("label", "note"),
    [("caf\ud800e", "caf?e"), ("x" * 10_000, "x" * 64), ("\udcff" * 100, "?" * 64), (7, "7")],
    ids=["broken", "long", "both", "a number"],
)
def test_a_label_is_kept_as_text_that_can_be_written(stage: Stage, label: Any, note: str) -> None:
    """Half a character in it killed the Registry with every signal: no file takes that."""
    scene = stage().ready()
    door: Any = TradeDoor(scene.daemon.system.address("execution"), scene.world)
    wish = {"stop_loss": 99_000, "label": label}
    ok, trade_id = door.execute_generic_trade(BTC, "buy", "0.05", **wish)
    assert ok
    assert not door.execute_generic_trade(BTC, "buy", "0.05", **wish)[0]
    scene.run(2)
    assert scene.trades()[trade_id].plan.note == note
    assert [event.note for event in scene.events(EntryDenied)] == [note]
    orjson.dumps(scene.disk.tables)


def test_the_door_says_no_without_a_stop_and_when_nobody_answers(stage: Stage) -> None:
    """(False, "") and nothing was sent."""
    scene = stage().ready()
    door = TradeDoor(scene.daemon.system.address("execution"), scene.world)
    assert door.execute_generic_trade(BTC, "buy", Contracts(10)) == (False, "")
    scene.daemon.stop()
    stop = Decimal(99000)
    assert door.execute_generic_trade(BTC, "buy", Contracts(10), stop_loss=stop) == (False, "")
    assert not scene.market.sent(*PLACE)


def test_a_trade_that_ends_frees_its_instrument_for_the_next_signal(stage: Stage) -> None:
    """The Strategist keeps still while a trade is open, and only then."""
    scene = stage(3, plan=default_plan(breakout=FAST)).ready()
    walk(scene, 200)
    per_instrument = [e.instrument for e in scene.events(TradeOpened)]
    assert max(per_instrument.count(name) for name in set(per_instrument)) >= 2
    assert scene.events(TradeClosed)
    assert not [e for e in scene.events(EntryDenied) if "max_trades" in str(e.reasons)]
    assert isinstance(scene.open(stop="-5"), Denied | TradeAccepted)
