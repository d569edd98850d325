"""The log file: rotates, survives, never raises."""

import os
import threading
from pathlib import Path

import pytest

from config.rotating import RotatingBytesFile


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_full_file_moves_up_and_the_oldest_goes(tmp_path: Path) -> None:
    """Past the limit files are renumbered; no more than the given number is kept."""
    file = RotatingBytesFile(tmp_path / "bot.log", max_bytes=10, keep=2)
    for number in range(8):
        assert file.write(b"line%d\n" % number)
    file.close()
    assert contents(tmp_path) == {
        "bot.log": b"line7\n",
        "bot.log.1": b"line6\n",
        "bot.log.2": b"line5\n",
    }


def test_a_line_longer_than_the_limit_is_written_whole(tmp_path: Path) -> None:
    """Lines are never cut to fit."""
    file = RotatingBytesFile(tmp_path / "bot.log", max_bytes=10)
    assert file.write(b"x" * 50 + b"\n")
    assert file.write(b"short\n")
    file.close()
    assert contents(tmp_path)["bot.log.1"] == b"x" * 50 + b"\n"


def test_an_existing_file_is_continued(tmp_path: Path) -> None:
    """A restart appends, and counts what is there already."""
    (tmp_path / "bot.log").write_bytes(b"old line\n")
    file = RotatingBytesFile(tmp_path / "bot.log", max_bytes=15)
    file.write(b"new\n")
    file.write(b"newer\n")
    file.close()
    assert contents(tmp_path) == {"bot.log": b"newer\n", "bot.log.1": b"old line\nnew\n"}


def test_a_torn_line_of_an_earlier_process_stays_a_line_of_its_own(tmp_path: Path) -> None:
    """After a power cut the first line of the next process is not glued to it."""
    (tmp_path / "bot.log").write_bytes(b"whole\nto")
    file = RotatingBytesFile(tmp_path / "bot.log", max_bytes=20)
    file.write(b"first\n")
    file.write(b"second\n")
    file.close()
    assert contents(tmp_path) == {"bot.log": b"second\n", "bot.log.1": b"whole\nto\nfirst\n"}


def test_a_removed_or_moved_file_is_opened_anew(tmp_path: Path) -> None:
    """Taking the file away does not silence the log."""
    path = tmp_path / "logs" / "bot.log"
    file = RotatingBytesFile(path)
    file.write(b"one\n")
    path.rename(tmp_path / "taken")
    file.write(b"two\n")
    path.unlink()
    file.write(b"three\n")
    file.close()
    assert path.read_bytes() == b"three\n"


def test_what_cannot_be_written_is_counted(tmp_path: Path) -> None:
    """With the folder in the way, then usable again, lines are lost, counted, and come again."""
    path = tmp_path / "logs" / "bot.log"
    path.parent.write_bytes(b"a file where the folder should be")
    file = RotatingBytesFile(path)
    assert not file.write(b"lost\n")
    assert not file.write(b"lost\n")
    path.parent.unlink()
    assert file.write(b"kept\n")
    file.close()
    assert not file.write(b"late\n")
    assert file.lost == 3
    assert path.read_bytes() == b"kept\n"


def test_a_full_disk_is_counted(tmp_path: Path) -> None:
    """A device without room loses lines and nothing else."""
    path = tmp_path / "bot.log"
    path.symlink_to("/dev/full")
    file = RotatingBytesFile(path)
    assert not file.write(b"lost\n")
    assert file.lost == 1
    file.close()


def test_a_line_cut_short_does_not_spoil_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After half a line the next one starts on a line of its own."""
    file = RotatingBytesFile(tmp_path / "bot.log")
    real = os.write

    def short(descriptor: int, line: bytes) -> int:
        return real(descriptor, line[:3])

    monkeypatch.setattr(os, "write", short)
    assert not file.write(b"half a line\n")
    monkeypatch.undo()
    assert file.write(b"whole\n")
    file.close()
    assert (tmp_path / "bot.log").read_bytes() == b"hal\nwhole\n"


def test_a_rotation_that_fails_leaves_a_long_file(tmp_path: Path) -> None:
    """When files cannot be renamed the log goes on in the one there is."""
    (tmp_path / "bot.log.1").mkdir()
    file = RotatingBytesFile(tmp_path / "bot.log", max_bytes=5, keep=1)
    assert file.write(b"one\n")
    assert file.write(b"two\n")
    file.close()
    assert (tmp_path / "bot.log").read_bytes() == b"one\ntwo\n"


def test_threads_share_the_file_line_by_line(tmp_path: Path) -> None:
    """Lines of many threads, across rotations, arrive whole."""
    file = RotatingBytesFile(tmp_path / "bot.log", max_bytes=2000, keep=50)

    def write(name: bytes) -> None:
        for _ in range(200):
            file.write(name * 20 + b"\n")

    threads = [threading.Thread(target=write, args=(name,)) for name in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file.close()
    lines = b"".join(contents(tmp_path).values()).splitlines()
    assert sorted(set(lines)) == [b"a" * 20, b"b" * 20, b"c" * 20]
    assert len(lines) == 600
