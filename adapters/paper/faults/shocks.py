"""What faults do to prices: factors on the index, as functions of how far a fault has come."""

from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase

from adapters.paper.faults.common import Fault
from adapters.paper.faults.of_moments import PriceGap
from adapters.paper.faults.of_spans import FlashCrash, TriggerStorm

_ONE, _HUNDRED = Decimal(1), Decimal(100)
LEAST, MOST = Decimal("0.05"), Decimal(20)
"""Gaps that add up stop here: a market without prices teaches nothing."""
_HALF = Decimal("0.5")
_FALL_ENDS, _RISE_BEGINS = Decimal("0.1"), _HALF


def concerns(fault: Fault, index: str) -> bool:
    """Whether a fault of prices moves this index."""
    if not isinstance(fault, PriceGap | FlashCrash | TriggerStorm):
        return False
    return any(fnmatchcase(index, pattern) for pattern in fault.indexes)


def gap(fault: PriceGap) -> Decimal:
    """The factor of one jump, which stays."""
    return _ONE + fault.percent / _HUNDRED


def factor(fault: Fault, since_ms: int, lasts_ms: int) -> Decimal:
    """The factor of a passing shock ``since_ms`` after it began."""
    match fault:
        case FlashCrash():
            part = Decimal(since_ms) / max(1, lasts_ms)
            return _ONE + fault.percent / _HUNDRED * _depth(part)
        case TriggerStorm():
            # A triangle: up, through the middle, down, and back to it, once a period.
            turn = Decimal((since_ms + fault.period // 4) % fault.period) / fault.period
            return _ONE + fault.percent / _HUNDRED * (1 - 4 * abs(turn - _HALF))
        case _:
            return _ONE


def _depth(part: Decimal) -> Decimal:
    """How much of a crash is there: down in a tenth, then still, back in the second half."""
    if part < _FALL_ENDS:
        return part / _FALL_ENDS
    if part < _RISE_BEGINS:
        return _ONE
    return max(Decimal(0), (_ONE - part) / (_ONE - _RISE_BEGINS))


def bounded(product: Decimal) -> Decimal:
    """A factor within reason."""
    return min(max(product, LEAST), MOST)


@dataclass(frozen=True, slots=True)
class WayBack:
    """From the ``factor`` that a shock left behind when it ended early, prices walk back to 1.

    ``since_ms`` is when it ended, ``lasts_ms`` how long the way is.
    """

    fault: Fault
    factor: Decimal
    since_ms: int
    lasts_ms: int

    def at(self, now_ms: int) -> Decimal:
        """The factor now; 1 at the end of the way."""
        part = Decimal(now_ms - self.since_ms) / self.lasts_ms
        return _ONE + (self.factor - _ONE) * max(Decimal(0), _ONE - part)


def way_back(fault: Fault, since_ms: int, lasts_ms: int, now_ms: int) -> WayBack | None:
    """The way from where a passing shock has come to; None when it is where it began."""
    left = factor(fault, since_ms, lasts_ms)
    match fault:
        case FlashCrash():
            way_ms = lasts_ms // 2
        case TriggerStorm():
            way_ms = fault.period // 4
        case _:
            return None
    return None if left == _ONE else WayBack(fault, left, now_ms, max(1, way_ms))
