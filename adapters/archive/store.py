"""The archive's single writer: what is there, what is missing, and how it grows.

What is on disk is the truth: at the start the segments say what they hold, so a crash needs no
recovery besides forgetting half-written files. Two segments never hold the same id; where one
holds all of another (a merge was finished but its sources were not forgotten yet), the larger
one counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from errno import EIO
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb

from actors.ports import Clock
from adapters.archive import catalogue, files, positioning
from adapters.archive.catalogue import KnownHole
from adapters.archive.layout import (
    CATALOGUE,
    LOCK,
    TICKS,
    Kind,
    Segment,
    checksum_in,
)
from adapters.archive.leaving import KEEP_SECONDS, Leaving
from adapters.archive.lost import LostIds
from adapters.archive.quarantine import Quarantine
from adapters.archive.segments import SegmentWriter, open_engine, read_segments
from adapters.archive.verify import damage
from adapters.storage.lock import InstanceLock
from domain.compaction import DAY_MS, Piece, plan
from domain.moments import Stretch
from domain.runs import Run, holds, joined, overlap
from domain.ticks import Ticks, together

YOUNG_SECONDS = 60.0
"""How long a segment of a day that is over waits for others before it is merged."""
FAILURES = (OSError, duckdb.Error)
"""What a full or failing disk raises, through Python or through DuckDB."""


@dataclass(slots=True)
class Found:
    """What opening the archive came upon."""

    segments: int = 0
    leftovers: int = 0
    superseded: int = 0


class Archive:
    """Open for writing from construction to `close`; nobody else may be."""

    def __init__(self, root: Path, clock: Clock, *, keep_seconds: float = KEEP_SECONDS) -> None:
        """Takes the lock, reads what every segment says, and publishes the catalogue.

        A disk too full for a new catalogue is no reason not to open: the old one stands, and
        `is_published` says that `publish` is to be tried again.

        Raises:
            AlreadyRunning: a collector or a command that writes is at work on this folder.
            OSError, duckdb.Error: the folder cannot be read or written.
        """
        self.root = root.absolute()
        files.make_folder(self.root)
        self._clock = clock
        self._lock = InstanceLock(self.root / LOCK)
        try:
            self.found = Found(leftovers=files.remove_temporary(self.root))
            self._engine = open_engine(self.root)
            self._writer = SegmentWriter(self.root, self._engine)
            self._segments: dict[Path, Segment] = {}
            self._born: dict[Path, float] = {}
            self._runs: dict[str, tuple[Run, ...]] = {}
            self._leaving = Leaving(self.root, clock, keep_seconds)
            self._lost = LostIds(self.root)
            self._quarantine = Quarantine(self.root)
            with suppress(OSError):
                self._quarantine.prepare()
            self.is_published = False
            self.set_aside: list[tuple[str, str]] = []
            self._scan()
            with suppress(*FAILURES):
                self.publish()
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        """Lets go of the folder. What was stored needs no closing."""
        self._engine.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- what is there ------------------------------------------------------------------------

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted(self._runs))

    @property
    def engine(self) -> duckdb.DuckDBPyConnection:
        return self._engine

    def runs(self, symbol: str) -> tuple[Run, ...]:
        """The ids of a symbol that are on disk."""
        return self._runs.get(symbol, ())

    def segments(self, symbol: str | None = None) -> list[Segment]:
        """The files that count, of one symbol or of all."""
        return [x for x in self._segments.values() if symbol in {None, x.symbol}]

    def holes(self, symbol: str | None = None) -> list[KnownHole]:
        """What is missing between the first and the last tick of each symbol that ever was there.

        Also of a symbol of which nothing is left but what was set aside.
        """
        return [
            known
            for name in sorted({*self.symbols, *self._quarantine.symbols})
            if symbol in {None, name}
            for known in self._lost.known(name, self._quarantine.holes(name, self.runs(name)))
        ]

    # -- how it grows ----------------------------------------------------------------------------

    def add(self, batches: Iterable[Ticks]) -> Mapping[str, int]:
        """Stores what is not there yet; on return it is on disk. Rows of each symbol.

        Raises:
            OSError, duckdb.Error: what was not stored may be given again; nothing is doubled.
        """
        symbols: dict[str, list[Ticks]] = {}
        for batch in batches:
            symbols.setdefault(batch.symbol, []).append(batch)
        stored: dict[str, int] = {}
        for symbol, found in symbols.items():
            fresh = together(found).in_order().without(self.runs(symbol))
            for day, ticks in fresh.by_day():
                self._enter(self._writer.write(self._at_scale(ticks), day))
                stored[symbol] = stored.get(symbol, 0) + len(ticks)
        return stored

    def _at_scale(self, ticks: Ticks) -> Ticks:
        """At least as many decimals as the symbol had before, so that its files are alike."""
        mine = [x for x in self._segments.values() if x.symbol == ticks.symbol]
        price = max((x.kind.price_scale for x in mine), default=0)
        quantity = max((x.kind.quantity_scale for x in mine), default=0)
        return ticks.scaled(max(price, ticks.price_scale), max(quantity, ticks.quantity_scale))

    def give_up(self, symbol: str, first: int, last: int, reason: str) -> None:
        """Records ids that nobody can give us any more. Raises `OSError`."""
        self.is_published = False
        self._lost.add(symbol, first, last, reason)

    def try_again(self, stretch: Stretch) -> None:
        """Holes that begin in the stretch may be filled again, others stay as they are explained.

        Raises `OSError`.
        """
        self.is_published = False
        explained = [x.hole for x in self.holes(stretch.symbol) if x.reason]
        mine = [x for x in explained if stretch.start_ms <= x.after_ms < stretch.end_ms]
        self._lost.forget(stretch.symbol, [(x.first, x.last) for x in mine])

    def publish(self) -> None:
        """Shows readers what is there now.

        Raises:
            OSError, duckdb.Error: the old catalogue still stands.
        """
        order = sorted(self._segments.values(), key=lambda x: (x.symbol, x.first_id))
        catalogue.publish(self.root, self._engine, order, self.holes(), self.positioning_files())
        self._leaving.published()
        self.is_published = True

    def positioning_files(self) -> list[Path]:
        return positioning.files_in(self.root)

    def add_positioning(self, rows: Iterable[positioning.Row]) -> None:
        """Stores what is not there yet; a day's file that cannot be read is set aside.

        Raises:
            OSError, duckdb.Error: what was not stored may be given again; nothing is doubled.
        """
        given = list(rows)
        try:
            is_new = positioning.store(self.root, self._engine, given)
        except duckdb.Error:
            if not self._set_unreadable_positioning_aside():
                raise
            is_new = positioning.store(self.root, self._engine, given)
        if is_new:
            self.is_published = False

    def _set_unreadable_positioning_aside(self) -> bool:
        found = positioning.unreadable(self.positioning_files(), self._engine)
        for path in found:
            self._set_aside(path, "it cannot be read")
        return bool(found)

    # -- how it stays small ----------------------------------------------------------------------

    def plan(self, *, everything: bool = False) -> list[list[Segment]]:
        """What could be merged now."""
        now = self._clock.monotonic()
        today = int(self._clock.now().timestamp() * 1000) // DAY_MS
        pieces = [
            Piece(str(x.path), x.symbol, x.day, x.rows, now - self._born[x.path] < YOUNG_SECONDS)
            for x in self._segments.values()
        ]
        groups = plan(pieces, today, everything=everything)
        return [[self._segments[Path(piece.key)] for piece in group] for group in groups]

    def merge(self, group: Sequence[Segment]) -> Segment:
        """Makes one segment of several; `publish` shows it. The sources go after a while.

        Raises:
            OSError, duckdb.Error: everything is as it was; a source may be damaged.
        """
        for segment in group:
            if wrong := damage(segment):  # else the new file's checksum would vouch for it
                raise OSError(EIO, wrong, segment.path.name)
        made = self._writer.merge(group)
        self._enter(made)
        with suppress(OSError):  # not written down, the sources are found to be held by this one
            self._leave([x.path for x in group if x.path != made.path])
        return made

    def prune(self, before_day: int, *, now: bool = False) -> list[Segment]:
        """Takes every day before that one out of the archive; returns what went.

        What was set aside of these days goes at once.
        With ``now`` the files go at once, which needs no room on a full disk.

        Raises:
            OSError: it is not written down, so it may be there again after a restart.
        """
        gone = [x for x in self._segments.values() if x.day < before_day]
        if now:
            for segment in gone:
                segment.path.unlink(missing_ok=True)
        self._quarantine.prune(before_day)
        self._leave([x.path for x in gone])
        self._recount({x.symbol for x in gone})
        return gone

    def quarantine(self, path: Path, reason: str) -> None:
        """Takes a damaged file out; its ticks are missing from now on, and thus refilled.

        Until the next `publish` readers are refused, as they were by the file itself.
        """
        segment = self._forget(path)
        if segment is not None:
            self._recount({segment.symbol})
        self._set_aside(path, reason)

    def heads(self) -> list[Segment]:
        """The first file of every list in the catalogue: its maker looks into these."""
        found: dict[tuple[str, Kind], Segment] = {}
        for x in sorted(self._segments.values(), key=lambda x: x.first_id):
            found.setdefault((x.symbol, x.kind), x)
        return list(found.values())

    def sweep(self, *, now: bool = False) -> int:
        """Removes files that left the catalogue long enough ago; returns how many."""
        return self._leaving.sweep(now=now)

    # -- inside ----------------------------------------------------------------------------------

    def _enter(self, segment: Segment) -> None:
        self._leaving.keep(segment.path)
        self.is_published = False
        self._segments[segment.path] = segment
        self._born[segment.path] = self._clock.monotonic()
        self._runs[segment.symbol] = joined((*self.runs(segment.symbol), *segment.runs))

    def _leave(self, paths: Sequence[Path]) -> None:
        """Takes files off the list."""
        self.is_published = False
        for path in paths:
            self._forget(path)
        self._leaving.add(paths)

    def _forget(self, path: Path) -> Segment | None:
        """It does not count any more; what it was, if it did."""
        self._born.pop(path, None)
        return self._segments.pop(path, None)

    def _recount(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            found = joined(run for x in self.segments(symbol) for run in x.runs)
            if found:
                self._runs[symbol] = found
            else:
                self._runs.pop(symbol, None)

    def _scan(self) -> None:
        everything = sorted((self.root / TICKS).glob("*/*/*.parquet"))
        paths = [x for x in everything if checksum_in(x.name) and x not in self._leaving]
        segments, damaged = read_segments(paths, self._engine)
        self._choose(segments)
        self.found.segments = len(self._segments)
        self._set_unreadable_positioning_aside()
        for path in damaged:
            self._set_aside(path, "it cannot be read")

    def _choose(self, segments: Iterable[Segment]) -> None:
        """Enters segments, the large ones first; those whose ids are all there are left-overs."""
        superseded: list[Path] = []
        for segment in sorted(segments, key=lambda x: (-x.rows, x.path)):
            known = self.runs(segment.symbol)
            if holds(known, segment.runs):
                superseded.append(segment.path)
            elif any(overlap(known, run.first, run.last) for run in segment.runs):
                # No crash of ours leaves this; what it held alone is refilled by id.
                self._set_aside(segment.path, "it holds ids of another file")
            else:
                self._enter(segment)
                self._born[segment.path] -= YOUNG_SECONDS
        if superseded:
            self.found.superseded = len(superseded)
            with suppress(OSError):  # not written down, the next start finds the same
                self._leave(superseded)

    def _set_aside(self, path: Path, reason: str) -> None:
        self.is_published = False
        self.set_aside.append((path.name, reason))
        self._quarantine.take(path)

    @property
    def catalogue(self) -> Path:
        """The file others open."""
        return self.root / CATALOGUE
