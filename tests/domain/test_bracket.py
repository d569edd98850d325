"""The rules of the bracket, one record at a time: what is to be done next, and what first."""

from dataclasses import replace
from typing import Any

import pytest

from domain.labels import Role
from domain.orders import Side
from domain.trade import EMERGENCIES, ExitReason, Line, LineStatus, Trade
from tests.domain.builders import (
    START,
    START_MS,
    after,
    booked,
    close,
    closing,
    entry,
    filled,
    limit_plan,
    plan,
    record,
    says,
    step_of,
    stop,
    target,
    told,
)

LIVE, UNKNOWN, TRIGGERED = LineStatus.LIVE, LineStatus.UNKNOWN, LineStatus.TRIGGERED
FILLED, CANCELLED, ABSENT = LineStatus.FILLED, LineStatus.CANCELLED, LineStatus.ABSENT
REJECTED = LineStatus.REJECTED
CLOSED_BY_TARGET = target(FILLED, reported_filled=10)
CLOSED_BY_CLOSE = close(FILLED, reported_filled=10)
WITH_TARGET_AT_END = (entry(), stop(), CLOSED_BY_TARGET)


def guessed(trade: Trade, contracts: int) -> Trade:
    """So much of it a hand seems to have closed."""
    return filled(trade, told(1, Side.SELL, contracts), foreign=True)


def closed_twice(*lines: Line, own: int, **stop_fill: Any) -> Trade:
    """Ten went in; four were closed by a hand, for certain, and so many by the stop."""
    usual: dict[str, Any] = {"number": -10_000, "order_id": "sl-1"}
    stopped = booked(Role.STOP, Side.SELL, own, 99_000, **usual, **stop_fill)
    trade = guessed(record(entry(), *lines, fills=(IN, stopped)), 4)
    return replace(
        trade, fills=tuple(replace(x, is_guess=False) for x in trade.fills), needs_sync=False
    )


IN = booked(Role.ENTRY, Side.BUY, 10, 100_000, number=-30_000)
OUT = booked(Role.TARGET, Side.SELL, 4, 101_000, number=-20_000, order_id="tp-1")
OUT_2 = replace(OUT, contracts=2)
HAND = booked(None, Side.SELL, 4, 101_000, number=-15_000)
JUST_NOW: dict[str, Any] = {"timestamp_ms": START_MS + 500}
CASES: dict[str, tuple[Trade, tuple[Any, ...]]] = {
    # the entry
    "an intent is entered": (record(), ("place", "entry", 0, 10)),
    "an intent that is to end is not entered": (closing(), ("finish", "", 0, 0)),
    "an entry of unknown outcome is looked up": (
        record(entry(0, UNKNOWN)),
        ("look_up", "entry", 1, 0),
    ),
    "a limit rests": (record(entry(0, LIVE), plan=limit_plan()), ("nothing",)),
    "a market order that rests hangs at the band": (
        record(entry(0, LIVE)),
        ("cancel", "entry", 1, 0),
    ),
    "an entry that was refused ends the trade": (record(entry(0, REJECTED)), ("finish", "", 0, 0)),
    "an entry that was cancelled ends the trade": (
        record(entry(0, CANCELLED), plan=limit_plan()),
        ("finish", "", 0, 0),
    ),
    "an entry that never arrived ends the trade": (
        record(entry(0, ABSENT, looks=2)),
        ("finish", "", 0, 0),
    ),
    # the stop
    "what is filled gets a stop": (record(entry()), ("place", "sl", 0, 10)),
    "a part that is filled gets a stop": (
        record(entry(4, LIVE), plan=limit_plan()),
        ("place", "sl", 0, 4),
    ),
    "an unknown entry's known part gets a stop": (
        record(entry(4, UNKNOWN)),
        ("place", "sl", 0, 4),
    ),
    "a part comes before the rest of a market order": (
        record(entry(4, LIVE)),
        ("place", "sl", 0, 4),
    ),
    "a grown position grows its stop": (
        record(entry(7, LIVE), stop(contracts=4), plan=limit_plan()),
        ("resize", "sl", 1, 7),
    ),
    "a stop of unknown outcome is looked up before another": (
        record(entry(), stop(UNKNOWN)),
        ("look_up", "sl", 1, 0),
    ),
    "a stop that somebody cancelled is placed again": (
        record(entry(), stop(CANCELLED)),
        ("place", "sl", 0, 10),
    ),
    "a stop that was refused is tried again": (
        record(entry(), stop(REJECTED), stop_failures=1),
        ("place", "sl", 0, 10),
    ),
    "three refusals end the trying": (
        record(entry(), stop(REJECTED), stop_failures=3),
        ("give_up_stop", "", 0, 0),
    ),
    "a resting order that is no stop is cancelled": (
        record(entry(), stop(is_sound=False)),
        ("cancel", "sl", 1, 0),
    ),
    "of two stops the older goes": (
        record(entry(), stop(), stop(attempt=2), is_compared=True),
        ("cancel", "sl", 1, 0),
    ),
    "before one of two stops goes the venue is asked whether both rest": (
        record(entry(), stop(), stop(attempt=2)),
        ("sync", "", 0, 0),
    ),
    "of two stops the one that is too small goes": (
        record(entry(), stop(), stop(attempt=2, contracts=4), is_compared=True),
        ("cancel", "sl", 2, 0),
    ),
    "a stop larger than the position is made smaller": (
        record(entry(), stop(), target(reported_filled=4), fills=(IN, OUT)),
        ("resize", "sl", 1, 6),
    ),
    "one that is larger than all that was entered was made so by hand": (
        record(entry(), stop(contracts=12), target(reported_filled=4), fills=(IN, OUT)),
        ("nothing",),
    ),
    "a target larger than the position is made smaller": (
        record(entry(), stop(contracts=6), target(), fills=(IN, HAND)),
        ("resize", "tp", 1, 6),
    ),
    "what has filled of it stays in its size": (
        record(entry(), stop(contracts=4), target(reported_filled=2), fills=(IN, OUT_2, HAND)),
        ("resize", "tp", 1, 6),
    ),
    "but not in the moment after the fill": (
        record(entry(), stop(contracts=6), target(), fills=(IN, replace(HAND, **JUST_NOW))),
        ("wait", "", 0, 0),
    ),
    "one that is larger than all that was entered was made so as well": (
        record(entry(), stop(contracts=6), target(contracts=12), fills=(IN, HAND)),
        ("nothing",),
    ),
    "one of a pair is the venue's to make smaller": (
        record(entry(), stop(contracts=6), target(is_paired=True), fills=(IN, HAND)),
        ("nothing",),
    ),
    "of several stops that are too large together none is made smaller": (
        record(
            entry(),
            stop(part=1, contracts=5, is_paired=True),
            stop(part=2, contracts=5, is_paired=True),
            target(reported_filled=4),
            fills=(IN, OUT),
        ),
        ("nothing",),
    ),
    "of two single ones the older is": (
        record(entry(), stop(contracts=5), stop(attempt=2, contracts=5), fills=(IN, OUT)),
        ("resize", "sl", 1, 1),
    ),
    "but not in the moment after a fill: more may come": (
        record(entry(), stop(), target(reported_filled=4), fills=(IN, replace(OUT, **JUST_NOW))),
        ("wait", "", 0, 0),
    ),
    "and not while it is a guess what a hand did": (
        guessed(record(entry(), stop(), target(), fills=(IN,)), 4),
        ("nothing",),
    ),
    "and not before all fills are known": (
        record(entry(), stop(), target(reported_filled=4)),
        ("nothing",),
    ),
    # the target
    "a covered position gets its target": (record(entry(), stop()), ("place", "tp", 0, 10)),
    "no target price, no target": (
        record(entry(), stop(), plan=plan(target_price=None)),
        ("nothing",),
    ),
    "a target of unknown outcome is looked up": (
        record(entry(), stop(), target(UNKNOWN)),
        ("look_up", "tp", 1, 0),
    ),
    "a grown position grows its target": (
        record(entry(), stop(), target(contracts=4)),
        ("resize", "tp", 1, 10),
    ),
    "a partly filled target is large enough": (
        record(entry(), stop(), target(reported_filled=4)),
        ("nothing",),
    ),
    "a target too small for what is left grows by its total": (
        record(entry(), stop(), target(contracts=6, reported_filled=4)),
        ("resize", "tp", 1, 10),
    ),
    "a target refused a moment ago waits": (
        record(entry(), stop(), target(REJECTED), target_failures=3, target_after=after(20)),
        ("wait", "", 0, 0),
    ),
    "a target that cannot grow waits": (
        record(entry(), stop(), target(contracts=4), target_failures=3, target_after=after(20)),
        ("wait", "", 0, 0),
    ),
    "a target that somebody cancelled three times is left away": (
        record(entry(), stop(), target(REJECTED), target_hand_cancels=3),
        ("nothing",),
    ),
    "protected and targeted, nothing is to be done": (
        record(entry(), stop(), target()),
        ("nothing",),
    ),
    # the ordinary end
    "a filled target leaves a stop to cancel": (
        record(*WITH_TARGET_AT_END),
        ("cancel", "sl", 1, 0),
    ),
    "a fired stop leaves a target to cancel": (
        record(entry(), stop(FILLED, reported_filled=10), target()),
        ("cancel", "tp", 1, 0),
    ),
    "an exit takes the rest of the entry along": (
        record(entry(4, LIVE), stop(), target(reported_filled=1), plan=limit_plan()),
        ("cancel", "entry", 1, 0),
    ),
    "with nothing left to protect, the entry's rest goes before an unknown stop": (
        record(entry(4, LIVE), stop(UNKNOWN), target(reported_filled=4), plan=limit_plan()),
        ("cancel", "entry", 1, 0),
    ),
    "a firing stop takes the rest of the entry along": (
        record(entry(4, LIVE), stop(TRIGGERED, triggered_at=START), plan=limit_plan()),
        ("cancel", "entry", 1, 0),
    ),
    "flat, the target goes even while the entry is not settled": (
        record(
            entry(10, UNKNOWN, look_at=after(0.5)),
            stop(FILLED, reported_filled=10),
            target(),
        ),
        ("cancel", "tp", 1, 0),
    ),
    "flat, the target goes before the stop": (
        record(entry(), stop(), target(), close(FILLED, reported_filled=10)),
        ("cancel", "tp", 1, 0),
    ),
    "a stop of unknown outcome is looked up at the end": (
        record(entry(), stop(UNKNOWN), CLOSED_BY_TARGET),
        ("look_up", "sl", 1, 0),
    ),
    "a stop that fired on nothing is looked up at the end": (
        record(entry(), stop(TRIGGERED, triggered_at=START), CLOSED_BY_TARGET),
        ("look_up", "sl", 1, 0),
    ),
    "however long ago it fired": (
        record(
            entry(),
            stop(TRIGGERED, triggered_at=after(-9), looks=1, look_at=after(-8)),
            CLOSED_BY_TARGET,
        ),
        ("look_up", "sl", 1, 0),
    ),
    "a market order of a stop that hangs at the end is cancelled": (
        record(entry(), stop(TRIGGERED, triggered_at=START, is_working=True), CLOSED_BY_TARGET),
        ("cancel", "sl", 1, 0),
    ),
    "a finished trade does nothing": (
        record(*WITH_TARGET_AT_END, is_finished=True),
        ("wait", "", 0, 0),
    ),
    # closing
    "closing begins with the rest of the entry": (
        closing(entry(4, LIVE), stop(), target(), plan=limit_plan()),
        ("cancel", "entry", 1, 0),
    ),
    "closing goes on with the target": (
        closing(entry(), stop(), target()),
        ("cancel", "tp", 1, 0),
    ),
    "a target of unknown outcome is found first": (
        closing(entry(), stop(), target(UNKNOWN)),
        ("look_up", "tp", 1, 0),
    ),
    "then it closes at market": (closing(entry(), stop()), ("place", "close", 0, 10)),
    "it closes what is left": (
        closing(entry(), stop(), target(CANCELLED, reported_filled=3)),
        ("place", "close", 0, 7),
    ),
    "a close of unknown outcome is looked up": (
        closing(entry(), stop(), close(UNKNOWN)),
        ("look_up", "close", 1, 0),
    ),
    "a close that ended short is sent again": (
        closing(entry(), stop(), close(CANCELLED, reported_filled=3)),
        ("place", "close", 0, 7),
    ),
    "flat, the stop goes last": (
        closing(entry(), stop(), CLOSED_BY_CLOSE),
        ("cancel", "sl", 1, 0),
    ),
    "and then it is over": (closing(entry(), stop(CANCELLED), CLOSED_BY_CLOSE), ("sync", "", 0, 0)),
    "an entry nobody filled is cancelled": (
        closing(entry(0, LIVE), plan=limit_plan()),
        ("cancel", "entry", 1, 0),
    ),
    "an unknown entry is found before the trade ends": (
        closing(entry(0, UNKNOWN)),
        ("look_up", "entry", 1, 0),
    ),
    "a trade that is closing places no stop": (
        closing(entry(), stop(CANCELLED)),
        ("place", "close", 0, 10),
    ),
    "what is exposed is closed before anything is tidied up": (
        closing(entry(4, LIVE), target(UNKNOWN), plan=limit_plan()),
        ("place", "close", 0, 4),
    ),
    "a stop of unknown outcome does not hold up the close": (
        closing(entry(), stop(UNKNOWN)),
        ("place", "close", 0, 10),
    ),
    # what a hand did, as long as that is a guess
    "no target for what is left by a guess": (
        guessed(record(entry(), stop(), fills=(IN,)), 4),
        ("nothing",),
    ),
    "flat by a guess, everything rests": (
        guessed(record(entry(), stop(), target()), 10),
        ("wait", "", 0, 0),
    ),
    "flat by a guess and told to end, everything rests": (
        guessed(closing(entry(), stop(), target()), 10),
        ("wait", "", 0, 0),
    ),
    "closed twice by a guess is not a person's to look at yet": (
        replace(guessed(record(entry(), stop()), 12), needs_sync=False),
        ("wait", "", 0, 0),
    ),
    "smaller by a guess, no stop is a surplus": (
        guessed(record(entry(), stop(), stop(attempt=2), target()), 4),
        ("nothing",),
    ),
    # doubt
    "a doubt is settled first": (record(entry(), needs_sync=True), ("sync", "", 0, 0)),
    "a stop that fired gets no time while more is bare past the deadline": (
        record(
            entry(),
            stop(TRIGGERED, contracts=4, is_working=True, triggered_at=START),
            exposed_since=after(-4),
        ),
        ("give_up_stop", "", 0, 0),
    ),
    "its order, which hangs, is cancelled then": (
        closing(
            entry(),
            stop(TRIGGERED, contracts=4, is_working=True, triggered_at=START),
            exposed_since=after(-4),
        ),
        ("cancel", "sl", 1, 0),
    ),
    "once: what a cancel in vain leaves in doubt holds up no close": (
        closing(
            entry(),
            stop(TRIGGERED, contracts=4, is_working=True, triggered_at=START),
            exposed_since=after(-4),
            needs_sync=True,
        ),
        ("place", "close", 0, 10),
    ),
    "closed twice, and not every fill is known": (
        record(entry(4), stop(), close(FILLED, reported_filled=10)),
        ("sync", "", 0, 0),
    ),
    "closed twice, and the fills do not come": (
        record(
            entry(4),
            stop(),
            close(FILLED, reported_filled=10, heard_at=START),
            synced_at=START,
            lacks_since=START,
        ),
        ("wait", "", 0, 0),
    ),
    "closed twice, and what could open nothing has opened nothing": (
        closed_twice(
            stop(FILLED, reported_filled=10), target(CANCELLED), own=10, is_reduce_only=True
        ),
        ("finish", "", 0, 0),
    ),
    "closed twice by what could open nothing, a part of it by a hand's": (
        closed_twice(stop(reported_filled=7), target(), own=7, is_reduce_only=True),
        ("quarantine", "", 0, 0),
    ),
    "closed twice, and all of it by our own orders, nothing of it rests": (
        closed_twice(stop(FILLED, reported_filled=10), target(), own=10),
        ("cancel", "tp", 1, 0),
    ),
    "closed twice and nothing of it rests": (
        closed_twice(stop(FILLED, reported_filled=10), target(CANCELLED), own=10),
        ("quarantine", "", 0, 0),
    ),
    "closed twice, though not by our own orders alone": (
        closed_twice(stop(reported_filled=7), target(), own=7),
        ("quarantine", "", 0, 0),
    ),
    "closed twice and told to end, it tidies up": (
        closing(entry(4), stop(), close(FILLED, reported_filled=10)),
        ("cancel", "sl", 1, 0),
    ),
    "a doubt about what was closed twice is settled first": (
        record(entry(4), close(FILLED, reported_filled=10), needs_sync=True),
        ("sync", "", 0, 0),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_next_step(name: str) -> None:
    """Each record asks for exactly this."""
    trade, expected = CASES[name]
    assert says(step_of(trade)) == expected


@pytest.mark.parametrize("reason", sorted(ExitReason))
def test_emergencies_close_under_their_own_role(reason: ExitReason) -> None:
    """Whoever reads the labels can tell an emergency from a request."""
    step = step_of(closing(entry(), stop(), reason=reason))
    assert step is not None
    assert step.role is (Role.EMERGENCY if reason in EMERGENCIES else Role.CLOSE)
