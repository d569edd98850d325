"""Quantities become contracts rounding down, and contracts become exposure."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.exact import exact
from domain.instruments import Instrument
from domain.orders import Side
from domain.pnl import fee, realised, to_usd
from domain.sizing import (
    Coins,
    Contracts,
    Quantity,
    Usd,
    coin_delta,
    contracts_for,
    contracts_for_risk,
    notional_usd,
)
from tests.domain.catalogue import BTC, BTC_USDC, ETH, ETH_USDC, TAKER, D, at
from tests.domain.strategies import contracts, instruments, prices, rule

quantities: st.SearchStrategy[Decimal] = st.decimals(
    min_value=0, max_value=1_000_000, allow_nan=False, allow_infinity=False
)


@pytest.mark.parametrize(
    ("instrument", "quantity", "price", "expected"),
    [
        (BTC, Coins(D("0.05")), "97123.5", 485),
        (ETH, Coins(D("1.5")), "3187.25", 4780),
        (BTC, Coins(D("0.0001")), "97123.5", 0),
        (BTC_USDC, Coins(D("0.05377")), "97123.5", 537),
        (ETH_USDC, Coins(D("0.0009")), "3187.25", 0),
        (BTC, Usd(D("4856.175")), "97123.5", 485),
        (BTC, Usd(D("9.99")), "97123.5", 0),
        (BTC_USDC, Usd(D(10_000)), "100000", 1000),
        (BTC_USDC, Usd(D(10_000)), "97123.5", 1029),
        (BTC, Contracts(7), "97123.5", 7),
        (BTC, Contracts(0), "97123.5", 0),
        (BTC, Contracts(-3), "97123.5", 0),
        (BTC, Coins(D(-1)), "97123.5", 0),
    ],
)
def test_quantities_round_down_to_contracts(
    instrument: Instrument, quantity: Quantity, price: str, expected: int
) -> None:
    """The type of a quantity says its unit; what does not fill a contract is left out."""
    assert contracts_for(instrument, quantity, D(price)) == expected


def test_rounding_is_down_beyond_every_digit() -> None:
    """A quantity short of a contract by less than arithmetic can show is still short."""
    almost = D("0." + "9" * 60)
    assert contracts_for(BTC, Usd(almost), D(1)) == 0
    assert contracts_for(BTC, Usd(D("9." + "9" * 60)), D(1)) == 0
    assert contracts_for(BTC, Coins(D("9." + "9" * 60)), D(1)) == 0


def test_below_the_smallest_order_is_nothing() -> None:
    """Where the venue's minimum is several contracts, fewer are no order at all."""
    picky = replace(BTC, min_amount=D(50))
    assert contracts_for(picky, Usd(D(49)), D(100_000)) == 0
    assert contracts_for(picky, Usd(D(59)), D(100_000)) == 5
    assert contracts_for(picky, Contracts(4), D(100_000)) == 0


@pytest.mark.parametrize("price", [D(0), D(-1)])
def test_a_price_that_is_none_is_refused(price: Decimal) -> None:
    """No size is worked out from a price that cannot be one."""
    with pytest.raises(ValueError, match="positive"):
        contracts_for(BTC, Coins(D(1)), price)
    with pytest.raises(ValueError, match="positive"):
        contracts_for_risk(BTC, D(500), D(100_000), price)
    with pytest.raises(ValueError, match="positive"):
        contracts_for_risk(BTC, D(500), price, D(100_000))


def test_effective_size_after_rounding() -> None:
    """What was bought for 0.05 coin is a little less than 0.05 coin."""
    assert at(coin_delta(BTC, 485, D("97123.5"))) == D("0.04993642")


def test_risk_sizes_the_loss_at_the_stop() -> None:
    """The size for a risk loses exactly that much at the stop, before 17.50 of fees."""
    entry, stop = D(100_000), D(98_000)
    number = contracts_for_risk(BTC, D(500), entry, stop)
    assert BTC.amount(number) == 25_000
    loss = realised(BTC, Side.BUY, number, entry, stop)
    assert at(loss) == D("-0.00510204")
    assert at(to_usd(BTC, loss, stop), 2) == -500
    fees = [to_usd(BTC, fee(BTC, number, price, TAKER), price) for price in (entry, stop)]
    assert at(sum(fees, D(0)), 2) == D("17.50")


@pytest.mark.parametrize(("stop", "expected"), [("98000", 2500), ("102000", 2500)])
def test_linear_risk_sizes_in_coin(stop: str, expected: int) -> None:
    """On a linear perpetual the size is risk over distance, above or below the entry."""
    assert contracts_for_risk(BTC_USDC, D(500), D(100_000), D(stop)) == expected


def test_a_stop_at_the_entry_has_no_size() -> None:
    """A stop at the entry price would ask for an endless size."""
    with pytest.raises(ValueError, match="same price"):
        contracts_for_risk(BTC, D(500), D(100_000), D(100_000))


def test_too_little_risk_is_no_trade() -> None:
    """A risk that does not pay for one contract gives none, however little it lacks."""
    assert contracts_for_risk(BTC, D("0.01"), D(100_000), D(98_000)) == 0
    assert contracts_for_risk(BTC, D("0.2"), D(100_000), D(98_000)) == 1
    assert contracts_for_risk(BTC, D("0.1" + "9" * 60), D(100_000), D(98_000)) == 0


@exact
def _coins(instrument: Instrument, number: int, price: Decimal) -> Decimal:
    amount = instrument.amount(number)
    return amount / price if instrument.is_inverse else amount


@rule
@given(instrument=instruments, asked=quantities, price=prices)
def test_never_more_coins_than_asked_and_within_a_contract(
    instrument: Instrument, asked: Decimal, price: Decimal
) -> None:
    """The contracts for a quantity of coin never exceed it; one more would."""
    number = contracts_for(instrument, Coins(asked), price)
    assert at(_coins(instrument, number, price), 30) <= asked + D("1e-29")
    assert _coins(instrument, number + 1, price) > asked


@rule
@given(instrument=instruments, asked=quantities, price=prices)
def test_never_more_dollars_than_asked_and_within_a_contract(
    instrument: Instrument, asked: Decimal, price: Decimal
) -> None:
    """The contracts for a quantity of dollars never exceed it; one more would."""
    number = contracts_for(instrument, Usd(asked), price)
    assert notional_usd(instrument, number, price) <= asked
    assert notional_usd(instrument, number + 1, price) > asked


@rule
@given(instrument=instruments, risk=quantities, entry=prices, stop=prices)
def test_risk_is_never_exceeded(
    instrument: Instrument, risk: Decimal, entry: Decimal, stop: Decimal
) -> None:
    """Stopped out at the stop, a trade loses no more dollars than it risked."""
    if entry == stop:
        return
    number = contracts_for_risk(instrument, risk, entry, stop)
    side = Side.BUY if stop < entry else Side.SELL
    loss = -to_usd(instrument, realised(instrument, side, number, entry, stop), stop)
    assert 0 <= loss <= risk + D("1e-20")
    assert -to_usd(instrument, realised(instrument, side, number + 1, entry, stop), stop) > (
        risk - D("1e-20")
    )


@rule
@given(instrument=instruments, number=contracts, price=prices)
def test_contracts_ask_for_themselves(instrument: Instrument, number: int, price: Decimal) -> None:
    """A quantity in contracts is taken as it is, at any price."""
    assert contracts_for(instrument, Contracts(number), price) == number


@pytest.mark.parametrize(
    ("instrument", "number", "mark", "notional", "delta"),
    [
        (BTC, 1000, "97000", "10000", "0.10309278"),
        (BTC, -1000, "97000", "10000", "-0.10309278"),
        (BTC_USDC, 1000, "97000", "9700", "0.1"),
        (BTC_USDC, -1000, "97000", "9700", "-0.1"),
        (ETH, 1, "1963.31", "1", "0.00050934"),
    ],
)
def test_exposure_in_dollars_and_coin(
    instrument: Instrument, number: int, mark: str, notional: str, delta: str
) -> None:
    """Inverse contracts are dollars at any price; linear contracts are coins at any price."""
    assert notional_usd(instrument, number, D(mark)) == D(notional)
    assert at(coin_delta(instrument, number, D(mark))) == D(delta)


@pytest.mark.parametrize(
    ("instrument", "number", "mark", "coins"),
    [(ETH, 1, "1963.31", "0.000509344"), (BTC, 4, "109266.97", "0.000366076")],
)
def test_captured_sizes_of_the_venue(
    instrument: Instrument, number: int, mark: str, coins: str
) -> None:
    """The coin size at mark equals the captured one."""
    assert at(coin_delta(instrument, number, D(mark)), 9) == D(coins)
