"""Every doubt about the venue both ways, and the page that lists them."""

import re
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.paper.market import BookShape
from adapters.paper.switches import Switches, switched
from tests.adapters.paper.harness import INVERSE, LINEAR, Bench

PAGE = Path(__file__).parents[3] / "docs" / "paper-exchange.md"
STOP = {"type": "stop_market", "trigger": "index_price", "trigger_price": 99_000}


def _refusal(bench: Bench, method: str, **params: Any) -> int:
    return bench.refused(method, instrument_name=INVERSE, amount=100, **params).code


def test_the_page_lists_every_switch_with_its_default() -> None:
    """One row each, no more, no fewer."""
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \| `([^`]*)` \|", PAGE.read_text(), re.MULTILINE)
    assert {name: default for name, _, default in rows} == {
        each.name: str(each.default) for each in fields(Switches)
    }
    assert all(values.strip() for _, values, _ in rows)


@pytest.mark.parametrize(("rule", "code"), [("accept", None), ("refuse", 11030)])
def test_a_reduce_only_stop_while_flat(rule: str, code: int | None) -> None:
    """It waits until it fires, or is refused at once; with a position it is taken either way."""
    bench = Bench(flat_reduce_only_stop=rule)
    if code is None:
        assert bench.stop(100, 99_000)["order_state"] == "untriggered"
    else:
        assert _refusal(bench, "sell", **STOP, reduce_only=True) == code
    bench.buy(100)
    assert bench.stop(100, 99_000)["order_state"] == "untriggered"


@pytest.mark.parametrize(("rule", "orders"), [("new", 2), ("same", 1)])
def test_the_id_of_a_fired_trigger(rule: str, orders: int) -> None:
    """A new order that points back, or the same id with another type and state."""
    bench = Bench(fired_id=rule)
    bench.ask_at(100_000)
    bench.buy(100)
    stop = bench.stop(100, 99_000, label="x")["order_id"]
    bench.move(98_900)
    found = bench.call("get_order_state_by_label", currency="BTC", label="x")
    assert len(found) == orders
    last = found[-1]
    assert (last["order_state"], last["order_type"]) == ("filled", "market")
    assert (last["order_id"] == stop) is (rule == "same")
    assert last.get("trigger_order_id") == (stop if rule == "new" else None)
    assert bench.history() == ["new", "triggered"]


def test_a_trigger_that_keeps_its_id_is_rejected_under_it() -> None:
    """Fired with nothing to reduce."""
    bench = Bench(fired_id="same")
    stop = bench.stop(100, 99_000)["order_id"]
    bench.move(98_000)
    assert bench.state(stop)["order_state"] == "rejected:reduce_direction"
    assert bench.history() == ["new", "rejected:reduce_direction"]


@pytest.mark.parametrize(("rule", "label"), [("carried", "x"), ("dropped", "")])
def test_the_label_of_a_fired_order(rule: str, label: str) -> None:
    """It carries over to the new order, or the way home is the trigger's id alone."""
    bench = Bench(fired_label=rule)
    bench.buy(100)
    stop = bench.stop(100, 99_000, label="x")["order_id"]
    bench.move(98_000)
    history = bench.call("get_order_history_by_instrument", instrument_name=INVERSE)
    (fired,) = [row for row in history if row.get("trigger_order_id") == stop]
    assert fired["label"] == label


@pytest.mark.parametrize(("most", "scope"), [(3, "type"), (2, "type_and_instrument")])
def test_the_limit_to_triggers(most: int, scope: str) -> None:
    """Per type over all instruments, or in each; another type has its own."""
    bench = Bench(most_triggers=most, trigger_limit_per=scope)
    for _ in range(2):
        bench.stop(10, 99_000)
    linear = STOP | {"trigger_price": 99_000}
    bench.sell("0.001", LINEAR, **linear)
    assert _refusal(bench, "sell", **STOP) == 11035
    assert bench.stop(10, 101_000, type="take_market")["order_state"] == "untriggered"


@pytest.mark.parametrize("state", ["cancelled", "untriggered"])
def test_the_reply_to_a_cancelled_trigger(state: str) -> None:
    """It states the new state, or still the old one; the trigger is gone either way."""
    bench = Bench(cancelled_trigger_reply=state)
    stop = bench.stop(10, 99_000)["order_id"]
    assert bench.call("cancel", order_id=stop)["order_state"] == state
    assert bench.state(stop)["order_state"] == "cancelled"
    order = bench.buy(10, price=90_000)["order"]["order_id"]
    assert bench.call("cancel", order_id=order)["order_state"] == "cancelled"


@pytest.mark.parametrize(("default", "filled"), [(False, 100), (True, 0)])
def test_post_only_when_it_is_left_out(default: bool, filled: int) -> None:
    """A plain crossing limit takes, or is moved to the passive side; market orders still take."""
    bench = Bench(post_only_default=default)
    bench.ask_at(100_000)
    order = bench.buy(100, price=100_000)["order"]
    assert (order["filled_amount"], order["post_only"]) == (filled, default)
    assert bench.buy(100)["order"]["filled_amount"] == 100
    now = bench.buy(100, price=100_000, time_in_force="immediate_or_cancel")["order"]
    assert now["filled_amount"] == 100


@pytest.mark.parametrize(("rule", "kept"), [("keeps", True), ("drops", False)])
def test_an_edit_that_leaves_reduce_only_out(rule: str, kept: bool) -> None:
    """The order keeps the flag or loses it; said again it is kept either way."""
    bench = Bench(edit_without_reduce_only=rule)
    bench.buy(100)
    for order in (bench.stop(10, 90_000), bench.sell(10, price=109_000, reduce_only=True)["order"]):
        edit = {"order_id": order["order_id"], "amount": 20}
        assert bench.call("edit", **edit, reduce_only=True)["order"]["reduce_only"]
        assert bench.call("edit", **edit)["order"]["reduce_only"] is kept


@pytest.mark.parametrize(("shown", "original"), [("market", None), ("limit", "market")])
def test_what_a_market_order_is_listed_as(shown: str, original: str | None) -> None:
    """Both were seen."""
    order = Bench(market_orders_shown_as=shown).buy(100)["order"]
    assert (order["order_type"], order.get("original_order_type")) == (shown, original)


@pytest.mark.parametrize(("rule", "code"), [("refuse", 10007), ("clamp", None)])
def test_a_price_beyond_the_band(rule: str, code: int | None) -> None:
    """Refused with the bound in the message, or moved to it; a bad edit likewise."""
    bench = Bench(beyond_band=rule)
    high = bench.call("public/ticker", instrument_name=INVERSE)["max_price"]
    resting = bench.buy(100, price=90_000)["order"]["order_id"]
    edit = {"order_id": resting, "amount": 100, "price": 200_000}
    if code is not None:
        assert _refusal(bench, "buy", price=200_000) == code
        assert bench.refused("edit", **edit).code == code
    else:
        assert bench.buy(100, price=200_000)["order"]["price"] == high
        assert bench.call("edit", **edit)["order"]["price"] == high


@pytest.mark.parametrize(("rule", "code"), [("rest", None), ("refuse", 10005)])
def test_a_deep_bid(rule: str, code: int | None) -> None:
    """A passive price beyond the band rests, or is refused like any other."""
    bench = Bench(passive_beyond_band=rule)
    if code is None:
        assert bench.buy(100, price=50_000)["order"]["order_state"] == "open"
    else:
        assert _refusal(bench, "buy", price=50_000) == code
    low = bench.call("public/ticker", instrument_name=INVERSE)["min_price"]
    clamped = Bench(passive_beyond_band="refuse", beyond_band="clamp")
    assert clamped.buy(100, price=50_000)["order"]["price"] == low


@pytest.mark.parametrize("most", [2, 3])
def test_the_limit_to_open_orders(most: int) -> None:
    """Triggers count; one more is refused, and room again is room."""
    bench = Bench(most_open_orders=most)
    for _ in range(most - 1):
        bench.buy(10, price=90_000)
    stop = bench.stop(10, 99_000)["order_id"]
    assert _refusal(bench, "buy", price=90_000) == 10013
    bench.call("cancel", order_id=stop)
    assert bench.buy(10)["order"]["order_state"] == "filled"


@pytest.mark.parametrize(("told", "frames"), [(True, 2), (False, 0)])
def test_a_cut_on_the_channel(told: bool, frames: int) -> None:
    """A reduce-only order cut to less, and another to nothing: told, or found out by reading."""
    bench = Bench(cut_is_told=told)
    bench.ask_at(100_000)
    bench.buy(100)
    near = bench.sell(60, price=101_000, reduce_only=True)["order"]["order_id"]
    far = bench.sell(40, price=102_000, reduce_only=True)["order"]["order_id"]
    bench.subscribe("user.orders.any.any.raw")
    bench.sell(50)
    shown = [frame.data["order_id"] for frame in bench.frames()]
    assert sum(order_id in {near, far} for order_id in shown) == frames
    assert bench.state(near)["amount"] == 50
    assert bench.state(far)["order_state"] == "cancelled"


@pytest.mark.parametrize("reason", [None, "risk_mitigation"])
def test_the_reason_of_a_cut_to_nothing(reason: str | None) -> None:
    """The documented list has none for it; its partner in a pair stays either way."""
    bench = Bench(cut_reason=reason)
    bench.buy(100)
    legs = [STOP | {"amount": 100, "direction": "sell", "reduce_only": True}]
    terms = {"price": 101_000, "reduce_only": True, "otoco_config": legs}
    order = bench.sell(100, linked_order_type="one_cancels_other", **terms)["order"]["order_id"]
    bench.sell(100)
    assert bench.state(order).get("cancel_reason") == reason
    assert [row["order_type"] for row in bench.open()] == ["stop_market"]


@pytest.mark.parametrize(("rule", "size"), [("negative", -100), ("unsigned", 100)])
def test_the_size_of_a_short(rule: str, size: int) -> None:
    """The direction always tells."""
    bench = Bench(short_size=rule)
    bench.sell(100)
    shown = bench.position()
    assert (shown["size"], shown["direction"]) == (size, "sell")
    assert (shown["size_currency"] > 0) is (size > 0)


@pytest.mark.parametrize("rule", ["coin", "quote"])
def test_the_size_of_a_linear_position(rule: str) -> None:
    """Coin, or its value at mark; size_currency is coin and an inverse size USD either way."""
    bench = Bench(linear_size=rule)
    bench.buy("0.01", LINEAR)
    bench.buy(100)
    shown = bench.position(LINEAR)
    coins = Decimal("0.01")
    assert shown["size"] == (coins if rule == "coin" else coins * shown["mark_price"])
    assert shown["size_currency"] == coins
    assert bench.position()["size"] == 100


@pytest.mark.parametrize(("window", "mark"), [(30, "100006.45"), (9, "100020.00")])
def test_the_window_of_the_mark(window: int, mark: str) -> None:
    """The newest second of the premium weighs 2 / (window + 1)."""
    bench = Bench(mark_window_seconds=window)
    bench.move(100_000, ms=1000)
    market = bench.exchange._engine.markets[INVERSE]
    market.shape = BookShape(premium_bps=0, lean_bps=10)
    bench.move(100_000, ms=1000)
    shown = bench.call("public/ticker", instrument_name=INVERSE)["mark_price"]
    assert shown == Decimal(mark)


@pytest.mark.parametrize(("rule", "price"), [("index", 100_000), ("mark", 100_080)])
def test_the_price_that_turns_funding_into_coin(rule: str, price: int) -> None:
    """Index or mark: less than half a percent apart."""
    bench = Bench(funding_price=rule)
    bench.move(100_000)
    bench.buy(10_000)
    market = bench.exchange._engine.markets[INVERSE]
    market.mark, market.rate = Decimal(100_080), Decimal("0.00055")
    bench.move(100_000, ms=8 * 3_600_000)
    paid = -bench.position()["realized_funding"]
    assert abs(paid - Decimal(10_000) / price * Decimal("0.00055")) < Decimal("1E-12")


@pytest.mark.parametrize(("rule", "code"), [("default", None), ("refuse", -32602)])
def test_a_market_order_that_names_its_time_in_force(rule: str, code: int | None) -> None:
    """The one it has anyway is taken, or none is; another never is."""
    bench = Bench(market_time_in_force=rule)
    terms = {"instrument_name": INVERSE, "amount": 10, "type": "market"}
    if code is None:
        placed = bench.call("buy", **terms, time_in_force="good_til_cancelled")
        assert placed["order"]["order_state"] == "filled"
    else:
        error = bench.refused("buy", **terms, time_in_force="good_til_cancelled")
        assert (error.code, error.data["param"]) == (code, "time_in_force")
    assert bench.refused("buy", **terms, time_in_force="fill_or_kill").code == -32602


@pytest.mark.parametrize(("clip", "mark"), [("0.5", "100500.00"), ("0.2", "100200.00")])
def test_how_far_the_mark_is_let_from_the_index(clip: str, mark: str) -> None:
    """A premium of 1 % shows as so much of the index at most."""
    shape = BookShape(premium_bps=0, lean_bps=100, widest_spread_ticks=1)
    bench = Bench(shape=shape, mark_clip_pct=Decimal(clip))
    bench.move(100_000, ms=1000)
    shown = bench.call("public/ticker", instrument_name=INVERSE)["mark_price"]
    assert shown == Decimal(mark)


def test_every_switch_can_be_set_by_its_text() -> None:
    """As on the command line, each to the value it has anyway."""
    words = [f"{each.name}={getattr(Switches(), each.name)}" for each in fields(Switches)]
    assert switched([word.replace("=None", "=") for word in words]) == Switches()


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("passed_triger=fire", "no switch"),
        ("passed_trigger", "refuse or fire"),
        ("most_triggers=1.5", "whole number"),
        ("most_triggers=-1", "whole number"),
        ("margin_factor=NaN", "a number"),
        ("margin_factor=0", "more than 0"),
        ("mark_window_seconds=0", "more than 0"),
        ("cut_is_told=maybe", "true or false"),
    ],
)
def test_a_switch_that_is_none_is_named(word: str, why: str) -> None:
    """With what it could be."""
    with pytest.raises(ValueError, match=why):
        switched([word])
