"""What the outcomes of steps make of the record: refused, kept back, looked up, compared."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain import outcomes, venue_codes
from domain.labels import Role
from domain.orders import OrderState, Side
from domain.reports import apply_order
from domain.steps import Do
from domain.trade import ExitReason, Line, LineStatus, Trade, with_line
from tests.domain.builders import (
    POLICY,
    START,
    START_MS,
    after,
    close,
    emergency,
    entry,
    label_of,
    look,
    plan,
    record,
    report,
    status_of,
    step_of,
    stop,
    target,
)

LIVE, UNKNOWN, TRIGGERED = LineStatus.LIVE, LineStatus.UNKNOWN, LineStatus.TRIGGERED
REJECTED, ABSENT, CANCELLED = LineStatus.REJECTED, LineStatus.ABSENT, LineStatus.CANCELLED
TOO_BUSY, SOME_CODE, NO_POSITION, PASSED = 10047, 10028, 11030, 11036
LATE = START_MS + 5_001


def refused_order(trade: Trade, sent: Line, code: int = SOME_CODE, seconds: float = 0) -> Trade:
    sent = replace(sent, status=UNKNOWN, order_ids=())
    trade = outcomes.about_to_send(trade, sent)
    return outcomes.rejected(trade, sent, code, POLICY, after(seconds))


def test_stops_that_were_taken_away_are_forgotten_after_a_while() -> None:
    """But for the newest, whose number is not used twice, and those that filled."""
    gone = [stop(CANCELLED, attempt=x, sent_at=after(x)) for x in (1, 2, 3, 20, 21)]
    gone[0] = replace(gone[0], reported_filled=1)
    sent = stop(UNKNOWN, attempt=22, sent_at=after(70))
    trade = outcomes.about_to_send(record(entry(), *gone), sent)
    assert [x.attempt for x in trade.of(Role.STOP)] == [1, 20, 21, 22]
    assert trade.position == 9


# -- before it is on the wire ----------------------------------------------------------------


def test_an_order_about_to_be_sent_has_an_unknown_outcome() -> None:
    """Should we die now, the record says that it may be there."""
    trade = outcomes.about_to_send(record(entry()), stop(LIVE))
    assert status_of(trade, Role.STOP) is UNKNOWN


def test_an_order_kept_back_was_never_tried() -> None:
    """It leaves no trace but a pause, and its number is used again."""
    sent = stop(UNKNOWN)
    trade = outcomes.about_to_send(record(entry()), sent)
    trade = outcomes.not_sent(trade, sent, POLICY, after(1))
    assert trade.of(Role.STOP) == ()
    assert trade.not_before == after(1.5)
    assert trade.next_attempt(Role.STOP) == 1
    assert trade.stop_failures == 0


def test_an_entry_kept_back_ends_the_trade() -> None:
    """What was refused to it now is not sent later either."""
    sent = entry(0, UNKNOWN)
    trade = outcomes.not_sent(outcomes.about_to_send(record(), sent), sent, POLICY, START)
    assert trade.exit_reason is ExitReason.ENTRY_NOT_SENT
    assert status_of(trade, Role.ENTRY) is ABSENT
    killed = outcomes.not_sent(record(exit_reason=ExitReason.KILL), sent, POLICY, START)
    assert killed.exit_reason is ExitReason.KILL


# -- refused ------------------------------------------------------------


def test_a_refused_entry_is_over() -> None:
    """No pause, no second try."""
    trade = refused_order(record(), entry(0), TOO_BUSY)
    assert status_of(trade, Role.ENTRY) is REJECTED
    assert trade.not_before is None
    step = step_of(trade)
    assert step is not None
    assert step.do is Do.FINISH


def test_the_first_refusal_of_a_stop_is_answered_at_once_the_next_after_a_pause() -> None:
    """Speed first, then patience."""
    trade = refused_order(record(entry()), stop())
    assert (trade.stop_failures, trade.not_before) == (1, None)
    trade = refused_order(trade, stop(attempt=2), seconds=1)
    assert (trade.stop_failures, trade.not_before) == (2, after(1.5))


@pytest.mark.parametrize("code", sorted(venue_codes.PASSING))
def test_what_passes_by_itself_is_no_failure_of_the_stop(code: int) -> None:
    """Only the deadline bounds it; it is asked again after a pause."""
    trade = refused_order(record(entry()), stop(), code)
    assert (trade.stop_failures, trade.not_before) == (0, after(0.5))


@pytest.mark.parametrize("code", sorted(venue_codes.TRIGGER_ALREADY_PASSED))
def test_a_passed_trigger_closes_now(code: int) -> None:
    """The stop is not moved further away; the position is closed without a pause."""
    trade = refused_order(record(entry()), stop(), code)
    assert (trade.exit_reason, trade.not_before) == (ExitReason.TRIGGER_PASSED, None)
    step = step_of(trade)
    assert step is not None
    assert (step.do, step.role) == (Do.PLACE, Role.EMERGENCY)


def test_only_a_stops_trigger_can_have_passed() -> None:
    """The same code for another order is an ordinary refusal."""
    trade = refused_order(record(entry(), stop()), target(), PASSED)
    assert (trade.exit_reason, trade.target_failures) == (None, 1)


def test_a_refusal_is_recorded_whatever_is_known() -> None:
    """The record's own word of an order counts, not the memory of whoever sent it."""
    unheard = outcomes.rejected(record(entry()), close(order_ids=()), SOME_CODE, POLICY, START)
    assert status_of(unheard, Role.CLOSE) is REJECTED
    known = record(entry(), stop())
    trade = outcomes.rejected(known, stop(UNKNOWN), SOME_CODE, POLICY, START)
    assert status_of(trade, Role.STOP) is LIVE


def test_a_passed_trigger_keeps_an_earlier_reason() -> None:
    """A trade that was closing anyway goes on closing for its own reason."""
    trade = refused_order(record(entry(), exit_reason=ExitReason.KILL), stop(), PASSED)
    assert trade.exit_reason is ExitReason.KILL


@pytest.mark.parametrize("sent", [stop(), close(), target()])
def test_nothing_to_reduce_asks_for_the_truth(sent: Line) -> None:
    """Probably flat, perhaps only early: read first, and try again after a pause."""
    trade = refused_order(record(entry()), sent, NO_POSITION)
    assert trade.needs_sync
    is_target = sent.role is Role.TARGET
    assert (trade.target_after if is_target else trade.not_before) == after(0.5)


def test_refused_targets_are_tried_for_ever_and_ever_more_rarely() -> None:
    """At once, then after half a second, one, two, ... and a minute; a stop never waits for it."""
    trade = record(entry(), stop())
    pauses: list[float] = []
    for attempt in range(1, 12):
        trade = refused_order(trade, target(attempt=attempt))
        pauses.append(((trade.target_after or START) - START).total_seconds())
    assert pauses == [0, 0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert trade.not_before is None
    assert [x.attempt for x in trade.of(Role.TARGET)] == [11]
    assert (again := step_of(trade, 60))
    assert (again.do, again.role) == (Do.PLACE, Role.TARGET)


def test_a_target_that_rested_ends_the_row_of_failures() -> None:
    """What was long ago says nothing of today: it is put back at once."""
    gone = report(Role.TARGET, OrderState.CANCELLED, updated_ms=START_MS + 1)
    trade = record(entry(), stop(), target(), target_failures=7)
    assert apply_order(trade, gone, after(59)).target_failures == 8
    rested = apply_order(trade, gone, after(60))
    assert (rested.target_failures, rested.target_after) == (1, None)
    too_small = target()
    refused = outcomes.resize_refused(trade, too_small, SOME_CODE, POLICY, after(60))
    assert (refused.target_failures, refused.target_after) == (1, None)
    refused = outcomes.resize_refused(trade, too_small, SOME_CODE, POLICY, after(59))
    assert refused.target_failures == 8


def test_hours_of_cut_targets_leave_few_lines() -> None:
    """A person's own limit may take what there is to reduce for a day."""
    trade = record(entry(), stop())
    for attempt in range(1, 100):
        sent = target(attempt=attempt, sent_at=after(60 * attempt), order_ids=(f"tp{attempt}",))
        trade = with_line(trade, sent)
        gone = report(Role.TARGET, OrderState.CANCELLED, attempt=attempt, order_id=f"tp{attempt}")
        trade = apply_order(trade, replace(gone, updated_ms=START_MS + 1), after(60 * attempt))
    assert len(trade.of(Role.TARGET)) <= 2
    assert trade.next_attempt(Role.TARGET) == 100


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_target_beyond_the_band_is_taken_or_waits(side: Side) -> None:
    """The price is past it: at market, now. It is not near it yet: again in a minute, for ever."""
    left, far = (10005, 10007) if side is Side.BUY else (10007, 10005)
    trade = record(entry(), stop(), plan=plan(side=side))
    assert refused_order(trade, target(), left).exit_reason is ExitReason.TAKE_PROFIT
    for attempt in range(1, 6):
        trade = refused_order(trade, target(attempt=attempt), far, seconds=60 * attempt)
        assert (waits := step_of(trade, 60 * attempt))
        assert (waits.do, waits.until) == (Do.WAIT, after(60 * attempt + 60))
    assert [x.attempt for x in trade.of(Role.TARGET)] == [5]
    assert (again := step_of(trade, 361))
    assert (again.do, again.role) == (Do.PLACE, Role.TARGET)
    assert trade.target_failures == 0


def test_refused_closes_wait_longer_and_longer() -> None:
    """At once, then half a second, one, two, four, and never more than five."""
    trade = record(entry(), stop(), exit_reason=ExitReason.REQUESTED)
    pauses: list[float] = []
    for attempt in range(1, 8):
        trade = refused_order(trade, close(attempt=attempt))
        until = trade.not_before or START
        pauses.append((until - START).total_seconds())
    assert pauses == [0, 0.5, 1, 2, 4, 5, 5]


def test_hours_of_refused_closes_leave_one_line() -> None:
    """The record is written with every step: it must not grow with every try."""
    trade = record(entry(), stop(), exit_reason=ExitReason.STOP_STALLED)
    for attempt in range(1, 50):
        trade = refused_order(trade, emergency(attempt=attempt), TOO_BUSY)
    assert [x.attempt for x in trade.of(Role.EMERGENCY)] == [49]
    assert trade.next_attempt(Role.EMERGENCY) == 50


def test_lines_that_left_something_behind_stay() -> None:
    """Whatever the venue has seen may still be heard of."""
    seen = close(CANCELLED), emergency(REJECTED), emergency(CANCELLED, attempt=2)
    trade = record(entry(), *seen, exit_reason=ExitReason.STOP_STALLED)
    trade = refused_order(trade, emergency(attempt=3))
    assert {(x.role, x.attempt) for x in trade.lines if x.role is not Role.ENTRY} == {
        (Role.CLOSE, 1),
        (Role.EMERGENCY, 1),
        (Role.EMERGENCY, 2),
        (Role.EMERGENCY, 3),
    }


def test_a_close_that_was_taken_forgives_those_refused_before() -> None:
    """The pauses begin anew."""
    trade = record(entry(), stop(), exit_reason=ExitReason.REQUESTED, close_failures=4)
    trade = outcomes.about_to_send(trade, close(UNKNOWN))
    trade = look(trade, close(UNKNOWN), report(Role.CLOSE, OrderState.OPEN))
    assert trade.close_failures == 0


def test_an_order_taken_as_something_else_keeps_what_the_venue_says_of_it() -> None:
    """It counts as a failure, and what rests is not forgotten for it."""
    twisted = report(Role.STOP, OrderState.UNTRIGGERED, reduce_only=False)
    trade = look(record(entry(), stop(UNKNOWN)), stop(UNKNOWN), twisted)
    current = trade.line(Role.STOP, 1)
    assert current is not None
    trade = outcomes.rejected(trade, current, 0, POLICY, START)
    assert status_of(trade, Role.STOP) is LIVE
    assert (trade.stop_failures, trade.cover) == (1, 0)
    step = step_of(trade)
    assert step is not None
    assert step.do is Do.CANCEL


def test_a_refused_change_asks_for_the_truth_after_a_pause() -> None:
    """A cancel or an edit that was refused, or that nobody knows of."""
    trade = outcomes.refused(record(entry(), stop()), POLICY, after(1))
    assert trade.needs_sync
    assert (trade.sync_after, trade.not_before) == (after(1.5), after(1.5))


# -- ending ------------------------------------------------------------


def test_kill_outranks_a_request_and_nothing_outranks_anything_else() -> None:
    """The first reason stands, so that the record tells why it began to close."""
    asked = outcomes.ending(record(entry(), not_before=after(9)), ExitReason.REQUESTED)
    assert (asked.exit_reason, asked.not_before) == (ExitReason.REQUESTED, None)
    killed = outcomes.ending(asked, ExitReason.KILL)
    assert killed.exit_reason is ExitReason.KILL
    assert outcomes.ending(killed, ExitReason.STOP_STALLED) == killed
    assert outcomes.ending(killed, ExitReason.REQUESTED) == killed


def test_asking_twice_changes_nothing() -> None:
    """Above all not the pause after a refusal."""
    asked = record(entry(), exit_reason=ExitReason.REQUESTED, not_before=after(9))
    assert outcomes.ending(asked, ExitReason.REQUESTED) == asked


# -- taken over ------------------------------------------------------------


def test_a_trade_taken_over_reads_the_truth_first() -> None:
    """Pauses and looks of the former owner mean nothing any more."""
    unknown = stop(UNKNOWN, looks=3, look_at=after(60))
    paused = record(entry(), unknown, not_before=after(60), sync_after=after(60))
    trade = outcomes.resumed(paused)
    assert trade.needs_sync
    assert (trade.not_before, trade.sync_after) == (None, None)
    found = trade.line(Role.STOP, 1)
    assert found is not None
    assert (found.looks, found.look_at) == (0, None)


def test_an_intent_taken_over_counts_as_sent() -> None:
    """It may have been on the wire: it is looked up, and never sent again."""
    trade = outcomes.synced(outcomes.resumed(record()), START)
    sent = trade.line(Role.ENTRY, 1)
    assert sent is not None
    assert (sent.status, sent.contracts) == (UNKNOWN, 10)
    assert sent.valid_until_ms == START_MS + 5_000
    assert trade.label(sent) == label_of(Role.ENTRY)
    step = step_of(trade)
    assert step is not None
    assert step.do is Do.LOOK_UP
    assert outcomes.resumed(trade).of(Role.ENTRY) == trade.of(Role.ENTRY)


def test_the_pause_of_the_policy_is_the_pause() -> None:
    """Nothing is measured in constants of its own."""
    slow = replace(POLICY, retry_interval=2.0, look_interval=3.0)
    trade = outcomes.refused(record(entry()), slow, START)
    assert trade.not_before == START + timedelta(seconds=2)
    lost = entry(0, UNKNOWN)
    looked = outcomes.looked_up(record(lost), lost, (), slow, START, server_ms=0)
    assert looked.lines[0].look_at == after(3)
