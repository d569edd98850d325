"""Public market data."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

from adapters.paper import views, wire
from adapters.paper.catalogue import INDEX_OF, INSTRUMENTS, contract_data
from adapters.paper.errors import invalid
from adapters.paper.limits import Bucket
from adapters.paper.market import PublicTrade
from adapters.paper.methods.call import Call, Method
from adapters.paper.methods.paging import ascending
from adapters.paper.wire import Json
from domain.instruments import Instrument

_DEPTHS = (1, 5, 10, 20, 50, 100, 1000, 10000)
_MINUTE_MS = 60_000
_RESOLUTIONS = frozenset({"1", "3", "5", "10", "15", "30", "60", "120", "180", "360", "720", "1D"})
_DAY_MINUTES = 1440


def listed_in(call: Call) -> list[Instrument]:
    """The perpetuals of the currency asked for; no currency means all of them."""
    currency = call.params.currency(default="any")
    kind = call.params.text("kind", "future")
    if kind not in {"future", "any"} or call.params.flag("expired"):
        return []
    return [each for each in INSTRUMENTS.values() if currency in {"any", each.settlement_currency}]


def _instruments(call: Call) -> list[Json]:
    return [contract_data(each) for each in listed_in(call)]


def _instrument(call: Call) -> Json:
    return contract_data(call.params.instrument())


def _ticker(call: Call) -> Json:
    return views.ticker(call.engine, call.params.instrument().name)


def _order_book(call: Call) -> Json:
    instrument = call.params.instrument()
    depth = call.params.whole("depth", 5)
    allowed = next((each for each in _DEPTHS if each >= depth), _DEPTHS[-1])
    return views.order_book(call.engine, instrument.name, allowed)


def _index_price(call: Call) -> Json:
    name = call.params.text("index_name")
    for market in call.engine.markets.values():
        if market.instrument.price_index == name:
            return {"index_price": market.index, "estimated_delivery_price": market.index}
    raise invalid("index_name", "index not found")


def _index_names(_: Call) -> list[str]:
    return list(INDEX_OF)


def _summary(call: Call, instrument: Instrument) -> Json:
    shown = views.ticker(call.engine, instrument.name)
    stats, bid, ask = shown["stats"], shown["best_bid_price"], shown["best_ask_price"]
    return {
        "instrument_name": instrument.name,
        "base_currency": instrument.base_currency,
        "quote_currency": instrument.quote_currency,
        "creation_timestamp": shown["timestamp"],
        "mark_price": shown["mark_price"],
        "last": shown["last_price"],
        "bid_price": bid,
        "ask_price": ask,
        "mid_price": (bid + ask) / 2,
        "open_interest": shown["open_interest"],
        "estimated_delivery_price": shown["estimated_delivery_price"],
        "current_funding": shown["current_funding"],
        "funding_8h": shown["funding_8h"],
        **{name: stats[name] for name in ("high", "low", "volume", "volume_usd", "price_change")},
    }


def _summary_by_currency(call: Call) -> list[Json]:
    if call.params.currency() == "any":
        raise invalid("currency", "invalid currency")
    return [_summary(call, each) for each in listed_in(call)]


def _summary_by_instrument(call: Call) -> list[Json]:
    return [_summary(call, call.params.instrument())]


def _trades(call: Call) -> Json:
    instrument = call.params.instrument()
    start, end = (
        call.params.whole("start_timestamp", 0),
        call.params.whole("end_timestamp", 1 << 62),
    )
    first, last = call.params.whole("start_seq", 0), call.params.whole("end_seq", 1 << 62)
    market = call.engine.markets[instrument.name]
    found = [
        trade for trade in market.trades_between(start, end) if first <= trade.trade_seq <= last
    ]
    count = call.params.whole("count", 10, most=1000)
    page: list[PublicTrade] = found[:count] if ascending(call) else found[::-1][:count]
    return {
        "trades": [wire.public_trade(instrument, trade) for trade in page],
        "has_more": len(found) > len(page),
    }


def _trades_and_time(call: Call) -> Json:
    call.params.whole("start_timestamp")
    call.params.whole("end_timestamp")
    return _trades(call)


def _period(call: Call) -> tuple[int, int]:
    start, end = call.params.whole("start_timestamp"), call.params.whole("end_timestamp")
    if start > end:
        raise invalid("start_timestamp", "must be before end_timestamp")
    return start, end


def _funding_value(call: Call) -> Decimal:
    market = call.engine.markets[call.params.instrument().name]
    start, end = _period(call)
    return wire.money(market.interest_at(end) - market.interest_at(start))


def _funding_history(call: Call) -> list[Json]:
    market = call.engine.markets[call.params.instrument().name]
    start, end = _period(call)
    return [
        wire.funding_row(market, sample, before)
        for before, sample in pairwise(market.samples)
        if start <= sample.timestamp_ms <= end
    ]


def _chart(call: Call) -> Json:
    market = call.engine.markets[call.params.instrument().name]
    start, end = _period(call)
    word = call.params.one_of("resolution", _RESOLUTIONS)
    minutes = _DAY_MINUTES if word == "1D" else int(word)
    spans = market.candles.spans(start, end, minutes * _MINUTE_MS)
    columns: dict[str, list[Any]] = {
        name: [getattr(span, name) for span in spans] for name in ("open", "high", "low", "close")
    }
    return {
        **columns,
        "ticks": [span.tick for span in spans],
        "volume": [wire.average(span.volume) for span in spans],
        "cost": [wire.average(span.cost) for span in spans],
        "status": "ok" if spans else "no_data",
    }


def _currencies(_: Call) -> list[Json]:
    return views.currencies()


METHODS = {
    "public/get_instruments": Method(run=_instruments, bucket=Bucket.INSTRUMENTS),
    "public/get_instrument": Method(run=_instrument),
    "public/get_currencies": Method(run=_currencies),
    "public/ticker": Method(run=_ticker),
    "public/get_order_book": Method(run=_order_book),
    "public/get_index_price": Method(run=_index_price),
    "public/get_index_price_names": Method(run=_index_names),
    "public/get_book_summary_by_currency": Method(run=_summary_by_currency),
    "public/get_book_summary_by_instrument": Method(run=_summary_by_instrument),
    "public/get_last_trades_by_instrument": Method(run=_trades),
    "public/get_last_trades_by_instrument_and_time": Method(run=_trades_and_time),
    "public/get_funding_rate_value": Method(run=_funding_value),
    "public/get_funding_rate_history": Method(run=_funding_history),
    "public/get_tradingview_chart_data": Method(run=_chart),
}
