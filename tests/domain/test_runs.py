"""Runs of ids against plain sets of numbers."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from domain.runs import Hole, Run, holds, holes, joined, lacking, overlap

runs = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 6)).map(lambda x: Run(x[0], x[0] + x[1])),
    max_size=12,
)
bounds = st.tuples(st.integers(0, 70), st.integers(0, 20)).map(lambda x: (x[0], x[0] + x[1]))


def ids(found: list[Run] | tuple[Run, ...] | list[tuple[int, int]]) -> set[int]:
    pairs = ((x.first, x.last) if isinstance(x, Run) else x for x in found)
    return {each for first, last in pairs for each in range(first, last + 1)}


@given(runs)
def test_joining_changes_no_id_and_leaves_holes_between(found: list[Run]) -> None:
    """The same ids, in order, no two runs touching."""
    made = joined(found)
    assert ids(made) == ids(found)
    assert all(b.first > a.last + 1 for a, b in pairwise(made))


@given(runs)
def test_holes_are_what_is_not_there(found: list[Run]) -> None:
    """Between the first and the last id, holes and runs cover everything once."""
    made = joined(found)
    missing = {each for hole in holes(made) for each in range(hole.first, hole.last + 1)}
    everything = set(range(made[0].first, made[-1].last + 1)) if made else set[int]()
    assert missing == everything - ids(found)


@given(runs, bounds)
def test_a_range_is_held_or_lacking(found: list[Run], asked: tuple[int, int]) -> None:
    """Each id of the range is in exactly one of the two."""
    made = joined(found)
    wanted = set(range(asked[0], asked[1] + 1))
    assert ids(overlap(made, *asked)) == wanted & ids(found)
    assert ids(lacking(made, *asked)) == wanted - ids(found)
    assert holds(made, [Run(*asked)]) is (wanted <= ids(found))


def test_a_hole_knows_the_times_of_its_neighbours() -> None:
    """Its bounds in time are those of the ticks before and after it."""
    made = joined([Run(1, 4, 10, 40), Run(8, 9, 80, 90)])
    assert holes(made) == (Hole(5, 7, 40, 80),)
    assert len(holes(made)[0]) == 3
