"""Real processes, really killed and really out of room."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def crashing(*arguments: str) -> str:
    """Runs the writers' module in a process of its own; its output, or its failure."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.adapters.storage.crashing", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["book", "journal"])
def test_nothing_acknowledged_is_lost_to_kill_9(kind: str, tmp_path: Path) -> None:
    """After every SIGKILL the file is readable and holds all that had been reported as done."""
    assert crashing("kill", kind, str(tmp_path), "30").endswith("30 kills\n")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "kills"), [("book", "1000"), ("journal", "300")])
def test_nothing_acknowledged_is_lost_to_many_kills(kind: str, kills: str, tmp_path: Path) -> None:
    """The long form of the same."""
    assert crashing("kill", kind, str(tmp_path), kills).endswith(f"{kills} kills\n")


@pytest.mark.parametrize("kind", ["book", "journal"])
def test_running_out_of_room_leaves_no_trace(kind: str, tmp_path: Path) -> None:
    """A write the system cuts short raises, and what was there before stays and stays usable."""
    assert crashing("starve", kind, str(tmp_path)).startswith("stopped at ")
