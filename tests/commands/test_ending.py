"""The end of a process comes, whoever is left behind."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def exit_code(code: str) -> int:
    begin = "import sys, threading\nfrom commands.ending import ending\n"
    ran = subprocess.run([sys.executable, "-c", begin + code], cwd=ROOT, check=False, timeout=30)
    return ran.returncode


def test_a_block_that_is_not_left_in_time_ends_the_process() -> None:
    """With the code that was on its way."""
    assert exit_code("with ending(0.01) as bound: bound(71); threading.Event().wait()") == 71


def test_a_block_that_is_left_ends_in_order() -> None:
    """Also when what comes after it takes longer, as the wait before a new start does."""
    code = """
with ending(0.5) as bound: bound(71)
[x.join() for x in threading.enumerate() if x.name == "ending"]
sys.exit(3)
"""
    assert exit_code(code) == 3


def test_without_anybody_left_behind_the_end_takes_its_time() -> None:
    """Nothing is bound that was not asked for."""
    assert exit_code("with ending(0.0): pass\nsys.exit(4)") == 4
