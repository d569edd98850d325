"""What a trader of perpetuals seldom asks for, in the venue's words."""

from decimal import Decimal

import pytest

from tests.adapters.paper.harness import INVERSE, LINEAR, Bench

HOUR = 3_600_000


def test_settlements_are_kept_and_paged() -> None:
    """Newest first; what became cash adds up to the change of the balance."""
    bench = Bench()
    bench.ask_at(98_000)
    bench.buy(10_000)
    paid = bench.account()["balance"]
    for day in range(3):
        bench.move(98_000 + 1_000 * day, ms=24 * HOUR)
        bench.move(ms=10_000)
    whole = bench.call("get_settlement_history_by_instrument", instrument_name=INVERSE)
    assert whole["continuation"] == ""
    rows = whole["settlements"]
    assert [row["mark_price"] for row in rows] == [100_000, 99_000, 98_000]
    assert {(row["type"], row["position"]) for row in rows} == {("settlement", 10_000)}
    gained = sum(row["session_profit_loss"] for row in rows)
    assert abs(gained - (bench.account()["balance"] - paid)) < Decimal("1E-11")
    first = bench.call("get_settlement_history_by_currency", currency="BTC", count=2)
    rest = bench.call(
        "get_settlement_history_by_currency", currency="BTC", continuation=first["continuation"]
    )
    assert [*first["settlements"], *rest["settlements"]] == rows
    other = bench.call("get_settlement_history_by_instrument", instrument_name=LINEAR)
    assert other["settlements"] == []
    none = bench.call("get_settlement_history_by_currency", currency="BTC", type="delivery")
    assert none["settlements"] == []


def test_expirations_of_perpetuals() -> None:
    """They have none, and go by that name; nobody trades anything in euro here."""
    bench = Bench()
    shown = bench.call("public/get_expirations", currency="any", kind="any")
    assert shown == {"future": ["PERPETUAL"], "option": []}
    assert bench.call("public/get_expirations", currency="EURR", kind="future") == {"future": []}
    assert bench.call("public/get_instruments", currency="SOL") == []
    assert bench.refused("public/get_expirations", currency="BTC", kind="x").code == -32602


def test_a_book_by_the_number_of_its_instrument() -> None:
    """The same book as by name."""
    bench = Bench()
    listed = bench.call("public/get_instrument", instrument_name=LINEAR)
    book = bench.call(
        "public/get_order_book_by_instrument_id", instrument_id=listed["instrument_id"], depth=3
    )
    assert book == bench.call("public/get_order_book", instrument_name=LINEAR, depth=3)
    error = bench.refused("public/get_order_book_by_instrument_id", instrument_id=1)
    assert error.data["param"] == "instrument_id"


def test_volumes_and_the_chart_of_an_index() -> None:
    """The day's volume in coin; the index on the hour and now."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(100_000)
    bench.move(101_000, ms=HOUR)
    volumes = {row["currency"]: row for row in bench.call("public/get_trade_volumes")}
    assert volumes["BTC"]["futures_volume"] >= 1
    chart = bench.call("public/get_index_chart_data", index_name="btc_usd", range="1d")
    assert chart[-1] == (bench.now_ms, 101_000)
    assert len(chart) == 3
    error = bench.refused("public/get_index_chart_data", index_name="x_usd", range="1d")
    assert error.data["param"] == "index_name"


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("public/get_mark_price_history", {"instrument_name": INVERSE}),
        ("public/get_announcements", {}),
        ("private/get_new_announcements", {}),
        ("public/get_historical_volatility", {"currency": "BTC"}),
        ("private/get_mmp_config", {"index_name": "btc_usd"}),
        ("private/get_mmp_status", {"index_name": "btc_usd"}),
    ],
)
def test_what_has_nothing_to_tell(method: str, params: dict[str, str]) -> None:
    """Lists without rows, not refusals."""
    bench = Bench()
    assert bench.call(method, **params) == []
    nothing = bench.call("public/get_delivery_prices", index_name="btc_usd")
    assert nothing == bench.call("get_access_log") == {"records_total": 0, "data": []}
    for scope in ({"currency": "BTC"}, {"instrument_name": INVERSE}):
        name = f"public/get_last_settlements_by_{next(iter(scope)).removesuffix('_name')}"
        assert bench.call(name, **scope) == {"settlements": [], "continuation": ""}
