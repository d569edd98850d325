"""Random order flow: steps for hypothesis, and what a bench does with them."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from adapters.paper import jsontext
from adapters.paper.errors import VenueError
from adapters.paper.market import BookShape
from tests.adapters.paper.harness import INVERSE, LINEAR, Bench

THIN = BookShape(levels=6, size_pct=2)
STEP = {INVERSE: Decimal(10), LINEAR: Decimal("0.0001")}
Steps = list[dict[str, Any]]
Heard = list[Any]

_instruments = st.sampled_from([INVERSE, LINEAR])
_kinds = ("market", "limit", "stop_market", "take_limit", "trailing_stop")
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
_moves = st.fixed_dictionaries({"bps": st.integers(-120, 120), "ms": st.integers(0, 5000)})
_nights = st.fixed_dictionaries({"bps": st.integers(-300, 300), "ms": st.just(24 * 3_600_000)})
_closings = st.fixed_dictionaries({"close": _instruments})
_edits = st.fixed_dictionaries({"edit": st.integers(0, 9), "contracts": st.integers(1, 3000)})
_cancels = st.fixed_dictionaries({"cancel": st.integers(0, 9)})
steps = st.lists(
    st.one_of(
        _orders, _orders, _brackets, _pairs, _moves, _moves, _nights, _closings, _edits, _cancels
    ),
    max_size=40,
)


def _away(index: Decimal, bps: int) -> Decimal:
    return (index * (10_000 + bps) / 10_000).quantize(Decimal(1))


def _single(step: dict[str, Any], index: Decimal) -> dict[str, Any]:
    kind, name = step["kind"], step["instrument"]
    price = _away(index, step["away_bps"])
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
        if step["display"] is not None:
            terms["display_amount"] = step["display"] * STEP[name]
    if kind in {"stop_market", "take_limit"}:
        terms |= {"trigger": "mark_price", "trigger_price": price}
    if kind == "trailing_stop":
        terms |= {"trigger": "last_price", "trigger_offset": 1 + abs(step["away_bps"])}
    return terms


def _bracket(step: dict[str, Any], index: Decimal) -> dict[str, Any]:
    sign = 1 if step["bracket"] == "buy" else -1
    amount = step["contracts"] * STEP[step["instrument"]]
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
        "amount": step["contracts"] * STEP[step["instrument"]],
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


def _request(bench: Bench, step: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    index = bench.exchange.index_prices()["btc_usd"]
    if "kind" in step:
        return step["side"], _single(step, index)
    if "bracket" in step:
        return step["bracket"], _bracket(step, index)
    if "pair" in step:
        return step["pair"], _pair(step, index)
    if "close" in step:
        return "close_position", {"instrument_name": step["close"], "type": "market"}
    live = [order["order_id"] for order in bench.call("get_open_orders")]
    order_id = live[step.get("edit", step.get("cancel", 0)) % len(live)] if live else "0"
    if "edit" in step:
        return "edit", {"order_id": order_id, "contracts": step["contracts"]}
    return "cancel", {"order_id": order_id}


def take(bench: Bench, step: dict[str, Any], record: list[str] | None = None) -> Any:
    """One step, written down if asked for; a refusal is an answer too."""
    if "bps" in step:
        index = bench.exchange.index_prices()["btc_usd"]
        price = str(index * (10_000 + step["bps"]) / 10_000)
        return perform(bench, {"move": price, "ms": step["ms"]}, record)
    method, params = _request(bench, step)
    return perform(bench, {"method": method, "params": params}, record)


def perform(bench: Bench, event: dict[str, Any], record: list[str] | None = None) -> Any:
    """One recorded event: a move of the market or a request."""
    if record is not None:
        record.append(json.dumps(event, default=str))
    if "move" in event:
        return bench.move(event["move"], ms=event["ms"])
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
