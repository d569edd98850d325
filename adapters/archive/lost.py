"""Ids that nobody has any more: recorded, so that a hole is either being filled or explained."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from adapters.archive import files
from adapters.archive.catalogue import KnownHole
from adapters.archive.layout import GIVEN_UP
from domain.runs import Hole, Run, joined, lacking, overlap


class LostIds:
    """Bounds and reasons by symbol, kept in a small file."""

    def __init__(self, root: Path) -> None:
        self._path = root / GIVEN_UP
        table: dict[str, list[Any]] = files.read_json(self._path, {})
        self._bounds = {
            name: {(int(first), int(last)): str(why) for first, last, why in found}
            for name, found in table.items()
        }

    def add(self, symbol: str, first: int, last: int, reason: str) -> None:
        """Raises `OSError`; then it is forgotten at the end of the process."""
        self._bounds.setdefault(symbol, {})[first, last] = reason
        self._write()

    def forget(self, symbol: str, parts: Iterable[tuple[int, int]]) -> None:
        """What was lost within these bounds may be asked for again. Raises `OSError`."""
        runs = joined(Run(first, last) for first, last in parts)
        lost = self._bounds.get(symbol, {})
        left = {part: why for bounds, why in lost.items() for part in lacking(runs, *bounds)}
        if left != lost:
            self._bounds[symbol] = left
            self._write()

    def known(self, symbol: str, holes: Iterable[Hole]) -> Iterator[KnownHole]:
        """Holes with what is known of them; one of which a part is lost comes in parts."""
        lost = self._bounds.get(symbol, {})
        runs = joined(Run(first, last) for first, last in lost)
        for hole in holes:
            at = hole.first
            for first, last in overlap(runs, hole.first, hole.last):
                if first > at:
                    yield KnownHole(symbol, Hole(at, first - 1, hole.after_ms, hole.before_ms))
                part = Hole(first, last, hole.after_ms, hole.before_ms)
                yield KnownHole(symbol, part, _reason(lost, first))
                at = last + 1
            if at <= hole.last:
                yield KnownHole(symbol, Hole(at, hole.last, hole.after_ms, hole.before_ms))

    def _write(self) -> None:
        table = {
            name: [[*bounds, why] for bounds, why in sorted(found.items())]
            for name, found in self._bounds.items()
        }
        files.write_json(self._path, table)


def _reason(lost: Mapping[tuple[int, int], str], at: int) -> str:
    return next((why for (first, last), why in lost.items() if first <= at <= last), "")
