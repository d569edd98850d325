"""Golden numbers of the mark price and the trading band."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.instruments import Instrument
from domain.mark import BAND_WINDOW_SECONDS, band, ema_step, mark_price
from tests.domain.catalogue import BTC, CLOSE_ENOUGH, ETH, D, at
from tests.domain.strategies import instruments, prices, rule


def test_mark_follows_a_constant_premium_slowly() -> None:
    """Five seconds of a premium of 100, from none: it is 100 * (1 - (29/31) ** n) after n."""
    marks: list[Decimal] = []
    average = D(0)
    for _ in range(5):
        average = ema_step(average, D(100))
        marks.append(at(mark_price(D(100_000), average)))
    assert marks == [
        D("100006.45161290"),
        D("100012.48699272"),
        D("100018.13299319"),
        D("100023.41473556"),
        D("100028.35572036"),
    ]


def test_the_newest_second_weighs_two_over_window_plus_one() -> None:
    """A longer window moves less per second."""
    assert abs(ema_step(D(0), D(1)) - D("0.064516129032258")) < CLOSE_ENOUGH
    assert abs(ema_step(D(0), D(1), BAND_WINDOW_SECONDS) - D("0.032786885245902")) < CLOSE_ENOUGH


@pytest.mark.parametrize(
    ("premium", "expected"),
    [("499", "100499"), ("501", "100500"), ("-501", "99500"), ("0", "100000")],
)
def test_mark_stays_within_half_a_percent_of_the_index(premium: str, expected: str) -> None:
    """A premium beyond 0.5 % of the index is cut there."""
    assert mark_price(D(100_000), D(premium)) == D(expected)


@pytest.mark.parametrize(
    ("instrument", "index", "premium", "low", "high"),
    [
        (BTC, "92281.78", "0", "90897.5", "93666.5"),
        (BTC, "92200", "81.78", "90897.5", "93666.5"),
        (ETH, "3187.42", "0", "3139.6", "3235.25"),
        (BTC, "100000", "7000", "105395", "107500"),
        (BTC, "100000", "-7000", "92500", "94395"),
        (BTC, "100000", "10000", "107500", "107500"),
        (BTC, "100000", "-10000", "92500", "92500"),
    ],
)
def test_band_is_rounded_outward_within_the_outer_band(
    instrument: Instrument, index: str, premium: str, low: str, high: str
) -> None:
    """1.5 % around index plus premium, outward to the tick, within 7.5 % of the index."""
    assert band(D(index), D(premium), instrument) == (D(low), D(high))


@rule
@given(
    instrument=instruments,
    index=prices,
    basis_points=st.integers(-500, 500),
)
def test_band_encloses_where_the_market_trades(
    instrument: Instrument, index: Decimal, basis_points: int
) -> None:
    """The band is on ticks and holds the averaged mid while that is within 5 % of the index."""
    premium = index * basis_points / 10_000
    low, high = band(index, premium, instrument)
    assert low <= index + premium <= high
    assert instrument.is_on_tick(low)
    assert instrument.is_on_tick(high)


@rule
@given(index=prices, previous=prices, sample=prices)
def test_average_stays_between_old_and_new(
    index: Decimal, previous: Decimal, sample: Decimal
) -> None:
    """One step moves the average towards the sample and never past it."""
    after = ema_step(previous, sample)
    assert min(previous, sample) <= after <= max(previous, sample)
