"""Trigger orders: their ids, firing, the order they make, and what becomes of the trigger."""

from decimal import Decimal

import pytest

from tests.adapters.paper.harness import INVERSE, LINEAR, Bench


def test_a_stop_waits_without_a_price_or_fills() -> None:
    """An untriggered stop says market_price, has a trigger id, and leaves fills out."""
    bench = Bench()
    bench.buy(100)
    order = bench.stop(100, 99_000, label="bw.x.sl.1")
    assert (order["order_state"], order["price"]) == ("untriggered", "market_price")
    assert (order["order_id"], order["order_type"]) == ("SLMS-1", "stop_market")
    assert (order["trigger"], order["trigger_price"]) == ("mark_price", 99_000)
    assert order["reduce_only"] is True
    assert order["triggered"] is False
    assert "filled_amount" not in order


@pytest.mark.parametrize(
    ("side", "params", "order_id"),
    [
        (
            "sell",
            {"type": "take_market", "trigger": "index_price", "trigger_price": 101_000},
            "TPIS-1",
        ),
        (
            "buy",
            {
                "type": "stop_limit",
                "trigger": "last_price",
                "trigger_price": 101_000,
                "price": 101_100,
            },
            "SLTB-1",
        ),
        (
            "buy",
            {"type": "trailing_stop", "trigger": "mark_price", "trigger_offset": 500},
            "TSMB-1",
        ),
    ],
)
def test_the_trigger_id_tells_kind_price_and_side(
    side: str, params: dict[str, object], order_id: str
) -> None:
    """Stop, take or trail; index, mark or last; buy or sell."""
    bench = Bench()
    order = bench.call(side, instrument_name=INVERSE, amount=10, **params)["order"]
    assert order["order_id"] == order_id


def test_trigger_ids_of_other_currencies_are_prefixed() -> None:
    """The settlement currency stands before the letters."""
    bench = Bench()
    bench.buy("0.01", LINEAR)
    assert bench.stop("0.01", 99_000, instrument=LINEAR)["order_id"] == "USDC-SLMS-1"


def test_a_stop_fires_into_a_new_order_that_points_back() -> None:
    """The child has an ordinary id, the label and the trigger's id; the trigger is triggered."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(100)
    stop = bench.stop(100, 99_000, label="bw.x.sl.1")
    bench.move(98_900)
    fired, child = bench.call("get_order_state_by_label", currency="BTC", label="bw.x.sl.1")
    assert (fired["order_state"], fired["triggered"]) == ("triggered", True)
    assert child["trigger_order_id"] == stop["order_id"]
    assert child["order_id"].isdigit()
    assert (child["order_state"], child["order_type"]) == ("filled", "market")
    assert bench.position()["direction"] == "zero"
    assert bench.history() == ["new", "triggered"]


def test_a_stop_limit_may_rest_after_firing() -> None:
    """A fired stop_limit is a limit order: beyond the market it rests, the position stays."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(100)
    bench.stop(100, 99_000, type="stop_limit", price=99_000)
    bench.move(98_000)
    (child,) = bench.call("get_open_orders")
    assert (child["order_type"], child["order_state"], child["price"]) == ("limit", "open", 99_000)
    assert bench.position()["size"] == 100


def test_a_take_fires_the_other_way() -> None:
    """A sell take fires when its price rises to the trigger."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(100)
    bench.stop(100, 101_000, type="take_market")
    bench.move(100_500)
    assert bench.history() == ["new"]
    bench.move(101_001)
    assert bench.history() == ["new", "triggered"]


def test_a_trailing_stop_follows_the_best_price() -> None:
    """It rises with the peak, never falls, and fires an offset below it."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(100)
    order = bench.sell(
        100, type="trailing_stop", trigger="index_price", trigger_offset=500, reduce_only=True
    )["order"]
    assert order["trigger_reference_price"] == Decimal("99999.5")
    bench.move(101_000)
    bench.move(100_600)
    assert bench.state(order["order_id"])["trigger_price"] == 100_500
    bench.move(100_500)
    assert bench.state(order["order_id"])["order_state"] == "triggered"


def test_a_trigger_already_passed_is_refused() -> None:
    """11036 at placement, and nothing waits."""
    bench = Bench()
    bench.buy(100)
    terms = {"type": "stop_market", "trigger": "index_price", "trigger_price": 100_001}
    error = bench.refused("sell", instrument_name=INVERSE, amount=100, **terms)
    assert error.code == 11036
    assert bench.call("get_open_orders") == []


def test_a_reduce_only_stop_on_flat_waits_and_is_rejected_when_it_fires() -> None:
    """It is accepted while flat; on firing the trigger history alone tells what happened."""
    bench = Bench()
    stop = bench.stop(100, 99_000)
    bench.move(98_000)
    assert bench.state(stop["order_id"])["order_state"] == "rejected:reduce_direction"
    assert bench.history() == ["new", "rejected:reduce_direction"]
    assert bench.position()["size"] == 0


def test_a_stop_without_funds_is_rejected_when_it_fires() -> None:
    """Firing passes the same checks as an order: no money, no position."""
    bench = Bench()
    bench.call(
        "buy",
        instrument_name=INVERSE,
        amount=100_000_000,
        type="stop_market",
        trigger="index_price",
        trigger_price=100_500,
    )
    bench.move(100_600)
    assert bench.history() == ["new", "rejected:not_enough_funds"]


def test_a_fired_stop_is_cut_to_the_position() -> None:
    """A stop larger than the position closes the position and never flips it."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(60)
    bench.stop(100, 99_000)
    bench.move(98_900)
    assert bench.position()["direction"] == "zero"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"trigger_price": "99000.3"}, 10044),
        ({"trigger_price": None}, -32602),
        ({"trigger": None}, -32602),
        ({"trigger": "moon_price"}, -32602),
        ({"type": "stop_limit"}, -32602),
        ({"type": "stop_limit", "price": "98999.7"}, 10043),
        ({"type": "trailing_stop"}, -32602),
    ],
)
def test_a_bad_trigger_is_refused(params: dict[str, object], code: int) -> None:
    """Ticks, required values and known reference prices are checked at placement."""
    bench = Bench()
    terms = {"type": "stop_market", "trigger": "mark_price", "trigger_price": 99_000} | params
    assert bench.refused("sell", instrument_name=INVERSE, amount=10, **terms).code == code


def test_there_is_a_limit_to_triggers_of_a_type() -> None:
    """The hundred and first stop of a type is 11035; another type is still welcome."""
    bench = Bench()
    for _ in range(100):
        bench.stop(10, 99_000)
    terms = {"type": "stop_market", "trigger": "mark_price", "trigger_price": 99_000}
    assert bench.refused("sell", instrument_name=INVERSE, amount=10, **terms).code == 11035
    assert bench.stop(10, 101_000, type="take_market")["order_state"] == "untriggered"


def test_cancelling_a_trigger_leaves_a_line() -> None:
    """A cancelled trigger is cancelled by its own id and shows in the trigger history."""
    bench = Bench()
    stop = bench.stop(100, 99_000)
    assert bench.call("cancel", order_id=stop["order_id"])["order_state"] == "cancelled"
    assert bench.history() == ["new", "cancelled"]
    assert bench.refused("cancel", order_id=stop["order_id"]).code == 11044


def test_a_fired_trigger_can_be_neither_cancelled_nor_edited() -> None:
    """Both answer 11044: the order that matters now has another id."""
    bench = Bench()
    bench.buy(100)
    stop = bench.stop(100, 99_000)
    bench.move(98_000)
    assert bench.refused("cancel", order_id=stop["order_id"]).code == 11044
    assert bench.refused("edit", order_id=stop["order_id"], amount=50).code == 11044
