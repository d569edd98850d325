"""Every mistake put into production code is noticed; see `tests.simulation.mutants`."""

import pytest

from simulation.running import play
from tests.simulation.mutants import MUTANTS

pytestmark = pytest.mark.no_cover
"""Measuring lines triples the time of long runs, and the lines are measured elsewhere."""

SEEDS = range(10)
TRIED = {
    "no label look-up at start": 1,
    "orders without triggers": 2,
    "registry written in place": 1,
}
"""The seed that notices each in the short form; 0 where none is named."""


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mistake_is_noticed(name: str) -> None:
    """One seed each, up to the first violation."""
    mutant = MUTANTS[name]
    with mutant.at_work():
        outcome = play(mutant.climate.script(TRIED.get(name, 0)), stops_early=True)
    assert mutant.is_noticed(outcome.violations)


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
