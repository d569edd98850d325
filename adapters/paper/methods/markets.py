"""Public market data."""

from adapters.paper import views
from adapters.paper.catalogue import INDEX_OF, INSTRUMENTS, contract_data
from adapters.paper.errors import invalid
from adapters.paper.limits import Bucket
from adapters.paper.methods.call import Call, Method
from adapters.paper.wire import Json
from domain.instruments import Instrument

_DEPTHS = (1, 5, 10, 20, 50, 100, 1000, 10000)


def listed_in(call: Call) -> list[Instrument]:
    """The perpetuals of the currency asked for; no currency means all of them."""
    currency = call.params.currency(default="any")
    kind = call.params.text("kind", "future")
    if kind not in {"future", "any"} or call.params.flag("expired"):
        return []
    return [each for each in INSTRUMENTS.values() if currency in {"any", each.settlement_currency}]


def _instruments(call: Call) -> list[Json]:
    return [_listing(call, each) for each in listed_in(call)]


def _instrument(call: Call) -> Json:
    return _listing(call, call.params.instrument())


def _listing(call: Call, instrument: Instrument) -> Json:
    state = call.engine.state_of(instrument.name)
    listed = contract_data(instrument, call.engine.fees)
    return listed | {"state": state, "is_active": state != "inactive"}


def _ticker(call: Call) -> Json:
    return views.ticker(call.engine, call.params.instrument().name)


def _order_book(call: Call) -> Json:
    return views.order_book(call.engine, call.params.instrument().name, book_depth(call))


def book_depth(call: Call) -> int:
    """How many levels are asked for, rounded up to what there is."""
    depth = call.params.whole("depth", 5)
    return next((each for each in _DEPTHS if each >= depth), _DEPTHS[-1])


def _index_price(call: Call) -> Json:
    name = call.params.text("index_name")
    for market in call.engine.markets.values():
        if market.instrument.price_index == name:
            return {"index_price": market.index, "estimated_delivery_price": market.index}
    raise invalid("index_name", "index not found")


def _index_names(call: Call) -> list[Json]:
    more: Json = {}
    if call.params.flag("extended"):
        more = {"future_combo_creation_enabled": False, "option_combo_creation_enabled": False}
    return [{"name": name} | more for name in INDEX_OF]


def _supported_names(call: Call) -> list[str]:
    """Bare names; here every index is the price of a coin, and derivatives are settled by it."""
    call.params.one_of("type", frozenset({"all", "spot", "derivative"}), "all")
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


def _contract_size(call: Call) -> Json:
    return {"contract_size": call.params.instrument().contract_size}


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
    "public/get_supported_index_names": Method(run=_supported_names),
    "public/get_contract_size": Method(run=_contract_size),
    "public/get_book_summary_by_currency": Method(run=_summary_by_currency),
    "public/get_book_summary_by_instrument": Method(run=_summary_by_instrument),
}
