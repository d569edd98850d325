"""What is traded: contract data of a perpetual, and the roundings it imposes.

Units. Everything inside Bulwark counts whole **contracts** (``int``). The venue's
``amount`` is USD for inverse perpetuals and base coin for linear ones; it exists only at
the wire. ``amount = contracts * contract_size``.

Source: Deribit ``public/get_instruments``; contract data changes by announcement, so it is
read at run time and never written into code.
"""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum

NOISE = Decimal("1e-6")


class NoMultiple(ValueError):
    """An amount that is no whole number of contracts: perhaps a contract is another one by now."""


class Kind(StrEnum):
    """How a perpetual is margined: in its base coin (inverse) or in USDC (linear)."""

    INVERSE = "reversed"
    LINEAR = "linear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """Contract data of one perpetual, as the venue's catalogue states it.

    ``contract_size`` and ``min_amount`` are in the unit of ``amount`` (USD inverse, coin
    linear); prices are USD or USDC per coin; commissions are fractions.
    """

    name: str
    kind: Kind
    base_currency: str
    quote_currency: str
    settlement_currency: str
    price_index: str
    tick_size: Decimal
    contract_size: Decimal
    min_amount: Decimal
    maker_commission: Decimal
    taker_commission: Decimal
    is_active: bool = True

    @property
    def is_inverse(self) -> bool:
        return self.kind is Kind.INVERSE

    @property
    def min_contracts(self) -> int:
        """The smallest order, in contracts, rounded up to a whole one."""
        return int((self.min_amount / self.contract_size).to_integral_value(ROUND_CEILING))

    def amount(self, contracts: int) -> Decimal:
        """Contracts as the venue's ``amount``: USD (inverse) or coin (linear)."""
        return contracts * self.contract_size

    def contracts(self, amount: Decimal) -> int:
        """The venue's ``amount`` as whole contracts.

        The venue prints some figures as the binary sums they are (``0.35000000000000005``), so
        a millionth of a contract is nothing.

        Raises:
            NoMultiple: the amount is not a multiple of the contract size, which a figure
                that came from the venue always is, unless it has changed the size.
        """
        number = amount / self.contract_size
        whole = number.to_integral_value()
        if abs(number - whole) > NOISE:
            raise NoMultiple(f"{amount} is no multiple of {self.contract_size} ({self.name})")
        return int(whole)

    def floor_contracts(self, amount: Decimal) -> int:
        """The most whole contracts that fit into ``amount`` (entries round down)."""
        return int((amount / self.contract_size).to_integral_value(ROUND_FLOOR))

    def is_on_tick(self, price: Decimal) -> bool:
        return price % self.tick_size == 0

    def floor_price(self, price: Decimal) -> Decimal:
        """The nearest tick at or below ``price``."""
        return (price / self.tick_size).to_integral_value(ROUND_FLOOR) * self.tick_size

    def ceil_price(self, price: Decimal) -> Decimal:
        """The nearest tick at or above ``price``."""
        return (price / self.tick_size).to_integral_value(ROUND_CEILING) * self.tick_size
