"""Contract data, prices, accounts and limits: wire objects to domain values."""

from collections.abc import Mapping
from typing import Any

from adapters.deribit.limits import Rate, Rates
from adapters.deribit.wire import (
    SIDES,
    Wire,
    contracts,
    integer,
    number,
    one_of,
    or_zero,
    price,
    readable,
)
from domain.instruments import Instrument, Kind
from domain.orders import Account, BookLevel, Funding, MarketTrade, OrderBook, Ticker

KINDS: Mapping[str, Kind] = {kind.value: kind for kind in Kind}
PERPETUAL = "perpetual"


@readable
def is_perpetual(wire: Wire) -> bool:
    return wire.get("settlement_period") == PERPETUAL


@readable
def instrument(wire: Wire) -> Instrument:
    """One row of the catalogue; ``future_type`` and ``counter_currency`` are the older names."""
    get = wire.get
    base = str(wire["base_currency"])
    quote = str(get("quote_currency") or wire["counter_currency"])
    tick_size, contract_size = number(wire["tick_size"]), number(wire["contract_size"])
    if tick_size <= 0 or contract_size <= 0:
        raise ValueError("tick and contract size must be positive")
    return Instrument(
        name=str(wire["instrument_name"]),
        kind=one_of(KINDS, get("instrument_type") or get("future_type")),
        base_currency=base,
        quote_currency=quote,
        settlement_currency=str(wire["settlement_currency"]),
        price_index=str(get("price_index") or f"{base}_{quote}".lower()),
        tick_size=tick_size,
        contract_size=contract_size,
        min_amount=number(wire["min_trade_amount"]),
        maker_commission=number(wire["maker_commission"]),
        taker_commission=number(wire["taker_commission"]),
        is_active=get("is_active") is not False,
    )


@readable
def funding(wire: Wire) -> Funding | None:
    """A line of the transaction log; None when it books no funding."""
    amount = or_zero(wire.get("interest_pl"))
    if not amount:
        return None
    return Funding(
        log_id=integer(wire["id"]),
        instrument_name=str(wire["instrument_name"]),
        currency=str(wire["currency"]),
        amount=amount,
        timestamp_ms=integer(wire["timestamp"]),
    )


@readable
def ticker(wire: Wire) -> Ticker:
    """Prices now; an empty side of the book is written as price 0."""
    get = wire.get
    return Ticker(
        instrument_name=str(wire["instrument_name"]),
        timestamp_ms=integer(wire["timestamp"]),
        mark_price=number(wire["mark_price"]),
        index_price=number(wire["index_price"]),
        last_price=price(get("last_price")),
        best_bid=price(get("best_bid_price")),
        best_ask=price(get("best_ask_price")),
        min_price=number(wire["min_price"]),
        max_price=number(wire["max_price"]),
        state=str(wire["state"]),
        current_funding=or_zero(get("current_funding")),
        funding_8h=or_zero(get("funding_8h")),
    )


@readable
def order_book(wire: Wire, known: Instrument) -> OrderBook:
    """The best levels; the wire's levels are ``[price, amount]``."""
    return OrderBook(
        instrument_name=known.name,
        timestamp_ms=integer(wire["timestamp"]),
        change_id=integer(wire["change_id"]),
        bids=_levels(wire["bids"], known),
        asks=_levels(wire["asks"], known),
    )


def _levels(rows: Any, known: Instrument) -> tuple[BookLevel, ...]:
    return tuple(
        BookLevel(price=number(level), contracts=contracts(known, amount)) for level, amount in rows
    )


@readable
def market_trade(wire: Wire, known: Instrument) -> MarketTrade:
    """One public trade; ``direction`` is the taker's."""
    return MarketTrade(
        instrument_name=known.name,
        trade_id=str(wire["trade_id"]),
        side=one_of(SIDES, wire["direction"]),
        contracts=contracts(known, wire["amount"]),
        price=number(wire["price"]),
        timestamp_ms=integer(wire["timestamp"]),
    )


@readable
def account(wire: Wire) -> Account:
    """One currency of the account summary or of a portfolio notification."""
    get = wire.get
    return Account(
        currency=str(wire["currency"]),
        equity=number(wire["equity"]),
        balance=number(wire["balance"]),
        margin_balance=number(wire["margin_balance"]),
        available_funds=number(wire["available_funds"]),
        initial_margin=or_zero(get("initial_margin")),
        maintenance_margin=or_zero(get("maintenance_margin")),
        session_rpl=or_zero(get("session_rpl")),
        session_upl=or_zero(get("session_upl")),
        total_pl=or_zero(get("total_pl")),
        shares_collateral=get("cross_collateral_enabled") is True,
    )


@readable
def rates(wire: Wire) -> Rates | None:
    """The account's ``limits``; None for the per-currency form, whose shape is not documented.

    What is traded here falls under the limit of ``perpetuals`` where there is one, and always
    under the total's ("Rate limits" article): the stricter of both holds.
    """
    if wire.get("limits_per_currency") is not False:
        return None
    matching = wire["matching_engine"]
    trading = matching["trading"]
    stated = [_rate(trading[group]) for group in ("total", "perpetuals") if group in trading]
    return Rates(
        matching=Rate(
            per_second=min(each.per_second for each in stated),
            burst=min(each.burst for each in stated),
        ),
        mass_cancel=_rate(matching["cancel_all"]),
        other=_rate(wire["non_matching_engine"]),
    )


def _rate(wire: Wire) -> Rate:
    per_second, burst = float(number(wire["rate"])), integer(wire["burst"])
    if per_second <= 0 or burst < 1:
        raise ValueError("a rate must be positive")
    return Rate(per_second=per_second, burst=burst)
