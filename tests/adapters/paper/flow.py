"""Random order flow: steps for hypothesis, and what a bench does with them."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from adapters.paper import jsontext, wire
from adapters.paper.catalogue import INSTRUMENTS
from adapters.paper.errors import VenueError
from adapters.paper.market import BookShape
from adapters.paper.records import OrderRecord
from tests.adapters.paper.harness import Bench

THIN = BookShape(levels=6, size_pct=2)
Steps = list[dict[str, Any]]
Heard = list[Any]

_instruments = st.sampled_from(sorted(INSTRUMENTS))
_kinds = (
    "market",
    "market_limit",
    "limit",
    "stop_market",
    "stop_limit",
    "take_market",
    "take_limit",
    "trailing_stop",
)
_LIMITS = frozenset({"limit", "stop_limit", "take_limit"})
_TRIGGERS = frozenset({"stop_market", "stop_limit", "take_market", "take_limit"})
_conditions = st.sampled_from(["first_hit", "complete_fill", "incremental"])
_orders = st.fixed_dictionaries(
    {
        "side": st.sampled_from(["buy", "sell"]),
        "instrument": _instruments,
        "contracts": st.integers(1, 3000),
        "kind": st.sampled_from(_kinds),
        "away_bps": st.integers(-80, 80),
        "reduce_only": st.booleans(),
        "time_in_force": st.sampled_from(
            [None, "immediate_or_cancel", "fill_or_kill", "good_til_day"]
        ),
        "display": st.sampled_from([None, 100, 300]),
        "post_only": st.sampled_from([None, None, False, True]),
    }
)
_brackets = st.fixed_dictionaries(
    {
        "bracket": st.sampled_from(["buy", "sell"]),
        "instrument": _instruments,
        "contracts": st.integers(1, 3000),
        "link": st.sampled_from(["one_triggers_one_cancels_other", "one_triggers_other"]),
        "condition": _conditions,
        "entry": st.sampled_from(["market", "limit"]),
        "stop_bps": st.integers(-20, 100),
        "target_bps": st.integers(-20, 100),
        "reduce_only": st.booleans(),
    }
)
_pairs = st.fixed_dictionaries(
    {
        "pair": st.sampled_from(["buy", "sell"]),
        "instrument": _instruments,
        "contracts": st.integers(1, 3000),
        "condition": _conditions,
        "reduce_only": st.booleans(),
    }
)
_bps = st.integers(-120, 120)
_moves = st.fixed_dictionaries({"bps": _bps, "eth_bps": _bps, "ms": st.integers(0, 5000)})
# Time in which the market stands still: requests come in between two of its steps.
_waits = st.fixed_dictionaries({"wait": st.integers(1, 600)})
_nights = st.fixed_dictionaries(
    {"bps": st.integers(-300, 300), "eth_bps": _bps, "ms": st.just(24 * 3_600_000)}
)
# One that liquidates who holds much.
_crashes = st.fixed_dictionaries(
    {"bps": st.sampled_from([-2500, 2500]), "eth_bps": _bps, "ms": st.just(1000)}
)
_closings = st.fixed_dictionaries({"close": _instruments})
_edits = st.fixed_dictionaries(
    {"edit": st.integers(0, 9), "contracts": st.integers(1, 3000)},
    optional={
        "away_bps": st.integers(-80, 80),
        "trigger_bps": st.integers(-80, 80),
        "trigger_offset": st.integers(1, 90),
        "reduce_only": st.booleans(),
        "post_only": st.booleans(),
        "display": st.sampled_from([100, 300]),
    },
)
_cancels = st.fixed_dictionaries({"cancel": st.integers(0, 9)})
_sweeps = st.fixed_dictionaries({"sweep": _instruments})
_plain = (_orders, _orders, _brackets, _pairs, _moves, _moves, _nights, _closings, _edits, _edits)
steps = st.lists(st.one_of(*_plain, _waits, _cancels, _cancels, _sweeps, _crashes), max_size=40)


def _away(index: Decimal, bps: int) -> Decimal:
    return (index * (10_000 + bps) / 10_000).quantize(Decimal(1))


def _amount(name: str, contracts: int) -> Decimal:
    return INSTRUMENTS[name].amount(contracts)


def _single(step: dict[str, Any], index: Decimal) -> dict[str, Any]:
    kind, name = step["kind"], step["instrument"]
    price = _away(index, step["away_bps"])
    terms: dict[str, Any] = {
        "instrument_name": name,
        "amount": _amount(name, step["contracts"]),
        "type": kind,
        "reduce_only": step["reduce_only"],
    }
    if kind in _LIMITS:
        terms["price"] = price
    if kind == "limit":
        terms |= {"time_in_force": step["time_in_force"], "post_only": step["post_only"]}
        if step["display"] is not None:
            terms["display_amount"] = _amount(name, step["display"])
    if kind in _TRIGGERS:
        terms |= {"trigger": "mark_price", "trigger_price": price}
    if kind == "trailing_stop":
        terms |= {"trigger": "last_price", "trigger_offset": 1 + abs(step["away_bps"])}
    return terms


def _bracket(step: dict[str, Any], index: Decimal) -> dict[str, Any]:
    sign = 1 if step["bracket"] == "buy" else -1
    amount = _amount(step["instrument"], step["contracts"])
    common = {
        "amount": amount,
        "direction": "sell" if sign > 0 else "buy",
        "reduce_only": step["reduce_only"],
    }
    trigger = {"trigger": "index_price", "trigger_price": _away(index, -sign * step["stop_bps"])}
    terms: dict[str, Any] = {
        "instrument_name": step["instrument"],
        "amount": amount,
        "type": step["entry"],
        "linked_order_type": step["link"],
        "trigger_fill_condition": step["condition"],
        "otoco_config": [
            common | {"type": "stop_market"} | trigger,
            common | {"type": "limit", "price": _away(index, sign * step["target_bps"])},
        ],
    }
    if step["entry"] == "limit":
        terms["price"] = _away(index, 2 * sign)
    return terms


def _pair(step: dict[str, Any], index: Decimal) -> dict[str, Any]:
    sign = 1 if step["pair"] == "buy" else -1
    common: dict[str, Any] = {
        "amount": _amount(step["instrument"], step["contracts"]),
        "reduce_only": step["reduce_only"],
    }
    trigger = {"trigger": "index_price", "trigger_price": _away(index, 40 * sign)}
    leg = common | {"direction": step["pair"], "type": "stop_market"} | trigger
    return common | {
        "instrument_name": step["instrument"],
        "type": "limit",
        "price": _away(index, -40 * sign),
        "linked_order_type": "one_cancels_other",
        "trigger_fill_condition": step["condition"],
        "otoco_config": [leg],
    }


def _index_of(bench: Bench, name: str) -> Decimal:
    return bench.exchange.prices()[INSTRUMENTS[name].price_index]


def _edit(bench: Bench, step: dict[str, Any], order: dict[str, Any]) -> dict[str, Any]:
    """New terms of an order: what is given of price, trigger, offset, flags and visible part."""
    name = order["instrument_name"]
    index = _index_of(bench, name)
    given: dict[str, Any] = {
        key: step[key] for key in ("trigger_offset", "reduce_only", "post_only") if key in step
    }
    if "away_bps" in step:
        given["price"] = _away(index, step["away_bps"])
    if "trigger_bps" in step:
        given["trigger_price"] = _away(index, step["trigger_bps"])
    if "display" in step:
        given["display_amount"] = _amount(name, step["display"])
    return {"order_id": order["order_id"], "contracts": step["contracts"]} | given


def _request(bench: Bench, step: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    index = _index_of(bench, step.get("instrument", "BTC-PERPETUAL"))
    if "kind" in step:
        return step["side"], _single(step, index)
    if "bracket" in step:
        return step["bracket"], _bracket(step, index)
    if "pair" in step:
        return step["pair"], _pair(step, index)
    if "close" in step:
        return "close_position", {"instrument_name": step["close"], "type": "market"}
    if "sweep" in step:
        return "cancel_all_by_instrument", {"instrument_name": step["sweep"]}
    # Not asked for: every request lets channels speak whose time has come.
    resting: list[OrderRecord] = list(bench.exchange._engine.ledger.live.values())
    live = [wire.order(x) for x in resting]
    if not live:
        return "cancel", {"order_id": "0"}
    order = live[step.get("edit", step.get("cancel", 0)) % len(live)]
    return (
        ("edit", _edit(bench, step, order))
        if "edit" in step
        else (
            "cancel",
            {"order_id": order["order_id"]},
        )
    )


def take(bench: Bench, step: dict[str, Any], record: list[str] | None = None) -> Any:
    """One step, written down if asked for; a refusal is an answer too."""
    if "bps" in step:
        index = bench.exchange.prices()
        btc = str(index["btc_usd"] * (10_000 + step["bps"]) / 10_000)
        eth = str(index["eth_usd"] * (10_000 + step["eth_bps"]) / 10_000)
        return perform(bench, {"move": btc, "eth": eth, "ms": step["ms"]}, record)
    if "wait" in step:
        return perform(bench, step, record)
    method, params = _request(bench, step)
    return perform(bench, {"method": method, "params": params}, record)


def perform(bench: Bench, event: dict[str, Any], record: list[str] | None = None) -> Any:
    """One recorded event: a move of the market, a while without one, or a request."""
    if record is not None:
        record.append(json.dumps(event, default=str))
    if "move" in event:
        return bench.move(event["move"], eth=event["eth"], ms=event["ms"])
    if "wait" in event:
        bench.now_ms += event["wait"]
        return None
    try:
        return bench.call(event["method"], **event["params"])
    except VenueError as error:
        return [error.code, error.message, error.data]


def run(bench: Bench, flow: Steps, record: list[str] | None = None) -> bytes:
    """Everything a client hears during the steps, as bytes."""
    heard: Heard = []
    for step in flow:
        heard.append(take(bench, step, record))
        heard += [[frame.channel, frame.data] for frame in bench.frames()]
    return jsontext.encode(heard)


def replay(bench: Bench, recording: list[str]) -> bytes:
    """Everything a client hears while a recording is played again."""
    heard: Heard = []
    for line in recording:
        heard.append(perform(bench, json.loads(line)))
        heard += [[frame.channel, frame.data] for frame in bench.frames()]
    return jsontext.encode(heard)
