"""Market and limit orders, their times in force, and what is refused on its face."""

from decimal import Decimal

import pytest

from adapters.paper.market import BookShape
from tests.adapters.paper.harness import INVERSE, LINEAR, NOON, Bench


def test_a_market_order_states_the_band_and_fills_at_the_touch() -> None:
    """The price of a market order is the edge of the band; its fill is at the best ask."""
    bench = Bench()
    bench.ask_at(100_000)
    placed = bench.buy(100, label="bw.x.entry.1")
    order, (trade,) = placed["order"], placed["trades"]
    band = bench.call("public/ticker", instrument_name=INVERSE)["max_price"]
    assert (order["order_state"], order["order_type"]) == ("filled", "market")
    assert (order["price"], order["average_price"]) == (band, 100_000)
    assert (trade["price"], trade["amount"], trade["contracts"]) == (100_000, 100, 10)
    assert (trade["liquidity"], trade["fee_currency"]) == ("T", "BTC")
    assert trade["fee"] == Decimal("0.00000035")
    assert (trade["label"], trade["order_id"]) == ("bw.x.entry.1", order["order_id"])


def test_a_large_market_order_walks_the_book_and_the_average_is_harmonic() -> None:
    """An order beyond the touch fills at several prices; its average is USD over coin."""
    bench = Bench()
    placed = bench.buy(1_000_000)
    trades = placed["trades"]
    coins = sum(trade["amount"] / trade["price"] for trade in trades)
    assert len({trade["price"] for trade in trades}) > 1
    assert sum(trade["amount"] for trade in trades) == 1_000_000
    assert abs(placed["order"]["average_price"] - 1_000_000 / coins) < Decimal("1E-7")


def test_what_the_book_cannot_give_rests_at_the_band() -> None:
    """The remainder of a market order stays open as a limit at the edge of the band."""
    bench = Bench(shape=BookShape(levels=2, size_pct=1, premium_bps=0))
    order = bench.buy(100_000)["order"]
    assert order["order_state"] == "open"
    assert 0 < order["filled_amount"] < 100_000
    bench.move()
    assert bench.state(order["order_id"])["filled_amount"] > order["filled_amount"]


def test_a_market_limit_order_rests_at_the_first_fill_price() -> None:
    """market_limit takes the best level and leaves the rest there as a limit order."""
    bench = Bench(shape=BookShape(size_pct=1, premium_bps=0, widest_spread_ticks=1))
    bench.ask_at(100_000)
    order = bench.buy(100_000, type="market_limit")["order"]
    assert (order["order_type"], order["original_order_type"]) == ("limit", "market_limit")
    assert (order["price"], order["order_state"]) == (100_000, "open")


def test_ids_carry_the_currency() -> None:
    """Order ids are digits for BTC and prefixed elsewhere; trade ids carry the pair for USDC."""
    bench = Bench()
    orders = {
        name: bench.buy(amount, name)
        for name, amount in {
            INVERSE: "10",
            "ETH-PERPETUAL": "1",
            LINEAR: "0.0001",
            "ETH_USDC-PERPETUAL": "0.001",
        }.items()
    }
    ids = {name: placed["order"]["order_id"] for name, placed in orders.items()}
    assert ids[INVERSE].isdigit()
    assert ids["ETH-PERPETUAL"].startswith("ETH-")
    assert ids[LINEAR].startswith("USDC-")
    assert orders[LINEAR]["trades"][0]["trade_id"].startswith("BTC_USDC-")
    assert orders["ETH_USDC-PERPETUAL"]["order"]["contracts"] == 1


def test_a_resting_limit_fills_as_maker_at_its_own_price_when_the_market_comes() -> None:
    """A passive order fills once the best ask reaches it, for the maker fee."""
    bench = Bench()
    bench.ask_at(100_000)
    order = bench.buy(100, price=99_900)["order"]
    assert (order["order_state"], order["average_price"]) == ("open", 0)
    bench.ask_at(99_850)
    (trade,) = bench.call("get_user_trades_by_order", order_id=order["order_id"])
    assert (trade["price"], trade["liquidity"]) == (99_900, "M")
    assert abs(trade["fee"] - Decimal("0.00015") * 100 / 99_900) < Decimal("1E-12")


def test_a_resting_limit_fills_only_as_far_as_the_book_reaches() -> None:
    """A large passive order takes what is there and stays open for the rest."""
    bench = Bench(shape=BookShape(size_pct=1, premium_bps=0))
    order = bench.buy(1_000_000, price=99_000)["order"]
    bench.ask_at(98_999)
    now = bench.state(order["order_id"])
    assert now["order_state"] == "open"
    assert 0 < now["filled_amount"] < 1_000_000


def test_our_orders_stand_in_the_public_book() -> None:
    """The order book shows our own resting order with the others."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(70, price=99_123)
    book = bench.call("public/get_order_book", instrument_name=INVERSE, depth=100)
    assert (Decimal(99_123), 70) in book["bids"]
    assert book["bids"] == sorted(book["bids"], reverse=True)
    assert book["asks"] == sorted(book["asks"])


@pytest.mark.parametrize(
    ("time_in_force", "filled"), [("immediate_or_cancel", True), ("fill_or_kill", False)]
)
def test_what_cannot_fill_at_once_ends(time_in_force: str, filled: bool) -> None:
    """IOC keeps what it got and cancels the rest; FOK takes all or nothing."""
    bench = Bench(shape=BookShape(size_pct=1, premium_bps=0))
    bench.ask_at(100_000)
    placed = bench.buy(100_000, price=100_010, time_in_force=time_in_force)
    assert placed["order"]["order_state"] == "cancelled"
    assert bool(placed["trades"]) is filled
    assert "cancel_reason" not in placed["order"]


def test_fill_or_kill_fills_whole_when_it_can() -> None:
    """FOK within reach fills like any taker."""
    bench = Bench()
    bench.ask_at(100_000)
    placed = bench.buy(100, price=100_010, time_in_force="fill_or_kill")
    assert placed["order"]["order_state"] == "filled"


def test_a_day_order_ends_at_eight_in_the_morning() -> None:
    """good_til_day is cancelled by the settlement at 08:00 UTC, and not before."""
    bench = Bench()
    order = bench.buy(10, price=90_000, time_in_force="good_til_day")["order"]
    bench.move(ms=19 * 3_600_000)
    assert bench.state(order["order_id"])["order_state"] == "open"
    bench.move(ms=3_600_000)
    assert bench.state(order["order_id"])["cancel_reason"] == "settlement"


def test_post_only_crossing_is_moved_inside_the_spread() -> None:
    """Without the reject mode a crossing post-only order goes one tick off the other side."""
    bench = Bench()
    bench.ask_at(100_000)
    order = bench.buy(100, price=100_050, post_only=True)["order"]
    assert (order["price"], order["order_state"]) == (Decimal("99999.5"), "open")


def test_post_only_crossing_is_refused_in_reject_mode() -> None:
    """With the reject mode it is 11054; a passive one rests as it is."""
    bench = Bench()
    bench.ask_at(100_000)
    terms = {"post_only": True, "reject_post_only": True}
    assert (
        bench.refused("buy", instrument_name=INVERSE, amount=10, price=100_000, **terms).code
        == 11054
    )
    assert bench.buy(10, price=99_000, **terms)["order"]["price"] == 99_000


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"amount": 15}, -32602, "amount"),
        ({"amount": 0}, -32602, "amount"),
        ({"amount": "ten"}, -32602, "amount"),
        ({"amount": "NaN"}, -32602, "amount"),
        ({"amount": True}, -32602, "amount"),
        ({"amount": None}, -32602, "amount"),
        ({"amount": 10, "contracts": 2}, -32602, "contracts"),
        ({"instrument_name": "BTC-9JAN27"}, -32602, "instrument_name"),
        ({"instrument_name": None}, -32602, "instrument_name"),
        ({"type": "iceberg"}, -32602, "type"),
        ({"price": None}, -32602, "price"),
        ({"price": -1}, -32602, "price"),
        ({"price": "1e300"}, -32602, "price"),
        ({"price": "1e999999"}, -32602, "price"),
        ({"price": "1e-300"}, -32602, "price"),
        ({"amount": "1e999999"}, -32602, "amount"),
        ({"amount": 10**16}, -32602, "amount"),
        ({"price": "99000.3"}, 10043, None),
        ({"price": 200_000}, 10007, None),
        ({"label": "x" * 65}, -32602, "label"),
        ({"label": "a\nb"}, -32602, "label"),
        ({"reduce_only": "perhaps"}, -32602, "reduce_only"),
        ({"type": "market", "time_in_force": "immediate_or_cancel"}, -32602, "time_in_force"),
        ({"type": "market", "post_only": True}, 11055, None),
        ({"time_in_force": "fill_or_kill", "post_only": True}, 11055, None),
        ({"valid_until": NOON - 1}, 13888, None),
        ({"linked_order_type": "one_triggers_other"}, -32602, "otoco_config"),
        ({"linked_order_type": "one_hugs_other"}, -32602, "linked_order_type"),
        ({"amount": 100_000_000}, 10009, None),
    ],
)
def test_a_bad_order_is_refused_by_number_and_name(
    params: dict[str, object], code: int, param: str | None
) -> None:
    """Each mistake has its own code, and -32602 names the parameter."""
    bench = Bench()
    terms = {"instrument_name": INVERSE, "amount": 10, "price": 99_000} | params
    error = bench.refused("buy", **terms)
    assert error.code == code
    assert param is None or error.data["param"] == param
    assert bench.call("get_open_orders") == []


def test_the_band_bound_stands_in_the_message() -> None:
    """A price beyond the band is refused with the bound in the text; a deep bid may rest."""
    bench = Bench()
    low = bench.call("public/ticker", instrument_name=INVERSE)["min_price"]
    error = bench.refused("sell", instrument_name=INVERSE, amount=10, price=50_000)
    assert (error.code, error.message) == (10005, f"price_too_low {low}")
    assert bench.buy(10, price=50_000)["order"]["order_state"] == "open"


def test_text_from_a_query_counts_like_json() -> None:
    """Numbers, booleans and contracts given as text are understood."""
    bench = Bench()
    order = bench.call(
        "buy", instrument_name=INVERSE, contracts="3", price="99000.0", post_only="true"
    )["order"]
    assert (order["amount"], order["price"], order["post_only"]) == (30, 99_000, True)


def test_our_own_resting_order_steps_aside() -> None:
    """A taker that would meet our own order cancels that order (self-trade protection)."""
    bench = Bench()
    bench.ask_at(100_000)
    resting = bench.sell(50, price=100_000)["order"]
    placed = bench.buy(100)
    assert bench.state(resting["order_id"])["order_state"] == "cancelled"
    assert sum(trade["amount"] for trade in placed["trades"]) == 100
    assert bench.position()["size"] == 100


def test_an_account_may_refuse_to_meet_its_own_orders() -> None:
    """With ``reject_taker`` the order that comes is refused and the one that rests stays."""
    bench = Bench()
    bench.bid_at(100_000)
    resting = bench.buy(100, price=100_000, post_only=True)["order"]["order_id"]
    config = {"mode": "reject_taker", "extended_to_subaccounts": False}
    assert bench.call("set_self_trading_config", **config) == "ok"
    assert (
        bench.call("get_account_summary", currency="BTC", extended=True)["self_trading_reject_mode"]
        == "reject_taker"
    )
    terms = {"instrument_name": INVERSE, "amount": 100}
    assert bench.refused("sell", **terms, type="market").code == 10003
    assert bench.state(resting)["order_state"] == "open"
    away = bench.sell(100, price=100_500)["order"]["order_id"]
    assert bench.refused("edit", order_id=away, amount=100, price=99_999).code == 10003
    assert bench.state(away)["price"] == 100_500
    bench.restart()
    assert bench.refused("sell", **terms, type="market").code == 10003
    bench.call("set_self_trading_config", mode="cancel_maker", extended_to_subaccounts=False)
    assert bench.sell(100)["order"]["order_state"] == "filled"
    assert bench.state(resting)["order_state"] == "cancelled"
    assert bench.refused("set_self_trading_config", mode="x").data["param"] == "mode"
    error = bench.refused("set_self_trading_config", mode="cancel_maker")
    assert error.data["param"] == "extended_to_subaccounts"
