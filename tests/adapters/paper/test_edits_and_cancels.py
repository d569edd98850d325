"""Edits set absolute totals under the same id; cancels name what is gone."""

from decimal import Decimal
from typing import Any

import pytest

from adapters.paper.market import BookShape
from tests.adapters.paper.harness import INVERSE, LINEAR, Bench


def test_the_amount_of_an_edit_is_the_total_including_what_filled() -> None:
    """After 50 of 100 filled, an edit to 120 leaves 70 to go under the same id."""
    bench = Bench(shape=BookShape(levels=1, size_pct=1, premium_bps=0, widest_spread_ticks=1))
    bench.ask_at(100_000)
    order = bench.buy(100_000, price=100_000)["order"]
    filled = order["filled_amount"]
    edited = bench.call("edit", order_id=order["order_id"], amount=filled + 70)["order"]
    assert (edited["order_id"], edited["replaced"]) == (order["order_id"], True)
    assert (edited["amount"], edited["filled_amount"]) == (filled + 70, filled)
    assert bench.refused("edit", order_id=order["order_id"], amount=filled).code == 10022


def test_an_edit_to_a_crossing_price_fills() -> None:
    """A limit moved through the market trades at once and the reply has the fills."""
    bench = Bench()
    bench.ask_at(100_000)
    order = bench.buy(100, price=99_000)["order"]
    placed = bench.call("edit", order_id=order["order_id"], amount=100, price=100_100)
    assert placed["order"]["order_state"] == "filled"
    assert placed["trades"][0]["price"] == 100_000


def test_a_stop_grows_and_moves_by_edit() -> None:
    """Amount and trigger price of a waiting stop change; a passed trigger is refused."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(100)
    stop = bench.stop(50, 99_000)["order_id"]
    edited = bench.call("edit", order_id=stop, amount=100, trigger_price=99_500)["order"]
    assert (edited["amount"], edited["trigger_price"]) == (100, 99_500)
    assert (edited["order_state"], edited["replaced"]) == ("untriggered", True)
    assert bench.refused("edit", order_id=stop, amount=100, trigger_price=100_500).code == 11036
    assert bench.refused("edit", order_id=stop, amount=100, trigger_price="99000.2").code == 10044
    assert bench.state(stop)["trigger_price"] == 99_500


def test_a_stop_limit_changes_its_limit_by_edit() -> None:
    """The price of a stop_limit is its own; off tick it is refused."""
    bench = Bench()
    stop = bench.stop(10, 99_000, type="stop_limit", price=98_900)["order_id"]
    assert bench.call("edit", order_id=stop, amount=10, price=98_800)["order"]["price"] == 98_800
    assert bench.refused("edit", order_id=stop, amount=10, price="98800.2").code == 10043


def test_a_trailing_stop_takes_a_new_offset() -> None:
    """The trigger price is drawn anew from the peak."""
    bench = Bench()
    bench.move(100_000)
    order = bench.sell(10, type="trailing_stop", trigger="index_price", trigger_offset=500)["order"]
    edited = bench.call("edit", order_id=order["order_id"], amount=10, trigger_offset=300)["order"]
    assert edited["trigger_price"] == 99_700


@pytest.mark.parametrize(("ending", "code"), [("filled", 10010), ("cancelled", 10010)])
def test_a_closed_order_cannot_be_edited(ending: str, code: int) -> None:
    """10010, whether it filled or was cancelled."""
    bench = Bench()
    placed = bench.buy(10) if ending == "filled" else bench.buy(10, price=90_000)
    order_id = placed["order"]["order_id"]
    if ending == "cancelled":
        bench.call("cancel", order_id=order_id)
    assert bench.refused("edit", order_id=order_id, amount=20).code == code
    assert bench.refused("cancel", order_id=order_id).code == 11044


def test_a_post_only_edit_that_would_cross_cancels_in_reject_mode() -> None:
    """The edit is refused with 11054 and the order itself is gone."""
    bench = Bench()
    bench.ask_at(100_000)
    order = bench.buy(10, price=99_000, post_only=True, reject_post_only=True)["order"]
    error = bench.refused("edit", order_id=order["order_id"], amount=10, price=100_100)
    assert error.code == 11054
    assert bench.state(order["order_id"])["cancel_reason"] == "edit_post_only_reject"


def test_a_post_only_edit_is_moved_without_reject_mode() -> None:
    """It lands one tick off the other side."""
    bench = Bench()
    bench.ask_at(100_000)
    order = bench.buy(10, price=99_000, post_only=True)["order"]
    placed = bench.call("edit", order_id=order["order_id"], amount=10, price=100_100)
    assert placed["order"]["price"] == Decimal("99999.5")


def test_an_edit_is_cut_and_paid_like_an_order() -> None:
    """A reduce-only edit is cut to the position; a growing one needs funds."""
    bench = Bench()
    bench.buy(100)
    target = bench.sell(50, price=101_000, reduce_only=True)["order"]["order_id"]
    assert bench.call("edit", order_id=target, amount=500)["order"]["amount"] == 100
    entry = bench.buy(10, price=99_000)["order"]["order_id"]
    assert bench.refused("edit", order_id=entry, amount=100_000_000).code == 10009
    assert bench.state(entry)["amount"] == 10


def test_edit_by_label_needs_exactly_one() -> None:
    """No match is 10004, several are 13032, one is edited."""
    bench = Bench()
    terms: dict[str, Any] = {"label": "a", "instrument_name": INVERSE, "amount": 20}
    assert bench.refused("edit_by_label", **terms).code == 10004
    bench.buy(10, price=99_000, label="a")
    assert bench.call("edit_by_label", **terms)["order"]["amount"] == 20
    bench.buy(10, price=99_000, label="a")
    assert bench.refused("edit_by_label", **terms).code == 13032


def test_cancel_answers_with_the_order_itself() -> None:
    """The reply is a plain order object, cancelled at the user's request."""
    bench = Bench()
    order = bench.buy(10, price=99_000)["order"]
    cancelled = bench.call("cancel", order_id=order["order_id"])
    assert (cancelled["order_id"], cancelled["order_state"]) == (order["order_id"], "cancelled")
    assert cancelled["cancel_reason"] == "user_request"
    assert bench.refused("cancel", order_id="17").code == 10004


def _crowd(bench: Bench) -> None:
    bench.buy(10, price=99_000, label="a")
    bench.stop(10, 99_000, label="a")
    bench.stop(10, 101_000, type="take_market")
    bench.buy("0.001", LINEAR, price=99_000, label="a")


@pytest.mark.parametrize(
    ("method", "params", "number"),
    [
        ("cancel_all", {}, 4),
        ("cancel_all_by_currency", {"currency": "BTC"}, 3),
        ("cancel_all_by_currency", {"currency": "BTC", "type": "limit"}, 1),
        ("cancel_all_by_currency", {"currency": "BTC", "kind": "option"}, 0),
        ("cancel_all_by_currency_pair", {"currency_pair": "btc_usdc"}, 1),
        ("cancel_all_by_instrument", {"instrument_name": INVERSE, "type": "trigger_all"}, 2),
        ("cancel_all_by_instrument", {"instrument_name": INVERSE, "type": "stop"}, 1),
        ("cancel_all_by_instrument", {"instrument_name": INVERSE, "type": "take"}, 1),
        ("cancel_all_by_instrument", {"instrument_name": INVERSE, "type": "trailing_stop"}, 0),
        ("cancel_all_by_kind_or_type", {"currency": ["BTC", "USDC"], "type": "limit"}, 2),
        ("cancel_all_by_kind_or_type", {"currency": "any"}, 4),
        ("cancel_by_label", {"label": "a"}, 3),
        ("cancel_by_label", {"label": "a", "currency": "USDC"}, 1),
    ],
)
def test_the_cancel_family_counts_what_it_cancelled(
    method: str, params: dict[str, Any], number: int
) -> None:
    """Each form cancels its own and leaves the rest."""
    bench = Bench()
    _crowd(bench)
    assert bench.call(method, **params) == number
    assert len(bench.call("get_open_orders")) == 4 - number


def test_detailed_cancels_are_grouped() -> None:
    """With detailed the reply lists instrument, type and the orders."""
    bench = Bench()
    _crowd(bench)
    groups = bench.call("cancel_all", detailed=True)
    shown = {(group["instrument_name"], group["type"]): len(group["result"]) for group in groups}
    assert shown == {(INVERSE, "limit"): 1, (INVERSE, "trigger"): 2, (LINEAR, "limit"): 1}
    assert {group["currency"] for group in groups} == {"BTC", "USDC"}


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("cancel_all_by_currency_pair", {"currency_pair": "doge_usd"}),
        ("cancel_all_by_currency", {"currency": "DOGE"}),
        ("cancel_all_by_currency", {"currency": "BTC", "type": "odd"}),
        ("cancel_all_by_kind_or_type", {}),
    ],
)
def test_a_cancel_of_nonsense_is_refused(method: str, params: dict[str, Any]) -> None:
    """Unknown pairs, currencies and types are -32602, and nothing is cancelled."""
    bench = Bench()
    _crowd(bench)
    assert bench.refused(method, **params).code == -32602
    assert len(bench.call("get_open_orders")) == 4
