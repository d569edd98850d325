"""Judging the account from venue data alone: protection, ledger, orphans."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.labels import Label, Role
from domain.orders import Order, OrderState, OrderType, Side
from domain.watch import (
    Drift,
    Shortfall,
    cover_of,
    drifts,
    may_cancel,
    orphans,
    protects,
    shortfalls,
)
from tests.domain.builders import label_of, position, stop_order
from tests.domain.catalogue import BTC, ETH
from tests.domain.strategies import rule

NOTHING = Decimal(0)
OPEN, UNTRIGGERED, FIRED = OrderState.OPEN, OrderState.UNTRIGGERED, OrderState.TRIGGERED


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


def test_what_would_take_the_last_stop_along_is_not_cancelled_either() -> None:
    """The venue ends both of a pair."""
    stop = stop_order(oco_ref="pair")
    target = stop_order(10, "t1", oco_ref="pair", order_type=OrderType.LIMIT)
    assert not may_cancel(target, [stop, target], [LONG])
    assert may_cancel(target, [stop, target, stop_order(10, "s2")], [LONG])
    assert may_cancel(target, [stop, target], [])


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
