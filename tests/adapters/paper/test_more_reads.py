"""The reads and channels that nautilus_trader and desks ask for beside the everyday ones."""

from decimal import Decimal

import pytest

from adapters.paper.limits import RATES, Bucket, Rate
from adapters.paper.market import BookShape
from tests.adapters.paper.harness import INVERSE, LINEAR, NOON, Bench

PICO = Decimal("1E-12")


def _traded() -> Bench:
    bench = Bench()
    for step in range(6):
        bench.move(100_000 + 50 * step, eth=str(3_200 + step), ms=1000)
    return bench


def test_public_trades_by_currency() -> None:
    """All perpetuals that settle in it, in time, in pages from either end."""
    bench = _traded()
    newest = bench.call("public/get_last_trades_by_currency", currency="USDC", count=4)
    assert newest["has_more"]
    stamps = [row["timestamp"] for row in newest["trades"]]
    assert stamps == sorted(stamps, reverse=True)
    names = {row["instrument_name"] for row in newest["trades"]}
    assert names == {LINEAR, "ETH_USDC-PERPETUAL"}
    first = bench.call(
        "public/get_last_trades_by_currency_and_time",
        currency="BTC",
        start_timestamp=NOON + 3000,
        sorting="asc",
    )["trades"]
    assert first[0]["timestamp"] == NOON + 3000
    assert bench.refused("public/get_last_trades_by_currency", currency="any").code == -32602


def test_a_time_to_start_from_is_enough() -> None:
    """The end of a period is now when nobody says otherwise; the start must be said."""
    bench = _traded()
    bench.buy(10)
    for method, terms in {
        "public/get_last_trades_by_instrument_and_time": {"instrument_name": INVERSE},
        "get_user_trades_by_instrument_and_time": {"instrument_name": INVERSE},
        "get_user_trades_by_currency_and_time": {"currency": "BTC"},
    }.items():
        assert bench.call(method, start_timestamp=NOON, **terms)["trades"]
        assert bench.refused(method, **terms).data["param"] == "start_timestamp"


def test_funding_charts_and_contract_sizes() -> None:
    """The chart goes back as far as its length says."""
    bench = Bench()
    for _ in range(10):
        bench.move(ms=3_600_000)
    chart = bench.call("public/get_funding_chart_data", instrument_name=INVERSE, length="8h")
    assert len(chart["data"]) in {8, 9}
    assert {"current_interest", "interest_8h"} < set(chart)
    size = bench.call("public/get_contract_size", instrument_name=LINEAR)
    assert size == {"contract_size": Decimal("0.0001")}


def test_margins_of_an_order_before_and_after_it_is_sent() -> None:
    """The same for both sides of a flat account; a stop ties up nothing."""
    bench = Bench()
    terms = {"instrument_name": INVERSE, "amount": 1000}
    before = bench.call("get_margins", price=99_000, **terms)
    assert abs(before["buy_taker_fee"] - terms["amount"] * Decimal("0.00035") / 99_000) < PICO
    assert before["sell_maker_fee"] < before["sell_taker_fee"] == before["buy_taker_fee"]
    assert before["buy"] == before["sell"] > 0
    assert before["min_price"] < 99_000 < before["max_price"]
    resting = bench.buy(1000, price=99_000)["order"]["order_id"]
    stop = bench.stop(10, 99_000)["order_id"]
    tied = bench.call("get_order_margin_by_ids", ids=[resting, stop])
    assert [row["initial_margin"] for row in tied] == [before["buy"], 0]
    assert bench.refused("get_order_margin_by_ids", ids=["1"]).code == 10004
    assert bench.refused("get_margins", **terms).data["param"] == "price"
    assert bench.refused("get_margins", instrument_name=INVERSE).data["param"] == "amount"


def test_the_account_as_a_list_of_subaccounts() -> None:
    """One row: what is held in a currency and, when asked for, its open orders."""
    bench = Bench()
    bench.buy(100)
    bench.buy(10, price=99_000)
    (plain,) = bench.call("get_subaccounts_details", currency="BTC")
    assert [row["instrument_name"] for row in plain["positions"]] == [INVERSE]
    assert "open_orders" not in plain
    (full,) = bench.call("get_subaccounts_details", currency="BTC", with_open_orders=True)
    assert [row["price"] for row in full["open_orders"]] == [99_000]
    (other,) = bench.call("get_subaccounts_details", currency="ETH")
    assert other == {"uid": 1000, "positions": []}


@pytest.mark.parametrize("method", ["get_deposits", "get_withdrawals", "get_transfers"])
def test_nothing_moves_in_or_out(method: str) -> None:
    """An empty page."""
    assert Bench().call(method, currency="BTC") == {"count": 0, "data": []}


def test_candles_as_a_channel() -> None:
    """One frame a trade at most: the candle of now."""
    bench = Bench()
    channel = f"chart.trades.{INVERSE}.60"
    assert bench.subscribe(channel, f"chart.trades.{INVERSE}.7") == [channel]
    bench.move(100_100)
    bench.move(100_300)
    first, second = bench.frames()
    assert first.data["tick"] == second.data["tick"] == NOON
    assert second.data["high"] > first.data["high"]
    assert second.data["open"] == first.data["open"]
    assert set(first.data) == {"tick", "open", "high", "low", "close", "volume", "cost"}
    bench.buy(10, price=99_000)
    assert bench.frames() == []


def test_a_ticker_in_steps() -> None:
    """A snapshot for the newcomer, then what changed; put together they are the ticker."""
    bench = Bench(shape=BookShape())
    bench.call("subscribe", channels=[f"incremental_ticker.{INVERSE}"])
    (first,) = bench.frames()
    assert (first.data["type"], first.session_id) == ("snapshot", bench.session.session_id)
    known = first.data
    for step in range(5):
        bench.move(100_000 + 70 * step)
        (frame,) = bench.frames()
        assert frame.data["type"] == "change"
        assert "min_price" in frame.data or step == 0
        assert "state" not in frame.data
        known = known | frame.data
    shown = bench.call("public/ticker", instrument_name=INVERSE)
    assert {name: known[name] for name in shown} == shown


def test_channels_that_have_nothing_to_say_yet() -> None:
    """They exist; whether strangers may ask is told at once, the rest stays quiet."""
    bench = Bench()
    quiet = [
        "user.access_log",
        "user.lock",
        "user.mmp_trigger.btc_usd",
        "user.combo_trades.any.any.raw",
    ]
    said = "platform_state.public_methods_state"
    assert bench.call("subscribe", channels=[*quiet, said]) == [*quiet, said]
    (frame,) = bench.frames()
    assert frame.data == {"allow_unauthenticated_public_requests": True}
    bench.buy(10, price=99_000)
    bench.move(100_500)
    assert bench.frames() == []


def test_index_names_say_more_when_asked() -> None:
    """No combos here."""
    bench = Bench()
    (row, *_) = bench.call("public/get_index_price_names", extended=True)
    assert row == {
        "name": "btc_usd",
        "future_combo_creation_enabled": False,
        "option_combo_creation_enabled": False,
    }
    assert bench.call("public/get_supported_index_names", type="all")[0] == "btc_usd"


def test_a_settlement_is_heard_as_a_state() -> None:
    """Each instrument goes into it and comes out again; nothing else is said."""
    bench = Bench()
    bench.subscribe("instrument.state.any.any")
    heard: list[tuple[str, str]] = []
    bench.move(ms=20 * 3_600_000)
    for _ in range(8):
        heard += [(row.data["instrument_name"], row.data["state"]) for row in bench.frames()]
        bench.move(ms=1000)
    assert [state for name, state in heard if name == LINEAR] == ["settlement", "open"]
    assert len(heard) == 8


@pytest.mark.parametrize("currency", ["USDT", "eurr"])
def test_currencies_in_which_the_account_has_nothing(currency: str) -> None:
    """A client asks for every currency of the venue: the answers are empty, not refusals."""
    bench = Bench()
    bench.buy(10)
    assert bench.call("get_order_history_by_currency", currency=currency) == []
    assert bench.call("get_open_orders_by_currency", currency=currency) == []
    assert bench.call("get_positions", currency=currency) == []
    assert bench.call("get_user_trades_by_currency", currency=currency)["trades"] == []
    assert bench.call("public/get_instruments", currency=currency) == []
    assert bench.account(currency)["equity"] == 0
    assert bench.call("cancel_all_by_currency", currency=currency) == 0
    assert bench.subscribe(f"user.portfolio.{currency}") == [f"user.portfolio.{currency}"]
    assert bench.refused("get_positions", currency="DOGE").data["reason"] == "invalid currency"


def test_the_limits_stated_are_those_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client adopts what it reads: an account of another tier says so at once."""
    bench = _traded()
    before = bench.call("private/get_account_summary", currency="BTC", extended=True)["limits"]
    monkeypatch.setitem(RATES, Bucket.MATCHING, Rate(cost=1, most=100))
    now = bench.call("private/get_account_summary", currency="BTC", extended=True)["limits"]
    assert before["matching_engine"]["trading"]["total"] != {"rate": 10_000, "burst": 100}
    assert now["matching_engine"]["trading"]["total"] == {"rate": 10_000, "burst": 100}
