"""The pulse: it goes on, it is read, and nothing about it can hurt the bot."""

import os
from pathlib import Path

from adapters.storage.pulse import Beat, Pulse, last_beat


def test_each_second_has_its_own_beat(tmp_path: Path) -> None:
    """However often it is called; the file never grows."""
    pulse = Pulse(tmp_path / "pulse")
    pulse.beat(100.0)
    first = last_beat(tmp_path / "pulse")
    size = (tmp_path / "pulse").stat().st_size
    pulse.beat(100.9)
    assert last_beat(tmp_path / "pulse") == first == Beat(os.getpid(), 1)
    pulse.beat(101.0)
    assert last_beat(tmp_path / "pulse") == Beat(os.getpid(), 2)
    assert (tmp_path / "pulse").stat().st_size == size


def test_a_pulse_that_cannot_be_written_hurts_nobody(tmp_path: Path) -> None:
    """A missing folder is no reason to stop; what was not written is not read."""
    pulse = Pulse(tmp_path / "gone" / "pulse")
    pulse.beat(1.0)
    assert last_beat(tmp_path / "gone" / "pulse") is None


def test_garbage_is_no_beat(tmp_path: Path) -> None:
    """Whatever stands there: no beat, no error."""
    for content in (b"", b"1", b"a b", b"1 2 3", b"\xff\xff"):
        (tmp_path / "pulse").write_bytes(content)
        assert last_beat(tmp_path / "pulse") is None
