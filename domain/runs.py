"""Which aggregate ids are there: unbroken runs, the holes between them, and what overlaps.

Binance numbers the aggregate trades of a symbol one by one, so a missing number is a missing
tick, and nothing else has to be kept to know that an archive is whole.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from domain.compaction import DAY_MS


@dataclass(frozen=True, slots=True, order=True)
class Run:
    """Ids ``first`` to ``last``, all there; the times of its two ends in Unix milliseconds."""

    first: int
    last: int
    first_ms: int = 0
    last_ms: int = 0

    def __len__(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True, order=True)
class Hole:
    """Ids ``first`` to ``last``, all missing, between two ticks whose times are known."""

    first: int
    last: int
    after_ms: int
    before_ms: int

    def __len__(self) -> int:
        return self.last - self.first + 1

    @property
    def day(self) -> int:
        """The UTC day it begins in, as days since 1970."""
        return self.after_ms // DAY_MS


def joined(runs: Iterable[Run]) -> tuple[Run, ...]:
    """The same ids in as few runs as possible, in order."""
    found: list[Run] = []
    for run in sorted(runs):
        if found and run.first <= found[-1].last + 1:
            last = found[-1]
            end = run if run.last > last.last else last
            found[-1] = Run(last.first, end.last, last.first_ms, end.last_ms)
        else:
            found.append(run)
    return tuple(found)


def holes(runs: Sequence[Run]) -> tuple[Hole, ...]:
    """What is missing between joined runs."""
    return tuple(
        Hole(left.last + 1, right.first - 1, left.last_ms, right.first_ms)
        for left, right in pairwise(runs)
    )


def overlap(runs: Sequence[Run], first: int, last: int) -> list[tuple[int, int]]:
    """The parts of ``first`` to ``last`` that joined runs hold."""
    start = bisect_left(runs, first, key=lambda run: run.last)
    parts: list[tuple[int, int]] = []
    for run in runs[start:]:
        if run.first > last:
            break
        parts.append((max(first, run.first), min(last, run.last)))
    return parts


def lacking(runs: Sequence[Run], first: int, last: int) -> list[tuple[int, int]]:
    """The parts of ``first`` to ``last`` that joined runs do not hold."""
    parts: list[tuple[int, int]] = []
    for begin, end in overlap(runs, first, last):
        if begin > first:
            parts.append((first, begin - 1))
        first = end + 1
    if first <= last:
        parts.append((first, last))
    return parts


def holds(runs: Sequence[Run], others: Iterable[Run]) -> bool:
    """Whether joined runs hold every id of the others."""
    return not any(lacking(runs, run.first, run.last) for run in others)
