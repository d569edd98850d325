"""Public market data: contract data, tickers, books, trades, funding and candles."""

from decimal import Decimal
from typing import Any

import pytest

from adapters.paper.market import BookShape
from tests.adapters.paper.harness import INVERSE, LINEAR, NOON, PLAIN, Bench

NAMES = [INVERSE, "ETH-PERPETUAL", LINEAR, "ETH_USDC-PERPETUAL"]


@pytest.mark.parametrize(
    ("currency", "names"),
    [(None, NAMES), ("any", NAMES), ("BTC", NAMES[:1]), ("usdc", NAMES[2:])],
)
def test_the_catalogue_is_by_settlement_currency(currency: str | None, names: list[str]) -> None:
    """No currency means all; linear perpetuals belong to USDC."""
    rows = Bench().call("public/get_instruments", currency=currency)
    assert [row["instrument_name"] for row in rows] == names


def test_contract_data() -> None:
    """Ticks, contract sizes and fees as the venue states them."""
    bench = Bench()
    shown = {name: bench.call("public/get_instrument", instrument_name=name) for name in NAMES}
    facts = [(row["tick_size"], row["contract_size"]) for row in shown.values()]
    wanted = [("0.5", "10"), ("0.05", "1"), ("0.1", "0.0001"), ("0.05", "0.001")]
    assert facts == [(Decimal(tick), Decimal(size)) for tick, size in wanted]
    assert {row["taker_commission"] for row in shown.values()} == {Decimal("0.00035")}
    assert shown[LINEAR]["instrument_type"] == "linear"
    assert bench.call("public/get_instruments", kind="option") == []
    assert bench.call("public/get_instruments", expired=True) == []
    assert [row["currency"] for row in bench.call("public/get_currencies")] == [
        "BTC",
        "ETH",
        "USDC",
    ]


def test_a_ticker_agrees_with_the_book() -> None:
    """Touch, band around the index, and the mark within half a percent of it."""
    bench = Bench(shape=BookShape())
    for step in range(20):
        bench.move(100_000 + 50 * step, ms=500)
        for name in NAMES:
            ticker = bench.call("public/ticker", instrument_name=name)
            book = bench.call("public/get_order_book", instrument_name=name, depth=3)
            assert len(book["bids"]) == len(book["asks"]) == 5
            assert book["bids"][0] == (ticker["best_bid_price"], ticker["best_bid_amount"])
            assert ticker["best_bid_price"] < ticker["best_ask_price"]
            assert ticker["min_price"] < ticker["mark_price"] < ticker["max_price"]
            assert abs(ticker["mark_price"] / ticker["index_price"] - 1) < Decimal("0.005")


def test_the_book_is_a_tick_or_two_wide_and_deepens() -> None:
    """Small orders fill at the touch; a million dollars costs a few basis points."""
    bench = Bench(shape=BookShape())
    for _ in range(20):
        bench.move(100_000)
        book = bench.call("public/get_order_book", instrument_name=INVERSE, depth=100)
        spread = book["asks"][0][0] - book["bids"][0][0]
        assert spread in {Decimal("0.5"), Decimal(1)}
        assert book["asks"][0][1] >= 40_000
        assert sum(amount for _, amount in book["asks"][:9]) > 1_000_000
        assert book["asks"][8][0] / book["asks"][0][0] < Decimal("1.002")


def test_an_eaten_side_is_empty_until_the_market_moves() -> None:
    """An empty side has price and amount zero, as on the venue."""
    bench = Bench(shape=BookShape(levels=1, size_pct=1))
    bench.buy(100_000)
    ticker = bench.call("public/ticker", instrument_name=INVERSE)
    assert (ticker["best_ask_price"], ticker["best_ask_amount"]) == (0, 0)
    assert ticker["best_bid_amount"] == 100_000 - bench.position()["size"]
    assert bench.buy(10, type="market_limit")["order"]["order_state"] == "open"
    assert bench.buy(10, price=99_000, post_only=True)["order"]["price"] == 99_000
    bench.call("cancel_all")
    bench.move()
    assert bench.call("public/ticker", instrument_name=INVERSE)["best_ask_amount"] > 0


def test_trades_are_on_the_tape() -> None:
    """Ours with the taker's side, and others' whenever the market moves."""
    bench = Bench()
    bench.ask_at(100_000)
    ours = bench.buy(20)["trades"][0]
    bench.move(100_100)
    bench.move(100_000)
    tape = bench.call(
        "public/get_last_trades_by_instrument", instrument_name=INVERSE, sorting="asc"
    )
    by_id = {trade["trade_id"]: trade for trade in tape["trades"]}
    assert by_id[ours["trade_id"]]["direction"] == "buy"
    assert [trade["direction"] for trade in tape["trades"]][-2:] == ["buy", "sell"]
    seqs = [trade["trade_seq"] for trade in tape["trades"]]
    assert seqs == sorted(seqs)
    page = bench.call("public/get_last_trades_by_instrument", instrument_name=INVERSE, count=1)
    assert page["has_more"]
    assert page["trades"][0]["trade_seq"] == seqs[-1]
    timed = bench.call(
        "public/get_last_trades_by_instrument_and_time",
        instrument_name=INVERSE,
        start_timestamp=NOON,
        end_timestamp=NOON + 1000,
    )
    assert {trade["timestamp"] for trade in timed["trades"]} == {NOON + 1000}


@pytest.mark.parametrize(
    ("prices", "directions"), [([100_010, 100_020], [0, 0]), ([99_000, 98_000], [2, 2])]
)
def test_tick_directions(prices: list[int], directions: list[int]) -> None:
    """0 up and 2 down against the trade before."""
    bench = Bench()
    for price in prices:
        bench.move(price)
    page = bench.call(
        "public/get_last_trades_by_instrument", instrument_name=INVERSE, sorting="asc"
    )
    assert [trade["tick_direction"] for trade in page["trades"]][-2:] == directions


def test_index_prices_are_pegged() -> None:
    """The USDC indices are the USD ones; an unknown one is refused by name."""
    bench = Bench()
    bench.move(101_234)
    told = [
        bench.call("public/get_index_price", index_name=name)["index_price"]
        for name in ("btc_usd", "btc_usdc")
    ]
    assert told == [101_234, 101_234]
    assert bench.refused("public/get_index_price", index_name="x").data["param"] == "index_name"
    assert {"name": "eth_usdc"} in bench.call("public/get_index_price_names")


def test_book_summaries() -> None:
    """By instrument and by currency; any is refused there."""
    bench = Bench()
    (row,) = bench.call("public/get_book_summary_by_instrument", instrument_name=INVERSE)
    assert row["mid_price"] == (row["bid_price"] + row["ask_price"]) / 2
    rows = bench.call("public/get_book_summary_by_currency", currency="USDC")
    assert [each["instrument_name"] for each in rows] == NAMES[2:]
    assert bench.refused("public/get_book_summary_by_currency", currency="any").code == -32602


def test_funding_adds_up_over_hours() -> None:
    """The hourly history and the value of a period come from one accumulator."""
    bench = Bench()
    engine = bench.exchange._engine
    for _ in range(4):
        engine.markets[INVERSE].rate = Decimal("0.0008")
        bench.move(ms=3_600_000)
    period = {"start_timestamp": NOON + 3_600_000, "end_timestamp": NOON + 3 * 3_600_000}
    value = bench.call("public/get_funding_rate_value", instrument_name=INVERSE, **period)
    assert value == Decimal("0.0002")
    rows = bench.call("public/get_funding_rate_history", instrument_name=INVERSE, **period)
    assert [row["interest_1h"] for row in rows][-2:] == [Decimal("0.0001")] * 2
    later = {"start_timestamp": NOON + 9, "end_timestamp": NOON}
    assert (
        bench.refused("public/get_funding_rate_value", instrument_name=INVERSE, **later).code
        == -32602
    )
    beyond = {"start_timestamp": 0, "end_timestamp": NOON * 2}
    assert bench.call(
        "public/get_funding_rate_value", instrument_name=INVERSE, **beyond
    ) == Decimal("0.0004")


def test_candles() -> None:
    """Minutes draw together into longer spans; a time without trades has no data."""
    bench = Bench(shape=PLAIN)
    for step in range(10):
        bench.move(100_000 + 100 * step, ms=30_000)
    period = {"start_timestamp": NOON, "end_timestamp": NOON + 600_000}
    terms = {"instrument_name": INVERSE, **period}
    minutes = bench.call("public/get_tradingview_chart_data", resolution="1", **terms)
    fives = bench.call("public/get_tradingview_chart_data", resolution=5, **terms)
    assert (minutes["status"], len(minutes["ticks"]), len(fives["ticks"])) == ("ok", 6, 2)
    assert fives["high"][0] == max(minutes["high"][:5])
    assert fives["open"][0] == minutes["open"][0]
    empty = terms | {"start_timestamp": 0, "end_timestamp": 1}
    chart = bench.call("public/get_tradingview_chart_data", resolution="1D", **empty)
    assert (chart["status"], chart["ticks"]) == ("no_data", [])
    stats = bench.call("public/ticker", instrument_name=INVERSE)["stats"]
    assert stats["high"] == max(minutes["high"])
    assert stats["price_change"] > 0


def test_before_the_first_trade_there_are_no_statistics() -> None:
    """Highs and changes are null until something trades."""
    stats = Bench().call("public/ticker", instrument_name=INVERSE)["stats"]
    assert (stats["high"], stats["price_change"]) == (None, None)


def test_index_mark_and_last_price_have_clocks_of_their_own() -> None:
    """The book moves with the feed, index and mark once a second, the last price by a trade."""
    bench = Bench()
    bench.move(100_000)
    market = bench.exchange._engine.markets[INVERSE]
    bench.exchange.set_state(INVERSE, "locked")  # nobody trades meanwhile
    last = bench.call("public/ticker", instrument_name=INVERSE)["last_price"]
    market.shape = BookShape(premium_bps=0, lean_bps=10)
    rows: list[Any] = []
    for step in range(1, 11):
        bench.move(100_000 + step, ms=200)
        rows.append(bench.call("public/ticker", instrument_name=INVERSE))
    assert [row["best_bid_price"] for row in rows] == [100_100 + step for step in range(1, 11)]
    assert [row["index_price"] for row in rows] == [100_000] * 4 + [100_005] * 5 + [100_010]
    premiums = [row["mark_price"] - row["index_price"] for row in rows]
    assert (premiums[:4], premiums[4:9]) == ([0] * 4, [premiums[4]] * 5)
    assert 0 < premiums[4] < premiums[9]
    assert {row["last_price"] for row in rows} == {last}
    bench.exchange.set_state(INVERSE, "open")
    price = bench.buy(10)["order"]["average_price"]
    assert bench.call("public/ticker", instrument_name=INVERSE)["last_price"] == price != last


def test_the_index_is_told_on_the_second() -> None:
    """When it is published, however often the feed speaks."""
    bench = Bench()
    bench.move(100_000)
    bench.subscribe("deribit_price_index.btc_usd")
    heard: list[Any] = []
    for step in range(1, 21):
        bench.move(100_000 + step, ms=150)
        heard += [frame.data for frame in bench.frames()]
    assert [row["price"] for row in heard[-2:]] == [100_014, 100_020]
    assert [row["timestamp"] - NOON for row in heard[-2:]] == [3_100, 4_000]


def test_a_fill_has_one_time_on_the_tape_and_in_our_hands() -> None:
    """The moment of the fill, between two steps of the market."""
    bench = Bench()
    bench.now_ms += 150
    (ours,) = bench.buy(10)["trades"]
    name = "public/get_last_trades_by_instrument"
    (told,) = bench.call(name, instrument_name=INVERSE, count=1)["trades"]
    assert told["trade_id"] == ours["trade_id"]
    assert told["timestamp"] == ours["timestamp"] == bench.now_ms
