"""Reading the log while it is written and rotated: nothing missed, nothing twice."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.log_files import LONGEST_LINE, Follower, parse, rotated
from config.rotating import RotatingBytesFile


@pytest.fixture
def follower(tmp_path: Path) -> Iterator[Follower]:
    """A reader of ``bot.log`` in the test's folder, which it has not opened yet."""
    with Follower(tmp_path / "bot.log") as reader:
        yield reader


def everything(_: bytes) -> bool:
    return True


def test_the_last_lines_come_from_rotated_files_too(tmp_path: Path, follower: Follower) -> None:
    """Oldest first, however many files they are spread over."""
    file = RotatingBytesFile(tmp_path / "bot.log", max_bytes=20, keep=5)
    for number in range(12):
        file.write(b"line%02d\n" % number)
    file.close()
    assert follower.last(7, everything) == [b"line%02d" % number for number in range(5, 12)]
    assert follower.poll() == []


def test_only_wanted_lines_count(tmp_path: Path, follower: Follower) -> None:
    """Three wanted lines are found behind any number of others."""
    file = RotatingBytesFile(tmp_path / "bot.log", max_bytes=30, keep=9)
    for number in range(30):
        file.write(b"%02d\n" % number)
    file.close()
    found = follower.last(3, lambda line: int(line) % 10 == 0)
    assert found == [b"00", b"10", b"20"]


def test_more_than_there_is_gives_what_there_is(tmp_path: Path, follower: Follower) -> None:
    """A file that does not exist yet is an empty one, and is followed when it comes."""
    assert follower.last(5, everything) == []
    (tmp_path / "bot.log").write_bytes(b"first\n")
    assert follower.poll() == [b"first"]


@settings(max_examples=60)
@given(st.lists(st.integers(min_value=0, max_value=9), min_size=1, max_size=25))
def test_following_survives_any_rotation(bursts: list[int]) -> None:
    """Whatever is written between two looks, several rotations included, comes once, in order."""
    seen: list[bytes] = []
    wrote = 1
    with TemporaryDirectory() as folder:
        path = Path(folder) / "bot.log"
        file = RotatingBytesFile(path, max_bytes=24, keep=5)
        file.write(b"line000\n")
        with Follower(path) as follower:
            seen += follower.poll()
            for burst in bursts:
                for _ in range(burst):
                    file.write(b"line%03d\n" % wrote)
                    wrote += 1
                seen += follower.poll()
        file.close()
    assert seen == [b"line%03d" % number for number in range(wrote)]


def test_after_more_rotations_than_are_kept_all_that_is_kept_is_shown(
    tmp_path: Path, follower: Follower
) -> None:
    """Whoever stopped watching for long misses what is gone; of the file being read nothing is."""
    file = RotatingBytesFile(tmp_path / "bot.log", max_bytes=24, keep=5)
    file.write(b"line000\n")
    follower.poll()
    for number in range(1, 60):
        file.write(b"line%03d\n" % number)
    file.close()
    kept = sum(path.read_bytes().count(b"\n") for path in tmp_path.iterdir())
    shown = [b"line%03d" % number for number in (1, 2, *range(60 - kept, 60))]
    assert follower.poll() == shown


def test_a_file_that_somebody_removed_brings_no_older_ones_again(
    tmp_path: Path, follower: Follower
) -> None:
    """They were there before, and were not asked for."""
    path = tmp_path / "bot.log"
    (tmp_path / "bot.log.1").write_bytes(b"older\n")
    os.utime(tmp_path / "bot.log.1", (1, 1))
    path.write_bytes(b"first\n")
    assert follower.poll() == [b"first"]
    path.unlink()
    path.write_bytes(b"second\n")
    assert follower.poll() == [b"second"]


def test_a_line_that_is_being_written_waits_for_its_end(tmp_path: Path, follower: Follower) -> None:
    """Half a line is shown when it is whole."""
    path = tmp_path / "bot.log"
    path.write_bytes(b"one\nhal")
    assert follower.poll() == [b"one"]
    with path.open("ab") as file:
        file.write(b"f\n")
    assert follower.poll() == [b"half"]


def test_a_file_emptied_in_place_is_read_anew(tmp_path: Path, follower: Follower) -> None:
    """What ``> logs/bot.log`` or a copying rotation does."""
    path = tmp_path / "bot.log"
    path.write_bytes(b"old\nold too\n")
    follower.poll()
    path.write_bytes(b"new\n")
    assert follower.poll() == [b"new"]


def test_a_removed_file_is_waited_for(tmp_path: Path, follower: Follower) -> None:
    """It comes back under the same name."""
    path = tmp_path / "bot.log"
    path.write_bytes(b"old\n")
    follower.poll()
    path.rename(tmp_path / "taken")
    assert follower.poll() == []
    path.write_bytes(b"new\n")
    assert follower.poll() == [b"new"]


def test_garbage_without_a_line_end_does_not_pile_up(tmp_path: Path, follower: Follower) -> None:
    """It is handed out as it is once it is longer than any line."""
    path = tmp_path / "bot.log"
    path.write_bytes(b"\0" * (LONGEST_LINE + 1))
    assert len(follower.poll()) == 1


def test_only_numbered_files_belong_to_the_log(tmp_path: Path) -> None:
    """Newest first; a copy a person made is none of them."""
    for name in ("bot.log", "bot.log.2", "bot.log.10", "bot.log.1", "bot.log.gz", "bot.log.1.old"):
        (tmp_path / name).touch()
    names = [path.name for path in rotated(tmp_path / "bot.log")]
    assert names == ["bot.log", "bot.log.1", "bot.log.2", "bot.log.10"]


def test_what_is_no_entry_is_none() -> None:
    """Torn lines, other JSON and plain text; an entry has its three names."""
    assert parse(b'{"ts":"t","level":"info","event":"ready"}') is not None
    for line in (b'{"ts":"t","lev', b"[1]", b"7", b"\xff\xfe", b"hello", b'{"event":"x"}'):
        assert parse(line) is None
