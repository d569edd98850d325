"""Trigger orders: armed off the book, fired by the price they watch into a new order.

The trigger's id ends as ``triggered`` (or ``rejected``), the order it makes has an ordinary
id, the same label, and ``trigger_order_id`` pointing back.
"""

from decimal import Decimal

from adapters.paper import placing
from adapters.paper.engine import Engine
from adapters.paper.errors import VenueError, invalid, refusal
from adapters.paper.records import Draft, OrderRecord
from domain.instruments import Instrument
from domain.orders import STOP_TYPES, ZERO, OrderState, OrderType, Side, TriggerBy

_MOST_OF_A_TYPE = 100
_FIRES_AS = {
    OrderType.STOP_MARKET: OrderType.MARKET,
    OrderType.TAKE_MARKET: OrderType.MARKET,
    OrderType.TRAILING_STOP: OrderType.MARKET,
    OrderType.STOP_LIMIT: OrderType.LIMIT,
    OrderType.TAKE_LIMIT: OrderType.LIMIT,
}
_LIMIT_TYPES = frozenset({OrderType.STOP_LIMIT, OrderType.TAKE_LIMIT})
_REJECTED_BECAUSE = {11030: "reduce_direction"}


def is_passed(order_type: OrderType, side: Side, price: Decimal, trigger: Decimal) -> bool:
    """Whether ``price`` fires a trigger: sell stops and buy takes below, the others above."""
    fires_above = (side is Side.BUY) is (order_type in STOP_TYPES)
    return price >= trigger if fires_above else price <= trigger


def check_trigger(instrument: Instrument, price: Decimal | None) -> Decimal:
    """A trigger price that is there, positive and on tick.

    Raises:
        VenueError: -32602 or 10044.
    """
    if price is None:
        raise invalid("trigger_price", "value is required")
    if price <= 0 or not instrument.is_on_tick(price):
        raise refusal(10044)
    return price


def arm(engine: Engine, draft: Draft) -> OrderRecord:
    """Sets a trigger order waiting.

    Raises:
        VenueError: 11036 the price has passed the trigger already, and the checks of a draft.
    """
    if draft.trigger is None:
        raise invalid("trigger", "value is required")
    reference = engine.markets[draft.instrument.name].reference(draft.trigger)
    trigger_price = _trigger_price(draft, reference)
    if draft.order_type in _LIMIT_TYPES:
        _check_limit(draft)
    if is_passed(draft.order_type, draft.side, reference, trigger_price):
        raise refusal(11036)
    same = engine.ledger.select(lambda order: order.order_type is draft.order_type)
    if len(same) >= _MOST_OF_A_TYPE:
        raise refusal(11035, _MOST_OF_A_TYPE)
    order = _record(engine, draft, draft.trigger, trigger_price, reference)
    engine.ledger.add(order)
    engine.note(order)
    engine.log_trigger(order, "new")
    return order


def _check_limit(draft: Draft) -> None:
    if draft.price is None:
        raise invalid("price", "value is required")
    if not draft.instrument.is_on_tick(draft.price):
        raise refusal(10043)


def _trigger_price(draft: Draft, reference: Decimal) -> Decimal:
    if draft.order_type is not OrderType.TRAILING_STOP:
        return check_trigger(draft.instrument, draft.trigger_price)
    if draft.trigger_offset is None:
        raise invalid("trigger_offset", "value is required")
    if draft.trigger_offset <= 0:
        raise invalid("trigger_offset", "must be positive")
    return reference + draft.side.sign * draft.trigger_offset


def _record(
    engine: Engine, draft: Draft, trigger: TriggerBy, trigger_price: Decimal, reference: Decimal
) -> OrderRecord:
    instrument = draft.instrument
    is_trailing = draft.order_type is OrderType.TRAILING_STOP
    held = engine.account.contracts(instrument.name)
    return OrderRecord(
        order_id=engine.ids.trigger(instrument, draft.order_type, trigger, draft.side),
        instrument_name=instrument.name,
        side=draft.side,
        contracts=draft.contracts,
        order_type=draft.order_type,
        state=OrderState.UNTRIGGERED,
        price=draft.price if draft.order_type in _LIMIT_TYPES else None,
        label=draft.label,
        time_in_force=draft.time_in_force,
        reduce_only=draft.reduce_only,
        post_only=draft.post_only,
        reject_post_only=draft.reject_post_only,
        created_ms=engine.now_ms,
        updated_ms=engine.now_ms,
        rank=engine.ids.rank(),
        session_id=draft.session_id,
        trigger=trigger,
        trigger_price=trigger_price,
        trigger_offset=draft.trigger_offset if is_trailing else None,
        trigger_reference_price=reference if is_trailing else None,
        peak=reference if is_trailing else None,
        risk_reducing=draft.side.sign * held < 0,
    )


def watch(engine: Engine, instrument_name: str) -> None:
    """Moves trailing stops of an instrument along, and fires what its prices have reached."""
    market = engine.markets[instrument_name]
    for order in engine.ledger.waiting(instrument_name):
        if order.trigger is None or order.trigger_price is None:
            continue
        price = market.reference(order.trigger)
        trigger_price = _trail(order, price, order.trigger_price)
        if is_passed(order.order_type, order.side, price, trigger_price):
            _fire(engine, order)


def _trail(order: OrderRecord, price: Decimal, trigger_price: Decimal) -> Decimal:
    """Draws a trailing stop along behind a better price; others stay where they are."""
    if order.peak is None or order.side.sign * (order.peak - price) <= 0:
        return trigger_price
    order.peak = price
    order.trigger_price = price + order.side.sign * (order.trigger_offset or ZERO)
    return order.trigger_price


def _fire(engine: Engine, order: OrderRecord) -> None:
    try:
        child, _ = placing.send(engine, _child(order), parent=order)
    except VenueError as error:
        why = _REJECTED_BECAUSE.get(error.code, error.message)
        order.reject_reason = why
        engine.log_trigger(order, f"rejected:{why}")
        engine.finish(order, OrderState.REJECTED)
        return
    engine.log_trigger(order, "triggered", child_id=child.order_id)
    engine.finish(order, OrderState.TRIGGERED)


def _child(order: OrderRecord) -> Draft:
    return Draft(
        instrument=order.instrument,
        side=order.side,
        contracts=order.contracts,
        order_type=_FIRES_AS[order.order_type],
        price=order.price,
        label=order.label,
        time_in_force=order.time_in_force,
        reduce_only=order.reduce_only,
        post_only=order.post_only,
        reject_post_only=order.reject_post_only,
        session_id=order.session_id,
    )


def rearm(engine: Engine, order: OrderRecord, trigger_price: Decimal | None) -> None:
    """Checks and sets a new trigger price of a waiting trigger.

    Raises:
        VenueError: off tick, or passed already; the trigger stays as it was.
    """
    if trigger_price is None or order.trigger is None:
        return
    check_trigger(order.instrument, trigger_price)
    reference = engine.markets[order.instrument_name].reference(order.trigger)
    if is_passed(order.order_type, order.side, reference, trigger_price):
        raise refusal(11036)
    order.trigger_price = trigger_price
