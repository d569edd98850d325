"""`run.py restore`: whole or not at all, nothing lost, and what is forgotten by it is said."""

import errno
import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from actors.ports import REBUILDING
from adapters.clock import SystemClock
from adapters.paper.store import AccountStore
from adapters.storage.book import open_book
from adapters.storage.chain import verify
from adapters.storage.journal import DayJournal
from adapters.storage.lock import InstanceLock
from tests.commands.running import data_of_a_bot, run

DAY = {
    "event": "day_began",
    "day": "2026-03-02",
    "equity_usd": "1000",
    "equity": ["BTC=0.01"],
}
KILL = {"event": "kill_switch_activated", "reason": "a person", "by": "api", "day": "2026-03-02"}
PAUSE = {"event": "entries_paused", "by": "api", "ts": "2026-03-02T10:00:00+00:00"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Data of a bot, and a backup of them."""
    data_of_a_bot(tmp_path)
    assert run(tmp_path, "backup").code == 0
    return tmp_path


def place(folder: Path) -> Path:
    return folder / "data" / "paper"


def befores(folder: Path) -> list[Path]:
    return sorted((folder / "data").glob("paper.before-*"))


def wrote_book(folder: Path, *, is_owed: bool = False, **state: Mapping[str, object]) -> None:
    """A book that can be read; with ``is_owed`` a start adds to it what the journal has."""
    path = place(folder) / "registry.json"
    path.unlink()
    book = open_book(path, SystemClock().now())
    for key, document in state.items():
        book.put("state", key, document)
    if not is_owed:
        book.remove(*REBUILDING)
    book.close()


def happened(folder: Path, *entries: Mapping[str, object]) -> None:
    """After the backup."""
    journal = DayJournal(place(folder) / "journal", SystemClock())
    for entry in entries:
        journal.append(dict(entry), durable=True)
    journal.close()


def packed(folder: Path, name: str, **files: bytes) -> Path:
    """An archive somebody else made."""
    (folder / "backups").mkdir(exist_ok=True)
    path = folder / "backups" / name
    with tarfile.open(path, "w:gz") as archive:
        for each, content in files.items():
            entry = tarfile.TarInfo(each.replace("__", "/"))
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def test_the_newest_of_this_venue_comes_back(folder: Path) -> None:
    """What was there is kept beside it, and a lock of nobody's is no bot."""
    (folder / "backups" / "bulwark-testnet-20990101T000000Z.tar.gz").touch()
    (place(folder) / "registry.json").write_text("damaged", "utf-8")
    (place(folder) / "of-today").touch()
    ran = run(folder, "restore")
    assert ran.code == 0, ran
    assert ran.output.startswith("restored: backups/bulwark-paper-")
    assert "FORGOTTEN" not in ran.output
    assert (place(folder) / "registry.json").read_text("utf-8") == "{}"
    assert not (place(folder) / "of-today").exists()
    (before,) = befores(folder)
    assert (before / "of-today").exists()
    assert not list((folder / "data").glob("*.restoring-*"))
    assert (before / "registry.json").read_text("utf-8") == "damaged"
    result = verify(place(folder) / "journal")
    assert (result.ok, result.entries) == (True, 3)
    assert {x.stat().st_mode & 0o777 for x in place(folder).rglob("*") if x.is_file()} == {0o600}


def test_what_came_back_is_on_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut a moment later must not leave empty files where the book and the journal were."""
    fsync, synced = os.fsync, set[int]()

    def noted(descriptor: int) -> None:
        fsync(descriptor)
        synced.add(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", noted)
    assert run(folder, "restore").code == 0
    kept = [place(folder) / "registry.json", *(place(folder) / "journal").iterdir()]
    assert len(kept) == 2
    assert {path.stat().st_ino for path in kept} <= synced


def test_data_that_were_moved_away_are_named_when_nothing_came(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails between the two renames: the next start would begin with nothing."""
    rename = Path.rename

    def fails(path: Path, target: Path) -> Path:
        if ".restoring-" in str(path):
            raise OSError(errno.EIO, "Input/output error", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails)
    ran = run(folder, "restore")
    (before,) = befores(folder)
    assert ran.code == 1
    assert f"The data are in data/{before.name}: move them back" in ran.errors
    assert (before / "registry.json").exists()


def test_on_an_empty_machine_it_is_all_there_is(folder: Path, tmp_path: Path) -> None:
    """Nothing was there before, so nothing is kept."""
    (archive,) = (folder / "backups").iterdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    ran = run(elsewhere, "restore", str(archive))
    assert (ran.code, befores(elsewhere)) == (0, [])
    assert (place(elsewhere) / "registry.json").read_text("utf-8") == "{}"


def test_not_under_a_living_bot(folder: Path) -> None:
    """It would go on with the folder that is moved away, and beside it a second one would start."""
    with InstanceLock(place(folder) / "bot.lock"):
        ran = run(folder, "restore")
    assert ran.code == 1
    assert "another instance is running" in ran.errors
    assert befores(folder) == []


def test_not_under_a_living_exchange(folder: Path) -> None:
    """It would save into the folder that is moved away, and the restored account would stay."""
    store = AccountStore(place(folder) / "exchange")
    store.rewrite(b"{}")
    ran = run(folder, "restore")
    store.close()
    assert ran.code == 1
    assert "stop it first (supervisorctl stop exchange" in ran.errors
    assert befores(folder) == []
    assert run(folder, "restore").code == 0
    (before,) = befores(folder)
    assert (before / "exchange" / "account.log").exists()


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"prod__registry.json": b"{}"}, "no backup of paper: it holds 'prod/registry.json'"),
        ({"paper__..__..__.env": b""}, "no backup of paper: it holds 'paper/../../.env'"),
        ({"paper__journal__2026-01-01.jsonl": b"{}\n"}, "the journal in "),
        ({}, "is empty"),
    ],
)
def test_what_is_no_sound_backup_changes_nothing(
    folder: Path, files: Mapping[str, bytes], why: str
) -> None:
    """Of another venue, with a way out of the folder, with a broken journal, without anything."""
    ran = run(folder, "restore", str(packed(folder, "theirs.tar.gz", **files)))
    assert ran.code == 1
    assert "Not restored: " in ran.errors
    assert why in ran.errors
    assert (place(folder) / "pulse").exists()
    assert sorted(x.name for x in (folder / "data").iterdir()) == ["paper"]


@pytest.mark.parametrize("is_owed", [False, True])
def test_a_broken_journal_comes_back_for_who_says_so(folder: Path, *, is_owed: bool) -> None:
    """A day of it is gone for good: every archive is like that from then on."""
    (journal,) = (place(folder) / "journal").iterdir()
    first, _, last = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(first + last)
    wrote_book(folder, is_owed=is_owed)
    assert run(folder, "backup", "--to", "backups/of-now").code == 0
    (archive,) = (folder / "backups" / "of-now").iterdir()
    refused = run(folder, "restore", str(archive))
    assert (refused.code, befores(folder)) == (1, [])
    assert f"broken at {journal.name}:2" in refused.errors
    assert "--broken-journal" in refused.errors
    ran = run(folder, "restore", str(archive), "--broken-journal")
    assert ran.code == 0
    assert f"BROKEN: the journal, at {journal.name}:2: entry 2 expected" in ran.output
    assert ("a trade, a kill or a pause may be missing" in ran.output) is is_owed
    assert journal.read_bytes() == first + last


def test_a_whole_journal_is_not_called_broken(folder: Path) -> None:
    """Whatever was asked for."""
    ran = run(folder, "restore", "--broken-journal")
    assert ran.code == 0
    assert "BROKEN" not in ran.output


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("target", ["paper/registry.json", "/etc/hostname"])
def test_a_link_is_nothing_of_ours(folder: Path, kind: bytes, target: str) -> None:
    """Wherever it leads: a backup holds plain files."""
    path = folder / "backups" / "linked.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("paper/registry.json", "paper/linked"):
            entry = tarfile.TarInfo(name)
            if name == "paper/linked":
                entry.type, entry.linkname = kind, target
            archive.addfile(entry, io.BytesIO())
    ran = run(folder, "restore", str(path))
    assert ran.code == 1
    assert "no backup of paper: it holds 'paper/linked'" in ran.errors
    assert befores(folder) == []


def test_files_keep_their_age(folder: Path) -> None:
    """A journal made young by a restore would pass for that of a bot that ran within the day."""
    long_ago = 1_600_000_000
    (journal,) = (place(folder) / "journal").iterdir()
    os.utime(journal, (long_ago, long_ago))
    assert run(folder, "backup", "--to", "backups/of-then").code == 0
    (archive,) = (folder / "backups" / "of-then").iterdir()
    assert run(folder, "restore", str(archive)).code == 0
    assert journal.stat().st_mtime == long_ago


@pytest.mark.parametrize("keep", [0, 5, 200])
def test_a_torn_archive_changes_nothing(folder: Path, keep: int) -> None:
    """A copy that broke off."""
    (whole,) = (folder / "backups").iterdir()
    whole.write_bytes(whole.read_bytes()[:keep])
    ran = run(folder, "restore")
    assert ran.code == 1
    assert "is no whole archive" in ran.errors
    assert (place(folder) / "pulse").exists()


def test_without_a_backup_nothing_happens(tmp_path: Path) -> None:
    """And it says where it looked."""
    data_of_a_bot(tmp_path)
    ran = run(tmp_path, "restore")
    assert ran.code == 1
    assert "there is no backup of paper in backups" in ran.errors
    assert "No such file" in run(tmp_path, "restore", "nowhere.tar.gz").errors


LOSS = {**KILL, "reason": "the day's loss", "until_midnight": True}


def test_a_kill_that_lasts_longer_than_the_one_of_the_archive_is_said(folder: Path) -> None:
    """A person's kill does not end at midnight, as that of the day's loss does."""
    happened(folder, DAY, LOSS)
    assert run(folder, "backup", "--to", "backups/of-now").code == 0
    happened(folder, KILL)
    (archive,) = (folder / "backups" / "of-now").iterdir()
    assert "FORGOTTEN: the kill (a person)" in run(folder, "restore", str(archive)).output


def test_a_kill_for_the_loss_of_a_later_day_is_said(folder: Path) -> None:
    """The archive's ends at an earlier midnight; that of the same day is no news."""
    happened(folder, DAY, LOSS)
    assert run(folder, "backup", "--to", "backups/of-now").code == 0
    (archive,) = (folder / "backups" / "of-now").iterdir()
    assert "FORGOTTEN" not in run(folder, "restore", str(archive)).output
    happened(folder, {**LOSS, "day": "2026-03-03"})
    assert "FORGOTTEN: the kill (the day's loss)" in run(folder, "restore", str(archive)).output


def test_a_journal_that_cannot_be_read_leaves_it_open_and_says_so(folder: Path) -> None:
    """Silence would pass for: nothing was decided since."""
    (place(folder) / "journal" / "2026-01-01.jsonl").mkdir()
    ran = run(folder, "restore")
    assert ran.code == 0
    assert "Whether there was a kill or a pause is not known: " in ran.output


BOOKED = {"reason": "a person", "by": "api", "day": "2026-03-02", "until_midnight": False}
BASELINE = {"day": "2026-03-02", "usd": "1000", "equity": [{"currency": "BTC", "equity": "0.01"}]}


@pytest.mark.parametrize("has_data", [True, False])
def test_what_was_decided_while_the_backup_was_taken_is_said(
    folder: Path, tmp_path: Path, *, has_data: bool
) -> None:
    """The book is read first: the archive's journal has it, and a start reads the book alone."""
    wrote_book(folder)
    happened(folder, DAY, KILL, PAUSE)
    assert run(folder, "backup", "--to", "backups/of-now").code == 0
    (archive,) = (folder / "backups" / "of-now").iterdir()
    where = folder if has_data else tmp_path / "elsewhere"
    where.mkdir(exist_ok=True)
    ran = run(where, "restore", str(archive))
    told = [line for line in ran.output.splitlines() if line.startswith("FORGOTTEN: ")]
    assert [line.split()[2] for line in told] == ["kill", "pause.", "equity"]


def test_what_a_start_finds_in_the_book_is_not_forgotten(folder: Path) -> None:
    """Whatever its journal has; nor what is in the journal, where the book is made from it."""
    happened(folder, DAY, KILL, PAUSE)
    wrote_book(folder, is_owed=True)
    assert run(folder, "backup", "--to", "backups/of-now").code == 0
    (archive,) = (folder / "backups" / "of-now").iterdir()
    assert "FORGOTTEN" not in run(folder, "restore", str(archive)).output
    since = {"by": "api", "since": "2026-03-02T10:00:00+00:00"}
    wrote_book(folder, kill=BOOKED, pause=since, day=BASELINE)
    assert run(folder, "backup", "--to", "backups/of-then").code == 0
    (archive,) = (folder / "backups" / "of-then").iterdir()
    assert "FORGOTTEN" not in run(folder, "restore", str(archive)).output


def test_a_kill_that_the_book_alone_had_is_said(folder: Path) -> None:
    """The journal did not take it, on a disk that failed."""
    wrote_book(folder, kill={**BOOKED, "reason": "alone"})
    assert "FORGOTTEN: the kill (alone)" in run(folder, "restore").output


def test_what_is_forgotten_is_said(folder: Path) -> None:
    """A kill, a pause, a day's first equity that came after the backup; not what it still knows."""
    happened(folder, DAY, KILL, PAUSE)
    ran = run(folder, "restore")
    assert ran.code == 0
    told = [line for line in ran.output.splitlines() if line.startswith("FORGOTTEN: ")]
    assert [line.split()[2] for line in told] == ["kill", "pause.", "equity"]
    assert "1000.00 USD" in told[2]
    happened(folder, DAY, KILL, PAUSE)
    (folder / "backups" / "of-now").mkdir()
    assert run(folder, "backup", "--to", "backups/of-now").code == 0
    (archive,) = (folder / "backups" / "of-now").iterdir()
    assert "FORGOTTEN" not in run(folder, "restore", str(archive)).output
