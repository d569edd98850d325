"""Bars from ticks, on whole multiples of the bar length."""

from dataclasses import dataclass, replace
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One finished bar. ``start_ms`` is a multiple of its length; prices USD per coin."""

    start_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


class BarBuilder:
    """Collects ticks into bars of ``length_ms``. A bar without ticks does not exist."""

    def __init__(self, length_ms: int) -> None:
        if length_ms <= 0:
            raise ValueError(f"a bar has a positive length, not {length_ms} ms")
        self._length_ms = length_ms
        self._current: Bar | None = None

    def add(self, timestamp_ms: int, price: Decimal) -> Bar | None:
        """Takes one tick; returns the bar it completed, if any. Late ticks are left out."""
        start = timestamp_ms - timestamp_ms % self._length_ms
        current = self._current
        if current is None or start > current.start_ms:
            self._current = Bar(start_ms=start, open=price, high=price, low=price, close=price)
            return current
        if start == current.start_ms:
            high, low = max(current.high, price), min(current.low, price)
            self._current = replace(current, high=high, low=low, close=price)
        return None
