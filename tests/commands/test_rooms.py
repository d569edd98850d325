"""The command line opens the room it is asked for, and no other."""

import subprocess
import sys
from pathlib import Path

import pytest

from commands.rooms import ROOMS
from tests.commands.running import run

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ROOMS)
def test_every_command_has_help_with_an_example(tmp_path: Path, name: str) -> None:
    """Under its own name; a group has one for each of its commands."""
    ran = run(tmp_path, name, "--help")
    assert ran.code == 0
    assert f" {name} [OPTIONS]" in ran.output
    assert f"Example: python run.py {name}" in ran.output or "COMMAND [ARGS]" in ran.output


def test_the_list_names_every_command(tmp_path: Path) -> None:
    """All that can be typed."""
    listed = run(tmp_path, "--help").output
    assert all(f" {name} " in listed for name in ROOMS)


def test_the_version_costs_nothing_else() -> None:
    """Neither settings nor actors nor the archive are imported for it."""
    code = "import sys, run; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    heavy = {
        "actors",
        "adapters",
        "config",
        "simulation",
        "duckdb",
        "numpy",
        "requests",
        "pydantic",
    }
    assert not heavy & set(ran.stdout.split())
