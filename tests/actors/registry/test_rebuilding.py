"""The book from the journal: what can be read of it, and what cannot."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from actors.rebuilding import last_day, last_kill, last_pause, open_intents, what_counts

INTENT: dict[str, Any] = {
    "event": "intent_recorded",
    "ts": "2026-03-01T12:00:00+00:00",
    "trade_id": "a",
    "instrument": "BTC-PERPETUAL",
    "side": "buy",
    "contracts": 10,
    "entry_type": "market",
    "stop_loss": "98000",
    "take_profit": "104000",
    "notional_usd": "100",
    "valid_until_ms": 1_772_366_405_000,
}


def test_an_intent_without_an_end_is_open() -> None:
    """Everything of the plan is there again; nothing is assumed about what was sent."""
    (trade,) = open_intents([INTENT, {"event": "ready"}])
    assert trade.plan.target_price == Decimal(104_000)
    assert trade.plan.entry_price is None
    assert trade.lines == ()


@pytest.mark.parametrize("end", ["trade_closed", "trade_abandoned"])
def test_an_intent_with_an_end_is_not(end: str) -> None:
    """However it ended."""
    entries = [INTENT, INTENT | {"trade_id": "b"}, {"event": end, "trade_id": "a"}]
    assert [trade.id for trade in open_intents(entries)] == ["b"]


@pytest.mark.parametrize(
    "damage",
    [
        {"side": "up"},
        {"stop_loss": "x"},
        {"stop_loss": None},
        {"contracts": "many"},
        {"contracts": -10},
        {"stop_loss": "0"},
        {"ts": "yesterday"},
        {"notional_usd": None},
    ],
)
def test_an_intent_that_cannot_be_read_is_left_out(damage: dict[str, Any]) -> None:
    """One broken line does not take the others along."""
    entries = [INTENT | damage, INTENT | {"trade_id": "b"}]
    assert [trade.id for trade in open_intents(entries)] == ["b"]


KILL = {
    "event": "kill_switch_activated",
    "ts": "2026-03-01T12:00:00+00:00",
    "by": "risk",
    "reason": "loss",
    "until_midnight": True,
}


def test_the_kill_is_the_last_one_that_was_not_ended() -> None:
    """Killed, ended, killed again."""
    reset = {"event": "kill_switch_reset"}
    assert last_kill([]) is None
    assert last_kill([KILL, reset]) is None
    kill = last_kill([KILL, reset, KILL | {"by": "desk", "until_midnight": False}])
    assert kill is not None
    assert (kill.by, kill.day, kill.until_midnight) == ("desk", "2026-03-01", False)


DAY = {
    "event": "day_began",
    "day": "2026-03-01",
    "equity_usd": "1000",
    "equity": ["BTC=0.01", "USDC=5"],
}


def test_the_day_is_the_last_one_that_can_be_read() -> None:
    """Per currency and in USD; a damaged later one does not hide it."""
    broken = [DAY | {"equity": ["BTC"]}, DAY | {"equity_usd": "x"}, {"event": "day_began"}]
    day = last_day([DAY, *broken])
    assert day is not None
    assert day.usd == Decimal(1000)
    held = [(x.currency, x.equity) for x in day.equity]
    assert held == [("BTC", Decimal("0.01")), ("USDC", Decimal(5))]
    assert last_day(broken) is None


def test_a_kill_is_of_the_day_it_says_or_of_the_last_that_began_before_it() -> None:
    """Its moment is in UTC, its day in the operator's zone."""
    told = last_kill([DAY, KILL | {"day": "2026-02-28"}])
    untold = last_kill([DAY | {"day": "2026-02-27"}, KILL | {"day": ""}, DAY])
    assert told is not None
    assert untold is not None
    assert (told.day, untold.day) == ("2026-02-28", "2026-02-27")


def test_of_a_long_journal_only_what_is_still_open_is_held() -> None:
    """One pass over a year of trades: nothing of what has ended is kept, nothing else is lost."""
    pause = {"event": "entries_paused", "ts": KILL["ts"], "by": "desk"}

    def year() -> Iterator[dict[str, Any]]:
        yield from (INTENT, KILL, {"event": "kill_switch_reset"}, DAY, KILL | {"by": "desk"}, pause)
        for number in range(10_000):
            yield INTENT | {"trade_id": f"t{number}"}
            yield {"event": "stop_placed", "trade_id": f"t{number}"}
            yield {"event": "trade_closed", "trade_id": f"t{number}"}

    found = what_counts(year())
    assert len(found) == 6
    whole = list(year())
    assert open_intents(found) == open_intents(whole) != []
    assert last_kill(found) == last_kill(whole) is not None
    assert last_pause(found) == last_pause(whole) is not None
    assert last_day(found) == last_day(whole) is not None
