"""Golden figures of PnL, fees, funding and margin, read through the public methods."""

from decimal import Decimal

import pytest

from adapters.paper.fees import Fees
from tests.adapters.paper.harness import BALANCES, INVERSE, LINEAR
from tests.adapters.paper.harness import Wire as Bench

PICO = Decimal("1E-11")


def _near(value: Decimal, wanted: str, within: str = "0.000000005") -> bool:
    return abs(value - Decimal(wanted)) <= Decimal(within)


def test_inverse_long_add_and_partial_close() -> None:
    """Golden vector: harmonic average, realised and unrealised PnL and the change in equity."""
    bench = Bench()
    bench.ask_at(100_000)
    first = bench.buy(10_000)["trades"]
    bench.ask_at(80_000)
    second = bench.buy(5_000)["trades"]
    assert _near(bench.position()["average_price"], "92307.69230769")
    bench.bid_at(96_000)
    (closing,) = bench.sell(6_000)["trades"]
    assert closing["profit_loss"] == Decimal("0.0025")
    fees = sum(trade["fee"] for trade in [*first, *second, closing])
    assert fees == Decimal("0.00007875")
    _settle_mark(bench, 97_000)
    shown = bench.position()
    assert (shown["size"], shown["mark_price"]) == (9_000, 97_000)
    assert _near(shown["total_profit_loss"], "0.00471649")
    change = bench.account()["equity"] - BALANCES["BTC"]
    funding = shown["realized_funding"]
    assert abs(change - funding - Decimal("0.007137744845")) < Decimal("1E-11")


def _settle_mark(bench: Bench, price: int) -> None:
    """Moves the index and waits until the mark is on it (the book is pinned to the index)."""
    for _ in range(3):
        bench.move(price, ms=1000)
    assert bench.position()["mark_price"] == price


def test_inverse_flip_closes_the_old_and_opens_the_rest() -> None:
    """Golden vector: realised on the old position, a new average, one fee on the whole fill."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(10_000)
    bench.bid_at(102_000)
    (trade,) = bench.sell(15_000)["trades"]
    assert _near(trade["profit_loss"], "0.00196078")
    assert _near(trade["fee"], "0.00005147")
    shown = bench.position()
    assert (shown["size"], shown["direction"], shown["average_price"]) == (-5_000, "sell", 102_000)


def test_inverse_short() -> None:
    """Golden vector: 20,000 sold at 100,000 and bought back at 95,000."""
    bench = Bench()
    bench.bid_at(100_000)
    bench.sell(20_000)
    bench.ask_at(95_000)
    (trade,) = bench.buy(20_000)["trades"]
    assert _near(trade["profit_loss"], "0.01052632")
    summary = bench.account()
    assert _near(summary["equity"] - BALANCES["BTC"], "0.01038263")


def test_maker_in_taker_out() -> None:
    """Golden vector: the maker pays 0.015 %, the taker 0.035 %."""
    bench = Bench()
    bench.ask_at(100_500)
    bench.buy(10_000, price=100_000)
    bench.ask_at(99_990)
    bench.bid_at(101_000)
    bench.sell(10_000)
    assert _near(bench.account()["equity"] - BALANCES["BTC"], "0.000940445544", "1E-11")


def test_linear_add_and_partial_close() -> None:
    """Golden vector: arithmetic average, PnL and fees in USDC."""
    bench = Bench()
    for price, amount in ((100_000, "0.1"), (80_000, "0.05")):
        bench.ask_at(price, LINEAR)
        bench.buy(amount, LINEAR)
    assert _near(bench.position(LINEAR)["average_price"], "93333.33333333")
    bench.bid_at(96_000)
    (trade,) = bench.sell("0.06", LINEAR)["trades"]
    assert _near(trade["profit_loss"], "160")
    assert (trade["fee"], trade["fee_currency"]) == (Decimal("2.016"), "USDC")
    _settle_mark(bench, 97_000)
    shown = bench.position(LINEAR)
    assert _near(shown["total_profit_loss"], "330")
    change = bench.account("USDC")["equity"] - BALANCES["USDC"] - shown["realized_funding"]
    assert _near(change, "483.084")


def test_equity_is_balance_and_session() -> None:
    """Fees leave the cash at once; trading PnL stays in the session figures."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(10_000)
    bench.bid_at(101_000)
    bench.sell(4_000)
    shown = bench.account()
    fees = sum(
        trade["fee"]
        for trade in bench.call("get_user_trades_by_currency", currency="BTC")["trades"]
    )
    assert shown["balance"] == BALANCES["BTC"] - fees
    total = shown["balance"] + shown["session_rpl"] + shown["session_upl"]
    assert abs(shown["equity"] - total) <= 2 * PICO
    assert shown["session_rpl"] > 0
    assert shown["available_funds"] == shown["margin_balance"] - shown["initial_margin"]


def test_margins_follow_the_standard_table() -> None:
    """0.1 BTC ties up 2.0005 % initial and 1.0005 % maintenance margin."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(10_000)
    _settle_mark(bench, 100_000)
    shown = bench.position()
    assert _near(shown["initial_margin"], "0.0020005")
    assert _near(shown["maintenance_margin"], "0.0010005")
    assert shown["size_currency"] == shown["delta"] == Decimal("0.1")
    assert shown["estimated_liquidation_price"] is not None


def test_resting_orders_tie_up_margin_and_triggers_do_not() -> None:
    """An order that could add to a position counts; a stop counts only once it fires."""
    bench = Bench()
    bench.stop(10_000, 99_000)
    assert bench.account()["initial_margin"] == 0
    bench.buy(10_000, price=99_000)
    assert bench.account()["initial_margin"] > 0
    assert bench.position()["open_orders_margin"] == bench.account()["initial_margin"]


def test_an_order_that_reduces_needs_no_funds() -> None:
    """With everything tied up a position can still be closed."""
    bench = Bench(balances={"BTC": Decimal("0.0025")})
    bench.ask_at(100_000)
    bench.buy(10_000)
    error = bench.refused("buy", instrument_name=INVERSE, amount=10_000, type="market")
    assert error.code == 10009
    assert bench.sell(10_000)["order"]["order_state"] == "filled"


def test_a_position_under_water_can_be_reduced_in_part() -> None:
    """With less equity than the margin of what would remain, reducing is still allowed."""
    bench = Bench(balances={"BTC": Decimal("0.0025")})
    bench.ask_at(100_000)
    bench.buy(10_000)
    bench.bid_at(98_900)
    account = bench.account()
    assert account["available_funds"] < 0
    assert bench.sell(10)["order"]["order_state"] == "filled"


def test_funding_is_paid_by_the_crowded_side() -> None:
    """A mark above the damper makes longs pay, by time and rate, into the session."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(10_000)
    engine = bench.exchange._engine
    engine.markets[INVERSE].rate = Decimal("0.00055")
    bench.move(ms=3_600_000)
    shown = bench.position()
    assert _near(shown["realized_funding"], "-0.000006875", "1E-9")
    assert shown["realized_profit_loss"] == shown["realized_funding"]
    assert bench.account()["session_rpl"] == shown["realized_funding"]


def test_flat_instruments_are_listed_with_direction_zero() -> None:
    """What was traded stays in the list; a short has a negative size."""
    bench = Bench()
    assert bench.call("get_positions", currency="any") == []
    bench.buy(100)
    bench.sell(100)
    bench.sell("0.01", LINEAR)
    shown = bench.call("get_positions")
    states = {row["instrument_name"]: (row["direction"], row["size"]) for row in shown}
    assert states == {INVERSE: ("zero", 0), LINEAR: ("sell", Decimal("-0.01"))}
    assert len(bench.call("get_positions", currency="USDC")) == 1
    assert bench.call("get_positions", kind="option") == []


@pytest.mark.parametrize("currency", ["BTC", "ETH", "USDC"])
def test_summaries_state_the_limits(currency: str) -> None:
    """The rate limits in force stand in every summary."""
    bench = Bench()
    limits = bench.account(currency)["limits"]
    assert limits["matching_engine"]["trading"]["total"] == {"rate": 5, "burst": 20}
    rows = bench.call("get_account_summaries", extended=True)["summaries"]
    assert [row["currency"] for row in rows] == ["BTC", "ETH", "USDC"]
    assert bench.call("get_account_summary", currency=currency, extended="true")["type"] == "main"


def test_subaccounts_and_locks() -> None:
    """There is one account, with a portfolio when asked for, and nothing is locked."""
    bench = Bench()
    (account,) = bench.call("get_subaccounts", with_portfolio=True)
    assert account["portfolio"]["btc"]["equity"] == BALANCES["BTC"]
    assert "portfolio" not in bench.call("get_subaccounts")[0]
    assert not any(row["locked"] for row in bench.call("get_user_locks"))
    assert bench.refused("get_account_summary", currency="any").code == -32602


def test_the_fees_of_an_account_are_in_force_everywhere() -> None:
    """In the catalogue, before an order and on its fill; a maker of the highest tier is paid."""
    bench = Bench(fees=Fees(maker=Decimal("-0.00004"), taker=Decimal("0.00017")))
    (row,) = bench.call("public/get_instruments", currency="ETH")
    assert (row["maker_commission"], row["taker_commission"]) == (
        Decimal("-0.00004"),
        Decimal("0.00017"),
    )
    before = bench.call("get_margins", instrument_name=INVERSE, amount=10_000, price=100_000)
    assert (before["buy_maker_fee"], before["buy_taker_fee"]) == (
        Decimal("-0.000004"),
        Decimal("0.000017"),
    )
    bench.ask_at(100_500)
    resting = bench.buy(10_000, price=100_000)["order"]["order_id"]
    bench.ask_at(99_990)
    (fill,) = bench.call("get_user_trades_by_order", order_id=resting)
    assert (fill["liquidity"], fill["fee"]) == ("M", Decimal("-0.000004"))
    with pytest.raises(ValueError, match="fraction"):
        Fees(taker=Decimal("0.05"))
