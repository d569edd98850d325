"""Objects that need more than one record: books, tickers, positions and account summaries."""

from decimal import Decimal
from functools import lru_cache

from adapters.paper import risk, wire
from adapters.paper.catalogue import CURRENCIES, INSTRUMENTS, currency_data
from adapters.paper.engine import Engine
from adapters.paper.limits import RATES, Bucket
from adapters.paper.risk import Standing
from adapters.paper.wire import Json, money
from domain.orders import ZERO, Side

# An account without options still says so, greek by greek.
_OPTION_SUMS = ("options_delta", "options_gamma", "options_theta", "options_vega")
_OPTION_MAPS = ("options_gamma_map", "options_theta_map", "options_vega_map")
Rows = list[tuple[Decimal, Decimal]]


def book(engine: Engine, name: str) -> tuple[Rows, Rows]:
    """Bids and asks of an instrument, best first, our own orders among them."""
    market, own = engine.markets[name], engine.ledger.resting(name)
    bids, asks = (
        wire.levels(market.instrument, market.levels(side), own, side)
        for side in (Side.BUY, Side.SELL)
    )
    return bids, asks


def touch(engine: Engine, name: str) -> Json:
    """The best of both sides, our own orders among them; no more of the book is laid out."""
    market, own = engine.markets[name], engine.ledger.resting(name)
    best = {side: market.first(side) for side in (Side.BUY, Side.SELL)}
    bids, asks = (
        wire.levels(market.instrument, [level] if level else [], own, side)
        for side, level in best.items()
    )
    return wire.touch(bids, asks)


def ticker(engine: Engine, name: str) -> Json:
    """``public/ticker``."""
    market = engine.markets[name]
    return {
        **wire.ticker(market, touch(engine, name), engine.state_of(name)),
        "stats": wire.stats(market),
    }


def order_book(engine: Engine, name: str, depth: int) -> Json:
    """``public/get_order_book``: the ticker and the levels."""
    bids, asks = book(engine, name)
    market = engine.markets[name]
    return {
        **wire.ticker(market, wire.touch(bids, asks), engine.state_of(name)),
        "stats": wire.stats(market),
        "change_id": market.change_id,
        "bids": bids[:depth],
        "asks": asks[:depth],
    }


def position(engine: Engine, name: str) -> Json:
    """One position, flat or not."""
    margins = risk.position_margins(engine, name)
    orders_margin = risk.with_orders(engine, name) - margins.initial
    stake = engine.account.stakes[name]
    shown = wire.position(engine.markets[name], stake, margins, orders_margin, engine.switches)
    shown["estimated_liquidation_price"] = risk.liquidation_price(engine, name)
    return shown


def summary(engine: Engine, currency: str) -> Json:
    """One currency of the account."""
    return _amounts(risk.standing(engine, currency)) | {
        "currency": currency,
        "margin_model": "segregated_sm",
        "portfolio_margining_enabled": False,
        "cross_collateral_enabled": False,
        **_deltas(engine, currency),
    }


@lru_cache(maxsize=64)
def _amounts(now: Standing) -> Json:
    """Shown again and again while nothing happens; not to be changed."""
    equity, free = money(now.equity), money(now.equity - now.initial)
    held = min(now.balance, now.equity - now.initial)
    return {
        "balance": money(now.balance),
        "equity": equity,
        "margin_balance": equity,
        "available_funds": free,
        "available_withdrawal_funds": money(max(ZERO, held)),
        "initial_margin": money(now.initial),
        "maintenance_margin": money(now.position.maintenance),
        "projected_initial_margin": money(now.initial),
        "projected_maintenance_margin": money(now.position.maintenance),
        "session_rpl": money(now.session_rpl),
        "session_upl": money(now.floating),
        "futures_session_rpl": money(now.session_rpl),
        "futures_session_upl": money(now.floating),
        "total_pl": money(now.session_rpl + now.floating),
        "futures_pl": money(now.session_rpl + now.floating),
        "fee_balance": 0,
        "spot_reserve": 0,
        "additional_reserve": 0,
        "locked_balance": 0,
        "options_value": 0,
        "options_pl": 0,
        "options_session_rpl": 0,
        "options_session_upl": 0,
        **dict.fromkeys(_OPTION_SUMS, 0),
        **{name: {} for name in _OPTION_MAPS},
    }


def _deltas(engine: Engine, currency: str) -> Json:
    deltas = {
        INSTRUMENTS[name].price_index: wire.delta(engine.markets[name], stake)
        for name, stake in engine.account.stakes.items()
        if stake.touched and INSTRUMENTS[name].settlement_currency == currency
    }
    total = money(sum(deltas.values(), ZERO))
    return {"delta_total": total, "projected_delta_total": total, "delta_total_map": deltas}


def limits() -> Json:
    """The rate limits that are in force, as the account summary states them."""
    return {
        "limits_per_currency": False,
        "non_matching_engine": RATES[Bucket.NON_MATCHING].as_limit(),
        "matching_engine": {
            "trading": {"total": RATES[Bucket.MATCHING].as_limit()},
            "spot": RATES[Bucket.MATCHING].as_limit(),
            "cancel_all": RATES[Bucket.CANCEL_ALL].as_limit(),
        },
    }


def owner(engine: Engine) -> Json:
    """What an extended summary says of the account itself."""
    return {
        "id": wire.USER_ID,
        "type": "main",
        "username": "paper",
        "system_name": "paper",
        "email": "paper@localhost",
        "creation_timestamp": 1_700_000_000_000,
        "security_keys_enabled": False,
        "mmp_enabled": False,
        "login_enabled": True,
        "receive_notifications": False,
        "interuser_transfers_enabled": False,
        "self_trading_reject_mode": engine.account.self_trading,
        "self_trading_extended_to_subaccounts": False,
        "referrer_id": None,
    }


def currencies() -> list[Json]:
    """``public/get_currencies``."""
    return [currency_data(currency) for currency in CURRENCIES]
