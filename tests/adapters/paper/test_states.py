"""States of a book: what a locked, halted or inactive one takes, and what happens in it."""

import pytest

from tests.adapters.paper.harness import INVERSE, LINEAR, Bench


def _shut(state: str, **switches: bool) -> tuple[Bench, str, str]:
    """A bench with a position, an order and a stop in a book that is then shut."""
    bench = Bench(**switches)
    bench.ask_at(100_000)
    bench.buy(100)
    order = bench.buy(10, price=90_000)["order"]["order_id"]
    stop = bench.stop(100, 99_000)["order_id"]
    bench.exchange.set_state(INVERSE, state)
    return bench, order, stop


@pytest.mark.parametrize("state", ["locked", "halted", "inactive"])
def test_a_shut_book_takes_no_orders_and_no_edits(state: str) -> None:
    """10012, in that book alone; the state shows in ticker and catalogue."""
    bench, order, _ = _shut(state)
    assert bench.refused("sell", instrument_name=INVERSE, amount=10, type="market").code == 10012
    assert bench.refused("edit", order_id=order, amount=20).code == 10012
    assert bench.buy("0.001", LINEAR)["order"]["order_state"] == "filled"
    assert bench.call("public/ticker", instrument_name=INVERSE)["state"] == state
    listed = bench.call("public/get_instrument", instrument_name=INVERSE)
    assert (listed["state"], listed["is_active"]) == (state, state != "inactive")


@pytest.mark.parametrize(
    ("state", "switch", "code"),
    [("locked", False, None), ("halted", False, 10012), ("halted", True, None)],
)
def test_cancels_in_a_shut_book(state: str, switch: bool, code: int | None) -> None:
    """A locked book takes them; whether a halted one does is a switch."""
    bench, order, _ = _shut(state, halted_takes_cancels=switch)
    if code is None:
        assert bench.call("cancel", order_id=order)["order_state"] == "cancelled"
        assert bench.call("cancel_all") == 1
    else:
        assert bench.refused("cancel", order_id=order).code == code
        assert bench.refused("cancel_all").code == code


def test_cancel_all_reaches_the_books_that_take_it() -> None:
    """What stands in a halted one stays, and is not counted."""
    bench, order, _ = _shut("halted")
    bench.buy("0.001", LINEAR, price=90_000)
    assert bench.call("cancel_all") == 1
    assert bench.state(order)["order_state"] == "open"


def test_nothing_trades_in_a_shut_book() -> None:
    """The stop fires once it opens again, at the price of then; the state survives a restart."""
    bench, order, stop = _shut("halted")
    for _ in range(3):
        bench.move(85_000, ms=1000)
    bench.restart()
    bench.move(85_000, ms=1000)
    assert bench.state(stop)["order_state"] == "untriggered"
    assert bench.state(order)["order_state"] == "open"
    bench.exchange.set_state(INVERSE, "open")
    bench.move(85_000, ms=1000)
    assert bench.state(stop)["order_state"] == "triggered"


@pytest.mark.parametrize(("name", "state"), [(INVERSE, "ajar"), ("BTC-9JAN27", "locked")])
def test_other_states_are_refused(name: str, state: str) -> None:
    """By name."""
    with pytest.raises(ValueError, match="cannot be"):
        Bench().exchange.set_state(name, state)
