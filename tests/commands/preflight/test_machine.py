"""The machine's checks, on real files."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.clock import SystemClock
from adapters.storage.lock import InstanceLock
from commands.preflight import machine
from commands.preflight.checks import Verdict

ROOT = Path(__file__).parents[3]


def test_a_disk_with_room_is_green_and_leaves_nothing(tmp_path: Path) -> None:
    """It was written to and waited for; the probe is gone."""
    result = machine.disk(tmp_path / "data", SystemClock())
    assert "GiB free, fsync" in result.found
    assert list((tmp_path / "data").iterdir()) == []


def test_a_full_or_slow_disk_is_red(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its own fix."""
    monkeypatch.setattr(machine, "LEAST_FREE", 1 << 60)
    assert machine.disk(tmp_path, SystemClock()).fix == "free at least 1 GiB"
    monkeypatch.setattr(machine, "LEAST_FREE", 0)
    monkeypatch.setattr(machine, "SLOWEST_FSYNC_MS", 0.0)
    assert "use a local disk" in machine.disk(tmp_path, SystemClock()).fix


class SlowDisk(SystemClock):
    """So many seconds pass from each look at the clock to the next."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._now = 0.0

    def monotonic(self) -> float:
        self._now += self._seconds
        return self._now


@pytest.mark.parametrize(("seconds", "verdict"), [(0.09, "green"), (0.11, "red")])
def test_an_fsync_may_take_a_tenth_of_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, verdict: str
) -> None:
    """The figure is in milliseconds, as it says."""
    monkeypatch.setattr(machine, "LEAST_FREE", 0)
    result = machine.disk(tmp_path, SlowDisk(seconds))
    assert result.verdict == verdict
    assert f"fsync {seconds * 1000:.1f} ms" in result.found


def test_a_folder_that_cannot_be_is_red(tmp_path: Path) -> None:
    """A file stands in its place."""
    (tmp_path / "data").touch()
    assert machine.disk(tmp_path / "data" / "paper", SystemClock()).verdict is Verdict.RED


@pytest.mark.parametrize(("mode", "verdict"), [(0o600, "green"), (0o400, "green"), (0o640, "red")])
def test_only_the_owner_may_read_the_keys(tmp_path: Path, mode: int, verdict: str) -> None:
    """The fix can be copied."""
    path = tmp_path / ".env"
    path.touch()
    path.chmod(mode)
    result = machine.env_file(path)
    assert result.verdict == verdict
    assert (result.fix == f"chmod 600 {path}") == (verdict == "red")


def test_no_env_file_is_no_mistake(tmp_path: Path) -> None:
    """The environment may hold everything."""
    assert machine.env_file(tmp_path / ".env").verdict is Verdict.SKIPPED


def test_a_backup_has_to_be_there_and_young(tmp_path: Path) -> None:
    """Of this venue; once there is something to lose."""
    data, backups, now = tmp_path / "prod", tmp_path / "backups", datetime.now(UTC)
    (data / "journal").mkdir(parents=True)
    backups.mkdir()
    assert machine.backup(backups, data, now).verdict is Verdict.SKIPPED
    (data / "journal" / "2026-03-01.jsonl").touch()
    assert machine.backup(backups, data, now).verdict is Verdict.RED
    (data / "registry.json").touch()
    (backups / "bulwark-paper-20260301T000000Z.tar.gz").touch()
    assert "none of prod" in machine.backup(backups, data, now).found
    archive = backups / "bulwark-prod-20260301T000000Z.tar.gz"
    archive.touch()
    assert machine.backup(backups, data, now).verdict is Verdict.GREEN
    old = (now - timedelta(days=8)).timestamp()
    os.utime(archive, (old, old))
    assert "8.0 days old" in machine.backup(backups, data, now).found
    assert machine.backup(backups, data, now).verdict is Verdict.RED


def test_a_second_instance_is_red(tmp_path: Path) -> None:
    """By the lock, as the start itself would see it; the look leaves the lock free."""
    lock = tmp_path / "bot.lock"
    with InstanceLock(lock):
        assert f"process {os.getpid()}" in machine.instance(lock).found
    assert machine.instance(lock).verdict is Verdict.GREEN
    InstanceLock(lock).release()


def test_somebody_must_restart_the_bot(tmp_path: Path) -> None:
    """supervisord and its file, or a container's engine."""
    assert machine.restarts(ROOT, {}).verdict is Verdict.GREEN
    assert "supervisor.conf" in machine.restarts(tmp_path, {}).found
    assert machine.restarts(tmp_path, {"BULWARK_CONTAINER": "1"}).verdict is Verdict.GREEN
