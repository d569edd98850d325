"""New orders: what the market makes of a draft before it enters the book."""

from decimal import Decimal

from adapters.paper import matching, reduce_only, risk
from adapters.paper.engine import Engine
from adapters.paper.errors import invalid, refusal
from adapters.paper.records import Draft, OrderRecord, TradeRecord
from domain.instruments import Instrument
from domain.orders import OrderState, OrderType, Side


def send(
    engine: Engine, draft: Draft, parent: OrderRecord | None = None
) -> tuple[OrderRecord, list[TradeRecord]]:
    """Puts an ordinary order into the book; ``parent`` is the trigger it came out of.

    Raises:
        VenueError: refused, nothing happened.
    """
    order = record(engine, draft)
    if parent is not None:
        _follow(order, parent)
    return order, matching.enter(engine, order)


def record(engine: Engine, draft: Draft) -> OrderRecord:
    """A new live order that has not met the book yet.

    Raises:
        VenueError: refused, nothing happened.
    """
    price, contracts = check(engine, draft)
    order = _record(engine, draft, contracts, price)
    engine.ledger.add(order)
    engine.note(order)
    return order


def check(engine: Engine, draft: Draft) -> tuple[Decimal, int]:
    """The price and the contracts an order would have now; changes nothing.

    Raises:
        VenueError: it would be refused.
    """
    instrument, contracts = draft.instrument, draft.contracts
    price = _price(engine, draft)
    if draft.reduce_only:
        contracts = reduce_only.admitted(engine, instrument.name, draft.side, contracts)
    else:
        risk.check_funds(engine, instrument, draft.side, contracts)
    matching.check_self_trade(engine, instrument.name, draft.side, price, contracts)
    return price, contracts


def promote(engine: Engine, order: OrderRecord, draft: Draft) -> list[TradeRecord]:
    """Sends a trigger into the book under its own id, as the order ``draft`` describes.

    Raises:
        VenueError: refused, the trigger is as before.
    """
    price, contracts = check(engine, draft)
    engine.log_trigger(order, "triggered", child_id=order.order_id)
    order.order_type, order.price, order.contracts = draft.order_type, price, contracts
    order.label, order.oco_ref = draft.label, draft.oco_ref
    order.state, order.rank = OrderState.OPEN, engine.ids.rank()
    engine.ledger.promote(order)
    engine.note(order)
    return matching.enter(engine, order)


def _follow(order: OrderRecord, trigger: OrderRecord) -> None:
    """What an order takes over from the trigger it came out of."""
    order.trigger_order_id = trigger.order_id
    order.oto_order_ids = trigger.oto_order_ids
    order.is_primary_otoco = trigger.is_primary_otoco


def _price(engine: Engine, draft: Draft) -> Decimal:
    """The limit an order really has: the band for market, the touch for market_limit."""
    market = engine.markets[draft.instrument.name]
    low, high = market.band()
    if draft.order_type is OrderType.MARKET:
        return high if draft.side is Side.BUY else low
    if draft.order_type is OrderType.MARKET_LIMIT:
        return market.best(draft.side.opposite) or market.mark
    if draft.price is None:
        raise invalid("price", "value is required")
    price = within_band(engine, draft.instrument, draft.side, draft.price)
    if draft.post_only:
        return passive_price(engine, draft.instrument, draft.side, price, draft)
    return price


def within_band(engine: Engine, instrument: Instrument, side: Side, price: Decimal) -> Decimal:
    """Tick and band of a limit price: as given, or moved to the bound if that is the rule.

    Only the aggressive side of the band binds unless the passive one is switched on too.

    Raises:
        VenueError: 10043, 10005, 10007; the bound is in the message.
    """
    if not instrument.is_on_tick(price):
        raise refusal(10043)
    low, high = engine.markets[instrument.name].band()
    if low <= price <= high:
        return price
    is_passive = (price < low) is (side is Side.BUY)
    if is_passive and engine.switches.passive_beyond_band == "rest":
        return price
    if engine.switches.beyond_band == "clamp":
        return min(max(price, low), high)
    raise refusal(10007, high) if price > high else refusal(10005, low)


def check_display(instrument: Instrument, whole: int, display: int) -> int | None:
    """What an order of ``whole`` contracts shows; None when that is all of it.

    Raises:
        VenueError: 10036, less than a hundred times the smallest order or 1 % of this one.
    """
    if display >= whole:
        return None
    if display < 100 * instrument.min_contracts or display * 100 < whole:
        raise refusal(10036)
    return display


def passive_price(
    engine: Engine,
    instrument: Instrument,
    side: Side,
    price: Decimal,
    terms: Draft | OrderRecord,
) -> Decimal:
    """The price of a post-only order: as given, or one tick off the other side if it crosses.

    Raises:
        VenueError: 11054 it crosses and asked to be refused then.
    """
    opposite = engine.markets[instrument.name].best(side.opposite)
    if not opposite or side.sign * (opposite - price) > 0:
        return price
    if terms.reject_post_only:
        raise refusal(11054)
    return opposite - side.sign * instrument.tick_size


def _record(engine: Engine, draft: Draft, contracts: int, price: Decimal) -> OrderRecord:
    instrument = draft.instrument
    held = engine.account.contracts(instrument.name)
    shown_as = _shown_as(engine, draft.order_type)
    return OrderRecord(
        order_id=engine.ids.order(instrument),
        instrument_name=instrument.name,
        side=draft.side,
        contracts=contracts,
        order_type=shown_as,
        original_order_type=draft.order_type if shown_as is not draft.order_type else None,
        state=OrderState.OPEN,
        price=price,
        label=draft.label,
        time_in_force=draft.time_in_force,
        reduce_only=draft.reduce_only,
        post_only=draft.post_only,
        reject_post_only=draft.reject_post_only,
        created_ms=engine.now_ms,
        updated_ms=engine.now_ms,
        rank=engine.ids.rank(),
        session_id=draft.session_id,
        risk_reducing=draft.side.sign * held < 0 and contracts <= abs(held),
        primary_order_id=draft.primary_order_id,
        oco_ref=draft.oco_ref,
        fill_condition=draft.fill_condition,
        display=draft.display,
        visible=draft.display or 0,
    )


def _shown_as(engine: Engine, order_type: OrderType) -> OrderType:
    """The type an order is listed under: market_limit is a limit, market perhaps too."""
    is_market = order_type is OrderType.MARKET
    if is_market and engine.switches.market_orders_shown_as == "limit":
        return OrderType.LIMIT
    return OrderType.LIMIT if order_type is OrderType.MARKET_LIMIT else order_type
