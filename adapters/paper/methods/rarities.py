"""What a trader of perpetuals seldom asks for: settlements, expirations, volumes, notices."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from adapters.paper import views
from adapters.paper.catalogue import CURRENCIES, INSTRUMENTS, number
from adapters.paper.errors import invalid
from adapters.paper.methods.call import Call, Method
from adapters.paper.methods.markets import book_depth
from adapters.paper.methods.paging import NO_END
from adapters.paper.records import LogRow
from adapters.paper.wire import Json, average, money
from domain.orders import ZERO

_TYPES = frozenset({"settlement", "delivery", "bankruptcy"})
_RANGES_MS = {
    word: hours * 3_600_000
    for word, hours in (("1h", 1), ("1d", 24), ("2d", 48), ("1m", 720), ("1y", 8760))
}


def _settlements(call: Call, wanted: Callable[[LogRow], bool]) -> Json:
    """Newest first, a page at a time; ``continuation`` is where the next begins, or empty."""
    goes_on = bool(call.params.text("continuation", ""))
    before = call.params.whole("continuation") if goes_on else NO_END
    latest = call.params.whole("search_start_timestamp", NO_END)
    is_asked = call.params.one_of("type", _TYPES, "settlement") == "settlement"
    found = [
        row
        for row in reversed(call.engine.ledger.logs)
        if is_asked
        and row.kind == "settlement"
        and row.row_id <= before
        and row.timestamp_ms <= latest
        and wanted(row)
    ]
    count = call.params.count(20, most=1000)
    following = str(found[count].row_id) if len(found) > count else ""
    return {"settlements": [_settled(row) for row in found[:count]], "continuation": following}


def _settled(row: LogRow) -> Json:
    """What became cash, and how much of it was not funding."""
    funding = row.total_interest_pl or ZERO
    return {
        "type": "settlement",
        "timestamp": row.timestamp_ms,
        "instrument_name": row.instrument_name,
        "position": INSTRUMENTS[row.instrument_name or ""].amount(row.position or 0),
        "mark_price": row.mark_price,
        "index_price": row.index_price,
        "session_profit_loss": money(row.change),
        "profit_loss": money(row.change - funding),
        "funding": money(funding),
    }


def _settlements_by_currency(call: Call) -> Json:
    currency = call.params.currency()
    return _settlements(call, lambda row: row.currency == currency)


def _settlements_by_instrument(call: Call) -> Json:
    name = call.params.instrument().name
    return _settlements(call, lambda row: row.instrument_name == name)


def _expirations(call: Call) -> Json:
    """Perpetuals never expire, and are listed by that name."""
    currency, kind = call.params.currency(), call.params.text("kind")
    if kind not in {"future", "option", "any"}:
        raise invalid("kind", "invalid value")
    is_traded = currency == "any" or currency in CURRENCIES
    all_kinds = {"future": ["PERPETUAL"] if is_traded else [], "option": list[str]()}
    return {name: dates for name, dates in all_kinds.items() if kind in {"any", name}}


def _book_by_id(call: Call) -> Json:
    asked = call.params.whole("instrument_id")
    for instrument in INSTRUMENTS.values():
        if number(instrument) == asked:
            return views.order_book(call.engine, instrument.name, book_depth(call))
    raise invalid("instrument_id", "instrument not found")


def _trade_volumes(call: Call) -> list[Json]:
    """The last day's volume in coin, by what it settles in."""
    volumes: dict[str, Decimal] = dict.fromkeys(CURRENCIES, ZERO)
    for market in call.engine.markets.values():
        if (day := market.candles.day()) is not None:
            volumes[market.instrument.settlement_currency] += day.volume
    return [
        {"currency": name, "futures_volume": average(volume), "calls_volume": 0, "puts_volume": 0}
        for name, volume in volumes.items()
    ]


def _index_chart(call: Call) -> list[Any]:
    """The index on the hour, as far as it is kept, and now."""
    asked = call.params.one_of("range", frozenset({*_RANGES_MS, "all"}))
    name = call.params.text("index_name")
    since = call.now_ms - _RANGES_MS.get(asked, call.now_ms)
    for market in call.engine.markets.values():
        if market.instrument.price_index == name:
            hours = [(each.timestamp_ms, each.index_price) for each in market.samples]
            return [row for row in (*hours, (market.now_ms, market.index)) if row[0] >= since]
    raise invalid("index_name", "index not found")


def _no_deliveries(call: Call) -> Json:
    call.params.text("index_name")
    return {"records_total": 0, "data": []}


def _no_log_ins(_: Call) -> Json:
    return {"records_total": 0, "data": []}


def _no_public_settlements(call: Call) -> Json:
    """The exchange keeps its account's settlements, not the market's."""
    call.params.one_of("type", _TYPES, "settlement")
    if "instrument_name" in call.params:
        call.params.instrument()
    else:
        call.params.currency()
    return {"settlements": [], "continuation": ""}


def _no_volatility(call: Call) -> list[Any]:
    call.params.currency()
    return []


def _no_mark_history(call: Call) -> list[Any]:
    """The venue keeps it for options alone."""
    call.params.instrument()
    return []


def _nothing(_: Call) -> list[Any]:
    return []


METHODS = {
    "private/get_settlement_history_by_currency": Method(
        run=_settlements_by_currency, needs="trade:read"
    ),
    "private/get_settlement_history_by_instrument": Method(
        run=_settlements_by_instrument, needs="trade:read"
    ),
    "public/get_expirations": Method(run=_expirations),
    "public/get_order_book_by_instrument_id": Method(run=_book_by_id),
    "public/get_trade_volumes": Method(run=_trade_volumes),
    "public/get_index_chart_data": Method(run=_index_chart),
    "public/get_delivery_prices": Method(run=_no_deliveries),
    "public/get_mark_price_history": Method(run=_no_mark_history),
    "public/get_last_settlements_by_currency": Method(run=_no_public_settlements),
    "public/get_last_settlements_by_instrument": Method(run=_no_public_settlements),
    "public/get_historical_volatility": Method(run=_no_volatility),
    "public/get_announcements": Method(run=_nothing),
    "private/get_new_announcements": Method(run=_nothing, needs="account:read"),
    "private/get_access_log": Method(run=_no_log_ins, needs="account:read"),
    "private/get_mmp_config": Method(run=_nothing, needs="trade:read"),
    "private/get_mmp_status": Method(run=_nothing, needs="trade:read"),
}
