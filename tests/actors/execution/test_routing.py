"""The way home for fills, live."""

from dataclasses import replace

import pytest
import structlog

from actors import routing
from actors.messages.venue import ChangesReport
from actors.routing import ReportRouter
from domain.labels import Label, Role
from domain.orders import Fill, OrderState, Side
from domain.story import Story
from domain.watch import Drift
from tests.domain import builders
from tests.domain.builders import START, TRADE_ID, a_trade, label_of, report, told
from tests.domain.catalogue import BTC

ENTRY = label_of(Role.ENTRY)


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


def test_what_is_remembered_of_orders_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """News of a trade that is over, of a kill's orders and of strangers' would grow for years; an
    order that was reported a moment ago is not the oldest, however long it has been there."""
    monkeypatch.setattr(routing, "ORDERS_KEPT", 20)
    home, trades = router(), {TRADE_ID: a_trade()}
    parent = report(Role.STOP, OrderState.TRIGGERED)
    for number in range(100):
        home.of_order(parent)
        label = str(Label(f"flat-{number}", Role.CLOSE, 1)) if number % 2 else ""
        late = replace(parent, order_id=f"o{number}", label=label, trigger_order_id=f"p{number}")
        home.of_order(late)
    assert (len(home._labels), len(home._parents)) == (20, 20)
    child = replace(builders.child(OrderState.FILLED), label="", trigger_order_id=parent.order_id)
    assert [x for x, _ in home.route(changes(orders=(child,)), trades)] == [TRADE_ID]


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


def test_what_a_leftover_fills_takes_back_what_is_nobodys_first() -> None:
    """An order of a trade that is over is no order of the trade beside it."""
    home, held = router(), builders.filled(builders.record(builders.entry()))
    left = told(2, Side.SELL, 4, label_of(Role.TARGET, trade_id="old"))
    home.adopt([Drift(instrument_name=BTC.name, venue=13, ledger=10)])
    (share,) = home.of_fill(left, {TRADE_ID: held})
    assert (share.fill.contracts, share.is_foreign) == (1, True)
    assert home.foreign == ()


def test_news_of_what_the_story_has_told_is_none() -> None:
    """The story knew more: shared out live, the fill would count beside what it made of it."""
    home, held = router(), builders.filled(builders.record(builders.entry()))
    one = told(2, Side.SELL, 4)
    home.heard(Story(told=frozenset({"f2"}), foreign=frozenset({"f2"})))
    assert list(home.of_fill(one, {TRADE_ID: held})) == []
    assert home.foreign == ()
