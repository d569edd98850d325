"""The same trade, counted in other contracts."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.contract_sizes import own, rescaled
from domain.instruments import Instrument
from domain.labels import Role
from domain.orders import OrderState, Side
from domain.trade import Trade
from domain.trade_check import flaws
from domain.trade_result import result_of
from domain.trailing import break_even
from tests.domain.builders import booked, entry, fill, filled, heard, plan, record, report, stop
from tests.domain.catalogue import BTC, BTC_USDC, D

SIZES = st.sampled_from([D("0.0004"), D("0.0001"), D("0.00001"), D("0.001"), D(10), D(1), D(25)])


def traded(instrument: Instrument = BTC, **changes: object) -> Trade:
    """In at two prices and half out again, under a stop for the rest."""
    fills = (
        booked(Role.ENTRY, Side.BUY, 6, 100_000, number=1, fee=D("0.0003")),
        booked(Role.ENTRY, Side.BUY, 4, 80_000, number=2, fee=D("0.0001")),
        booked(Role.CLOSE, Side.SELL, 5, 96_000, number=3, fee=D("0.0002")),
    )
    usual = record(
        entry(10),
        stop(contracts=10, reported_filled=5),
        plan=plan(contract_size=instrument.contract_size),
        fills=fills,
    )
    return replace(usual, **changes)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("instrument", [BTC, BTC_USDC])
@given(size=SIZES)
def test_what_it_made_is_the_same_in_coin(instrument: Instrument, size: Decimal) -> None:
    """Averages, profit, fees and the price of break-even; the numbers are other numbers."""
    before = traded(instrument)
    after = rescaled(before, size)
    one, other = result_of(before, instrument), result_of(after, instrument)
    assert replace(other, contracts=one.contracts) == one
    counted = own(after, instrument)
    assert counted.amount(other.contracts) == instrument.amount(one.contracts)
    assert counted.amount(after.position) == instrument.amount(before.position)
    assert counted.amount(after.plan.contracts) == instrument.amount(before.plan.contracts)
    assert counted.amount(after.cover) == instrument.amount(before.cover)
    assert break_even(after, instrument) == break_even(before, instrument)
    assert (before.lacks_fills, flaws(before)) == (after.lacks_fills, flaws(after))


@pytest.mark.parametrize(
    ("size", "contracts"),
    [("1", 100), ("10", 10), ("0.1", 1000), ("100", 10), ("4", 50), ("25", 20)],
)
def test_it_is_counted_in_what_both_sizes_are_multiples_of(size: str, contracts: int) -> None:
    """A smaller contract, the same, one larger, and such as do not divide each other."""
    assert rescaled(traded(), D(size)).plan.contracts == contracts


@given(size=SIZES, again=SIZES)
def test_twice_is_once(size: Decimal, again: Decimal) -> None:
    """The size it counts in goes with the numbers, whichever order the news has."""
    one = rescaled(traded(), size)
    assert rescaled(one, size) == one
    other = rescaled(rescaled(traded(), again), size)
    assert rescaled(one, again) == other


def test_a_record_of_before_counts_in_what_it_finds() -> None:
    """Nothing is known of its size: its numbers stay."""
    old = traded(plan=plan(contract_size=None))
    assert rescaled(old, D(10)) == traded()
    assert own(old, BTC) == BTC


def test_an_order_in_other_contracts_is_the_same_order() -> None:
    """A stop of 10 that is told of as 100 of a tenth covers what it covered."""
    trade = heard(
        record(entry(10), stop(), plan=plan(contract_size=D(10))),
        report(Role.STOP, OrderState.UNTRIGGERED, contracts=100, contract_size=D(1)),
    )
    assert (trade.position, trade.cover) == (100, 100)
    late = heard(trade, report(Role.STOP, OrderState.UNTRIGGERED, contract_size=D(10)))
    assert (late.position, late.cover) == (100, 100)


def test_a_fill_is_booked_once_whatever_contracts_it_is_told_in() -> None:
    """Pushed before the change, read from the history after it; and the other way about."""
    empty = record(entry(10), plan=plan(contract_size=D(10)))
    old = fill(Role.ENTRY, 10, contract_size=D(10))
    new = fill(Role.ENTRY, 100, contract_size=D(1))
    for first, second in ((old, new), (new, old), (old, old), (new, new)):
        trade = rescaled(filled(filled(empty, first), second), D(1))
        assert [x.contracts for x in trade.fills] == [100]
        assert (trade.entered, trade.lacks_fills) == (100, False)


def test_a_fill_that_is_shown_as_it_was_counted_once_changes_nothing() -> None:
    """Should the venue's history leave the number and not the amount as it was."""
    old = record(entry(10), plan=plan(contract_size=D(10)))
    trade = rescaled(filled(old, fill(Role.ENTRY)), D(1))
    assert filled(trade, fill(Role.ENTRY, 10, contract_size=D(1))) == trade


def test_a_size_that_cannot_be_is_a_flaw() -> None:
    """A book that says so is unreadable."""
    assert not flaws(traded())
    assert flaws(traded(plan=plan(contract_size=D(0))))
    assert flaws(traded(plan=plan(contract_size=D(-1))))
