"""Orders of ours the book does not know: a crash came between the wire and the disk."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from domain.bracket import next_step
from domain.labels import Role
from domain.orders import Fill, OrderType, Side
from domain.outcomes import resumed, synced
from domain.reports import apply_fills
from domain.steps import BracketPolicy, Do
from domain.trade import Line, LineStatus, Trade, TradePlan

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PLAN = TradePlan(
    trade_id="t1",
    instrument_name="BTC-PERPETUAL",
    side=Side.SELL,
    contracts=10,
    entry_type=OrderType.MARKET,
    entry_price=None,
    stop_price=Decimal(101_000),
    target_price=None,
    notional_usd=Decimal(100),
    note="",
    created_at=NOW,
    valid_until_ms=1_795_176_005_000,
)


def fill(label: str, order_id: str, side: Side, number: int) -> Fill:
    """One fill of ten contracts."""
    return Fill(
        trade_id=f"f{number}",
        trade_seq=number,
        order_id=order_id,
        label=label,
        instrument_name="BTC-PERPETUAL",
        side=side,
        contracts=10,
        price=Decimal(100_000),
        fee=Decimal(0),
        fee_currency="BTC",
        is_maker=False,
        reduce_only=side is Side.BUY,
        timestamp_ms=1_795_176_000_000 + number,
    )


ENTERED = fill("bw.t1.entry.1", "o1", Side.SELL, 1)
STOPPED = fill("bw.t1.sl.1", "o2", Side.BUY, 2)


def taken_over() -> Trade:
    """Killed after its stop was sent and before that was on disk; both orders have filled."""
    entry = Line(
        role=Role.ENTRY,
        attempt=1,
        contracts=10,
        status=LineStatus.FILLED,
        sent_at=NOW,
        order_ids=("o1",),
    )
    return apply_fills(resumed(Trade(plan=PLAN, lines=(entry,))), [ENTERED, STOPPED], NOW)


def test_a_fill_of_an_order_the_book_does_not_know_counts_by_its_label() -> None:
    """A stop that was sent, fired and filled around a crash has closed the position."""
    trade = taken_over()
    assert trade.position == 0
    assert [x.role for x in trade.fills] == [Role.ENTRY, Role.STOP]


def test_the_order_behind_such_a_fill_is_looked_up_not_sent_again() -> None:
    """Its label is taken: the next step asks what became of it."""
    step = next_step(synced(taken_over(), NOW), BracketPolicy(), NOW)
    assert step is not None
    assert step.do is Do.LOOK_UP
    assert step.line is not None
    assert (step.line.role, step.line.attempt) == (Role.STOP, 1)


def test_the_same_fill_twice_is_adopted_once() -> None:
    """Fills come by push and by read."""
    trade = taken_over()
    assert apply_fills(trade, [STOPPED, ENTERED], NOW) == trade


@pytest.mark.parametrize("label", ["", "bw.t2.sl.1", "bw.t1.hedge.1", "mine"])
def test_a_fill_under_another_label_stays_outside(label: str) -> None:
    """Only our own grammar and our own trade id make an order ours."""
    trade = Trade(plan=PLAN)
    assert apply_fills(trade, [fill(label, "o9", Side.BUY, 9)], NOW) == trade
