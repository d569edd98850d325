"""Rules of a stop that follows: only nearer, always on tick, never beyond the price."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.instruments import Instrument
from domain.labels import Role
from domain.orders import ZERO, Side, TriggerBy
from domain.pnl import Holding, apply_fill
from domain.trade import ExitReason, Trade, TradeFill, is_tighter
from domain.trailing import LEAST_MOVE, break_even, followed
from tests.domain.builders import entry, plan, record, step_of, stop
from tests.domain.catalogue import BTC, BTC_USDC, D

PRICES = st.integers(90_000, 110_000).map(Decimal)
SIDES = st.sampled_from(list(Side))
FEES = st.decimals(0, D("0.0005"), places=4)


def opened(side: Side, *, fee: Decimal = ZERO, contracts: int = 10, **moves: Decimal) -> Trade:
    """A position from 100 000 under a stop two thousand away."""
    place = D(98_000) if side is Side.BUY else D(102_000)
    fill = TradeFill(
        trade_id="f1",
        trade_seq=1,
        order_id="entry-1",
        role=Role.ENTRY,
        side=side,
        contracts=contracts,
        price=D(100_000),
        fee=fee,
        profit_loss=None,
        timestamp_ms=0,
    )
    wish = plan(side=side, stop_price=place, target_price=None, contracts=contracts, **moves)
    filled = entry(contracts, contracts=contracts)
    resting = stop(contracts=contracts, trigger_price=place)
    return record(filled, resting, plan=wish, fills=(fill,))


@given(side=SIDES, trail=st.integers(1, 50_000).map(lambda x: x / D(2)), prices=st.lists(PRICES))
def test_a_trailed_stop_only_comes_nearer_and_keeps_its_distance(
    side: Side, trail: Decimal, prices: list[Decimal]
) -> None:
    """Behind the best price by the trail, but for a move too small to be worth an edit."""
    trade = opened(side, trail=trail)
    for price in prices:
        before, trade = trade, followed(trade, price, BTC)
        assert trade is before or is_tighter(side, trade.stop_price, before.stop_price)
        assert BTC.is_on_tick(trade.stop_price)
    if trade.stop_at is not None:
        best = max(prices) if side is Side.BUY else min(prices)
        distance = (best - trade.stop_at) * side.sign
        assert trail <= distance <= trail * (1 + LEAST_MOVE) + BTC.tick_size


@pytest.mark.parametrize("instrument", [BTC, BTC_USDC])
@given(side=SIDES, fee=FEES)
def test_at_break_even_the_sum_is_nought_to_a_tick(
    instrument: Instrument, side: Side, fee: Decimal
) -> None:
    """Closed there at the taker's fee, entry and fees are paid back; a tick less, they are not."""
    fee = fee * (1 if instrument.is_inverse else 1000)
    trade = opened(side, fee=fee, contracts=1000)
    price = break_even(trade, instrument)
    assert price is not None

    def net(at: Decimal) -> Decimal:
        held, _ = apply_fill(instrument, Holding(), side, 1000, D(100_000))
        _, pnl = apply_fill(instrument, held, side.opposite, 1000, at)
        amount = instrument.amount(1000)
        value = amount / at if instrument.is_inverse else amount * at
        return pnl - fee - instrument.taker_commission * value

    assert net(price) >= 0
    assert net(price - side.sign * instrument.tick_size) < D("1e-18")


@given(side=SIDES, price=PRICES, at=st.integers(1, 5_000).map(Decimal))
def test_a_break_even_is_not_beyond_the_price(side: Side, price: Decimal, at: Decimal) -> None:
    """Nothing before the price has come as far as asked; then a stop, not a close."""
    reached = D(100_000) + side.sign * at
    trade = followed(opened(side, break_even_at=reached), price, BTC)
    has_come = (price - reached) * side.sign >= 0
    assert has_come or trade.stop_at is None
    if trade.stop_at is not None:
        assert is_tighter(side, price, trade.stop_at)


def test_a_break_even_waits_for_fills_that_are_missing() -> None:
    """What is known of by the order alone has no price: the mean of the others is not the entry."""
    trade = opened(Side.BUY, break_even_at=D(100_500))
    (known,) = trade.fills
    lacking = replace(trade, fills=(replace(known, contracts=4),))
    assert followed(trade, D(101_000), BTC).stop_at is not None
    assert break_even(lacking, BTC) is None
    assert followed(lacking, D(101_000), BTC) is lacking


def test_a_trade_that_is_being_closed_keeps_its_stop_where_it_rests() -> None:
    """An edit would race with the close, and take of the requests that it needs."""
    trade = opened(Side.BUY, trail=D(500))
    ending = replace(trade, exit_reason=ExitReason.REQUESTED)
    assert followed(trade, D(101_000), BTC).stop_at == 100_500
    assert followed(ending, D(101_000), BTC) is ending


def test_what_rests_nearer_than_remembered_is_not_put_back() -> None:
    """The write of the last move may have been lost; a growing stop keeps its place."""
    trade = opened(Side.BUY, trail=D(500))
    nearer = replace(trade.lines[1], trigger_price=D(99_400))
    trade = replace(trade, lines=(trade.lines[0], nearer))
    assert trade.stop_price == 99_400
    assert step_of(trade) is None
    assert followed(trade, D(99_800), BTC) is trade
    assert followed(trade, D(100_400), BTC).stop_at == 99_900


def test_a_trade_without_moves_stays_as_planned_wherever_its_stop_was_put() -> None:
    """Also when a person has moved it: it grows at the planned price, as it always did."""
    trade = opened(Side.BUY)
    assert followed(trade, D(150_000), BTC) is trade
    assert trade.plan.stop_trigger is TriggerBy.MARK_PRICE
    nearer = replace(
        trade, lines=(trade.lines[0], replace(trade.lines[1], trigger_price=D(99_000)))
    )
    assert nearer.stop_price == 98_000
