"""The transaction log: what each kind of line says, and how it is searched and paged."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from tests.adapters.paper.harness import BALANCES, INVERSE, LINEAR, Bench

ALWAYS = {"start_timestamp": 0, "end_timestamp": 1 << 50}


def _log(bench: Bench, currency: str = "BTC", **terms: Any) -> list[Any]:
    return bench.call("get_transaction_log", currency=currency, **(ALWAYS | terms))["logs"]


def test_an_account_begins_with_a_deposit() -> None:
    """One line per currency that has cash."""
    bench = Bench()
    (row,) = _log(bench)
    assert (row["type"], row["change"], row["balance"]) == ("deposit", 10, 10)
    assert (row["side"], row["instrument_name"], row["trade_id"]) == ("-", None, None)


def test_a_trade_changes_the_cash_by_its_fee_alone() -> None:
    """What it realised is its cashflow, and waits for the settlement."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(10_000)
    bench.bid_at(101_000)
    (trade,) = bench.sell(10_000)["trades"]
    closed, opened, _ = _log(bench)
    assert (opened["side"], closed["side"]) == ("open buy", "close sell")
    assert closed["change"] == -trade["fee"]
    assert closed["cashflow"] == trade["profit_loss"]
    assert opened["cashflow"] == 0
    assert (closed["position"], opened["position"]) == (0, 10_000)
    assert (closed["trade_id"], closed["order_id"]) == (trade["trade_id"], trade["order_id"])
    assert (closed["user_role"], closed["price_currency"]) == ("taker", "USD")
    assert closed["balance"] == bench.account()["balance"]
    assert abs(closed["equity"] - bench.account()["equity"]) < Decimal("1E-9")


def test_a_flip_has_two_lines() -> None:
    """The part that closes and the part that opens, sharing the fee by size."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(10_000)
    (trade,) = bench.sell(15_000)["trades"]
    opened, closed = _log(bench)[:2]
    assert [(row["side"], row["amount"]) for row in (closed, opened)] == [
        ("close sell", 10_000),
        ("open sell", 5_000),
    ]
    assert closed["trade_id"] == opened["trade_id"]
    assert abs(closed["commission"] + opened["commission"] - trade["fee"]) < Decimal("1E-11")
    assert (closed["position"], opened["position"]) == (0, -5_000)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("trade", 3),
        ("taker", 2),
        ("maker", 1),
        ("open", 2),
        ("close sell", 1),
        ("buy", 2),
        ("deposit", 1),
        ("future", 3),
        ("option", 0),
        ("liquidation", 0),
    ],
)
def test_a_query_names_kind_side_or_role(query: str, found: int) -> None:
    """Every word must fit the line."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(100)
    bench.buy(100, price=99_000)
    bench.ask_at(98_990)
    bench.sell(200)
    assert len(_log(bench, query=query)) == found


def test_pages_follow_each_other_to_the_end() -> None:
    """Newest first; the continuation is a number and null on the last page."""
    bench = Bench()
    for _ in range(7):
        bench.buy(10)
    seen: list[int] = []
    token: int | None = None
    pages = 0
    while pages == 0 or token is not None:
        terms = ALWAYS | {"count": 3, "continuation": token}
        reply = bench.call("get_transaction_log", currency="BTC", **terms)
        seen += [row["id"] for row in reply["logs"]]
        token, pages = reply["continuation"], pages + 1
    assert pages == 3
    assert len(seen) == 8
    assert seen == sorted(seen, reverse=True)


def test_currencies_and_times_bound_the_log() -> None:
    """Each currency has its own; both times are required."""
    bench = Bench()
    bench.buy("0.01", LINEAR)
    assert [row["type"] for row in _log(bench, "USDC")] == ["trade", "deposit"]
    assert _log(bench, "USDC", start_timestamp=bench.now_ms + 1) == []
    assert bench.refused("get_transaction_log", currency="BTC", end_timestamp=1).code == -32602
    assert bench.refused("get_transaction_log", currency="any", **ALWAYS).code == -32602


def test_the_changes_add_up_to_the_cash() -> None:
    """Over trades, a settlement and more trades; after a restart too."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(10_000)
    bench.bid_at(101_000)
    bench.sell(4_000)
    bench.move(102_000, ms=21 * 3_600_000)
    bench.sell(6_000)
    bench.restart()
    total = sum(row["change"] for row in _log(bench))
    assert abs(total - bench.account()["balance"]) < Decimal("1E-11")
    assert _log(bench)[-1]["change"] == BALANCES["BTC"]


def test_the_log_has_its_own_rate() -> None:
    """Eight at once, then one a second."""
    bench = Bench(rate_limits=True)
    for _ in range(8):
        _log(bench)
    assert bench.refused("get_transaction_log", currency="BTC", **ALWAYS).code == 10028
    bench.move(ms=1000)
    assert _log(bench)


def test_funding_since_the_line_before() -> None:
    """interest_pl is what accrued since the last line of the instrument."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(10_000)
    bench.exchange._engine.markets[INVERSE].rate = Decimal("0.00055")
    bench.move(ms=3_600_000)
    bench.sell(10)
    funding = bench.position()["realized_funding"]
    assert funding < 0
    assert _log(bench)[0]["interest_pl"] == funding
    bench.sell(10)
    assert _log(bench)[0]["interest_pl"] == 0


def test_every_balance_is_the_one_before_and_the_change() -> None:
    """The two lines of a fill that flips the position share its fee."""
    bench = Bench()
    bench.buy(100)
    bench.sell(300)
    bench.move("101000")
    bench.buy(500)
    terms = {"currency": "BTC", "start_timestamp": 0, "end_timestamp": 1 << 50}
    rows = bench.call("get_transaction_log", **terms)["logs"]
    assert [row["side"] for row in rows].count("close sell") == 1
    for later, earlier in pairwise(rows):
        assert later["balance"] == earlier["balance"] + later["change"]
