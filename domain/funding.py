"""Funding: the eight-hour rate after damper and cap, and what a position pays or receives.

Funding accrues every millisecond; there is no funding instant. A positive rate means longs pay
shorts.

Source: Deribit funding specifications (the damper is 0.025 % since 2020).
"""

from decimal import Decimal

from domain.exact import exact
from domain.instruments import Instrument
from domain.orders import ZERO

PERIOD_SECONDS = 8 * 60 * 60
_DAMPER = Decimal("0.00025")
_LINEAR_CAP = Decimal("0.05")
_INVERSE_CAPS = {"BTC": Decimal("0.005"), "ETH": Decimal("0.01")}


def _cap(instrument: Instrument) -> Decimal:
    if not instrument.is_inverse:
        return _LINEAR_CAP
    try:
        return _INVERSE_CAPS[instrument.base_currency]
    except KeyError:
        raise ValueError(f"no funding cap known for {instrument.name}") from None


@exact
def rate(instrument: Instrument, mark: Decimal, index: Decimal) -> Decimal:
    """The rate for eight hours, as a fraction, at this mark and index.

    Zero while the premium is within the damper, else the premium moved by it towards zero.

    Raises:
        ValueError: an inverse instrument whose cap is not known.
    """
    cap = _cap(instrument)
    if mark == index:
        return ZERO
    premium = (mark - index) / index
    damped = max(_DAMPER, premium) + min(-_DAMPER, premium)
    return max(-cap, min(cap, damped))


@exact
def payment(
    instrument: Instrument,
    signed_contracts: int,
    index: Decimal,
    rate: Decimal,
    seconds: Decimal | int,
) -> Decimal:
    """What the position receives (negative: pays) over ``seconds``, in the settlement currency.

    The venue does not say whether coin is valued at index or mark; they differ by less than
    0.5 % and the index is used.
    """
    amount = instrument.amount(signed_contracts)
    value = amount / index if instrument.is_inverse else amount * index
    return -value * rate * seconds / PERIOD_SECONDS
