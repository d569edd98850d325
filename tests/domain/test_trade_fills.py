"""What fills, and reports taken together, make of the record."""

from dataclasses import replace

from domain.labels import Role
from domain.orders import OrderState
from domain.reports import apply_order
from domain.trade import ExitReason, LineStatus
from tests.domain.builders import (
    START_MS,
    after,
    child,
    close,
    entry,
    fill,
    filled,
    hand_fill,
    heard,
    limit_plan,
    record,
    report,
    stop,
    target,
)

OPEN, UNTRIGGERED, FIRED = OrderState.OPEN, OrderState.UNTRIGGERED, OrderState.TRIGGERED
FILLED, GONE, REFUSED = OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED


# -- fills ------------------------------------------------------------


def test_fills_count_once_however_often_they_come() -> None:
    """By the venue's trade id, within one message and across."""
    one = fill(Role.ENTRY, 4)
    trade = filled(record(entry(0, LineStatus.LIVE)), one, one)
    assert filled(trade, one) == trade
    assert trade.position == 4


def test_the_larger_of_fills_and_reported_figure_counts() -> None:
    """Either may come first; what is missing is known to be missing."""
    trade = record(entry(7, LineStatus.LIVE), plan=limit_plan())
    assert (trade.entered, trade.lacks_fills) == (7, True)
    trade = filled(trade, fill(Role.ENTRY, 7))
    assert (trade.entered, trade.lacks_fills) == (7, False)
    trade = filled(trade, fill(Role.ENTRY, 2, trade_id="more"))
    assert trade.entered == 9


def test_fills_are_booked_in_the_venues_order() -> None:
    """By time, then by number: averages depend on it."""
    trade = filled(
        record(entry(0, LineStatus.LIVE)),
        fill(Role.ENTRY, 1, trade_id="c", trade_seq=3, timestamp_ms=START_MS + 1),
        fill(Role.ENTRY, 1, trade_id="b", trade_seq=2),
        fill(Role.ENTRY, 1, trade_id="a", trade_seq=1),
    )
    assert [x.trade_id for x in trade.fills] == ["a", "b", "c"]


def test_a_foreign_fill_counts_only_when_it_was_attributed() -> None:
    """Execution decides whose a hand's fill is; by itself it belongs to no trade."""
    trade = record(entry(), stop())
    assert filled(trade, hand_fill(4)) == trade
    closed = filled(trade, hand_fill(4), foreign=True)
    assert (closed.position, closed.exited, closed.fills[0].role) == (6, 4, None)


def test_a_foreign_fill_that_turns_out_to_be_ours_counts_once() -> None:
    """It was taken for a hand's before its order was known."""
    trade = filled(record(entry(), stop()), hand_fill(4, order_id="sl-1-child"), foreign=True)
    assert trade.position == 6
    trade = heard(trade, child(OPEN, filled_contracts=4, label=""))
    assert (trade.position, trade.exited) == (6, 4)


def test_an_order_known_by_its_fill_alone_is_adopted() -> None:
    """Sent, filled, and forgotten in a crash: what became of it is to be found out."""
    trade = filled(record(entry()), fill(Role.STOP, 10, order_id="s"))
    found = trade.line(Role.STOP, 1)
    assert found is not None
    assert (found.status, found.order_ids) == (LineStatus.UNKNOWN, ("s",))
    assert trade.position == 0


# -- what it means ------------------------------------------------------------


def test_a_stop_that_died_by_itself_is_a_reason_to_ask() -> None:
    """Perhaps there is nothing left to protect; somebody's cancel needs no question."""
    trade = record(entry(), stop())
    gone = report(Role.STOP, GONE, updated_ms=START_MS + 1)
    assert heard(trade, gone).needs_sync
    assert not heard(trade, replace(gone, cancel_reason="user_request")).needs_sync
    closing = replace(trade, exit_reason=ExitReason.KILL)
    assert not heard(closing, gone).needs_sync
    flat = record(entry(), stop(), target(LineStatus.FILLED, reported_filled=10))
    assert not heard(flat, gone).needs_sync


def test_a_close_that_died_by_itself_is_a_reason_to_ask() -> None:
    """A reduce-only order cut to nothing says that there is nothing to reduce."""
    trade = record(entry(), stop(), close(), exit_reason=ExitReason.REQUESTED)
    gone = report(Role.CLOSE, GONE, updated_ms=START_MS + 1)
    assert heard(trade, gone).needs_sync
    assert not heard(trade, replace(gone, cancel_reason="user_request")).needs_sync


def test_targets_that_die_are_counted() -> None:
    """Whoever cancels it three times has made his point."""
    trade = record(entry(), stop(), target())
    cut = report(Role.TARGET, GONE, updated_ms=START_MS + 1)
    gone = replace(cut, cancel_reason="user_request")
    closing = replace(trade, exit_reason=ExitReason.KILL)
    for reports, counts in (((gone, gone), (0, 1)), ((cut, cut), (1, 0))):
        told = heard(trade, *reports)
        assert (told.target_failures, told.target_hand_cancels) == counts
        told = heard(closing, *reports)
        assert (told.target_failures, told.target_hand_cancels) == (0, 0)


def test_a_stop_that_covers_forgives_the_refusals_before_it() -> None:
    """Three tries are meant for one gap, not for a lifetime."""
    failed = record(entry(), stop(LineStatus.UNKNOWN), stop_failures=2)
    assert heard(failed, report(Role.STOP, UNTRIGGERED)).stop_failures == 0
    assert heard(failed, report(Role.STOP, UNTRIGGERED, contracts=4)).stop_failures == 2


def test_more_closed_than_opened_is_first_of_all_a_reason_to_ask() -> None:
    """A fill of the entry may be on its way."""
    trade = record(entry(4, LineStatus.LIVE), plan=limit_plan())
    assert heard(trade, report(Role.CLOSE, FILLED)).needs_sync
    over = filled(trade, hand_fill(10), foreign=True)
    assert (over.needs_sync, over.position) == (True, -6)
    again = replace(over, needs_sync=False)
    assert not filled(again, hand_fill(1, trade_id="x"), foreign=True).needs_sync


def test_every_report_is_heard_even_a_stale_one() -> None:
    """When the venue last spoke of an order decides when to ask for what is missing."""
    trade = record(entry(), stop())
    trade = apply_order(trade, report(Role.ENTRY, OPEN), after(7))
    assert trade.of(Role.ENTRY)[0].heard_at == after(7)
