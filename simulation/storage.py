"""The daemon's folder on a virtual disk: the production book, journal and lock over it."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import orjson

from adapters.storage.book import open_book
from adapters.storage.chain import VerifyResult, read, verify
from adapters.storage.journal import DayJournal
from simulation.daemon import Opened
from simulation.disk import VirtualAppendFile, VirtualDisk, VirtualFiles, VirtualSyncs
from simulation.runtime import VirtualWorld

FOLDER, BOOK, JOURNAL = "data", "registry.json", "data/journal"


class FileStorage:
    """`simulation.daemon.Storage` with everything a real disk can do to it."""

    def __init__(self, world: VirtualWorld) -> None:
        self.disk = VirtualDisk(lambda seconds: _pause(world, seconds))
        self._holder: object | None = None

    def open(self, world: VirtualWorld) -> Opened:
        """As `commands.bot` opens it.

        Raises:
            OSError: the disk refuses; the process cannot start.
        """
        folder = self.disk.path(FOLDER)
        folder.mkdir()
        book = open_book(cast("Path", folder / BOOK), world.now(), VirtualFiles(folder))
        journal = DayJournal(
            cast("Path", self.disk.path(JOURNAL)), world, _append_file, VirtualSyncs()
        )
        return Opened(book, journal)

    # -- the lock ---------------------------------------------------------------------------

    def take(self, holder: object) -> bool:
        """The instance lock: the kernel gives it to one process at a time."""
        if self._holder is None:
            self._holder = holder
        return self._holder is holder

    def release(self, holder: object) -> None:
        """A process ended, in whatever way: the kernel takes its lock back."""
        if self._holder is holder:
            self._holder = None

    def crash(self, dice: random.Random, *, power_cut: bool) -> None:
        """The process is gone; with ``power_cut`` the machine was, and with it what it cached."""
        if power_cut:
            self.disk.crash(dice)

    # -- for judges -------------------------------------------------------------------------

    def durable_book(self) -> Mapping[str, Mapping[str, Any]]:
        """Tables by key, as a power cut at this moment would leave them."""
        blob = self.disk.durable(FOLDER, BOOK)
        return _tables(blob) if blob else {}

    def book(self) -> Mapping[str, Mapping[str, Any]]:
        """Tables by key, as a reader sees them."""
        inode = self.disk.folder(FOLDER).names.get(BOOK)
        return _tables(inode.data) if inode else {}

    def is_readable(self) -> bool:
        """Whether the book, if there is one, is a whole JSON text."""
        inode = self.disk.folder(FOLDER).names.get(BOOK)
        try:
            return inode is None or bool(orjson.loads(inode.data))
        except ValueError:
            return False

    def entries(self) -> list[dict[str, Any]]:
        """The journal, oldest first."""
        return list(read(cast("Path", self.disk.path(JOURNAL))))

    def chain(self) -> VerifyResult:
        """Whether the journal's chain holds."""
        return verify(cast("Path", self.disk.path(JOURNAL)))


def _append_file(path: Path) -> VirtualAppendFile:
    return VirtualAppendFile(path)


def _pause(world: VirtualWorld, seconds: float) -> None:
    if world.is_hub():
        return
    if seconds > 0:
        world.sleep(seconds)
    else:
        world.give_way()


def _tables(blob: bytes) -> dict[str, dict[str, Any]]:
    try:
        state = orjson.loads(blob)
    except ValueError:
        return {}
    return {
        name: {row["_key"]: row for row in table.values()}
        for name, table in state.items()
        if name != "_book"
    }
