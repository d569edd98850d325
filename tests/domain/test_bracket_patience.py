"""When the bracket waits and for how long, and what waits for nothing."""

from dataclasses import replace
from typing import Any

import pytest

from domain.bracket import RULES, next_step
from domain.labels import MAX_ATTEMPT, Role
from domain.orders import OrderType, Side
from domain.steps import Do
from domain.trade import ExitReason, LineStatus, Trade
from tests.domain.builders import (
    POLICY,
    START,
    after,
    booked,
    close,
    closing,
    emergency,
    entry,
    limit_plan,
    line,
    plan,
    record,
    says,
    step_of,
    stop,
    target,
    until_of,
)

LIVE, UNKNOWN, TRIGGERED = LineStatus.LIVE, LineStatus.UNKNOWN, LineStatus.TRIGGERED
FILLED, CANCELLED, ABSENT = LineStatus.FILLED, LineStatus.CANCELLED, LineStatus.ABSENT
REJECTED = LineStatus.REJECTED
CLOSED_BY_TARGET = target(FILLED, reported_filled=10)
CLOSED_BY_CLOSE = close(FILLED, reported_filled=10)
WITH_TARGET_AT_END = (entry(), stop(), CLOSED_BY_TARGET)


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


@pytest.mark.parametrize(
    "last", [emergency(REJECTED, order_ids=(), code=10047), emergency(ABSENT, looks=1)]
)
def test_a_close_that_was_never_taken_does_not_ask_past_the_deadline(last: Any) -> None:
    """A venue that is too busy, or a request that was lost, say nothing about the position."""
    reason = ExitReason.PROTECTION_DEADLINE
    trade = closing(entry(), last, needs_sync=True, reason=reason)
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


def test_stops_are_sorted_out_only_under_a_position_that_stays() -> None:
    """While it is being closed, or may yet be opened, two stops do no harm."""
    two = (stop(), stop(attempt=2))
    assert until_of(step_of(closing(entry(), *two, close(LIVE)))) == after(2)
    lost = entry(10, UNKNOWN, look_at=after(0.5))
    assert until_of(step_of(record(lost, *two, CLOSED_BY_TARGET))) == after(0.5)


def test_of_two_waits_the_sooner_counts() -> None:
    """Whatever is due first wakes the trade."""
    sooner = closing(entry(4, UNKNOWN, look_at=after(0.5)), stop(), close(LIVE, contracts=4))
    assert until_of(step_of(sooner, 0.3)) == after(0.5)
    later = closing(entry(4, UNKNOWN, look_at=after(2.4)), stop(), close(LIVE, contracts=4))
    assert until_of(step_of(later, 1.95)) == after(2)


def test_a_quarantined_trade_still_wakes_for_what_it_waits_for() -> None:
    """A late word on its entry may clear it."""
    lost = entry(4, UNKNOWN, look_at=after(0.4), order_ids=("entry-1",))
    fills = (
        booked(Role.ENTRY, Side.BUY, 4, 100_000, number=1),
        booked(None, Side.SELL, 10, 100_000, number=2),
    )
    step = step_of(record(lost, stop(), fills=fills))
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


def test_stops_taken_away_again_and_again_close_the_position() -> None:
    """The pauses between them leave it bare, each for less than the deadline. One now and then,
    as a person does it, is replaced at once however many there were."""
    lost = [stop(CANCELLED, attempt=x, sent_at=after(x)) for x in (1, 2, 3, 4)]
    often = record(entry(), *lost, exposed_since=after(4.2))
    step = step_of(often, 4.2)
    assert step is not None
    assert (step.do, step.reason) == (Do.GIVE_UP_STOP, ExitReason.STOP_REFUSED)
    assert says(step_of(replace(often, exposed_since=after(6)), 6)) == ("place", "sl", 0, 10)
    rests = replace(lost[-1], status=LIVE, contracts=4)
    grown = record(entry(), *lost[:-1], rests, exposed_since=after(4.2))
    assert says(step_of(grown, 4.2)) == ("resize", "sl", 4, 10)
    parts = [stop(CANCELLED, part=x, sent_at=after(4)) for x in (1, 2, 3, 4)]
    linked = record(entry(), *parts, exposed_since=after(4.2))
    assert says(step_of(linked, 4.2)) == ("place", "sl", 0, 10)


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
    """They are pushed as a rule; what is not is asked for after half a second, one, two..., however
    often somebody else has the trade compare itself meanwhile."""
    flat = (entry(heard_at=START), stop(CANCELLED), CLOSED_BY_TARGET)
    first = record(*flat)
    assert until_of(step_of(first, 0.49)) == after(0.5)
    assert says(step_of(first, 0.5)) == ("sync", "", 0, 0)
    for read, seconds in ((1, 1.5), (1.1, 1.6), (2, 3), (3, 5), (41, 71)):
        trade = record(*flat, lacks_since=after(1), synced_at=after(read))
        assert until_of(step_of(trade, seconds - 0.01)) == after(seconds)
        assert says(step_of(trade, seconds)) == ("sync", "", 0, 0)


def test_a_trade_that_is_to_end_waits_for_its_fills_some_minutes() -> None:
    """Its figures will lack them; a trade that nobody can end would hold up more than that."""
    flat = (entry(heard_at=START), stop(CANCELLED), CLOSED_BY_TARGET)
    told = closing(*flat, lacks_since=START, synced_at=after(299))
    assert says(step_of(told, 329)) == ("sync", "", 0, 0)
    assert says(step_of(replace(told, synced_at=after(301)), 301)) == ("finish", "", 0, 0)
    untold = record(*flat, lacks_since=START, synced_at=after(301))
    assert says(step_of(untold, 331)) == ("sync", "", 0, 0)


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
        record(
            entry(heard_at=after(3_600)),
            stop(CANCELLED),
            CLOSED_BY_TARGET,
            synced_at=after(3_601),
            lacks_since=after(3_600),
        ),
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
