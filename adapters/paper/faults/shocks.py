"""What faults do to prices: factors on the index, as functions of how far a fault has come."""

from decimal import Decimal
from fnmatch import fnmatchcase

from adapters.paper.faults.common import Fault
from adapters.paper.faults.of_moments import PriceGap
from adapters.paper.faults.of_spans import FlashCrash, TriggerStorm

_ONE, _HUNDRED = Decimal(1), Decimal(100)
LEAST, MOST = Decimal("0.05"), Decimal(20)
"""Gaps that add up stop here: a market without prices teaches nothing."""
_FALL_ENDS, _RISE_BEGINS = Decimal("0.1"), Decimal("0.5")


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
            # A triangle: up, through the middle, down, and back, once a period.
            turn = Decimal(since_ms % fault.period) / fault.period
            swing = 1 - 4 * abs(turn - Decimal("0.5")) if turn != 0 else Decimal(-1)
            return _ONE + fault.percent / _HUNDRED * swing
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
