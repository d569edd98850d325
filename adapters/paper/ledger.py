"""The orders of the account: live ones, and closed ones for as long as anybody may ask.

The venue's live store forgets a terminal order after half an hour and a trade after a day;
older rows come only with ``historical``, which leaves the recent ones out.
"""

from collections import deque
from collections.abc import Callable, Iterator

from adapters.paper.errors import refusal
from adapters.paper.records import LogRow, OrderRecord, TradeRecord, TriggerEntry

ORDER_WINDOW_MS = 30 * 60_000
TRADE_WINDOW_MS = 24 * 3_600_000
MOST_CLOSED = 1000
_MOST_TRADES = 5000
_MOST_ENTRIES = 1000
_MOST_LOGS = 5000


class Ledger:
    """Every order, fill and trigger event of the account, newest last.

    ``past`` counts what can never change again, per kind, since this ledger was made: whoever
    saves it knows by that which rows are new. ``children`` are the live ones that wait for
    another order.
    """

    def __init__(self) -> None:
        self.past = {"closed": 0, "trades": 0, "entries": 0, "logs": 0}
        self.live: dict[str, OrderRecord] = {}
        self.children: dict[str, OrderRecord] = {}
        self._resting: dict[str, dict[str, OrderRecord]] = {}
        self._waiting: dict[str, dict[str, OrderRecord]] = {}
        self.closed: dict[str, OrderRecord] = {}
        self.trades: deque[TradeRecord] = deque(maxlen=_MOST_TRADES)
        self.entries: deque[TriggerEntry] = deque(maxlen=_MOST_ENTRIES)
        self.logs: deque[LogRow] = deque(maxlen=_MOST_LOGS)

    def add(self, order: OrderRecord) -> None:
        """Takes in a new live order."""
        self.live[order.order_id] = order
        if order.is_secondary_oto:
            self.children[order.order_id] = order
            return
        side = self._resting if order.is_resting else self._waiting
        side.setdefault(order.instrument_name, {})[order.order_id] = order

    def promote(self, order: OrderRecord) -> None:
        """Moves a trigger that goes on under its own id from the waiting to the resting."""
        del self._waiting[order.instrument_name][order.order_id]
        self._resting.setdefault(order.instrument_name, {})[order.order_id] = order

    def close(self, order: OrderRecord) -> None:
        """Moves an order that reached a terminal state out of the live ones."""
        self.drop(order)
        self.closed[order.order_id] = order
        self.past["closed"] += 1
        while len(self.closed) > MOST_CLOSED:
            del self.closed[next(iter(self.closed))]

    def drop(self, order: OrderRecord) -> None:
        """Forgets a live order; nobody finds it by this id any more."""
        key = order.order_id
        if self.live.pop(key, None) is not None:
            self.children.pop(key, None)
            for side in (self._resting, self._waiting):
                side.get(order.instrument_name, {}).pop(key, None)

    def known(self, order_id: str | None) -> OrderRecord | None:
        """The order, live or closed at any time that is still kept."""
        key = order_id or ""
        return self.live.get(key) or self.closed.get(key)

    def partners(self, order: OrderRecord) -> list[OrderRecord]:
        """The live orders it excludes, oldest first."""
        return self.select(lambda other: other.oco_ref == order.oco_ref and other is not order)

    def add_trade(self, trade: TradeRecord) -> None:
        """Takes in a fill."""
        self.trades.append(trade)
        self.past["trades"] += 1

    def add_entry(self, entry: TriggerEntry) -> None:
        """Takes in a line of the trigger history."""
        self.entries.append(entry)
        self.past["entries"] += 1

    def add_log(self, row: LogRow) -> None:
        """Takes in a line of the transaction log."""
        self.logs.append(row)
        self.past["logs"] += 1

    def find(self, order_id: str, now_ms: int) -> OrderRecord:
        """The order, live or closed within the window.

        Raises:
            VenueError: 10004, the live store does not know it (any more).
        """
        order = self.live.get(order_id) or self.closed.get(order_id)
        if order is None or not _is_known(order, now_ms):
            raise refusal(10004)
        return order

    def recent(self, now_ms: int) -> Iterator[OrderRecord]:
        """Live orders, and those closed within the window, in the order they were made."""
        known = [*self.closed.values(), *self.live.values()]
        known.sort(key=lambda order: order.rank)
        return (order for order in known if _is_known(order, now_ms))

    def history(self, now_ms: int, *, historical: bool) -> list[OrderRecord]:
        """Closed orders, newest first: the window, or (historical) only what is older."""
        return [
            order
            for order in reversed(self.closed.values())
            if _is_known(order, now_ms) is not historical
        ]

    def fills(self, now_ms: int, *, historical: bool) -> list[TradeRecord]:
        """Our trades, oldest first: of the last day, or (historical) only older ones."""
        start = now_ms - TRADE_WINDOW_MS
        return [trade for trade in self.trades if (trade.timestamp_ms < start) is historical]

    def resting(self, instrument_name: str) -> list[OrderRecord]:
        """Orders that stand in the book of an instrument, oldest first."""
        return list(self._resting.get(instrument_name, {}).values())

    def waiting(self, instrument_name: str) -> list[OrderRecord]:
        """Triggers of an instrument that have not fired, oldest first."""
        return list(self._waiting.get(instrument_name, {}).values())

    def select(self, wanted: Callable[[OrderRecord], bool]) -> list[OrderRecord]:
        """Live orders that pass, oldest first."""
        return [order for order in self.live.values() if wanted(order)]


def _is_known(order: OrderRecord, now_ms: int) -> bool:
    return order.state.is_live or order.updated_ms > now_ms - ORDER_WINDOW_MS
