"""Liquidation: when it begins, how it goes on, what is refused meanwhile, when it ends."""

from decimal import Decimal
from typing import Any

import pytest

from adapters.paper.market import BookShape
from tests.adapters.paper.harness import INVERSE, LINEAR, Bench

POOR = {"BTC": Decimal("0.02"), "USDC": Decimal(2_000)}


def _log(bench: Bench, currency: str, **terms: Any) -> list[Any]:
    terms |= {"start_timestamp": 0, "end_timestamp": 1 << 50}
    return bench.call("get_transaction_log", currency=currency, **terms)["logs"]


def _drowning(**settings: Any) -> Bench:
    """Long 65,000 USD on 0.02 BTC at 100,000, and the index falls by 2.5 %."""
    bench = Bench(balances=POOR, **settings)
    bench.ask_at(100_000)
    bench.buy(65_000)
    bench.stop(65_000, 90_000)
    bench.sell(10, price=120_000)
    bench.move(97_800)
    bench.move(97_800, ms=300)
    return bench


def _liquidations(bench: Bench) -> list[Any]:
    terms = {"instrument_name": INVERSE, "count": 100, "sorting": "asc"}
    trades = bench.call("get_user_trades_by_instrument", **terms)["trades"]
    return [trade for trade in trades if "liquidation" in trade]


def test_it_stops_as_soon_as_the_margin_suffices() -> None:
    """Slices at market for 1 % all in, until the maintenance margin is below the equity."""
    deep = BookShape(size_pct=100_000, widest_spread_ticks=1, premium_bps=0)
    bench = Bench(balances={"BTC": Decimal(4)}, shape=deep)
    bench.ask_at(100_000)
    bench.buy(10_000_000)
    for _ in range(60):
        bench.move(97_400, ms=500)
    account = bench.account()
    assert 0 < bench.position()["size"] < 10_000_000
    assert account["maintenance_margin"] <= account["margin_balance"]
    slices = _liquidations(bench)
    assert {row["order_type"] for row in slices} == {"liquidation"}
    assert {row["liquidation"] for row in slices} == {"T"}
    for row in slices:
        assert abs(row["fee"] - row["amount"] / row["price"] / 100) < Decimal("1E-12")
    order = bench.state(slices[0]["order_id"])
    assert (order["is_liquidation"], order["reduce_only"]) == (True, True)
    assert len(_log(bench, "BTC", query="liquidation")) == len(slices)
    tape = bench.call("public/get_last_trades_by_instrument", instrument_name=INVERSE, count=100)
    assert any(row.get("liquidation") == "T" for row in tape["trades"])
    assert bench.sell(10)["order"]["order_state"] == "filled"


def test_the_users_orders_go_first() -> None:
    """Limits and triggers of the currency are cancelled with autoliquidation."""
    bench = _drowning()
    assert bench.open() == []
    terms = {"instrument_name": INVERSE, "include_unfilled": True}
    gone = bench.call("get_order_history_by_instrument", **terms)
    reasons = [row.get("cancel_reason") for row in gone if not row["is_liquidation"]]
    assert reasons.count("autoliquidation") == 2


def test_the_account_is_locked_meanwhile() -> None:
    """10072 in that currency and in no other; the lock shows in get_user_locks."""
    bench = _drowning(liquidation_round_ms=100_000)
    error = bench.refused("sell", instrument_name=INVERSE, amount=10, type="market")
    assert (error.code, error.message) == (10072, "disabled_while_position_lock")
    locks = {row["currency"]: row["locked"] for row in bench.call("get_user_locks")}
    assert locks == {"BTC": True, "ETH": False, "USDC": False}
    assert bench.buy("0.001", LINEAR)["order"]["order_state"] == "filled"
    bench.restart()
    assert bench.refused("sell", instrument_name=INVERSE, amount=10, type="market").code == 10072


@pytest.mark.parametrize("pct", [25, 5])
def test_a_slice_is_a_share_of_the_position_at_most(pct: int) -> None:
    """However much is missing, one round closes no more."""
    bench = Bench(balances=POOR, liquidation_slice_pct=pct)
    bench.ask_at(100_000)
    bench.buy(65_000)
    bench.move(80_000)
    assert bench.position()["size"] == 65_000 - (-(-6_500 * pct // 100)) * 10


@pytest.mark.parametrize(("pace", "rounds"), [(1000, 3), (500, 5)])
def test_rounds_are_paced(pace: int, rounds: int) -> None:
    """About one a second."""
    bench = Bench(balances=POOR, liquidation_round_ms=pace)
    bench.ask_at(100_000)
    bench.buy(65_000)
    bench.move(80_000)
    for _ in range(8):
        bench.move(80_000, ms=250)
    orders = {row["order_id"] for row in _liquidations(bench)}
    assert len(orders) == rounds


def test_what_the_band_leaves_is_tried_again() -> None:
    """In an empty book a slice is cancelled for the rest, and the next one goes on."""
    thin = BookShape(levels=1, size_pct=1, widest_spread_ticks=1, premium_bps=0)
    bench = Bench(balances=POOR, shape=thin)
    bench.ask_at(100_000)
    for _ in range(80):
        bench.buy(900)
        bench.move()
    bench.call("cancel_all")
    bench.move(90_000, ms=1000)
    first = bench.position()["size"]
    bench.move(90_000, ms=1000)
    assert bench.position()["size"] < first
    assert bench.open() == []


def test_the_insurance_fund_pays_what_is_owed() -> None:
    """An account liquidated below zero ends at zero, with a correction in the log."""
    bench = Bench(balances=POOR)
    bench.ask_at(100_000)
    bench.buy(65_000)
    while bench.position()["size"]:
        bench.move(50_000, ms=1000)
    bench.move(50_000, ms=1000)
    assert bench.account()["equity"] == 0
    assert _log(bench, "BTC")[0]["type"] == "correction"
    assert not any(row["locked"] for row in bench.call("get_user_locks"))


def test_it_ends_when_the_price_comes_back() -> None:
    """Without another slice, and orders are taken again."""
    bench = _drowning(liquidation_slice_pct=1)
    size = bench.position()["size"]
    bench.move(100_500, ms=400)
    bench.move(100_500, ms=60_000)
    assert bench.position()["size"] == size
    assert bench.sell(10)["order"]["order_state"] == "filled"


@pytest.mark.parametrize(("shown", "is_null"), [("shown", False), ("null", True)])
def test_the_estimate_may_be_null(shown: str, is_null: bool) -> None:
    """It is given for segregated standard margin, and may be null all the same."""
    bench = Bench(liquidation_price=shown)
    bench.buy(10_000)
    assert (bench.position()["estimated_liquidation_price"] is None) is is_null


@pytest.mark.parametrize(("factor", "initial"), [("1", "0.0020005"), ("2", "0.004001")])
def test_another_margin_model_asks_for_more(factor: str, initial: str) -> None:
    """The table of August 2026 is not public: a factor stands for it."""
    bench = Bench(margin_factor=Decimal(factor))
    bench.ask_at(100_000)
    bench.buy(10_000)
    for _ in range(3):
        bench.move(100_000, ms=1000)
    assert abs(bench.position()["initial_margin"] - Decimal(initial)) < Decimal("1E-9")
