"""An order request as wire params, and the guards that stand before it.

Trigger types always carry ``trigger``, ``post_only`` is always explicit (sources disagree on the
default) and ``time_in_force`` is left out where the venue refuses it: on market-style orders.
"""

from decimal import Decimal
from typing import Any

from domain import labels
from domain.orders import PRICED_TYPES, TRIGGER_TYPES, OrderRequest, OrderType


def check(request: OrderRequest) -> None:
    """Refuses what must never be sent.

    Raises:
        ValueError: an order that is no entry by its label and could add risk, or a request
            without what its type needs. Both are mistakes in the code, not market conditions.
    """
    if not request.reduce_only and not is_entry(request.label):
        raise ValueError(f"{request.label!r} is no entry and must be reduce-only")
    if request.contracts < 1:
        raise ValueError(f"{request.label!r} has no contracts")
    if request.order_type in PRICED_TYPES and request.price is None:
        raise ValueError(f"{request.order_type} needs a price")
    if request.order_type in TRIGGER_TYPES:
        _check_trigger(request)
    for child in request.children:
        if child.instrument != request.instrument or child.children or not child.reduce_only:
            raise ValueError(f"{child.label!r} may not hang on {request.label!r}")
        check(child)


def is_entry(text: str) -> bool:
    """Whether an order with this label may add risk.

    Raises:
        ValueError: the label is none of ours: whatever it is, it is not ours to send or change.
    """
    label = labels.parse(text)
    if label is None:
        raise ValueError(f"{text!r} is no label of ours")
    return label.role is labels.Role.ENTRY


def _check_trigger(request: OrderRequest) -> None:
    trails = request.order_type is OrderType.TRAILING_STOP
    if (request.trigger_offset if trails else request.trigger_price) is None:
        raise ValueError(f"{request.order_type} needs a trigger price or offset")
    if request.trigger is None:
        raise ValueError(f"{request.order_type} needs the price it watches")


def of_order(request: OrderRequest) -> dict[str, Any]:
    """Params of ``private/buy`` or ``private/sell``."""
    kind = request.order_type
    params: dict[str, Any] = {
        "instrument_name": request.instrument.name,
        "amount": request.instrument.amount(request.contracts),
        "type": kind.value,
        "label": request.label,
        "post_only": request.post_only,
        "reduce_only": request.reduce_only,
    }
    if kind in PRICED_TYPES:
        params["price"] = request.price
        if request.time_in_force is not None:
            params["time_in_force"] = request.time_in_force.value
    if kind in TRIGGER_TYPES:
        _add_trigger(params, request)
    if request.post_only:
        params["reject_post_only"] = request.reject_post_only
    if request.valid_until_ms is not None:
        params["valid_until"] = request.valid_until_ms
    if request.children:
        params["linked_order_type"] = _LINKED[len(request.children)]
        params["trigger_fill_condition"] = "incremental"
        params["otoco_config"] = [_of_child(child) for child in request.children]
    return params


_LINKED = {1: "one_triggers_other", 2: "one_triggers_one_cancels_other"}


def _of_child(child: OrderRequest) -> dict[str, Any]:
    """A child: its instrument is its primary's, and its time begins when that fills."""
    params = of_order(child)
    del params["instrument_name"]
    params.pop("valid_until", None)
    return {**params, "direction": child.side.value}


def _add_trigger(params: dict[str, Any], request: OrderRequest) -> None:
    if request.trigger is not None:
        params["trigger"] = request.trigger.value
    if request.order_type is OrderType.TRAILING_STOP:
        params["trigger_offset"] = request.trigger_offset
    else:
        params["trigger_price"] = request.trigger_price


def of_edit(
    order_id: str,
    amount: Decimal,
    *,
    reduce_only: bool,
    valid_until_ms: int,
    price: Decimal | None,
    trigger_price: Decimal | None,
) -> dict[str, Any]:
    """Params of ``private/edit``: absolute values.

    Both flags are explicit: the schema of ``private/edit`` states defaults (``post_only`` true,
    ``reduce_only`` false), and does not say that an order keeps its own. Not on waiting children:
    there the venue refuses the one word, and the other follows it.
    """
    params: dict[str, Any] = {"order_id": order_id, "amount": amount}
    if not is_waiting_child(order_id):
        params |= {"post_only": False, "reduce_only": reduce_only}
    params["valid_until"] = valid_until_ms
    if price is not None:
        params["price"] = price
    if trigger_price is not None:
        params["trigger_price"] = trigger_price
    return params


def is_waiting_child(order_id: str) -> bool:
    """``OTO-80322590``, ``ETH-OTO-6910166``: a linked order that waits for its primary."""
    return order_id.startswith("OTO-") or "-OTO-" in order_id
