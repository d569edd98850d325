"""The collector: takes what comes, stores it, asks for what is missing, and says how it is.

One thread does all of that, a step every few seconds, so there is nothing to race. What is in
memory is not acknowledged: it counts as stored when its segment is on disk. A crash loses the
seconds before it from memory only; their ids are missing at the next start and are asked for.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from errno import ENOSPC
from math import inf
from typing import Any, Protocol

from actors.ports import Clock
from adapters.archive import positioning
from adapters.archive.catalogue import KnownHole
from adapters.archive.layout import NEWS, Segment
from adapters.archive.news import State, SymbolState, last_number, write_news
from adapters.archive.store import FAILURES, Archive
from adapters.archive.verify import damage
from domain.compaction import DAY_MS
from domain.runs import Run, joined, lacking, overlap
from domain.ticks import Ticks

STEP_SECONDS = 5.0
"""How long ticks stay in memory at most, and how old the view of a reader is."""
FIRST_STEP_SECONDS = 1.0
STEP_FRAMES = 50_000
"""So many waiting frames are stored at once, whatever the time."""
MOST_BACKLOG = 2_000_000
"""Ticks kept while the disk refuses: 100 MB. What comes beyond that is refilled later."""
RETRY_SECONDS = 5.0
REFILL_DAYS = 7
"""Holes that begin earlier are left to ``archive fetch``: a year between two imports is no loss."""
SILENT_SECONDS = 15.0
"""After so long without a live tick the venue is asked: the line may be down, not the market."""
NEWS_KEPT = 50
FULL = os.strerror(ENOSPC)
MERGES_A_STEP = 2


class Lost(Protocol):
    """Ids nobody has any more."""

    @property
    def symbol(self) -> str: ...
    @property
    def first(self) -> int: ...
    @property
    def last(self) -> int: ...
    @property
    def reason(self) -> str: ...


class Source(Protocol):
    """Where ticks come from, live and by id."""

    def take(self) -> tuple[list[Ticks], list[Ticks], Sequence[Lost]]: ...
    def want(self, missing: Iterable["Wanted"]) -> None: ...
    def want_after(self, symbol: str, last: int) -> None: ...
    def want_latest(self, symbol: str) -> None: ...
    def state(self) -> Mapping[str, Any]: ...
    @property
    def waiting(self) -> int: ...


class Poller(Protocol):
    """Where positioning comes from."""

    def take(self) -> list[positioning.Row]: ...
    def give_back(self, rows: Sequence[positioning.Row]) -> None: ...


Wanted = tuple[str, int, int]
"""A symbol, and the first and last id that is missing of it."""
Say = Callable[..., None]
"""``say(event, **fields)``: a constant name and what there is to say about it."""


class Collector:
    """Stores what a source gives in an archive. `step` is all it does."""

    def __init__(
        self,
        archive: Archive,
        source: Source,
        symbols: Sequence[str],
        clock: Clock,
        *,
        pid: int,
        say: Say,
        poller: Poller | None = None,
    ) -> None:
        self._archive = archive
        self._source = source
        self._poller = poller
        self._clock = clock
        self._say = say
        self._backlog: list[Ticks] = []
        self._open: dict[Wanted, float] = {}
        self._stepped_at = clock.monotonic()
        self._wished = frozenset(symbols)
        self._began_at = clock.monotonic()
        self._heard_at = dict.fromkeys(symbols, -inf)
        number = last_number(archive.root / NEWS)
        self.state = State(pid=pid, started_at=clock.now().timestamp(), number=number)
        self.state.symbols = {name: SymbolState() for name in symbols}
        self._set_aside_told = 0
        self._tell_set_aside()
        self._look_at_holes()

    def step(self) -> None:
        """Takes, stores, publishes, merges, and writes the news. Never raises for the disk."""
        live, refilled, lost = self._source.take()
        self._measure(live)
        self._keep([*live, *refilled])
        try:
            self._record_lost(lost)
            self._store()
            self._store_positioning()
            self._publish()
            self._merge()
            self._publish()
            self._archive.sweep()
            self._disk_works()
        except FAILURES as error:
            self._disk_fails(error)
        self._tell_set_aside()
        self._look_at_holes()
        self._write_news()

    def finish(self) -> None:
        """The last step, of a source that was stopped; its news are that it has ended."""
        self.state.has_ended = True
        self.step()

    @property
    def pause(self) -> float:
        """Seconds until the next step is due, in quiet times."""
        if self.state.disk_error:
            return RETRY_SECONDS
        return STEP_SECONDS if self.state.at else FIRST_STEP_SECONDS

    @property
    def is_pressed(self) -> bool:
        """Whether so much waits that the next step should not."""
        return not self.state.disk_error and self._source.waiting >= STEP_FRAMES

    # -- one step's parts ----------------------------------------------------------------------

    def _measure(self, live: Iterable[Ticks]) -> None:
        now, now_ms = self._clock.monotonic(), self._clock.now().timestamp() * 1000
        seconds, self._stepped_at = max(1e-3, now - self._stepped_at), now
        counts: dict[str, int] = dict.fromkeys(self.state.symbols, 0)
        for ticks in live:
            self._heard_at[ticks.symbol] = now
            counts[ticks.symbol] = counts.get(ticks.symbol, 0) + len(ticks)
            state = self.state.symbols.setdefault(ticks.symbol, SymbolState())
            state.lag_ms = int(now_ms - int(ticks.timestamp_ms[-1]))
        for symbol, count in counts.items():
            self.state.symbols[symbol].rate = round(count / seconds, 1)

    def _keep(self, batches: Iterable[Ticks]) -> None:
        """What does not fit is let go: its ids are missing then, and asked for later."""
        for ticks in batches:
            if self.state.backlog + len(ticks) <= MOST_BACKLOG:
                self._backlog.append(ticks)
                self.state.backlog += len(ticks)

    def _store(self) -> None:
        stored = self._archive.add(self._backlog)
        self._backlog, self.state.backlog = [], 0
        for symbol, rows in stored.items():
            self.state.symbols.setdefault(symbol, SymbolState()).stored += rows
            self.state.stored += rows

    def _record_lost(self, lost: Iterable[Lost]) -> None:
        for each in lost:
            self._archive.give_up(each.symbol, each.first, each.last, each.reason)
            self._tell(
                "hole_recorded",
                symbol=each.symbol,
                first_id=each.first,
                last_id=each.last,
                missing=each.last - each.first + 1,
                reason=each.reason,
            )

    def _store_positioning(self) -> None:
        if self._poller is None:
            return
        rows = self._poller.take()
        if not rows:
            return
        try:
            self._archive.add_positioning(rows)
        except FAILURES:
            self._poller.give_back(rows)
            raise
        self.state.positioning_rows += len(rows)

    def _merge(self) -> None:
        for group in self._archive.plan()[:MERGES_A_STEP]:
            try:
                self._archive.merge(group)
            except FAILURES:
                if not self._set_damaged_aside(group):
                    raise

    def _set_damaged_aside(self, group: Iterable[Segment]) -> bool:
        """Whether a merge failed because of a source: its ticks are then missing, and refilled."""
        damaged = [(x.path, reason) for x in group if (reason := damage(x))]
        for path, reason in damaged:
            self._archive.quarantine(path, reason)
        return bool(damaged)

    def _publish(self) -> None:
        while not self._archive.is_published:
            try:
                self._archive.publish()
            except FAILURES:
                if not self._set_damaged_aside(self._archive.heads()):
                    raise

    def _look_at_holes(self) -> None:
        """Asks for what is missing; tells what was and is not any more."""
        now = self._clock.monotonic()
        known = self._archive.holes()
        since = self._clock.now().timestamp() * 1000 - REFILL_DAYS * DAY_MS
        wanted = {
            (x.symbol, x.hole.first, x.hole.last)
            for x in known
            if not x.reason and x.hole.after_ms >= since
        }
        self._tell_filled(wanted, now)
        self._open = {key: self._open.get(key, now) for key in wanted}
        order = sorted(wanted, key=lambda x: (x[0] not in self._wished, x))
        self._source.want(self._not_waiting(order))
        self._look_after_the_silent(now)
        for symbol in {*self._archive.symbols, *(x.symbol for x in known)}:
            self._describe(symbol, [x for x in known if x.symbol == symbol])

    def _describe(self, symbol: str, known: Sequence[KnownHole]) -> None:
        state = self.state.symbols.setdefault(symbol, SymbolState())
        state.holes = sum(not x.reason for x in known)
        state.missing = sum(len(x.hole) for x in known if not x.reason)
        state.unfillable = sum(len(x.hole) for x in known if x.reason)
        segments = self._archive.segments(symbol)
        state.rows = sum(x.rows for x in segments)
        state.size = sum(x.size for x in segments)
        state.bytes_a_day = state.size // max(1, len({x.day for x in segments}))
        runs = self._archive.runs(symbol)
        state.last_id = runs[-1].last if runs else None
        state.last_ms = runs[-1].last_ms if runs else None

    def _not_waiting(self, wanted: Iterable[Wanted]) -> list[Wanted]:
        """What is not in memory already, waiting for the disk."""
        waiting: dict[str, tuple[Run, ...]] = {}
        for ticks in self._backlog:
            runs = (*waiting.get(ticks.symbol, ()), *ticks.in_order().runs())
            waiting[ticks.symbol] = joined(runs)
        return [
            (symbol, begin, end)
            for symbol, first, last in wanted
            for begin, end in lacking(waiting.get(symbol, ()), first, last)
        ]

    def _look_after_the_silent(self, now: float) -> None:
        """Also at the start, for what passed since the last one, and while there is no stream.

        Where there is nothing to go on from, the last tick there is makes a beginning, but not
        before the stream has had its time.
        """
        for symbol, heard_at in self._heard_at.items():
            end = self._recent_end(symbol)
            since = heard_at if end is not None else max(heard_at, self._began_at)
            if now - since < SILENT_SECONDS:
                continue
            if end is not None:
                self._source.want_after(symbol, end)
            else:
                self._source.want_latest(symbol)
            self._heard_at[symbol] = now

    def _recent_end(self, symbol: str) -> int | None:
        """The last id there is of a symbol; None when it is older than what is refilled."""
        runs = self._archive.runs(symbol)
        since = self._clock.now().timestamp() * 1000 - REFILL_DAYS * DAY_MS
        return runs[-1].last if runs and runs[-1].last_ms > since else None

    def _tell_filled(self, wanted: set[Wanted], now: float) -> None:
        for symbol in self._archive.symbols:
            runs = self._archive.runs(symbol)
            gone = [key for key in self._open if key[0] == symbol and key not in wanted]
            ticks = [
                sum(b - a + 1 for a, b in overlap(runs, first, last)) for _, first, last in gone
            ]
            if any(ticks):
                self.state.gaps_filled += sum(1 for each in ticks if each)
                oldest = min(self._open[key] for key in gone)
                self._tell(
                    "gap_filled",
                    symbol=symbol,
                    gaps=sum(1 for each in ticks if each),
                    ticks=sum(ticks),
                    seconds=round(now - oldest, 1),
                )

    # -- what is said --------------------------------------------------------------------------

    def _tell_set_aside(self) -> None:
        """Damaged files: their ticks are missing now, and thus asked for."""
        for file, reason in self._archive.set_aside[self._set_aside_told :]:
            self._tell("segment_quarantined", file=file, reason=reason)
        self._set_aside_told = len(self._archive.set_aside)

    def _disk_fails(self, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}".splitlines()[0][:160]
        if FULL in str(error):  # DuckDB wraps it in a page of JSON
            text = FULL
        if not self.state.disk_error:
            self._tell("archive_disk_failed", error=text)
        self.state.disk_error = text

    def _disk_works(self) -> None:
        if self.state.disk_error:
            self.state.disk_error = ""
            self._tell("archive_disk_recovered")

    def _tell(self, event: str, **fields: Any) -> None:
        self.state.number += 1
        self._say(event, **fields)
        self.state.news = [
            *self.state.news[-NEWS_KEPT + 1 :],
            {"number": self.state.number, "event": event, **fields},
        ]

    def _write_news(self) -> None:
        self.state.at = self._clock.now().timestamp()
        self.state.source = dict(self._source.state())
        try:
            write_news(self._archive.root / NEWS, self.state)
        except OSError as error:
            self._disk_fails(error)
