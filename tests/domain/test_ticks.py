"""Ticks as columns of whole numbers: exact, in order, each id once."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.compaction import DAY_MS
from domain.runs import Run
from domain.ticks import Ticks, numbers, together
from tests.adapters.binance.tape import FIRST_ID, Tape

decimals = st.decimals(0, 10**9, allow_nan=False, allow_infinity=False, places=8)
texts = st.lists(decimals.map(lambda x: format(x, "f")), min_size=1, max_size=20)


@given(texts)
def test_numbers_are_exact(given_texts: list[str]) -> None:
    """Whole number over scale is the text's value, with no decimal more than is needed."""
    whole, scale = numbers(given_texts)
    assert [Decimal(int(x)) / 10**scale for x in whole] == [Decimal(x) for x in given_texts]
    assert scale == 0 or np.any(whole % 10)


@pytest.mark.parametrize("scale", [0, 1, 3])
def test_uneven_decimals_are_read_as_well(scale: int) -> None:
    """A file may write 1 beside 1.5."""
    whole, found = numbers(["1", "1.5", f"2.{'0' * (scale + 1)}"])
    assert (whole.tolist(), found) == ([10, 15, 20], 1)


def test_zeros_at_the_end_are_no_digits() -> None:
    """The spot market writes eight decimals, also of ten thousand million coins."""
    whole, scale = numbers(["10000000000.00000000", "3.50000000"])
    assert (whole.tolist(), scale) == ([100_000_000_000, 35], 1)


def test_more_decimals_than_fit_are_an_error() -> None:
    """Rather than another number."""
    with pytest.raises(OverflowError, match="18 digits"):
        tape().scaled(16, 3)


@pytest.mark.parametrize(
    "bad",
    ["-1.5", "1e5", "abc", "", ".", "1.2.3", "1,5", "nan", "1 5", "1" * 19, "1.123456789", "\n1"],
)
def test_what_is_no_plain_number_is_refused(bad: str) -> None:
    """Alone, and hidden among good ones of the same shape."""
    for given_texts in ([bad], ["1.5", bad], [bad, "12.345"], ["1", bad]):
        with pytest.raises(ValueError, match=r"decimal|digits"):
            numbers(given_texts)


def tape(count: int = 50, start_ms: int = 5) -> Ticks:
    return Tape.make("BTCUSDT", count, start_ms).ticks


def test_order_and_doubles() -> None:
    """Shuffled and doubled rows come out as they were."""
    ticks = tape()
    mixed = ticks.take(np.array([*range(49, -1, -1), 3, 3, 7]))
    assert mixed.in_order().agg_id.tolist() == ticks.agg_id.tolist()
    assert mixed.in_order().price.tolist() == ticks.price.tolist()


def test_what_is_held_already_is_left_out() -> None:
    """At the ends and in the middle."""
    held = (Run(FIRST_ID - 5, FIRST_ID + 1), Run(FIRST_ID + 10, FIRST_ID + 11))
    left = tape().without(held).agg_id - FIRST_ID
    assert left.tolist() == [x for x in range(50) if x > 1 and x not in {10, 11}]


def test_runs_break_where_ids_are_missing() -> None:
    """With the times of both ends."""
    ticks = tape()
    some = ticks.take(np.array([0, 1, 2, 7, 9, 10]))
    found = [(x.first - FIRST_ID, x.last - FIRST_ID) for x in some.runs()]
    assert found == [(0, 2), (7, 7), (9, 10)]
    assert some.runs()[0].last_ms == ticks.timestamp_ms[2]


def test_days_are_parted_by_their_time() -> None:
    """A batch over midnight lands in two days."""
    ticks = tape(200, 3 * DAY_MS - 1_000)
    days = dict(ticks.by_day())
    assert set(days) == {2, 3}
    assert sum(map(len, days.values())) == 200
    assert days[2].timestamp_ms.max() < 3 * DAY_MS <= days[3].timestamp_ms.min()


def test_batches_of_different_scale_join_at_the_finer() -> None:
    """Values stay what they are."""
    ticks = tape(3)
    both = together([ticks, ticks.scaled(4, 3)])
    assert both.price_scale == 4
    assert both.price.tolist() == [*(ticks.price * 100).tolist()] * 2
