"""What a channel sends when it is due, one function per family."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from adapters.paper import views, wire
from adapters.paper.engine import Changes, Engine
from adapters.paper.topics import Family, Topic
from adapters.paper.wire import Json

Sizes = dict[Decimal, Decimal]


@dataclass(slots=True)
class Subscription:
    """One channel somebody listens to, and what it has still to say.

    ``sizes`` and ``change_id`` are the book as last sent, ``told`` the ticker: changes are told
    against them.
    """

    topic: Topic
    sessions: set[str] = field(default_factory=set[str])
    pending: Changes = field(default_factory=Changes)
    due_ms: int = 0
    counter: int = 0
    change_id: int | None = None
    sizes: dict[str, Sizes] = field(default_factory=dict[str, Sizes])
    told: Json = field(default_factory=dict[str, Any])

    @property
    def instrument(self) -> str:
        """The instrument of a channel that has one."""
        return next(iter(self.topic.instruments))


def is_dirty(subscription: Subscription) -> bool:
    """Whether anything happened that this channel would speak of."""
    return is_any(subscription.pending)


def is_any(changes: Changes) -> bool:
    """Whether anything happened at all."""
    happened = changes.moved or changes.orders or changes.trades or changes.tape
    return bool(happened or changes.cash)


def _book(engine: Engine, subscription: Subscription) -> list[Any]:
    if subscription.change_id is None:
        return [book_snapshot(engine, subscription)]
    before, previous = subscription.sizes, subscription.change_id
    market = engine.markets[subscription.instrument]
    subscription.sizes = _sizes(engine, subscription.instrument)
    sides = {
        side: _difference(before[side], after, best_first_down=side == "bids")
        for side, after in subscription.sizes.items()
    }
    if not any(sides.values()):
        return []  # and the next change follows the one that was told
    # Our own orders and takers change the book between two steps of the market.
    change_id = market.change_id if market.change_id > previous else engine.ids.change()
    market.change_id = subscription.change_id = change_id
    return [
        {
            "type": "change",
            "timestamp": engine.now_ms,
            "instrument_name": subscription.instrument,
            "change_id": change_id,
            "prev_change_id": previous,
            **sides,
        }
    ]


def book_snapshot(engine: Engine, subscription: Subscription) -> Json:
    """The first frame of a book: everything as ``new``, as of the last change sent."""
    if subscription.change_id is None:
        subscription.change_id = engine.markets[subscription.instrument].change_id
        subscription.sizes = _sizes(engine, subscription.instrument)
    return {
        "type": "snapshot",
        "timestamp": engine.now_ms,
        "instrument_name": subscription.instrument,
        "change_id": subscription.change_id,
        **{
            side: [["new", price, amount] for price, amount in sizes.items()]
            for side, sizes in subscription.sizes.items()
        },
    }


def _sizes(engine: Engine, name: str) -> dict[str, Sizes]:
    bids, asks = views.book(engine, name)
    return {"bids": dict(bids), "asks": dict(asks)}


def _difference(before: Sizes, after: Sizes, *, best_first_down: bool) -> list[Any]:
    rows: list[tuple[Decimal, list[Any]]] = [
        (price, ["delete", price, 0]) for price in before if price not in after
    ]
    for price, amount in after.items():
        if before.get(price) != amount:
            rows.append((price, ["change" if price in before else "new", price, amount]))
    rows.sort(key=lambda row: row[0], reverse=best_first_down)
    return [row for _, row in rows]


def _depth(engine: Engine, subscription: Subscription) -> list[Any]:
    name, depth = subscription.instrument, subscription.topic.depth
    bids, asks = views.book(engine, name)
    market = engine.markets[name]
    return [
        {
            "timestamp": engine.now_ms,
            "instrument_name": name,
            "change_id": market.change_id,
            "bids": bids[:depth],
            "asks": asks[:depth],
        }
    ]


def _ticker(engine: Engine, subscription: Subscription) -> list[Any]:
    return [views.ticker(engine, subscription.instrument)]


def _ticker_steps(engine: Engine, subscription: Subscription) -> list[Any]:
    """What changed since the frame before."""
    name, shown = subscription.instrument, views.ticker(engine, subscription.instrument)
    before, subscription.told = subscription.told, shown
    changed = {key: value for key, value in shown.items() if before.get(key) != value}
    if not changed.keys() - {"timestamp"}:
        return []
    always = {"timestamp": engine.now_ms, "instrument_name": name}
    return [{"type": "change", **changed, **always}]


def ticker_snapshot(engine: Engine, subscription: Subscription) -> Json:
    """The first frame of an incremental ticker: everything, as of the last change sent."""
    subscription.told = subscription.told or views.ticker(engine, subscription.instrument)
    return {"type": "snapshot", **subscription.told}


def _candles(engine: Engine, subscription: Subscription) -> list[Any]:
    """The candle of now, as far as it has come."""
    market = engine.markets[subscription.instrument]
    span_ms = subscription.topic.span_ms
    start_ms = engine.now_ms // span_ms * span_ms
    return [
        wire.candle(span) for span in market.candles.spans(start_ms, engine.now_ms, span_ms)[-1:]
    ]


def _quote(engine: Engine, subscription: Subscription) -> list[Any]:
    name = subscription.instrument
    touch = views.touch(engine, name)
    return [{"timestamp": engine.now_ms, "instrument_name": name, **touch}]


def _perpetual(engine: Engine, subscription: Subscription) -> list[Any]:
    market = engine.markets[subscription.instrument]
    return [
        {
            "timestamp": engine.now_ms,
            "interest": wire.money(market.rate),
            "index_price": market.index,
        }
    ]


def _index(engine: Engine, subscription: Subscription) -> list[Any]:
    name = subscription.topic.index
    for market in engine.markets.values():
        if market.instrument.price_index == name:
            return [{"timestamp": engine.now_ms, "price": market.index, "index_name": name}]
    return []


def _platform(engine: Engine, subscription: Subscription) -> list[Any]:
    names = [market.instrument.price_index for market in engine.markets.values()]
    subscription.counter += 1
    name = names[subscription.counter % len(names)]
    return [{"price_index": name, "locked": False, "reasons": []}]


def states(engine: Engine, subscription: Subscription) -> Json:
    """The state of each instrument of a channel."""
    return {name: engine.state_of(name) for name in sorted(subscription.topic.instruments)}


def _states(engine: Engine, subscription: Subscription) -> list[Any]:
    """One frame an instrument whose state is another than it was told last."""
    before, subscription.told = subscription.told, states(engine, subscription)
    return [
        {"timestamp": engine.now_ms, "state": state, "instrument_name": name}
        for name, state in subscription.told.items()
        if before.get(name) != state
    ]


def _nothing(_: Engine, __: Subscription) -> list[Any]:
    return []


def _trades(engine: Engine, subscription: Subscription) -> list[Any]:
    rows = [
        wire.public_trade(engine.markets[name].instrument, trade)
        for name, trade in subscription.pending.tape
    ]
    return [rows] if rows else []


def _orders(_: Engine, subscription: Subscription) -> list[Any]:
    """One order a frame on ``raw``, a list otherwise."""
    rows = [wire.order(record) for record in subscription.pending.orders.values()]
    if subscription.topic.is_raw:
        return list(rows)
    return [rows] if rows else []


def _fills(_: Engine, subscription: Subscription) -> list[Any]:
    rows = [wire.user_trade(record) for record in subscription.pending.trades]
    return [rows] if rows else []


def _changes(engine: Engine, subscription: Subscription) -> list[Any]:
    pending = subscription.pending
    names = [record.instrument_name for record in pending.trades]
    names += [record.instrument_name for record in pending.orders.values()]
    return [_bundle(engine, name, pending) for name in dict.fromkeys(names)]


def _bundle(engine: Engine, name: str, pending: Changes) -> Json:
    trades = [trade for trade in pending.trades if trade.instrument_name == name]
    orders = [order for order in pending.orders.values() if order.instrument_name == name]
    return {
        "instrument_name": name,
        "trades": [wire.user_trade(trade) for trade in trades],
        "positions": [views.position(engine, name)] if trades else [],
        "orders": [wire.order(order) for order in orders],
    }


def _portfolio(engine: Engine, subscription: Subscription) -> list[Any]:
    """The currencies something happened in; a mere price move counts when a position is held."""
    pending = subscription.pending
    touched = {record.instrument_name for record in pending.orders.values()}
    touched |= {record.instrument_name for record in pending.trades}
    touched |= {name for name in pending.moved if engine.account.contracts(name)}
    concerned = {engine.markets[name].instrument.settlement_currency for name in touched}
    concerned |= pending.cash
    return [
        views.summary(engine, currency)
        for currency in subscription.topic.currencies
        if currency in concerned
    ]


RENDER: dict[Family, Callable[[Engine, Subscription], list[Any]]] = {
    Family.BOOK: _book,
    Family.DEPTH: _depth,
    Family.TICKER: _ticker,
    Family.QUOTE: _quote,
    Family.TRADES: _trades,
    Family.PERPETUAL: _perpetual,
    Family.INDEX: _index,
    Family.PLATFORM: _platform,
    Family.STATE: _states,
    Family.ORDERS: _orders,
    Family.FILLS: _fills,
    Family.CHANGES: _changes,
    Family.PORTFOLIO: _portfolio,
    Family.TICKER_STEPS: _ticker_steps,
    Family.CANDLES: _candles,
    Family.PUBLIC_METHODS: _nothing,
    Family.OWN_QUIET: _nothing,
}
