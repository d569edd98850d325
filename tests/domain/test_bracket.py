"""The rules of the bracket, one record at a time: what is to be done next, and what first."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from domain.bracket import RULES, next_step
from domain.labels import MAX_ATTEMPT, Role
from domain.orders import OrderType, Side
from domain.steps import Do, Step
from domain.trade import EMERGENCIES, ExitReason, LineStatus, Trade
from tests.domain.builders import (
    POLICY,
    START,
    after,
    booked,
    close,
    emergency,
    entry,
    limit_plan,
    line,
    plan,
    record,
    step_of,
    stop,
    target,
)

LIVE, UNKNOWN, TRIGGERED = LineStatus.LIVE, LineStatus.UNKNOWN, LineStatus.TRIGGERED
FILLED, CANCELLED, ABSENT = LineStatus.FILLED, LineStatus.CANCELLED, LineStatus.ABSENT
REJECTED = LineStatus.REJECTED
CLOSED_BY_TARGET = target(FILLED, reported_filled=10)
CLOSED_BY_CLOSE = close(FILLED, reported_filled=10)
WITH_TARGET_AT_END = (entry(), stop(), CLOSED_BY_TARGET)


def closing(*lines: Any, reason: ExitReason = ExitReason.REQUESTED, **changes: Any) -> Trade:
    return record(*lines, exit_reason=reason, **changes)


def says(step: Step | None) -> tuple[Any, ...]:
    """The step in short: what, which role or attempt, how many contracts."""
    if step is None:
        return ("nothing",)
    about = step.role or (step.line.role if step.line else None)
    attempt = step.line.attempt if step.line else 0
    return (step.do.value, about.value if about else "", attempt, step.contracts)


def until_of(step: Step | None) -> datetime | None:
    assert step is not None
    assert step.do is Do.WAIT
    return step.until


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
        record(entry(), stop(), stop(attempt=2)),
        ("cancel", "sl", 1, 0),
    ),
    "of two stops the one that is too small goes": (
        record(entry(), stop(), stop(attempt=2, contracts=4)),
        ("cancel", "sl", 2, 0),
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
    "a target refused three times is left alone": (
        record(entry(), stop(), target(REJECTED), target_failures=3),
        ("nothing",),
    ),
    "a target that cannot grow is left alone": (
        record(entry(), stop(), target(contracts=4), target_failures=3),
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
    "a firing stop takes the rest of the entry along": (
        record(entry(4, LIVE), stop(TRIGGERED, triggered_at=START), plan=limit_plan()),
        ("cancel", "entry", 1, 0),
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
    # doubt
    "a doubt is settled first": (record(entry(), needs_sync=True), ("sync", "", 0, 0)),
    "closed twice is a person's to look at": (
        record(entry(4), stop(), close(FILLED, reported_filled=10)),
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


def test_the_deadline_ends_the_trying() -> None:
    """Exposed for as long as the policy allows, the position is closed instead."""
    trade = record(entry(), stop(UNKNOWN, look_at=after(2.9)))
    assert until_of(step_of(trade, 2.899)) == after(2.9)
    step = step_of(trade, 3.0)
    assert step is not None
    assert (step.do, step.reason) == (Do.GIVE_UP_STOP, ExitReason.PROTECTION_DEADLINE)


def test_past_the_deadline_a_doubt_waits() -> None:
    """What burns is closed before the venue is asked how things stand."""
    trade = record(entry(), needs_sync=True)
    assert says(step_of(trade, 2.9)) == ("sync", "", 0, 0)
    assert says(step_of(trade, 3.0))[0] == "give_up_stop"
    burning = closing(entry(), needs_sync=True, reason=ExitReason.PROTECTION_DEADLINE)
    assert says(step_of(burning, 3.0)) == ("place", "emergency", 0, 10)


@pytest.mark.parametrize(
    "last",
    [emergency(REJECTED, order_ids=(), code=11030), emergency(CANCELLED), emergency(LIVE)],
    ids=["refused", "cut", "resting"],
)
def test_a_venue_that_will_not_close_is_asked_even_past_the_deadline(last: Any) -> None:
    """Nothing to reduce, an order cut to nothing, or one that cannot be cancelled: look first."""
    reason = ExitReason.PROTECTION_DEADLINE
    trade = closing(entry(), last, needs_sync=True, reason=reason)
    assert says(step_of(trade, 3.0)) == ("sync", "", 0, 0)


def test_other_refusals_of_a_close_do_not_ask_past_the_deadline() -> None:
    """A venue that is too busy says nothing about the position."""
    busy = emergency(REJECTED, order_ids=(), code=10047)
    reason = ExitReason.PROTECTION_DEADLINE
    trade = closing(entry(), busy, needs_sync=True, reason=reason)
    assert says(step_of(trade, 3.0)) == ("place", "emergency", 0, 10)


def test_the_newest_close_is_what_counts() -> None:
    """An older one that traded nothing is no contradiction any more."""
    older = emergency(CANCELLED)
    newer = emergency(CANCELLED, attempt=2, sent_at=after(2), reported_filled=4)
    reason = ExitReason.PROTECTION_DEADLINE
    trade = closing(entry(), older, newer, needs_sync=True, reason=reason)
    assert says(step_of(trade, 4.0)) == ("place", "emergency", 0, 6)


def test_a_firing_stop_is_given_time_then_looked_at_then_chased() -> None:
    """It closes by itself; one that stalls is no stop any more."""
    firing = stop(TRIGGERED, triggered_at=after(10))
    trade = record(entry(), firing, plan=plan(target_price=None))
    assert until_of(step_of(trade, 11.9)) == after(12)
    assert says(step_of(trade, 12)) == ("look_up", "sl", 1, 0)
    for known in ({"looks": 1}, {"look_at": after(12.5)}, {"is_working": True}):
        step = step_of(record(entry(), replace(firing, **known)), 12)
        assert step is not None
        assert (step.do, step.reason) == (Do.GIVE_UP_STOP, ExitReason.STOP_STALLED)


def test_a_firing_stop_is_covered_for_no_second_stop() -> None:
    """While it fires, nothing else closes and nothing is placed."""
    firing = stop(TRIGGERED, triggered_at=START, contracts=4)
    assert says(step_of(record(entry(), firing), 1)) == ("wait", "", 0, 0)


def test_closing_waits_for_a_stop_that_fires() -> None:
    """Two closers would only clip each other; one that hangs is cancelled first."""
    firing = stop(TRIGGERED, triggered_at=after(1))
    trade = closing(entry(), firing)
    assert until_of(step_of(trade, 2.9)) == after(3)
    assert says(step_of(trade, 3)) == ("look_up", "sl", 1, 0)
    hanging = closing(entry(), replace(firing, is_working=True))
    assert says(step_of(hanging, 3)) == ("cancel", "sl", 1, 0)
    dud = closing(entry(), replace(firing, looks=1))
    assert says(step_of(dud, 3)) == ("place", "close", 0, 10)


def test_a_close_that_hangs_at_the_band_is_chased() -> None:
    """The band moves with the market; the order does not."""
    trade = closing(entry(), stop(), close(LIVE, sent_at=after(1)))
    assert until_of(step_of(trade, 2.9)) == after(3)
    assert says(step_of(trade, 3)) == ("cancel", "close", 1, 0)


def test_two_closes_that_turn_up_are_both_seen_to() -> None:
    """One that was believed lost rests, and the next one's outcome is not known."""
    both = closing(entry(), close(LIVE), close(UNKNOWN, attempt=2))
    assert says(step_of(both)) == ("look_up", "close", 2, 0)


def test_a_pause_after_a_refusal_holds_up_orders_and_cancels() -> None:
    """What was refused is not tried again at the speed of the network."""
    pause = after(1)
    cases = (
        record(entry(), not_before=pause),
        record(entry(7, LIVE), stop(contracts=4), plan=limit_plan(), not_before=pause),
        record(entry(), stop(), not_before=pause),
        record(entry(0, LIVE), not_before=pause),
        closing(entry(), stop(), not_before=pause),
        closing(entry(), stop(), target(), not_before=pause),
        record(*WITH_TARGET_AT_END, not_before=pause),
    )
    for trade in cases:
        assert until_of(step_of(trade, 0.999)) == pause
        assert says(step_of(trade, 1))[0] not in {"wait", "nothing"}


def test_a_failed_look_is_not_repeated_at_once() -> None:
    """Neither the whole comparison nor the look-up of one order."""
    doubtful = record(entry(), needs_sync=True, sync_after=after(0.5))
    assert until_of(step_of(doubtful, 0.4)) == after(0.5)
    assert says(step_of(doubtful, 0.5)) == ("sync", "", 0, 0)
    unknown = record(entry(0, UNKNOWN, look_at=after(0.5)))
    assert until_of(step_of(unknown, 0.4)) == after(0.5)
    assert says(step_of(unknown, 0.5)) == ("look_up", "entry", 1, 0)


def test_a_refused_order_does_not_put_a_look_off() -> None:
    """Nothing to reduce: the venue is asked at once, and only the next order waits."""
    trade = closing(entry(), stop(), needs_sync=True, not_before=after(0.5))
    assert says(step_of(trade)) == ("sync", "", 0, 0)


def test_waiting_for_one_thing_leaves_the_others_their_turn() -> None:
    """An entry nobody can find does not hold up the closing of what is open."""
    trade = closing(entry(4, UNKNOWN, look_at=after(0.5)), stop())
    assert says(step_of(trade)) == ("place", "close", 0, 4)
    resting = closing(entry(), stop(), target(UNKNOWN, look_at=after(0.5)))
    assert says(step_of(resting)) == ("place", "close", 0, 10)


def test_of_two_waits_the_sooner_counts() -> None:
    """Whatever is due first wakes the trade."""
    sooner = closing(entry(4, UNKNOWN, look_at=after(0.5)), stop(), close(LIVE, contracts=4))
    assert until_of(step_of(sooner, 0.3)) == after(0.5)
    later = closing(entry(4, UNKNOWN, look_at=after(2.4)), stop(), close(LIVE, contracts=4))
    assert until_of(step_of(later, 1.95)) == after(2)


def test_a_quarantined_trade_still_wakes_for_what_it_waits_for() -> None:
    """A late word on its entry may clear it."""
    lost = entry(4, UNKNOWN, look_at=after(0.4))
    step = step_of(record(lost, close(FILLED, reported_filled=10)))
    assert step is not None
    assert (step.do, step.until) == (Do.QUARANTINE, after(0.4))


def test_orders_that_die_at_once_are_placed_ever_more_slowly() -> None:
    """The second follows at once; those after it are spaced, each a little longer."""
    one = record(entry(), stop(CANCELLED))
    assert says(step_of(one)) == ("place", "sl", 0, 10)
    two = record(entry(), stop(CANCELLED), stop(CANCELLED, attempt=2, sent_at=after(0.1)))
    assert until_of(step_of(two, 0.2)) == after(0.6)
    third = stop(CANCELLED, attempt=3, sent_at=after(0.6))
    three = record(*two.lines, third, exposed_since=after(0.6))
    assert until_of(step_of(three, 0.7)) == after(1.6)
    assert says(step_of(two, 0.6)) == ("place", "sl", 0, 10)
    assert says(step_of(record(*two.lines, exposed_since=after(9)), 9)) == ("place", "sl", 0, 10)


def test_refused_orders_have_their_own_pause() -> None:
    """What the venue never took is not spaced a second time."""
    refused = [stop(REJECTED, attempt=x, order_ids=()) for x in (1, 2, 3)]
    assert says(step_of(record(entry(), *refused))) == ("place", "sl", 0, 10)


def test_closes_under_both_roles_are_spaced_together() -> None:
    """A close that became an emergency goes on where it was."""
    dead = (close(CANCELLED), emergency(CANCELLED, sent_at=after(0.1)))
    trade = closing(entry(), stop(), *dead, reason=ExitReason.STOP_STALLED)
    assert until_of(step_of(trade, 0.2)) == after(0.6)


def test_missing_fills_are_fetched_after_ever_longer_pauses() -> None:
    """They are pushed as a rule; what is not is asked for after half a second, one, two..."""
    flat = (entry(heard_at=START), stop(CANCELLED), CLOSED_BY_TARGET)
    for vain, seconds in ((0, 0.5), (1, 1), (2, 2), (3, 4), (6, 32)):
        trade = record(*flat, syncs_in_vain=vain)
        assert until_of(step_of(trade, seconds - 0.01)) == after(seconds)
        assert says(step_of(trade, seconds)) == ("sync", "", 0, 0)


def test_the_pause_counts_from_the_last_report() -> None:
    """However long the trade lasted, the search begins when it ends."""
    flat = (entry(heard_at=START), stop(CANCELLED), replace(CLOSED_BY_TARGET, heard_at=after(60)))
    assert until_of(step_of(record(*flat), 60.1)) == after(60.5)


def test_an_order_given_up_early_is_looked_for_once_more_before_the_end() -> None:
    """It may arrive until its validity ends, and would outlive its trade."""
    lost = stop(ABSENT, looks=1, sent_at=after(1))
    fills = (booked(Role.ENTRY, Side.BUY, 10, 1), booked(Role.TARGET, Side.SELL, 10, 1, number=2))
    trade = record(entry(), lost, CLOSED_BY_TARGET, fills=fills)
    assert until_of(step_of(trade, 2.9)) == after(3)
    assert says(step_of(trade, 3)) == ("look_up", "sl", 1, 0)
    again = record(entry(), replace(lost, looks=2), CLOSED_BY_TARGET, fills=fills)
    assert says(step_of(again, 3)) == ("finish", "", 0, 0)
    known = record(entry(), replace(lost, order_ids=("x",)), CLOSED_BY_TARGET, fills=fills)
    assert says(step_of(known, 1)) == ("finish", "", 0, 0)


def test_with_every_fill_in_hand_it_is_over() -> None:
    """Nothing rests and nothing is missing."""
    fills = (booked(Role.ENTRY, Side.BUY, 10, 100, number=1), booked(Role.TARGET, Side.SELL, 10, 1))
    lines = (entry(order_ids=("entry-1",)), stop(CANCELLED), CLOSED_BY_TARGET)
    assert says(step_of(record(*lines, fills=fills))) == ("finish", "", 0, 0)


@pytest.mark.parametrize(
    "trade",
    [
        record(entry(), not_before=after(3_600)),
        record(entry(), needs_sync=True, sync_after=after(3_600)),
        record(entry(0, UNKNOWN, look_at=after(3_600))),
        record(entry(), stop(TRIGGERED, triggered_at=after(3_600))),
        closing(entry(), stop(), close(LIVE, sent_at=after(3_600))),
        record(entry(), stop(CANCELLED, sent_at=after(3_600)), stop(CANCELLED, attempt=2)),
        record(entry(heard_at=after(3_600)), stop(CANCELLED), CLOSED_BY_TARGET, syncs_in_vain=3),
    ],
    ids=lambda trade: str(trade.lines[-1].role),
)
def test_a_clock_that_was_set_back_stops_nothing(trade: Trade) -> None:
    """Instants of the future are leftovers of a clock that went ahead."""
    assert says(step_of(trade))[0] not in {"wait", "nothing"}


def test_a_market_limit_entry_does_not_rest_either() -> None:
    """What has no price of its own was meant to trade at once."""
    trade = record(entry(0, LIVE), plan=plan(entry_type=OrderType.MARKET_LIMIT))
    assert says(step_of(trade)) == ("cancel", "entry", 1, 0)


def test_attempts_stop_rising_where_labels_end() -> None:
    """A label that no longer parses would be nobody's order."""
    worn = close(REJECTED, attempt=MAX_ATTEMPT, order_ids=())
    assert closing(entry(), stop(), worn).next_attempt(Role.CLOSE) == MAX_ATTEMPT


def test_every_rule_is_named_once() -> None:
    """The table is the order of urgency, so no rule may stand in it twice."""
    assert len({rule.__name__ for rule in RULES}) == len(RULES)
    assert next_step(record(), POLICY, START) == step_of(record())


def test_a_line_of_a_role_is_never_another_roles_business() -> None:
    """A target that fired nothing leaves the entry and the stop as they were."""
    trade = record(entry(), stop(), line(Role.TARGET, FILLED, contracts=3, reported_filled=3))
    assert says(step_of(trade)) == ("place", "tp", 0, 7)
