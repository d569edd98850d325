"""Every benchmark still runs, and says something: with a few calls each, no figure is judged."""

from decimal import Decimal
from pathlib import Path

import pytest

from benchmarks import kill, soak
from benchmarks.__main__ import BENCHES
from benchmarks.measuring import Effort, Timings
from benchmarks.rows import Row, as_json, table

pytestmark = pytest.mark.no_cover
"""Measuring lines triples the time of long runs, and the lines are measured elsewhere."""


@pytest.mark.parametrize("name", BENCHES)
def test_a_benchmark_runs(name: str, tmp_path: Path) -> None:
    """Each bench gives rows that can be printed, with figures above nothing."""
    rows = BENCHES[name](Effort(folder=tmp_path, rounds=1, share=0.01))
    assert rows
    assert all(row.ours > 0 for row in rows if row.unit not in {"us", "trips"})
    assert table([(name, rows)]).row_count == len(rows)
    assert [row["bench"] for row in as_json(name, rows)] == [name] * len(rows)


def test_a_kill_of_twenty_ends_on_the_lowest_tier() -> None:
    """With five requests a second, twenty trades are still closed, and verified flat."""
    killed = kill.killed(5, is_generous=False)
    assert killed.count == 20
    assert killed.sent < killed.flat


def test_differences_are_taken_within_a_round() -> None:
    """A machine that is slow for one round is slow for ours and the floor alike."""
    ours = Timings([[30.0, 31.0, 32.0], [330.0, 331.0, 332.0], [31.0, 32.0, 33.0]])
    floor = Timings([[10.0, 11.0, 12.0], [311.0, 311.0, 311.0], [11.0, 12.0, 13.0]])
    assert ours.over(floor) == 20.0
    assert Row(what="x", ours=ours.median, unit="us").met is None


def test_a_soak_runs(tmp_path: Path) -> None:
    """Clients listen and trade, and the memory is looked at; how it grew is not judged."""
    sizes = soak.soak(tmp_path, minutes=0.01, clients=2, speed=Decimal(10), samples=3, bursts=1)
    assert len(sizes) == 3
    assert all(size > 10 for size in sizes)
    assert soak.grown([10.0, 20.0, 22.0]) == 1.1


@pytest.mark.slow
def test_memory_is_flat_with_ten_clients(tmp_path: Path) -> None:
    """Three minutes at ten times the speed, everything bounded having been filled before."""
    sizes = soak.soak(tmp_path, minutes=3, clients=10, speed=Decimal(10))
    assert soak.grown(sizes) < soak.FLAT, sizes
