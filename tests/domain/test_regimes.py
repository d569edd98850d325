"""Trending or ranging: the efficiency ratio, with a gap between the two answers."""

from decimal import Decimal

import pytest

from domain.regimes import Regime, RegimeWatch


def fed(bars: int, *closes: int) -> tuple[RegimeWatch, list[Regime]]:
    """A watch that has seen these closes, and the changes it told."""
    watch = RegimeWatch(bars)
    told = [watch.add(Decimal(close)) for close in closes]
    return watch, [x for x in told if x is not None]


def test_nothing_is_said_before_there_are_enough_bars() -> None:
    """And the first answer is no change: nobody had another before."""
    watch, told = fed(3, 1, 2, 3)
    assert (watch.regime, watch.efficiency, told) == (None, None, [])
    watch.add(Decimal(4))
    assert watch.regime is Regime.TRENDING
    assert watch.efficiency == 1


def test_a_straight_line_trends_and_back_and_forth_ranges() -> None:
    """Whichever way it goes; a market that stands still ranges."""
    assert fed(4, 9, 8, 7, 6, 5)[0].regime is Regime.TRENDING
    assert fed(4, 1, 2, 1, 2, 1)[0].regime is Regime.RANGING
    assert fed(4, 1, 1, 1, 1, 1)[0].regime is Regime.RANGING


def test_a_change_is_told_once_and_the_border_is_a_gap() -> None:
    """Between the two thresholds it stays what it was."""
    watch, told = fed(4, 1, 2, 1, 2, 1, 2, 3, 4)
    assert told == [Regime.TRENDING]
    for close in (3, 4, 3, 4):
        watch.add(Decimal(close))
    assert watch.regime is Regime.RANGING
    quarter, _ = fed(4, 0, 4, 0, 4, 0)
    assert quarter.add(Decimal(4)) is None
    assert quarter.regime is Regime.RANGING


def test_two_bars_are_the_least() -> None:
    """One bar is always a straight line."""
    with pytest.raises(ValueError, match="two bars"):
        RegimeWatch(1)
