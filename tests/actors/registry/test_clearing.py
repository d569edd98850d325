"""A kill or a pause whose end the disk did not take goes on, in the book as well as here."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.kernel import ChildSpec
from actors.messages.book import (
    ClearKill,
    ClearPause,
    DiskRecovered,
    Recorded,
    RecordKill,
    RecordPause,
)
from actors.registry import Registry
from adapters.storage.book import read_book
from adapters.storage.journal import DayJournal
from simulation.runtime import EPOCH
from tests.actors.kernel.support import Rig
from tests.adapters.storage.fakes import FailingFiles
from tests.adapters.storage.test_book import opened

Switch = RecordKill | ClearKill | RecordPause | ClearPause
KILL = (
    RecordKill(at=EPOCH, reason="a test", by="desk", day="2026-01-05", until_midnight=False),
    ClearKill(at=EPOCH, reason="desk"),
)
PAUSE = (RecordPause(at=EPOCH, by="desk"), ClearPause(at=EPOCH, by="desk"))
BOTH = [pytest.param("kill", *KILL, id="kill"), pytest.param("pause", *PAUSE, id="pause")]


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.close()


def started(rig: Rig, files: FailingFiles) -> FailingFiles:
    """A Registry on a disk without hard links: what fails there late cannot be taken back."""
    files.fail("link", number=errno.EPERM)
    journal = DayJournal(files.folder / "journal", rig.world)
    arguments = {"book": opened(files.folder, files), "journal": journal}
    rig.children.append(ChildSpec(name="registry", actor=Registry, arguments=arguments))
    rig.start()
    rig.run(0)
    return files


def asked(rig: Rig, message: Switch) -> bool:
    recorded: Recorded = rig.system.address("registry").ask(message, timeout=5)
    return recorded.ok


@pytest.mark.parametrize(("key", "begin", "end"), BOTH)
def test_a_failed_end_leaves_it_on_disk(
    rig: Rig, tmp_path: Path, key: str, begin: Switch, end: Switch
) -> None:
    """The folder could not be synced, and the new file without it stood there already."""
    files = started(rig, FailingFiles(tmp_path))
    assert asked(rig, begin)
    files.failing["sync"] = errno.EIO
    assert not asked(rig, end)
    assert key in read_book(tmp_path / "registry.json")["state"]
    del files.failing["sync"]
    rig.run(3)
    assert rig.events(DiskRecovered)
    assert key in read_book(tmp_path / "registry.json")["state"]
    assert asked(rig, end)
    assert key not in read_book(tmp_path / "registry.json")["state"]


class Fading(FailingFiles):
    """Once the folder could not be synced, nothing can be written any more."""

    def sync_folder(self) -> None:
        try:
            super().sync_folder()
        except OSError:
            self.failing["write"] = errno.EIO
            raise


@pytest.mark.parametrize(("key", "begin", "end"), BOTH)
def test_a_failed_end_is_made_good_when_the_disk_allows(
    rig: Rig, tmp_path: Path, key: str, begin: Switch, end: Switch
) -> None:
    """What could not be written again at once is, before the disk counts as well."""
    files = started(rig, Fading(tmp_path))
    assert asked(rig, begin)
    files.failing["sync"] = errno.EIO
    assert not asked(rig, end)
    assert key not in read_book(tmp_path / "registry.json")["state"]
    files.fail("link", number=errno.EPERM)
    rig.run(3)
    assert rig.events(DiskRecovered)
    assert key in read_book(tmp_path / "registry.json")["state"]
