"""Icebergs: what the book shows of them, and what the hidden part pays."""

from decimal import Decimal

import pytest

from tests.adapters.paper.harness import INVERSE, Bench


def _shown(bench: Bench, price: int) -> Decimal:
    book = bench.call("public/get_order_book", instrument_name=INVERSE, depth=1000)
    return dict(book["bids"]).get(Decimal(price), Decimal(0))


def test_the_book_shows_only_the_display_amount() -> None:
    """The rest is hidden; the order itself states both."""
    bench = Bench()
    bench.ask_at(100_000)
    order = bench.buy(20_000, price=98_123, display_amount=1_000)["order"]
    assert (order["amount"], order["display_amount"], order["refresh_amount"]) == (
        20_000,
        1_000,
        1_000,
    )
    assert _shown(bench, 98_123) == 1_000


def test_the_hidden_part_pays_taker() -> None:
    """One level that meets it whole: 1,000 as maker, the rest at the taker's rate."""
    bench = Bench()
    bench.ask_at(100_000)
    order = bench.buy(20_000, price=99_000, display_amount=1_000)["order"]["order_id"]
    bench.ask_at(98_000)
    trades = bench.call("get_user_trades_by_order", order_id=order, sorting="asc")
    assert [(row["amount"], row["liquidity"]) for row in trades] == [(1_000, "M"), (19_000, "T")]
    assert abs(trades[1]["fee"] - Decimal("0.00035") * 19_000 / 99_000) < Decimal("1E-12")
    tape = bench.call("public/get_last_trades_by_instrument", instrument_name=INVERSE, count=1)
    assert tape["trades"][0]["direction"] == "sell"


def test_the_shown_part_is_refreshed() -> None:
    """Eaten in part it shows what is left of it; eaten whole the next part appears."""
    bench = Bench()
    bench.ask_at(100_000)
    order = bench.buy(10_000_000, price=99_000, display_amount=5_000_000)["order"]["order_id"]
    shown = 5_000_000
    while shown < 10_000_000 - bench.state(order)["filled_amount"]:
        assert _shown(bench, 99_000) == shown
        before = bench.state(order)["filled_amount"]
        bench.ask_at(98_900)
        eaten = bench.state(order)["filled_amount"] - before
        shown = shown - eaten if eaten < shown else 5_000_000
        bench.ask_at(99_500)
    assert bench.state(order)["filled_amount"] > 5_000_000


@pytest.mark.parametrize(
    ("amount", "display", "code"),
    [
        (20_000, 990, 10036),
        (1_000_000, 5_000, 10036),
        (20_000, 1_005, -32602),
        (20_000, -1, -32602),
    ],
)
def test_too_little_in_sight_is_refused(amount: int, display: int, code: int) -> None:
    """At least a hundred times the smallest order and 1 % of this one, in whole contracts."""
    bench = Bench()
    terms = {"instrument_name": INVERSE, "amount": amount, "price": 90_000}
    assert bench.refused("buy", **terms, display_amount=display).code == code


def test_a_display_of_everything_is_no_iceberg() -> None:
    """Then the order is an ordinary one; the old name max_show is understood."""
    bench = Bench()
    assert "display_amount" not in bench.buy(100, price=90_000, display_amount=100)["order"]
    shown = bench.buy(20_000, price=90_000, max_show=1_000)["order"]
    assert shown["display_amount"] == 1_000


def test_the_display_amount_can_be_edited() -> None:
    """The new part is in sight at once; too little is refused and changes nothing."""
    bench = Bench()
    order = bench.buy(20_000, price=90_000, display_amount=1_000)["order"]["order_id"]
    edited = bench.call("edit", order_id=order, amount=20_000, display_amount=5_000)["order"]
    assert edited["display_amount"] == 5_000
    assert _shown(bench, 90_000) == 5_000
    assert bench.refused("edit", order_id=order, amount=20_000, display_amount=10).code == 10036
    assert bench.call("edit", order_id=order, amount=5_000)["order"]["contracts"] == 500
    assert _shown(bench, 90_000) == 5_000
