"""One instance per data folder."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.storage.lock import AlreadyRunning, InstanceLock, holder

ROOT = Path(__file__).parents[3]
HOLDER = """
import pathlib, sys
from adapters.storage.lock import InstanceLock
lock = InstanceLock(pathlib.Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_instance_is_told_who_runs(tmp_path: Path) -> None:
    """The lock names its holder to whoever comes second, and lets the next one in after."""
    path = tmp_path / "data" / "bulwark.lock"
    with InstanceLock(path) as lock:
        assert path.read_text() == f"{os.getpid()}\n"
        with pytest.raises(AlreadyRunning, match=str(os.getpid())) as caught:
            InstanceLock(path)
        assert caught.value.pid == os.getpid()
    lock.release()
    InstanceLock(path).release()
    assert path.read_text() == ""


def test_a_holder_that_wrote_no_number_is_unknown(tmp_path: Path) -> None:
    """An unreadable holder is still a holder."""
    path = tmp_path / "lock"
    with InstanceLock(path):
        path.write_text("whoever")
        with pytest.raises(AlreadyRunning, match="unknown"):
            InstanceLock(path)


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs a file that can be sealed")
def test_a_disk_that_refuses_the_end_keeps_nobody() -> None:
    """Read-only by then: the number of who held it stays in the file, and the lock does not."""
    descriptor = os.memfd_create("lock", os.MFD_ALLOW_SEALING)
    path = Path(f"/proc/self/fd/{descriptor}")
    lock = InstanceLock(path)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    lock.release()
    assert path.read_text() == f"{os.getpid()}\n"
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # free for the next
    os.close(descriptor)


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    """After kill -9 the next instance starts at once, whatever the file still says."""
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunning) as caught:
            InstanceLock(path)
        assert caught.value.pid == holder(path) == process.pid
        process.send_signal(signal.SIGKILL)
    assert holder(path) is None  # whatever the file still says
    InstanceLock(path).release()
    assert holder(tmp_path / "nowhere") is None


def test_a_lock_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A place that takes no file raises what the system says."""
    with pytest.raises(IsADirectoryError):
        InstanceLock(tmp_path)


def test_a_full_disk_does_not_leave_the_lock_held() -> None:
    """When the number cannot be written, the error passes on and nothing stays open."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match=r"(?i)space|argument"):
        InstanceLock(Path("/dev/full"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
