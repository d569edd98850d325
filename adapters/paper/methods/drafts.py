"""Order parameters, checked against the catalogue: what is wrong on its face is refused here."""

from decimal import Decimal

from adapters.paper.editing import Change
from adapters.paper.errors import invalid, refusal
from adapters.paper.methods.call import Call
from adapters.paper.params import Params
from adapters.paper.records import MARKET_STYLE, Draft
from domain.instruments import Instrument
from domain.orders import TRIGGER_TYPES, OrderType, Side, TimeInForce, TriggerBy

_LABEL_LENGTH = 64
_MOST_CONTRACTS = 10**12
_GTC = TimeInForce.GOOD_TIL_CANCELLED


def check_valid_until(call: Call) -> None:
    """Refuses a request whose time is over. Raises 13888."""
    if call.now_ms > call.params.whole("valid_until", 1 << 62):
        raise refusal(13888)


def contracts(params: Params, instrument: Instrument) -> int | None:
    """``amount`` or ``contracts`` as whole contracts; None when neither was given."""
    amount, number = params.number("amount"), params.number("contracts")
    if amount is None:
        amount = None if number is None else number * instrument.contract_size
    elif number is not None and number * instrument.contract_size != amount:
        raise invalid("contracts", "must agree with amount")
    if amount is None:
        return None
    if amount <= 0:
        raise invalid("amount", "must be positive")
    try:
        whole = instrument.contracts(amount)
    except ValueError:
        raise invalid("amount", "must be a multiple of contract size") from None
    if whole > _MOST_CONTRACTS:
        raise invalid("amount", "too large")
    if whole < instrument.min_contracts:
        raise refusal(10002)
    return whole


def positive(params: Params, name: str) -> Decimal | None:
    """A positive number or nothing."""
    number = params.number(name)
    if number is not None and number <= 0:
        raise invalid(name, "must be positive")
    return number


def draft(call: Call, side: Side) -> Draft:
    """The order a ``private/buy`` or ``private/sell`` describes."""
    params = call.params
    instrument = params.instrument()
    order_type = params.choice("type", OrderType, OrderType.LIMIT)
    whole = contracts(params, instrument)
    if whole is None:
        raise invalid("amount", "value is required")
    price = None if order_type in MARKET_STYLE else positive(params, "price")
    return Draft(
        instrument=instrument,
        side=side,
        contracts=whole,
        order_type=order_type,
        price=price,
        label=params.text("label", "", longest=_LABEL_LENGTH),
        time_in_force=_time_in_force(params, order_type),
        reduce_only=params.flag("reduce_only"),
        post_only=_post_only(params, order_type),
        reject_post_only=params.flag("reject_post_only"),
        trigger=_trigger(params, order_type),
        trigger_price=positive(params, "trigger_price"),
        trigger_offset=positive(params, "trigger_offset"),
        session_id=call.session.session_id,
    )


def _time_in_force(params: Params, order_type: OrderType) -> TimeInForce:
    """Market-style orders take none: the venue is said to refuse it there."""
    if order_type in MARKET_STYLE and "time_in_force" in params:
        raise invalid("time_in_force", "not allowed for this order type")
    return params.choice("time_in_force", TimeInForce, _GTC)


def _post_only(params: Params, order_type: OrderType) -> bool:
    post_only = params.flag("post_only")
    resting = params.choice("time_in_force", TimeInForce, _GTC) in {
        _GTC,
        TimeInForce.GOOD_TIL_DAY,
    }
    if post_only and (order_type in MARKET_STYLE or not resting):
        raise refusal(11055)
    return post_only


def _trigger(params: Params, order_type: OrderType) -> TriggerBy | None:
    if order_type not in TRIGGER_TYPES:
        return None
    return params.choice("trigger", TriggerBy)


def change(call: Call, instrument: Instrument) -> Change:
    """The new values a ``private/edit`` asks for."""
    params = call.params
    return Change(
        contracts=contracts(params, instrument),
        price=positive(params, "price"),
        trigger_price=positive(params, "trigger_price"),
        trigger_offset=positive(params, "trigger_offset"),
        reduce_only=_flag(params, "reduce_only"),
        post_only=_flag(params, "post_only"),
        reject_post_only=_flag(params, "reject_post_only"),
    )


def _flag(params: Params, name: str) -> bool | None:
    return params.flag(name) if name in params else None
