"""What the paper exchange lists: four perpetuals with the venue's contract data.

Values as of September 2026; a client must read them, never know them.
"""

from decimal import Decimal
from typing import Any

from adapters.paper.errors import invalid
from adapters.paper.fees import STANDARD, Fees
from domain.instruments import Instrument, Kind

MAX_LEVERAGE = 50


def _perpetual(name: str, base: str, quote: str, tick: str, contract: str) -> Instrument:
    is_linear = quote == "USDC"
    return Instrument(
        name=name,
        kind=Kind.LINEAR if is_linear else Kind.INVERSE,
        base_currency=base,
        quote_currency=quote,
        settlement_currency=quote if is_linear else base,
        price_index=f"{base}_{quote}".lower(),
        tick_size=Decimal(tick),
        contract_size=Decimal(contract),
        min_amount=Decimal(contract),
        maker_commission=STANDARD.maker,
        taker_commission=STANDARD.taker,
    )


INSTRUMENTS = {
    listed.name: listed
    for listed in (
        _perpetual("BTC-PERPETUAL", "BTC", "USD", "0.5", "10"),
        _perpetual("ETH-PERPETUAL", "ETH", "USD", "0.05", "1"),
        _perpetual("BTC_USDC-PERPETUAL", "BTC", "USDC", "0.1", "0.0001"),
        _perpetual("ETH_USDC-PERPETUAL", "ETH", "USDC", "0.05", "0.001"),
    )
}
CURRENCIES = ("BTC", "ETH", "USDC")
# Clients ask for these too; the venue has them, this account holds and trades nothing in them.
OTHER_CURRENCIES = frozenset({"USDT", "EURR", "SOL"})
# Since July 2025 the USDC indices are the USD ones under another name.
INDEX_OF = {
    "btc_usd": "btc_usd",
    "eth_usd": "eth_usd",
    "btc_usdc": "btc_usd",
    "eth_usdc": "eth_usd",
}
_LISTED = {
    "BTC-PERPETUAL": (124972, 1534167754000),
    "ETH-PERPETUAL": (124973, 1552568454000),
    "BTC_USDC-PERPETUAL": (211704, 1646824342000),
    "ETH_USDC-PERPETUAL": (211705, 1646824343000),
}


def number(instrument: Instrument) -> int:
    """The catalogue number of an instrument; also its strand of the noise."""
    return _LISTED[instrument.name][0]


def listed(name: str) -> Instrument:
    """The instrument of that name.

    Raises:
        VenueError: -32602, there is none.
    """
    try:
        return INSTRUMENTS[name]
    except KeyError:
        raise invalid("instrument_name", "instrument not found") from None


def contract_data(instrument: Instrument, fees: Fees) -> dict[str, Any]:
    """One row of ``public/get_instruments``."""
    instrument_id, created = _LISTED[instrument.name]
    return {
        "instrument_name": instrument.name,
        "instrument_id": instrument_id,
        "kind": "future",
        "instrument_type": instrument.kind.value,
        "future_type": instrument.kind.value,
        "settlement_period": "perpetual",
        "base_currency": instrument.base_currency,
        "quote_currency": instrument.quote_currency,
        "counter_currency": instrument.quote_currency,
        "settlement_currency": instrument.settlement_currency,
        "price_index": instrument.price_index,
        "underlying_type": "crypto",
        "tick_size": instrument.tick_size,
        "tick_size_steps": [],
        "contract_size": instrument.contract_size,
        "min_trade_amount": instrument.min_amount,
        "max_leverage": MAX_LEVERAGE,
        "maker_commission": fees.maker,
        "taker_commission": fees.taker,
        "max_liquidation_commission": fees.liquidation,
        "block_trade_commission": Decimal("0.00025"),
        "block_trade_min_trade_amount": 200000,
        "block_trade_tick_size": Decimal("0.01"),
        "expiration_timestamp": 32503708800000,
        "creation_timestamp": created,
        "is_active": instrument.is_active,
        "state": "open",
        "rfq": False,
    }


def currency_data(currency: str) -> dict[str, Any]:
    """One row of ``public/get_currencies``."""
    long = {"BTC": "Bitcoin", "ETH": "Ethereum", "USDC": "USD Coin"}[currency]
    kind = {"BTC": "BITCOIN", "ETH": "ETHER", "USDC": "ETHER"}[currency]
    return {
        "currency": currency,
        "currency_long": long,
        "coin_type": kind,
        "network_currency": "ETH" if currency == "USDC" else currency,
        "decimals": 8 if currency == "BTC" else 6,
        "min_confirmations": 1,
        "min_withdrawal_fee": Decimal("0.0001"),
        "withdrawal_fee": Decimal("0.0001"),
        "network_fee": Decimal("0.0001"),
        "withdrawal_priorities": [],
        "in_cross_collateral_pool": False,
    }
