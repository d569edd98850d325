"""What a trade made, and why it ended."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.instruments import Instrument
from domain.labels import Role
from domain.orders import Side
from domain.pnl import realised
from domain.trade import ExitReason, LineStatus, Trade
from domain.trade_result import exit_reason_of, result_of
from tests.domain.builders import booked, close, emergency, entry, plan, record, stop, target
from tests.domain.catalogue import BTC, BTC_USDC, CLOSE_ENOUGH, D, at
from tests.domain.strategies import instruments, prices, rule, sides


def traded(*fills: Any, side: Side = Side.BUY, **changes: Any) -> Trade:
    """A trade of which only the fills matter; they are numbered as they come."""
    numbered = tuple(
        replace(x, trade_id=f"f{i}", trade_seq=i, timestamp_ms=i) for i, x in enumerate(fills)
    )
    return record(plan=plan(side=side), fills=numbered, **changes)


def bought(contracts: int, price: str, **changes: Any) -> Any:
    return booked(Role.ENTRY, Side.BUY, contracts, price, **changes)


def sold(contracts: int, price: str, **changes: Any) -> Any:
    return booked(Role.STOP, Side.SELL, contracts, price, **changes)


def test_a_long_in_two_steps_out_in_two() -> None:
    """Golden: 10 000 at 100 000 and 5 000 at 80 000 average harmonically, not arithmetically."""
    trade = traded(
        bought(1_000, "100000", fee=D("0.000035")),
        bought(500, "80000", fee=D("0.000021875")),
        sold(600, "96000", fee=D("0.000021875")),
        sold(900, "97000", fee=D("0.00003247")),
    )
    result = result_of(trade, BTC)
    assert result.entry_price is not None
    assert result.exit_price is not None
    assert at(result.entry_price) == D("92307.69230769")
    assert at(result.exit_price) == D("96597.51037344")
    assert at(result.pnl_coin) == D("0.00721649")
    assert result.fees_coin == D("0.00011122")
    assert at(result.net_coin, 12) == at(result.pnl_coin - result.fees_coin, 12)
    assert result.contracts == 1_500


def test_a_linear_long() -> None:
    """Golden: average is arithmetic, PnL in USDC."""
    trade = traded(bought(1_000, "100000"), bought(500, "80000"), sold(1_500, "96000"))
    result = result_of(trade, BTC_USDC)
    assert result.pnl_coin == D(400)
    assert at(result.entry_price or D(0)) == D("93333.33333333")


def test_a_short() -> None:
    """Golden: 20 000 USD at 100 000, back at 95 000."""
    trade = traded(
        booked(Role.ENTRY, Side.SELL, 2_000, "100000"),
        booked(Role.TARGET, Side.BUY, 2_000, "95000"),
        side=Side.SELL,
    )
    result = result_of(trade, BTC)
    assert at(result.pnl_coin) == D("0.01052632")
    prices_met = (at(result.entry_price or D(0)), at(result.exit_price or D(0)))
    assert prices_met == (D(100_000), D(95_000))


@rule
@given(
    instrument=instruments,
    side=sides,
    legs=st.lists(st.tuples(st.integers(1, 50), prices, prices), min_size=1, max_size=5),
)
def test_a_flat_trade_made_what_came_in_less_what_went_out(
    instrument: Instrument, side: Side, legs: list[tuple[int, Any, Any]]
) -> None:
    """However it was split, and whatever the averages in between."""
    ins = [booked(Role.ENTRY, side, n, str(p)) for n, p, _ in legs]
    outs = [booked(Role.STOP, side.opposite, n, str(q)) for n, _, q in legs]
    mixed = [*ins[:1], *outs[:1], *ins[1:], *outs[1:]]
    expected = Fraction(0)
    for contracts, entered, left in legs:
        amount = Fraction(instrument.amount(contracts))
        gain = (
            amount / Fraction(entered) - amount / Fraction(left)
            if instrument.is_inverse
            else amount * (Fraction(left) - Fraction(entered))
        )
        expected += gain * side.sign
    result = result_of(traded(*mixed, side=side), instrument)
    assert abs(Fraction(result.pnl_coin) - expected) < Fraction(CLOSE_ENOUGH)


@rule
@given(
    instrument=instruments,
    side=sides,
    entered=prices,
    exits=st.lists(st.tuples(st.integers(1, 50), prices), min_size=1, max_size=40),
)
def test_rounding_of_each_figure_is_no_dispute(
    instrument: Instrument, side: Side, entered: Any, exits: list[tuple[int, Any]]
) -> None:
    """The venue prints nine decimals, and a market order may close at forty prices. What is more
    than that is told."""

    def gain(contracts: int, price: Any) -> Any:
        return round(realised(instrument, side, contracts, entered, price), 9)

    outs = [booked(Role.STOP, side.opposite, n, str(x), profit_loss=gain(n, x)) for n, x in exits]
    start = booked(Role.ENTRY, side, sum(n for n, _ in exits), str(entered), profit_loss=D(0))
    assert not result_of(traded(start, *outs, side=side), instrument).is_disputed
    paid = outs[0].profit_loss or D(0)
    wrong = [replace(outs[0], profit_loss=paid + D("0.0001")), *outs[1:]]
    assert result_of(traded(start, *wrong, side=side), instrument).is_disputed


def test_the_venues_own_figure_is_its_sum_when_it_gave_one_each_time() -> None:
    """One missing figure, or no closing fill at all, and there is none."""
    stated = [sold(1, "101000", profit_loss=D(x)) for x in ("0.1", "-0.02", "0")]
    start = bought(3, "100000", profit_loss=D(0))
    assert result_of(traded(start, *stated), BTC).venue_pnl_coin == D("0.08")
    silent = [*stated[:2], replace(stated[2], profit_loss=None)]
    assert result_of(traded(start, *silent), BTC).venue_pnl_coin is None
    assert result_of(traded(start), BTC).venue_pnl_coin is None


def test_a_trade_that_never_held_anything_made_nothing() -> None:
    """No prices, no contracts, no fees."""
    result = result_of(record(), BTC)
    assert (result.pnl_coin, result.fees_coin, result.contracts) == (D(0), D(0), 0)
    assert (result.entry_price, result.exit_price) == (None, None)


# -- why it ended ------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "reason"),
    [
        (Role.STOP, ExitReason.STOP_LOSS),
        (Role.TARGET, ExitReason.TAKE_PROFIT),
        (None, ExitReason.KILL),
        (Role.CLOSE, ExitReason.KILL),
        (Role.EMERGENCY, ExitReason.KILL),
    ],
)
def test_the_last_closing_fill_says_why(role: Role | None, reason: ExitReason) -> None:
    """What was asked for counts only when it is what closed."""
    trade = traded(
        bought(3, "100"),
        booked(Role.TARGET, Side.SELL, 1, "100"),
        booked(role, Side.SELL, 2, "100", order_id="other"),
        exit_reason=ExitReason.KILL,
    )
    assert exit_reason_of(trade) is reason


def test_a_hand_closed_what_nobody_had_asked_to_close() -> None:
    """Had we, it was the kill itself that was faster than the trade."""
    closed = traded(bought(3, "100"), booked(None, Side.SELL, 3, "90"))
    assert exit_reason_of(closed) is ExitReason.MANUAL


@pytest.mark.parametrize("asked", [None, ExitReason.KILL])
def test_a_liquidation_is_no_hand(asked: ExitReason | None) -> None:
    """The venue marks it, whatever else was going on."""
    out = booked(None, Side.SELL, 3, "90", is_liquidation=True)
    assert exit_reason_of(traded(bought(3, "100"), out, exit_reason=asked)) is (
        ExitReason.LIQUIDATION
    )


def test_a_fill_taken_for_a_hands_is_our_stops_once_that_is_known() -> None:
    """Its order was reported after its fill."""
    fired = stop(LineStatus.FILLED, order_ids=("sl-1", "child"))
    out = booked(None, Side.SELL, 3, "90", order_id="child")
    assert exit_reason_of(traded(bought(3, "100"), out, lines=(entry(), fired))) is (
        ExitReason.STOP_LOSS
    )


def test_an_entry_fill_closes_nothing() -> None:
    """Even if it was the last fill of all."""
    trade = traded(
        bought(3, "100"),
        booked(Role.TARGET, Side.SELL, 3, "100"),
        bought(1, "100"),
    )
    assert exit_reason_of(trade) is ExitReason.TAKE_PROFIT


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ((), ExitReason.ENTRY_NOT_SENT),
        ((entry(0, LineStatus.REJECTED),), ExitReason.ENTRY_REJECTED),
        ((entry(0, LineStatus.CANCELLED),), ExitReason.ENTRY_CANCELLED),
        ((entry(0, LineStatus.ABSENT),), ExitReason.ENTRY_NEVER_ARRIVED),
        ((entry(0, LineStatus.ABSENT, order_ids=("x",)),), ExitReason.ENTRY_CANCELLED),
        ((entry(10, LineStatus.FILLED), close(), emergency(), target()), ExitReason.REQUESTED),
    ],
)
def test_a_trade_that_never_closed_anything_ended_with_its_entry(
    lines: Any, reason: ExitReason
) -> None:
    """Refused, cancelled, lost or never sent."""
    assert exit_reason_of(record(*lines)) is reason


def test_a_reason_given_outranks_the_entrys_end() -> None:
    """A kill cancelled the entry: the kill is why."""
    trade = record(entry(0, LineStatus.CANCELLED), exit_reason=ExitReason.KILL)
    assert exit_reason_of(trade) is ExitReason.KILL
