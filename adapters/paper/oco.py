"""One cancels the other: what happens to the partner of an order that ends, fills or fires."""

from typing import TYPE_CHECKING

from adapters.paper.records import FillCondition, OrderRecord
from domain.orders import OrderState

if TYPE_CHECKING:
    from adapters.paper.engine import Engine

REASON = "oco_other_closed"


def on_end(engine: "Engine", order: OrderRecord) -> None:
    """Cancels the partners of an order that filled whole, or was cancelled for a reason.

    One that is cut to nothing because the position shrank has no reason: it takes nobody along.
    """
    nobody = {None, REASON, "oto_primary_closed", engine.switches.cut_reason}
    is_cancelled = order.state is OrderState.CANCELLED and order.cancel_reason not in nobody
    closes = is_cancelled and engine.switches.oco_cancel == "closes_other"
    if closes or order.state is OrderState.FILLED:
        _cancel_partners(engine, order)


def on_fire(engine: "Engine", order: OrderRecord) -> bool:
    """Settles the partners of a trigger about to fire; False when it vanishes with them."""
    if order.oco_ref is None:
        return True
    has_target = any(other.reduce_only for other in engine.ledger.partners(order))
    if has_target and engine.switches.fired_stop_of_a_pair == "vanishes":
        engine.cancel(order, REASON)
        _cancel_partners(engine, order)
        return False
    if engine.switches.oco_closes_on == "trigger":
        _cancel_partners(engine, order)
    return True


def on_fill(engine: "Engine", order: OrderRecord, contracts: int) -> None:
    """Cancels or cuts the partners of an order that filled in part (it is still live)."""
    if order.fill_condition is FillCondition.COMPLETE_FILL:
        return
    if order.fill_condition is not FillCondition.INCREMENTAL:
        _cancel_partners(engine, order)
        return
    before = order.remaining + contracts
    for other in engine.ledger.partners(order):
        other.contracts -= other.remaining * contracts // before
        engine.note(other)


def _cancel_partners(engine: "Engine", order: OrderRecord) -> None:
    for other in engine.ledger.partners(order):
        engine.cancel(other, REASON)
