"""The way home for fills: live, and from the whole story when reports were missed."""

from dataclasses import replace
from decimal import Decimal

import structlog
from hypothesis import given
from hypothesis import strategies as st

from actors import routing
from actors.messages.venue import ChangesReport
from actors.routing import ReportRouter, Share, shared_out_again
from domain.labels import Role
from domain.orders import Fill, OrderState, Side
from domain.trade import NETTED_BY, Trade
from domain.watch import Drift
from tests.domain import builders
from tests.domain.builders import START, TRADE_ID, label_of, plan, report
from tests.domain.catalogue import BTC, fill


def told(number: int, side: Side, contracts: int, label: str = "", **changes: object) -> Fill:
    """The fill with this number in the venue's order of time."""
    named = replace(
        fill(side, contracts, label=label, order_id=f"o{number}"),
        trade_id=f"f{number}",
        trade_seq=number,
        timestamp_ms=number,
        fee=Decimal(contracts),
        profit_loss=Decimal(-contracts),
    )
    return replace(named, **changes)


def a_trade(trade_id: str = TRADE_ID, side: Side = Side.BUY) -> Trade:
    return Trade(plan=plan(trade_id=trade_id, side=side))


def amounts(shares: tuple[Share, ...]) -> list[tuple[str, int]]:
    return [(share.trade_id, share.fill.contracts) for share in shares]


ENTRY = label_of(Role.ENTRY)


def test_a_foreign_sale_after_our_entry_closes_the_trade() -> None:
    """Long ten by us, ten sold by hand: the position is flat, and the trade is told why."""
    fills = [told(1, Side.BUY, 10, ENTRY), told(2, Side.SELL, 10)]
    shares = shared_out_again(fills, [a_trade()], position=0)
    assert amounts(shares) == [(TRADE_ID, 10)]
    assert shares[0].is_foreign


def test_what_was_there_before_is_taken_back_first() -> None:
    """Five foreign contracts were there already: selling five by hand is not ours."""
    fills = [told(1, Side.BUY, 10, ENTRY), told(2, Side.SELL, 5)]
    assert shared_out_again(fills, [a_trade()], position=10) == ()


def test_a_fill_larger_than_both_is_split_and_its_money_with_it() -> None:
    """Fee and PnL of a fill are shared in proportion."""
    fills = [told(1, Side.BUY, 10, ENTRY), told(2, Side.SELL, 14)]
    (share,) = shared_out_again(fills, [a_trade()], position=0)
    assert share.fill.contracts == 10
    assert share.fill.fee == Decimal(10)
    assert share.fill.profit_loss == Decimal(-10)


def test_the_exit_of_a_closed_trade_is_not_taken_for_somebody_elses() -> None:
    """The window begins in the middle of a trade that is over: its end is its own."""
    fills = [
        told(1, Side.SELL, 7, label_of(Role.STOP, trade_id="old")),
        told(2, Side.BUY, 10, ENTRY),
    ]
    assert shared_out_again(fills, [a_trade()], position=10) == ()


def test_closing_orders_of_a_kill_belong_to_the_trades() -> None:
    """The kill closes by labels of its own; the trade learns that it is flat."""
    label = label_of(Role.CLOSE, trade_id="flat-x")
    fills = [told(1, Side.BUY, 10, ENTRY), told(2, Side.SELL, 10, label)]
    assert amounts(shared_out_again(fills, [a_trade()], position=0)) == [(TRADE_ID, 10)]


def test_a_guard_that_fires_closes_what_it_guards() -> None:
    """Never a trade beside it, as long as there is something foreign to close."""
    label = label_of(Role.STOP, trade_id="ext-x")
    fills = [
        told(1, Side.BUY, 10, ENTRY),
        told(2, Side.BUY, 5),
        told(3, Side.SELL, 5, label),
    ]
    assert shared_out_again(fills, [a_trade()], position=10) == ()


AGAINST = [told(1, Side.SELL, 4), told(2, Side.BUY, 7, ENTRY), told(3, Side.BUY, 3, ENTRY)]


def test_what_fills_against_a_persons_position_is_gone_once_the_venue_is_flat() -> None:
    """Four were his: they end where the entry's first fill began. Before, nothing is told."""
    assert shared_out_again(AGAINST, [a_trade()], position=6) == ()
    closed = [*AGAINST, told(4, Side.SELL, 6, label_of(Role.TARGET))]
    (share,) = shared_out_again(closed, [a_trade()], position=0)
    gone = share.fill
    assert (gone.side, gone.contracts, gone.price) == (Side.SELL, 4, AGAINST[1].price)
    assert (gone.order_id, gone.fee, gone.profit_loss) == (NETTED_BY, 0, 0)


def test_what_the_venue_does_not_show_yet_is_not_taken_for_netted() -> None:
    """Long ten by us, and flat: somebody's fill before the story, or our exit that is late."""
    fills = [told(1, Side.BUY, 10, ENTRY)]
    assert shared_out_again(fills, [a_trade()], position=0) == ()
    assert amounts(shared_out_again(fills, [a_trade()], 0, is_whole=True)) == [(TRADE_ID, 10)]


@given(
    st.lists(st.tuples(st.sampled_from(list(Side)), st.integers(1, 9), st.booleans()), max_size=12),
    st.integers(-20, 20),
)
def test_no_contract_is_invented_or_lost(steps: list[tuple[Side, int, bool]], before: int) -> None:
    """The trade never holds less than nothing, and nobody gets more than was filled."""
    trade, bought = a_trade(), 0
    fills: list[Fill] = []
    for number, (side, contracts, is_ours) in enumerate(steps, 1):
        is_entry = is_ours and side is Side.BUY
        bought += contracts if is_entry else 0
        fills.append(told(number, side, contracts, ENTRY if is_entry else ""))
    position = before + sum(x.contracts * x.side.sign for x in fills)
    shares = shared_out_again(fills, [trade], position)
    taken = sum(share.fill.contracts for share in shares)
    assert 0 <= taken <= bought
    by_id = {x.trade_id: x for x in fills}
    for share in shares:
        original = by_id[share.fill.trade_id.removesuffix(f".{NETTED_BY}")]
        assert share.fill.contracts <= original.contracts
    netted = sum(x.fill.contracts for x in shares if x.fill.order_id == NETTED_BY)
    assert not netted or (position <= 0 and taken == bought)


def router() -> ReportRouter:
    return ReportRouter(structlog.get_logger())


def changes(*fills: Fill, orders: tuple[object, ...] = ()) -> ChangesReport:
    return ChangesReport(
        at=START,
        instrument_name=BTC.name,
        orders=orders,  # type: ignore[arg-type]
        fills=fills,
        positions=(),
    )


def test_a_fill_of_ours_goes_home_by_its_label_and_a_strangers_is_external() -> None:
    """What increases the position without our label belongs to nobody of us."""
    home, trades = router(), {TRADE_ID: a_trade()}
    routed = list(home.route(changes(told(1, Side.BUY, 10, ENTRY)), trades))
    assert [trade_id for trade_id, _ in routed] == [TRADE_ID]
    assert list(home.route(changes(told(2, Side.BUY, 3)), trades)) == []
    assert home.foreign == (BTC.name,)
    home.adopt([Drift(instrument_name=BTC.name, venue=0, ledger=0)])
    assert home.foreign == ()


def test_a_strangers_fill_that_is_told_twice_counts_once() -> None:
    """Replayed reports change nothing."""
    home = router()
    for _ in range(2):
        list(home.of_fill(told(2, Side.BUY, 3), {}))
    list(home.of_fill(told(3, Side.SELL, 3), {}))
    assert home.foreign == ()


def test_the_order_a_trigger_made_goes_home_by_its_parent() -> None:
    """A child without a label is known by the trigger it came from."""
    home, trades = router(), {TRADE_ID: a_trade()}
    parent = report(Role.STOP, OrderState.TRIGGERED)
    child = replace(builders.child(OrderState.FILLED), label="", trigger_order_id=parent.order_id)
    routed = list(home.route(changes(orders=(parent, child)), trades))
    assert [trade_id for trade_id, _ in routed] == [TRADE_ID, TRADE_ID]
    stranger = replace(child, order_id="x", trigger_order_id=None)
    assert list(home.route(changes(orders=(stranger,)), trades)) == []


def test_what_is_remembered_of_strangers_is_bounded() -> None:
    """Ten thousand fills, then the oldest is forgotten."""
    home = router()
    for number in range(routing.SEEN_KEPT + 5):
        list(home.of_fill(told(number, Side.BUY, 1), {}))
    assert len(home._seen) == routing.SEEN_KEPT


def test_a_trade_that_is_over_is_forgotten_with_its_orders() -> None:
    """Its fills, told once more, are nobody's news."""
    home, trade = router(), a_trade()
    list(home.route(changes(told(1, Side.BUY, 10, ENTRY)), {TRADE_ID: trade}))
    order = report(Role.ENTRY, OrderState.FILLED)
    home.of_order(order)
    booked = builders.filled(builders.record(builders.entry()), builders.fill(Role.ENTRY))
    home.forget(booked)
    again = builders.fill(Role.ENTRY)
    assert list(home.of_fill(again, {})) == []
    assert home.foreign == ()
