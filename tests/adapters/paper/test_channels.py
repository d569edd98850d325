"""Subscriptions: what is accepted, when channels speak, and what they say."""

from decimal import Decimal
from typing import Any

import pytest

from adapters.paper.market import BookShape
from tests.adapters.paper.harness import INVERSE, LINEAR, Bench


def test_unknown_channels_are_left_out_silently() -> None:
    """The reply lists what exists, as it was written."""
    bench = Bench()
    asked = [
        "user.changes.any.any.raw",
        "user.portfolio.btc",
        "book.BTC-PERPETUAL.none.10.100ms",
        "ticker.DOGE-PERPETUAL.raw",
        "user.orders.future.DOGE.raw",
        "deribit_price_index.doge_usd",
        "book.BTC-PERPETUAL.7ms",
        "nonsense",
    ]
    assert bench.call("subscribe", channels=asked) == asked[:3]


@pytest.mark.parametrize(
    ("channel", "code"),
    [("user.orders.any.any.raw", 13009), ("trades.BTC-PERPETUAL.raw", 13778)],
)
def test_private_and_raw_channels_need_a_log_in(channel: str, code: int) -> None:
    """13009 and 13778; the same channels are open once logged in, by either method."""
    bench = Bench()
    bench.session = bench.exchange.open_session()
    assert bench.refused("public/subscribe", channels=[channel]).code == code
    assert bench.refused("private/subscribe", channels=[channel]).code == 13009
    bench.session = bench.logged_in()
    assert bench.call("public/subscribe", channels=[channel]) == [channel]


def test_changes_bundle_trade_position_and_order() -> None:
    """One raw frame per request: the filled order once, its trades, the new position."""
    bench = Bench()
    bench.subscribe("user.changes.any.any.raw")
    placed = bench.buy(100, label="a")
    (frame,) = bench.frames()
    assert frame.channel == "user.changes.any.any.raw"
    assert frame.data["instrument_name"] == INVERSE
    assert frame.data["orders"] == [placed["order"]]
    assert frame.data["trades"] == placed["trades"]
    assert [row["size"] for row in frame.data["positions"]] == [100]
    bench.buy(10, price=99_000)
    (frame,) = bench.frames()
    assert (frame.data["trades"], frame.data["positions"]) == ([], [])


def test_raw_orders_are_single_objects_and_paced_ones_lists() -> None:
    """user.orders raw sends an order a frame; 100ms a list of the latest states."""
    bench = Bench()
    bench.subscribe("user.orders.any.any.raw", f"user.orders.{INVERSE}.100ms")
    first = bench.buy(10, price=99_000)["order"]
    frames = {frame.channel: frame.data for frame in bench.frames()}
    assert frames["user.orders.any.any.raw"]["order_id"] == first["order_id"]
    assert [row["order_id"] for row in frames[f"user.orders.{INVERSE}.100ms"]] == [
        first["order_id"]
    ]
    second = bench.buy(10, price=98_000)["order"]
    bench.call("cancel", order_id=second["order_id"])
    assert {frame.channel for frame in bench.frames()} == {"user.orders.any.any.raw"}
    bench.move()
    (frame,) = bench.frames()
    assert [row["order_state"] for row in frame.data] == ["cancelled"]


def test_user_trades_are_always_lists() -> None:
    """Also on raw; channels of another currency stay quiet."""
    bench = Bench()
    bench.subscribe("user.trades.future.BTC.raw", "user.trades.future.USDC.raw")
    trades = bench.buy(10)["trades"]
    (frame,) = bench.frames()
    assert (frame.channel, frame.data) == ("user.trades.future.BTC.raw", trades)


def test_a_fired_stop_is_heard_as_trigger_and_child() -> None:
    """Both orders are in the frame of the step that fired it."""
    bench = Bench()
    bench.buy(100)
    bench.stop(100, 99_000)
    bench.subscribe("user.changes.any.any.raw")
    bench.move(98_000)
    (frame,) = bench.frames()
    states = {row["order_state"] for row in frame.data["orders"]}
    assert states == {"triggered", "filled"}
    assert frame.data["positions"][0]["direction"] == "zero"


def test_portfolio_starts_with_a_snapshot_and_follows_orders() -> None:
    """One frame per currency on subscribing; then what changed, prices at most once a second."""
    bench = Bench()
    bench.call("subscribe", channels=["user.portfolio.any"])
    first = bench.frames()
    assert [frame.data["currency"] for frame in first] == ["BTC", "ETH", "USDC"]
    assert {frame.session_id for frame in first} == {bench.session.session_id}
    bench.move()
    assert bench.frames() == []
    bench.buy(100)
    assert [frame.data["currency"] for frame in bench.frames()] == ["BTC"]
    for _ in range(10):
        bench.move(ms=200)
    assert len(bench.frames()) == 2


def _apply(book: dict[str, dict[Decimal, Decimal]], data: Any) -> None:
    for side in ("bids", "asks"):
        for action, price, amount in data[side]:
            if action == "delete":
                del book[side][price]
            else:
                assert (action == "change") is (price in book[side])
                book[side][price] = amount


@pytest.mark.parametrize("interval", ["raw", "100ms", "agg2"])
def test_book_changes_rebuild_the_book(interval: str) -> None:
    """Applied in order to the snapshot, with unbroken change ids, they give the public book."""
    bench = Bench(shape=BookShape())
    bench.call("subscribe", channels=[f"book.{INVERSE}.{interval}"])
    (snapshot,) = bench.frames()
    assert snapshot.data["type"] == "snapshot"
    assert "prev_change_id" not in snapshot.data
    book: dict[str, dict[Decimal, Decimal]] = {"bids": {}, "asks": {}}
    _apply(book, snapshot.data)
    last = snapshot.data["change_id"]
    for step in range(30):
        bench.buy(500_000 if step % 7 == 0 else 10)
        bench.sell(20, price=100_500 + step)
        bench.move(100_000 + 13 * (step % 5), ms=150)
        for frame in bench.frames():
            assert (frame.data["type"], frame.data["prev_change_id"]) == ("change", last)
            assert frame.data["change_id"] > last
            last = frame.data["change_id"]
            _apply(book, frame.data)
    bench.move(ms=2000)
    for frame in bench.frames():
        _apply(book, frame.data)
    shown = bench.call("public/get_order_book", instrument_name=INVERSE, depth=1000)
    assert sorted(book["bids"].items(), reverse=True) == shown["bids"]
    assert sorted(book["asks"].items()) == shown["asks"]


def test_a_late_listener_gets_a_snapshot_that_fits_the_next_change() -> None:
    """Its snapshot is of the last change sent, for it alone."""
    bench = Bench()
    channel = f"book.{INVERSE}.100ms"
    bench.subscribe(channel)
    bench.move(100_100)
    (change,) = bench.frames()
    late = bench.logged_in()
    bench.exchange.request(late, "private/subscribe", {"channels": [channel]}, bench.now_ms)
    (snapshot,) = bench.frames()
    assert snapshot.session_id == late.session_id
    assert snapshot.data["change_id"] == change.data["change_id"]
    bench.move(100_200)
    (change,) = bench.frames()
    assert change.data["prev_change_id"] == snapshot.data["change_id"]


def test_subscribing_twice_gives_no_second_snapshot() -> None:
    """To resync one has to unsubscribe first."""
    bench = Bench()
    channel = f"book.{INVERSE}.100ms"
    bench.subscribe(channel)
    assert bench.call("subscribe", channels=[channel]) == [channel]
    assert bench.frames() == []
    assert bench.call("unsubscribe", channels=[channel, "other"]) == [channel]
    bench.call("subscribe", channels=[channel])
    assert len(bench.frames()) == 1
    assert bench.call("public/unsubscribe_all") == "ok"
    bench.move(101_000)
    assert bench.frames() == []


@pytest.mark.parametrize(
    ("channel", "fields"),
    [
        (f"ticker.{INVERSE}.100ms", {"best_bid_price", "mark_price", "stats"}),
        (f"quote.{INVERSE}", {"best_bid_price", "best_ask_amount", "timestamp"}),
        (f"perpetual.{INVERSE}.100ms", {"interest", "index_price", "timestamp"}),
        ("deribit_price_index.btc_usdc", {"price", "index_name", "timestamp"}),
        ("platform_state", {"price_index", "locked", "reasons"}),
        (f"book.{LINEAR}.none.10.100ms", {"bids", "asks", "change_id"}),
    ],
)
def test_market_channels_speak_when_the_market_moves(channel: str, fields: set[str]) -> None:
    """Each has its own fields and the instrument's data."""
    bench = Bench()
    bench.subscribe(channel)
    bench.move(100_123)
    (frame,) = bench.frames()
    assert fields <= set(frame.data)
    bench.move(100_124, ms=50)
    paced = channel.startswith("quote")
    assert len(bench.frames()) == int(paced)


def test_grouped_books_show_a_window() -> None:
    """Ten levels a side, prices and amounts, no type."""
    bench = Bench()
    bench.subscribe(f"book.{INVERSE}.none.10.100ms")
    bench.move(100_100)
    (frame,) = bench.frames()
    assert (len(frame.data["bids"]), "type" in frame.data) == (10, False)


def test_public_trades_are_lists_and_come_by_group_too() -> None:
    """trades.future.BTC carries every BTC perpetual and no other."""
    bench = Bench()
    bench.subscribe(f"trades.{LINEAR}.100ms", "trades.future.BTC.raw", "trades.option.any.raw")
    bench.move(100_500)
    said = {frame.channel: frame.data for frame in bench.frames()}
    assert [row["instrument_name"] for row in said["trades.future.BTC.raw"]] == [INVERSE]
    assert [row["direction"] for row in said[f"trades.{LINEAR}.100ms"]] == ["buy"]
    assert "trades.option.any.raw" not in said


def test_state_channels_are_accepted_and_quiet() -> None:
    """Nothing ever changes its state here."""
    bench = Bench()
    assert bench.subscribe("instrument.state.any.any") == ["instrument.state.any.any"]
    bench.move(101_000)
    assert bench.frames() == []


def test_channel_lists_are_bounded_and_may_be_text() -> None:
    """Five hundred at most; a query may write the list as text."""
    bench = Bench()
    assert bench.refused("subscribe", channels=["x"] * 501).code == -32602
    assert bench.call("subscribe", channels='["user.portfolio.btc","x"]') == ["user.portfolio.btc"]
    assert bench.refused("subscribe").data["reason"] == "value is required"


def test_a_book_that_did_not_change_leaves_no_gap() -> None:
    """A trigger order touches no book: the next change follows the one told last."""
    bench = Bench()
    bench.call("subscribe", channels=["book.BTC-PERPETUAL.raw"])
    bench.buy(10)
    told = bench.frames()[-1].data["change_id"]
    bench.stop(10, 99_000)
    assert bench.frames() == []
    bench.move()
    assert bench.frames()[0].data["prev_change_id"] == told
