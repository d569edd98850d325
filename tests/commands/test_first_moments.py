"""What is set before anything else is imported."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from actors.kernel import ExitCode

ROOT = Path(__file__).parents[2]


def test_no_process_writes_a_core_dump() -> None:
    """Keys are in the memory that would be written."""
    code = (
        "from commands.first_moments import begin; import resource;"
        "begin(); print(resource.getrlimit(resource.RLIMIT_CORE)[0])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "0\n"


def test_the_beginning_is_the_process_own() -> None:
    """On the clock that how long it lived is told by."""
    code = (
        "from commands.first_moments import begin; began = begin();"
        "from adapters.clock import SystemClock; now = SystemClock().monotonic();"
        "print(now - 60 < began < now)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "True\n"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="others do not read it")
@pytest.mark.parametrize(("own", "taken"), [(None, "1 1"), ("timeout:7 attempts:3", "7 3")])
def test_a_nameserver_that_is_silent_is_waited_for_a_second(own: str | None, taken: str) -> None:
    """By the resolver itself, unless a person wants it otherwise."""
    code = (
        "from commands.first_moments import begin; import ctypes; begin();"
        "libc = ctypes.CDLL(None); libc.__res_init();"
        "libc.__res_state.restype = ctypes.POINTER(ctypes.c_int);"
        "seconds, attempts = libc.__res_state()[:2]; print(seconds, attempts)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={} if own is None else {"RES_OPTIONS": own},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == f"{taken}\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_output_is_silence_and_no_failure(tmp_path: Path, closed: str) -> None:
    """The settings are wrong, and the exit code says so to supervisord, whoever can read of it."""
    ran = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" "$1" {closed}', sys.executable, str(ROOT / "run.py")],
        cwd=tmp_path,
        env={"API_PORT": "none"},
        capture_output=True,
        check=False,
    )
    assert ran.returncode == ExitCode.SETTINGS_INVALID
