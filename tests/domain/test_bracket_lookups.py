"""What look-ups and comparisons make of the record: found, not found, vanished."""

from dataclasses import replace
from typing import Any

import pytest

from domain import outcomes
from domain.labels import Role
from domain.orders import OrderState
from domain.steps import Do
from domain.trade import LineStatus
from tests.domain.builders import (
    POLICY,
    START,
    START_MS,
    after,
    child,
    close,
    entry,
    heard,
    line,
    look,
    record,
    report,
    says,
    status_of,
    step_of,
    stop,
    target,
    until_of,
)

LIVE, UNKNOWN, TRIGGERED = LineStatus.LIVE, LineStatus.UNKNOWN, LineStatus.TRIGGERED
REJECTED, ABSENT, CANCELLED = LineStatus.REJECTED, LineStatus.ABSENT, LineStatus.CANCELLED
TOO_BUSY, SOME_CODE, NO_POSITION, PASSED = 10047, 10028, 11030, 11036
LATE = START_MS + 5_001


# -- looked up ------------------------------------------------------------


def test_an_entry_is_not_absent_before_it_can_no_longer_arrive() -> None:
    """Looks before its validity ended prove nothing, however many."""
    lost = entry(0, UNKNOWN)
    trade = record(lost)
    for number in range(20):
        trade = look(trade, lost, seconds=number, server_ms=START_MS + 5_000)
    assert status_of(trade, Role.ENTRY) is UNKNOWN
    current = trade.line(Role.ENTRY, 1)
    assert current is not None
    assert current.look_at == after(19.5)


def test_an_entry_is_absent_after_two_late_looks() -> None:
    """One absence is not proof; what the venue tells may lag behind what it did."""
    lost = entry(0, UNKNOWN)
    once = look(record(lost), lost, server_ms=LATE)
    assert status_of(once, Role.ENTRY) is UNKNOWN
    twice = look(once, lost, seconds=0.5, server_ms=LATE)
    assert status_of(twice, Role.ENTRY) is ABSENT
    step = step_of(twice, 0.5)
    assert step is not None
    assert step.do is Do.FINISH


@pytest.mark.parametrize("role", [Role.STOP, Role.TARGET, Role.CLOSE, Role.EMERGENCY])
def test_other_orders_are_given_up_at_the_first_look(role: Role) -> None:
    """They only reduce, so a second one can do no harm, and time matters more."""
    lost = line(role, UNKNOWN)
    trade = look(record(entry(), lost), lost)
    assert status_of(trade, role) is ABSENT
    assert trade.stop_failures == (1 if role is Role.STOP else 0)
    assert trade.target_failures == (1 if role is Role.TARGET else 0)


def test_a_look_for_a_latecomer_is_counted() -> None:
    """So that it is the last one."""
    lost = line(Role.STOP, ABSENT, looks=1)
    trade = look(record(entry(), lost), lost, seconds=2)
    found = trade.line(Role.STOP, 1)
    assert found is not None
    assert (found.status, found.looks) == (ABSENT, 2)


def test_an_entry_that_was_kept_back_is_not_looked_for() -> None:
    """Nothing left the house."""
    sent = entry(0, UNKNOWN)
    trade = outcomes.not_sent(outcomes.about_to_send(record(), sent), sent, POLICY, START)
    step = step_of(trade, 1)
    assert step is not None
    assert step.do is Do.FINISH


def test_an_order_that_was_there_once_is_looked_up_twice() -> None:
    """It exists, so its absence is the venue's memory or its lag."""
    known = replace(stop(UNKNOWN), order_ids=("sl-1",))
    once = look(record(entry(), known), known)
    assert status_of(once, Role.STOP) is UNKNOWN
    assert status_of(look(once, known, seconds=0.5), Role.STOP) is ABSENT


def test_news_that_came_during_a_vain_look_stand() -> None:
    """The answer is older than the notification that overtook it."""
    lost = stop(UNKNOWN)
    trade = record(entry(), stop(LIVE))
    assert look(trade, lost) == trade
    assert look(record(entry()), lost) == record(entry())


def test_a_found_order_is_what_it_is() -> None:
    """The look ends, and the waiting with it."""
    lost = stop(UNKNOWN, looks=1, look_at=after(0.5))
    trade = look(record(entry(), lost), lost, report(Role.STOP, OrderState.UNTRIGGERED))
    found = trade.line(Role.STOP, 1)
    assert found is not None
    assert (found.status, found.looks, found.look_at) == (LIVE, 0, None)
    assert trade.exposed_since is None


def test_a_trigger_that_fired_on_nothing_is_over_after_two_looks() -> None:
    """It leaves no order behind; once may be too early."""
    fired = report(Role.STOP, OrderState.TRIGGERED)
    start = stop(TRIGGERED, triggered_at=START)
    once = look(record(entry(), start), start, fired)
    assert status_of(once, Role.STOP) is TRIGGERED
    current = once.line(Role.STOP, 1)
    assert current is not None
    assert (current.looks, current.look_at) == (1, after(0.5))
    assert status_of(look(once, current, fired, seconds=0.5), Role.STOP) is ABSENT


@pytest.mark.parametrize(
    "working",
    [child(OrderState.OPEN), report(Role.STOP, OrderState.OPEN)],
    ids=["its own id", "the trigger's id"],
)
def test_a_fired_stop_whose_market_order_rests_is_not_over(working: Any) -> None:
    """However often it is looked up."""
    start = stop(TRIGGERED, triggered_at=START, looks=1)
    fired = report(Role.STOP, OrderState.TRIGGERED)
    trade = look(record(entry(), start), start, fired, working)
    found = trade.line(Role.STOP, 1)
    assert found is not None
    assert (found.status, found.is_working) == (TRIGGERED, True)
    assert (found.looks, found.look_at) == (0, None)


def test_a_fired_stop_whose_market_order_filled_is_over() -> None:
    """Trigger and market order are one order in two records."""
    start = stop(TRIGGERED, triggered_at=START)
    answer = report(Role.STOP, OrderState.TRIGGERED), child(OrderState.FILLED)
    trade = look(record(entry(), start), start, *answer)
    assert status_of(trade, Role.STOP) is LineStatus.FILLED
    assert trade.position == 0


# -- compared ------------------------------------------------------------


def test_what_has_vanished_is_looked_up_before_it_is_given_up() -> None:
    """An order that ended a moment ago may rest no more and not be history yet."""
    trade = outcomes.vanished(record(entry(), stop(), target()), {"sl-1"})
    assert status_of(trade, Role.STOP) is LIVE
    assert status_of(trade, Role.TARGET) is UNKNOWN
    assert status_of(trade, Role.ENTRY) is LineStatus.FILLED


def test_what_has_vanished_and_filled_is_filled() -> None:
    """Its fills are known in full, so there is nothing to look for."""
    trade = outcomes.vanished(record(entry(), target(reported_filled=10)), set())
    assert status_of(trade, Role.TARGET) is LineStatus.FILLED


def test_an_older_version_of_what_has_vanished_is_no_answer() -> None:
    """Nothing is known by it, so it is not asked for again at once; the list may know more."""
    edited = stop(updated_ms=START_MS + 5_000)
    trade = outcomes.vanished(record(entry(), edited, target()), {"tp-1"})
    older = report(Role.STOP, OrderState.UNTRIGGERED)
    trade = look(trade, trade.of(Role.STOP)[0], older, seconds=1)
    assert status_of(trade, Role.STOP) is UNKNOWN
    assert until_of(step_of(trade, 1)) == after(1.5)
    assert says(step_of(trade, 1.5))[0] == "sync"
    in_vain = outcomes.synced(heard(trade, older), after(1.5))
    assert says(step_of(in_vain, 1.5)) == ("look_up", "sl", 1, 0)
    newest = replace(older, updated_ms=START_MS + 5_000)
    assert step_of(outcomes.synced(heard(trade, newest), after(1.5)), 1.5) is None


def test_orders_that_are_over_cannot_vanish() -> None:
    """Neither can those whose outcome nobody knows."""
    trade = record(entry(), stop(CANCELLED), close(UNKNOWN))
    assert outcomes.vanished(trade, set()) == trade


def test_a_comparison_settles_the_doubt_but_not_the_pause() -> None:
    """What was refused is still refused; only now it is known why."""
    doubtful = record(entry(), needs_sync=True, not_before=after(0.5), sync_after=after(0.5))
    trade = outcomes.synced(replace(doubtful, lines=()), START)
    assert not trade.needs_sync
    assert (trade.not_before, trade.sync_after) == (after(0.5), None)
    assert trade.synced_at == START
