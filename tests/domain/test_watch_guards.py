"""What a position that is not ours lacks, when the operator wants it guarded."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.orders import Order, OrderState, OrderType, Side
from domain.watch import (
    Finding,
    GuardStep,
    cover_of,
    guard_steps,
    seen_twice,
)
from tests.domain.builders import stop_order
from tests.domain.catalogue import BTC, ETH
from tests.domain.strategies import rule

NOTHING = Decimal(0)
OPEN, UNTRIGGERED, FIRED = OrderState.OPEN, OrderState.UNTRIGGERED, OrderState.TRIGGERED


# -- guards of what is not ours ------------------------------------------------------------


def guard(contracts: int = 10, order_id: str = "g1", **changes: Any) -> Order:
    """A stop we put under a position that is not ours."""
    return stop_order(contracts, order_id, label=f"bw.ext-{order_id}.sl.1", **changes)


def steps(held: int, residual: int, *orders: Order) -> tuple[GuardStep, ...]:
    return guard_steps(BTC.name, held, residual, orders)


def new(contracts: int) -> GuardStep:
    return GuardStep(contracts=contracts)


def gone(order: Order) -> GuardStep:
    return GuardStep(contracts=0, order=order)


FIRED_GUARD = guard(4, "child", state=OPEN, order_type=OrderType.MARKET, trigger_order_id="g1")
GUARDS: dict[str, tuple[tuple[GuardStep, ...], tuple[GuardStep, ...]]] = {
    "a foreign position gets a guard": (steps(10, 10), (new(10),)),
    "a foreign short, too": (steps(-10, -10), (new(10),)),
    "only the part that is not ours": (steps(10, 4, stop_order(6)), (new(4),)),
    "a person's own stop counts": (
        steps(10, 10, stop_order(7, label="", human=True)),
        (new(3),),
    ),
    "a person who has protected it all needs none": (steps(10, 10, stop_order(label="")), ()),
    "ours is the trade's to protect": (steps(10, 0), ()),
    "what reduces us is no position of theirs": (steps(6, -4), ()),
    "nothing is guarded when flat": (steps(0, 0), ()),
    "a guard that fits stays": (steps(10, 10, guard()), ()),
    "a guard too small grows": (
        steps(10, 10, guard(4)),
        (GuardStep(contracts=10, order=guard(4)),),
    ),
    "a guard too large shrinks": (
        steps(4, 4, guard()),
        (GuardStep(contracts=4, order=guard()),),
    ),
    "a second guard goes": (
        steps(10, 10, guard(), guard(order_id="g2")),
        (gone(guard(order_id="g2")),),
    ),
    "a guard of nothing goes": (steps(0, 0, guard()), (gone(guard()),)),
    "a guard on the wrong side is replaced, the new one first": (
        steps(-10, -10, guard()),
        (new(10), gone(guard())),
    ),
    "a guard that fired closes by itself": (steps(4, 4, FIRED_GUARD), ()),
    "what a fired guard leaves is guarded": (steps(9, 9, FIRED_GUARD), (new(5),)),
    "a guard elsewhere is none of this": (
        steps(10, 10, guard(instrument_name=ETH.name)),
        (new(10),),
    ),
    "a guard that is over is no guard": (steps(10, 10, guard(state=FIRED)), (new(10),)),
}


@pytest.mark.parametrize("name", GUARDS)
def test_what_a_foreign_position_lacks(name: str) -> None:
    """One stop of ours under what nobody of us owns, and nothing more."""
    found, expected = GUARDS[name]
    assert found == expected


def _done(orders: list[Order], taken: tuple[GuardStep, ...], held: int) -> list[Order]:
    """The orders after these steps."""
    closing = Side.SELL if held > 0 else Side.BUY
    for step in taken:
        if step.order is None:
            orders = [*orders, guard(step.contracts, "new", side=closing)]
        elif step.contracts == 0:
            orders = [x for x in orders if x is not step.order]
        else:
            grown = replace(step.order, contracts=step.contracts)
            orders = [grown if x is step.order else x for x in orders]
    return orders


@rule
@given(
    held=st.integers(-20, 20),
    residual=st.integers(-20, 20),
    sizes=st.lists(st.tuples(st.integers(1, 20), st.sampled_from(Side), st.booleans()), max_size=4),
)
def test_guarding_comes_to_rest(
    held: int, residual: int, sizes: list[tuple[int, Side, bool]]
) -> None:
    """Once done there is nothing left to do, and what is not ours is under a stop."""
    orders = [
        guard(x, f"o{i}", side=y) if z else stop_order(x, f"o{i}", side=y, label="")
        for i, (x, y, z) in enumerate(sizes)
    ]
    after = _done(orders, guard_steps(BTC.name, held, residual, orders), held)
    assert guard_steps(BTC.name, held, residual, after) == ()
    assert [x for x in after if not x.label] == [x for x in orders if not x.label]
    if held * residual > 0:
        ours = max(0, abs(held) - abs(residual))
        assert cover_of(BTC.name, held, after) >= abs(held) - ours


@pytest.mark.parametrize(
    ("before", "now", "seen"),
    [
        (None, (10, 10), None),
        ((10, 10), (10, 10), (10, 10)),
        ((10, 4), (16, 10), (10, 4)),
        ((-10, -10), (-11, -11), (-10, -10)),
        ((10, 10), (9, 9), None),
        ((10, 10), (-10, -10), None),
        ((10, 0), (16, 6), None),
        ((10, 10), (16, 4), None),
    ],
)
def test_two_looks_agree_on_what_was_there_at_the_first_of_them(
    before: Finding | None, now: Finding, seen: Finding | None
) -> None:
    """More may have come since; one of them alone proves nothing."""
    assert seen_twice(before, now) == seen
