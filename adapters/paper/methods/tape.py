"""The public tape: trades by instrument and by currency, and what is drawn from it."""

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

from adapters.paper import wire
from adapters.paper.candles import SPANS_MS
from adapters.paper.catalogue import INSTRUMENTS
from adapters.paper.errors import invalid
from adapters.paper.market import Market, PublicTrade
from adapters.paper.methods.call import Call, Method
from adapters.paper.methods.paging import NO_END, ascending, id_bounds, id_digits, is_of_kind
from adapters.paper.wire import Json
from domain.instruments import Instrument

Row = tuple[Instrument, PublicTrade]
_HOUR_MS = 3_600_000
# How far back a funding chart goes, by the venue's name for it.
_CHART_HOURS = {"8h": 8, "24h": 24, "1m": 720}


def _page(call: Call, rows: list[Row]) -> Json:
    """Rows come oldest first; the page starts at the end the caller asked for."""
    count = call.params.count(10, most=1000)
    page = rows[:count] if ascending(call) else rows[::-1][:count]
    return {
        "trades": [wire.public_trade(instrument, trade) for instrument, trade in page],
        "has_more": len(rows) > len(page),
    }


def _between(call: Call, market: Market) -> list[Row]:
    start, end = (
        call.params.whole("start_timestamp", 0),
        call.params.whole("end_timestamp", NO_END),
    )
    return [(market.instrument, trade) for trade in market.trades_between(start, end)]


def _by_instrument(call: Call) -> Json:
    market = call.engine.markets[call.params.instrument().name]
    first, last = call.params.whole("start_seq", 0), call.params.whole("end_seq", NO_END)
    return _page(call, [row for row in _between(call, market) if first <= row[1].trade_seq <= last])


def _by_currency(call: Call) -> Json:
    """Trades of all perpetuals that settle in a currency."""
    currency, matches = call.params.currency(), is_of_kind(call)
    if currency == "any":
        raise invalid("currency", "invalid currency")
    first, last = id_bounds(call)
    rows = [
        row
        for name, market in call.engine.markets.items()
        if matches and INSTRUMENTS[name].settlement_currency == currency
        for row in _between(call, market)
        if first <= id_digits(row[1].trade_id) <= last
    ]
    rows.sort(key=lambda row: (row[1].timestamp_ms, id_digits(row[1].trade_id)))
    return _page(call, rows)


def timed(run: Callable[[Call], Json]) -> Callable[[Call], Json]:
    """The ``_and_time`` form: the same with a time to start from.

    The reference asks for an end as well; clients in daily use leave it out, and get what
    there is until now.
    """

    def bounded(call: Call) -> Json:
        call.params.whole("start_timestamp")
        return run(call)

    return bounded


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


def _funding_chart(call: Call) -> Json:
    market = call.engine.markets[call.params.instrument().name]
    hours = _CHART_HOURS[call.params.one_of("length", frozenset(_CHART_HOURS))]
    start = call.now_ms - hours * _HOUR_MS
    return {
        "current_interest": wire.money(market.rate),
        "interest_8h": wire.funding_8h(market),
        "data": [
            {
                "timestamp": sample.timestamp_ms,
                "index_price": sample.index_price,
                "interest_8h": wire.money(
                    sample.interest - market.interest_at(sample.timestamp_ms - 8 * _HOUR_MS)
                ),
            }
            for sample in market.samples
            if sample.timestamp_ms >= start
        ],
    }


def _chart(call: Call) -> Json:
    market = call.engine.markets[call.params.instrument().name]
    start, end = _period(call)
    word = call.params.one_of("resolution", frozenset(SPANS_MS))
    spans = [wire.candle(span) for span in market.candles.spans(start, end, SPANS_MS[word])]
    columns: dict[str, list[Any]] = {
        name: [span[name] for span in spans]
        for name in ("open", "high", "low", "close", "volume", "cost")
    }
    ticks = [span["tick"] for span in spans]
    return {**columns, "ticks": ticks, "status": "ok" if spans else "no_data"}


METHODS = {
    "public/get_last_trades_by_instrument": Method(run=_by_instrument),
    "public/get_last_trades_by_instrument_and_time": Method(run=timed(_by_instrument)),
    "public/get_last_trades_by_currency": Method(run=_by_currency),
    "public/get_last_trades_by_currency_and_time": Method(run=timed(_by_currency)),
    "public/get_funding_rate_value": Method(run=_funding_value),
    "public/get_funding_rate_history": Method(run=_funding_history),
    "public/get_funding_chart_data": Method(run=_funding_chart),
    "public/get_tradingview_chart_data": Method(run=_chart),
}
