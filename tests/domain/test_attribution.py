"""Whose fill is it: the rules one by one."""

from collections.abc import Mapping, Sequence

import pytest

from domain.attribution import Allocation, ClosedBy, OpenTrade, attribute
from domain.labels import Label, Role
from domain.orders import Fill, Side
from tests.domain.catalogue import BTC, ETH, fill

BUY, SELL = Side.BUY, Side.SELL


def long(trade_id: str, remaining: int, instrument_name: str = BTC.name) -> OpenTrade:
    """An open long trade."""
    return OpenTrade(trade_id, instrument_name, BUY, remaining)


def short(trade_id: str, remaining: int) -> OpenTrade:
    """An open short trade."""
    return OpenTrade(trade_id, BTC.name, SELL, remaining)


def by_order(trade_id: str, contracts: int, role: Role | None) -> Allocation:
    """A part claimed by an order of ours."""
    return Allocation(trade_id, contracts, role, ClosedBy.ORDER)


def by_hand(trade_id: str, contracts: int) -> Allocation:
    """A part closed by somebody else's order."""
    return Allocation(trade_id, contracts, None, ClosedBy.MANUAL)


def liquidated(trade_id: str, contracts: int) -> Allocation:
    """A part closed by the venue."""
    return Allocation(trade_id, contracts, None, ClosedBy.LIQUIDATION)


def external(contracts: int) -> Allocation:
    """A part no trade owns."""
    return Allocation(None, contracts, None, ClosedBy.EXTERNAL)


def split(
    one: Fill,
    trades: Sequence[OpenTrade] = (),
    orders: Mapping[str, Label] | None = None,
    parents: Mapping[str, str] | None = None,
    *,
    external_before: int = 0,
) -> list[Allocation]:
    """The parts of a fill, with nothing known unless said."""
    return list(attribute(one, orders or {}, parents or {}, trades, external=external_before))


def test_a_known_order_id_outranks_the_label() -> None:
    """Rule 1: what we recorded for an order id decides, whatever the fill is labelled."""
    one = fill(SELL, 40, order_id="77", label="bw.other.tp.1")
    orders = {"77": Label("a", Role.STOP, 2)}
    assert split(one, [long("other", 90), long("a", 100)], orders) == [by_order("a", 40, Role.STOP)]


def test_an_entry_adds_to_its_trade() -> None:
    """Rule 1: the fills of an entry belong to the trade, also before it holds anything."""
    one = fill(BUY, 40, order_id="77")
    orders = {"77": Label("a", Role.ENTRY, 1)}
    assert split(one, [long("a", 0)], orders) == [by_order("a", 40, Role.ENTRY)]


@pytest.mark.parametrize("role", [Role.STOP, Role.TARGET, Role.CLOSE, Role.EMERGENCY])
def test_a_label_of_ours_claims_an_unknown_order(role: Role) -> None:
    """Rule 2: an order we never got an id for comes home by its label, with its role."""
    one = fill(SELL, 100, label=f"bw.a.{role}.3")
    assert split(one, [long("b", 50), long("a", 100)]) == [by_order("a", 100, role)]


def test_an_entry_needs_an_open_trade() -> None:
    """Rule 2: an entry of an open trade is adopted; of any other it must not pass for known."""
    one = fill(BUY, 10, label="bw.a.entry.1")
    known_by_order = {"unheard-of": Label("a", Role.ENTRY, 2)}
    assert split(one, [long("a", 0)]) == [by_order("a", 10, Role.ENTRY)]
    assert split(one, [], known_by_order) == [external(10)]
    assert split(one, [long("b", 5)]) == [external(10)]


def test_a_fired_trigger_inherits_from_the_order_it_came_from() -> None:
    """Rule 3: an order without label is traced through its parents to one we know."""
    one = fill(SELL, 100, order_id="new")
    orders = {"trigger": Label("a", Role.STOP, 1)}
    parents = {"new": "between", "between": "trigger"}
    assert split(one, [long("a", 100)], orders, parents) == [by_order("a", 100, Role.STOP)]


def test_a_child_of_the_entry_that_closes_is_some_exit() -> None:
    """Rule 3: a linked exit known only by its primary closes the trade, its role unknown."""
    one = fill(SELL, 100, order_id="child")
    orders = {"primary": Label("a", Role.ENTRY, 1)}
    parents = {"child": "primary"}
    assert split(one, [long("a", 100)], orders, parents) == [by_order("a", 100, None)]


def test_a_child_of_the_entry_that_adds_is_the_entry() -> None:
    """Rule 3: the order a triggered entry turned into is the entry."""
    one = fill(BUY, 100, order_id="child")
    orders = {"trigger": Label("a", Role.ENTRY, 1)}
    parents = {"child": "trigger"}
    assert split(one, [long("a", 0)], orders, parents) == [by_order("a", 100, Role.ENTRY)]


def test_siblings_that_name_each_other_end_the_search() -> None:
    """Rule 3: a ring of parents without a known order is nobody of ours."""
    one = fill(SELL, 10, order_id="x")
    assert split(one, [long("a", 10)], {}, {"x": "y", "y": "x"}) == [by_hand("a", 10)]


@pytest.mark.parametrize(
    ("size", "shares"),
    [(10, [7, 3]), (1, [1]), (5, [3, 2]), (99, [66, 33]), (100, [67, 33]), (150, [100, 50])],
)
def test_a_liquidation_is_shared_by_size(size: int, shares: list[int]) -> None:
    """Rule 4: whole contracts pro rata, the largest remainders first."""
    one = fill(SELL, size, is_liquidation=True)
    parts = split(one, [long("a", 100), long("b", 50), long("other market", 9, ETH.name)])
    assert parts == [liquidated(trade, n) for trade, n in zip("ab", shares, strict=False)]


def test_a_liquidation_larger_than_the_trades_is_external() -> None:
    """Rule 4: what no trade held was EXTERNAL; a trade on the other side takes no part."""
    one = fill(BUY, 30, is_liquidation=True)
    assert split(one, [short("a", 20), long("b", 5)]) == [liquidated("a", 20), external(10)]
    assert split(one, []) == [external(30)]


def test_a_liquidation_takes_its_share_of_what_is_external() -> None:
    """Rule 4: contracts nobody owns are liquidated in the same proportion."""
    one = fill(SELL, 30, is_liquidation=True)
    parts = split(one, [long("a", 20)], external_before=40)
    assert parts == [liquidated("a", 10), external(20)]


@pytest.mark.parametrize("label", ["", "my own order", "bw.odd", "bw.gone.entry.1"])
def test_a_foreign_fill_reduces_the_oldest_trade_first(label: str) -> None:
    """Rule 5: a hand that reduces closes trades in order of age."""
    one = fill(SELL, 70, label=label)
    parts = split(one, [long("old", 50), long("young", 50)])
    assert parts == [by_hand("old", 50), by_hand("young", 20)]


def test_a_foreign_fill_that_increases_is_external() -> None:
    """Rule 5: more of the same side is never attached to a trade."""
    assert split(fill(BUY, 70), [long("a", 50)]) == [external(70)]
    assert split(fill(BUY, 70)) == [external(70)]


def test_a_foreign_fill_that_flips_is_external_beyond_flat() -> None:
    """Rule 5: the part that reduces closes trades, the part through flat is EXTERNAL."""
    assert split(fill(SELL, 70), [long("a", 50)]) == [by_hand("a", 50), external(20)]


def test_a_foreign_hand_takes_back_its_own_first() -> None:
    """Rule 5: what was opened by hand and is closed by hand leaves our trade protected."""
    trades = [long("a", 50)]
    assert split(fill(SELL, 30), trades, external_before=30) == [external(30)]
    assert split(fill(SELL, 70), trades, external_before=30) == [by_hand("a", 40), external(30)]


def test_a_foreign_fill_that_adds_to_an_opposite_net_is_external() -> None:
    """Rule 5: with the net position already against the trade, selling more closes nothing."""
    assert split(fill(SELL, 5), [long("a", 5)], external_before=-8) == [external(5)]


def test_an_over_close_spills_to_the_next_trade_then_external() -> None:
    """Rule 6: own trade first, then trades on its side by age, then EXTERNAL."""
    one = fill(SELL, 100, label="bw.b.sl.1")
    trades = [long("a", 30), long("b", 40), long("c", 10), long("done", 0)]
    assert split(one, trades) == [
        by_order("b", 40, Role.STOP),
        by_order("a", 30, Role.STOP),
        by_order("c", 10, Role.STOP),
        external(20),
    ]


def test_an_orphan_of_a_closed_trade_acts_as_a_hand_does() -> None:
    """Rule 5: the stop of a trade that is gone closes what is nobody's, then what is open."""
    one = fill(SELL, 10, label="bw.gone.sl.1")
    assert split(one, [long("a", 30)]) == [by_hand("a", 10)]
    assert split(one, [long("a", 30)], external_before=7) == [by_hand("a", 3), external(7)]
    known = {"unheard-of": Label("gone", Role.STOP, 1)}
    assert split(one, [long("a", 30)], known) == [by_hand("a", 10)]
    assert split(one, []) == [external(10)]


def test_flattening_closes_what_is_nobodys_before_trades() -> None:
    """The orders of a kill belong to no trade: of what they closed in part ours stays open."""
    one = fill(SELL, 40, label="bw.flat-x.close.1")
    parts = split(one, [long("a", 30)], external_before=20)
    assert parts == [by_hand("a", 20), external(20)]


def test_an_exit_on_the_wrong_side_closes_nothing() -> None:
    """Rule 6: an exit that would add to its own trade is EXTERNAL, never an addition."""
    one = fill(BUY, 10, label="bw.a.sl.1")
    assert split(one, [long("a", 30)]) == [external(10)]
