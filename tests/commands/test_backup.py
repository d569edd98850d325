"""`run.py backup`: complete, readable elsewhere, without keys; the restore of the docs works."""

import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from adapters.clock import SystemClock
from adapters.storage.chain import verify
from adapters.storage.journal import DayJournal
from commands.backup import newest
from tests.commands.running import run

OPERATING = Path(__file__).parents[2] / "docs" / "operating.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Data of a bot that runs: book, journal, spares, lock, the token of its API."""
    data = tmp_path / "data" / "paper"
    journal = DayJournal(data / "journal", SystemClock())
    for number in range(3):
        journal.append({"event": "ready", "trades": number}, durable=False)
    journal.close()
    (data / "registry.json").write_text("{}", "utf-8")
    for name in (".registry.json.0", "bot.lock", "pulse", "api.token", "api.new"):
        (data / name).write_text("transient", "utf-8")
    (tmp_path / ".env").write_text("DERIBIT_ENV=paper\n", "utf-8")
    return tmp_path


def test_it_holds_book_and_journal_and_no_keys(folder: Path) -> None:
    """Under names that lead back into the data folder; for the owner only."""
    ran = run(folder, "backup")
    assert ran.code == 0
    assert ".env is not in it" in ran.output
    archive = newest(folder / "backups", "paper")
    assert archive is not None
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as found:
        names = found.getnames()
    assert names[0] == "paper/registry.json"  # what ends meanwhile is in it, or in the journal
    assert [name for name in names if name.startswith("paper/journal/")]
    assert len(names) == 2


def test_the_documented_restore_brings_it_back(folder: Path) -> None:
    """The commands of docs/operating.md, as they stand there: the journal is whole."""
    assert run(folder, "backup").code == 0
    (folder / "backups" / "bulwark-testnet-20990101T000000Z.tar.gz").touch()
    (folder / "data" / "paper" / "registry.json").write_text("damaged", "utf-8")
    for times in (1, 2):
        (folder / "data" / "paper" / "of-today").touch()
        assert "restored: backups/bulwark-paper-" in restored(folder)
        assert (folder / "data" / "paper" / "registry.json").read_text("utf-8") == "{}"
        assert len(list(folder.glob("data/paper.before-*/**/of-today"))) == times
        assert not (folder / "data" / "paper" / "of-today").exists()
    result = verify(folder / "data" / "paper" / "journal")
    assert (result.ok, result.entries) == (True, 3)


def test_the_documented_restore_goes_no_further_than_it_can(folder: Path) -> None:
    """Without an archive the data stay; with a torn one it does not say that it is done."""
    assert "restored" not in restored(folder)
    assert (folder / "data" / "paper" / "registry.json").exists()
    (folder / "backups").mkdir()
    (folder / "backups" / "bulwark-paper-20260101T000000Z.tar.gz").write_bytes(b"torn")
    assert "restored" not in restored(folder)
    assert list(folder.glob("data/paper.before-*/registry.json"))


def restored(folder: Path) -> str:
    """What the documented lines print, pasted into a terminal for the venue paper."""
    text = OPERATING.read_text("utf-8").split("<!-- restore -->", 1)[1]
    script = re.search(r"```sh\n(.*?)```", text, re.DOTALL)
    assert script is not None
    lines = [line for line in script[1].splitlines() if "supervisorctl" not in line]
    pasted = "\n".join(lines).replace("env=prod", "env=paper")
    pasted = pasted.replace("python run.py journal verify", "true")
    ran = subprocess.run(
        ["/bin/sh", "-c", pasted], cwd=folder, check=False, capture_output=True, text=True
    )
    return ran.stdout


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
