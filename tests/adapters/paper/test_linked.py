"""Linked orders: what waits for a fill, and what is placed when."""

from dataclasses import replace
from typing import Any

import pytest

from tests.adapters.paper.harness import INVERSE, LINEAR, Bench
from tests.adapters.paper.legs import OCO, OTO, OTOCO, SHALLOW, stop, target


def _kinds(bench: Bench) -> dict[str, tuple[str, Any]]:
    """Open orders by type: id and amount."""
    return {row["order_type"]: (row["order_id"], row["amount"]) for row in bench.open()}


def test_children_wait_in_sight_until_the_primary_fills() -> None:
    """They have OTO ids, no price of their own market, and the primary names them."""
    bench = Bench()
    bench.ask_at(100_000)
    placed = bench.linked(100, OTOCO, stop(), target(), price=99_500, label="bw.x.entry.1")
    primary = placed["order"]
    assert primary["oto_order_ids"] == ["OTO-1", "OTO-2"]
    assert primary["is_primary_otoco"] is True
    assert primary["trigger_fill_condition"] == "first_hit"
    waiting = bench.state("OTO-1")
    assert (waiting["order_state"], waiting["is_secondary_oto"]) == ("untriggered", True)
    assert (waiting["triggered"], waiting["price"]) == (False, "market_price")
    assert "average_price" not in waiting
    assert "contracts" not in waiting
    assert "primary_order_id" not in waiting
    assert waiting["oco_ref"] == bench.state("OTO-2")["oco_ref"]
    assert len(bench.open()) == 3


def test_a_fill_places_the_children_under_new_ids() -> None:
    """A limit gets an ordinary id, a stop a trigger id; the OTO ids are unknown from then on."""
    bench = Bench()
    bench.ask_at(100_000)
    placed = bench.linked(100, OTOCO, stop(), target())
    entry = placed["order"]["order_id"]
    (sl,) = bench.open(order_type="stop_market")
    (tp,) = bench.open(order_type="limit")
    assert (sl["order_id"], sl["order_state"]) == ("SLIS-1", "untriggered")
    assert (tp["order_id"].isdigit(), tp["order_state"]) == (True, "open")
    assert sl["primary_order_id"] == tp["primary_order_id"] == entry
    assert sl["oco_ref"] == tp["oco_ref"]
    assert (sl["label"], tp["label"]) == ("bw.x.sl.1", "bw.x.tp.1")
    assert bench.refused("get_order_state", order_id="OTO-1").code == 10004
    entries = bench.call("get_trigger_order_history", currency="BTC")["entries"]
    fired = [row for row in entries if row["trigger_order_id"] == "OTO-2"]
    assert [row["order_state"] for row in fired] == ["triggered", "new"]
    assert fired[0]["order_id"] == tp["order_id"]
    assert fired[0]["is_secondary_oto"] is True


def test_ids_of_waiting_children_carry_the_currency() -> None:
    """Digits alone for BTC, the settlement currency before it elsewhere."""
    bench = Bench()
    leg = {"amount": "0.001", "direction": "sell", "price": 101_000}
    placed = bench.linked("0.001", OTO, leg, price=90_000, instrument=LINEAR)
    assert placed["order"]["oto_order_ids"] == ["USDC-OTO-1"]
    assert "is_primary_otoco" not in placed["order"]


def _half_filled(bench: Bench, condition: str) -> tuple[Any, int]:
    """A primary of which the first level filled a part: its order and the part in USD."""
    bench.ask_at(100_000)
    amount = 20_000
    terms = {"price": 100_000, "trigger_fill_condition": condition}
    order = bench.linked(amount, OTOCO, stop(amount), target(amount), **terms)["order"]
    assert 0 < order["filled_amount"] < amount
    return order, order["filled_amount"]


def test_first_hit_places_the_stop_whole_on_the_first_fill() -> None:
    """The stop has its full size; the reduce-only target is cut to what was filled."""
    bench = Bench(shape=SHALLOW)
    _, part = _half_filled(bench, "first_hit")
    assert _kinds(bench)["stop_market"][1] == 20_000
    (tp,) = bench.open(direction="sell", order_type="limit")
    assert tp["amount"] == part


def test_complete_fill_waits_for_the_last_contract() -> None:
    """A part filled places nothing; cancelled then, the children go too and nothing protects."""
    bench = Bench(shape=SHALLOW)
    order, _ = _half_filled(bench, "complete_fill")
    assert len(bench.open(is_secondary_oto=True)) == 2
    bench.call("cancel", order_id=order["order_id"])
    assert bench.open() == []
    assert bench.state("OTO-1")["cancel_reason"] == "oto_primary_closed"
    assert bench.position()["size"] > 0


@pytest.mark.parametrize("way", ["several", "one"])
def test_incremental_follows_the_fills(way: str) -> None:
    """Placed amounts add up to the fills: in an order for each, or in one that grows."""
    bench = Bench(shape=SHALLOW, incremental_children=way)
    order, part = _half_filled(bench, "incremental")
    assert bench.state("OTO-1")["amount"] == 20_000 - part
    fills = 1
    while (now := bench.state(order["order_id"]))["order_state"] == "open":
        bench.ask_at(99_990)
        fills += bench.state(order["order_id"])["filled_amount"] > now["filled_amount"]
        for kind in ("stop_market", "limit"):
            legs = bench.open(order_type=kind, direction="sell")
            placed = sum(leg["amount"] for leg in legs if not leg.get("is_secondary_oto"))
            assert placed == bench.position()["size"]
    assert len(bench.open(order_type="stop_market")) == (fills if way == "several" else 1)
    assert fills > 2
    assert bench.open(is_secondary_oto=True) == []


def test_the_partner_of_a_part_that_fills_as_it_is_placed_never_stands() -> None:
    """The limit leg trades at once, deeper in the book; the rest of both legs still waits."""
    bench = Bench(shape=replace(SHALLOW, levels=20))
    bench.ask_at(100_000)
    further = {"direction": "buy", "reduce_only": False}
    legs = (target(20_000, price=100_900, **further), stop(20_000, **further, price=101_000))
    terms = {"price": 100_000, "trigger_fill_condition": "incremental"}
    part = bench.linked(20_000, OTOCO, *legs, **terms)["order"]["filled_amount"]
    assert 0 < part < 20_000
    assert bench.position()["size"] == 2 * part
    assert [row["amount"] for row in bench.open(is_secondary_oto=True)] == [20_000 - part] * 2
    assert len(bench.open()) == 3


def test_incremental_keeps_what_was_placed_when_the_primary_is_cancelled() -> None:
    """The rest that waited goes with oto_primary_closed, the placed part stays."""
    bench = Bench(shape=SHALLOW)
    order, part = _half_filled(bench, "incremental")
    bench.call("cancel", order_id=order["order_id"])
    assert [row["amount"] for row in bench.open()] == [part, part]
    assert bench.state("OTO-2")["cancel_reason"] == "oto_primary_closed"


def test_cancelling_the_primary_cancels_the_children() -> None:
    """Unfilled, with oto_primary_closed, each with a line in the trigger history."""
    bench = Bench()
    placed = bench.linked(100, OTOCO, stop(), target(), price=99_000)
    bench.call("cancel", order_id=placed["order"]["order_id"])
    assert bench.open() == []
    assert bench.state("OTO-1")["cancel_reason"] == "oto_primary_closed"
    assert sorted(bench.history()) == ["cancelled", "cancelled", "new", "new"]


def test_a_child_the_market_has_passed_is_rejected_when_placed() -> None:
    """It waited unchecked; at the fill it is refused and its partner still stands."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.linked(100, OTOCO, stop(price=100_500), target())
    assert [row["order_type"] for row in bench.open()] == ["limit"]
    assert bench.state("OTO-1")["order_state"] == "rejected:invalid_trigger_price"
    assert "rejected:invalid_trigger_price" in bench.history()


def test_a_passed_child_may_fire_at_once() -> None:
    """By the other reading of a trigger that is passed already."""
    bench = Bench(passed_trigger="fire")
    bench.ask_at(100_000)
    bench.linked(100, OTOCO, stop(price=100_500), target())
    assert bench.position()["direction"] == "zero"
    assert bench.open() == []


def test_a_trigger_can_be_the_primary() -> None:
    """The children wait for the order it fires into."""
    bench = Bench()
    bench.ask_at(100_000)
    entry = {"type": "stop_market", "trigger": "index_price", "trigger_price": 100_500}
    placed = bench.linked(100, OTOCO, stop(), target(price=102_000), **entry)["order"]
    assert len(bench.open(is_secondary_oto=True)) == 2
    bench.move(100_600)
    (sl,) = bench.open(order_type="stop_market")
    fired = bench.state(sl["primary_order_id"])
    assert fired["trigger_order_id"] == placed["order_id"]
    assert fired["oto_order_ids"] == ["OTO-1", "OTO-2"]


def test_a_trigger_that_fires_at_once_can_be_the_primary() -> None:
    """With triggers that fire when they are passed already."""
    bench = Bench(passed_trigger="fire")
    bench.ask_at(100_000)
    entry = {"type": "stop_market", "trigger": "index_price", "trigger_price": 99_900}
    bench.linked(100, OTOCO, stop(), target(), **entry)
    assert sorted(row["order_type"] for row in bench.open()) == ["limit", "stop_market"]


def test_waiting_children_can_be_edited_and_cancelled() -> None:
    """By their OTO ids: amount, price and trigger price; post_only must be left out."""
    bench = Bench()
    bench.linked(100, OTOCO, stop(), target(), price=99_000)
    edited = bench.call("edit", order_id="OTO-1", amount=50, trigger_price=98_000)["order"]
    assert (edited["amount"], edited["trigger_price"], edited["replaced"]) == (50, 98_000, True)
    assert bench.call("edit", order_id="OTO-2", amount=50, price=103_000)["order"]["price"] == (
        103_000
    )
    error = bench.refused("edit", order_id="OTO-2", amount=50, price=103_000, post_only=False)
    assert error.data == {
        "reason": "post_only not allowed for secondary orders",
        "param": "post_only",
    }
    assert bench.refused("edit", order_id="OTO-2", amount=50, price="1.3").code == 10043
    assert bench.refused("edit", order_id="OTO-1", amount=50, trigger_price="1.3").code == 10044
    assert bench.call("cancel", order_id="OTO-2")["cancel_reason"] == "user_request"
    assert bench.open(is_secondary_oto=True) == []


def test_a_waiting_trailing_stop_takes_a_new_offset_and_trails_from_the_fill() -> None:
    """Its reference is the price at which it was placed, not at which it was sent."""
    bench = Bench()
    bench.ask_at(100_000)
    leg = {
        "amount": 100,
        "direction": "sell",
        "type": "trailing_stop",
        "trigger": "index_price",
        "trigger_offset": 500,
        "reduce_only": True,
    }
    bench.linked(100, OTO, leg, price=99_000)
    bench.call("edit", order_id="OTO-1", amount=100, trigger_offset=300)
    bench.move(98_900)
    (trail,) = bench.open()
    assert (trail["trigger_reference_price"], trail["trigger_price"]) == (98_900, 98_600)


@pytest.mark.parametrize(
    ("kind", "legs", "code"),
    [
        (OTOCO, [stop()], -32602),
        (OCO, [stop(), target()], -32602),
        (OTO, [], -32602),
        (OTO, [stop(direction="up")], -32602),
        (OTO, [stop(amount=15)], -32602),
        (OTO, [stop(amount=None)], -32602),
        (OTO, ["stop"], -32602),
        (OTO, [target(price="101000.3")], 10043),
        (OTO, [target(price=None)], -32602),
        (OTO, [stop(price="99000.3")], 10044),
        (OTO, [stop(trigger=None)], -32602),
        (OTO, [stop(type="trailing_stop")], -32602),
    ],
)
def test_a_bad_leg_is_refused_with_the_primary(kind: str, legs: list[Any], code: int) -> None:
    """Numbers, ticks and required values of children are checked when the primary is placed."""
    bench = Bench()
    terms = {"linked_order_type": kind, "otoco_config": legs}
    error = bench.refused("buy", instrument_name=INVERSE, amount=100, type="market", **terms)
    assert error.code == code
    assert bench.position()["size"] == 0
    assert bench.open() == []


def test_legs_may_come_as_text() -> None:
    """In a query the list is JSON text; other text is refused."""
    bench = Bench()
    legs = '[{"amount": 100, "direction": "sell", "price": 101000.5}]'
    terms = {"instrument_name": INVERSE, "amount": 100, "price": 99_000, "linked_order_type": OTO}
    assert bench.call("buy", **terms, otoco_config=legs)["order"]["oto_order_ids"] == ["OTO-1"]
    assert bench.refused("buy", **terms, otoco_config="[").code == -32602


@pytest.mark.parametrize("most", [2, 4])
def test_there_is_a_limit_to_waiting_children(most: int) -> None:
    """13901 beyond it, and the primary is refused with them."""
    bench = Bench(most_waiting_children=most)
    for _ in range(most // 2):
        bench.linked(100, OTOCO, stop(), target(), price=99_000)
    terms = {"linked_order_type": OTOCO, "otoco_config": [stop(), target()], "type": "market"}
    error = bench.refused("buy", instrument_name=INVERSE, amount=100, **terms)
    assert (error.code, error.message) == (13901, f"no_more_oto_orders {most}")
    assert bench.position()["size"] == 0


@pytest.mark.parametrize(("delay", "placed"), [(0, 2), (300, 0)])
def test_children_may_come_a_moment_after_the_fill(delay: int, placed: int) -> None:
    """Placement is asynchronous: how late it comes is not published."""
    bench = Bench(child_delay_ms=delay)
    bench.linked(100, OTOCO, stop(), target())
    assert len([row for row in bench.open() if not row.get("is_secondary_oto")]) == placed
    bench.move(ms=300)
    assert bench.open(is_secondary_oto=True) == []
    assert len(bench.open()) == 2


def test_children_survive_a_restart() -> None:
    """Waiting ones wait on, and are placed by a fill after it."""
    bench = Bench(shape=SHALLOW)
    order, _ = _half_filled(bench, "incremental")
    bench.restart()
    while bench.state(order["order_id"])["order_state"] == "open":
        bench.ask_at(99_990)
    legs = bench.open(order_type="stop_market")
    assert sum(leg["amount"] for leg in legs) == bench.position()["size"] == 20_000


def test_children_go_with_their_connection() -> None:
    """Cancel on disconnect takes primary and children."""
    bench = Bench()
    bench.call("enable_cancel_on_disconnect", scope="connection")
    bench.linked(100, OTOCO, stop(), target(), price=99_000)
    bench.exchange.close_session(bench.session, bench.now_ms)
    bench.session = bench.logged_in()
    assert bench.open() == []


def test_cancel_all_counts_each_leg_once() -> None:
    """Detailed, waiting children are listed with the triggers."""
    bench = Bench()
    bench.linked(100, OTOCO, stop(), target(), price=99_000)
    groups = bench.call("cancel_all", detailed=True)
    assert {row["type"]: len(row["result"]) for row in groups} == {"limit": 1, "trigger": 2}
    bench.linked(100, OTOCO, stop(), target())
    assert bench.call("cancel_all") == 2
