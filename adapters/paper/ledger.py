"""The orders of the account: live ones, and closed ones for as long as anybody may ask.

The venue's live store forgets a terminal order after half an hour and a trade after a day;
older rows come only with ``historical``, which leaves the recent ones out.
"""

from collections import deque
from collections.abc import Callable, Iterator

from adapters.paper.errors import refusal
from adapters.paper.records import OrderRecord, TradeRecord, TriggerEntry

ORDER_WINDOW_MS = 30 * 60_000
TRADE_WINDOW_MS = 24 * 3_600_000
MOST_CLOSED = 1000
_MOST_TRADES = 5000
_MOST_ENTRIES = 1000


class Ledger:
    """Every order, fill and trigger event of the account, newest last.

    ``past`` counts what can never change again, per kind, since this ledger was made: whoever
    saves it knows by that which rows are new.
    """

    def __init__(self) -> None:
        self.past = {"closed": 0, "trades": 0, "entries": 0}
        self.live: dict[str, OrderRecord] = {}
        self.closed: dict[str, OrderRecord] = {}
        self.trades: deque[TradeRecord] = deque(maxlen=_MOST_TRADES)
        self.entries: deque[TriggerEntry] = deque(maxlen=_MOST_ENTRIES)

    def add(self, order: OrderRecord) -> None:
        """Takes in a new live order."""
        self.live[order.order_id] = order

    def close(self, order: OrderRecord) -> None:
        """Moves an order that reached a terminal state out of the live ones."""
        self.live.pop(order.order_id, None)
        self.closed[order.order_id] = order
        self.past["closed"] += 1
        while len(self.closed) > MOST_CLOSED:
            del self.closed[next(iter(self.closed))]

    def add_trade(self, trade: TradeRecord) -> None:
        """Takes in a fill."""
        self.trades.append(trade)
        self.past["trades"] += 1

    def add_entry(self, entry: TriggerEntry) -> None:
        """Takes in a line of the trigger history."""
        self.entries.append(entry)
        self.past["entries"] += 1

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
        return self.select(
            lambda order: order.is_resting and order.instrument_name == instrument_name
        )

    def waiting(self, instrument_name: str) -> list[OrderRecord]:
        """Triggers of an instrument that have not fired, oldest first."""
        return self.select(
            lambda order: not order.is_resting and order.instrument_name == instrument_name
        )

    def select(self, wanted: Callable[[OrderRecord], bool]) -> list[OrderRecord]:
        """Live orders that pass, oldest first."""
        return [order for order in self.live.values() if wanted(order)]


def _is_known(order: OrderRecord, now_ms: int) -> bool:
    return order.state.is_live or order.updated_ms > now_ms - ORDER_WINDOW_MS
