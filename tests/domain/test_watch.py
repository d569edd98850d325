"""Judging the account from venue data alone: protection, ledger, orphans."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.labels import Label, Role
from domain.orders import Order, OrderState, OrderType, Position, Side
from domain.watch import (
    Drift,
    GuardStep,
    Shortfall,
    cover_of,
    drifts,
    guard_steps,
    may_cancel,
    orphans,
    protects,
    shortfalls,
)
from tests.domain.builders import label_of, report
from tests.domain.catalogue import BTC, ETH
from tests.domain.strategies import rule

NOTHING = Decimal(0)
OPEN, UNTRIGGERED, FIRED = OrderState.OPEN, OrderState.UNTRIGGERED, OrderState.TRIGGERED


def position(contracts: int, name: str = BTC.name) -> Position:
    """A position of which only its size matters."""
    return Position(
        instrument_name=name,
        contracts=contracts,
        average_price=NOTHING,
        mark_price=NOTHING,
        index_price=NOTHING,
        size_coin=NOTHING,
        floating_profit_loss=NOTHING,
        total_profit_loss=NOTHING,
        realized_profit_loss=NOTHING,
        realized_funding=NOTHING,
        initial_margin=NOTHING,
        maintenance_margin=NOTHING,
        estimated_liquidation_price=None,
    )


def stop_order(contracts: int = 10, order_id: str = "s1", **changes: Any) -> Order:
    """A resting reduce-only stop under a long."""
    usual = report(Role.STOP, UNTRIGGERED, contracts=contracts, order_id=order_id)
    return replace(usual, **changes)


LONG, SHORT = position(10), position(-10)
BUY_STOP = stop_order(side=Side.BUY)

NO_COVER: dict[str, dict[str, Any]] = {
    "on the side that adds": {"side": Side.BUY},
    "not reduce-only": {"reduce_only": False},
    "fired, and in the book": {"state": OPEN},
    "fired": {"state": FIRED},
    "cancelled": {"state": OrderState.CANCELLED},
    "rejected": {"state": OrderState.REJECTED},
    "waiting for another order": {"is_secondary_oto": True},
    "a take-profit trigger": {"order_type": OrderType.TAKE_MARKET},
    "a take-profit limit trigger": {"order_type": OrderType.TAKE_LIMIT},
    "a plain limit": {"order_type": OrderType.LIMIT},
    "of another instrument": {"instrument_name": ETH.name},
    "of no size left": {"filled_contracts": 10},
}
COVER: dict[str, dict[str, Any]] = {
    "a stop": {},
    "a stop limit": {"order_type": OrderType.STOP_LIMIT},
    "a trailing stop": {"order_type": OrderType.TRAILING_STOP},
    "somebody else's": {"label": "", "human": True},
    "of a closed trade": {"label": label_of(Role.STOP, trade_id="gone")},
}


@pytest.mark.parametrize("kind", NO_COVER)
def test_what_is_no_protection(kind: str) -> None:
    """A position under such an order is naked."""
    naked = (Shortfall(instrument_name=BTC.name, position=10, cover=0),)
    assert shortfalls([LONG], [stop_order(**NO_COVER[kind])]) == naked


@pytest.mark.parametrize("kind", COVER)
def test_what_protects(kind: str) -> None:
    """Any stop that rests, reduces and closes, whoever placed it."""
    assert shortfalls([LONG], [stop_order(**COVER[kind])]) == ()


def test_a_short_is_protected_from_above() -> None:
    """And not by a long's stop."""
    assert shortfalls([SHORT], [BUY_STOP]) == ()
    found = shortfalls([SHORT], [stop_order()])
    assert found == (Shortfall(instrument_name=BTC.name, position=-10, cover=0),)


def test_a_flat_account_needs_no_stop_and_has_no_cover() -> None:
    """Nothing protects nothing."""
    assert shortfalls([position(0)], []) == ()
    assert not protects(stop_order(), 0)


def test_stops_add_up() -> None:
    """Two halves are a whole; what is filled counts no more."""
    halves = [stop_order(5), stop_order(8, "s2", filled_contracts=3)]
    assert cover_of(BTC.name, 10, halves) == 10
    assert shortfalls([LONG], halves) == ()
    assert shortfalls([position(11)], halves) == (
        Shortfall(instrument_name=BTC.name, position=11, cover=10),
    )


def test_every_naked_position_is_found() -> None:
    """Each instrument by itself: a stop elsewhere helps nobody."""
    eth = position(-3, ETH.name)
    on_eth = stop_order(3, side=Side.BUY, instrument_name=ETH.name)
    assert shortfalls([LONG, eth], [stop_order(), on_eth]) == ()
    assert [x.instrument_name for x in shortfalls([LONG, eth], [on_eth])] == [BTC.name]
    assert [x.instrument_name for x in shortfalls([LONG, eth], [])] == [BTC.name, ETH.name]


# -- the ledger ------------------------------------------------------------


def test_a_ledger_that_agrees_drifts_nowhere() -> None:
    """Zero on either side is the same as absent."""
    assert drifts([LONG], {BTC.name: 10, ETH.name: 0}) == ()
    assert drifts([], {}) == ()


def test_every_difference_is_found_signed() -> None:
    """Too little, too much, the other way round; by name."""
    found = drifts([position(-2, ETH.name), LONG], {BTC.name: 12, "X": 1, ETH.name: 2})
    assert found == (
        Drift(instrument_name=BTC.name, venue=10, ledger=12),
        Drift(instrument_name=ETH.name, venue=-2, ledger=2),
        Drift(instrument_name="X", venue=0, ledger=1),
    )
    assert [x.residual for x in found] == [-2, -4, -1]


@rule
@given(
    venue=st.dictionaries(st.sampled_from("abc"), st.integers(-5, 5)),
    ledger=st.dictionaries(st.sampled_from("abc"), st.integers(-5, 5)),
)
def test_ledger_and_residual_make_the_venue(venue: dict[str, int], ledger: dict[str, int]) -> None:
    """Whatever the two say, the drifts are exactly what lies between them."""
    found = drifts([position(y, x) for x, y in venue.items()], ledger)
    residual = {x.instrument_name: x.residual for x in found}
    for name in "abc":
        assert ledger.get(name, 0) + residual.get(name, 0) == venue.get(name, 0)
    assert all(residual.values())


# -- orphans ------------------------------------------------------------


def labelled(label: str, **changes: Any) -> Order:
    return stop_order(label=label, **changes)


@pytest.mark.parametrize("label", ["", "web", "bwx.t1.sl.1", "BW.t1.sl.1", " bw.t1.sl.1", "bw"])
def test_foreign_orders_are_never_orphans(label: str) -> None:
    """Not even those that look a little like ours."""
    assert orphans([labelled(label)], frozenset()) == ()


@pytest.mark.parametrize(
    "label", ["bw.t1.sl.1", "bw.t1.hedge.1", "bw.", "bw.t1.sl.0", "bw.T1.sl.1"]
)
def test_orders_of_ours_that_no_trade_claims_are_orphans(label: str) -> None:
    """Closed, unknown, or of no trade at all."""
    order = labelled(label)
    assert orphans([order], frozenset({"t2"})) == (order,)


def test_an_open_trades_orders_are_its_own() -> None:
    """Whatever their role and attempt."""
    mine = [labelled(str(Label("t1", role, 7))) for role in Role]
    assert orphans(mine, frozenset({"t1"})) == ()


@pytest.mark.parametrize("state", OrderState)
def test_only_what_can_still_trade_is_an_orphan(state: OrderState) -> None:
    """Resting or waiting; what is over does no harm."""
    order = labelled("bw.t1.sl.1", state=state)
    assert orphans([order], frozenset()) == ((order,) if state in {OPEN, UNTRIGGERED} else ())


# -- what may be removed ------------------------------------------------------------


def test_the_last_stop_of_a_position_stays() -> None:
    """Even if it is an orphan: better an order too many than a naked position."""
    assert not may_cancel(stop_order(), [stop_order()], [LONG])
    assert not may_cancel(stop_order(4), [stop_order(4), stop_order(6, "s2")], [LONG])
    assert not may_cancel(stop_order(4), [stop_order(4)], [LONG])


def test_a_stop_may_go_when_the_rest_covers() -> None:
    """Others count, foreign ones included; the order itself does not."""
    other = stop_order(10, "s2", label="", human=True)
    assert may_cancel(stop_order(), [stop_order(), other], [LONG])
    useless = replace(other, reduce_only=False)
    assert not may_cancel(stop_order(), [stop_order(), useless], [LONG])


def test_of_two_stops_only_one_may_go() -> None:
    """Each may go while the other stays: whoever removes one must look again."""
    both = [stop_order(), stop_order(10, "s2")]
    assert may_cancel(both[0], both, [LONG])
    assert not may_cancel(both[1], both[1:], [LONG])


@pytest.mark.parametrize("kind", sorted(set(NO_COVER) - {"of no size left"}))
def test_what_protects_nothing_may_always_go(kind: str) -> None:
    """It is no loss."""
    order = stop_order(**NO_COVER[kind])
    assert may_cancel(order, [order], [LONG])


def test_without_a_position_everything_may_go() -> None:
    """Flat, or open elsewhere, or on the other side."""
    for positions in ([], [position(0)], [SHORT], [position(10, ETH.name)]):
        assert may_cancel(stop_order(), [stop_order()], positions)


@rule
@given(
    held=st.integers(-20, 20),
    sizes=st.lists(st.tuples(st.integers(1, 20), st.sampled_from(Side)), max_size=5),
)
def test_removing_one_after_another_never_uncovers(
    held: int, sizes: list[tuple[int, Side]]
) -> None:
    """Whatever is removed by this rule, what was covered stays covered."""
    orders = [stop_order(x, f"s{i}", side=y) for i, (x, y) in enumerate(sizes)]
    was_covered = not shortfalls([position(held)], orders)
    for order in list(orders):
        if may_cancel(order, orders, [position(held)]):
            orders.remove(order)
    assert not was_covered or not shortfalls([position(held)], orders)


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
