"""A trade's orders, and whether what was accepted is what was asked."""

from dataclasses import replace
from typing import Any

import pytest

from actors.trade_orders import differences, request_of
from domain.labels import Role
from domain.orders import Order, OrderRequest, OrderState, OrderType, Side, TriggerBy
from domain.outcomes import about_to_send
from domain.trade import Line, LineStatus, Trade
from tests.domain import builders
from tests.domain.builders import label_of, line, record, report
from tests.domain.catalogue import BTC, D


def asked(role: Role) -> OrderRequest:
    sent: Line = line(role, LineStatus.UNKNOWN)
    return request_of(record(sent), sent, BTC)


@pytest.mark.parametrize("role", [x for x in Role if x is not Role.ENTRY])
def test_everything_but_the_entry_reduces_and_faces_the_other_way(role: Role) -> None:
    """No role but one may add risk."""
    request = asked(role)
    assert request.reduce_only
    assert request.side is Side.SELL


def test_each_role_has_its_type_and_prices() -> None:
    """Market in, stop at market with a trigger, target as a limit, market out."""
    entry, stop, target = asked(Role.ENTRY), asked(Role.STOP), asked(Role.TARGET)
    assert (entry.order_type, entry.side, entry.reduce_only) == (OrderType.MARKET, Side.BUY, False)
    assert (stop.order_type, stop.trigger_price) == (OrderType.STOP_MARKET, D(98_000))
    assert stop.trigger is TriggerBy.MARK_PRICE
    assert (target.order_type, target.price) == (OrderType.LIMIT, D(104_000))
    assert asked(Role.EMERGENCY).order_type is OrderType.MARKET


def test_a_linked_entry_brings_its_stop_and_target_along() -> None:
    """Both reduce-only, under their own labels; without a target only the stop."""
    trade = linked_record()
    entry = request_of(trade, trade.of(Role.ENTRY)[0], BTC)
    stop, target = entry.children
    assert (stop.label, target.label) == (label_of(Role.STOP), label_of(Role.TARGET))
    assert stop.reduce_only
    assert target.reduce_only
    assert stop.contracts == target.contracts == entry.contracts
    assert (stop.trigger, stop.trigger_price) == (TriggerBy.INDEX_PRICE, D(98_000))
    plain = linked_record(target_price=None)
    assert len(request_of(plain, plain.of(Role.ENTRY)[0], BTC).children) == 1


def linked_record(**changes: Any) -> Trade:
    """As it is on its way to the venue."""
    plan = builders.plan(is_linked=True, stop_trigger=TriggerBy.INDEX_PRICE, **changes)
    return about_to_send(Trade(plan=plan), line(Role.ENTRY, LineStatus.UNKNOWN))


def accepted(role: Role = Role.STOP, **changes: Any) -> Order:
    state = OrderState.UNTRIGGERED if role is Role.STOP else OrderState.OPEN
    return replace(report(role, state), **changes)


def test_what_was_asked_is_no_difference() -> None:
    """Nor is a reduce-only order that the venue made smaller."""
    assert differences(asked(Role.STOP), accepted()) == ""
    assert differences(asked(Role.STOP), accepted(contracts=7)) == ""
    moved = accepted(contracts=11, trigger_price=D(94_000), is_edited=True)
    assert differences(asked(Role.STOP), moved) == ""


def test_a_stop_that_fired_at_once_is_shown_as_its_market_order() -> None:
    """Its child has another type and neither trigger nor trigger price."""
    child = builders.child(OrderState.FILLED)
    assert differences(asked(Role.STOP), child) == ""


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"label": "bw.other.sl.1"}, "label"),
        ({"side": Side.BUY}, "direction"),
        ({"instrument_name": "ETH-PERPETUAL"}, "instrument"),
        ({"reduce_only": False}, "reduce-only"),
        ({"contracts": 11}, "11 contracts"),
        ({"order_type": OrderType.MARKET}, "type market"),
        ({"trigger": TriggerBy.LAST_PRICE}, "trigger last_price"),
        ({"trigger_price": D(97_000)}, "trigger price"),
    ],
)
def test_every_difference_is_named(changes: dict[str, Any], word: str) -> None:
    """A parameter that was dropped on the way turns a stop into something else."""
    assert word in differences(asked(Role.STOP), accepted(**changes))


def test_an_entry_that_was_made_larger_is_no_entry_of_ours() -> None:
    """It was sized by what may be lost."""
    larger = accepted(Role.ENTRY, contracts=11, is_edited=True)
    assert "11 contracts" in differences(asked(Role.ENTRY), larger)
