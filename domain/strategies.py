"""Strategies: small classes that look at bars and sometimes say "buy" or "sell".

A strategy knows one instrument and nothing of accounts, orders or sizes. It names a side, a stop
and a target; how much is for the Strategist (by risk), whether at all for Risk.

The reference strategy is the Donchian channel breakout with stops in units of the average true
range, as Richard Donchian and the turtle traders used it. It is here to show the shape and to
exercise the daemon; nobody claims that it earns money.
"""

from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from domain.bars import Bar
from domain.orders import ZERO, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A wish to open. Prices are not on tick yet; ``why`` is for the log."""

    side: Side
    entry: Decimal
    stop: Decimal
    target: Decimal
    why: str


class Strategy(Protocol):
    """What the Strategist hosts, one instance per instrument."""

    name: str

    def on_bar(self, bar: Bar) -> Signal | None:
        """Looks at one finished bar."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakoutSettings:
    """Bars to look back, and distances in average true ranges.

    ``rest_bars`` is how many bars after a signal none is looked for.
    """

    bar_ms: int = 60_000
    lookback: int = 20
    atr_period: int = 14
    stop_atr: Decimal = Decimal(2)
    target_atr: Decimal = Decimal(3)
    regime_bars: int = 60
    """Bars from which it is told whether the market trends or ranges."""
    min_stop: Decimal = Decimal("0.0005")
    """The least distance of the stop, as a fraction of the price: below it is noise."""
    rest_bars: int = 0


class Breakout:
    """Buys a close above the highest high of the last bars, sells one below the lowest low."""

    name = "breakout"

    def __init__(self, settings: BreakoutSettings) -> None:
        self._settings = settings
        self._bars: deque[Bar] = deque(maxlen=settings.lookback)
        self._ranges: deque[Decimal] = deque(maxlen=settings.atr_period)
        self._rest = 0

    def on_bar(self, bar: Bar) -> Signal | None:
        self._rest = max(0, self._rest - 1)
        signal = None if self._rest else self._signal(bar)
        if signal is not None:
            self._rest = self._settings.rest_bars
        previous = self._bars[-1].close if self._bars else bar.open
        self._ranges.append(max(bar.high, previous) - min(bar.low, previous))
        self._bars.append(bar)
        return signal

    def _signal(self, bar: Bar) -> Signal | None:
        settings = self._settings
        if len(self._bars) < settings.lookback or len(self._ranges) < settings.atr_period:
            return None
        highest = max(x.high for x in self._bars)
        lowest = min(x.low for x in self._bars)
        if bar.close > highest:
            return self._at(Side.BUY, bar.close, f"close {bar.close} above {highest}")
        if bar.close < lowest:
            return self._at(Side.SELL, bar.close, f"close {bar.close} below {lowest}")
        return None

    def _at(self, side: Side, price: Decimal, why: str) -> Signal | None:
        atr = sum(self._ranges, ZERO) / len(self._ranges)
        distance = max(atr * self._settings.stop_atr, price * self._settings.min_stop)
        reward = distance * self._settings.target_atr / self._settings.stop_atr
        stop, target = price - side.sign * distance, price + side.sign * reward
        if min(stop, target) <= 0:
            return None
        return Signal(side=side, entry=price, stop=stop, target=target, why=why)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptLine:
    """One trade of a script: the arguments of ``execute_generic_trade`` and when.

    ``after`` is seconds since ready. ``stop_loss``, ``take_profit`` and ``price`` are prices, or
    offsets from the mark such as ``"-1%"``; so is ``break_even_at``. ``trail`` is a distance, or a
    part of the mark such as ``"0.5%"``.
    """

    after: float
    instrument_name: str
    direction: str
    quantity: str
    entry_type: str = "market"
    price: str | None = None
    stop_loss: str | None = None
    take_profit: str | None = None
    label: str = ""
    break_even_at: str | None = None
    trail: str | None = None


def resolve_price(text: str, mark: Decimal, since: Decimal | None = None) -> Decimal:
    """``"97000"`` as it stands; ``"-1%"`` as one per cent of the mark below ``since``.

    ``since`` is the mark unless told otherwise.

    Raises:
        ArithmeticError: the text is neither.
    """
    text = text.strip()
    if text.endswith("%"):
        return (mark if since is None else since) + mark * Decimal(text[:-1]) / 100
    return Decimal(text)
