"""Stored, merged, pruned and crashed in any order: no row is lost, doubled or changed."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.archive import files
from adapters.archive.store import Archive
from domain.compaction import DAY_MS
from domain.ticks import Ticks
from tests.adapters.archive.samples import HandClock, expected, opened, part, rows
from tests.adapters.archive.samples import tape as taped

COUNT = 240
MIDNIGHT_MS = 20_785 * DAY_MS
TICKS = taped(COUNT, start_ms=MIDNIGHT_MS - 9_000)
ROWS = expected(TICKS)
FIRST = int(TICKS.agg_id[0])
FIRST_DAY = frozenset(at for at in range(COUNT) if int(TICKS.timestamp_ms[at]) < MIDNIGHT_MS)


class Crash(BaseException):
    """The process ends here, as by `kill -9`."""


@dataclass
class Fuse:
    """Ends the process at a call that brings something to disk, so many of them from now."""

    left: int = -1
    real: Any = field(default=files.fsync)

    def __call__(self, path: Path) -> None:
        self.left -= 1
        if self.left == 0:
            raise Crash
        self.real(path)


def batches(start: int, length: int, step: int) -> list[Ticks]:
    """Some rows, every one or with holes, in two parts that overlap, the later first."""
    some = TICKS.take(slice(start, min(COUNT, start + length), step))
    middle = len(some) // 2
    return [part(some, middle, len(some)), part(some, 0, middle + 3)]


def places(given_batches: list[Ticks]) -> set[int]:
    return {int(x) - FIRST for each in given_batches for x in each.agg_id}


adding = st.tuples(
    st.just("add"), st.integers(0, COUNT - 1), st.integers(1, 120), st.sampled_from([1, 1, 1, 2])
)
others = st.sampled_from(["publish", "merge", "merge all", "prune", "sweep", "later", "restart"])
steps = st.lists(
    st.tuples(st.one_of(adding, st.tuples(others)), st.integers(0, 9)), min_size=3, max_size=12
)
ADD = ("add", 0, 120, 1)
COMES_BACK = [
    ADD,
    *((x,) for x in ("prune", "publish")),
    ADD,
    *((x,) for x in ("publish", "later", "later", "sweep", "publish")),
]


@dataclass
class World:
    """An archive on disk, and what must be in it. ``unsure`` was under way when it crashed."""

    root: Path
    clock: HandClock
    fuse: Fuse
    held: set[int] = field(default_factory=set[int])
    unsure: set[int] = field(default_factory=set[int])

    def do(self, archive: Archive, step: tuple[Any, ...]) -> None:
        match step:
            case ("add", start, length, every):
                given_batches = batches(start, length, every)
                self.unsure = places(given_batches)
                archive.add(given_batches)
                self.held |= self.unsure
            case ("publish",):
                archive.publish()
                assert rows(self.root) == [ROWS[at] for at in sorted(self.held)]
            case ("merge",) | ("merge all",):
                for group in archive.plan(everything=step == ("merge all",)):
                    archive.merge(group)
            case ("prune",):
                self.unsure = set(FIRST_DAY)
                self.held -= FIRST_DAY
                archive.prune(MIDNIGHT_MS // DAY_MS)
            case ("sweep",):
                archive.sweep()
            case ("later",):
                self.clock.pass_(400)
            case _:
                raise Crash
        self.unsure = set()

    def start(self) -> Archive:
        """What is there after a start: all that was told to be, and nothing else."""
        archive = opened(self.root, self.clock)
        found = {
            x - FIRST for run in archive.runs("BTCUSDT") for x in range(run.first, run.last + 1)
        }
        assert self.held <= found <= self.held | self.unsure
        self.held, self.unsure = found, set()
        assert rows(self.root) == [ROWS[at] for at in sorted(found)]
        assert archive.set_aside == []
        return archive


@settings(max_examples=15, deadline=None)
@given(steps)
@example([(step, 0) for step in COMES_BACK])
@example([(ADD, 0), (("add", 120, 120, 1), 0), (("merge all",), 2)])
@example([(ADD, 0), (("add", 120, 120, 1), 0), (("merge all",), 3)])
def test_no_order_of_events_loses_doubles_or_changes_a_row(
    story: list[tuple[tuple[Any, ...], int]],
) -> None:
    """A number beside a step ends the process at that write of the step, if it comes so far."""
    fuse = Fuse()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("adapters.archive.files.fsync", fuse)
        world = World(Path(folder), HandClock(MIDNIGHT_MS + 3_600_000), fuse)
        archive = world.start()
        for step, crash_at in story:
            fuse.left = crash_at or -1
            try:
                world.do(archive, step)
            except Crash:
                fuse.left = -1
                archive.close()
                archive = world.start()
            fuse.left = -1
        archive.close()
        world.start().close()
