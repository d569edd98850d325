"""Minute candles of one instrument, and the day's statistics drawn from them."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from domain.instruments import Instrument
from domain.orders import ZERO

MINUTE_MS = 60_000
# What clients may ask for, by the venue's name for it.
SPANS_MS = {
    word: minutes * MINUTE_MS
    for word, minutes in (
        *((str(each), each) for each in (1, 3, 5, 10, 15, 30, 60, 120, 180, 360, 720)),
        ("1D", 1440),
    )
}
_DAY_MINUTES = 1440


@dataclass(slots=True, kw_only=True)
class Candle:
    """One span of time; ``volume`` in base coin, ``cost`` in the quote currency."""

    tick: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    cost: Decimal = ZERO

    def include(self, high: Decimal, low: Decimal, close: Decimal) -> None:
        """Stretches the candle over later prices."""
        self.high, self.low, self.close = max(self.high, high), min(self.low, low), close


class Candles:
    """The last day of minutes; those without trades are not among them."""

    def __init__(self) -> None:
        self.minutes: deque[Candle] = deque(maxlen=_DAY_MINUTES)
        self._closed: tuple[int, Candle | None] = (-1, None)

    def add(
        self, instrument: Instrument, timestamp_ms: int, price: Decimal, contracts: int
    ) -> None:
        """Counts one trade."""
        minute = timestamp_ms // MINUTE_MS * MINUTE_MS
        if not self.minutes or self.minutes[-1].tick != minute:
            self.minutes.append(Candle(tick=minute, open=price, high=price, low=price, close=price))
        candle = self.minutes[-1]
        candle.include(price, price, price)
        amount = instrument.amount(contracts)
        candle.volume += amount / price if instrument.is_inverse else amount
        candle.cost += amount if instrument.is_inverse else amount * price

    def spans(self, start_ms: int, end_ms: int, span_ms: int) -> list[Candle]:
        """Candles of ``span_ms`` that start in that time; spans without trades are left out."""
        merged: list[Candle] = []
        for minute in self._between(start_ms, end_ms):
            tick = minute.tick // span_ms * span_ms
            if not merged or merged[-1].tick != tick:
                merged.append(
                    Candle(
                        tick=tick,
                        open=minute.open,
                        high=minute.high,
                        low=minute.low,
                        close=minute.close,
                    )
                )
            last = merged[-1]
            last.include(minute.high, minute.low, minute.close)
            last.volume += minute.volume
            last.cost += minute.cost
        return merged

    def _between(self, start_ms: int, end_ms: int) -> Iterator[Candle]:
        return (minute for minute in self.minutes if start_ms <= minute.tick <= end_ms)

    def day(self) -> Candle | None:
        """The whole day as one candle; None before the first trade."""
        if not self.minutes:
            return None
        now = self.minutes[-1]
        # Tickers ask at every tick: the minutes that are over are added up once a minute.
        if self._closed[0] != now.tick:
            spans = self.spans(now.tick - _DAY_MINUTES * MINUTE_MS, now.tick - 1, 1 << 62)
            self._closed = now.tick, spans[0] if spans else None
        before = self._closed[1]
        if before is None:
            return replace(now)
        return Candle(
            tick=before.tick,
            open=before.open,
            high=max(before.high, now.high),
            low=min(before.low, now.low),
            close=now.close,
            volume=before.volume + now.volume,
            cost=before.cost + now.cost,
        )
