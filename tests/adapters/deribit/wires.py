"""Wire objects as the venue writes them, made here from the documented fields."""

from decimal import Decimal
from typing import Any

from domain.instruments import Instrument, Kind

BTC = Instrument(
    name="BTC-PERPETUAL",
    kind=Kind.INVERSE,
    base_currency="BTC",
    quote_currency="USD",
    settlement_currency="BTC",
    price_index="btc_usd",
    tick_size=Decimal("0.5"),
    contract_size=Decimal(10),
    min_amount=Decimal(10),
    maker_commission=Decimal("0.00015"),
    taker_commission=Decimal("0.00035"),
)
LINEAR = Instrument(
    name="BTC_USDC-PERPETUAL",
    kind=Kind.LINEAR,
    base_currency="BTC",
    quote_currency="USDC",
    settlement_currency="USDC",
    price_index="btc_usdc",
    tick_size=Decimal("0.1"),
    contract_size=Decimal("0.0001"),
    min_amount=Decimal("0.0001"),
    maker_commission=Decimal("0.00015"),
    taker_commission=Decimal("0.00035"),
)


def order(**changes: Any) -> dict[str, Any]:
    wire: dict[str, Any] = {
        "order_id": "4008699030",
        "order_state": "open",
        "order_type": "limit",
        "instrument_name": "BTC-PERPETUAL",
        "direction": "buy",
        "amount": Decimal("100.0"),
        "filled_amount": 0,
        "price": Decimal("97000.5"),
        "average_price": 0,
        "time_in_force": "good_til_cancelled",
        "label": "bw.abc.entry.1",
        "creation_timestamp": 1767225600000,
        "last_update_timestamp": 1767225600001,
        "api": True,
        "web": False,
        "post_only": False,
        "reduce_only": False,
        "a_field_of_tomorrow": {"x": 1},
    }
    return wire | changes


def without(wire: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in wire.items() if name not in names}


def stop(**changes: Any) -> dict[str, Any]:
    wire = order(
        order_id="SLMS-370",
        order_state="untriggered",
        order_type="stop_market",
        direction="sell",
        price="market_price",
        trigger="mark_price",
        trigger_price=Decimal("95000.0"),
        reduce_only=True,
        label="bw.abc.sl.1",
    )
    return without(wire, "filled_amount", "average_price") | changes


def trade(**changes: Any) -> dict[str, Any]:
    wire: dict[str, Any] = {
        "trade_id": "48078936",
        "trade_seq": 1000,
        "order_id": "4008699030",
        "instrument_name": "BTC-PERPETUAL",
        "direction": "buy",
        "amount": 100,
        "price": Decimal("97000.5"),
        "fee": Decimal("3.60825e-7"),
        "fee_currency": "BTC",
        "liquidity": "T",
        "label": "bw.abc.entry.1",
        "reduce_only": False,
        "timestamp": 1767225600001,
        "profit_loss": None,
    }
    return wire | changes


def position(**changes: Any) -> dict[str, Any]:
    wire: dict[str, Any] = {
        "instrument_name": "BTC-PERPETUAL",
        "kind": "future",
        "direction": "sell",
        "size": -100,
        "size_currency": Decimal("-0.001030928"),
        "average_price": Decimal("97000.5"),
        "mark_price": Decimal("97000.0"),
        "index_price": Decimal("96990.11"),
        "floating_profit_loss": Decimal("-1e-9"),
        "total_profit_loss": Decimal("-2e-9"),
        "realized_profit_loss": 0,
        "realized_funding": Decimal("1.2e-8"),
        "initial_margin": Decimal("0.00002"),
        "maintenance_margin": Decimal("0.00001"),
        "estimated_liquidation_price": None,
    }
    return wire | changes


def instrument(name: str = "BTC-PERPETUAL", **changes: Any) -> dict[str, Any]:
    wire: dict[str, Any] = {
        "instrument_name": name,
        "kind": "future",
        "instrument_type": "reversed",
        "settlement_period": "perpetual",
        "base_currency": "BTC",
        "quote_currency": "USD",
        "settlement_currency": "BTC",
        "price_index": "btc_usd",
        "tick_size": Decimal("0.5"),
        "contract_size": Decimal("10.0"),
        "min_trade_amount": Decimal("10.0"),
        "maker_commission": Decimal("0.00015"),
        "taker_commission": Decimal("0.00035"),
        "is_active": True,
    }
    return wire | changes


def ticker(**changes: Any) -> dict[str, Any]:
    wire: dict[str, Any] = {
        "instrument_name": "BTC-PERPETUAL",
        "timestamp": 1767225600000,
        "state": "open",
        "mark_price": Decimal("97000.13"),
        "index_price": Decimal("96990.11"),
        "last_price": Decimal("97001.5"),
        "best_bid_price": Decimal("97000.5"),
        "best_ask_price": 97001,
        "min_price": Decimal("95545.0"),
        "max_price": Decimal("98455.5"),
        "current_funding": Decimal("1.423e-4"),
        "funding_8h": Decimal("5.149e-05"),
    }
    return wire | changes


def account(currency: str = "BTC", **changes: Any) -> dict[str, Any]:
    wire: dict[str, Any] = {
        "currency": currency,
        "equity": Decimal("1.000366076123"),
        "balance": 1,
        "margin_balance": Decimal("1.0"),
        "available_funds": Decimal("0.9"),
        "initial_margin": Decimal("0.1"),
        "maintenance_margin": Decimal("0.05"),
        "session_rpl": Decimal("1e-8"),
        "session_upl": Decimal("0.000366066123"),
        "total_pl": Decimal("0.000366076123"),
    }
    return wire | changes


LIMITS: dict[str, Any] = {
    "limits_per_currency": False,
    "non_matching_engine": {"rate": 40, "burst": 200},
    "matching_engine": {
        "trading": {"total": {"rate": 10, "burst": 30}},
        "cancel_all": {"rate": 6, "burst": 21},
    },
}
