"""What is set before anything else is imported."""

import subprocess
import sys
from pathlib import Path

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
