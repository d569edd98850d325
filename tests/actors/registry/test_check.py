"""What a Registry could live from: records it writes itself, and nothing else."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from actors.registry import check_book
from domain.labels import Role
from domain.orders import Side
from domain.trade import Trade
from tests.domain import builders

TRADE: dict[str, Any] = TypeAdapter(Trade).dump_python(
    builders.record(
        builders.entry(),
        builders.stop(),
        fills=(builders.booked(Role.ENTRY, Side.BUY, 10, 100_000),),
    ),
    mode="json",
)
ID: str = TRADE["plan"]["trade_id"]


def book(**changes: Any) -> dict[str, dict[str, Any]]:
    return {"trades": {ID: TRADE | changes}}


def test_what_was_written_can_be_read() -> None:
    """A trade under its stop, nothing else."""
    check_book(book())


@pytest.mark.parametrize(
    "damage",
    [
        {"plan": TRADE["plan"] | {"contracts": -10}},
        {"plan": TRADE["plan"] | {"contracts": "many"}},
        {"plan": TRADE["plan"] | {"stop_price": "0"}},
        {"plan": TRADE["plan"] | {"stop_price": "NaN"}},
        {"plan": TRADE["plan"] | {"side": "up"}},
        {"plan": TRADE["plan"] | {"trade_id": "../etc"}},
        {"plan": TRADE["plan"] | {"created_at": "2026-03-01T12:00:00"}},
        {"plan": {k: v for k, v in TRADE["plan"].items() if k != "instrument_name"}},
        {"plan": None},
        {"lines": [TRADE["lines"][0] | {"status": "asleep"}]},
        {"lines": [TRADE["lines"][0] | {"attempt": 0}]},
        {"lines": [TRADE["lines"][0] | {"reported_filled": -1}]},
        {"lines": [TRADE["lines"][0], TRADE["lines"][0]]},
        {"lines": "none"},
        {"fills": [TRADE["fills"][0] | {"contracts": 0}]},
        {"fills": [TRADE["fills"][0] | {"price": None}]},
        {"exit_reason": "bored"},
        {"unprotected_us": -1},
        {"exposed_since": "2026-03-01T12:00:00"},
    ],
)
def test_a_record_that_cannot_be_true_is_refused(damage: dict[str, Any]) -> None:
    """Wrong types, missing fields, unknown states, numbers that cannot be."""
    with pytest.raises(ValueError, match=r"."):
        check_book(book(**damage))


def test_a_record_under_another_trades_key_is_refused() -> None:
    """One would overwrite the other."""
    with pytest.raises(ValueError, match="another one"):
        check_book({"trades": {"other": TRADE}})


@pytest.mark.parametrize(
    "tables",
    [
        {"state": {"kill": {"reason": "x"}}},
        {"state": {"day": {"day": "2026-03-01", "usd": "much", "equity": []}}},
        {"outbox": {"1": {"number": "one"}}},
    ],
)
def test_the_rest_of_the_book_is_held_to_its_shape_too(tables: dict[str, Any]) -> None:
    """The kill, the day, the alerts."""
    with pytest.raises(ValueError, match=r"."):
        check_book(tables)
