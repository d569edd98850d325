"""Chance without state: the same numbers in give the same number out, on any machine.

The synthetic book and feed draw from here, so a seed and a counter are all that has to be
kept for an exchange to go on exactly where it stopped.
"""

from decimal import Decimal

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def noise(*parts: int, after: int = 0) -> int:
    """64 well-mixed bits of the parts (splitmix64, one round for each part).

    ``after`` is what the parts before these gave: they need not be mixed again.
    """
    state = after
    for part in parts:
        state = (state * 3 + part + _GOLDEN) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state


def between(low: int, high: int, *parts: int) -> int:
    """A whole number from ``low`` to ``high``, both included."""
    return low + noise(*parts) % (high - low + 1)


def bell(*parts: int) -> Decimal:
    """Roughly normal, mean 0 and deviation 1, between -6 and 6: twelve uniforms added up."""
    bits = noise(*parts), noise(*parts, 1), noise(*parts, 2)
    total = sum((word >> shift) & 0xFFFF for word in bits for shift in (0, 16, 32, 48))
    return Decimal(total) / 65535 - 6
