"""What docs/proof.md names is there: the fifty races and the tests behind them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "proof.md").read_text()


def test_every_test_the_proof_names_exists() -> None:
    """A test that is renamed must not leave a hole in the table."""
    sources = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"def (test_\w+)\(", sources))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 60
    assert named - there == set()


def test_all_fifty_races_have_a_row() -> None:
    """Each once, in order."""
    numbers = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)
    assert [int(number) for number in numbers] == list(range(1, 51))
