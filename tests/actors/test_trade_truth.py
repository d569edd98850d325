"""What the venue knows of a trade, gathered from its reads."""

from dataclasses import dataclass, field
from typing import Any, cast

from actors import trade_truth
from actors.ports import Venue
from domain.labels import Role
from domain.orders import Order, OrderState
from tests.domain.builders import after, child, entry, label_of, record, report, stop
from tests.domain.catalogue import BTC


@dataclass
class Reads:
    """A venue that answers reads from what it was given, and notes which labels were asked."""

    resting: tuple[Order, ...] = ()
    past: tuple[Order, ...] = ()
    asked: list[str] = field(default_factory=list[str])
    now_ms: int = round(after(1).timestamp() * 1000)
    has_forgotten: bool = False

    def server_now_ms(self) -> int:
        return self.now_ms

    def open_orders(self) -> tuple[Order, ...]:
        return self.resting

    def orders_by_label(self, label: str, currency: str) -> tuple[Order, ...]:
        assert currency == BTC.settlement_currency
        self.asked.append(label)
        past = () if self.has_forgotten else self.past
        return tuple(x for x in (*self.resting, *past) if x.label == label)

    def order_history(self, instrument_name: str) -> tuple[Order, ...]:
        assert instrument_name == BTC.name
        self.asked.append("history")
        return self.past


FIRED = report(Role.STOP, OrderState.TRIGGERED)
FILLED = child(OrderState.FILLED, label="")
TRADE = record(entry(), stop())


def venue_of(reads: Reads) -> Venue:
    return cast("Any", reads)


def test_what_a_fired_stop_became_is_found_by_its_parent() -> None:
    """Its order may carry no label."""
    reads = Reads(past=(FIRED, FILLED))
    line = TRADE.of(Role.STOP)[0]
    assert trade_truth.orders_under(venue_of(reads), TRADE, line, BTC) == (FIRED, FILLED)
    assert trade_truth.orders_of(venue_of(reads), TRADE, BTC) == (FIRED, FILLED)


def test_no_history_is_read_when_the_label_tells_all() -> None:
    """A read more is spent only when a fired stop's order is missing."""
    labelled = child(OrderState.FILLED)
    reads = Reads(past=(FIRED, labelled))
    line = TRADE.of(Role.STOP)[0]
    assert trade_truth.orders_under(venue_of(reads), TRADE, line, BTC) == (FIRED, labelled)
    assert reads.asked == [label_of(Role.STOP)]


def test_only_what_does_not_rest_is_looked_up() -> None:
    """One read shows everything that does, and nothing of anybody else."""
    others = report(Role.STOP, OrderState.UNTRIGGERED, order_id="x", label="bw.t2.sl.1")
    mine = report(Role.STOP, OrderState.UNTRIGGERED)
    reads = Reads(resting=(others, mine))
    assert trade_truth.orders_of(venue_of(reads), TRADE, BTC) == (mine,)
    assert reads.asked == []


def test_what_the_venue_forgot_is_found_in_the_history() -> None:
    """After half an hour the live store has neither the stop nor what it became."""
    reads = Reads(past=(FIRED, FILLED), now_ms=round(after(3600).timestamp() * 1000))
    reads.has_forgotten = True
    line = TRADE.of(Role.STOP)[0]
    assert trade_truth.orders_under(venue_of(reads), TRADE, line, BTC) == (FIRED, FILLED)


def test_an_order_that_is_young_and_not_there_costs_no_history() -> None:
    """It was never made, or comes a moment later: the history knows no more than the look-up."""
    reads = Reads()
    line = TRADE.of(Role.STOP)[0]
    assert trade_truth.orders_under(venue_of(reads), TRADE, line, BTC) == ()
    assert reads.asked == [label_of(Role.STOP)]
