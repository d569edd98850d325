"""Collector: keeps an eye on the tick archive, so that a person hears of it as of all else.

The work is done by a process of its own (`run.py collect`): parsing and compressing ticks would
hold up the actors that trade. This actor reads what that process says every few seconds, and
publishes what is new. It may fall behind; nobody waits for it.
"""

from typing import ClassVar

from actors.kernel import Actor, Context, HandlerTable
from actors.messages.archive import (
    ArchiveDiskFailed,
    ArchiveDiskRecovered,
    ArchiveDue,
    CollectorLost,
    CollectorReturned,
    GapFilled,
    HoleRecorded,
    SegmentQuarantined,
    TicksStored,
)
from actors.ports import ArchiveNews, ArchiveState, TickArchive

LOOK_SECONDS = 5.0
SILENT_SECONDS = 60.0
TELL_SECONDS = 60.0
"""How often what was stored is told."""


class Collector(Actor):
    """Follows the collector's process and, where that is wished, keeps one running."""

    handlers: ClassVar[HandlerTable] = {}

    def __init__(self, context: Context, *, archive: TickArchive) -> None:
        super().__init__(context)
        self._archive = archive
        self._heard_at = self.clock.monotonic()
        self._state: ArchiveState | None = None
        self._is_lost = False
        self._told_at = self.clock.monotonic()
        self._told: tuple[int, int] = (0, 0)

    def recover(self) -> None:
        self._archive.keep()
        self.every(LOOK_SECONDS, ArchiveDue)

    def finish(self) -> None:
        self._archive.release()

    def on_archive_due(self, _: ArchiveDue) -> None:
        now = self.clock.monotonic()
        self._archive.keep()
        state, before = self._archive.look(), self._state
        if state is None or (before is not None and state.at == before.at):
            self._miss(now)
            return
        self._heard_at, self._state = now, state
        if self._is_lost:
            self._is_lost = False
            self.emit(CollectorReturned, pid=state.pid)
        self._tell_news(state, before)
        self._tell_stored(state, before, now)

    def _miss(self, now: float) -> None:
        """One that never was is missed only where one should be."""
        silent = now - self._heard_at
        is_expected = self._state is not None or self._archive.is_ours
        if is_expected and not self._is_lost and silent >= SILENT_SECONDS:
            self._is_lost = True
            self.emit(CollectorLost, silent_seconds=round(silent, 1))

    def _tell_news(self, state: ArchiveState, before: ArchiveState | None) -> None:
        """What happened since the last look; what another process said before us is history."""
        if before is None:
            return
        since = before.last_number if before.pid == state.pid else 0
        for news in state.news:
            if news.number > since:
                self._tell(news)

    def _tell(self, news: ArchiveNews) -> None:
        match news.event:
            case "gap_filled":
                self.emit(GapFilled, symbol=news.symbol, gaps=news.gaps, ticks=news.ticks)
            case "hole_recorded":
                first, last = news.first_id, news.last_id
                self.emit(
                    HoleRecorded,
                    symbol=news.symbol,
                    first_id=first,
                    last_id=last,
                    reason=news.reason,
                )
            case "segment_quarantined":
                self.emit(SegmentQuarantined, file=news.file, reason=news.reason)
            case "archive_disk_failed":
                self.emit(ArchiveDiskFailed, error=news.error)
            case "archive_disk_recovered":
                self.emit(ArchiveDiskRecovered)
            case other:
                self.log.warning("archive_news_unknown", news=other)

    def _tell_stored(self, state: ArchiveState, before: ArchiveState | None, now: float) -> None:
        if before is None or before.pid != state.pid:
            self._told = (state.pid, state.stored if before is None else 0)
            self._told_at = now
        if now - self._told_at < TELL_SECONDS:
            return
        self.emit(
            TicksStored,
            ticks=state.stored - self._told[1],
            seconds=round(now - self._told_at, 1),
            holes=state.holes,
            lag_ms=state.lag_ms,
            bytes_per_tick=state.bytes_per_tick,
        )
        self._told, self._told_at = (state.pid, state.stored), now


Collector.handlers = {ArchiveDue: Collector.on_archive_due}
