"""Every mistake put into production code is noticed; see `tests.simulation.mutants`."""

import pytest

from simulation.running import play
from tests.simulation.mutants import MUTANTS

pytestmark = pytest.mark.no_cover
"""Measuring lines triples the time of long runs, and the lines are measured elsewhere."""

SEEDS = range(10)
LIKELY = {"no label look-up at start": 1, "orders without triggers": 4}
"""Where the search begins: seeds that noticed it before. A change of the code may move them."""


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mistake_is_noticed(name: str) -> None:
    """By one of ten seeds; the first that does ends the search."""
    mutant, first = MUTANTS[name], LIKELY.get(name, 0)
    seeds = (*SEEDS[first:], *SEEDS[:first])
    with mutant.at_work():
        outcomes = (play(mutant.climate.script(seed), stops_early=True) for seed in seeds)
        assert any(mutant.is_noticed(each.violations) for each in outcomes)


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_how_many_seeds_notice_it(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Of ten; and in the same worlds production code itself does nothing wrong."""
    mutant = MUTANTS[name]
    scripts = [mutant.climate.script(seed) for seed in SEEDS]
    with mutant.at_work():
        seen = [mutant.is_noticed(play(x, stops_early=True).violations) for x in scripts]
    with capsys.disabled():
        print(f"\n{name}: {sum(seen)} of {len(seen)}")
    assert any(seen)
    assert [play(x).violations for x in scripts] == [()] * len(scripts)
