"""What years bring: readers that are killed, full disks, flipped bits, rows that come back."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.archive.layout import QUARANTINE
from adapters.archive.store import FAILURES, Archive
from domain.compaction import DAY_MS
from tests.adapters.archive.samples import NOON_MS, HandClock, expected, opened, part, query, rows
from tests.adapters.archive.samples import tape as taped

WRITER = """
import duckdb, time
reader = duckdb.connect("binance_ticks.duckdb")
reader.execute("CREATE TABLE mine AS SELECT 1 AS one")
print("written", flush=True)
time.sleep(60)
"""
MINUTE: dict[str, Any] = {"venue": "paper", "instrument": "BTC-PERPETUAL", "timestamp_ms": NOON_MS}


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def no_new_folder(folder: Path) -> None:
    if not folder.is_dir():
        full()


def test_a_reader_that_wrote_and_was_killed_refuses_nobody(tmp_path: Path) -> None:
    """DuckDB leaves its log beside the file; it does not belong to the next catalogue."""
    ticks = taped()
    with opened(tmp_path) as archive:
        archive.add([part(ticks, 0, 500)])
        archive.publish()
        command = (sys.executable, "-c", WRITER)
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) as reader:
            assert reader.stdout
            reader.stdout.readline()
            reader.send_signal(signal.SIGKILL)
        assert (tmp_path / "binance_ticks.duckdb.wal").exists()
        archive.add([part(ticks, 500, 2_000)])
        archive.publish()
        assert rows(tmp_path) == expected(ticks)


def test_rows_that_come_back_stay(tmp_path: Path) -> None:
    """The same rows make a file of the same name, which the sweep must not take for the old one."""
    ticks, clock = taped(), HandClock()
    with opened(tmp_path, clock) as archive:
        archive.add([ticks])
        archive.prune(NOON_MS // DAY_MS + 1)
        archive.publish()
        assert rows(tmp_path) == []
        archive.add([ticks])
        archive.publish()
        clock.pass_(601)
        archive.sweep()
        assert rows(tmp_path) == expected(ticks)
    with opened(tmp_path, clock) as archive:
        archive.sweep(now=True)
        assert rows(tmp_path) == expected(ticks)


def test_a_flipped_bit_does_not_get_a_good_checksum_by_a_merge(tmp_path: Path) -> None:
    """Parquet may well decode it, to another price."""
    ticks = taped()
    with opened(tmp_path) as archive:
        for start in range(0, 2_000, 500):
            archive.add([part(ticks, start, start + 500)])
        group = archive.segments()
        data = bytearray(group[1].path.read_bytes())
        data[900] ^= 1
        group[1].path.write_bytes(data)
        with pytest.raises(OSError, match="checksum"):
            archive.merge(group)
        assert len(archive.segments()) == 4


@pytest.mark.parametrize("when", ["at the start", "while it runs"])
def test_a_damaged_day_of_positioning_stops_nothing(tmp_path: Path, when: str) -> None:
    """It is set aside, and the archive of ticks goes on."""
    ticks = taped()
    with opened(tmp_path) as archive:
        archive.add_positioning([MINUTE])
        archive.add([part(ticks, 0, 500)])
        archive.publish()
        (file,) = archive.positioning_files()
        if when == "while it runs":
            file.write_bytes(file.read_bytes()[:200])
            archive.add_positioning([MINUTE | {"timestamp_ms": NOON_MS + 60_000}])
            archive.publish()
            assert query(tmp_path, "SELECT count(*) FROM positioning") == [(1,)]
            assert archive.set_aside == [(file.name, "it cannot be read")]
    if when == "at the start":
        file.write_bytes(b"no parquet")
        with opened(tmp_path) as archive:
            assert archive.set_aside == [(file.name, "it cannot be read")]
            assert query(tmp_path, "SELECT count(*) FROM positioning") == [(0,)]
    assert rows(tmp_path) == expected(part(ticks, 0, 500))
    assert len(list((tmp_path / "quarantine").iterdir())) == 1


def test_a_start_on_a_full_disk_waits_for_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old catalogue stands; the new one comes as soon as it can."""
    ticks = taped()
    with opened(tmp_path) as archive:
        archive.add([part(ticks, 0, 500)])
        archive.publish()
        archive.add([part(ticks, 500, 2_000)])
    with monkeypatch.context() as patch:
        patch.setattr("adapters.archive.catalogue.install", full)
        archive = opened(tmp_path)
        assert not archive.is_published
        assert rows(tmp_path) == expected(part(ticks, 0, 500))
        with pytest.raises(FAILURES):
            archive.publish()
    with archive:
        archive.publish()
        assert archive.is_published
        assert rows(tmp_path) == expected(ticks)


def test_a_start_on_a_full_disk_finds_what_a_merge_left_and_what_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of merged files has no room, nor has quarantine's folder; all is as it should be."""
    ticks = taped()
    with opened(tmp_path) as archive:
        for start in range(0, 2_000, 500):
            archive.add([part(ticks, start, start + 500)])
        damaged, *group = sorted(archive.segments(), key=lambda x: x.first_id)
        with monkeypatch.context() as patch:
            patch.setattr("adapters.archive.files.install", full)
            archive.merge(group)
        damaged.path.write_bytes(b"no parquet")
    with monkeypatch.context() as patch:
        patch.setattr("adapters.archive.files.make_folder", no_new_folder)
        patch.setattr("adapters.archive.files.install", full)
        patch.setattr("adapters.archive.catalogue.install", full)
        with opened(tmp_path) as archive:
            assert (archive.found.segments, archive.found.superseded) == (1, 3)
            assert archive.set_aside == [(damaged.path.name, "it cannot be read")]
            assert [len(x.hole) for x in archive.holes()] == [500]
    with opened(tmp_path) as archive:
        assert (archive.found.segments, archive.found.superseded) == (1, 3)
        assert rows(tmp_path) == expected(part(ticks, 500, 2_000))
    with opened(tmp_path) as archive:
        assert archive.found.superseded == 0
    assert len(list((tmp_path / "quarantine").iterdir())) == 1


def test_a_full_disk_can_be_pruned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files go before anything is written, which makes the room for it."""
    ticks = taped()
    with opened(tmp_path) as archive:
        archive.add([ticks])
        archive.publish()
        (file,) = (x.path for x in archive.segments())
        monkeypatch.setattr("adapters.archive.files.install", full)
        with pytest.raises(OSError, match="No space"):
            archive.prune(NOON_MS // DAY_MS + 1, now=True)
        assert not file.exists()
        monkeypatch.undo()
        archive.publish()
        assert rows(tmp_path) == []


def test_opening_does_not_need_the_writer_before_to_have_closed(tmp_path: Path) -> None:
    """A killed one closes nothing; what it had stored and not shown is shown by the next."""
    ticks = taped()
    with opened(tmp_path) as archive:
        archive.add([ticks])
        assert rows(tmp_path) == []
    with Archive(tmp_path, HandClock()):
        assert rows(tmp_path) == expected(ticks)


def test_the_place_for_what_is_damaged_is_made_before_the_disk_is_full(tmp_path: Path) -> None:
    """Later there may be no room for a folder; to move a file into one takes none."""
    with opened(tmp_path):
        assert (tmp_path / QUARANTINE).is_dir()
