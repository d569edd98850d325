"""Order parameters, checked against the catalogue: what is wrong on its face is refused here."""

from decimal import Decimal

from adapters.paper import linking, placing
from adapters.paper.editing import Change
from adapters.paper.errors import invalid, refusal
from adapters.paper.methods.call import Call
from adapters.paper.params import Params
from adapters.paper.records import MARKET_STYLE, Draft, FillCondition, Linkage, LinkedType
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


def required_contracts(params: Params, instrument: Instrument) -> int:
    """As `contracts`, but it must be given."""
    whole = contracts(params, instrument)
    if whole is None:
        raise invalid("amount", "value is required")
    return whole


def required_number(params: Params, name: str) -> Decimal:
    """A positive number that must be given."""
    number = positive(params, name)
    if number is None:
        raise invalid(name, "value is required")
    return number


def _whole(params: Params, instrument: Instrument, name: str) -> int | None:
    amount = positive(params, name)
    try:
        return None if amount is None else instrument.contracts(amount)
    except ValueError:
        raise invalid(name, "must be a multiple of contract size") from None


def positive(params: Params, name: str) -> Decimal | None:
    """A positive number or nothing."""
    number = params.number(name)
    if number is not None and number <= 0:
        raise invalid(name, "must be positive")
    return number


def draft(call: Call, side: Side) -> Draft:
    """The order a ``private/buy`` or ``private/sell`` describes."""
    return _draft(call, call.params, call.params.instrument(), side)


def linkage(call: Call, primary: Draft) -> Linkage | None:
    """What hangs on the order, as ``linked_order_type`` and ``otoco_config`` describe it."""
    if "linked_order_type" not in call.params:
        return None
    found = Linkage(
        kind=call.params.choice("linked_order_type", LinkedType),
        condition=call.params.choice(
            "trigger_fill_condition", FillCondition, FillCondition.FIRST_HIT
        ),
        legs=tuple(
            _draft(call, params, primary.instrument, params.choice("direction", Side))
            for params in call.params.records("otoco_config")
        ),
    )
    linking.check_linkage(found)
    return found


def _draft(call: Call, params: Params, instrument: Instrument, side: Side) -> Draft:
    order_type = params.choice("type", OrderType, OrderType.LIMIT)
    whole = required_contracts(params, instrument)
    price = None if order_type in MARKET_STYLE else positive(params, "price")
    return Draft(
        instrument=instrument,
        side=side,
        contracts=whole,
        order_type=order_type,
        price=price,
        label=params.text("label", "", longest=_LABEL_LENGTH),
        time_in_force=_time_in_force(call, params, order_type),
        reduce_only=params.flag("reduce_only"),
        post_only=_post_only(call, params, order_type),
        reject_post_only=params.flag("reject_post_only"),
        trigger=_trigger(params, order_type),
        trigger_price=positive(params, "trigger_price"),
        trigger_offset=positive(params, "trigger_offset"),
        display=_display(params, instrument, whole, order_type),
        session_id=call.session.session_id,
    )


def _display(
    params: Params, instrument: Instrument, whole: int, order_type: OrderType
) -> int | None:
    """The visible part of an iceberg in contracts; ``max_show`` is its old name."""
    name = "display_amount" if "display_amount" in params else "max_show"
    display = _whole(params, instrument, name)
    if display is None or order_type is not OrderType.LIMIT:
        return None
    return placing.check_display(instrument, whole, display)


def _time_in_force(call: Call, params: Params, order_type: OrderType) -> TimeInForce:
    """Market-style orders take none but, perhaps, the one they would have anyway."""
    asked = params.choice("time_in_force", TimeInForce, _GTC)
    if order_type in MARKET_STYLE and "time_in_force" in params:
        takes_default = call.engine.switches.market_time_in_force == "default"
        if asked is not _GTC or not takes_default:
            raise invalid("time_in_force", "not allowed for this order type")
    return asked


def _post_only(call: Call, params: Params, order_type: OrderType) -> bool:
    resting = params.choice("time_in_force", TimeInForce, _GTC) in {
        _GTC,
        TimeInForce.GOOD_TIL_DAY,
    }
    is_possible = order_type not in MARKET_STYLE and resting
    default = is_possible and call.engine.switches.post_only_default
    post_only = params.flag("post_only", default=default)
    if post_only and not is_possible:
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
        display=_whole(params, instrument, "display_amount"),
        reduce_only=_flag(params, "reduce_only"),
        post_only=_flag(params, "post_only"),
        reject_post_only=_flag(params, "reject_post_only"),
    )


def _flag(params: Params, name: str) -> bool | None:
    return params.flag(name) if name in params else None
