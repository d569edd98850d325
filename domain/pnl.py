"""Profit, loss, fees and averages of one position, exactly as the venue books them.

Inverse perpetuals: the amount is USD, cost and PnL are base coin, and the average entry is
**harmonic** (total USD over total coin). Linear: the amount is coin, cost and PnL are USDC,
and the average is arithmetic. What is kept is the accumulated cost, never the average, so a
thousand partial fills lose nothing.

Source: Deribit contract specifications and order management best practices (position averages).
"""

from dataclasses import dataclass
from decimal import Decimal

from domain.exact import exact
from domain.instruments import Instrument
from domain.orders import ZERO, Side


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held in one instrument and what it cost.

    ``contracts`` is signed (positive long). ``cost`` is a magnitude: for inverse the coin
    bought or sold, the sum of ``amount / price``; for linear the USDC, the sum of
    ``amount * price``. Flat is exactly ``Holding(0, 0)``.
    """

    contracts: int = 0
    cost: Decimal = ZERO

    @property
    def side(self) -> Side | None:
        """The direction of the position, None when flat."""
        if self.contracts == 0:
            return None
        return Side.BUY if self.contracts > 0 else Side.SELL


def _value(instrument: Instrument, contracts: int, price: Decimal) -> Decimal:
    """Unsigned contracts at a price, in the settlement currency: coin (inverse) or USDC."""
    amount = instrument.amount(contracts)
    return amount / price if instrument.is_inverse else amount * price


def _gain(instrument: Instrument, sign: int, cost: Decimal, value: Decimal) -> Decimal:
    """What a position (sign +1 long) that cost ``cost`` gains when it is worth ``value``.

    An inverse long gains when its fixed USD amount is worth fewer coins than it cost.
    """
    return sign * (cost - value if instrument.is_inverse else value - cost)


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


@exact
def average_price(instrument: Instrument, holding: Holding) -> Decimal | None:
    """The average entry, in USD or USDC per coin and unrounded; None when flat."""
    if holding.contracts == 0:
        return None
    amount = instrument.amount(abs(holding.contracts))
    return amount / holding.cost if instrument.is_inverse else holding.cost / amount


@exact
def apply_fill(
    instrument: Instrument, holding: Holding, side: Side, contracts: int, price: Decimal
) -> tuple[Holding, Decimal]:
    """The holding after a fill, and the PnL it realised in the settlement currency.

    Opening realises 0. A partial close takes its share of the cost and leaves the average
    as it was. A fill larger than an opposite position closes all of it and opens the rest.
    Fees are not included.

    Raises:
        ValueError: ``contracts`` is not positive.
    """
    if contracts <= 0:
        raise ValueError(f"a fill has a positive number of contracts, not {contracts}")
    sign = _sign(holding.contracts)
    closing = min(contracts, abs(holding.contracts)) if sign == -side.sign else 0
    opening = contracts - closing
    released, gain = _close(instrument, holding, closing, price)
    # Closed to nothing means exactly nothing: no dust of cost may outlive the position.
    left = holding.cost - released if abs(holding.contracts) > closing else ZERO
    cost = left + _value(instrument, opening, price) if opening else left
    return Holding(holding.contracts + side.sign * contracts, cost), gain


def _close(
    instrument: Instrument, holding: Holding, closing: int, price: Decimal
) -> tuple[Decimal, Decimal]:
    """The cost that ``closing`` contracts take with them, and the PnL they realise."""
    if closing == 0:
        return ZERO, ZERO
    released = holding.cost * closing / abs(holding.contracts)
    value = _value(instrument, closing, price)
    return released, _gain(instrument, _sign(holding.contracts), released, value)


@exact
def unrealised(instrument: Instrument, holding: Holding, mark: Decimal) -> Decimal:
    """PnL since entry of what is held, at the mark price, in the settlement currency."""
    value = _value(instrument, abs(holding.contracts), mark)
    return _gain(instrument, _sign(holding.contracts), holding.cost, value)


@exact
def realised(
    instrument: Instrument, side: Side, contracts: int, entry: Decimal, exit_price: Decimal
) -> Decimal:
    """PnL of a ``side`` position opened at ``entry`` and closed at ``exit_price``, before fees.

    In the settlement currency. ``entry`` is the average entry when there were several fills.
    """
    cost = _value(instrument, contracts, entry)
    return _gain(instrument, side.sign, cost, _value(instrument, contracts, exit_price))


@exact
def fee(instrument: Instrument, contracts: int, price: Decimal, rate: Decimal) -> Decimal:
    """The fee on a fill, in the settlement currency; a negative rate is a rebate."""
    return rate * _value(instrument, abs(contracts), price)


@exact
def breakeven(
    instrument: Instrument, side: Side, entry: Decimal, fee_in: Decimal, fee_out: Decimal
) -> Decimal:
    """The exit price at which PnL pays both fees in the settlement currency, unrounded.

    Fees are fractions. Funding is extra. The two families differ because the fee is taken
    from coin (inverse) or from USDC (linear).
    """
    sign = side.sign
    if instrument.is_inverse:
        return entry * (1 + sign * fee_out) / (1 - sign * fee_in)
    return entry * (1 + sign * fee_in) / (1 - sign * fee_out)


@exact
def breakeven_tick(
    instrument: Instrument, side: Side, entry: Decimal, fee_in: Decimal, fee_out: Decimal
) -> Decimal:
    """The first tick at which a close does not lose: up for a long, down for a short."""
    price = breakeven(instrument, side, entry, fee_in, fee_out)
    return instrument.ceil_price(price) if side is Side.BUY else instrument.floor_price(price)


@exact
def to_usd(instrument: Instrument, amount_in_settlement: Decimal, index_price: Decimal) -> Decimal:
    """Money in the settlement currency as USD, at the index. USDC counts as one dollar."""
    return amount_in_settlement * index_price if instrument.is_inverse else amount_in_settlement
