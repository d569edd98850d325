"""What can be looked up, and for how long."""

from typing import Any

import pytest

from tests.adapters.paper.harness import INVERSE, LINEAR, NOON, Bench

MINUTES = 60_000
HOURS = 60 * MINUTES


def test_a_label_finds_live_and_recent_orders_of_its_currency() -> None:
    """The look-up lists every order with the label, by settlement currency."""
    bench = Bench()
    bench.buy(10, label="bw.t.entry.1")
    bench.buy(10, price=99_000, label="bw.t.entry.1")
    found = bench.call("get_order_state_by_label", currency="BTC", label="bw.t.entry.1")
    assert [order["order_state"] for order in found] == ["filled", "open"]
    look_up = {"label": "bw.t.entry.1"}
    assert bench.call("get_order_state_by_label", currency="USDC", **look_up) == []
    assert bench.call("get_order_state_by_label", currency="BTC", label="bw.t") == []


def test_a_closed_order_is_forgotten_after_half_an_hour() -> None:
    """The live store lets it go; the history has it only as historical, and only if filled."""
    bench = Bench()
    filled = bench.buy(10, label="a")["order"]["order_id"]
    unfilled = bench.buy(10, price=90_000, label="a")["order"]["order_id"]
    bench.call("cancel", order_id=unfilled)
    by_instrument = {"instrument_name": INVERSE}
    recent = bench.call("get_order_history_by_instrument", **by_instrument)
    assert [order["order_id"] for order in recent] == [filled]
    bench.move(ms=31 * MINUTES)
    assert bench.refused("get_order_state", order_id=filled).code == 10004
    assert bench.call("get_order_state_by_label", currency="BTC", label="a") == []
    assert bench.call("get_order_history_by_instrument", **by_instrument) == []
    old = bench.call(
        "get_order_history_by_currency", currency="BTC", historical=True, include_unfilled=True
    )
    assert [order["order_id"] for order in old] == [unfilled, filled]


def test_history_older_than_two_days_needs_include_old() -> None:
    """Without the flag it is left out."""
    bench = Bench()
    bench.buy(10)
    bench.move(ms=49 * HOURS)
    terms: dict[str, Any] = {"currency": "BTC", "historical": True}
    assert bench.call("get_order_history_by_currency", **terms) == []
    assert len(bench.call("get_order_history_by_currency", include_old=True, **terms)) == 1
    assert bench.call("get_order_history_by_currency", kind="option", **terms) == []


def test_history_comes_in_pages() -> None:
    """count and offset cut it, newest first; a continuation tells where to go on."""
    bench = Bench()
    ids = [bench.buy(10)["order"]["order_id"] for _ in range(5)][::-1]
    page = bench.call("get_order_history_by_currency", currency="BTC", count=2, offset=1)
    assert [order["order_id"] for order in page] == ids[1:3]
    told = bench.call(
        "get_order_history_by_currency", currency="BTC", count=2, with_continuation=True
    )
    assert [order["order_id"] for order in told["orders"]] == ids[:2]
    assert told["continuation"] == ids[1]


def test_trades_leave_the_recent_view_after_a_day() -> None:
    """Then only historical shows them, and historical leaves the recent ones out."""
    bench = Bench()
    bench.buy(10)
    terms = {"instrument_name": INVERSE}
    assert len(bench.call("get_user_trades_by_instrument", **terms)["trades"]) == 1
    assert bench.call("get_user_trades_by_instrument", historical=True, **terms)["trades"] == []
    bench.move(ms=25 * HOURS)
    assert bench.call("get_user_trades_by_instrument", **terms)["trades"] == []
    old = bench.call("get_user_trades_by_instrument", historical=True, **terms)
    assert len(old["trades"]) == 1


def test_trades_come_in_pages_either_way() -> None:
    """Newest first unless asc; has_more tells that the page is not all."""
    bench = Bench()
    for _ in range(12):
        bench.move(100_000)
        bench.buy(10)
    terms = {"instrument_name": INVERSE}
    newest = bench.call("get_user_trades_by_instrument", **terms)
    assert (len(newest["trades"]), newest["has_more"]) == (10, True)
    oldest = bench.call("get_user_trades_by_instrument", sorting="asc", count=20, **terms)
    seqs = [trade["trade_seq"] for trade in oldest["trades"]]
    assert (len(seqs), seqs, oldest["has_more"]) == (12, sorted(seqs), False)
    after = bench.call("get_user_trades_by_instrument", start_seq=seqs[10], sorting="asc", **terms)
    assert [trade["trade_seq"] for trade in after["trades"]] == seqs[10:]


def test_trades_can_be_asked_by_time_and_currency() -> None:
    """The _and_time forms need both times; ids bound the currency form."""
    bench = Bench()
    first = bench.buy("0.001", LINEAR)["trades"][0]
    bench.move(ms=1000)
    second = bench.buy("0.001", LINEAR)["trades"][0]
    times = {"start_timestamp": NOON + 500, "end_timestamp": NOON + 5000}
    found = bench.call("get_user_trades_by_currency_and_time", currency="USDC", **times)
    assert [trade["trade_id"] for trade in found["trades"]] == [second["trade_id"]]
    found = bench.call("get_user_trades_by_currency", currency="USDC", end_id=first["trade_id"])
    assert [trade["trade_id"] for trade in found["trades"]] == [first["trade_id"]]
    assert bench.call("get_user_trades_by_currency", currency="USDC", kind="spot")["trades"] == []
    missing = bench.refused("get_user_trades_by_instrument_and_time", instrument_name=LINEAR)
    assert missing.data == {"reason": "value is required", "param": "start_timestamp"}
    assert bench.refused("get_user_trades_by_currency", currency="BTC", start_id="x").code == -32602
    assert bench.refused("get_user_trades_by_currency", currency="BTC", sorting="up").code == -32602


def test_trades_of_one_order_are_a_bare_list() -> None:
    """The list is oldest first only when asked."""
    bench = Bench()
    placed = bench.buy(1_000_000)
    order_id = placed["order"]["order_id"]
    told = [trade["trade_id"] for trade in placed["trades"]]
    found = bench.call("get_user_trades_by_order", order_id=order_id, sorting="asc")
    assert [trade["trade_id"] for trade in found] == told
    assert bench.call("get_user_trades_by_order", order_id=order_id) == found[::-1]


@pytest.mark.parametrize(
    ("word", "types"),
    [
        ("all", {"limit", "stop_market", "stop_limit", "take_limit", "trailing_stop"}),
        ("limit", {"limit"}),
        ("trigger_all", {"stop_market", "stop_limit", "take_limit", "trailing_stop"}),
        ("stop_all", {"stop_market", "stop_limit"}),
        ("stop_market", {"stop_market"}),
        ("take_all", {"take_limit"}),
        ("trailing_all", {"trailing_stop"}),
    ],
)
def test_open_orders_can_be_asked_by_type(word: str, types: set[str]) -> None:
    """Triggers are among the open orders; the type filter picks."""
    bench = Bench()
    bench.buy(10, price=99_000, label="l")
    bench.stop(10, 99_000)
    bench.stop(10, 99_000, type="stop_limit", price=98_000)
    bench.stop(10, 101_000, type="take_limit", price=101_000)
    bench.sell(10, type="trailing_stop", trigger="mark_price", trigger_offset=500)
    forms: list[tuple[str, dict[str, str]]] = [
        ("get_open_orders", {}),
        ("get_open_orders_by_currency", {"currency": "BTC"}),
        ("get_open_orders_by_instrument", {"instrument_name": INVERSE}),
    ]
    for method, params in forms:
        found = bench.call(method, type=word, **params)
        assert {order["order_type"] for order in found} == types
    assert bench.call("get_open_orders", kind="option") == []
    assert bench.call("get_open_orders_by_currency", currency="ETH") == []


def test_open_orders_by_label() -> None:
    """With a label only its orders, without one all of the currency."""
    bench = Bench()
    bench.buy(10, price=99_000, label="a")
    bench.buy(10, price=99_000, label="b")
    assert len(bench.call("get_open_orders_by_label", currency="BTC", label="a")) == 1
    assert len(bench.call("get_open_orders_by_label", currency="BTC")) == 2


def test_trigger_history_continues() -> None:
    """Entries come newest first in pages; the token of one page opens the next."""
    bench = Bench()
    ids = [bench.stop(10, 99_000)["order_id"] for _ in range(3)][::-1]
    seen: list[str] = []
    token = None
    for _ in range(3):
        page = bench.call(
            "get_trigger_order_history",
            currency="BTC",
            instrument_name=INVERSE,
            count=1,
            continuation=token,
        )
        seen += [entry["trigger_order_id"] for entry in page["entries"]]
        token = page.get("continuation")
    assert (seen, token) == (ids, None)
    bad = bench.refused("get_trigger_order_history", currency="BTC", continuation="x")
    assert bad.code == -32602


def test_pages_of_the_order_history_go_on_where_they_ended() -> None:
    """Also when another order has closed in between."""
    bench = Bench()
    made = [bench.buy(10)["order"]["order_id"] for _ in range(5)][::-1]
    seen: list[str] = []
    token = None
    for _ in range(3):
        page = bench.call(
            "get_order_history_by_currency",
            currency="BTC",
            count=2,
            with_continuation=True,
            continuation=token,
        )
        seen += [order["order_id"] for order in page["orders"]]
        token = page["continuation"]
        bench.buy(10)
    assert (seen, token) == (made, None)


def test_pages_of_the_trigger_history_go_on_where_they_ended() -> None:
    """Also when there is a new line in between."""
    bench = Bench()
    made = [bench.stop(10, 99_000 - step)["order_id"] for step in range(5)][::-1]
    seen: list[str] = []
    token = None
    for _ in range(3):
        page = bench.call("get_trigger_order_history", currency="BTC", count=2, continuation=token)
        seen += [entry["trigger_order_id"] for entry in page["entries"]]
        token = page.get("continuation")
        bench.stop(10, 98_000)
    assert (seen, token) == (made, None)


@pytest.mark.parametrize("method", ["get_trigger_order_history", "get_order_history_by_currency"])
def test_a_page_has_at_least_one_row(method: str) -> None:
    """None at all would never come to an end."""
    bench = Bench()
    bench.stop(10, 99_000)
    assert bench.refused(method, currency="BTC", count=0).data["param"] == "count"
