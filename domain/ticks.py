"""Aggregate trades as columns of whole numbers: exact, small, and fast to handle in bulk.

A price is ``price / 10**price_scale``; the scale is the fewest decimals that hold the batch
exactly. The archive and the collector's process use this; the trading process never loads it
(numpy would cost it a tenth of a second and 20 MiB).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.compaction import DAY_MS
from domain.runs import Run, overlap

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
MOST_DECIMALS = 8
SPOT = "spot:"
"""A symbol of the spot market carries this; one of USD-M futures nothing."""


def is_spot(symbol: str) -> bool:
    """Whether the symbol is of the spot market."""
    return symbol.startswith(SPOT)


def venue_name(symbol: str) -> str:
    """The symbol as Binance writes it."""
    return symbol.removeprefix(SPOT)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ticks:
    """Aggregate trades of one symbol, one array per column, all of the same length."""

    symbol: str
    agg_id: Ints
    price: Ints
    quantity: Ints
    first_id: Ints
    last_id: Ints
    timestamp_ms: Ints
    is_buyer_maker: Bools
    price_scale: int
    quantity_scale: int

    def __len__(self) -> int:
        return len(self.agg_id)

    def take(self, which: Any) -> "Ticks":
        """Those rows: a mask, or positions in the order wanted."""
        return replace(
            self,
            agg_id=self.agg_id[which],
            price=self.price[which],
            quantity=self.quantity[which],
            first_id=self.first_id[which],
            last_id=self.last_id[which],
            timestamp_ms=self.timestamp_ms[which],
            is_buyer_maker=self.is_buyer_maker[which],
        )

    def in_order(self) -> "Ticks":
        """By id, each id once (the first that came)."""
        ids = self.agg_id
        if len(ids) < 2 or bool(np.all(ids[1:] > ids[:-1])):
            return self
        return self.take(np.unique(ids, return_index=True)[1])

    def without(self, runs: Sequence[Run]) -> "Ticks":
        """What joined runs do not hold yet; needs order."""
        if not len(self):
            return self
        held = overlap(runs, int(self.agg_id[0]), int(self.agg_id[-1]))
        keep = np.ones(len(self), dtype=np.bool_)
        for first, last in held:
            begin, end = np.searchsorted(self.agg_id, [first, last + 1])
            keep[begin:end] = False
        return self if bool(keep.all()) else self.take(keep)

    def runs(self) -> tuple[Run, ...]:
        """The unbroken runs of ids; needs order."""
        if not len(self):
            return ()
        ids, times = self.agg_id, self.timestamp_ms
        breaks = np.flatnonzero(np.diff(ids) != 1)
        starts = [0, *(breaks + 1).tolist()]
        ends = [*breaks.tolist(), len(ids) - 1]
        return tuple(
            Run(int(ids[a]), int(ids[b]), int(times[a]), int(times[b]))
            for a, b in zip(starts, ends, strict=True)
        )

    def by_day(self) -> list[tuple[int, "Ticks"]]:
        """The rows of each UTC day (days since 1970)."""
        days = self.timestamp_ms // DAY_MS
        if not len(days) or days[0] == days[-1] == days.max() == days.min():
            return [(int(days[0]), self)] if len(days) else []
        return [(int(day), self.take(days == day)) for day in np.unique(days)]

    def scaled(self, price_scale: int, quantity_scale: int) -> "Ticks":
        """The same values with more decimals.

        Raises:
            OverflowError: they do not fit 18 digits.
        """
        for values, more in (
            (self.price, price_scale - self.price_scale),
            (self.quantity, quantity_scale - self.quantity_scale),
        ):
            if len(values) and int(values.max()) * 10**more >= 10**_LONGEST:
                raise OverflowError(f"more than {_LONGEST} digits")
        return replace(
            self,
            price=self.price * 10 ** (price_scale - self.price_scale),
            quantity=self.quantity * 10 ** (quantity_scale - self.quantity_scale),
            price_scale=price_scale,
            quantity_scale=quantity_scale,
        )


def together(batches: Iterable[Ticks]) -> Ticks:
    """Batches of one symbol as one, at the finest scale among them, not yet in order."""
    found = list(batches)
    if len(found) == 1:
        return found[0]
    prices = max(each.price_scale for each in found)
    quantities = max(each.quantity_scale for each in found)
    same = [each.scaled(prices, quantities) for each in found]
    return Ticks(
        symbol=found[0].symbol,
        agg_id=np.concatenate([x.agg_id for x in same]),
        price=np.concatenate([x.price for x in same]),
        quantity=np.concatenate([x.quantity for x in same]),
        first_id=np.concatenate([x.first_id for x in same]),
        last_id=np.concatenate([x.last_id for x in same]),
        timestamp_ms=np.concatenate([x.timestamp_ms for x in same]),
        is_buyer_maker=np.concatenate([x.is_buyer_maker for x in same]),
        price_scale=prices,
        quantity_scale=quantities,
    )


def shortened(values: Ints, scale: int) -> tuple[Ints, int]:
    """The same numbers with as few decimals as they need."""
    while scale > 0 and not bool(np.any(values % 10)):
        values, scale = values // 10, scale - 1
    return values, scale


_POINT, _BLANK, _ZERO, _NINE = b". 09"
_LONGEST = 18
"""Digits that always fit a 64-bit whole number."""


def numbers(texts: Sequence[str]) -> tuple[Ints, int]:
    """Decimal texts such as ``61800.30`` as whole numbers and their scale.

    Raises:
        ValueError: one is not digits with at most one point, or does not fit 18 digits.
    """
    line = " ".join(texts) + " "
    raw = np.frombuffer(line.encode(), dtype=np.uint8)
    points, blanks = np.flatnonzero(raw == _POINT), np.flatnonzero(raw == _BLANK)
    are_digits = int(np.count_nonzero((raw >= _ZERO) & (raw <= _NINE)))
    if len(blanks) != len(texts) or are_digits + len(points) + len(blanks) != len(raw):
        raise ValueError("not decimal numbers")
    if int(np.diff(blanks, prepend=-1).max()) > _LONGEST + 2:
        return _uneven(texts)  # the spot market's zeros at the end are no digits
    if _is_even(points, blanks):
        scale = int(blanks[0] - points[0] - 1)
        if scale <= MOST_DECIMALS:
            return shortened(_whole(line.replace(".", ""), len(texts)), scale)
    return _uneven(texts)


def _is_even(points: NDArray[np.intp], blanks: NDArray[np.intp]) -> bool:
    """Whether every number has one point, digits on both sides, as many decimals as the others."""
    if len(points) != len(blanks):
        return False
    decimals = blanks - points - 1
    before = points - np.concatenate(([-1], blanks[:-1])) - 1
    return bool(np.all(decimals == decimals[0]) and decimals[0] > 0 and np.all(before > 0))


def _whole(line: str, count: int) -> Ints:
    values = np.fromstring(line, dtype=np.int64, sep=" ")
    if len(values) != count:
        raise ValueError("not decimal numbers")
    return values


def _uneven(texts: Sequence[str]) -> tuple[Ints, int]:
    """Numbers with differing decimals."""
    halves = [text.partition(".") for text in texts]
    if any(not whole or "." in part for whole, _, part in halves):
        raise ValueError("not decimal numbers")
    scale = max(len(part.rstrip("0")) for _, _, part in halves)
    if scale > MOST_DECIMALS:
        raise ValueError(f"more than {MOST_DECIMALS} decimals")
    even = [whole + part.rstrip("0").ljust(scale, "0") for whole, _, part in halves]
    if max(map(len, even)) > _LONGEST:
        raise ValueError(f"more than {_LONGEST} digits")
    return shortened(_whole(" ".join(even), len(texts)), scale)
