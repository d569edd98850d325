"""Rules every sequence of fills obeys."""

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from domain.exact import exact
from domain.instruments import Instrument
from domain.orders import Side
from domain.pnl import (
    Holding,
    apply_fill,
    average_price,
    breakeven_tick,
    fee,
    realised,
    unrealised,
)
from tests.domain.catalogue import D, at
from tests.domain.strategies import contracts, instruments, prices, rule, sides, trades

Fills = Sequence[tuple[Side, int, Decimal]]
# Fifty digits less what products of a million contracts and five-digit prices use up.
DUST = D("1e-30")


def play(instrument: Instrument, fills: Fills) -> tuple[Holding, Decimal]:
    """The holding and the PnL realised after these fills."""
    holding, gained = Holding(), D(0)
    for side, number, price in fills:
        holding, gain = apply_fill(instrument, holding, side, number, price)
        gained = _sum(gained, gain)
    return holding, gained


@exact
def _sum(one: Decimal, other: Decimal) -> Decimal:
    return one + other


@exact
def _worth(instrument: Instrument, fills: Fills, mark: Decimal) -> Decimal:
    """Profit counted without positions: what each fill is worth at the mark, summed."""
    parts = (realised(instrument, side, number, price, mark) for side, number, price in fills)
    return sum(parts, D(0))


@rule
@given(instrument=instruments, fills=st.lists(trades, max_size=12), mark=prices)
def test_profit_does_not_depend_on_the_path(
    instrument: Instrument, fills: Fills, mark: Decimal
) -> None:
    """Realised plus unrealised is the sum of each fill against the mark, flips included."""
    holding, gained = play(instrument, fills)
    total = _sum(gained, unrealised(instrument, holding, mark))
    assert abs(total - _worth(instrument, fills, mark)) < DUST


@rule
@given(instrument=instruments, fills=st.lists(trades, max_size=12))
def test_contracts_are_conserved(instrument: Instrument, fills: Fills) -> None:
    """The position is the signed sum of the fills, and cost is held exactly while open."""
    holding, _ = play(instrument, fills)
    assert holding.contracts == sum(side.sign * number for side, number, _ in fills)
    assert (holding.cost > 0) == (holding.contracts != 0)


@rule
@given(instrument=instruments, fills=st.lists(trades, min_size=1, max_size=8), price=prices)
def test_a_closed_position_leaves_nothing(
    instrument: Instrument, fills: Fills, price: Decimal
) -> None:
    """Closing everything leaves exactly no contracts and no cost, and all profit realised."""
    holding, gained = play(instrument, fills)
    if holding.side is None:
        return
    number = abs(holding.contracts)
    flat, gain = apply_fill(instrument, holding, holding.side.opposite, number, price)
    assert (flat.contracts, flat.cost) == (0, 0)
    assert abs(_sum(gained, gain) - _worth(instrument, fills, price)) < DUST


@rule
@given(
    instrument=instruments, side=sides, held=contracts, more=contracts, entry=prices, price=prices
)
def test_a_flip_is_a_close_and_an_open(
    *, instrument: Instrument, side: Side, held: int, more: int, entry: Decimal, price: Decimal
) -> None:
    """One fill through flat equals closing all and opening the remainder."""
    holding, _ = apply_fill(instrument, Holding(), side, held, entry)
    flipped, gain = apply_fill(instrument, holding, side.opposite, held + more, price)
    closed, closing_gain = apply_fill(instrument, holding, side.opposite, held, price)
    opened, _ = apply_fill(instrument, closed, side.opposite, more, price)
    assert (flipped, gain) == (opened, closing_gain)
    assert abs(gain - realised(instrument, side, held, entry, price)) < DUST


@rule
@given(
    instrument=instruments,
    side=sides,
    entries=st.lists(st.tuples(contracts, prices), min_size=1, max_size=12),
)
def test_the_average_lies_within_the_fills(
    instrument: Instrument, side: Side, entries: Sequence[tuple[int, Decimal]]
) -> None:
    """However a position was built, its average is between its best and its worst price."""
    holding, _ = play(instrument, [(side, number, price) for number, price in entries])
    average = average_price(instrument, holding)
    assert average is not None
    paid = [price for _, price in entries]
    assert min(paid) <= at(average, 20) <= max(paid)


@rule
@given(instrument=instruments, entries=st.lists(trades, min_size=1, max_size=6), price=prices)
def test_a_partial_close_keeps_the_average(
    instrument: Instrument, entries: Fills, price: Decimal
) -> None:
    """Taking one contract off leaves the average of the rest where it was."""
    holding, _ = play(instrument, entries)
    if holding.side is None or abs(holding.contracts) == 1:
        return
    rest, _ = apply_fill(instrument, holding, holding.side.opposite, 1, price)
    before, after = average_price(instrument, holding), average_price(instrument, rest)
    assert before is not None
    assert after is not None
    assert abs(before - after) < D("1e-20")


@rule
@given(instrument=instruments, side=sides, entry=prices, tenths=st.integers(-4, 100))
def test_the_breakeven_tick_never_loses(
    instrument: Instrument, side: Side, entry: Decimal, tenths: int
) -> None:
    """Closing at the breakeven tick covers both fees, rebates included; a tick less does not."""
    rate = D(tenths) / 100_000
    tick = breakeven_tick(instrument, side, entry, rate, rate)

    def net(price: Decimal) -> Decimal:
        fees = _sum(fee(instrument, 10, entry, rate), fee(instrument, 10, price, rate))
        return _sum(realised(instrument, side, 10, entry, price), -fees)

    assert net(tick) >= -DUST
    assert net(tick - side.sign * instrument.tick_size) < DUST
