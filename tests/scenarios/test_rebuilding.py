"""The book is lost: kill, pause and trades come back from the journal, whatever happens."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from actors.messages.book import (
    BookSnapshot,
    DiskRecovered,
    GetBook,
    RecordPause,
    RegistryRebuilt,
)
from actors.messages.trading import Ready
from simulation.daemon import Disk, DiskJournal, Opened
from simulation.runtime import VirtualWorld
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import Scene

ASIDE = "registry.unreadable.json"


def book(scene: Scene) -> BookSnapshot:
    found: BookSnapshot = scene.daemon.ask("registry", GetBook(at=scene.world.now()))
    return found


def is_owed(scene: Scene) -> bool:
    return "rebuilding" in scene.disk.tables.get("state", {})


def dies_after(scene: Scene, steps: int) -> None:
    last = scene.world.steps + steps
    scene.world.run_until(lambda: scene.world.steps >= last, 20)
    scene.crash()


def alerts(scene: Scene) -> list[str]:
    return [text for text in scene.phone.heard if "The registry was" in text]


@pytest.mark.parametrize("steps", range(0, 40, 4))
def test_a_start_that_dies_in_the_rebuild_leaves_it_to_the_next(stage: Stage, steps: int) -> None:
    """A kill is in force however often a start dies before the book is whole again."""
    scene = stage(steps).ready()
    assert scene.kill()
    scene.run(5)
    scene.crash()
    scene.boot(kept_aside=ASIDE)
    dies_after(scene, 3)
    scene.boot()
    dies_after(scene, steps)
    scene.boot()
    assert book(scene).kill is not None
    scene.wait(Ready)
    scene.run(5)
    assert not is_owed(scene)
    assert alerts(scene)


@pytest.mark.parametrize("steps", range(0, 40, 4))
def test_a_pause_and_a_trade_survive_it_too(stage: Stage, steps: int) -> None:
    """The trade is ours at once: its stop and its target stay what they were."""
    scene = stage(steps).ready()
    trade_id = scene.bracket()
    scene.run(1)
    scene.daemon.ask("registry", RecordPause(at=scene.world.now(), by="test"))
    scene.run(1)
    resting = {x.label for x in scene.live(trade_id)}
    scene.crash()
    scene.boot(kept_aside=ASIDE)
    dies_after(scene, steps)
    scene.boot()
    scene.wait(Ready)
    assert book(scene).pause is not None
    assert scene.booked == [trade_id]
    scene.run(40)
    assert {x.label for x in scene.live(trade_id)} == resting
    scene.settled()


@dataclass
class Unreadable(Disk):
    """A disk whose journal breaks off once in the middle when all of it is read."""

    failures: int = 0

    def open(self, world: VirtualWorld) -> Opened:
        opened = super().open(world)
        return Opened(opened.book, _Breaking(self))


class _Breaking(DiskJournal):
    def __init__(self, disk: Unreadable) -> None:
        super().__init__(disk)
        self._owner = disk

    def entries(self, *, days: int | None = None) -> Iterator[Mapping[str, Any]]:
        whole = list(super().entries(days=days))
        if days is None and self._owner.failures:
            self._owner.failures -= 1
            yield from whole[: len(whole) // 2]
            raise OSError(5, "Input/output error")
        yield from whole


def test_a_journal_that_cannot_be_read_once_costs_no_trade(stage: Stage) -> None:
    """The Registry starts again, and rebuilds then: the trade stays ours."""
    scene = stage()
    scene.disk = disk = Unreadable()
    scene.ready()
    trade_id = scene.bracket()
    scene.run(1)
    scene.crash()
    disk.failures = 1
    scene.boot(kept_aside=ASIDE)
    scene.wait(Ready)
    assert disk.failures == 0
    assert scene.events(RegistryRebuilt)[0].trades == 1
    assert [trade.id for trade in book(scene).trades] == [trade_id]
    scene.run(40)
    scene.settled()


def test_a_book_that_is_missing_beside_a_journal_is_rebuilt(stage: Stage) -> None:
    """Nobody put it aside, it is just gone: the kill holds all the same, and it is told."""
    scene = stage().ready()
    assert scene.kill()
    scene.run(5)
    scene.crash()
    scene.disk.tables.clear()
    scene.boot()
    assert scene.wait(RegistryRebuilt).kept_aside == ""
    assert book(scene).kill is not None
    scene.run(5)
    assert any("was missing" in text for text in alerts(scene))


def test_a_first_start_has_nothing_to_rebuild(stage: Stage) -> None:
    """Neither has the second, when the first died at once: there was no book to lose."""
    scene = stage()
    scene.boot()
    dies_after(scene, 2)
    scene.ready()
    assert not scene.events(RegistryRebuilt)
    assert not is_owed(scene)


def test_on_a_full_disk_the_rebuild_stays_owed_until_it_is_written(stage: Stage) -> None:
    """What could not be written is in force, and a crash before it is written loses nothing."""
    scene = stage().ready()
    assert scene.kill()
    scene.run(5)
    scene.crash()
    scene.disk.lose_book(ASIDE)
    scene.disk.is_full = True
    scene.boot()
    assert book(scene).kill is not None
    scene.crash()
    assert is_owed(scene)
    scene.boot()
    assert book(scene).kill is not None
    scene.disk.is_full = False
    scene.wait(DiskRecovered)
    scene.until(lambda: not is_owed(scene), limit=1)
    assert "kill" in scene.disk.tables["state"]
