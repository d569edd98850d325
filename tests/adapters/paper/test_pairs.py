"""Pairs: what excludes what, and when it goes."""

from decimal import Decimal

import pytest

from tests.adapters.paper.harness import INVERSE, Bench
from tests.adapters.paper.legs import OCO, OTOCO, SHALLOW, stop, target


def test_the_target_filling_cancels_the_stop() -> None:
    """The partner goes with oco_other_closed."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.linked(100, OTOCO, stop(), target())
    (sl,) = bench.open(order_type="stop_market")
    bench.bid_at(101_500)
    assert bench.position()["direction"] == "zero"
    gone = bench.state(sl["order_id"])
    assert (gone["order_state"], gone["cancel_reason"]) == ("cancelled", "oco_other_closed")
    assert bench.open() == []


@pytest.mark.parametrize(("closes_on", "reason"), [("trigger", "oco_other_closed"), ("fill", None)])
def test_a_firing_stop_ends_the_target(closes_on: str, reason: str | None) -> None:
    """When it triggers; or (by the other reading) when what it became has closed.

    By the other reading the target is first cut to nothing, as any reduce-only order is.
    """
    bench = Bench(oco_closes_on=closes_on)
    bench.ask_at(100_000)
    bench.linked(100, OTOCO, stop(), target())
    (tp,) = bench.open(order_type="limit")
    bench.move(98_900)
    assert bench.position()["direction"] == "zero"
    gone = bench.state(tp["order_id"])
    assert gone["order_state"] == "cancelled"
    assert gone.get("cancel_reason") in {reason, "oco_other_closed"}


def test_a_target_outlives_a_stop_that_only_rests() -> None:
    """A stop_limit that fires and does not fill: the target is gone at once, or stays."""
    for closes_on, left in (("trigger", 1), ("fill", 2)):
        bench = Bench(oco_closes_on=closes_on)
        bench.ask_at(100_000)
        leg = stop(type="stop_limit", reduce_only=False) | {"price": 99_500}
        bench.linked(100, OTOCO, leg, target(reduce_only=False))
        bench.move(98_000)
        assert len(bench.open(order_state="open")) == left
        bench.bid_at(99_600)
        assert bench.open() == []
        assert bench.position()["direction"] == "zero"


@pytest.mark.parametrize(("rule", "size"), [("works", 0), ("vanishes", 100)])
def test_both_legs_may_vanish_when_the_stop_fires(rule: str, size: int) -> None:
    """One report says so of a reduce-only target: then the position is naked."""
    bench = Bench(fired_stop_of_a_pair=rule)
    bench.ask_at(100_000)
    bench.linked(100, OTOCO, stop(), target())
    bench.move(98_900)
    assert bench.open() == []
    assert bench.position()["size"] == size


@pytest.mark.parametrize(("rule", "left"), [("closes_other", 0), ("leaves_other", 1)])
def test_cancelling_one_leg(rule: str, left: int) -> None:
    """It closes the other too, or (by the other reading) leaves it."""
    bench = Bench(oco_cancel=rule)
    bench.linked(100, OTOCO, stop(), target())
    (tp,) = bench.open(order_type="limit")
    bench.call("cancel", order_id=tp["order_id"])
    assert len(bench.open()) == left


def test_incremental_cuts_the_partner_in_proportion() -> None:
    """A target filled in part leaves a stop for the rest."""
    bench = Bench(shape=SHALLOW)
    bench.ask_at(100_000)
    terms = {"trigger_fill_condition": "incremental"}
    for _ in range(4):
        bench.buy(5_000)
        bench.move()
    bench.linked(10, OTOCO, stop(20_000), target(20_000), **terms)
    bench.bid_at(101_000)
    (tp,) = bench.open(order_type="limit", direction="sell")
    (sl,) = bench.open(order_type="stop_market")
    assert 0 < tp["filled_amount"] < 20_000
    assert sl["amount"] == 20_000 - tp["filled_amount"]


def test_first_hit_ends_the_partner_on_a_partial_fill() -> None:
    """However little of the target filled, the stop is gone."""
    bench = Bench(shape=SHALLOW)
    for _ in range(4):
        bench.buy(5_000)
        bench.move()
    bench.linked(10, OTOCO, stop(20_000), target(20_000))
    bench.bid_at(101_000)
    (tp,) = bench.open()
    assert 0 < tp["filled_amount"] < 20_000


def test_complete_fill_leaves_the_partner_until_the_last_contract() -> None:
    """A target filled in part leaves the stop as it was."""
    bench = Bench(shape=SHALLOW)
    for _ in range(4):
        bench.buy(5_000)
        bench.move()
    terms = {"trigger_fill_condition": "complete_fill"}
    bench.linked(10, OTOCO, stop(20_000), target(20_000), **terms)
    bench.bid_at(101_000)
    (sl,) = bench.open(order_type="stop_market")
    assert sl["amount"] == 20_000


def test_one_cancels_other_stands_together() -> None:
    """Both are there at once with one oco_ref, and a fill of either ends the other."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(100)
    terms = target() | {"linked_order_type": OCO, "otoco_config": [stop()]}
    placed = bench.call("sell", instrument_name=INVERSE, **terms)["order"]
    (sl,) = bench.open(order_type="stop_market")
    assert sl["oco_ref"] == placed["oco_ref"]
    bench.bid_at(101_500)
    assert bench.state(sl["order_id"])["cancel_reason"] == "oco_other_closed"


def test_one_cancels_other_is_refused_whole() -> None:
    """A second order that cannot be placed leaves nothing of the first."""
    bench = Bench()
    bench.buy(100)
    terms = target() | {"linked_order_type": OCO, "otoco_config": [stop(price=100_500)]}
    assert bench.refused("sell", instrument_name=INVERSE, **terms).code == 11036
    assert bench.open() == []


def test_one_cancels_other_that_fills_at_once_stands_alone() -> None:
    """Nothing is left for the second one to do."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.linked(100, OCO, stop(100, 99_000, reduce_only=False))
    assert bench.open() == []


def test_one_cancels_other_incremental_counts_what_filled_at_once() -> None:
    """The second one stands for what the first one has left."""
    bench = Bench(shape=SHALLOW)
    bench.ask_at(100_000)
    leg = {"amount": 20_000, "direction": "buy", "price": 90_000}
    terms = {"price": 100_000, "trigger_fill_condition": "incremental"}
    order = bench.linked(20_000, OCO, leg, **terms)["order"]
    (other,) = bench.open(price=90_000)
    assert other["amount"] == 20_000 - order["filled_amount"]


def test_a_target_that_crosses_at_the_fill_leaves_no_stop() -> None:
    """It fills as it is placed, and its partner never stands."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.linked(100, OTOCO, target(price=99_000), stop(price=98_900))
    assert bench.position()["direction"] == "zero"
    assert bench.open() == []


def test_both_orders_of_a_pair_filled_by_one_step_fill_once() -> None:
    """The first to be met ends the other within the same step."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.linked(100, OTOCO, target(price=101_000), target(price=102_000))
    bench.bid_at(103_000)
    assert bench.position()["size"] == Decimal(0)
    trades = bench.call("get_user_trades_by_instrument", instrument_name=INVERSE)["trades"]
    assert len(trades) == 2
