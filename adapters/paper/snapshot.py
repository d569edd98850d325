"""The whole exchange as plain JSON values and back: account, orders, ids, prices.

It has two parts: the present, small and ever changing, and the past (closed orders, fills,
trigger history), rows that never change again.

Sessions and subscriptions are not part of it: after a restart everybody logs in again.
Of the public tape only the latest trades are kept.
"""

from collections.abc import Mapping
from decimal import Decimal
from itertools import islice
from typing import Any

from adapters.paper.account import Stake
from adapters.paper.codec import pack, unpack
from adapters.paper.engine import Engine
from adapters.paper.ids import Ids
from adapters.paper.ledger import MOST_CLOSED
from adapters.paper.market import InterestSample, Market, PublicTrade
from adapters.paper.records import LogRow, OrderRecord, TradeRecord, TriggerEntry
from domain.orders import Side

VERSION = 1
_KEPT_TAPE = 20
_NUMBERS = (
    "index",
    "premium_ema",
    "band_ema",
    "last_price",
    "interest",
)
_COUNTS = ("now_ms", "steps", "change_id", "averaged_second", "last_tick", "trade_seq")


def dump(engine: Engine) -> dict[str, Any]:
    """Everything that has to be kept."""
    ledger = engine.ledger
    return present(engine) | {
        "closed": [pack(order) for order in ledger.closed.values()],
        "trades": [pack(trade) for trade in ledger.trades],
        "entries": [pack(entry) for entry in ledger.entries],
        "logs": [pack(row) for row in ledger.logs],
    }


def past_since(engine: Engine, counted: Mapping[str, int]) -> list[tuple[str, dict[str, Any]]]:
    """Rows of the past, with their kind, that came after the ledger's count stood there."""
    ledger = engine.ledger
    kinds = {
        "closed": ledger.closed.values(),
        "trades": ledger.trades,
        "entries": ledger.entries,
        "logs": ledger.logs,
    }
    return [
        (kind, pack(record))
        for kind, records in kinds.items()
        for record in reversed(list(islice(reversed(records), ledger.past[kind] - counted[kind])))
    ]


def present(engine: Engine) -> dict[str, Any]:
    """What changes from one moment to the next."""
    ledger, account = engine.ledger, engine.account
    return {
        "version": VERSION,
        "now_ms": engine.now_ms,
        "revision": engine.revision,
        "counters": dict(engine.ids.counters),
        "balances": {name: pack(value) for name, value in account.balances.items()},
        "cancel_on_disconnect": account.cancel_on_disconnect,
        "liquidated_ms": dict(account.liquidated_ms),
        "stakes": {name: pack(stake) for name, stake in account.stakes.items()},
        "live": [pack(order) for order in ledger.live.values()],
        "markets": {name: _dump_market(market) for name, market in engine.markets.items()},
    }


def _dump_market(market: Market) -> dict[str, Any]:
    return {
        **{name: pack(getattr(market, name)) for name in (*_NUMBERS, *_COUNTS)},
        "state": market.state,
        "settlement_price": pack(market.settlement_price),
        "taken": {side.value: market.taken[side] for side in Side if side in market.taken},
        "samples": [pack(sample) for sample in market.samples],
        "tape": [pack(trade) for trade in list(market.trades)[-_KEPT_TAPE:]],
    }


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
    for name, packed in kept["stakes"].items():
        # Before there were settlements a position was valued since its entry alone.
        account.stakes[name] = unpack(Stake, {"session": packed["holding"], **packed})


def _load_market(market: Market, packed: Mapping[str, Any]) -> None:
    for name in _NUMBERS:
        setattr(market, name, Decimal(packed[name]))
    for name in _COUNTS:
        setattr(market, name, packed[name])
    market.samples.clear()
    market.samples.extend(unpack(InterestSample, each) for each in packed["samples"])
    market.trades.extend(unpack(PublicTrade, each) for each in packed["tape"])
    market.taken = dict(packed["taken"])
    market.state = packed.get("state", market.state)
    market.settlement_price = Decimal(packed.get("settlement_price", packed["index"]))
    market.resume()
