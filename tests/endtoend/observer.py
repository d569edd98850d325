"""The venue's own view: what a second client sees of the account, and what must be true of it.

It speaks plain JSON-RPC over HTTP and shares no code with the bot's client.
"""

import itertools
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import requests
from pydantic import TypeAdapter

from adapters.clock import SystemClock
from domain.trade import Trade

Json = dict[str, Any]
INSTRUMENTS = ("BTC-PERPETUAL", "ETH-PERPETUAL")
PAGE = 1000
PAUSE = 0.12
"""Between two requests: a bot that has just started needs most of the twenty a second."""
THROTTLED, PENANCE, PATIENCE = 10028, 0.5, 20
_TRADE = TypeAdapter(Trade)


def contracts(row: Json) -> int:
    """Signed contracts of a position: a perpetual here has 10 USD (BTC) or 1 USD (ETH)."""
    size = Decimal(row["size"]) / CONTRACT_USD[row["instrument_name"]]
    assert size == int(size), row
    return int(size)


CONTRACT_USD = {"BTC-PERPETUAL": Decimal(10), "ETH-PERPETUAL": Decimal(1)}


class Observer:
    """Reads the account at ``port``, slowly: the rate limit is the account's, so also the bot's."""

    def __init__(self, port: int, login: tuple[str, str] = ("paper", "paper")) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v2"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.auth = login
        self._ids = itertools.count(1)
        self._clock = SystemClock()
        self._next_at = 0.0

    def call(self, method: str, **params: Any) -> Any:
        """One request; the result, numbers as decimals."""
        for _ in range(PATIENCE):
            reply = self._post(method, params)
            if "result" in reply:
                return reply["result"]
            assert reply["error"]["code"] == THROTTLED, (method, reply)
            self._clock.sleep(PENANCE)
        raise AssertionError(f"{method}: throttled for too long")

    def _post(self, method: str, params: Json) -> Json:
        self._clock.sleep(max(0.0, self._next_at - self._clock.monotonic()))
        self._next_at = self._clock.monotonic() + PAUSE
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        reply = self._session.post(self._url, json=body, timeout=5)
        decoded: Json = json.loads(reply.text, parse_float=Decimal)
        return decoded

    def positions(self) -> dict[str, int]:
        """Signed contracts of every open position."""
        rows = self.call("private/get_positions", currency="any", kind="future")
        return {row["instrument_name"]: contracts(row) for row in rows if row["size"]}

    def open_orders(self) -> list[Json]:
        found: list[Json] = self.call("private/get_open_orders")
        return found

    def closed_orders(self) -> list[Json]:
        """Every order that is over, unfilled ones included, newest first."""
        return [row for name in INSTRUMENTS for row in self._closed(name)]

    def _closed(self, name: str) -> list[Json]:
        rows: list[Json] = []
        while True:
            page = self.call(
                "private/get_order_history_by_instrument",
                instrument_name=name,
                include_unfilled=True,
                count=PAGE,
                offset=len(rows),
            )
            rows += page
            if len(page) < PAGE:
                return rows

    def fills(self) -> list[Json]:
        """Every fill of the account, oldest first per instrument."""
        return [row for name in INSTRUMENTS for row in self._fills(name)]

    def _fills(self, name: str) -> list[Json]:
        rows: list[Json] = []
        while True:
            reply = self.call(
                "private/get_user_trades_by_instrument",
                instrument_name=name,
                sorting="asc",
                count=PAGE,
                start_seq=rows[-1]["trade_seq"] + 1 if rows else 0,
            )
            rows += reply["trades"]
            if not reply["has_more"]:
                return rows

    def account(self, currency: str) -> Json:
        found: Json = self.call("private/get_account_summary", currency=currency)
        return found

    # -- what must be true ---------------------------------------------------------------------

    def entered_twice(self) -> dict[str, int]:
        """I3: entry labels that more than one order of the account carries."""
        orders = {row["order_id"]: row["label"] for row in self.closed_orders()}
        orders |= {row["order_id"]: row["label"] for row in self.open_orders()}
        orders |= {row["order_id"]: row.get("label", "") for row in self.fills()}
        entries = Counter(text for text in orders.values() if ".entry." in text)
        per_trade = Counter(text.split(".")[1] for text in entries)
        return {
            **{text: count for text, count in entries.items() if count > 1},
            **{text: count for text, count in per_trade.items() if count > 1},
        }

    def may_add_risk(self) -> list[str]:
        """I4: labels of orders that are no entry and yet not reduce-only."""
        rows = self.closed_orders() + self.open_orders()
        return [x["label"] for x in rows if ".entry." not in x["label"] and not x["reduce_only"]]

    def flips(self) -> list[str]:
        """I4: fills that carried a position through zero."""
        held: Counter[str] = Counter()
        found: list[str] = []
        for fill in self.fills():
            name, before = fill["instrument_name"], held[fill["instrument_name"]]
            held[name] += fill["contracts"] * (1 if fill["direction"] == "buy" else -1)
            if before * held[name] < 0:
                found.append(fill["trade_id"])
        return found


def _ids(orders: list[Json]) -> list[str]:
    return sorted(f"{row['order_id']} {row['order_state']}" for row in orders)


def _cover(name: str, position: int, orders: list[Json]) -> int:
    """Contracts under resting reduce-only stops on the closing side."""
    closing = "sell" if position > 0 else "buy"
    return sum(
        row["contracts"]
        for row in orders
        if row["instrument_name"] == name
        and row["order_type"] == "stop_market"
        and row["order_state"] == "untriggered"
        and row["reduce_only"]
        and row["direction"] == closing
    )


@dataclass(frozen=True, slots=True)
class Books:
    """The bot's registry file, read as anybody may read it."""

    trades: Mapping[str, Trade]

    @classmethod
    def read(cls, path: Path) -> "Books":
        """The file as it is now; it must always be readable."""
        tables = json.loads(path.read_text("utf-8"))
        rows = tables.get("trades", {}).values()
        loaded = (_TRADE.validate_python({k: v for k, v in x.items() if k != "_key"}) for x in rows)
        return cls({trade.id: trade for trade in loaded})

    def ledger(self) -> dict[str, int]:
        """Signed contracts our trades hold, per instrument."""
        held: Counter[str] = Counter()
        for trade in self.trades.values():
            held[trade.plan.instrument_name] += trade.signed_position
        return {name: size for name, size in held.items() if size}


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the account in which nothing moved, as far as reads can tell."""

    positions: Mapping[str, int]
    orders: list[Json]

    def naked(self) -> dict[str, tuple[int, int]]:
        """I1: positions that resting reduce-only stops do not cover, with that cover."""
        covers = {name: _cover(name, size, self.orders) for name, size in self.positions.items()}
        return {
            name: (size, covers[name])
            for name, size in self.positions.items()
            if covers[name] < abs(size)
        }


def look(observer: Observer) -> Look | None:
    """Positions between two equal lists of orders; None when something moved meanwhile."""
    before, positions, after = observer.open_orders(), observer.positions(), observer.open_orders()
    return Look(positions, after) if _ids(before) == _ids(after) else None


def disagreement(observer: Observer, registry: Path) -> str:
    """I1, I2 and I5 at one moment: empty when all is as it must be, else what is not.

    The book is read before and after the venue; a book that moved meanwhile proves nothing.
    """
    before, seen, after = Books.read(registry), look(observer), Books.read(registry)
    if seen is None or before != after:
        return "account or book moved"
    if seen.positions != after.ledger():
        return f"the venue has {seen.positions}, the book {after.ledger()}"
    strays = [x["label"] for x in seen.orders if _trade_of(x["label"]) not in after.trades]
    if strays:
        return f"orders without a trade: {strays}"
    return f"not covered: {seen.naked()}" if seen.naked() else ""


def _trade_of(label: str) -> str:
    return label.split(".")[1] if label.startswith("bw.") else ""
