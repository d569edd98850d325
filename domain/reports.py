"""What the venue's reports make of a trade's record.

Total and idempotent: a report that arrives twice, late or out of order changes nothing it should
not. Orders and fills find home by id, by the trigger they came from, or by label.

Source: Deribit order and trade objects. The races it has to stand are listed in docs/proof.md.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from domain import labels, linked, targets
from domain.contract_sizes import in_step
from domain.exposure import measured
from domain.labels import Role
from domain.orders import STOP_TYPES, Fill, Order, OrderState
from domain.story import part_of
from domain.trade import (
    CLOSERS,
    NETTED_BY,
    PROVEN_OVER,
    Line,
    LineStatus,
    Trade,
    TradeFill,
    with_line,
)

_STATUS = {
    OrderState.OPEN: LineStatus.LIVE,
    OrderState.UNTRIGGERED: LineStatus.LIVE,
    OrderState.TRIGGERED: LineStatus.TRIGGERED,
    OrderState.FILLED: LineStatus.FILLED,
    OrderState.CANCELLED: LineStatus.CANCELLED,
    OrderState.REJECTED: LineStatus.REJECTED,
}


def find_line(trade: Trade, order_id: str, label: str, parent_id: str | None) -> Line | None:
    """The order a report is about: by id, by the trigger it came from, else by label."""
    for line in trade.lines:
        if order_id in line.ids or (parent_id and parent_id in line.ids):
            return line
    parsed = labels.parse(label)
    if parsed is None or parsed.trade_id != trade.id:
        return None
    return trade.line(parsed.role, parsed.attempt)


def _adopted(trade: Trade, label: str, contracts: int, now: datetime) -> Line | None:
    """An order of this trade that the record does not know: the write of it was lost."""
    parsed = labels.parse(label)
    if parsed is None or parsed.trade_id != trade.id:
        return None
    return Line(
        role=parsed.role,
        attempt=parsed.attempt,
        contracts=contracts,
        status=LineStatus.UNKNOWN,
        sent_at=now,
    )


def apply_order(trade: Trade, order: Order, now: datetime) -> Trade:
    """What the venue says of one of our orders. An order unknown to us is adopted by label."""
    trade, (order,) = in_step(trade, (order,))
    if linked.is_waiting(order):
        return measured(linked.apply_waiting(trade, order, now), now)
    before = trade
    trade, line = linked.part_of(trade, order, now)
    line = line or find_line(trade, order.order_id, order.label, order.trigger_order_id)
    line = line or _adopted(trade, order.label, order.contracts, now)
    if line is None:
        return before
    news = _merged(_with_id(line, order), order, now)
    # What an earlier order under the same label was says nothing of the one that rests now.
    is_present = order.order_id not in news.former_ids
    if line.role is Role.STOP and order.state is OrderState.UNTRIGGERED and is_present:
        closes = order.side is trade.plan.side.opposite
        is_stop = order.order_type in STOP_TYPES
        news = replace(news, is_sound=closes and is_stop and order.reduce_only)
    if line.role is Role.TARGET and order.state is OrderState.OPEN and is_present:
        news = replace(news, is_sound=order.reduce_only)
    changed = _concluded(with_line(trade, news), line, news, order, now)
    if line.role is Role.STOP:
        changed = replace(changed, is_compared=False)
    changed = linked.beside_the_children(changed, line)
    return linked.measured_by_venue(before, _doubted(trade, changed), order, now)


def _with_id(line: Line, order: Order) -> Line:
    """The order with this report's id: the trigger's stays first, its child's goes last.

    An id that fits neither belongs to another order under the same label; the one that lives
    takes the line over.
    """
    new, parent = order.order_id, order.trigger_order_id
    if new in line.ids:
        return line
    if parent is not None:
        own = () if parent in line.order_ids else (parent,)
        return replace(line, order_ids=(*own, *line.order_ids, new))
    if not line.order_ids:
        return replace(line, order_ids=(new,))
    if _takes_over(line, order):
        former = (*line.former_ids, *line.order_ids)
        return replace(
            line, order_ids=(new,), former_ids=former, status=LineStatus.UNKNOWN, updated_ms=0
        )
    if line.status is not LineStatus.LIVE and order.state in _OF_A_TRIGGER:
        return replace(line, order_ids=(new, *line.order_ids))
    return replace(line, former_ids=(*line.former_ids, new))


def _takes_over(line: Line, order: Order) -> bool:
    """Whether a living order was made after all that is known under its label had ended."""
    has_fired = line.status is LineStatus.TRIGGERED and not line.is_working
    is_later = order.created_ms > line.updated_ms
    return (line.status.is_over or has_fired) and order.state.is_live and is_later


_OF_A_TRIGGER = frozenset({OrderState.UNTRIGGERED, OrderState.TRIGGERED})


def _merged(line: Line, order: Order, now: datetime) -> Line:
    filled = max(line.reported_filled, order.filled_contracts)
    line = replace(line, reported_filled=filled, heard_at=now)
    if _is_stale(line, order):
        return line
    status = _STATUS[order.state]
    rests = order.state is OrderState.OPEN
    if line.role is Role.STOP and rests:
        # The stop has fired and its market order rests: it protects no longer, it closes.
        status = LineStatus.TRIGGERED
    is_firing = status is LineStatus.TRIGGERED
    return replace(
        line,
        status=status,
        contracts=order.contracts,
        trigger_price=order.trigger_price or line.trigger_price,
        updated_ms=max(line.updated_ms, order.updated_ms),
        triggered_at=line.triggered_at or (now if is_firing else None),
        is_working=is_firing and rests,
        looks=0,
        look_at=None,
    )


def _is_stale(line: Line, order: Order) -> bool:
    """Whether this report tells of a time before what we already know, or of another order."""
    if line.status in PROVEN_OVER or order.order_id in line.former_ids:
        return True
    is_child = order.trigger_order_id is not None
    if line.status is LineStatus.TRIGGERED and not is_child and order.state in _OF_A_TRIGGER:
        # The trigger's own record ends as `triggered`; only its child can move the line on.
        return True
    return order.updated_ms < line.updated_ms and not is_child


def _concluded(trade: Trade, before: Line, after: Line, order: Order, now: datetime) -> Trade:
    """What a report means beyond its own order."""
    position = trade.position
    is_closing = trade.exit_reason is not None
    if trade.stop_failures and 0 < position <= trade.cover:
        trade = replace(trade, stop_failures=0)
    if after.role in CLOSERS and after.status is not LineStatus.REJECTED:
        trade = replace(trade, close_failures=0)
    died = after.status in {LineStatus.CANCELLED, LineStatus.REJECTED}
    if before.status.is_over or not died or position <= 0:
        return trade
    by_partner = order.cancel_reason == PARTNER_ENDED
    by_hand = order.cancel_reason == CANCELLED_BY_USER
    if after.role is Role.TARGET and not is_closing and not by_partner:
        trade = targets.died(trade, after, now, by_hand=by_hand and after.is_sound)
    # Nobody asked for it: perhaps there is nothing left to reduce, so ask before repeating it.
    # Its partner's end may not have been heard of yet.
    is_odd = after.role in CLOSERS or (not is_closing and (after.role is Role.STOP or by_partner))
    if is_odd and not by_hand:
        trade = replace(trade, needs_sync=True)
    return trade


CANCELLED_BY_USER, PARTNER_ENDED = "user_request", "oco_other_closed"


def _doubted(before: Trade, after: Trade) -> Trade:
    """More closed than opened is first of all a reason to ask the venue."""
    if after.position < 0 <= before.position:
        return replace(after, needs_sync=True)
    return after


def apply_fills(
    trade: Trade, fills: Iterable[Fill], now: datetime, *, foreign: bool = False
) -> Trade:
    """Adds fills, each exactly once by venue trade id.

    ``foreign`` ones (closed by hand, liquidated) were attributed to this trade by Execution;
    without it, fills that match none of our orders are left out. An order of ours that is known
    by nothing but its fill is adopted by label. One that was taken for a hand's and shared out is
    ours whole when it turns out to be.
    """
    trade, fills = in_step(trade, fills)
    changed, booked = trade, {x.trade_id: x for x in trade.fills}
    for fill in fills:
        had = booked.get(fill.trade_id)
        if had is not None and (foreign or had.contracts >= fill.contracts):
            continue
        line = find_line(changed, fill.order_id, fill.label, None)
        line = line or linked.slot_of(changed, fill.label)
        known = line or _adopted(changed, fill.label, fill.contracts, now)
        if known is None and not foreign:
            continue
        if known is not None and (line is None or fill.order_id not in line.ids):
            changed = with_line(changed, _with_fill_id(known, fill.order_id))
        booked[fill.trade_id] = _allocated(fill, known)
    # What was netted away went after the entry it is a part of, and in the same instant.
    ordered = sorted(
        booked.values(), key=lambda x: (x.timestamp_ms, x.trade_seq, x.order_id == NETTED_BY)
    )
    if tuple(ordered) == trade.fills:
        return trade
    return measured(_doubted(trade, replace(changed, fills=tuple(ordered))), now)


def apply_history(
    trade: Trade, fills: Sequence[Fill], now: datetime, *, is_flat: bool = False
) -> Trade:
    """All fills of the instrument since before the trade began, as the venue's history has them.

    Ours are added. A foreign hand's that may have closed some of ours, and of which nobody has
    told, is no share of ours yet: but until the whole story is told, the position is a guess. He
    may have opened as much of his own since, and the venue's position be the same. An exit of
    another trade counts as one: it may have closed more than was its own. So does what a kill
    has closed; where the venue ``is_flat`` by it, it is ours by guess at once.
    """
    trade, fills = in_step(trade, fills)
    trade = apply_fills(trade, fills, now)
    booked = {x.trade_id for x in trade.fills}
    entries = (x.trade_seq for x in trade.fills if x.role is Role.ENTRY)
    since = max(min(entries, default=0), trade.told_seq)
    against = [
        x
        for x in fills
        if x.trade_seq > since and x.side is trade.plan.side.opposite and x.trade_id not in booked
    ]
    if is_flat:
        trade = _flattened(trade, against, now)
    booked = {x.trade_id for x in trade.fills}
    foreign = (x for x in against if x.trade_id not in booked and _is_foreign(trade, x.label))
    newest = max((x.trade_seq for x in foreign), default=0)
    if not trade.entered or newest <= trade.foreign_seq:
        return trade
    return replace(trade, foreign_seq=newest)


def _flattened(trade: Trade, against: Iterable[Fill], now: datetime) -> Trade:
    """The record with what a kill has closed, as far as there was anything of it then.

    Only where nothing is held any more: a guess that counts too little takes the stop's place.
    """
    if trade.lacks_fills:
        return trade
    for fill in against:
        held = sum(
            x.contracts * x.side.sign * trade.plan.side.sign
            for x in trade.fills
            if x.trade_seq < fill.trade_seq
        )
        part = min(fill.contracts, trade.position, held)
        if not labels.is_flattening(fill.label) or part <= 0:
            continue
        trade = apply_fills(trade, (part_of(fill, part),), now, foreign=True)
        guessed = (
            replace(x, is_guess=True) if x.trade_id == fill.trade_id else x for x in trade.fills
        )
        trade = replace(trade, fills=tuple(guessed))
    return trade


def _is_foreign(trade: Trade, label: str) -> bool:
    """Whether an order that is not this trade's may have closed what is."""
    parsed = labels.parse(label)
    if parsed is None:
        return True
    is_anothers = parsed.trade_id != trade.id and parsed.role is not Role.ENTRY
    return is_anothers and not labels.is_guard(label)


def retold(
    trade: Trade, fills: Iterable[Fill], told: Container[str], now: datetime, *, until_seq: int = 0
) -> Trade:
    """What foreign hands did, as the whole story has it: of the fills it has ``told`` of, theirs
    are these ``fills`` and no others. ``until_seq`` is the newest of them.

    How much of a fill is whose depends on what is known when it is heard of, so a share may have
    been too small, too large or no share at all. Fills of our own orders are ours whatever is told.
    """
    ours = {order_id for line in trade.lines for order_id in line.ids}
    kept = tuple(x for x in trade.fills if x.order_id in ours or not _is_of(x, told))
    changed = apply_fills(replace(trade, fills=kept), fills, now, foreign=True)
    sure = tuple(replace(x, is_guess=x.is_guess and not _is_of(x, told)) for x in changed.fills)
    told_seq = max(trade.told_seq, until_seq)
    return measured(replace(changed, fills=sure, told_seq=told_seq), now)


def _is_of(fill: TradeFill, told: Container[str]) -> bool:
    """Whether it is one of these fills, or was netted away from one."""
    return fill.trade_id.removesuffix(f".{NETTED_BY}") in told


def _with_fill_id(line: Line, order_id: str) -> Line:
    """A fill under a stop's label may be its child's; others are filled under one id only.

    Which of the orders a linked child became has filled is not known yet: the child keeps the id
    until its order is heard of.
    """
    if not line.is_slot and (line.role is Role.STOP or not line.order_ids):
        return replace(line, order_ids=(*line.order_ids, order_id))
    return replace(line, former_ids=(*line.former_ids, order_id))


def _allocated(fill: Fill, line: Line | None) -> TradeFill:
    return TradeFill(
        trade_id=fill.trade_id,
        trade_seq=fill.trade_seq,
        order_id=fill.order_id,
        role=line.role if line else None,
        side=fill.side,
        contracts=fill.contracts,
        price=fill.price,
        fee=fill.fee,
        profit_loss=fill.profit_loss,
        timestamp_ms=fill.timestamp_ms,
        is_liquidation=fill.is_liquidation,
        is_guess=line is None and not labels.is_flattening(fill.label),
        is_reduce_only=fill.reduce_only,
    )
