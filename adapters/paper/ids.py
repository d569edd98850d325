"""Order, trigger and trade ids in the venue's forms; they rise per currency and leave gaps."""

from collections.abc import Mapping

from adapters.paper.noise import between
from domain.instruments import Instrument
from domain.orders import OrderType, Side, TriggerBy

_TRIGGER_PREFIX = {
    OrderType.STOP_MARKET: "SL",
    OrderType.STOP_LIMIT: "SL",
    OrderType.TAKE_MARKET: "TP",
    OrderType.TAKE_LIMIT: "TP",
    OrderType.TRAILING_STOP: "TS",
}
_TRIGGER_BY = {TriggerBy.INDEX_PRICE: "I", TriggerBy.MARK_PRICE: "M", TriggerBy.LAST_PRICE: "T"}
_FIRST = {
    "order": 80_000_000_000,
    "trade": 400_000_000,
    "trigger": 0,
    "change": 130_000_000_000,
    "oto": 0,
    "log": 0,
}


class Ids:
    """Counters, one for each kind and currency; `counters` is all there is to keep."""

    def __init__(self, seed: int, counters: Mapping[str, int] | None = None) -> None:
        self._seed = seed
        self.counters = dict(counters or {})

    def _next(self, kind: str, currency: str, widest_gap: int) -> int:
        key = f"{kind}.{currency}"
        last = self.counters.get(key, _FIRST[kind])
        self.counters[key] = last + between(1, widest_gap, self._seed, last)
        return self.counters[key]

    def order(self, instrument: Instrument) -> str:
        """Digits for BTC, ``ETH-…`` and ``USDC-…`` elsewhere."""
        currency = instrument.settlement_currency
        return _prefixed(currency, str(self._next("order", currency, 9)))

    def trigger(
        self, instrument: Instrument, order_type: OrderType, trigger: TriggerBy, side: Side
    ) -> str:
        """``SLMS-12``, ``ETH-TPIB-3``: stop, take or trail; the price watched; the side."""
        currency = instrument.settlement_currency
        letters = _TRIGGER_PREFIX[order_type] + _TRIGGER_BY[trigger] + side.value[0].upper()
        return _prefixed(currency, f"{letters}-{self._next('trigger', currency, 1)}")

    def child(self, instrument: Instrument) -> str:
        """``OTO-7``, ``ETH-OTO-7``: an order that waits for another."""
        currency = instrument.settlement_currency
        return _prefixed(currency, f"OTO-{self._next('oto', currency, 1)}")

    def oco(self) -> str:
        """What the two orders of a pair have in common."""
        self.counters["oco"] = self.counters.get("oco", 0) + 1
        return f"OCO-{self.counters['oco']}"

    def trade(self, instrument: Instrument) -> str:
        """Digits for BTC, ``ETH-…``; pairs settled in USDC carry the pair."""
        currency = instrument.settlement_currency
        prefix = currency
        if currency == "USDC":
            prefix = f"{instrument.base_currency}_USDC"
        return _prefixed(prefix, str(self._next("trade", currency, 3)))

    def change(self) -> int:
        """The next book change number: one counter for all books."""
        return self._next("change", "all", 40)

    def log(self) -> int:
        """The next line of the transaction log."""
        return self._next("log", "all", 3)

    def session(self) -> str:
        """A connection's id: orders remember it across restarts, so it is never used again."""
        self.counters["session"] = self.counters.get("session", 0) + 1
        return f"c{self.counters['session']}"

    def step(self) -> None:
        """Counts one move of the markets."""
        self.counters["steps"] = self.counters.get("steps", 0) + 1

    def rank(self) -> int:
        """The next place in time."""
        self.counters["rank"] = self.counters.get("rank", 0) + 1
        return self.counters["rank"]


def _prefixed(prefix: str, text: str) -> str:
    return text if prefix == "BTC" else f"{prefix}-{text}"
