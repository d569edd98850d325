"""What reduce-only orders closed beyond their trade: when it is proven, and what is booked."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.labels import Role
from domain.orders import Side
from domain.overclosing import left_after_all, own_fills, taken_from_others
from domain.trade import ExitReason, LineStatus, Trade, TradeFill, TradeState
from domain.trade_result import exit_reason_of, result_of
from domain.trade_states import state_of
from tests.domain.builders import BTC, D, booked, entry, record, says, step_of, stop, target

FILLED = LineStatus.FILLED


def overclosed(*fills: TradeFill) -> Trade:
    """Ten in, and these out; every order is over."""
    into = booked(Role.ENTRY, Side.BUY, 10, 100_000, number=1)
    return record(entry(), target(FILLED), stop(FILLED), fills=(into, *fills))


def out(role: Role, contracts: int, number: int, **changes: Any) -> TradeFill:
    """An exit's fill, by an order that could open nothing."""
    price = 101_000 if role is Role.TARGET else 99_000
    usual: dict[str, Any] = {"is_reduce_only": True, "profit_loss": D("0.001")}
    return booked(role, Side.SELL, contracts, price, number=number, **{**usual, **changes})


def test_what_a_stop_closed_after_the_target_had_closed_all_was_anothers() -> None:
    """Booked is what the trade held: its profit, its fees, and why it ended."""
    trade = overclosed(out(Role.TARGET, 10, 2), out(Role.STOP, 4, 3))
    assert taken_from_others(trade) == 4
    assert state_of(trade) is TradeState.CLOSING
    assert exit_reason_of(trade) is ExitReason.TAKE_PROFIT
    alone, beside = result_of(overclosed(out(Role.TARGET, 10, 2)), BTC), result_of(trade, BTC)
    assert (beside.pnl_coin, beside.exit_price) == (alone.pnl_coin, alone.exit_price)
    assert beside.fees_coin == alone.fees_coin
    assert (alone.venue_pnl_coin, beside.venue_pnl_coin) == (D("0.001"), None)


def test_a_fill_that_closed_ours_and_more_counts_as_far_as_it_was_ours() -> None:
    trade = overclosed(out(Role.TARGET, 7, 2), out(Role.STOP, 8, 3))
    assert taken_from_others(trade) == 5
    assert [x.contracts for x in own_fills(trade)] == [10, 7, 3]
    assert own_fills(trade)[-1].fee == trade.fills[-1].fee * 3 / 8
    assert exit_reason_of(trade) is ExitReason.STOP_LOSS


@pytest.mark.parametrize(
    "trade",
    [
        overclosed(out(Role.TARGET, 10, 2), out(Role.STOP, 4, 3, is_reduce_only=False)),
        overclosed(out(Role.TARGET, 10, 2, is_reduce_only=False), out(Role.STOP, 4, 3)),
        replace(
            overclosed(out(Role.TARGET, 10, 2), out(Role.STOP, 4, 3)),
            lines=(entry(), target(FILLED), stop(FILLED, reported_filled=5)),
        ),
        overclosed(
            out(Role.TARGET, 10, 2),
            out(Role.STOP, 4, 3),
            booked(Role.ENTRY, Side.BUY, 2, 99_500, number=4),
        ),
        overclosed(booked(None, Side.SELL, 4, 100_000, number=2), out(Role.TARGET, 9, 3)),
    ],
    ids=["stop unsound", "target unsound", "fills missing", "entered again", "by a hand, too"],
)
def test_without_proof_it_is_a_quarantine(trade: Trade) -> None:
    """A person has to look, and the books show what was filled."""
    assert taken_from_others(trade) == 0
    assert state_of(trade) is TradeState.QUARANTINED
    assert own_fills(trade) == trade.fills


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 30))
def test_own_and_others_add_up_to_what_was_closed(sizes: list[int], held: int) -> None:
    """However the closing is cut into fills."""
    into = booked(Role.ENTRY, Side.BUY, held, 100_000, number=1)
    outs = [out(Role.STOP, n, 2 + i) for i, n in enumerate(sizes)]
    trade = record(entry(held), stop(FILLED), fills=(into, *outs))
    own = sum(x.contracts for x in own_fills(trade) if x.side is Side.SELL)
    assert own + taken_from_others(trade) == sum(sizes)
    assert taken_from_others(trade) == max(0, sum(sizes) - held)


def test_what_filled_again_after_others_were_closed_is_still_open() -> None:
    """As much out as in, and yet not flat: the stop took a person's before the entry went on."""
    again = booked(Role.ENTRY, Side.BUY, 4, 99_500, number=4)
    trade = overclosed(out(Role.TARGET, 10, 2), out(Role.STOP, 4, 3), again)
    assert (trade.position, left_after_all(trade)) == (0, 4)
    assert state_of(trade) is TradeState.QUARANTINED
    assert says(step_of(trade)) == ("quarantine", "", 0, 0)
    unsound = overclosed(out(Role.TARGET, 10, 2), out(Role.STOP, 4, 3, is_reduce_only=False), again)
    assert left_after_all(unsound) == 0
    assert says(step_of(unsound)) == ("finish", "", 0, 0)
