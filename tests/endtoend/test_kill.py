"""``kill -9`` at arbitrary moments while trading: nothing is lost, doubled or left bare."""

import statistics
from pathlib import Path

import pytest

from tests.endtoend.bulwark import market
from tests.endtoend.killing import DEADLINE_MS, SPEED, Drill


def drill(folder: Path, kills: int, seed: int) -> Drill:
    """A bot killed so many times, and all that must hold afterwards."""
    with market(folder, "--speed", str(SPEED)) as exchange:
        done = Drill(folder, exchange, seed)
        done.run(kills)
        observer = done.observer
        assert sum(done.tally.kills.values()) == kills
        assert observer.entered_twice() == {}
        assert observer.may_add_risk() == []
        assert observer.flips() == []
        assert done.unintended() == set()
        assert done.unended() == {}
        late = {x: ms for x, ms in done.exposures().items() if ms > DEADLINE_MS}
        assert late == {}
        report(done)
        assert exchange.stop() == 0
    return done


def report(done: Drill) -> None:
    """The numbers, shown with ``-s`` or on failure."""
    times, exposed = done.tally.to_ready, sorted(done.exposures().values())
    print(f"\nkills survived: {dict(done.tally.kills)}")
    print(f"kill to ready: median {statistics.median(times):.2f} s, longest {max(times):.2f} s")
    print(f"{len(exposed)} trades between kills, without stop (ms, venue's clock): {exposed}")


def test_five_kills_lose_double_or_bare_nothing(tmp_path: Path) -> None:
    """The short form: five kills, one of them during the start."""
    drill(tmp_path, kills=5, seed=695)


@pytest.mark.slow
def test_fifty_kills_lose_double_or_bare_nothing(tmp_path: Path) -> None:
    """The long form: fifty kills at every kind of moment."""
    drill(tmp_path, kills=50, seed=2)
