"""What the outcome of a step makes of the record: refused, not sent, looked up, compared.

Pure functions from a record to the next. Together with the venue's reports (`domain.reports`)
they are all that ever changes one.

The races it has to stand are listed in docs/proof.md.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from domain import linked, targets, venue_codes
from domain.exposure import measured
from domain.labels import Role
from domain.orders import Order, Side
from domain.reports import apply_order
from domain.steps import BracketPolicy
from domain.trade import CLOSERS, ExitReason, Line, LineStatus, Trade, with_line


def about_to_send(trade: Trade, line: Line) -> Trade:
    """The record as it must be on disk before the order is on the wire: outcome unknown.

    What is left of the stops it follows is forgotten, if they came to nothing a while ago.
    """
    if line.role is Role.STOP:
        trade = targets.without_traces(trade, Role.STOP, line.sent_at)
    trade = with_line(trade, replace(line, status=LineStatus.UNKNOWN))
    if line.role is not Role.ENTRY:
        return trade
    trade = replace(trade, enters_again=False)
    return linked.with_children(trade, line) if trade.is_linked else trade


def rejected(trade: Trade, line: Line, code: int, policy: BracketPolicy, now: datetime) -> Trade:
    """The venue proved that this order was not taken, or took another one than was asked for.

    In that other case its id is known, and what the venue says of it stands. The first retry is
    at once, the next after a pause; an entry is never tried again, unless its link was refused.
    """
    current = trade.now_of(line)
    was_taken = bool(current.order_ids)
    if not was_taken:
        trade = with_line(trade, replace(current, status=LineStatus.REJECTED, code=code))
    if code in venue_codes.NOTHING_TO_REDUCE:
        trade = replace(trade, needs_sync=True)
    if line.role is Role.ENTRY and trade.is_linked and not was_taken:
        return _link_refused(trade, code)
    if line.role is Role.TARGET and code in venue_codes.PRICE_TOO_LOW | venue_codes.PRICE_TOO_HIGH:
        return _beyond_the_band(trade, line, code, now)
    trade, failures = _counted(trade, line, code, now)
    if line.role is Role.STOP and code in venue_codes.TRIGGER_ALREADY_PASSED:
        return replace(trade, exit_reason=trade.exit_reason or ExitReason.TRIGGER_PASSED)
    is_first = failures == 1 and code not in venue_codes.NOTHING_TO_REDUCE | venue_codes.PASSING
    if line.role in {Role.ENTRY, Role.TARGET} or is_first:
        return trade
    return replace(trade, not_before=now + _pause_after(failures, policy))


def _beyond_the_band(trade: Trade, line: Line, code: int, now: datetime) -> Trade:
    """A target the price has left behind is taken at market; one it has not come near to waits."""
    sells = trade.plan.side is Side.BUY
    if sells == (code in venue_codes.PRICE_TOO_LOW):
        return replace(trade, exit_reason=trade.exit_reason or ExitReason.TAKE_PROFIT)
    again = now + timedelta(seconds=targets.LONGEST_PAUSE)
    return replace(_without_refused(trade, line), target_after=again)


def _link_refused(trade: Trade, code: int) -> Trade:
    """No linked order, no children. If the link may be at fault the plain entry goes out instead.

    The venue has proved that nothing was executed, so it is not the same entry twice.
    """
    trade = linked.without_children(trade)
    if code in venue_codes.NOT_THE_LINK or trade.exit_reason is not None:
        return trade
    return replace(trade, is_link_refused=True, enters_again=True)


def _counted(trade: Trade, line: Line, code: int, now: datetime) -> tuple[Trade, int]:
    """Counts a refusal; returns how many there were in a row."""
    if line.role is Role.STOP:
        # What passes by itself is bounded by the deadline, not by a number of tries.
        failures = trade.stop_failures + (code not in venue_codes.PASSING)
        return replace(trade, stop_failures=failures), failures
    if line.role is Role.TARGET:
        passes = code in venue_codes.NOTHING_TO_REDUCE | venue_codes.PASSING
        if line.status is LineStatus.LIVE and trade.target_failures > 1:
            trade = targets.rested(trade, line, now)
        trade = targets.failed(trade, now, at_once=not passes)
        return trade, trade.target_failures
    if line.role in CLOSERS:
        failures = trade.close_failures + 1
        return _without_refused(replace(trade, close_failures=failures), line), failures
    return trade, 1


def _pause_after(failures: int, policy: BracketPolicy) -> timedelta:
    """Doubles with every refusal in a row: half a second, one, two, at most the longest."""
    doublings = min(max(0, failures - 2), 10)
    return timedelta(seconds=min(policy.longest_pause, policy.retry_interval * 2**doublings))


def _without_refused(trade: Trade, newest: Line) -> Trade:
    """Keeps the record small through hours of refusals: a refused order left nothing behind."""
    lines = tuple(
        x
        for x in trade.lines
        if x.role is not newest.role
        or x.attempt == newest.attempt
        or x.status is not LineStatus.REJECTED
        or x.order_ids
    )
    return replace(trade, lines=lines)


def not_sent(trade: Trade, line: Line, policy: BracketPolicy, now: datetime) -> Trade:
    """We refused before a byte left: as if it had never been tried, after a pause."""
    if line.role is Role.ENTRY:
        absent = replace(line, status=LineStatus.ABSENT, looks=policy.absent_looks)
        return replace(
            linked.without_children(with_line(trade, absent)),
            exit_reason=trade.exit_reason or ExitReason.ENTRY_NOT_SENT,
        )
    lines = tuple(x for x in trade.lines if (x.role, x.attempt) != (line.role, line.attempt))
    pause = now + timedelta(seconds=policy.retry_interval)
    return replace(trade, lines=lines, not_before=pause)


def refused(trade: Trade, policy: BracketPolicy, now: datetime) -> Trade:
    """A cancel or an edit was refused, or nobody knows: the venue is asked before going on."""
    pause = now + timedelta(seconds=policy.retry_interval)
    return replace(trade, needs_sync=True, sync_after=pause, not_before=pause)


def resize_refused(
    trade: Trade, line: Line, code: int, policy: BracketPolicy, now: datetime
) -> Trade:
    """An order that covers too little could not be made larger: counted as if not placed."""
    return refused(_counted(trade, line, code, now)[0], policy, now)


def looked_up(
    trade: Trade,
    line: Line,
    orders: Sequence[Order],
    policy: BracketPolicy,
    now: datetime,
    *,
    server_ms: int,
) -> Trade:
    """The venue's answer to "what became of this label?", found or not."""
    for order in orders:
        trade = apply_order(trade, order, now)
    found = trade.line(*line.key)
    is_told = found is not None and any(_concerns(found, order) for order in orders)
    has_passed = found is not None and found.status is LineStatus.PASSED_ON
    if found is None or not (is_told or has_passed):
        return _looked_up_in_vain(trade, line, policy, now, server_ms)
    if found.is_slot:
        return _looked_at_slot(trade, found, orders, policy, now)
    if found.status is LineStatus.UNKNOWN:
        return _told_of_the_past(trade, found, policy, now)
    if found.status is not LineStatus.TRIGGERED or found.is_working:
        return trade
    # A trigger that fired with nothing to reduce leaves no order behind: after two looks it
    # is over.
    if found.looks >= 1:
        return with_line(trade, replace(found, status=LineStatus.ABSENT))
    look_at = now + timedelta(seconds=policy.look_interval)
    return with_line(trade, replace(found, looks=found.looks + 1, look_at=look_at))


def _concerns(line: Line, order: Order) -> bool:
    """Whether an order found under a line's label tells something of this line."""
    return line.is_slot or order.order_id in line.ids


def _told_of_the_past(trade: Trade, line: Line, policy: BracketPolicy, now: datetime) -> Trade:
    """What was found is older than what we know of it, so it does not say whether the order rests.

    In a moment everything is read once more: where this look lags behind, the list may not.
    """
    look_at = now + timedelta(seconds=policy.look_interval)
    sync_after = now + timedelta(seconds=policy.retry_interval)
    trade = with_line(trade, replace(line, look_at=look_at))
    return replace(trade, needs_sync=True, sync_after=sync_after)


def _looked_at_slot(
    trade: Trade, slot: Line, orders: Sequence[Order], policy: BracketPolicy, now: datetime
) -> Trade:
    """A child that still waits is looked at again in a moment."""
    look_at = now + timedelta(seconds=policy.child_interval)
    slot = replace(slot, looks=slot.looks + 1, look_at=look_at, looked_at=now)
    return linked.looked_up(with_line(trade, slot), slot, orders)


def _looked_up_in_vain(
    trade: Trade, line: Line, policy: BracketPolicy, now: datetime, server_ms: int
) -> Trade:
    """The label was not found. One absence proves nothing for an entry: it may be late.

    An entry is absent when several looks found nothing after ``valid_until`` had passed on the
    server's clock; looks before that prove nothing. Other orders are reduce-only, a second one
    cannot harm, so they are given up at once, unless they are known to have been there; should
    the first turn up after all, the surplus is cancelled.
    """
    current = trade.line(*line.key)
    if current is None or current.status not in _DOUBTFUL:
        return measured(trade, now)
    is_entry = current.role is Role.ENTRY
    is_late = server_ms > current.valid_until_ms
    looks = current.looks + (1 if is_late or not is_entry else 0)
    is_weighty = is_entry or bool(current.order_ids) or current.is_slot
    is_absent = looks >= (policy.absent_looks if is_weighty else 1)
    status = LineStatus.ABSENT if is_absent else _still(current)
    look_at = None if is_absent else now + timedelta(seconds=policy.look_interval)
    trade = with_line(trade, replace(current, looks=looks, look_at=look_at, status=status))
    if is_absent and current.status is not LineStatus.ABSENT and not current.is_slot:
        trade, _ = _counted(trade, current, 0, now)
    return measured(trade, now)


def _still(line: Line) -> LineStatus:
    """What an order is while one look has not found it."""
    return LineStatus.WAITING if line.status is LineStatus.WAITING else LineStatus.UNKNOWN


_DOUBTFUL = frozenset(
    {LineStatus.UNKNOWN, LineStatus.TRIGGERED, LineStatus.ABSENT, LineStatus.WAITING}
)


def vanished(trade: Trade, seen: Collection[str]) -> Trade:
    """Doubts orders believed to live of which a complete look found no trace.

    ``seen`` are the ids of everything that rests or was found by label. An order older than the
    venue's memory is in neither; what it filled is in the fills. One that ended a moment ago may
    not be there yet, so what has vanished is looked up again before it is given up.
    """
    for line in trade.lines:
        is_child = line.status is LineStatus.WAITING and line.order_ids
        is_believed = line.status in {LineStatus.LIVE, LineStatus.TRIGGERED}
        if is_child and not any(order_id in seen for order_id in line.order_ids):
            trade = with_line(trade, replace(line, status=LineStatus.PASSED_ON))
        if is_believed and not any(order_id in seen for order_id in line.order_ids):
            is_full = trade.line_filled(line) >= line.contracts
            status = LineStatus.FILLED if is_full else LineStatus.UNKNOWN
            trade = with_line(trade, replace(line, status=status, looks=0, look_at=None))
    return trade


def about_to_move(trade: Trade, now: datetime) -> Trade:
    """The stop is being moved; a try counts as failed until the venue has done it."""
    return replace(trade, moved_at=now, move_failures=trade.move_failures + 1)


def moved(trade: Trade, line: Line) -> Trade:
    """The venue has taken the move, and this stop is where it was asked to be."""
    if any(x.key == line.key for x in trade.stops_behind):
        return trade
    return replace(trade, move_failures=0)


def synced(trade: Trade, now: datetime) -> Trade:
    """The venue's truth is in the record, or as much of it as the venue shows yet."""
    since = min(trade.lacks_since or now, now) if trade.lacks_fills else None
    return replace(
        trade,
        needs_sync=False,
        is_compared=True,
        sync_after=None,
        synced_at=now,
        lacks_since=since,
    )


def ending(trade: Trade, reason: ExitReason) -> Trade:
    """The trade is to be closed. The first reason stands, except that kill outranks a request."""
    if trade.exit_reason not in {None, ExitReason.REQUESTED} or trade.exit_reason is reason:
        return trade
    return replace(trade, exit_reason=reason, not_before=None)


def resumed(trade: Trade) -> Trade:
    """A trade taken over from an incarnation or a process that is gone.

    What it had sent is looked up before anything else. An intent without an entry may have
    been on the wire already, so it counts as sent; it is never sent again.
    """
    lines = tuple(x if x.status.is_over else replace(x, looks=0, look_at=None) for x in trade.lines)
    trade = replace(
        trade,
        lines=lines,
        needs_sync=True,
        not_before=None,
        sync_after=None,
        enters_again=False,
    )
    if trade.of(Role.ENTRY):
        return trade
    entry = Line(
        role=Role.ENTRY,
        attempt=1,
        contracts=trade.plan.contracts,
        status=LineStatus.UNKNOWN,
        sent_at=trade.plan.created_at,
        valid_until_ms=trade.plan.valid_until_ms,
    )
    return about_to_send(trade, entry)
