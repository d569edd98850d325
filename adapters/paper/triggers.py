"""Trigger orders: armed off the book, fired by the price they watch into a new order.

The trigger's id ends as ``triggered`` (or ``rejected``), the order it makes has an ordinary
id, the same label, and ``trigger_order_id`` pointing back.
"""

from decimal import Decimal

from adapters.paper import oco, placing, reduce_only
from adapters.paper.engine import Engine
from adapters.paper.errors import VenueError, invalid, refusal
from adapters.paper.records import Draft, OrderRecord
from domain.instruments import Instrument
from domain.orders import STOP_TYPES, ZERO, OrderState, OrderType, Side, TriggerBy

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
    """Sets a trigger order waiting; one that is passed already fires, if that is the rule.

    Raises:
        VenueError: as `check`.
    """
    trigger_price, reference = check(engine, draft)
    order = _record(engine, draft, trigger_price, reference)
    engine.ledger.add(order)
    engine.note(order)
    engine.log_trigger(order, "new")
    if is_passed(order.order_type, order.side, reference, trigger_price):
        _fire(engine, order)
    return order


def check(engine: Engine, draft: Draft) -> tuple[Decimal, Decimal]:
    """The trigger price of an order and the price it would watch; changes nothing.

    Raises:
        VenueError: 11036 the price has passed the trigger already, 11030 nothing to reduce
            (if that is checked so early), 11035, and the checks of a draft.
    """
    check_terms(draft)
    reference = engine.markets[draft.instrument.name].reference(_watched(draft))
    trigger_price = _trigger_price(draft, reference)
    is_late = is_passed(draft.order_type, draft.side, reference, trigger_price)
    if is_late and engine.switches.passed_trigger == "refuse":
        raise refusal(11036)
    if draft.reduce_only and engine.switches.flat_reduce_only_stop == "refuse":
        reduce_only.admitted(engine, draft.instrument.name, draft.side, draft.contracts)
    _check_limits(engine, draft)
    return trigger_price, reference


def check_terms(draft: Draft) -> None:
    """What a trigger order needs whatever the market does.

    Raises:
        VenueError: -32602, 10043 or 10044.
    """
    _watched(draft)
    if draft.order_type is not OrderType.TRAILING_STOP:
        check_trigger(draft.instrument, draft.trigger_price)
    elif draft.trigger_offset is None:
        raise invalid("trigger_offset", "value is required")
    if draft.order_type in _LIMIT_TYPES:
        check_limit(draft)


def _watched(draft: Draft) -> TriggerBy:
    if draft.trigger is None:
        raise invalid("trigger", "value is required")
    return draft.trigger


def _check_limits(engine: Engine, draft: Draft) -> None:
    switches = engine.switches
    per_instrument = switches.trigger_limit_per == "type_and_instrument"
    same = engine.ledger.select(
        lambda order: (
            order.order_type is draft.order_type
            and not order.is_secondary_oto
            and (not per_instrument or order.instrument_name == draft.instrument.name)
        )
    )
    if len(same) >= switches.most_triggers:
        raise refusal(11035, switches.most_triggers)


def check_limit(draft: Draft) -> None:
    """A limit price that is there and on tick. Raises -32602 or 10043."""
    if draft.price is None:
        raise invalid("price", "value is required")
    if not draft.instrument.is_on_tick(draft.price):
        raise refusal(10043)


def _trigger_price(draft: Draft, reference: Decimal) -> Decimal:
    if draft.order_type is not OrderType.TRAILING_STOP:
        return check_trigger(draft.instrument, draft.trigger_price)
    return reference + draft.side.sign * (draft.trigger_offset or ZERO)


def _record(
    engine: Engine, draft: Draft, trigger_price: Decimal, reference: Decimal
) -> OrderRecord:
    instrument = draft.instrument
    trigger = _watched(draft)
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
        primary_order_id=draft.primary_order_id,
        oco_ref=draft.oco_ref,
        fill_condition=draft.fill_condition,
    )


def watch(engine: Engine, instrument_name: str) -> None:
    """Moves trailing stops of an instrument along, and fires what its prices have reached."""
    market = engine.markets[instrument_name]
    for order in engine.ledger.waiting(instrument_name):
        # The partner of one that fired before it is gone.
        if order.trigger is None or order.trigger_price is None or not order.state.is_live:
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
    if not oco.on_fire(engine, order):
        return
    try:
        if engine.switches.fired_id == "same":
            placing.promote(engine, order, _child(engine, order))
            return
        child, _ = placing.send(engine, _child(engine, order), parent=order)
    except VenueError as error:
        why = why_rejected(error)
        order.reject_reason = why
        engine.log_trigger(order, f"rejected:{why}")
        engine.finish(order, OrderState.REJECTED)
        return
    for waiting in engine.ledger.children.values():
        if waiting.primary_order_id == order.order_id:
            waiting.primary_order_id = child.order_id
    engine.log_trigger(order, "triggered", child_id=child.order_id)
    engine.finish(order, OrderState.TRIGGERED)


def why_rejected(error: VenueError) -> str:
    """A refusal as the trigger history puts it."""
    return _REJECTED_BECAUSE.get(error.code, error.message)


def _child(engine: Engine, order: OrderRecord) -> Draft:
    keeps_pair = engine.switches.oco_closes_on == "fill"
    return Draft(
        instrument=order.instrument,
        side=order.side,
        contracts=order.contracts,
        order_type=_FIRES_AS[order.order_type],
        price=order.price,
        label=order.label if engine.switches.fired_label == "carried" else "",
        time_in_force=order.time_in_force,
        reduce_only=order.reduce_only,
        post_only=order.post_only,
        reject_post_only=order.reject_post_only,
        session_id=order.session_id,
        primary_order_id=order.primary_order_id,
        oco_ref=order.oco_ref if keeps_pair else None,
        fill_condition=order.fill_condition,
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
