"""The daily settlement: session results become cash, nothing is taken for a few seconds."""

from decimal import Decimal

import pytest

from tests.adapters.paper.harness import BALANCES, INVERSE, LINEAR
from tests.adapters.paper.harness import Wire as Bench

HOUR = 3_600_000
TO_MORNING = 20 * HOUR


def _near(value: Decimal, wanted: str, within: str = "0.000000005") -> bool:
    return abs(value - Decimal(wanted)) <= Decimal(within)


def _held_over_night(**switches: object) -> Bench:
    """Long 10,000 at 98,000, settled at 100,000, and the seconds after it are over."""
    bench = Bench(**switches)
    bench.ask_at(98_000)
    bench.buy(10_000)
    bench.move(100_000, ms=60_000)
    bench.move(100_000, ms=TO_MORNING - 60_000)
    bench.move(100_000, ms=5_000)
    return bench


def test_the_sessions_profit_becomes_cash_and_the_average_stays() -> None:
    """Golden example: cash +0.00204082; later floating 0.00099010 and total 0.00303092."""
    bench = _held_over_night()
    shown, account = bench.position(), bench.account()
    assert shown["settlement_price"] == 100_000
    assert shown["average_price"] == 98_000
    assert shown["floating_profit_loss"] == 0
    assert account["session_rpl"] == account["session_upl"] == 0
    (settled, trade) = _rows(bench)[:2]
    fee, funding = -trade["change"], settled["total_interest_pl"]
    assert _near(account["balance"] - BALANCES["BTC"] + fee - funding, "0.00204082")
    for _ in range(3):
        bench.move(101_000, ms=60_000)
    now = bench.position()
    assert _near(now["floating_profit_loss"], "0.00099010")
    assert _near(now["total_profit_loss"], "0.00303092")
    ticker = bench.call("public/ticker", instrument_name=INVERSE)
    assert ticker["settlement_price"] == 100_000


def _rows(bench: Bench, currency: str = "BTC", **terms: object) -> list[dict[str, object]]:
    terms = {"start_timestamp": 0, "end_timestamp": 1 << 50} | terms
    return bench.call("get_transaction_log", currency=currency, **terms)["logs"]


def test_equity_is_continuous_over_the_settlement() -> None:
    """Money changes its name, not its amount; in USDC too."""
    bench = Bench()
    bench.buy(10_000)
    bench.sell("0.5", LINEAR)
    bench.move(101_000, ms=TO_MORNING - 1000)
    bench.move(101_000, ms=500)
    before = [bench.account(each)["equity"] for each in ("BTC", "USDC")]
    cash = bench.account("USDC")["balance"]
    bench.move(101_000, ms=500)
    after = [bench.account(each)["equity"] for each in ("BTC", "USDC")]
    assert all(abs(new - old) < Decimal("1E-6") for new, old in zip(after, before, strict=True))
    assert bench.account("USDC")["balance"] < cash


@pytest.mark.parametrize(("rule", "profit"), [("entry", "0.00303030"), ("session", "0.00099010")])
def test_profit_of_a_trade_held_over_a_settlement(rule: str, profit: str) -> None:
    """Since entry, or (by the other reading) of the session alone; the cash is the same."""
    bench = _held_over_night(trade_profit_loss=rule)
    bench.bid_at(101_000)
    (trade,) = bench.sell(10_000)["trades"]
    assert _near(trade["profit_loss"], profit, "0.0000007")
    assert _near(bench.account()["session_rpl"], "0.00099010")


def test_nothing_is_taken_while_it_runs() -> None:
    """10041 for orders, edits and cancels of every kind; the books say settlement."""
    bench = Bench()
    order = bench.buy(10, price=90_000)["order"]["order_id"]
    bench.move(ms=TO_MORNING + 100)
    terms = {"instrument_name": INVERSE, "amount": 10}
    for method, params in (
        ("buy", terms | {"price": 90_000}),
        ("edit", {"order_id": order, "amount": 20}),
        ("cancel", {"order_id": order}),
        ("cancel_all", {}),
        ("cancel_by_label", {"label": ""}),
        ("close_position", {"instrument_name": INVERSE, "type": "market"}),
    ):
        assert bench.refused(method, **params).code == 10041
    assert bench.call("public/ticker", instrument_name=INVERSE)["state"] == "settlement"
    listed = bench.call("public/get_instruments", currency="any")
    assert {row["state"] for row in listed} == {"settlement"}
    bench.move(ms=5_000)
    assert bench.call("cancel", order_id=order)["order_state"] == "cancelled"


@pytest.mark.parametrize(("window", "code"), [(5_000, 10041), (200, None)])
def test_how_long_it_runs_is_a_switch(window: int, code: int | None) -> None:
    """A few seconds, says the venue."""
    bench = Bench(settlement_ms=window)
    bench.move(ms=TO_MORNING + 300)
    terms = {"instrument_name": INVERSE, "amount": 10, "price": 90_000}
    if code is None:
        assert bench.call("buy", **terms)["order"]["order_state"] == "open"
    else:
        assert bench.refused("buy", **terms).code == code


def test_nothing_trades_while_it_runs() -> None:
    """A stop the price has reached fires when the book opens again."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(100)
    stop = bench.stop(100, 99_000)["order_id"]
    bench.move(ms=TO_MORNING - 1000)
    bench.move(95_000, ms=2_000)
    assert bench.state(stop)["order_state"] == "untriggered"
    bench.move(95_000, ms=5_000)
    assert bench.state(stop)["order_state"] == "triggered"


@pytest.mark.parametrize(("rule", "listed"), [("listed", 1), ("hidden", 0)])
def test_flat_positions_leave_the_list(rule: str, listed: int) -> None:
    """At the settlement, or (by the other reading) at once."""
    bench = Bench(flat_positions=rule)
    bench.buy(100)
    bench.sell(100)
    assert len(bench.call("get_positions")) == listed
    bench.move(ms=TO_MORNING)
    assert bench.call("get_positions") == []


def test_several_days_are_settled_each() -> None:
    """Cash follows from day to day, one line in the log for each."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(10_000)
    for price in (101_000, 102_000, 103_000):
        bench.move(price, ms=24 * HOUR)
    rows = _rows(bench, query="settlement")
    assert [row["side"] for row in rows] == ["long"] * 3
    gained = bench.account()["balance"] - BALANCES["BTC"]
    logged = sum(Decimal(str(row["change"])) for row in _rows(bench)) - BALANCES["BTC"]
    assert abs(gained - logged) < Decimal("1E-11")


def test_a_restart_after_eight_settles_late_but_once() -> None:
    """The first step after it finds the session over."""
    bench = Bench()
    bench.buy(10_000)
    bench.move(ms=10 * HOUR)
    bench.restart()
    bench.move(ms=20 * HOUR)
    bench.move(ms=1000)
    assert len(_rows(bench, query="settlement")) == 1
    assert bench.position()["floating_profit_loss"] != 0 or bench.account()["session_upl"] == 0


def test_the_portfolio_is_told_of_a_flat_account_too() -> None:
    """The balance jumps though nothing is held: every currency concerned says so."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(10_000)
    bench.bid_at(101_000)
    bench.sell(10_000)
    bench.subscribe("user.portfolio.any")
    bench.move(101_000, ms=TO_MORNING)
    (frame,) = bench.frames()
    assert (frame.data["currency"], frame.data["session_rpl"]) == ("BTC", 0)
    assert frame.data["balance"] > BALANCES["BTC"]


def test_a_request_on_the_hour_does_not_hide_the_settlement_from_the_market() -> None:
    """It comes in after 08:00, and before the market has moved over it."""
    bench = Bench()
    bench.buy(10_000)
    bench.move(100_000, ms=TO_MORNING - 100)
    bench.now_ms += 150
    assert bench.position()["size"] == 10_000
    bench.move(ms=50)
    assert _rows(bench)[0]["type"] == "settlement"
