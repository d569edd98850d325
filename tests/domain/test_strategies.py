"""Bars and the reference strategy: what is a breakout, and where stop and target stand."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.bars import Bar, BarBuilder
from domain.orders import Side
from domain.strategies import Breakout, BreakoutSettings, Signal, resolve_price

SETTINGS = BreakoutSettings(
    bar_ms=1000,
    lookback=3,
    atr_period=3,
    stop_atr=Decimal(2),
    target_atr=Decimal(3),
    min_stop=Decimal("0.0005"),
)


def bar(number: int, low: str, high: str, close: str) -> Bar:
    """A bar that opens at its low."""
    return Bar(
        start_ms=number * 1000,
        open=Decimal(low),
        high=Decimal(high),
        low=Decimal(low),
        close=Decimal(close),
    )


def played(*bars: Bar) -> list[Signal | None]:
    """What a fresh breakout says to each bar."""
    strategy = Breakout(SETTINGS)
    return [strategy.on_bar(each) for each in bars]


QUIET = [bar(n, "100", "102", "101") for n in range(3)]


def test_a_bar_is_finished_by_the_first_tick_of_the_next() -> None:
    """Open, high, low and close are those of the ticks inside, on whole multiples."""
    builder = BarBuilder(1000)
    for ms, price in ((2100, "5"), (2500, "9"), (2600, "3"), (2999, "4")):
        assert builder.add(ms, Decimal(price)) is None
    finished = builder.add(4000, Decimal(7))
    assert finished == Bar(
        start_ms=2000, open=Decimal(5), high=Decimal(9), low=Decimal(3), close=Decimal(4)
    )


def test_a_late_tick_changes_nothing() -> None:
    """A tick of a bar that is over is left out."""
    builder = BarBuilder(1000)
    builder.add(5000, Decimal(5))
    assert builder.add(4999, Decimal(99)) is None
    finished = builder.add(6000, Decimal(5))
    assert finished is not None
    assert finished.high == Decimal(5)


def test_a_bar_has_a_positive_length() -> None:
    """Nonsense is refused at once."""
    with pytest.raises(ValueError, match="positive length"):
        BarBuilder(0)


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 1000)), min_size=1))
def test_bars_rise_in_time_and_hold_their_prices(ticks: list[tuple[int, int]]) -> None:
    """Whatever order ticks come in, bars are ordered and low <= open, close <= high."""
    builder = BarBuilder(700)
    bars = [b for ms, price in ticks if (b := builder.add(ms, Decimal(price))) is not None]
    starts = [each.start_ms for each in bars]
    assert starts == sorted(set(starts))
    assert all(each.low <= min(each.open, each.close) for each in bars)
    assert all(each.high >= max(each.open, each.close) for each in bars)


def test_nothing_is_said_before_enough_bars() -> None:
    """The channel and the range both need their history."""
    assert played(bar(0, "100", "102", "101"), bar(1, "100", "200", "199")) == [None, None]


def test_a_close_above_the_highest_high_buys() -> None:
    """Stop and target are two and three average ranges away."""
    *_, signal = played(*QUIET, bar(3, "101", "104", "103"))
    assert signal is not None
    assert (signal.side, signal.entry) == (Side.BUY, Decimal(103))
    assert (signal.stop, signal.target) == (Decimal(99), Decimal(109))


def test_a_close_below_the_lowest_low_sells() -> None:
    """The mirror image."""
    *_, signal = played(*QUIET, bar(3, "98", "101", "99"))
    assert signal is not None
    assert (signal.side, signal.stop, signal.target) == (Side.SELL, Decimal(103), Decimal(93))


def test_a_high_that_does_not_hold_is_no_breakout() -> None:
    """Only the close counts."""
    assert played(*QUIET, bar(3, "101", "110", "102"))[-1] is None


def test_it_rests_after_a_signal_when_told_to() -> None:
    """The bars in between are looked at all the same."""
    strategy = Breakout(replace(SETTINGS, rest_bars=2))
    highs = [bar(n, str(90 + n * 10), str(100 + n * 10), str(100 + n * 10)) for n in range(3, 7)]
    said = [strategy.on_bar(each) for each in (*QUIET, *highs)]
    assert [signal is not None for signal in said[3:]] == [True, False, True, False]


def test_the_stop_keeps_a_least_distance() -> None:
    """In a market that stands still the range is no measure."""
    still = [bar(n, "100", "100", "100") for n in range(3)]
    *_, signal = played(*still, bar(3, "100", "100.01", "100.01"))
    assert signal is not None
    assert signal.entry - signal.stop == Decimal("100.01") * SETTINGS.min_stop


def test_no_signal_with_a_price_below_zero() -> None:
    """A range wider than the price gives no stop that could exist."""
    wild = [bar(n, "1", "90", "50") for n in range(3)]
    assert played(*wild, bar(3, "0.5", "3", "0.9"))[-1] is None


@pytest.mark.parametrize(
    ("text", "price"),
    [("97000", "97000"), ("-1%", "99000"), ("+0.5%", "100500"), (" 2% ", "102000")],
)
def test_a_price_or_an_offset_from_the_mark(text: str, price: str) -> None:
    """Scripts may say both."""
    assert resolve_price(text, Decimal(100_000)) == Decimal(price)


def test_a_distance_is_a_part_of_the_mark() -> None:
    """As a trail is given: from nought, not from the mark."""
    assert resolve_price("0.5%", Decimal(100_000), Decimal(0)) == 500
    assert resolve_price("800", Decimal(100_000), Decimal(0)) == 800


def test_neither_price_nor_offset_is_an_error() -> None:
    """The caller denies the trade."""
    with pytest.raises(ArithmeticError):
        resolve_price("cheap", Decimal(1))
