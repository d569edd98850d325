"""Rules every attribution obeys, whatever the fill."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from domain.attribution import Allocation, ClosedBy, OpenTrade, attribute
from domain.labels import Label, Role
from domain.orders import Fill, Side
from tests.domain.catalogue import BTC, ETH, fill
from tests.domain.strategies import rule, sides

_ids = st.sampled_from("abcd")
_orders = st.sampled_from("uvwxyz")
_labels = st.builds(
    Label, trade_id=_ids, role=st.sampled_from(Role), attempt=st.integers(min_value=1, max_value=3)
)
_trades = st.lists(
    st.builds(
        OpenTrade,
        trade_id=_ids,
        instrument_name=st.sampled_from([BTC.name, ETH.name]),
        side=sides,
        remaining=st.integers(min_value=0, max_value=50),
    ),
    max_size=4,
    unique_by=lambda trade: trade.trade_id,
)
_fills = st.builds(
    fill,
    sides,
    st.integers(min_value=1, max_value=120),
    label=st.sampled_from(["", "web", "bw.odd"]) | _labels.map(str),
    order_id=_orders,
    is_liquidation=st.booleans(),
)
_known = st.dictionaries(_orders, _labels, max_size=3)
_parents = st.dictionaries(_orders, _orders, max_size=5)
_external = st.integers(min_value=-60, max_value=60)
_situations = st.tuples(_fills, _known, _parents, _trades, _external)
Situation = tuple[Fill, Mapping[str, Label], Mapping[str, str], Sequence[OpenTrade], int]


def parts_of(situation: Situation) -> tuple[Allocation, ...]:
    """The parts of the fill in this situation."""
    one, known, parents, trades, external = situation
    return attribute(one, known, parents, trades, external=external)


def is_entry(part: Allocation) -> bool:
    """Whether the part adds to its trade rather than closing it."""
    return part.role is Role.ENTRY


@rule
@given(situation=_situations)
def test_no_contract_is_lost_or_invented(situation: Situation) -> None:
    """The parts of a fill add up to it, and none is empty."""
    parts = parts_of(situation)
    assert sum(part.contracts for part in parts) == situation[0].contracts
    assert all(part.contracts > 0 for part in parts)


@rule
@given(situation=_situations)
def test_the_ledger_follows_the_venue(situation: Situation) -> None:
    """Trades plus EXTERNAL move by exactly the signed fill."""
    one, _, _, trades, external = situation
    sign = one.side.sign
    here = {t.trade_id: t.side.sign * t.remaining for t in trades if t.instrument_name == BTC.name}
    before = sum(here.values()) + external
    for part in parts_of(situation):
        if part.trade_id is None:
            external += sign * part.contracts
        else:
            here[part.trade_id] = here.get(part.trade_id, 0) + sign * part.contracts
    assert sum(here.values()) + external == before + sign * one.contracts


@rule
@given(situation=_situations)
def test_no_trade_gives_more_than_it_holds(situation: Situation) -> None:
    """Closing parts go to open trades of the instrument, against their side, each once."""
    one, _, _, trades, _ = situation
    open_here = {t.trade_id: t for t in trades if t.instrument_name == one.instrument_name}
    closing = [part for part in parts_of(situation) if part.trade_id and not is_entry(part)]
    assert len({part.trade_id for part in closing}) == len(closing)
    for part in closing:
        assert part.trade_id is not None
        trade = open_here[part.trade_id]
        assert trade.side is one.side.opposite
        assert part.contracts <= trade.remaining


@rule
@given(situation=_situations)
def test_external_and_only_external_has_no_trade(situation: Situation) -> None:
    """A part has no trade exactly when it is EXTERNAL, and EXTERNAL comes last and once."""
    parts = parts_of(situation)
    flags = [part.trade_id is None for part in parts]
    assert flags == [part.closed_by is ClosedBy.EXTERNAL for part in parts]
    assert not any(flags[:-1])


@rule
@given(situation=_situations)
def test_the_same_fill_is_split_the_same_way(situation: Situation) -> None:
    """When a fill happened and under which number does not change whose it is."""
    one, known, parents, trades, external = situation
    later = replace(one, trade_id="t2", trade_seq=2, timestamp_ms=1)
    assert parts_of((later, known, parents, trades, external)) == parts_of(situation)


@rule
@given(side=sides, sizes=st.lists(st.integers(1, 10**6), min_size=1, max_size=6), data=st.data())
def test_liquidation_shares_are_within_a_contract_of_exact(
    side: Side, sizes: Sequence[int], data: st.DataObject
) -> None:
    """No trade gives a whole contract more or less than its exact proportion."""
    total = data.draw(st.integers(1, sum(sizes)))
    trades = [OpenTrade(str(n), BTC.name, side, size) for n, size in enumerate(sizes)]
    parts = attribute(fill(side.opposite, total, is_liquidation=True), {}, {}, trades)
    given_up = {part.trade_id: part.contracts for part in parts}
    for trade in trades:
        difference = given_up.get(trade.trade_id, 0) * sum(sizes) - total * trade.remaining
        assert abs(difference) < sum(sizes)
