"""Golden numbers of standard margin and liquidation."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.instruments import Instrument
from domain.margin import initial_rate, liquidation_price, maintenance_rate, requirement
from domain.orders import Side
from domain.pnl import Holding, apply_fill, unrealised
from tests.domain.catalogue import BTC, BTC_USDC, CLOSE_ENOUGH, ETH, ETH_USDC, D, at
from tests.domain.strategies import instruments, prices, rule, sides


@pytest.mark.parametrize(
    ("instrument", "number", "mark", "coins", "rate", "initial", "maintenance"),
    [
        (BTC, 1_000, "100000", "0.1", "0.020005", "0.00200050", "0.00100050"),
        (BTC, 250_000, "100000", "25", "0.02125", "0.53125", "0.28125"),
        (BTC, 3_500_000, "100000", "350", "0.0375", "13.125", "9.625"),
        (ETH, 1_000_000, "2000", "500", "0.022", "11", "6"),
        (ETH, 10_000_000, "2000", "5000", "0.04", "200", "150"),
        (BTC_USDC, 250_000, "100000", "25", "0.02125", "53125", "28125"),
        (ETH_USDC, 500_000, "2000", "500", "0.022", "22000", "12000"),
    ],
)
def test_margin_table(
    *,
    instrument: Instrument,
    number: int,
    mark: str,
    coins: str,
    rate: str,
    initial: str,
    maintenance: str,
) -> None:
    """Both rates grow with the position, long or short alike."""
    base = instrument.base_currency
    assert initial_rate(base, D(coins)) == D(rate)
    assert maintenance_rate(base, D(coins)) == D(rate) - D("0.01")
    for signed in (number, -number):
        margins = requirement(instrument, signed, D(mark), D(mark))
        assert margins.initial == D(initial)
        assert margins.maintenance == D(maintenance)


@pytest.mark.parametrize(
    ("instrument", "number", "mark", "initial", "maintenance"),
    [
        (ETH, 1, "1963.31", "0.000010187", "0.000005093"),
        (BTC, 4, "109266.97", "0.000007322", "0.000003661"),
    ],
)
def test_captured_margins_of_the_venue(
    instrument: Instrument, number: int, mark: str, initial: str, maintenance: str
) -> None:
    """Margins equal the captured ones to nine places."""
    margins = requirement(instrument, number, D(mark), D(mark))
    assert at(margins.initial, 9) == D(initial)
    assert at(margins.maintenance, 9) == D(maintenance)


def test_linear_margin_is_valued_at_the_index() -> None:
    """Linear coins are margined in USDC at the index, inverse coins at the mark."""
    assert requirement(BTC_USDC, 250_000, D(99_000), D(100_000)).initial == 53_125
    assert requirement(BTC, 250_000, D(100_000), D(99_000)).initial == D("0.53125")


def test_a_currency_without_a_table_is_refused() -> None:
    """No margin is invented for a coin the table does not know."""
    with pytest.raises(ValueError, match="SOL"):
        requirement(replace(BTC_USDC, base_currency="SOL"), 1, D(100), D(100))


@pytest.mark.parametrize(
    ("instrument", "side", "number", "equity", "expected"),
    [
        (BTC, Side.BUY, 1000, "0.02", "84167.16171326"),
        (BTC, Side.SELL, 1000, "0.02", "123749.49494743"),
        (BTC_USDC, Side.BUY, 1000, "2000", "80808.48893176"),
    ],
    ids=["inverse long", "inverse short", "linear long"],
)
def test_liquidation_prices(
    instrument: Instrument, side: Side, number: int, equity: str, expected: str
) -> None:
    """The liquidation mark of a position at 100,000 with this much equity."""
    holding, _ = apply_fill(instrument, Holding(), side, number, D(100_000))
    price = liquidation_price(instrument, holding, D(equity))
    assert price is not None
    assert at(price) == D(expected)


def test_equity_at_the_inverse_liquidation() -> None:
    """Where the long is liquidated, equity and maintenance margin are the same amount."""
    holding, _ = apply_fill(BTC, Holding(), Side.BUY, 1000, D(100_000))
    price = D("84167.16171326")
    assert at(requirement(BTC, 1000, price, price).maintenance) == D("0.00118882")
    assert at(D("0.02") + unrealised(BTC, holding, price)) == D("0.00118882")


@pytest.mark.parametrize(
    ("instrument", "side", "equity"),
    [
        (BTC, Side.SELL, "0.1"),
        (BTC, Side.SELL, "0.2"),
        (BTC_USDC, Side.BUY, "10000"),
        (BTC, Side.BUY, "-0.1"),
    ],
    ids=["short covered by coin", "over-covered", "long paid in full", "equity gone already"],
)
def test_no_price_liquidates(instrument: Instrument, side: Side, equity: str) -> None:
    """There is no liquidation price where equity never meets the margin."""
    holding, _ = apply_fill(instrument, Holding(), side, 1000, D(100_000))
    assert liquidation_price(instrument, holding, D(equity)) is None


def test_a_margin_above_any_equity_has_no_price() -> None:
    """A short so large that its margin exceeds its equity at every price has none either."""
    holding, _ = apply_fill(BTC, Holding(), Side.SELL, 100_000_000, D(100_000))
    assert liquidation_price(BTC, holding, D(1)) is None


def test_flat_is_never_liquidated() -> None:
    """Without a position there is no liquidation price."""
    assert liquidation_price(BTC, Holding(), D(1)) is None


@rule
@given(
    instrument=instruments,
    side=sides,
    number=st.integers(1, 100_000),
    entry=prices,
    leverage=st.integers(2, 45),
)
def test_at_the_liquidation_price_equity_is_the_maintenance_margin(
    instrument: Instrument, side: Side, number: int, entry: Decimal, leverage: int
) -> None:
    """There, equity equals the requirement, and the price lies on the losing side."""
    holding, _ = apply_fill(instrument, Holding(), side, number, entry)
    equity = holding.cost / leverage
    assume(equity > requirement(instrument, number, entry, entry).initial)
    price = liquidation_price(instrument, holding, equity)
    assert price is not None
    left = equity + unrealised(instrument, holding, price)
    assert abs(left - requirement(instrument, number, price, price).maintenance) < CLOSE_ENOUGH
    assert side.sign * (entry - price) > 0
