"""What fills cost: one schedule for the whole account."""

from dataclasses import dataclass
from decimal import Decimal

from domain import pnl
from domain.instruments import Instrument

# More than any tier has ever paid or been paid; a percent typed for a fraction is beyond it.
_MOST = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """Fractions of what a fill is worth; a negative one is paid out. Standard tier, Sept. 2026.

    ``liquidation`` is all in: trading fee and liquidation fee.
    """

    maker: Decimal = Decimal("0.00015")
    taker: Decimal = Decimal("0.00035")
    liquidation: Decimal = Decimal("0.01")

    def __post_init__(self) -> None:
        """Raises `ValueError` for a fee that is none."""
        for name, rate in (("maker", self.maker), ("taker", self.taker)):
            if not abs(rate) <= _MOST:
                raise ValueError(f"the {name} fee is a fraction up to {_MOST}, not {rate}")

    def of_fill(
        self,
        instrument: Instrument,
        contracts: int,
        price: Decimal,
        *,
        is_maker: bool = False,
        is_liquidation: bool = False,
    ) -> Decimal:
        """The fee of one fill, in the settlement currency."""
        usual = self.maker if is_maker else self.taker
        rate = self.liquidation if is_liquidation else usual
        return pnl.fee(instrument, contracts, price, rate)


STANDARD = Fees()
