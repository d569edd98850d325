"""Contracts, amounts and ticks of the four perpetuals."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given

from domain.instruments import Instrument
from tests.domain.catalogue import BTC, BTC_USDC, ETH, ETH_USDC, D
from tests.domain.strategies import any_prices, contracts, instruments, rule


@pytest.mark.parametrize(
    ("instrument", "number", "amount"),
    [(BTC, 485, "4850"), (ETH, 4780, "4780"), (BTC_USDC, 537, "0.0537"), (ETH_USDC, 3, "0.003")],
)
def test_amount_is_contracts_in_the_unit_of_the_venue(
    instrument: Instrument, number: int, amount: str
) -> None:
    """The wire amount is dollars on inverse and coin on linear perpetuals, both ways exactly."""
    assert instrument.amount(number) == D(amount)
    assert instrument.contracts(D(amount)) == number


@pytest.mark.parametrize(
    ("instrument", "amount", "number"),
    [
        (BTC_USDC, "0.00030000000000000003", 3),
        (BTC_USDC, "0.05369999999999999", 537),
        (ETH_USDC, "-0.30000000000000004", -300),
        (BTC, "4850.000000000001", 485),
    ],
)
def test_the_noise_of_binary_sums_is_nothing(
    instrument: Instrument, amount: str, number: int
) -> None:
    """Read strictly, one such figure would make the whole account unreadable."""
    assert instrument.contracts(D(amount)) == number


@pytest.mark.parametrize(
    ("instrument", "amount"), [(BTC, "4856"), (BTC_USDC, "0.05375"), (BTC_USDC, "0.0537001")]
)
def test_an_amount_between_contracts_is_refused(instrument: Instrument, amount: str) -> None:
    """A venue figure that is no multiple of the contract size is an error, never rounded."""
    with pytest.raises(ValueError, match=instrument.name):
        instrument.contracts(D(amount))


@pytest.mark.parametrize(
    ("minimum", "expected"), [("10", 1), ("25", 3), ("30", 3)], ids=["equal", "between", "exact"]
)
def test_smallest_order_is_rounded_up_to_a_whole_contract(minimum: str, expected: int) -> None:
    """An order of the minimum number of contracts is never below the minimum amount."""
    assert replace(BTC, min_amount=D(minimum)).min_contracts == expected


@pytest.mark.parametrize(
    ("instrument", "price", "floor", "ceil"),
    [
        (BTC, "100070.02450858", "100070.0", "100070.5"),
        (BTC, "100070.5", "100070.5", "100070.5"),
        (ETH, "3139.6087", "3139.60", "3139.65"),
        (BTC_USDC, "85476.44", "85476.4", "85476.5"),
    ],
)
def test_prices_round_to_the_ticks_around_them(
    instrument: Instrument, price: str, floor: str, ceil: str
) -> None:
    """A price rounds down and up to neighbouring ticks, and a tick to itself."""
    assert instrument.floor_price(D(price)) == D(floor)
    assert instrument.ceil_price(D(price)) == D(ceil)


@rule
@given(instrument=instruments, price=any_prices)
def test_any_price_lies_between_its_two_ticks(instrument: Instrument, price: Decimal) -> None:
    """The ticks below and above enclose the price and are at most one tick apart."""
    low, high = instrument.floor_price(price), instrument.ceil_price(price)
    assert low <= price <= high
    assert instrument.is_on_tick(low)
    assert instrument.is_on_tick(high)
    assert high - low == (0 if instrument.is_on_tick(price) else instrument.tick_size)


@rule
@given(instrument=instruments, number=contracts)
def test_contracts_survive_the_wire(instrument: Instrument, number: int) -> None:
    """Contracts turned into an amount and back are the same contracts."""
    amount = instrument.amount(number)
    assert instrument.contracts(amount) == number
    assert instrument.floor_contracts(amount) == number
    assert instrument.floor_contracts(amount - instrument.contract_size / 1000) == number - 1


def test_the_family_decides_the_arithmetic() -> None:
    """Reversed perpetuals are inverse, linear ones are not."""
    assert [i.is_inverse for i in (BTC, ETH, BTC_USDC, ETH_USDC)] == [True, True, False, False]
