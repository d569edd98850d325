"""A day of Binance made from a minute of it: what a local double serves, and tests compare with.

The steps were recorded on BTCUSDT (USD-M) on 2024-08-08: price change in tenths of a dollar's
tenth, quantity in thousandths, fills, milliseconds since the one before, and whether the buyer
was the maker. A seed strings them together for as long as a test needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from domain.ticks import Ticks, is_spot, venue_name

# (price change in cents, quantity in 0.001, fills, ms since the one before, buyer is maker)
STEPS = (
    (-10, 32, 1, 56, 1),
    (10, 3, 1, 87, 0),
    (-10, 46, 2, 372, 1),
    (10, 47, 6, 183, 0),
    (60, 54, 1, 0, 0),
    (10, 2, 1, 0, 0),
    (10, 176, 2, 0, 0),
    (0, 16, 1, 41, 0),
    (-10, 9, 1, 6, 1),
    (0, 24, 1, 71, 1),
    (10, 66, 1, 215, 0),
    (0, 100, 1, 18, 0),
    (-10, 5, 1, 55, 1),
    (0, 69, 1, 131, 1),
    (0, 46, 1, 18, 1),
    (0, 16, 1, 45, 1),
    (10, 2, 1, 50, 0),
    (0, 38, 8, 23, 0),
    (50, 2, 1, 0, 0),
    (30, 3, 1, 0, 0),
    (70, 4, 1, 0, 0),
    (100, 335, 2, 0, 0),
    (40, 5, 1, 0, 0),
    (30, 3, 1, 0, 0),
    (90, 2, 1, 0, 0),
    (20, 4, 1, 0, 0),
    (20, 2, 1, 0, 0),
    (100, 2, 1, 0, 0),
    (100, 2, 1, 0, 0),
    (10, 40, 1, 0, 0),
    (10, 4, 1, 0, 0),
    (10, 82, 1, 0, 0),
    (20, 132, 1, 0, 0),
    (10, 5, 2, 0, 0),
    (20, 72, 2, 0, 0),
    (20, 10, 1, 0, 0),
    (10, 133, 1, 0, 0),
    (20, 102, 2, 0, 0),
    (20, 4, 1, 0, 0),
    (10, 42, 1, 0, 0),
    (0, 4, 1, 113, 0),
    (0, 20, 1, 86, 0),
    (0, 2, 1, 145, 0),
    (-10, 7, 2, 23, 1),
    (10, 53, 1, 102, 0),
    (0, 81, 1, 2, 0),
    (0, 2401, 36, 160, 0),
    (10, 12075, 2, 0, 0),
    (10, 6, 2, 0, 0),
    (20, 53, 1, 0, 0),
    (30, 67, 2, 0, 0),
    (20, 130, 2, 0, 0),
    (60, 16, 1, 0, 0),
    (20, 11, 3, 0, 0),
    (70, 348, 2, 0, 0),
    (30, 3, 1, 0, 0),
    (10, 132, 2, 0, 0),
    (20, 13, 1, 0, 0),
    (10, 80, 1, 0, 0),
    (20, 99, 2, 0, 0),
)
FIRST_ID, FIRST_TRADE, FIRST_PRICE = 2_345_678_901, 5_266_583_935, 6_180_030


@dataclass(frozen=True, slots=True)
class Tape:
    """The ticks of a symbol, by position; ids begin at `FIRST_ID` and leave none out."""

    ticks: Ticks

    @classmethod
    def make(
        cls, symbol: str, count: int, start_ms: int, *, seed: int = 1, pace: float = 1
    ) -> "Tape":
        """So many ticks from a time on. ``pace`` stretches the time between them."""
        chance = np.random.default_rng(seed)
        steps = np.array(STEPS, dtype=np.int64)[chance.integers(0, len(STEPS), size=count)]
        change, quantity, fills, wait, maker = steps.T
        first = FIRST_TRADE + np.concatenate(([0], np.cumsum(fills)[:-1]))
        price = FIRST_PRICE + np.cumsum(change - int(change.mean()))
        return cls(
            Ticks(
                symbol=symbol,
                agg_id=np.arange(FIRST_ID, FIRST_ID + count, dtype=np.int64),
                price=np.maximum(price, 100),
                quantity=quantity.copy(),
                first_id=first,
                last_id=first + fills - 1,
                timestamp_ms=start_ms + (np.cumsum(wait) * pace).astype(np.int64),
                is_buyer_maker=maker.astype(np.bool_),
                price_scale=2,
                quantity_scale=3,
            )
        )

    def __len__(self) -> int:
        return len(self.ticks)

    def row(self, at: int) -> dict[str, Any]:
        """A tick as REST gives it."""
        x = self.ticks
        return {
            "a": int(x.agg_id[at]),
            "p": _decimal(int(x.price[at]), x.price_scale, is_spot(x.symbol)),
            "q": _decimal(int(x.quantity[at]), x.quantity_scale, is_spot(x.symbol)),
            "f": int(x.first_id[at]),
            "l": int(x.last_id[at]),
            "T": int(x.timestamp_ms[at]),
            "m": bool(x.is_buyer_maker[at]),
        }

    def frame(self, at: int) -> dict[str, Any]:
        """A tick as a combined stream gives it."""
        name = venue_name(self.ticks.symbol)
        row = self.row(at)
        body: Mapping[str, Any] = {"e": "aggTrade", "E": row["T"] + 3, "s": name, **row}
        return {"stream": f"{name.lower()}@aggTrade", "data": body}


def _decimal(value: int, scale: int, is_long: bool) -> str:
    """The spot market writes eight decimals whatever the tick size."""
    whole, part = divmod(value, 10**scale)
    text = f"{part:0{scale}d}"
    return f"{whole}.{text.ljust(8, '0') if is_long else text}"
