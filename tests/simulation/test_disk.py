"""What a crash takes from the simulated disk, and that the production storage survives it."""

from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import cast

import pytest

from adapters.storage.journal import DayJournal
from simulation.disk import VirtualAppendFile, VirtualDisk, VirtualFiles, VirtualSyncs
from simulation.runtime import VirtualWorld
from simulation.storage import FileStorage

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def dice_of(seed: int) -> Random:
    return Random(seed)  # noqa: S311 (reproducible on purpose)


def fates(seed: int, *, synced: bool) -> bytes:
    """What is left of a file that held ``old`` and was given ``newer``."""
    disk = VirtualDisk()
    files = VirtualFiles(disk.path("data"))
    at = disk.path("data/file")
    files.write(cast("Path", at), b"old")
    files.sync_folder()
    disk.grow(at.inode(), b"newer")
    if synced:
        disk.sync(at.inode())
    disk.crash(dice_of(seed))
    return at.read_bytes()


def test_what_was_not_synced_is_old_new_or_torn() -> None:
    """And what was synced is there."""
    assert {fates(seed, synced=True) for seed in range(50)} == {b"newer"}
    left = {fates(seed, synced=False) for seed in range(200)}
    assert {b"old", b"newer"} < left
    assert left <= {b"old", b"newer", b"nld", b"ned", b"new", b"newe"}


def test_names_are_lost_with_a_folder_that_was_not_synced() -> None:
    """In order: a later rename never survives an earlier one."""
    seen: set[tuple[str, ...]] = set()
    for seed in range(100):
        disk = VirtualDisk()
        files = VirtualFiles(disk.path("data"))
        files.sync_folder()
        for name in ("a", "b"):
            files.write(cast("Path", disk.path(f"data/{name}")), b"x")
        disk.crash(dice_of(seed))
        seen.add(tuple(sorted(disk.folder("data").names)))
    assert seen == {(), ("a",), ("a", "b")}


def test_a_full_disk_takes_a_part_and_lets_a_file_be_written_over() -> None:
    """What does not grow needs no room."""
    disk = VirtualDisk()
    at = disk.path("data/file")
    disk.grow(at.inode(make=True), b"0123456789")
    disk.is_full = True
    disk.grow(at.inode(), b"9876543210")
    with pytest.raises(OSError, match="No space left"):
        disk.grow(at.inode(), b"0123456789abcd")
    assert at.read_bytes() == b"0123456789ab"


@pytest.mark.parametrize("seed", range(40))
def test_what_the_book_and_the_journal_confirmed_survives_a_power_cut(seed: int) -> None:
    """At any operation of any call: what returned is there, what did not is there or not."""
    dice = dice_of(seed)
    world = VirtualWorld(seed)
    storage = FileStorage(world)
    confirmed: dict[str, int] = {}
    written: list[int] = []
    for life in range(4):
        opened = storage.open(world)
        assert {k: v["n"] for k, v in opened.book.load().get("t", {}).items()} == confirmed
        lines = [x["n"] for x in opened.journal.entries()]
        assert lines[: len(written)] == written
        written = lines
        stop = storage.disk.operations + dice.randrange(1, 60)
        _until(storage, stop)
        try:
            for number in range(100 * life, 100 * life + 30):
                key = str(number % 7)
                opened.journal.append({"n": number, "ts": NOW}, durable=True)
                written.append(number)
                opened.book.put("t", key, {"n": number})
                confirmed[key] = number
        except _PowerCut:
            pass
        _until(storage, None)
        storage.crash(dice, power_cut=True)
        found = {key: value["n"] for key, value in storage.book().get("t", {}).items()}
        # A number may be newer than the last confirmed one: the call was cut short, not undone.
        assert all(found[key] >= number for key, number in confirmed.items())
        confirmed = found
    assert storage.chain().ok


class _PowerCut(Exception):
    """In the middle of an operation."""


def _until(storage: FileStorage, stop: int | None) -> None:
    disk = storage.disk

    def pause(_: float) -> None:
        if stop is not None and disk.operations >= stop:
            raise _PowerCut

    disk._pause = pause


def test_yesterdays_lines_of_a_killed_process_survive_tomorrows_power_cut() -> None:
    """A successor that goes on in a new file first brings to disk what it goes on from.

    Found by the simulation: the chain began in the middle.
    """
    for seed in range(30):
        world = VirtualWorld()
        disk = VirtualDisk()
        folder = cast("Path", disk.path("data/journal"))
        first = DayJournal(folder, world, VirtualAppendFile, VirtualSyncs())
        for _ in range(3):
            first.append({"ts": "2026-01-05T23:59:00+00:00"}, durable=False)
        second = DayJournal(folder, world, VirtualAppendFile, VirtualSyncs())
        second.append({"ts": "2026-01-06T00:01:00+00:00"}, durable=True)
        disk.crash(dice_of(seed))
        journal = DayJournal(folder, world, VirtualAppendFile, VirtualSyncs())
        assert len(list(journal.entries())) == 4
