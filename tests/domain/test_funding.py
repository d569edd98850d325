"""Golden numbers of funding."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.exact import exact
from domain.funding import PERIOD_SECONDS, payment, rate
from domain.instruments import Instrument
from tests.domain.catalogue import BTC, BTC_USDC, CLOSE_ENOUGH, ETH, ETH_USDC, D
from tests.domain.strategies import contracts, instruments, prices, rule

INDEX = D(100_000)
HOUR = 3600


@pytest.mark.parametrize(
    ("instrument", "mark", "expected"),
    [
        (BTC, "100080", "0.00055"),
        (BTC, "99960", "-0.00015"),
        (BTC, "99990", "0"),
        (BTC, "100025", "0"),
        (BTC, "99975", "0"),
        (BTC, "100000", "0"),
        (BTC, "100600", "0.005"),
        (BTC, "99400", "-0.005"),
        (ETH, "100600", "0.00575"),
        (ETH, "102000", "0.01"),
        (ETH, "98000", "-0.01"),
        (BTC_USDC, "102000", "0.01975"),
        (BTC_USDC, "110000", "0.05"),
        (ETH_USDC, "90000", "-0.05"),
    ],
)
def test_rate_is_damped_and_capped(instrument: Instrument, mark: str, expected: str) -> None:
    """The premium moves 0.025 % towards zero and stops at the cap of its family."""
    assert rate(instrument, D(mark), INDEX) == D(expected)


def test_an_inverse_perpetual_without_a_known_cap_is_refused() -> None:
    """No cap is invented for a coin it is not known for."""
    with pytest.raises(ValueError, match="cap"):
        rate(replace(BTC, base_currency="SOL"), INDEX, INDEX)


@pytest.mark.parametrize(
    ("instrument", "signed", "seconds", "expected"),
    [
        (BTC, 1000, HOUR, "-0.000006875"),
        (BTC, 1000, 8 * HOUR, "-0.000055"),
        (BTC, -1000, HOUR, "0.000006875"),
        (BTC, -1000, 8 * HOUR, "0.000055"),
        (BTC_USDC, 1000, HOUR, "-0.6875"),
        (BTC_USDC, 1000, 8 * HOUR, "-5.50"),
        (BTC_USDC, -1000, HOUR, "0.6875"),
        (BTC, 0, HOUR, "0"),
    ],
)
def test_longs_pay_shorts_while_the_rate_is_positive(
    instrument: Instrument, signed: int, seconds: int, expected: str
) -> None:
    """At a mark of 100,080 over an index of 100,000, longs pay what shorts receive."""
    at_rate = rate(instrument, D(100_080), INDEX)
    paid = payment(instrument, signed, INDEX, at_rate, seconds)
    assert abs(paid - D(expected)) < CLOSE_ENOUGH


@exact
def _halves(instrument: Instrument, signed: int, index: Decimal, at_rate: Decimal) -> Decimal:
    half = D(PERIOD_SECONDS) / 2
    return 2 * payment(instrument, signed, index, at_rate, half)


@rule
@given(
    instrument=instruments,
    signed=contracts,
    mark=prices,
    index=prices,
)
def test_funding_is_zero_sum_and_adds_up_over_time(
    instrument: Instrument, signed: int, mark: Decimal, index: Decimal
) -> None:
    """What one side pays the other receives, and two halves of a period are the period."""
    at_rate = rate(instrument, mark, index)
    long = payment(instrument, signed, index, at_rate, PERIOD_SECONDS)
    short = payment(instrument, -signed, index, at_rate, PERIOD_SECONDS)
    assert long + short == 0
    assert abs(long - _halves(instrument, signed, index, at_rate)) < CLOSE_ENOUGH


@rule
@given(instrument=instruments, index=prices, premium=st.integers(-2000, 2000))
def test_rate_never_turns_against_the_premium(
    instrument: Instrument, index: Decimal, premium: int
) -> None:
    """The damped rate has the sign of the premium or none, and is never larger than it."""
    fraction = D(premium) / 10_000
    at_rate = rate(instrument, index * (1 + fraction), index)
    assert at_rate * fraction >= 0
    assert abs(at_rate) <= abs(fraction) + CLOSE_ENOUGH
