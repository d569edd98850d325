"""Reduce-only: cut at placement, cut when the position shrinks, never growing back."""

from decimal import Decimal

import pytest

from tests.adapters.paper.harness import INVERSE, Bench


@pytest.mark.parametrize("amount", [0, -100])
def test_nothing_to_reduce_is_refused(amount: int) -> None:
    """Flat, or in the direction of the position: 11030 with the reason in the text."""
    bench = Bench()
    if amount:
        bench.sell(-amount)
    error = bench.refused(
        "sell", instrument_name=INVERSE, amount=10, type="market", reduce_only=True
    )
    assert (error.code, error.message) == (11030, "other_reject invalid_reduce_only_order")


def test_an_order_larger_than_the_position_is_cut_to_it() -> None:
    """A resting reduce-only order shows no more than the position."""
    bench = Bench()
    bench.buy(100)
    order = bench.sell(500, price=101_000, reduce_only=True)["order"]
    assert (order["amount"], order["order_state"]) == (100, "open")


def test_a_market_close_twice_never_flips() -> None:
    """The second reduce-only close finds nothing and is refused."""
    bench = Bench()
    bench.buy(100)
    bench.sell(300, reduce_only=True)
    assert bench.position()["size"] == 0
    assert (
        bench.refused(
            "sell", instrument_name=INVERSE, amount=10, type="market", reduce_only=True
        ).code
        == 11030
    )


def test_resting_orders_are_cut_when_the_position_shrinks() -> None:
    """The order farther from the market is cut first, to nothing means cancelled."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(100)
    near = bench.sell(60, price=101_000, reduce_only=True)["order"]["order_id"]
    far = bench.sell(40, price=102_000, reduce_only=True)["order"]["order_id"]
    bench.sell(50)
    assert bench.state(near)["amount"] == 50
    assert bench.state(far)["order_state"] == "cancelled"
    assert "cancel_reason" not in bench.state(far)


def test_the_sum_of_resting_orders_never_exceeds_the_position() -> None:
    """A third order behind the others finds no room and ends at once."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(100)
    bench.sell(100, price=101_000, reduce_only=True)
    behind = bench.sell(100, price=102_000, reduce_only=True)["order"]
    assert behind["order_state"] == "cancelled"
    in_front = bench.sell(70, price=100_900, reduce_only=True)["order"]
    amounts = {order["order_id"]: order["amount"] for order in bench.call("get_open_orders")}
    assert sum(amounts.values()) == 100
    assert amounts[in_front["order_id"]] == 70


def test_orders_do_not_grow_back_with_the_position() -> None:
    """After a cut the user must edit: a larger position changes nothing."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(100)
    order_id = bench.sell(100, price=101_000, reduce_only=True)["order"]["order_id"]
    bench.sell(50)
    bench.buy(200)
    assert bench.state(order_id)["amount"] == 50


def test_a_stop_that_fires_takes_the_position_from_the_target() -> None:
    """Target partly filled, then the stop: it closes the rest and the target is cancelled."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(10_000)
    target = bench.sell(10_000, price=101_000, reduce_only=True)["order"]["order_id"]
    stop = bench.stop(10_000, 99_000)["order_id"]
    bench.sell(4_000)
    assert bench.state(target)["amount"] == 6_000
    assert bench.state(stop)["amount"] == 10_000
    bench.move(98_000)
    assert bench.position()["size"] == 0
    assert bench.state(target)["order_state"] == "cancelled"


def test_a_flip_cancels_reduce_only_orders_of_the_old_side() -> None:
    """An order that would now increase the position is gone."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(100)
    order_id = bench.sell(100, price=101_000, reduce_only=True)["order"]["order_id"]
    bench.sell(300)
    assert bench.state(order_id)["order_state"] == "cancelled"
    assert bench.position()["size"] == -200


def test_close_position_closes_all_of_it() -> None:
    """close_position is a reduce-only market order of the whole position, without a label."""
    bench = Bench()
    bench.sell(100)
    placed = bench.call("close_position", instrument_name=INVERSE, type="market")
    assert (placed["order"]["direction"], placed["order"]["reduce_only"]) == ("buy", True)
    assert placed["order"]["label"] == ""
    assert bench.position()["size"] == 0
    assert bench.refused("close_position", instrument_name=INVERSE, type="market").code == 11030


def test_close_position_at_a_limit_rests() -> None:
    """With type limit it rests at the price given."""
    bench = Bench()
    bench.buy(100)
    placed = bench.call(
        "close_position", instrument_name=INVERSE, type="limit", price=Decimal(101_000)
    )
    assert (placed["order"]["order_state"], placed["order"]["price"]) == ("open", 101_000)


def test_a_plain_order_filling_first_leaves_no_room_to_flip() -> None:
    """Both cross in one step: the reduce-only one is cut by what the plain one has closed."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(100)
    bench.sell(60, price=101_000)
    target = bench.sell(100, price=101_200, reduce_only=True)["order"]["order_id"]
    bench.bid_at(101_300)
    assert bench.state(target)["filled_amount"] == 40
    assert bench.position()["direction"] == "zero"
