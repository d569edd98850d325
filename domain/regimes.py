"""Does a market trend or range? Kaufman's efficiency ratio, with a gap between the two answers.

The ratio is the way made good over the way gone: the change of the close over a number of bars,
divided by the sum of the changes bar by bar. A straight line has 1; a random walk of n bars has
about ``0.8 / sqrt(n)``, 0.1 over 60. Source: P. Kaufman, "Trading Systems and Methods".
"""

from collections import deque
from decimal import Decimal
from enum import StrEnum

from domain.orders import ZERO

TRENDS_FROM = Decimal("0.30")
RANGES_BELOW = Decimal("0.20")
"""In between, it stays what it was: a market at the border must not change with every bar."""


class Regime(StrEnum):
    """What a market does."""

    TRENDING = "trending"
    RANGING = "ranging"


class RegimeWatch:
    """Follows one market, bar by bar."""

    def __init__(self, bars: int) -> None:
        if bars < 2:
            raise ValueError(f"a regime is told from two bars or more, not {bars}")
        self._closes: deque[Decimal] = deque(maxlen=bars + 1)
        self.regime: Regime | None = None
        """None until enough bars were seen."""

    @property
    def efficiency(self) -> Decimal | None:
        """The ratio, 0 to 1; None until enough bars were seen."""
        closes = self._closes
        if len(closes) < (closes.maxlen or 0):
            return None
        pairs = zip(list(closes)[1:], list(closes)[:-1], strict=True)
        gone = sum((abs(new - old) for new, old in pairs), ZERO)
        return abs(closes[-1] - closes[0]) / gone if gone else ZERO

    def add(self, close: Decimal) -> Regime | None:
        """Takes a bar's close; returns the new regime when it has changed."""
        self._closes.append(close)
        ratio = self.efficiency
        if ratio is None:
            return None
        before = self.regime
        if ratio >= TRENDS_FROM:
            self.regime = Regime.TRENDING
        elif ratio < RANGES_BELOW or before is None:
            self.regime = Regime.RANGING
        return self.regime if before is not None and before is not self.regime else None
