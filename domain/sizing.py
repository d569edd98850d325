"""How many contracts a quantity is, and how much exposure a number of contracts is.

Entries round **down**: a size is never larger than what was asked for. A close is never
converted at all; it uses the contracts the trade still holds, because the price has moved and
coins would convert to another number.

Source: Deribit contract specifications (``amount`` is USD for inverse, coin for linear).
"""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal, getcontext

from domain.exact import exact
from domain.instruments import Instrument


@dataclass(frozen=True, slots=True)
class Coins:
    """A quantity in base coin."""

    value: Decimal


@dataclass(frozen=True, slots=True)
class Usd:
    """A quantity in US dollars of notional (USDC for linear perpetuals)."""

    value: Decimal


@dataclass(frozen=True, slots=True)
class Contracts:
    """A quantity in whole contracts."""

    value: int


Quantity = Coins | Usd | Contracts


@exact
def contracts_for(instrument: Instrument, quantity: Quantity, price: Decimal) -> int:
    """The most whole contracts within ``quantity`` at ``price``.

    0 when the quantity is below the smallest order of the instrument: the caller refuses the
    trade, nobody rounds up.

    Raises:
        ValueError: ``price`` is not positive.
    """
    if price <= 0:
        raise ValueError(f"a price is positive, not {price}")
    # Past fifty digits a half-even product could land one contract too high.
    getcontext().rounding = ROUND_DOWN
    match quantity:
        case Contracts(number):
            return _at_least_minimum(instrument, number)
        case Coins(coins):
            amount = coins * price if instrument.is_inverse else coins
        case Usd(usd):
            amount = usd if instrument.is_inverse else usd / price
    return _at_least_minimum(instrument, instrument.floor_contracts(amount))


@exact
def contracts_for_risk(
    instrument: Instrument, risk_usd: Decimal, entry: Decimal, stop: Decimal
) -> int:
    """The most whole contracts that lose at most ``risk_usd`` between entry and stop.

    Fees and slippage are not included. 0 when that is below the smallest order.

    Raises:
        ValueError: a price is not positive, or entry and stop are the same price.
    """
    if entry <= 0 or stop <= 0:
        raise ValueError(f"prices are positive, not {entry} and {stop}")
    distance = abs(entry - stop)
    if distance == 0:
        raise ValueError("entry and stop are the same price: no size has a bounded risk")
    getcontext().rounding = ROUND_DOWN
    amount = risk_usd * entry / distance if instrument.is_inverse else risk_usd / distance
    return _at_least_minimum(instrument, instrument.floor_contracts(amount))


def _at_least_minimum(instrument: Instrument, contracts: int) -> int:
    return contracts if contracts >= instrument.min_contracts else 0


@exact
def notional_usd(instrument: Instrument, contracts: int, mark: Decimal) -> Decimal:
    """Unsigned exposure in USD. Inverse contracts are dollars already, at any price."""
    amount = instrument.amount(abs(contracts))
    return amount if instrument.is_inverse else amount * mark


@exact
def coin_delta(instrument: Instrument, signed_contracts: int, mark: Decimal) -> Decimal:
    """Signed exposure in base coin at the mark price (the venue's ``size_currency``)."""
    amount = instrument.amount(signed_contracts)
    return amount / mark if instrument.is_inverse else amount
