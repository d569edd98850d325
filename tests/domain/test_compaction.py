"""Which segments are merged."""

import pytest

from domain.compaction import FANOUT, Piece, plan, tier

TODAY = 20_000


def pieces(count: int, rows: int, day: int = TODAY, **more: bool) -> list[Piece]:
    return [Piece(f"{day}/{rows}/{n}", "BTCUSDT", day, rows, **more) for n in range(count)]


@pytest.mark.parametrize(
    ("rows", "found"), [(1, 0), (999, 0), (1_000, 1), (7_999, 1), (8_000, 2), (64_000, 3)]
)
def test_tiers_grow_by_eight(rows: int, found: int) -> None:
    """Eight of one tier make one of the next."""
    assert tier(rows) == found


def test_seven_small_ones_of_today_rest_and_eight_are_merged() -> None:
    """Merging each time would write every tick over and over."""
    assert plan(pieces(FANOUT - 1, 500), TODAY) == []
    assert plan(pieces(FANOUT, 500), TODAY) == [pieces(FANOUT, 500)]


def test_large_and_small_do_not_mix_while_the_day_goes_on() -> None:
    """A large segment is not written again for a few ticks."""
    mixed = [*pieces(FANOUT - 1, 500), *pieces(1, 900_000)]
    assert plan(mixed, TODAY) == []


def test_a_day_that_is_over_becomes_one_segment() -> None:
    """Whatever the sizes, once nothing young is among them."""
    mixed = [*pieces(1, 500, TODAY - 1), *pieces(1, 900_000, TODAY - 1)]
    assert plan(mixed, TODAY) == [mixed]
    assert plan([*mixed, *pieces(1, 30, TODAY - 1, is_young=True)], TODAY) == []


def test_days_and_symbols_stay_apart() -> None:
    """A segment holds one symbol's day."""
    other = [Piece(f"e{n}", "ETHUSDT", TODAY, 500) for n in range(4)]
    assert plan([*pieces(4, 500), *other], TODAY) == []
    assert len(plan([*pieces(4, 500), *other], TODAY, everything=True)) == 2
