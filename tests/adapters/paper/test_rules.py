"""Whatever is ordered and however prices move: what must always hold."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.paper import jsontext
from adapters.paper.catalogue import CURRENCIES, INSTRUMENTS
from adapters.paper.exchange import Exchange
from adapters.paper.market import BookShape
from domain.exact import exact
from domain.orders import OrderState
from tests.adapters.paper.flow import THIN, Steps, perform, replay, run, steps, take
from tests.adapters.paper.harness import BALANCES, INVERSE, Bench

PICO = Decimal("1E-12")
# Poor enough to be liquidated now and then.
POOR = {"BTC": Decimal("0.02"), "ETH": Decimal(1), "USDC": Decimal(2_000)}


def _sign(direction: str) -> int:
    return 1 if direction == "buy" else -1


def _all_trades(bench: Bench, name: str) -> list[Any]:
    return [
        trade for trade in bench.exchange._engine.ledger.trades if trade.instrument_name == name
    ]


def _check_fills(bench: Bench, name: str) -> None:
    """Fills add up to the position, and no reduce-only fill opened, grew or flipped one."""
    held = 0
    for trade in _all_trades(bench, name):
        after = held + trade.side.sign * trade.contracts
        if trade.reduce_only:
            assert abs(after) < abs(held)
            assert after * held >= 0
        held = after
    assert bench.exchange._engine.account.contracts(name) == held


def _check_orders(bench: Bench) -> None:
    """Nothing is filled or shown beyond its amount, and what has ended does not rest."""
    ledger = bench.exchange._engine.ledger
    for order in [*ledger.live.values(), *ledger.closed.values()]:
        assert 0 <= order.filled <= order.contracts
        assert order.fills.contracts == order.side.sign * order.filled
        assert order.state.is_live is (order.order_id in ledger.live)
        if order.state is OrderState.OPEN:
            assert 0 < order.shown <= order.remaining
            assert order.display is None or order.shown <= order.display
        if order.state is OrderState.FILLED:
            assert order.remaining == 0
            assert not order.oco_ref or ledger.partners(order) == []


def _check_children(bench: Bench) -> None:
    """A child waits only for what may still fill."""
    ledger = bench.exchange._engine.ledger
    for child in ledger.children.values():
        primary = ledger.known(child.primary_order_id)
        assert primary is not None
        assert primary.state.is_live
        assert child.contracts > 0


def _check_resting(bench: Bench, name: str) -> None:
    """Resting reduce-only orders never add up to more than the position they reduce."""
    size = bench.position(name)["size"]
    bound = [
        order
        for order in bench.call("get_open_orders_by_instrument", instrument_name=name)
        if order["reduce_only"] and order["order_state"] == "open"
    ]
    assert all(_sign(order["direction"]) * size < 0 for order in bound)
    assert sum(order["amount"] - order["filled_amount"] for order in bound) <= abs(size)


def _worth(trade: Any, mark: Decimal) -> Decimal:
    """What one fill is worth at the mark, worked out without any position at all."""
    amount = trade.side.sign * trade.instrument.amount(trade.contracts)
    if trade.instrument.is_inverse:
        return amount / trade.price - amount / mark
    return amount * (mark - trade.price)


@exact
def _check_money(bench: Bench, currency: str, start: Decimal) -> None:
    """Cash, PnL, fees and funding add up, and the log tells all of it."""
    engine = bench.exchange._engine
    names = [name for name, each in INSTRUMENTS.items() if each.settlement_currency == currency]
    rows = [row for row in engine.ledger.logs if row.currency == currency]
    cash = engine.account.balances[currency]
    assert abs(sum(row.change for row in rows) - cash) < PICO
    for earlier, later in pairwise(rows):
        assert abs(earlier.balance + later.change - later.balance) < PICO
    trades = [trade for name in names for trade in _all_trades(bench, name)]
    marks = {name: engine.markets[name].mark for name in names}
    worth = sum((_worth(each, marks[each.instrument_name]) for each in trades), Decimal(0))
    fees = sum((trade.fee for trade in trades), Decimal(0))
    stakes = [engine.account.stakes[name] for name in names]
    running = sum((stake.funding for stake in stakes), Decimal(0))
    funding = sum((row.total_interest_pl or 0 for row in rows), running)
    covered = sum((row.change for row in rows if row.kind == "correction"), Decimal(0))
    expected = start + worth - fees + funding + covered
    floating = sum(
        (_unrealised(engine.account.stakes[name].session, name, marks[name]) for name in names),
        Decimal(0),
    )
    realised = sum((stake.realised for stake in stakes), Decimal(0))
    assert abs(cash + realised + running + floating - expected) < PICO
    shown = bench.account(currency)
    assert abs(shown["equity"] - expected) < 2 * PICO


def _unrealised(held: Any, name: str, mark: Decimal) -> Decimal:
    """What a position gained since its cost, by the definition of each family."""
    sign = 1 if held.contracts > 0 else -1
    is_inverse = INSTRUMENTS[name].is_inverse
    amount = INSTRUMENTS[name].amount(abs(held.contracts))
    return sign * (held.cost - amount / mark if is_inverse else amount * mark - held.cost)


def _check(bench: Bench) -> None:
    for name in INSTRUMENTS:
        _check_resting(bench, name)
    _check_orders(bench)
    _check_children(bench)


def _check_all(bench: Bench, balances: dict[str, Decimal]) -> None:
    for name in INSTRUMENTS:
        _check_fills(bench, name)
    for currency in CURRENCIES:
        _check_money(bench, currency, balances[currency])


def _conserves(flow: Steps, seed: int, balances: dict[str, Decimal]) -> None:
    bench = Bench(seed=seed, shape=THIN, balances=balances)
    for step in flow:
        take(bench, step)
        _check(bench)
    _check_all(bench, balances)


@settings(max_examples=60)
@given(steps, st.integers(0, 5), st.sampled_from([BALANCES, POOR]))
def test_money_contracts_and_reduce_only_are_conserved(
    flow: Steps, seed: int, balances: dict[str, Decimal]
) -> None:
    """After every step orders agree with the position; at the end all money is accounted for."""
    _conserves(flow, seed, balances)


@pytest.mark.slow
def test_they_are_conserved_over_thousands_of_flows() -> None:
    """The same, for some minutes."""

    @settings(max_examples=4_000, suppress_health_check=list(HealthCheck))
    @given(steps, st.integers(0, 50), st.sampled_from([BALANCES, POOR]))
    def holds(flow: Steps, seed: int, balances: dict[str, Decimal]) -> None:
        _conserves(flow, seed, balances)

    holds()


def _market(name: str, amount: Decimal) -> dict[str, Any]:
    return {"instrument_name": name, "amount": amount, "type": "market"}


def test_a_poor_account_is_liquidated_and_its_money_still_adds_up() -> None:
    """What random flows reach now and then: slices, the dearer fee, and who pays below zero."""
    bench = Bench(shape=THIN, balances=POOR)
    names = ("BTC-PERPETUAL", "ETH-PERPETUAL", "BTC_USDC-PERPETUAL", "ETH_USDC-PERPETUAL")
    sizes = (Decimal(1_000), Decimal(500), Decimal("0.01"), Decimal("0.2"))
    for name, amount in zip(names, sizes, strict=True):
        for _ in range(60):
            bench.move(ms=50)
            perform(bench, {"method": "buy", "params": _market(name, amount)})
    bench.move(70_000, eth="2200", ms=1000)
    for _ in range(40):
        bench.move(ms=1000)
        _check(bench)
    ledger = bench.exchange._engine.ledger
    liquidated = {trade.instrument_name for trade in ledger.trades if trade.is_liquidation}
    assert liquidated >= {"BTC-PERPETUAL", "ETH-PERPETUAL"}
    assert {row.currency for row in ledger.logs if row.kind == "correction"}
    _check_all(bench, POOR)


def test_the_rules_hold_where_reports_differ() -> None:
    """The same with growing children, pairs that outlive a trigger, and ids that stay."""
    other: dict[str, Any] = {
        "incremental_children": "one",
        "oco_closes_on": "fill",
        "oco_cancel": "leaves_other",
        "fired_id": "same",
        "passed_trigger": "fire",
        "child_delay_ms": 300,
        "cut_is_told": False,
    }

    @settings(max_examples=40, deadline=None)
    @given(steps)
    def holds(flow: Steps) -> None:
        bench = Bench(shape=THIN, **other)
        for step in flow:
            take(bench, step)
            _check_orders(bench)
            for name in INSTRUMENTS:
                _check_resting(bench, name)
        _check_all(bench, BALANCES)

    holds()


CHANNELS = ["user.changes.any.any.raw", f"book.{INVERSE}.100ms", "user.portfolio.any"]


@settings(max_examples=20, deadline=None)
@given(steps)
def test_a_recording_played_again_gives_the_same_bytes(flow: Steps) -> None:
    """Replies, frames and the saved account, from requests and prices read back as text."""
    first, second = Bench(shape=THIN), Bench(shape=THIN)
    for bench in (first, second):
        bench.subscribe(*CHANNELS)
    recording: list[str] = []
    heard = run(first, flow, recording)
    assert replay(second, recording) == heard
    assert jsontext.encode(first.exchange.snapshot()) == jsontext.encode(second.exchange.snapshot())


@settings(max_examples=20, deadline=None)
@given(steps, steps)
def test_a_restored_exchange_goes_on_as_if_it_had_never_stopped(
    before: Steps, after: Steps
) -> None:
    """Saved as JSON and read back, it answers everything as the original does."""
    original, restored = Bench(shape=THIN), Bench(shape=THIN)
    run(original, before)
    text = jsontext.encode(original.exchange.snapshot())
    restored.exchange = Exchange.restore(
        jsontext.decode(text), seed=original.seed, **original.settings
    )
    assert jsontext.encode(restored.exchange.snapshot()) == text
    restored.now_ms = original.now_ms
    restored.session, original.session = restored.logged_in(), original.logged_in()
    assert run(original, after) == run(restored, after)


def test_a_restored_book_stands_where_the_market_stood_and_stays_eaten() -> None:
    """Before any new tick: around the kept price, less what takers had had of it."""
    original = Bench(shape=THIN)
    original.move(61_000)
    original.buy(3_000)
    shown = original.call("public/get_order_book", instrument_name=INVERSE, depth=100)
    restored = Bench(shape=THIN)
    restored.exchange = Exchange.restore(
        original.exchange.snapshot(), seed=original.seed, **original.settings
    )
    restored.now_ms = original.now_ms
    restored.session = restored.logged_in()
    again = restored.call("public/get_order_book", instrument_name=INVERSE, depth=100)
    assert (again["bids"], again["asks"]) == (shown["bids"], shown["asks"])
    assert abs(again["asks"][0][0] - 61_000) < 200


def test_another_seed_gives_another_market() -> None:
    """The book differs, the rules do not."""
    books = [
        Bench(seed=seed, shape=BookShape()).call("public/get_order_book", instrument_name=INVERSE)
        for seed in (1, 2)
    ]
    assert books[0]["bids"] != books[1]["bids"]


def test_ids_rise_and_the_log_is_in_order() -> None:
    """Order ids, trade ids and lines of the log only ever grow."""
    bench = Bench()
    for _ in range(5):
        bench.buy(10)
    ledger = bench.exchange._engine.ledger
    trades = [int(trade.trade_id) for trade in ledger.trades]
    rows = [row.row_id for row in ledger.logs]
    for numbers in (trades, rows):
        assert all(earlier < later for earlier, later in pairwise(numbers))


def test_the_oldest_closed_orders_are_forgotten() -> None:
    """A thousand are kept, so that an account stays small however long it lives."""
    bench = Bench()
    first = bench.buy(10, price=90_000)["order"]["order_id"]
    bench.call("cancel", order_id=first)
    for _ in range(1000):
        bench.buy(10)
    assert bench.refused("get_order_state", order_id=first).code == 10004
