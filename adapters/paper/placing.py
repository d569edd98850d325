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
    instrument, contracts = draft.instrument, draft.contracts
    price = _price(engine, draft)
    if draft.reduce_only:
        contracts = reduce_only.admitted(engine, instrument.name, draft.side, contracts)
    else:
        risk.check_funds(engine, instrument, draft.side, contracts)
    order = _record(engine, draft, contracts, price)
    order.trigger_order_id = parent.order_id if parent else None
    engine.ledger.add(order)
    engine.note(order)
    return order, matching.enter(engine, order)


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
    check_price(engine, draft.instrument, draft.side, draft.price)
    if draft.post_only:
        return passive_price(engine, draft.instrument, draft.side, draft.price, draft)
    return draft.price


def check_price(engine: Engine, instrument: Instrument, side: Side, price: Decimal) -> None:
    """Tick and band of a limit price; only the aggressive side of the band binds.

    Raises:
        VenueError: 10043, 10005, 10007; the bound is in the message.
    """
    if not instrument.is_on_tick(price):
        raise refusal(10043)
    low, high = engine.markets[instrument.name].band()
    if side is Side.BUY and price > high:
        raise refusal(10007, high)
    if side is Side.SELL and price < low:
        raise refusal(10005, low)


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
    is_market_limit = draft.order_type is OrderType.MARKET_LIMIT
    return OrderRecord(
        order_id=engine.ids.order(instrument),
        instrument_name=instrument.name,
        side=draft.side,
        contracts=contracts,
        order_type=OrderType.LIMIT if is_market_limit else draft.order_type,
        original_order_type=draft.order_type if is_market_limit else None,
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
    )
