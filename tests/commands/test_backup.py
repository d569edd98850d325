"""`run.py backup`: complete, readable elsewhere, without keys."""

import os
import tarfile
from pathlib import Path

import pytest

from commands.backup import newest
from tests.commands.running import data_of_a_bot, run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return data_of_a_bot(tmp_path)


def test_it_holds_book_and_journal_and_no_keys(folder: Path) -> None:
    """Under names that lead back into the data folder; for the owner only."""
    ran = run(folder, "backup")
    assert (ran.code, ran.errors) == (0, "")
    assert ".env is not in it" in ran.output
    archive = newest(folder / "backups", "paper")
    assert archive is not None
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as found:
        names = found.getnames()
    assert names[0] == "paper/registry.json"  # what ends meanwhile is in it, or in the journal
    assert [name for name in names if name.startswith("paper/journal/")]
    assert len(names) == 2


def test_it_is_on_disk_when_it_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name alone would outlive a power cut, and an older one may just have been removed."""
    fsync, synced = os.fsync, set[int]()

    def noted(descriptor: int) -> None:
        fsync(descriptor)
        synced.add(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", noted)
    assert run(folder, "backup").code == 0
    archive = newest(folder / "backups", "paper")
    assert archive is not None
    assert archive.stat().st_ino in synced


def test_nothing_to_back_up_is_said(tmp_path: Path) -> None:
    """Exit 1; an empty archive would be a false comfort."""
    ran = run(tmp_path, "backup")
    assert ran.code == 1
    assert "nothing to back up" in ran.errors


def test_a_journal_without_its_book_is_backed_up(folder: Path) -> None:
    """The book is lost: the journal is all there is, and worth keeping."""
    (folder / "data" / "paper" / "registry.json").unlink()
    ran = run(folder, "backup")
    assert ran.code == 0
    assert ": 1 files" in ran.output


def test_a_broken_journal_is_backed_up_and_said(folder: Path) -> None:
    """It is what there is. Who hears of it only when he restores has no whole archive any more."""
    (journal,) = (folder / "data" / "paper" / "journal").iterdir()
    first, _, last = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(first + last)
    ran = run(folder, "backup")
    assert ran.code == 0
    assert newest(folder / "backups", "paper") is not None
    assert f"BROKEN at {journal.name}:2: entry 2 expected, 3 found" in ran.errors
    assert "--broken-journal" in ran.errors


def test_a_folder_that_cannot_be_written_is_said(folder: Path) -> None:
    """Exit 1, no half an archive."""
    (folder / "backups").touch()
    ran = run(folder, "backup")
    assert ran.code == 1
    assert "Not backed up: " in ran.errors


UNREADABLE = Path("/proc/self/mem")
OLD = [f"bulwark-paper-2026010{day}T031500Z.tar.gz" for day in range(1, 6)]
OTHERS = (
    "bulwark-prod-20250101T031500Z.tar.gz",
    "bulwark-paper-20250101T031500Z.tar.gz.mine",
    "bulwark-paper-before-the-move.tar.gz",
    "notes.txt",
)


def fill(folder: Path) -> Path:
    backups = folder / "backups"
    backups.mkdir()
    for name in (*OLD, *OTHERS):
        (backups / name).touch()
    return backups


@pytest.mark.parametrize(("keep", "left"), [(1, []), (3, OLD[3:]), (9, OLD)])
def test_so_many_archives_are_kept(folder: Path, keep: int, left: list[str]) -> None:
    """The newest of this venue, the new one among them; what has another name is not ours."""
    backups = fill(folder)
    ran = run(folder, "backup", "--keep", str(keep))
    assert ran.code == 0
    made = newest(backups, "paper")
    assert made is not None
    assert made.stat().st_size > 0
    assert {path.name for path in backups.iterdir()} == {*left, *OTHERS, made.name}


@pytest.mark.skipif(not UNREADABLE.exists(), reason="no file here that root cannot read")
def test_without_a_new_archive_no_old_one_goes(folder: Path) -> None:
    """A file that cannot be read: what is there is all there is."""
    backups = fill(folder)
    (folder / "data/paper/journal/2026-01-01.jsonl").symlink_to(UNREADABLE)
    ran = run(folder, "backup", "--keep", "1")
    assert ran.code == 1
    assert "Not backed up: " in ran.errors
    assert {path.name for path in backups.iterdir()} == {*OLD, *OTHERS}
    assert run(folder, "backup", "--keep", "0").code == 2


def test_without_keep_nothing_is_removed(folder: Path) -> None:
    """Only who asks for it loses archives."""
    backups = fill(folder)
    assert run(folder, "backup").code == 0
    assert len(list(backups.iterdir())) == len(OLD) + len(OTHERS) + 1
