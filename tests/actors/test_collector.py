"""The bot's Collector: what it tells of the archive's process, and what it does not."""

from dataclasses import dataclass, field, replace
from decimal import Decimal

from actors.messages.archive import (
    ArchiveDiskFailed,
    CollectorLost,
    CollectorReturned,
    GapFilled,
    HoleRecorded,
    SegmentQuarantined,
    TicksStored,
)
from actors.ports import ArchiveNews, ArchiveState
from simulation.daemon import Disk, VirtualDaemon
from simulation.runtime import VirtualWorld
from simulation.venue import VirtualMarket

STATE = ArchiveState(pid=7, at=1.0, stored=100, holes=2, lag_ms=40, bytes_per_tick=Decimal("3.4"))


@dataclass
class HandArchive:
    """Says what a test lets it say; each look is a moment later."""

    state: ArchiveState | None = None
    is_ours: bool = False
    is_silent: bool = False
    kept: int = 0
    released: int = 0
    news: list[ArchiveNews] = field(default_factory=list[ArchiveNews])

    def keep(self) -> None:
        self.kept += 1

    def look(self) -> ArchiveState | None:
        if self.state is not None and not self.is_silent:
            self.state = replace(self.state, at=self.state.at + 5, stored=self.state.stored + 50)
            self.state = replace(self.state, news=tuple(self.news))
        return self.state

    def release(self) -> None:
        self.released += 1


def daemon(archive: HandArchive) -> VirtualDaemon:
    world = VirtualWorld(1)
    return VirtualDaemon(world, VirtualMarket(world), Disk(), archive=archive)


def news(number: int, event: str, **more: object) -> ArchiveNews:
    return ArchiveNews(number=number, event=event, **more)  # type: ignore[arg-type]


def test_what_is_stored_is_told_once_a_minute() -> None:
    """With the ticks since the last time."""
    bot = daemon(HandArchive(STATE))
    bot.world.run_for(200)
    told = bot.events(TicksStored)
    assert len(told) == 3
    assert [x.ticks for x in told] == [10 * x.seconds for x in told]
    assert (told[0].holes, told[0].lag_ms, told[0].bytes_per_tick) == (2, 40, Decimal("3.4"))


def test_what_happens_is_told_once_and_what_happened_before_is_not() -> None:
    """Numbers of the process decide; a new process begins to count again."""
    archive = HandArchive(STATE, news=[news(1, "archive_disk_failed", error="old")])
    bot = daemon(archive)
    bot.world.run_for(20)
    assert bot.events(ArchiveDiskFailed) == []
    archive.news += [
        news(2, "gap_filled", symbol="BTCUSDT", gaps=1, ticks=30),
        news(3, "hole_recorded", symbol="BTCUSDT", first_id=5, last_id=9, reason="gone"),
        news(4, "segment_quarantined", file="x.parquet", reason="damaged"),
        news(5, "archive_disk_failed", error="no space"),
    ]
    bot.world.run_for(20)
    assert [(x.gaps, x.ticks) for x in bot.events(GapFilled)] == [(1, 30)]
    assert [(x.first_id, x.last_id) for x in bot.events(HoleRecorded)] == [(5, 9)]
    assert [x.file for x in bot.events(SegmentQuarantined)] == ["x.parquet"]
    assert [x.error for x in bot.events(ArchiveDiskFailed)] == ["no space"]
    archive.state = replace(STATE, pid=8, at=1_000.0, stored=0)
    archive.news = [news(1, "gap_filled", symbol="BTCUSDT", gaps=2, ticks=2)]
    bot.world.run_for(20)
    assert len(bot.events(GapFilled)) == 2


def test_a_collector_that_falls_silent_is_missed_once_and_welcomed_back() -> None:
    """A minute of silence is too long."""
    archive = HandArchive(STATE)
    bot = daemon(archive)
    bot.world.run_for(20)
    archive.is_silent = True
    bot.world.run_for(300)
    assert len(bot.events(CollectorLost)) == 1
    archive.is_silent = False
    bot.world.run_for(20)
    assert [x.pid for x in bot.events(CollectorReturned)] == [7]


def test_one_that_never_was_is_missed_only_where_it_is_ours() -> None:
    """A bot without a collector is a bot like any other."""
    for is_ours in (False, True):
        archive = HandArchive(None, is_ours=is_ours)
        bot = daemon(archive)
        bot.world.run_for(300)
        assert len(bot.events(CollectorLost)) == is_ours
        assert archive.kept > 10
        bot.stop()
        assert archive.released == 1
