"""Linked orders: children that wait for a fill of their primary, and pairs that stand together.

What a child owes is read off its primary again and again: nothing has to be remembered but
how much of it has been placed.
"""

from dataclasses import replace

from adapters.paper import oco, placing, triggers
from adapters.paper.engine import Engine
from adapters.paper.errors import VenueError, invalid, refusal
from adapters.paper.records import (
    Draft,
    FillCondition,
    Linkage,
    LinkedType,
    OrderRecord,
    TradeRecord,
)
from domain.orders import TRIGGER_TYPES, OrderState, OrderType

_UNPRICED = frozenset({OrderType.MARKET, OrderType.MARKET_LIMIT})


def place(engine: Engine, draft: Draft, linkage: Linkage) -> tuple[OrderRecord, list[TradeRecord]]:
    """Puts a primary and what hangs on it in place.

    Raises:
        VenueError: refused, nothing happened.
    """
    for leg in linkage.legs:
        _check_terms(leg)
    if linkage.kind is LinkedType.OCO:
        return _place_pair(engine, draft, linkage)
    limit = engine.switches.most_waiting_children
    if len(engine.ledger.children) + len(linkage.legs) > limit:
        raise refusal(13901, limit)
    primary, trades = _send(engine, replace(draft, fill_condition=linkage.condition))
    is_pair = linkage.kind is LinkedType.OTOCO
    ref = engine.ids.oco() if is_pair else None
    children = [_wait(engine, leg, primary, ref) for leg in linkage.legs]
    primary.oto_order_ids = tuple(child.order_id for child in children)
    primary.is_primary_otoco = is_pair
    _name_primary(engine, primary, children)
    engine.note(primary)
    return primary, trades


def _name_primary(engine: Engine, primary: OrderRecord, children: list[OrderRecord]) -> None:
    """Points the children at the order that counts: a trigger may have fired at once."""
    if primary.state is not OrderState.TRIGGERED:
        return
    for order in engine.ledger.recent(engine.now_ms):
        if order.trigger_order_id == primary.order_id:
            order.oto_order_ids = primary.oto_order_ids
            order.is_primary_otoco = primary.is_primary_otoco
            for child in children:
                child.primary_order_id = order.order_id


def _check_terms(leg: Draft) -> None:
    """Ticks and required values; the market is not asked before the leg is placed."""
    if leg.order_type in TRIGGER_TYPES:
        triggers.check_terms(leg)
    elif leg.order_type not in _UNPRICED:
        triggers.check_limit(leg)


def _place_pair(
    engine: Engine, draft: Draft, linkage: Linkage
) -> tuple[OrderRecord, list[TradeRecord]]:
    ref = engine.ids.oco()
    first, second = (
        replace(each, oco_ref=ref, fill_condition=linkage.condition)
        for each in (draft, linkage.legs[0])
    )
    _check(engine, first)
    _check(engine, second)
    order, trades = _send(engine, first)
    # Filled at once, or in part where that is enough: the other one never stood.
    is_enough = order.filled and linkage.condition is FillCondition.FIRST_HIT
    if order.state.is_live and not is_enough:
        left = second.contracts
        if linkage.condition is FillCondition.INCREMENTAL:
            left -= second.contracts * order.filled // order.contracts
        _try(engine, replace(second, contracts=left))
    return order, trades


def _check(engine: Engine, draft: Draft) -> None:
    if draft.order_type in TRIGGER_TYPES:
        triggers.check(engine, draft)
    else:
        placing.check(engine, draft)


def _send(engine: Engine, draft: Draft) -> tuple[OrderRecord, list[TradeRecord]]:
    if draft.order_type in TRIGGER_TYPES:
        return triggers.arm(engine, draft), []
    return placing.send(engine, draft)


def _try(engine: Engine, draft: Draft) -> OrderRecord | str:
    """The order, or why it was refused."""
    try:
        return _send(engine, draft)[0]
    except VenueError as error:
        return triggers.why_rejected(error)


def _wait(engine: Engine, leg: Draft, primary: OrderRecord, ref: str | None) -> OrderRecord:
    """A child in its place of waiting."""
    child = OrderRecord(
        order_id=engine.ids.child(leg.instrument),
        instrument_name=leg.instrument.name,
        side=leg.side,
        contracts=leg.contracts,
        order_type=leg.order_type,
        state=OrderState.UNTRIGGERED,
        price=leg.price,
        label=leg.label,
        time_in_force=leg.time_in_force,
        reduce_only=leg.reduce_only,
        post_only=leg.post_only,
        reject_post_only=leg.reject_post_only,
        created_ms=engine.now_ms,
        updated_ms=engine.now_ms,
        rank=engine.ids.rank(),
        session_id=leg.session_id,
        trigger=leg.trigger,
        trigger_price=leg.trigger_price,
        trigger_offset=leg.trigger_offset,
        primary_order_id=primary.order_id,
        oco_ref=ref,
        fill_condition=primary.fill_condition,
        is_secondary_oto=True,
        display=leg.display,
    )
    engine.ledger.add(child)
    engine.note(child)
    engine.log_trigger(child, "new")
    return child


def attend(engine: Engine) -> None:
    """Places what fills of the primaries have brought about, and ends what they left behind.

    What is placed may trade at once, and end a primary or a partner: so it looks again until
    nothing happens any more.
    """
    seen = None
    while engine.ledger.children and seen != engine.revision:
        seen = engine.revision
        for child in list(engine.ledger.children.values()):
            if child.state.is_live:
                _serve(engine, child)


def _serve(engine: Engine, child: OrderRecord) -> None:
    primary = engine.ledger.known(child.primary_order_id)
    owed = 0 if primary is None else _owed(child, primary)
    if owed:
        if child.due_ms is None:
            child.due_ms = engine.now_ms + engine.switches.child_delay_ms
        if engine.now_ms >= child.due_ms:
            child.due_ms = None
            _release(engine, child, owed)
            _serve_rest(engine, child, primary)
    else:
        _serve_rest(engine, child, primary)


def _serve_rest(engine: Engine, child: OrderRecord, primary: OrderRecord | None) -> None:
    """Ends a child whose primary can fill no more; one that fired goes on under another id."""
    is_over = primary is None or not (
        primary.state.is_live or primary.state is OrderState.TRIGGERED
    )
    if is_over and child.state.is_live:
        engine.cancel(child, "oto_primary_closed")


def _owed(child: OrderRecord, primary: OrderRecord) -> int:
    """How many of the waiting contracts the fills so far call for."""
    if primary.filled == 0:
        return 0
    if child.fill_condition is FillCondition.COMPLETE_FILL:
        return child.contracts if primary.remaining == 0 else 0
    if child.fill_condition is FillCondition.FIRST_HIT or primary.remaining == 0:
        return child.contracts
    whole = child.contracts + child.placed
    return max(0, whole * primary.filled // primary.contracts - child.placed)


def _release(engine: Engine, child: OrderRecord, contracts: int) -> None:
    """Makes an order of some of the waiting contracts, or adds them to the one it made."""
    draft = _draft(engine, child, contracts)
    if _other_filled(engine, draft.oco_ref):
        _never_stood(engine, child, contracts)
        return
    child.placed += contracts
    child.contracts -= contracts
    if child.contracts == 0:
        # What it becomes may fill at once: that must not be the end of itself.
        engine.ledger.drop(child)
    made = _grow(engine, child, contracts) or _try(engine, draft)
    if isinstance(made, str):
        _reject(engine, child, contracts, made)
        return
    child.growing_id = made.order_id
    if child.contracts == 0:
        child.contracts, child.state = child.placed, OrderState.TRIGGERED
    engine.log_trigger(child, "triggered", child_id=made.order_id)
    engine.note(child)


def _other_filled(engine: Engine, ref: str | None) -> bool:
    """Whether the order it was to stand beside filled while it was placed."""
    if ref is None:
        return False
    ended = engine.ledger.closed.values()
    return any(x.oco_ref == ref and x.state is OrderState.FILLED for x in ended)


def _never_stood(engine: Engine, child: OrderRecord, contracts: int) -> None:
    """Takes away the part whose partner is filled; the whole child when nothing else waits."""
    if contracts == child.contracts:
        engine.cancel(child, oco.REASON)
        return
    child.placed += contracts
    child.contracts -= contracts
    engine.note(child)


def _reject(engine: Engine, child: OrderRecord, contracts: int, why: str) -> None:
    """Ends a child that could not be placed; its partner stays."""
    child.placed -= contracts
    child.contracts += contracts
    child.reject_reason = why
    engine.log_trigger(child, f"rejected:{why}")
    engine.finish(child, OrderState.REJECTED)


def _grow(engine: Engine, child: OrderRecord, contracts: int) -> OrderRecord | None:
    """The order made before, grown; None when there is none or each part stands alone."""
    before = engine.ledger.live.get(child.growing_id or "")
    if before is None or engine.switches.incremental_children == "several":
        return None
    before.contracts += contracts
    engine.note(before)
    return before


def _draft(engine: Engine, child: OrderRecord, contracts: int) -> Draft:
    return Draft(
        instrument=child.instrument,
        side=child.side,
        contracts=contracts,
        order_type=child.order_type,
        price=child.price,
        label=child.label,
        time_in_force=child.time_in_force,
        reduce_only=child.reduce_only,
        post_only=child.post_only,
        reject_post_only=child.reject_post_only,
        trigger=child.trigger,
        trigger_price=child.trigger_price,
        trigger_offset=child.trigger_offset,
        display=child.display,
        session_id=child.session_id,
        primary_order_id=child.primary_order_id,
        oco_ref=_pair(engine, child, contracts),
        fill_condition=child.fill_condition,
    )


def _pair(engine: Engine, child: OrderRecord, contracts: int) -> str | None:
    """What the orders made of a pair by the same fill have in common.

    As long as a part still waits it is not theirs: what ends them leaves the waiting alone.
    """
    if child.oco_ref is None or contracts == child.contracts + child.placed:
        return child.oco_ref
    primary = engine.ledger.known(child.primary_order_id)
    return f"{child.oco_ref}-{primary.filled if primary else 0}"


def check_linkage(linkage: Linkage) -> None:
    """The number of legs each kind takes.

    Raises:
        VenueError: -32602.
    """
    wanted = {LinkedType.OCO: (1, 1), LinkedType.OTO: (1, 10), LinkedType.OTOCO: (2, 2)}
    fewest, most = wanted[linkage.kind]
    if not fewest <= len(linkage.legs) <= most:
        raise invalid("otoco_config", "wrong number of orders")
