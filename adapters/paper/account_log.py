"""What there is to write down since the last time, and the account put together from it again.

One entry holds the parts that are not as they were written last, and the rows that are new.
Nothing has to announce its changes: every part is rendered and compared with the text written
last, so no change can be forgotten.
"""

from collections.abc import Iterable, Mapping
from itertools import takewhile
from operator import attrgetter
from typing import Any

import orjson

from adapters.paper import snapshot
from adapters.paper.engine import Engine
from adapters.paper.market import Market

_LIVE, _GONE, _STAKES, _MARKETS, _ROWS = "live", "gone", "stakes", "markets", "rows"
_FIGURES = "figures"


class Scribe:
    """Knows what has been written of one engine, and finds what has not."""

    def __init__(self, engine: Engine) -> None:
        """What the engine holds by now counts as written."""
        self._engine = engine
        self._told: dict[str, dict[str, bytes]] = {}
        self._past: dict[str, int] = dict.fromkeys(snapshot.PAST, 0)
        self._ends: dict[tuple[str, str], int] = {}
        self.entry()

    def whole(self) -> bytes:
        """Everything; the entries that follow are told against it."""
        self.entry()
        return snapshot.encode(snapshot.dump(self._engine))

    def entry(self) -> bytes:
        """What is new since the last call of either."""
        engine = self._engine
        markets = {name: snapshot.market(each) for name, each in engine.markets.items()}
        moved = self._changed(_MARKETS, markets)
        entry: dict[str, Any] = {
            _FIGURES: self._changed(_FIGURES, snapshot.figures(engine)),
            _STAKES: self._changed(_STAKES, engine.account.stakes),
            _LIVE: self._changed(_LIVE, engine.ledger.live),
            _GONE: self._gone(engine.ledger.live),
            _MARKETS: moved,
            _ROWS: {name: self._new_rows(engine.markets[name]) for name in moved},
            **self._new_past(),
        }
        return snapshot.encode({name: part for name, part in entry.items() if part})

    def _changed(self, group: str, parts: Mapping[str, Any]) -> dict[str, orjson.Fragment]:
        told = self._told.setdefault(group, {})
        changed: dict[str, orjson.Fragment] = {}
        for name, part in parts.items():
            text = snapshot.encode(part)
            if told.get(name) != text:
                told[name] = text
                changed[name] = orjson.Fragment(text)
        return changed

    def _gone(self, live: Mapping[str, Any]) -> list[str]:
        """Orders that are live no more."""
        told = self._told[_LIVE]
        gone = [name for name in told if name not in live]
        for name in gone:
            del told[name]
        return gone

    def _new_past(self) -> dict[str, list[Any]]:
        ledger, before = self._engine.ledger, self._past
        self._past = dict(ledger.past)
        return {
            kind: snapshot.latest(rows, ledger.past[kind] - before[kind])
            for kind, rows in snapshot.past(ledger).items()
        }

    def _new_rows(self, market: Market) -> dict[str, list[Any]]:
        """What was added to a market; its last candle may have grown and is told again."""
        found: dict[str, list[Any]] = {}
        for kind, rows in snapshot.rows(market).items():
            number, name = attrgetter(snapshot.ROW_KEYS[kind]), (market.instrument.name, kind)
            end = self._ends.get(name, -1)
            new = [*takewhile(lambda row: number(row) > end, reversed(rows))]  # noqa: B023
            if new:
                found[kind] = new[::-1]
                self._ends[name] = number(new[0]) - (kind == snapshot.CANDLES)
        return found


def put_together(whole: dict[str, Any], entries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The account as `snapshot.dump` gave it last, from all of it once and what came after.

    Raises:
        KeyError, TypeError: they are not of one account.
    """
    live = {order["order_id"]: order for order in whole[_LIVE]}
    for entry in entries:
        whole |= entry.get(_FIGURES, {})
        whole[_STAKES] |= entry.get(_STAKES, {})
        live |= entry.get(_LIVE, {})
        for order_id in entry.get(_GONE, ()):
            del live[order_id]
        for name, figures in entry.get(_MARKETS, {}).items():
            whole[_MARKETS][name] |= figures
            _add_rows(whole[_MARKETS][name], entry[_ROWS][name])
        for kind in snapshot.PAST:
            whole[kind] += entry.get(kind, ())
    return whole | {_LIVE: list(live.values())}


def _add_rows(market: dict[str, Any], new: Mapping[str, list[Any]]) -> None:
    for kind, rows in new.items():
        kept, key = market[kind], snapshot.ROW_KEYS[kind]
        if kept and kept[-1][key] == rows[0][key]:
            kept.pop()
        kept += rows
