"""Classic standard margin: rates that grow with the position, and where liquidation starts.

The paper exchange charges by this table. The daemon itself takes margins from the venue: the
table was announced to change in August 2026 and the new one is not public.

Source: Deribit standard margin (2 % initial and 1 % maintenance, plus a slope per coin).
"""

from dataclasses import dataclass
from decimal import Decimal

from domain.exact import exact
from domain.instruments import Instrument
from domain.orders import ZERO
from domain.pnl import Holding

_INITIAL_BASE = Decimal("0.02")
_MAINTENANCE_BASE = Decimal("0.01")
_SLOPE_PER_COIN = {"BTC": Decimal("0.00005"), "ETH": Decimal("0.000004")}


@dataclass(frozen=True, slots=True)
class Margins:
    """What a position ties up, in the settlement currency."""

    initial: Decimal
    maintenance: Decimal


def _slope(base_currency: str) -> Decimal:
    try:
        return _SLOPE_PER_COIN[base_currency]
    except KeyError:
        raise ValueError(f"no margin table for {base_currency}") from None


@exact
def initial_rate(base_currency: str, coins: Decimal) -> Decimal:
    """Initial margin of a position of ``coins`` (either sign), as a fraction of it.

    Raises:
        ValueError: the currency has no margin table.
    """
    return _INITIAL_BASE + _slope(base_currency) * abs(coins)


@exact
def maintenance_rate(base_currency: str, coins: Decimal) -> Decimal:
    """Maintenance margin of a position of ``coins`` (either sign), as a fraction of it.

    Raises:
        ValueError: the currency has no margin table.
    """
    return _MAINTENANCE_BASE + _slope(base_currency) * abs(coins)


@exact
def requirement(
    instrument: Instrument, signed_contracts: int, mark: Decimal, index: Decimal
) -> Margins:
    """Margins of a position: inverse in coin at the mark price, linear in USDC at the index.

    Raises:
        ValueError: the base currency has no margin table.
    """
    amount = instrument.amount(abs(signed_contracts))
    coins = amount / mark if instrument.is_inverse else amount
    value = coins if instrument.is_inverse else coins * index
    base = instrument.base_currency
    return Margins(value * initial_rate(base, coins), value * maintenance_rate(base, coins))


@exact
def liquidation_price(instrument: Instrument, holding: Holding, equity: Decimal) -> Decimal | None:
    """The mark price at which maintenance margin eats the whole equity.

    ``equity`` is in the settlement currency and leaves out this position's unrealised PnL;
    no other position is held in the currency and the index equals the mark.
    None when flat, or when no price does it (a short fully covered by coin, a long paid in
    full).

    Raises:
        ValueError: the base currency has no margin table.
    """
    if holding.contracts == 0:
        return None
    if instrument.is_inverse:
        return _inverse_liquidation(instrument, holding, equity)
    return _linear_liquidation(instrument, holding, equity)


def _linear_liquidation(
    instrument: Instrument, holding: Holding, equity: Decimal
) -> Decimal | None:
    """Solves ``equity + s * (q * X - cost) = q * X * rate(q)`` for the price X."""
    coins = instrument.amount(abs(holding.contracts))
    rate = maintenance_rate(instrument.base_currency, coins)
    sign = 1 if holding.contracts > 0 else -1
    price = (holding.cost - sign * equity) / (coins * (1 - sign * rate))
    return price if price > 0 else None


def _inverse_liquidation(
    instrument: Instrument, holding: Holding, equity: Decimal
) -> Decimal | None:
    """Solves ``equity + s * (cost - c) = c * (base + slope * c)`` for c, the coin value.

    That is ``slope * c^2 + (base + s) * c - (equity + s * cost) = 0``. The smaller positive
    root is the one met first: a long loses as c grows from 0, a short as c shrinks.
    """
    slope = _slope(instrument.base_currency)
    sign = 1 if holding.contracts > 0 else -1
    linear, constant = _MAINTENANCE_BASE + sign, equity + sign * holding.cost
    discriminant = linear * linear + 4 * slope * constant
    if discriminant < 0:
        return None
    coins = (sign * discriminant.sqrt() - linear) / (2 * slope)
    return instrument.amount(abs(holding.contracts)) / coins if coins > ZERO else None
