"""What an order says about itself."""

import pytest

from domain.orders import (
    PRICED_TYPES,
    STOP_TYPES,
    TRIGGER_TYPES,
    Order,
    OrderState,
    OrderType,
    Side,
)
from tests.domain.catalogue import BTC


def test_sides_are_opposite_and_signed() -> None:
    """Buying counts up, selling counts down, and each undoes the other."""
    assert (Side.BUY.opposite, Side.SELL.opposite) == (Side.SELL, Side.BUY)
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)


@pytest.mark.parametrize("state", list(OrderState))
def test_only_resting_orders_are_live(state: OrderState) -> None:
    """An order can still trade under its id while it is open or waits for its trigger."""
    assert state.is_live == (state in {OrderState.OPEN, OrderState.UNTRIGGERED})


def test_every_stop_waits_for_a_trigger_and_only_limits_carry_a_price() -> None:
    """Stops are triggers; a type carries a price exactly when its name says limit."""
    assert STOP_TYPES < TRIGGER_TYPES
    named_limit = {kind for kind in OrderType if kind.endswith("limit")}
    assert named_limit - {OrderType.MARKET_LIMIT} == PRICED_TYPES


def test_remaining_is_what_is_not_filled_yet() -> None:
    """A partly filled order stays open with the rest of its contracts."""
    order = Order(
        order_id="1",
        label="",
        instrument_name=BTC.name,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        state=OrderState.OPEN,
        contracts=100,
        filled_contracts=40,
        price=None,
        average_price=None,
        reduce_only=False,
        created_ms=0,
        updated_ms=0,
    )
    assert order.remaining_contracts == 60
