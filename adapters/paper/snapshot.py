"""The whole exchange as plain JSON values and back: account, orders, ids, prices.

It has two parts: the present, small and ever changing, and the past (closed orders, fills,
trigger history), rows that never change again. Decimals travel as text, so that they come back
as they were.

Sessions and subscriptions are not part of it: after a restart everybody logs in again.
Of the public tape only the latest trades are kept.
"""

from collections.abc import Mapping, Reversible
from decimal import Decimal
from itertools import islice
from typing import Any

import orjson

from adapters.paper.account import CANCEL_MAKER, Stake
from adapters.paper.candles import Candle
from adapters.paper.codec import unpack
from adapters.paper.engine import Engine
from adapters.paper.ids import Ids
from adapters.paper.ledger import MOST_CLOSED, Ledger
from adapters.paper.market import InterestSample, Market, PublicTrade
from adapters.paper.records import LogRow, OrderRecord, TradeRecord, TriggerEntry
from domain.orders import Side

VERSION = 1
_KEPT_TAPE = 20
CANDLES = "candles"
# The rows of a market, each kind with what a row is known by; it rises.
ROW_KEYS = {"samples": "timestamp_ms", "tape": "trade_seq", CANDLES: "tick"}
PAST = ("closed", "trades", "entries", "logs")
_NUMBERS = (
    "index",
    "spot",
    "premium_ema",
    "band_ema",
    "last_price",
    "interest",
    "settlement_price",
)
_COUNTS = (
    "now_ms",
    "steps",
    "change_id",
    "published_ms",
    "averaged_second",
    "last_tick",
    "trade_seq",
)


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def encode(value: Any) -> bytes:
    """Records as objects, enums as their values, decimals as text."""
    return orjson.dumps(value, default=_text)


def dump(engine: Engine) -> dict[str, Any]:
    """Everything that has to be kept, made of records: `encode` writes it."""
    markets = engine.markets.values()
    return {
        **figures(engine),
        "stakes": engine.account.stakes,
        "live": list(engine.ledger.live.values()),
        "markets": {each.instrument.name: market(each) | _lists(rows(each)) for each in markets},
        **_lists(past(engine.ledger)),
    }


def _lists(rows: Mapping[str, Reversible[Any]]) -> dict[str, list[Any]]:
    return {kind: [*reversed(each)][::-1] for kind, each in rows.items()}


def figures(engine: Engine) -> dict[str, Any]:
    """What belongs to no order and to no instrument."""
    account = engine.account
    return {
        "version": VERSION,
        "now_ms": engine.now_ms,
        "revision": engine.revision,
        "counters": engine.ids.counters,
        "balances": account.balances,
        "cancel_on_disconnect": account.cancel_on_disconnect,
        "liquidated_ms": account.liquidated_ms,
        "self_trading": account.self_trading,
    }


def past(ledger: Ledger) -> dict[str, Reversible[Any]]:
    """The rows of each kind that never change again, oldest first."""
    kinds = ledger.closed.values(), ledger.trades, ledger.entries, ledger.logs
    return dict(zip(PAST, kinds, strict=True))


def market(market: Market) -> dict[str, Any]:
    """The figures of one market."""
    return {
        **{name: getattr(market, name) for name in (*_NUMBERS, *_COUNTS)},
        "state": market.state,
        "taken": {side.value: market.taken[side] for side in Side if side in market.taken},
    }


def rows(market: Market) -> dict[str, Reversible[Any]]:
    """The rows of one market, oldest first."""
    return {
        "samples": market.samples,
        "tape": latest(market.trades, _KEPT_TAPE),
        CANDLES: market.candles.minutes,
    }


def latest(rows: Reversible[Any], count: int) -> list[Any]:
    """The last ``count`` of some rows, in their order."""
    return list(islice(reversed(rows), count))[::-1]


def load(engine: Engine, kept: Mapping[str, Any]) -> None:
    """Puts what was kept into a fresh engine.

    Raises:
        KeyError, TypeError, ValueError: it is not such a record, or of another version.
    """
    if kept["version"] != VERSION:
        raise ValueError(f"version {kept['version']}, not {VERSION}")
    engine.now_ms, engine.revision = kept["now_ms"], kept["revision"]
    engine.ids = Ids(engine.seed, kept["counters"])
    _load_account(engine, kept)
    for packed in kept["live"]:
        engine.ledger.add(unpack(OrderRecord, packed))
    for packed in kept["closed"][-MOST_CLOSED:]:
        order = unpack(OrderRecord, packed)
        engine.ledger.closed[order.order_id] = order
    engine.ledger.trades.extend(unpack(TradeRecord, packed) for packed in kept["trades"])
    engine.ledger.entries.extend(unpack(TriggerEntry, packed) for packed in kept["entries"])
    # Accounts saved before there was a transaction log have none.
    engine.ledger.logs.extend(unpack(LogRow, packed) for packed in kept.get("logs", ()))
    for name, packed in kept["markets"].items():
        _load_market(engine.markets[name], packed)


def _load_account(engine: Engine, kept: Mapping[str, Any]) -> None:
    account = engine.account
    account.balances = {name: Decimal(text) for name, text in kept["balances"].items()}
    account.cancel_on_disconnect = kept["cancel_on_disconnect"]
    account.liquidated_ms = dict(kept.get("liquidated_ms", {}))
    account.self_trading = kept.get("self_trading", CANCEL_MAKER)
    for name, packed in kept["stakes"].items():
        # Before there were settlements a position was valued since its entry alone.
        account.stakes[name] = unpack(Stake, {"session": packed["holding"], **packed})


def _load_market(market: Market, packed: Mapping[str, Any]) -> None:
    # What accounts of earlier versions do not have.
    old: dict[str, Any] = {
        "settlement_price": packed["index"],
        "spot": packed["index"],
        "published_ms": 0,
        "state": "open",
        CANDLES: (),
    }
    kept = old | dict(packed)
    for name in _NUMBERS:
        setattr(market, name, Decimal(kept[name]))
    for name in _COUNTS:
        setattr(market, name, kept[name])
    market.samples.clear()
    market.samples.extend(unpack(InterestSample, each) for each in kept["samples"])
    market.trades.extend(unpack(PublicTrade, each) for each in kept["tape"])
    market.candles.minutes.extend(unpack(Candle, each) for each in kept[CANDLES])
    market.taken = dict(kept["taken"])
    market.state = kept["state"]
    market.resume()
