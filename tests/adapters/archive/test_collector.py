"""The collector's steps: what it asks for, what it says, and what a full disk costs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from adapters.archive import collector as module
from adapters.archive.collector import Collector
from adapters.archive.news import last_number
from adapters.archive.store import Archive
from adapters.binance.refill import Missing
from domain.ticks import Ticks
from tests.adapters.archive.samples import (
    NOON_MS,
    HandClock,
    expected,
    opened,
    part,
    query,
    rows,
    tape,
)


@dataclass
class HandSource:
    """Gives what a test puts in; remembers what it was asked for."""

    live: list[Ticks] = field(default_factory=list[Ticks])
    refilled: list[Ticks] = field(default_factory=list[Ticks])
    lost: list[Missing] = field(default_factory=list[Missing])
    wanted: list[tuple[str, int, int]] = field(default_factory=list[tuple[str, int, int]])
    after: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    latest: list[str] = field(default_factory=list[str])
    waiting: int = 0

    def take(self) -> tuple[list[Ticks], list[Ticks], list[Missing]]:
        given = self.live, self.refilled, self.lost
        self.live, self.refilled, self.lost = [], [], []
        return given

    def want(self, missing: Iterable[tuple[str, int, int]]) -> None:
        self.wanted = list(missing)

    def want_after(self, symbol: str, last: int) -> None:
        self.after.append((symbol, last))

    def want_latest(self, symbol: str) -> None:
        self.latest.append(symbol)

    def state(self) -> Mapping[str, int | bool]:
        return {"connected": True}


@dataclass
class Scene:
    """A collector, its clock, its source, and what it said."""

    archive: Archive
    clock: HandClock
    source: HandSource
    said: list[tuple[str, dict[str, Any]]]
    collector: Collector

    def step(self, *live: Ticks, seconds: float = 5.0) -> None:
        self.source.live += live
        self.clock.pass_(seconds)
        self.collector.step()

    def events(self, name: str) -> list[dict[str, Any]]:
        return [fields for event, fields in self.said if event == name]


@pytest.fixture
def scene(tmp_path: Path) -> Iterable[Scene]:
    clock, source, said = HandClock(), HandSource(), list[tuple[str, dict[str, Any]]]()
    with opened(tmp_path, clock) as archive:
        made = Collector(
            archive,
            source,
            ["BTCUSDT"],
            clock,
            pid=7,
            say=lambda event, **fields: said.append((event, fields)),
        )
        yield Scene(archive, clock, source, said, made)


def test_a_hole_is_asked_for_and_told_when_it_is_filled(scene: Scene) -> None:
    """By its ids; and with how many ticks and how long it took."""
    ticks = tape(300)
    first = int(ticks.agg_id[0])
    scene.step(part(ticks, 0, 100), part(ticks, 150, 200))
    assert scene.source.wanted == [("BTCUSDT", first + 100, first + 149)]
    assert scene.collector.state.symbols["BTCUSDT"].missing == 50
    scene.source.refilled = [part(ticks, 100, 150)]
    scene.step(part(ticks, 200, 300))
    assert scene.source.wanted == []
    assert scene.events("gap_filled") == [
        {"symbol": "BTCUSDT", "gaps": 1, "ticks": 50, "seconds": 5.0}
    ]
    assert rows(scene.archive.root) == expected(ticks)


def test_symbols_that_are_wished_come_first(scene: Scene) -> None:
    """Whatever else the archive holds; at every step."""
    other, ticks = tape(300, "AAAUSDT"), tape(300)
    scene.archive.add([part(other, 0, 100)])
    scene.archive.add([part(other, 200, 300)])
    for start in (0, 150):
        scene.step(part(ticks, start, start + 100))
        scene.step()
    assert [symbol for symbol, _, _ in scene.source.wanted] == ["BTCUSDT", "AAAUSDT"]


def test_what_nobody_has_is_recorded_once(scene: Scene) -> None:
    """With its bounds, in the view and in the log, and is not asked for again."""
    ticks = tape(300)
    first = int(ticks.agg_id[0])
    scene.step(part(ticks, 0, 100), part(ticks, 150, 200))
    scene.source.lost = [Missing("BTCUSDT", first + 100, first + 149, "the venue does not have it")]
    scene.step()
    scene.step()
    assert scene.source.wanted == []
    assert [x["missing"] for x in scene.events("hole_recorded")] == [50]
    found = query(scene.archive.root, "SELECT state, missing, reason FROM holes")
    assert found == [("unfillable", 50, "the venue does not have it")]
    assert scene.collector.state.symbols["BTCUSDT"].unfillable == 50


def test_a_full_disk_stops_the_writing_and_nothing_else(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said once; what comes is kept, and stored when there is room; readers read on."""
    ticks = tape(1_000)
    scene.step(part(ticks, 0, 100))
    with monkeypatch.context() as patch:
        patch.setattr("adapters.archive.segments.install", _full)
        for start in range(100, 500, 100):
            scene.step(part(ticks, start, start + 100))
        assert scene.collector.state.disk_error == "No space left on device"
        assert scene.collector.state.backlog == 400
        assert rows(scene.archive.root) == expected(part(ticks, 0, 100))
    scene.step(part(ticks, 500, 1_000))
    assert [event for event, _ in scene.said] == ["archive_disk_failed", "archive_disk_recovered"]
    assert scene.collector.state.stored == 1_000
    assert rows(scene.archive.root) == expected(ticks)


def test_what_a_full_disk_made_it_let_go_is_asked_for(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded; every tick has a number, so what was dropped is known."""
    monkeypatch.setattr(module, "MOST_BACKLOG", 250)
    ticks = tape(1_000)
    first = int(ticks.agg_id[0])
    scene.step(part(ticks, 0, 100))
    with monkeypatch.context() as patch:
        patch.setattr("adapters.archive.segments.install", _full)
        for start in range(100, 500, 100):
            scene.step(part(ticks, start, start + 100))
    scene.step()
    scene.step(part(ticks, 500, 600))
    assert scene.source.wanted == [("BTCUSDT", first + 300, first + 499)]


def test_what_waits_for_the_disk_is_not_fetched_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refilled hole is in memory though not on disk; the venue's weight is for the others."""
    ticks = tape(1_000)
    first = int(ticks.agg_id[0])
    scene.step(part(ticks, 0, 100), part(ticks, 200, 300), part(ticks, 400, 500))
    monkeypatch.setattr("adapters.archive.segments.install", _full)
    scene.source.refilled = [part(ticks, 100, 200), part(ticks, 350, 360)]
    scene.step()
    assert scene.source.wanted == [
        ("BTCUSDT", first + 300, first + 349),
        ("BTCUSDT", first + 360, first + 399),
    ]


def test_a_catalogue_that_could_not_be_replaced_is_tried_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored counts once, and is visible as soon as the disk takes the catalogue."""
    ticks = tape(200)
    with monkeypatch.context() as patch:
        patch.setattr("adapters.archive.catalogue.install", _full)
        scene.step(part(ticks, 0, 200))
        assert scene.collector.state.disk_error
    scene.step()
    assert scene.collector.state.stored == 200
    assert rows(scene.archive.root) == expected(ticks)


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_silent_line_makes_it_ask_the_venue(scene: Scene) -> None:
    """The market may be quiet, or the line may be down: only the venue knows."""
    ticks = tape(300)
    scene.step(ticks)
    last = int(ticks.agg_id[-1])
    scene.step()
    assert scene.source.after == []
    for _ in range(3):
        scene.step()
    assert scene.source.after == [("BTCUSDT", last)]


def test_the_start_asks_for_what_passed_meanwhile(tmp_path: Path) -> None:
    """Before the first live tick; but not for a week long gone."""
    ticks = tape(100)
    for days, asked in ((0, [("BTCUSDT", int(ticks.agg_id[-1]))]), (8, [])):
        clock, source = HandClock(NOON_MS + days * 86_400_000), HandSource()
        with opened(tmp_path, clock) as archive:
            archive.add([ticks])
            Collector(archive, source, ["BTCUSDT"], clock, pid=7, say=_nothing)
        assert source.after == asked


@pytest.mark.parametrize("days", [0, 8])
def test_a_stream_that_never_brings_anything_makes_it_ask_for_the_latest(
    scene: Scene, days: int
) -> None:
    """Of an empty archive, or one that ends a week ago; not before the stream has had its time."""
    ticks = tape(300)
    if days:
        scene.archive.add([part(ticks, 0, 100)])
        scene.clock.pass_(days * 86_400)
    for _ in range(2):
        scene.step()
        assert scene.source.latest == ([] if not days else ["BTCUSDT"])
    scene.step()
    assert scene.source.latest == ["BTCUSDT"]
    newer = tape(300, start_ms=NOON_MS + days * 86_400_000)
    scene.source.refilled = [part(newer, 200, 201)]
    for _ in range(3):
        scene.step()
    assert scene.source.after == [("BTCUSDT", int(ticks.agg_id[200]))]
    assert scene.source.wanted == []


def test_an_old_hole_is_left_to_a_person(scene: Scene) -> None:
    """A year between two imports is no outage to refill."""
    ticks = tape(300, start_ms=NOON_MS - 30 * 86_400_000)
    scene.step(part(ticks, 0, 100), part(ticks, 150, 300))
    assert scene.collector.state.symbols["BTCUSDT"].holes == 1
    assert scene.source.wanted == []


@pytest.mark.parametrize("jump", [-86_400.0, 3 * 86_400.0])
def test_a_clock_that_jumps_costs_nothing(scene: Scene, jump: float) -> None:
    """Ticks carry the venue's time; ours only measures."""
    ticks = tape(600)
    scene.step(part(ticks, 0, 200))
    scene.clock.jump(jump)
    scene.step(part(ticks, 200, 400))
    scene.clock.jump(-jump)
    scene.step(part(ticks, 400, 600))
    assert rows(scene.archive.root) == expected(ticks)
    assert scene.events("archive_disk_failed") == []


def test_small_segments_become_fewer_as_it_goes(scene: Scene) -> None:
    """Without a row lost on the way, and without a name that another process could miss."""
    ticks = tape(900)
    for start in range(0, 900, 50):
        scene.step(part(ticks, start, start + 50))
        assert len(rows(scene.archive.root)) == start + 50
    assert len(scene.archive.segments()) < 8
    assert rows(scene.archive.root) == expected(ticks)


def test_a_source_of_a_merge_that_is_damaged_is_set_aside_and_refilled(scene: Scene) -> None:
    """The merge goes on without it; its ids are asked for."""
    ticks = tape(2_000)
    first = int(ticks.agg_id[0])
    for start in range(0, 350, 50):
        scene.step(part(ticks, start, start + 50))
    victim = min(scene.archive.segments(), key=lambda x: x.first_id).path
    victim.write_bytes(victim.read_bytes()[:300])
    scene.step(part(ticks, 350, 400))
    assert [x["file"] for x in scene.events("segment_quarantined")] == [victim.name]
    assert scene.source.wanted == [("BTCUSDT", first, first + 49)]
    scene.source.refilled = [part(ticks, 0, 50)]
    scene.step()
    assert scene.events("archive_disk_failed") == []
    assert rows(scene.archive.root) == expected(part(ticks, 0, 400))
    assert first == scene.archive.runs("BTCUSDT")[0].first


def test_a_symbols_only_file_that_is_damaged_is_refilled(tmp_path: Path) -> None:
    """After a restart too: its name in quarantine says what was in it. It is shown meanwhile."""
    ticks, clock = tape(100), HandClock()
    with opened(tmp_path, clock) as archive:
        archive.add([ticks])
        victim = archive.segments()[0].path
    victim.write_bytes(b"no parquet")
    first, last = int(ticks.agg_id[0]), int(ticks.agg_id[-1])
    for _ in range(2):
        source = HandSource()
        with opened(tmp_path, clock) as archive:
            made = Collector(archive, source, ["BTCUSDT"], clock, pid=7, say=_nothing)
            assert source.wanted == [("BTCUSDT", first, last)]
            assert made.state.symbols["BTCUSDT"].missing == 100
    source.refilled = [ticks]
    with opened(tmp_path, clock) as archive:
        Collector(archive, source, ["BTCUSDT"], clock, pid=7, say=_nothing).step()
        assert source.wanted == []
    assert rows(tmp_path) == expected(ticks)


def test_the_news_say_how_it_is(scene: Scene) -> None:
    """A small file for whoever watches: numbers, and what happened last."""
    ticks = tape(1_000)
    scene.step(part(ticks, 0, 500), part(ticks, 600, 1_000))
    news = orjson.loads((scene.archive.root / "collector.json").read_bytes())
    mine = news["symbols"]["BTCUSDT"]
    assert (news["pid"], news["stored"], news["disk_error"]) == (7, 900, "")
    assert (mine["rate"], mine["missing"], mine["holes"]) == (180.0, 100, 1)
    assert 0 < news["bytes_per_tick"] < 20
    assert mine["last_id"] == int(ticks.agg_id[-1])


def test_a_full_disk_is_in_the_news_all_the_same(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No new file can be made, so the old one is written over, without growing."""
    ticks = tape(200)
    scene.step(part(ticks, 0, 100))
    file = scene.archive.root / "collector.json"
    before = file.stat()
    monkeypatch.setattr("adapters.archive.segments.install", _full)
    monkeypatch.setattr(Path, "write_bytes", _full)
    scene.step(part(ticks, 100, 200))
    news = orjson.loads(file.read_bytes())
    assert news["disk_error"] == "No space left on device"
    assert [x["event"] for x in news["news"]] == ["archive_disk_failed"]
    assert (file.stat().st_ino, file.stat().st_size) == (before.st_ino, before.st_size)


def test_a_new_collector_counts_its_news_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container it may have the same pid: by their numbers the bot tells new from old."""
    ticks, numbers = tape(400), list[list[int]]()
    for has_news in (True, False, True):
        clock, source = HandClock(), HandSource(live=[part(ticks, 0, 100)])
        with opened(tmp_path, clock) as archive, monkeypatch.context() as patch:
            made = Collector(archive, source, ["BTCUSDT"], clock, pid=7, say=_nothing)
            if has_news:
                patch.setattr("adapters.archive.catalogue.install", _full)
                archive.is_published = False
            made.step()
        told = orjson.loads((tmp_path / "collector.json").read_bytes())
        numbers.append([x["number"] for x in told["news"]])
    assert numbers == [[1], [], [2]]


@pytest.mark.parametrize(
    "text", ["", "[", "[1]", "{}", '{"news": 5}', '{"news": [{"number": "x"}]}', '{"number": null}']
)
def test_news_of_before_that_mean_nothing_hold_up_nobody(tmp_path: Path, text: str) -> None:
    """Half a file, or another's: it counts from one."""
    path = tmp_path / "collector.json"
    assert last_number(path) == 0
    path.write_text(text)
    assert last_number(path) == 0
    path.write_text('{"news": [{"number": 4}, {"number": 5}]}')
    assert last_number(path) == 5


def test_its_last_news_are_that_it_has_ended(scene: Scene) -> None:
    """What came is stored, and nobody takes it for one that runs."""
    ticks = tape(100)
    scene.source.live = [ticks]
    scene.collector.finish()
    assert orjson.loads((scene.archive.root / "collector.json").read_bytes())["has_ended"]
    assert rows(scene.archive.root) == expected(ticks)


def _nothing(event: str, **fields: Any) -> None:
    del event, fields
