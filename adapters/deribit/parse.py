"""Orders, fills, positions and trigger records: wire objects to domain values.

Unknown fields are ignored and optional ones tolerated; anything else that does not fit raises
`Unreadable`, never a bare KeyError: an answer we cannot read is an unknown outcome.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from adapters.deribit.wire import (
    SIDES,
    Wire,
    as_object,
    contracts,
    integer,
    number,
    one_of,
    optional,
    or_zero,
    price,
    readable,
    text,
)
from domain.instruments import Instrument
from domain.orders import (
    Fill,
    Order,
    OrderState,
    OrderType,
    Placement,
    Position,
    TriggerBy,
    TriggerRecord,
)

TYPES: Mapping[str, OrderType] = {kind.value: kind for kind in OrderType}
STATES: Mapping[str, OrderState] = {state.value: state for state in OrderState}
TRIGGERS: Mapping[str, TriggerBy] = {trigger.value: trigger for trigger in TriggerBy}

_EXTRAS = frozenset(
    {
        "trigger",
        "trigger_price",
        "trigger_offset",
        "trigger_order_id",
        "primary_order_id",
        "oco_ref",
        "is_secondary_oto",
    }
)
_NONE: dict[str, Any] = {}
REFUSED = f"{OrderState.REJECTED.value}:"
"""What the state of an order begins with that could not be placed when its time had come."""

NEAR_ONE = Decimal("0.01")
NEAR_MARK = Decimal("0.05")
"""How far ``size / size_currency`` may lie from 1 (coins) and from the mark (USDC value)."""


@readable
def order(wire: Wire, instrument: Instrument, *, otherwise: OrderState | None = None) -> Order:
    """The order object of replies, reads and notifications.

    A market order may come back as ``limit`` with its ``original_order_type``: it is reported
    as what was asked for. Trigger orders may lack the filled amount and the average price.
    ``otherwise`` is the state of an order that calls its own by a word of no table; without it,
    such an order is unreadable.
    """
    get = wire.get
    created = get("creation_timestamp")
    updated = get("last_update_timestamp")
    state, why = _state(wire["order_state"], otherwise)
    extras = _NONE if wire.keys().isdisjoint(_EXTRAS) else _extras(wire)
    return Order(
        order_id=str(wire["order_id"]),
        label=str(get("label") or ""),
        instrument_name=instrument.name,
        side=one_of(SIDES, wire["direction"]),
        order_type=one_of(TYPES, get("original_order_type") or wire["order_type"]),
        state=state,
        contracts=contracts(instrument, wire["amount"]),
        filled_contracts=contracts(instrument, get("filled_amount") or 0),
        price=price(get("price")),
        average_price=price(get("average_price")),
        reduce_only=get("reduce_only") is True,
        post_only=get("post_only") is True,
        is_liquidation=get("is_liquidation") is True,
        cancel_reason=text(get("cancel_reason") or get("reject_reason") or why),
        human=get("web") is True or get("mobile") is True,
        is_edited=get("replaced") is True,
        created_ms=integer(updated if created is None else created),
        updated_ms=integer(created if updated is None else updated),
        contract_size=instrument.contract_size,
        **extras,
    )


def has_odd_state(row: object) -> bool:
    """Whether an order calls its state by a word this version does not know."""
    value = as_object(row).get("order_state")
    return isinstance(value, str) and value not in STATES and not value.startswith(REFUSED)


def _state(value: object, otherwise: OrderState | None) -> tuple[OrderState, str | None]:
    """The state, and why it was refused, which may be part of it: ``rejected:price_too_high``."""
    if isinstance(value, str) and value.startswith(REFUSED):
        return OrderState.REJECTED, value.removeprefix(REFUSED)
    if isinstance(value, str) and value not in STATES and otherwise is not None:
        return otherwise, value
    return one_of(STATES, value), None


def _extras(wire: Wire) -> dict[str, Any]:
    """What only trigger orders and linked orders have."""
    get = wire.get
    trigger = get("trigger")
    return {
        "trigger": None if trigger is None else one_of(TRIGGERS, trigger),
        "trigger_price": price(get("trigger_price")),
        "trigger_offset": price(get("trigger_offset")),
        "trigger_order_id": _parent(wire),
        "primary_order_id": text(get("primary_order_id")),
        "oco_ref": text(get("oco_ref")),
        "is_secondary_oto": get("is_secondary_oto") is True,
    }


def _parent(wire: Wire) -> str | None:
    """The trigger this order came from. One that has fired names itself there, and a child that
    waits no more the order it became: neither has a parent.
    """
    parent = text(wire.get("trigger_order_id"))
    is_own = parent == str(wire["order_id"]) or wire.get("is_secondary_oto") is True
    return None if is_own else parent


@readable
def fill(wire: Wire, instrument: Instrument) -> Fill:
    """A user trade. ``direction`` is our own side; ``liquidation`` names who was liquidated.

    ``reduce_only`` is text in the venue's schema, and a yes or no in all that was ever seen of it.
    """
    get = wire.get
    liquidity = str(get("liquidity") or "")
    return Fill(
        trade_id=str(wire["trade_id"]),
        trade_seq=integer(wire["trade_seq"]),
        order_id=str(wire["order_id"]),
        label=str(get("label") or ""),
        instrument_name=instrument.name,
        side=one_of(SIDES, wire["direction"]),
        contracts=contracts(instrument, wire["amount"]),
        price=number(wire["price"]),
        fee=number(wire["fee"]),
        fee_currency=str(get("fee_currency") or instrument.settlement_currency),
        is_maker=liquidity == "M",
        reduce_only=str(get("reduce_only")).lower() == "true",
        timestamp_ms=integer(wire["timestamp"]),
        profit_loss=optional(get("profit_loss")),
        is_liquidation=bool(liquidity) and liquidity in str(get("liquidation") or ""),
        contract_size=instrument.contract_size,
    )


@readable
def placement(wire: Wire, instrument: Instrument) -> Placement:
    """The reply to an order or an edit: the order, and what it traded at once."""
    fills = tuple(fill(trade, instrument) for trade in wire.get("trades") or ())
    return Placement(order=order(wire["order"], instrument), fills=fills)


@readable
def position(wire: Wire, instrument: Instrument) -> Position | None:
    """A position, or None when it is flat (the venue lists flat ones until the settlement).

    The sign comes from ``direction``, because reports disagree on the sign of ``size``.
    """
    size = abs(number(wire["size"]))
    if wire["direction"] == "zero" or size == 0:
        return None
    sign = one_of(SIDES, wire["direction"]).sign
    mark = number(wire["mark_price"])
    quantity = _quantity(wire, instrument, size, mark)
    coins = quantity / mark if instrument.is_inverse else quantity
    size_currency = optional(wire.get("size_currency"))
    return Position(
        instrument_name=instrument.name,
        contracts=sign * contracts(instrument, quantity),
        average_price=number(wire["average_price"]),
        mark_price=mark,
        index_price=number(wire["index_price"]),
        size_coin=sign * (coins if size_currency is None else abs(size_currency)),
        floating_profit_loss=number(wire["floating_profit_loss"]),
        total_profit_loss=number(wire["total_profit_loss"]),
        realized_profit_loss=or_zero(wire.get("realized_profit_loss")),
        realized_funding=or_zero(wire.get("realized_funding")),
        initial_margin=or_zero(wire.get("initial_margin")),
        maintenance_margin=or_zero(wire.get("maintenance_margin")),
        estimated_liquidation_price=optional(wire.get("estimated_liquidation_price")),
        contract_size=instrument.contract_size,
    )


def _quantity(wire: Wire, instrument: Instrument, size: Decimal, mark: Decimal) -> Decimal:
    """The position in the unit of ``amount``, positive.

    On linear perpetuals sources disagree whether ``size`` is coins or USDC, so the coins are
    taken from ``size_currency`` and the ratio of the two has to make sense.

    Raises:
        ValueError: it does not.
    """
    if instrument.is_inverse:
        return size
    coins = abs(number(wire["size_currency"]))
    ratio = size / coins
    if abs(ratio - 1) <= NEAR_ONE or abs(ratio / mark - 1) <= NEAR_MARK:
        return coins
    raise ValueError(f"size {size} is neither {coins} coins nor their value at {mark}")


@readable
def trigger_record(wire: Wire, instrument: Instrument) -> TriggerRecord:
    """One entry of the trigger history, the only place that shows ``rejected:<why>``."""
    get = wire.get
    when = get("last_update_timestamp")
    return TriggerRecord(
        trigger_order_id=str(wire["trigger_order_id"]),
        order_id=text(get("order_id")),
        instrument_name=instrument.name,
        label=str(get("label") or ""),
        side=one_of(SIDES, wire["direction"]),
        state=str(wire["order_state"]),
        contracts=contracts(instrument, wire["amount"]),
        trigger_price=price(get("trigger_price")),
        timestamp_ms=integer(wire["timestamp"] if when is None else when),
    )
