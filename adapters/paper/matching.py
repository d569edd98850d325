"""Fills: a taker walks the synthetic book, resting orders wait for it to come to them."""

from decimal import Decimal

from adapters.paper import accruing, booking, oco, reduce_only
from adapters.paper.account import REJECT_TAKER
from adapters.paper.engine import Engine
from adapters.paper.errors import refusal
from adapters.paper.market import Level, PublicTrade
from adapters.paper.records import OrderRecord, TradeRecord
from domain.orders import ZERO, OrderState, Side, TimeInForce
from domain.pnl import apply_fill


def enter(engine: Engine, order: OrderRecord) -> list[TradeRecord]:
    """Sends a new or edited order into the book: takes what it can, rests or ends.

    The remainder of a market order rests at its price, the band: it is not cancelled.
    """
    price = order.price or ZERO
    market = engine.markets[order.instrument_name]
    if order.time_in_force is TimeInForce.FILL_OR_KILL and (
        market.reachable(order.side, price) < order.remaining
    ):
        engine.cancel(order, reason=None)
        return []
    trades = _take(engine, order, price)
    if order.remaining and order.time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL:
        engine.cancel(order, reason=None)
    reduce_only.clip(engine, order.instrument_name)
    return trades


def _take(engine: Engine, order: OrderRecord, limit: Decimal) -> list[TradeRecord]:
    market = engine.markets[order.instrument_name]
    trades: list[TradeRecord] = []
    while order.remaining:
        _step_aside(engine, order, limit)
        level = market.take(order.side, limit, order.remaining)
        if level is None:
            break
        trades.append(fill(engine, order, level.contracts, level.price, is_maker=False))
    return trades


def _step_aside(engine: Engine, taker: OrderRecord, limit: Decimal) -> None:
    """Self-trade protection, ``cancel_maker``: our own order at the best price is cancelled."""
    best = engine.markets[taker.instrument_name].best(taker.side.opposite)
    sign = taker.side.sign
    for order in sorted(engine.ledger.resting(taker.instrument_name), key=reduce_only.priority):
        price = order.price or ZERO
        in_front = best == ZERO or sign * (best - price) >= 0
        if order.side is not taker.side and sign * (limit - price) >= 0 and in_front:
            engine.cancel(order, reason=None)


def check_self_trade(
    engine: Engine, instrument_name: str, side: Side, limit: Decimal, contracts: int
) -> None:
    """Refuses a taker that would come to an order of our own, if the account wants it so.

    Raises:
        VenueError: 10003.
    """
    if engine.account.self_trading != REJECT_TAKER:
        return
    levels = engine.markets[instrument_name].levels(side.opposite)
    for order in engine.ledger.resting(instrument_name):
        price = order.price or ZERO
        if order.side is side or side.sign * (limit - price) < 0:
            continue
        before = sum(each.contracts for each in levels if side.sign * (price - each.price) > 0)
        if before < contracts:
            raise refusal(10003)


def fill_resting(engine: Engine, instrument_name: str) -> None:
    """Fills resting orders the book has come to, at their own price, as far as it reaches."""
    market = engine.markets[instrument_name]
    for order in sorted(engine.ledger.resting(instrument_name), key=reduce_only.priority):
        price = order.price or ZERO
        # An order cut or cancelled by the fill before it is simply not there any more.
        while order.is_resting and (level := market.take(order.side, price, order.remaining)):
            _meet(engine, order, level.contracts, price)
            reduce_only.clip(engine, instrument_name)


def _meet(engine: Engine, order: OrderRecord, contracts: int, price: Decimal) -> None:
    """A taker meets a resting order; what an iceberg hides is filled at the taker's rate."""
    if order.display is None:
        fill(engine, order, contracts, price, is_maker=True)
        return
    shown = min(order.shown, contracts)
    fill(engine, order, shown, price, is_maker=True)
    # Its partner may have ended it meanwhile.
    hidden = min(contracts - shown, order.remaining) if order.is_resting else 0
    if hidden:
        fill(engine, order, hidden, price, is_maker=False, is_hidden=True)
    order.visible = order.visible - shown if shown < order.visible else order.display


def fill(
    engine: Engine,
    order: OrderRecord,
    contracts: int,
    price: Decimal,
    *,
    is_maker: bool,
    is_hidden: bool = False,
) -> TradeRecord:
    """Books one fill everywhere it shows: order, account, tape.

    ``is_hidden`` is the part of an iceberg nobody saw: it rested, and pays like a taker.
    """
    instrument = order.instrument
    charged = engine.fees.of_fill(
        instrument, contracts, price, is_maker=is_maker, is_liquidation=order.is_liquidation
    )
    accruing.accrue(engine, instrument.name)
    held = engine.account.contracts(instrument.name)
    whole, realised = engine.account.fill(instrument, order.side, contracts, price, charged)
    _advance(engine, order, contracts, price)
    taker = order.side.opposite if is_maker or is_hidden else order.side
    printed = _print(engine, order, taker, Level(price, contracts))
    profit = realised if engine.switches.trade_profit_loss == "session" else whole
    trade = _record(order, printed, fee=charged, is_maker=is_maker, profit_loss=profit)
    engine.ledger.add_trade(trade)
    engine.changes.trades.append(trade)
    booking.log_trade(engine, trade, before=held, realised=realised)
    return trade


def _advance(engine: Engine, order: OrderRecord, contracts: int, price: Decimal) -> None:
    """Counts a fill in its order, and ends the order or its partner where that is due."""
    order.filled += contracts
    order.fills, _ = apply_fill(order.instrument, order.fills, order.side, contracts, price)
    if order.remaining == 0:
        engine.finish(order, OrderState.FILLED)
        return
    engine.note(order)
    if order.oco_ref is not None:
        oco.on_fill(engine, order, contracts)


def _print(engine: Engine, order: OrderRecord, taker: Side, traded: Level) -> PublicTrade:
    """Puts a fill of ours on the tape."""
    printed = engine.markets[order.instrument_name].print_trade(
        engine.ids.trade(order.instrument),
        taker,
        traded.contracts,
        traded.price,
        # The moment of the fill: the market's own clock stands still between two steps.
        timestamp_ms=engine.now_ms,
        liquidation="T" if order.is_liquidation else None,
    )
    engine.changes.tape.append((order.instrument_name, printed))
    return printed


def _record(
    order: OrderRecord, printed: PublicTrade, *, fee: Decimal, is_maker: bool, profit_loss: Decimal
) -> TradeRecord:
    """Our side of a trade on the tape."""
    return TradeRecord(
        trade_id=printed.trade_id,
        trade_seq=printed.trade_seq,
        order_id=order.order_id,
        instrument_name=order.instrument_name,
        side=order.side,
        contracts=printed.contracts,
        price=printed.price,
        fee=fee,
        is_maker=is_maker,
        profit_loss=profit_loss,
        order_type=order.order_type,
        state=order.state,
        label=order.label,
        reduce_only=order.reduce_only,
        post_only=order.post_only,
        risk_reducing=order.risk_reducing,
        mark_price=printed.mark_price,
        index_price=printed.index_price,
        tick_direction=printed.tick_direction,
        timestamp_ms=printed.timestamp_ms,
        is_liquidation=order.is_liquidation,
    )
