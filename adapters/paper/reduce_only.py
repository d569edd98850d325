"""Reduce-only: resting orders never add up to more than the position.

Nearer orders keep their size, those behind are cut, to zero means cancelled; nothing grows
back. Triggers count for nothing until they fire.
"""

from collections.abc import Iterable

from adapters.paper.engine import Engine
from adapters.paper.errors import refusal
from adapters.paper.records import OrderRecord
from domain.orders import ZERO, OrderState, Side


def priority(order: OrderRecord) -> tuple[object, int]:
    """Sorts orders of one side: the best price first, then the oldest."""
    return (-order.side.sign * (order.price or ZERO), order.rank)


def allowances(orders: Iterable[OrderRecord], held: int) -> dict[str, int]:
    """What each resting reduce-only order may still do, by id, for a signed position."""
    left = abs(held)
    allowed: dict[str, int] = {}
    for order in sorted(orders, key=priority):
        reduces = order.side.sign * held < 0
        allowed[order.order_id] = min(order.remaining, left) if reduces else 0
        left -= allowed[order.order_id]
    return allowed


def clip(engine: Engine, instrument_name: str) -> None:
    """Cuts the resting reduce-only orders of an instrument to the position."""
    bound = {
        order.order_id: order
        for order in engine.ledger.resting(instrument_name)
        if order.reduce_only
    }
    if not bound:
        return
    held = engine.account.contracts(instrument_name)
    is_told, reason = engine.switches.cut_is_told, engine.switches.cut_reason
    for order_id, allowed in allowances(bound.values(), held).items():
        order = bound[order_id]
        if allowed == 0:
            # The venue's list of cancel reasons has none for this: it is left out by default.
            engine.finish(order, OrderState.CANCELLED, reason, is_told=is_told)
        elif allowed < order.remaining:
            order.contracts = order.filled + allowed
            if is_told:
                engine.note(order)
            else:
                engine.note_silently(order)


def admitted(engine: Engine, instrument_name: str, side: Side, contracts: int) -> int:
    """How much of a new reduce-only order the position leaves room for.

    Raises:
        VenueError: 11030, there is nothing it could reduce.
    """
    held = engine.account.contracts(instrument_name)
    if side.sign * held >= 0:
        raise refusal(11030, "invalid_reduce_only_order")
    return min(contracts, abs(held))
