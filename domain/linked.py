"""Linked children in a trade's record: what waits for the entry, and the orders it becomes.

An entry sent as a linked order brings its stop and its target as *waiting children*. Each fill of
the entry makes ordinary orders of them, all under the child's label, with ids of their own: one
order that grows or several, which is not documented. So the child is a line of the record (part 0)
and every order made of it a further part; the parts add up.

Source: Deribit ``private/buy`` (``linked_order_type``, ``trigger_fill_condition``).
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from domain import labels
from domain.exposure import measured
from domain.labels import Role
from domain.orders import STOP_TYPES, Order, OrderState, OrderType
from domain.trade import Line, LineStatus, Trade, is_tighter, with_line

CHILDREN = (Role.STOP, Role.TARGET)

_STATUS = {
    OrderState.UNTRIGGERED: LineStatus.WAITING,
    OrderState.OPEN: LineStatus.WAITING,
    OrderState.TRIGGERED: LineStatus.PASSED_ON,
    OrderState.FILLED: LineStatus.PASSED_ON,
    OrderState.CANCELLED: LineStatus.CANCELLED,
    OrderState.REJECTED: LineStatus.REJECTED,
}


def with_children(trade: Trade, entry: Line) -> Trade:
    """The record with the children this entry brings along, before it is sent."""
    roles = [Role.STOP, *([Role.TARGET] if trade.plan.target_price is not None else [])]
    for role in roles:
        child = Line(
            role=role,
            attempt=1,
            contracts=entry.contracts,
            status=LineStatus.WAITING,
            sent_at=entry.sent_at,
            valid_until_ms=entry.valid_until_ms,
            is_slot=True,
        )
        trade = with_line(trade, child)
    return trade


def without_children(trade: Trade) -> Trade:
    """The record after the linked order was not taken: its children never were."""
    lines = tuple(x for x in trade.lines if not x.is_slot or x.ids)
    return replace(trade, lines=lines)


def is_waiting(order: Order) -> bool:
    """Whether this is the child itself, not an order made of it."""
    return order.is_secondary_oto


def slot_of(trade: Trade, label: str) -> Line | None:
    """The waiting child behind a label, if there is or was one."""
    parsed = labels.parse(label)
    if parsed is None or parsed.trade_id != trade.id:
        return None
    parts = [x for x in trade.lines if (x.role, x.attempt) == (parsed.role, parsed.attempt)]
    slot = next((x for x in parts if not x.part), None)
    if slot is not None:
        return slot if slot.is_slot else None
    return _past_slot(parts[0]) if parts else None


def _past_slot(part: Line) -> Line:
    """The place of a child that nobody has told of, but something was made of it."""
    return Line(
        role=part.role,
        attempt=part.attempt,
        contracts=0,
        status=LineStatus.PASSED_ON,
        sent_at=part.sent_at,
        is_slot=True,
    )


def apply_waiting(trade: Trade, order: Order, now: datetime) -> Trade:
    """What the venue says of a waiting child. One unknown to us is adopted by its label."""
    line = _slot(trade, order, now)
    if line is None or _is_stale(line, order):
        return trade
    ids = line.order_ids if order.order_id in line.ids else (order.order_id, *line.order_ids)
    status = _STATUS[order.state]
    news = replace(
        line,
        order_ids=ids,
        is_slot=True,
        status=status,
        contracts=order.contracts,
        updated_ms=max(line.updated_ms, order.updated_ms),
        heard_at=now,
    )
    return with_line(trade, news)


def _slot(trade: Trade, order: Order, now: datetime) -> Line | None:
    known = next((x for x in trade.lines if order.order_id in x.ids), None)
    if known is not None:
        return known
    parsed = labels.parse(order.label)
    if parsed is None or parsed.trade_id != trade.id or parsed.role not in CHILDREN:
        return None
    found = trade.line(parsed.role, parsed.attempt)
    return found or Line(
        role=parsed.role,
        attempt=parsed.attempt,
        contracts=order.contracts,
        status=LineStatus.WAITING,
        sent_at=now,
        is_slot=True,
    )


def _is_stale(line: Line, order: Order) -> bool:
    return line.status.is_over or order.updated_ms < line.updated_ms


def part_of(trade: Trade, order: Order, now: datetime) -> tuple[Trade, Line | None]:
    """The part an order is that was made of a waiting child; None for every other order.

    A part whose order is heard of for the first time takes over what was filled under its id
    before. Whether it is as it was asked for is settled here, once: later it may be moved.
    """
    if any(order.order_id in x.ids for x in trade.lines if not x.is_slot):
        return trade, None
    if order.trigger_order_id is not None:
        parents = [x for x in trade.lines if order.trigger_order_id in x.order_ids]
        if parents:
            # What a part's trigger fired into belongs to that part, however it was called before.
            return _given_up(trade, order.order_id), parents[0]
    place = _place_of(trade, order)
    if place is None:
        return trade, None
    role, attempt = place
    numbers = [x.part for x in trade.lines if (x.role, x.attempt) == place]
    part = Line(
        role=role,
        attempt=attempt,
        contracts=order.contracts,
        status=LineStatus.UNKNOWN,
        sent_at=now,
        part=max(numbers, default=0) + 1,
        is_paired=order.oco_ref is not None,
        is_astray=role is Role.STOP and not _is_as_asked(trade, order),
    )
    return _given_up(trade, order.order_id), part


def _place_of(trade: Trade, order: Order) -> tuple[Role, int] | None:
    """Role and attempt of the child this order was made of."""
    entries = {x for line in trade.of(Role.ENTRY) for x in line.ids}
    is_child = order.primary_order_id is not None
    parsed = labels.parse(order.label)
    if parsed is not None and parsed.trade_id == trade.id:
        slot = trade.line(parsed.role, parsed.attempt)
        has_slot = slot is not None and slot.is_slot
        if parsed.role in CHILDREN and (is_child or has_slot):
            return parsed.role, parsed.attempt
        return None
    if not is_child or order.primary_order_id not in entries:
        return None
    # The venue has dropped the label: what was made of our entry closes it, one way or the other.
    is_stop = order.order_type in STOP_TYPES
    return (Role.STOP if is_stop else Role.TARGET), 1


def _is_as_asked(trade: Trade, order: Order) -> bool:
    """Whether a stop made of a child is the one that was asked for, in all that can differ."""
    plan = trade.plan
    if order.state is not OrderState.UNTRIGGERED:
        return True
    return (
        order.order_type is OrderType.STOP_MARKET
        and order.trigger in {None, plan.stop_trigger}
        and (order.trigger_price in {None, plan.stop_price} or _was_moved(trade, order))
    )


def _was_moved(trade: Trade, order: Order) -> bool:
    """Whether it may have been put there by us, before the record of it was lost."""
    plan, place = trade.plan, order.trigger_price
    return plan.moves_stop and place is not None and is_tighter(plan.side, place, plan.stop_price)


def _given_up(trade: Trade, order_id: str) -> Trade:
    """The record in which no waiting child claims this id any more."""
    for line in trade.lines:
        if line.is_slot and order_id in line.former_ids:
            former = tuple(x for x in line.former_ids if x != order_id)
            trade = with_line(trade, replace(line, former_ids=former))
    return trade


def beside_the_children(trade: Trade, line: Line) -> Trade:
    """The record after news of this order: unless it was made of a child, these are to be looked
    at anew.

    What a look brings must not be the reason for the next. No instants are compared: the clock may
    have been set back between a look and the news.
    """
    slots = [x for x in trade.lines if x.is_slot]
    if any((x.role, x.attempt) == (line.role, line.attempt) for x in slots):
        return trade
    for slot in slots:
        if slot.looked_at is not None:
            trade = with_line(trade, replace(slot, looked_at=None))
    return trade


def looked_up(trade: Trade, slot: Line, orders: Iterable[Order]) -> Trade:
    """What a look at a child's label means for the child itself.

    Once it has become orders it is not to be found any more (10004); then its entry decides
    whether something still waits.
    """
    if any(is_waiting(x) for x in orders):
        return trade
    entry_is_over = all(x.status.is_over for x in trade.of(Role.ENTRY))
    if slot.status is LineStatus.WAITING and not entry_is_over:
        return trade
    return with_line(trade, replace(slot, status=LineStatus.PASSED_ON))


def measured_by_venue(before: Trade, after: Trade, order: Order, now: datetime) -> Trade:
    """Ends the unprotected time; when a linked stop ended it, by the venue's own clock.

    The stop stood before we heard of it: from the fill until it was made, nobody's word took
    longer. Everything else is measured as we hear it.
    """
    ended = measured(after, now)
    is_by_child = order.primary_order_id is not None and order.state is OrderState.UNTRIGGERED
    if before.exposed_since is None or ended.exposed_since is not None or not is_by_child:
        return ended
    filled = [x.timestamp_ms for x in before.fills if x.role is Role.ENTRY]
    if not filled:
        return ended
    gap_us = max(0, order.created_ms - max(filled)) * 1000
    measured_us = ended.unprotected_us - before.unprotected_us
    return replace(ended, unprotected_us=before.unprotected_us + min(gap_us, measured_us))
