"""Whatever is ordered and however prices move: what must always hold."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.paper import jsontext
from adapters.paper.errors import VenueError
from adapters.paper.exchange import Exchange
from adapters.paper.market import BookShape
from tests.adapters.paper.harness import BALANCES, INVERSE, LINEAR, Bench

THIN = BookShape(levels=6, size_pct=2)
STEP = {INVERSE: Decimal(10), LINEAR: Decimal("0.0001")}
TINY = Decimal("1E-9")

_instruments = st.sampled_from([INVERSE, LINEAR])
_orders = st.fixed_dictionaries(
    {
        "side": st.sampled_from(["buy", "sell"]),
        "instrument": _instruments,
        "contracts": st.integers(1, 3000),
        "kind": st.sampled_from(["market", "limit", "stop_market", "take_limit", "trailing_stop"]),
        "away_bps": st.integers(-80, 80),
        "reduce_only": st.booleans(),
        "time_in_force": st.sampled_from([None, "immediate_or_cancel", "fill_or_kill"]),
    }
)
_moves = st.fixed_dictionaries({"bps": st.integers(-120, 120), "ms": st.integers(0, 5000)})
_closings = st.fixed_dictionaries({"close": _instruments})
_edits = st.fixed_dictionaries({"edit": st.integers(0, 9), "contracts": st.integers(1, 3000)})
_cancels = st.fixed_dictionaries({"cancel": st.integers(0, 9)})
_steps = st.lists(
    st.one_of(_orders, _orders, _moves, _moves, _closings, _edits, _cancels), max_size=40
)


def _terms(step: dict[str, Any], index: Decimal) -> dict[str, Any]:
    kind, name = step["kind"], step["instrument"]
    price = (index * (10_000 + step["away_bps"]) / 10_000).quantize(Decimal(1))
    terms: dict[str, Any] = {
        "instrument_name": name,
        "amount": step["contracts"] * STEP[name],
        "type": kind,
        "reduce_only": step["reduce_only"],
    }
    if kind in {"limit", "take_limit"}:
        terms["price"] = price
    if kind == "limit":
        terms["time_in_force"] = step["time_in_force"]
    if kind in {"stop_market", "take_limit"}:
        terms |= {"trigger": "mark_price", "trigger_price": price}
    if kind == "trailing_stop":
        terms |= {"trigger": "last_price", "trigger_offset": 1 + abs(step["away_bps"])}
    return terms


def _request(bench: Bench, step: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if "kind" in step:
        return step["side"], _terms(step, bench.exchange.index_prices()["btc_usd"])
    if "close" in step:
        return "close_position", {"instrument_name": step["close"], "type": "market"}
    live = [order["order_id"] for order in bench.call("get_open_orders")]
    order_id = live[step.get("edit", step.get("cancel", 0)) % len(live)] if live else "0"
    if "edit" in step:
        return "edit", {"order_id": order_id, "contracts": step["contracts"]}
    return "cancel", {"order_id": order_id}


def _take(bench: Bench, step: dict[str, Any]) -> Any:
    """One step; a refusal is an answer too."""
    if "bps" in step:
        index = bench.exchange.index_prices()["btc_usd"]
        bench.move(str(index * (10_000 + step["bps"]) / 10_000), ms=step["ms"])
        return None
    method, params = _request(bench, step)
    try:
        return bench.call(method, **params)
    except VenueError as error:
        return [error.code, error.message, error.data]


def _all_trades(bench: Bench, name: str) -> list[Any]:
    terms = {"instrument_name": name, "sorting": "asc", "count": 1000}
    return bench.call("get_user_trades_by_instrument", **terms)["trades"]


def _sign(direction: str) -> int:
    return 1 if direction == "buy" else -1


def _check_fills(bench: Bench, name: str) -> None:
    """Fills add up to the position, and no reduce-only fill opened or flipped one."""
    held = Decimal(0)
    for trade in _all_trades(bench, name):
        after = held + _sign(trade["direction"]) * trade["amount"]
        if trade["reduce_only"]:
            assert abs(after) < abs(held)
            assert after * held >= 0
        held = after
    assert bench.position(name)["size"] == held


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


def _worth(name: str, trades: list[Any], mark: Decimal) -> Decimal:
    """What fills are worth at the mark, worked out without any position at all."""
    signed = [(_sign(trade["direction"]) * trade["amount"], trade["price"]) for trade in trades]
    if name == INVERSE:
        return sum((amount / price - amount / mark for amount, price in signed), Decimal(0))
    return sum((amount * (mark - price) for amount, price in signed), Decimal(0))


def _check_money(bench: Bench, name: str, currency: str) -> None:
    """Cash is what was there less fees, and equity is that plus what the fills are worth."""
    trades, shown = _all_trades(bench, name), bench.position(name)
    account = bench.account(currency)
    fees = sum((trade["fee"] for trade in trades), Decimal(0))
    assert abs(account["balance"] - (BALANCES[currency] - fees)) < TINY
    profit = _worth(name, trades, shown["mark_price"]) + shown["realized_funding"]
    within = TINY if currency == "BTC" else Decimal("1E-6")
    assert abs(account["equity"] - account["balance"] - profit) < within
    booked = sum((trade["profit_loss"] for trade in trades), Decimal(0))
    assert abs(account["session_rpl"] - shown["realized_funding"] - booked) < TINY


@settings(max_examples=120, deadline=None)
@given(_steps, st.integers(0, 5))
def test_money_contracts_and_reduce_only_are_conserved(
    steps: list[dict[str, Any]], seed: int
) -> None:
    """After every step fills, position, cash and equity agree, and nothing protective flips."""
    bench = Bench(seed=seed, shape=THIN)
    for step in steps:
        _take(bench, step)
        for name in (INVERSE, LINEAR):
            _check_resting(bench, name)
    for name, currency in ((INVERSE, "BTC"), (LINEAR, "USDC")):
        _check_fills(bench, name)
        _check_money(bench, name, currency)


CHANNELS = ["user.changes.any.any.raw", f"book.{INVERSE}.100ms", "user.portfolio.any"]


def _run(bench: Bench, steps: list[dict[str, Any]]) -> bytes:
    """Everything a client hears during the steps, as bytes."""
    heard: list[Any] = []
    for step in steps:
        heard.append(_take(bench, step))
        heard += [[frame.channel, frame.data] for frame in bench.frames()]
    return jsontext.encode(heard)


@settings(max_examples=20, deadline=None)
@given(_steps)
def test_the_same_requests_give_the_same_bytes(steps: list[dict[str, Any]]) -> None:
    """Replies, frames and snapshots of two exchanges with one seed are equal to the byte."""
    first, second = Bench(shape=THIN), Bench(shape=THIN)
    for bench in (first, second):
        bench.subscribe(*CHANNELS)
    assert _run(first, steps) == _run(second, steps)
    assert jsontext.encode(first.exchange.snapshot()) == jsontext.encode(second.exchange.snapshot())


@settings(max_examples=20, deadline=None)
@given(_steps, _steps)
def test_a_restored_exchange_goes_on_as_if_it_had_never_stopped(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    """Saved as JSON and read back, it answers everything as the original does."""
    original, restored = Bench(shape=THIN), Bench(shape=THIN)
    _run(original, before)
    text = jsontext.encode(original.exchange.snapshot())
    restored.exchange = Exchange.restore(
        jsontext.decode(text), seed=original.seed, **original.settings
    )
    assert jsontext.encode(restored.exchange.snapshot()) == text
    restored.now_ms = original.now_ms
    restored.session, original.session = restored.logged_in(), original.logged_in()
    assert _run(original, after) == _run(restored, after)


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
