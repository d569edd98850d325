"""One instrument's market: index, premium, mark, last price and a synthetic book around them.

Each has its clock. The book follows the feed (``spot``) at every step; the index is what the feed
says once a second, and the mark is worked out with it; the last price moves when somebody trades.

The book is a pure function of the seed and the step number, laid out anew at every step and
eaten by takers in between. Prices are USD or USDC per coin, sizes whole contracts, times
milliseconds. Marks and indices are kept to the cent because that is what the venue shows:
every figure a client derives from them then agrees with ours.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from itertools import pairwise

from adapters.paper import catalogue
from adapters.paper.candles import Candles
from adapters.paper.noise import bell, noise
from domain import funding, mark
from domain.instruments import Instrument
from domain.orders import ZERO, Side, TriggerBy

CENT = Decimal("0.01")
_BPS = Decimal("0.0001")
# Hundredths twice (chance and shape), quarters (depth 0 counts as four), millionths.
_SCALE = 100 * 100 * 4 * 1_000_000
_KNOT_MS = 60_000
_LONGEST_CATCH_UP_SECONDS = 120
_HOUR_MS = 3_600_000
INDEX_EVERY_MS = 1000
_PERIOD_MS = 8 * _HOUR_MS
# What rests at the touch, in USD: order of magnitude of captures from the end of 2025.
_TOUCH_USD = {
    "BTC-PERPETUAL": 100_000,
    "ETH-PERPETUAL": 30_000,
    "BTC_USDC-PERPETUAL": 10_000,
    "ETH_USDC-PERPETUAL": 3_000,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BookShape:
    """The synthetic book: how deep, how wide, and how far the perpetual strays from spot.

    ``size_pct`` scales every level (5 makes a thin book). ``premium_bps`` is the usual
    distance between mid and index, up or down; ``lean_bps`` is how far it leans to one side all
    the time. With both 0 the mid is pinned to the index.
    """

    levels: int = 24
    size_pct: int = 100
    widest_spread_ticks: int = 2
    premium_bps: int = 3
    lean_bps: int = 0


@dataclass(slots=True)
class Level:
    """One price of the synthetic book and what is left there."""

    price: Decimal
    contracts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTrade:
    """One trade as everybody sees it; ``side`` is the taker's."""

    trade_id: str
    trade_seq: int
    side: Side
    contracts: int
    price: Decimal
    mark_price: Decimal
    index_price: Decimal
    tick_direction: int
    timestamp_ms: int
    liquidation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InterestSample:
    """The funding accumulator on the hour (sum of rate times time, as a fraction)."""

    timestamp_ms: int
    interest: Decimal
    index_price: Decimal


@dataclass(slots=True, kw_only=True)
class Market:
    """Prices and liquidity of one instrument. `step` moves it; takers call `take`.

    Index and mark are of ``published_ms``; they follow ``index_every_ms``. ``taken`` is what takers
    have had of each side (by its name) since the last step.
    """

    instrument: Instrument
    seed: int
    shape: BookShape
    index: Decimal
    now_ms: int
    mark_window_seconds: int
    mark_clip_pct: Decimal
    index_every_ms: int = INDEX_EVERY_MS
    steps: int = 0
    change_id: int = 0
    premium_ema: Decimal = ZERO
    band_ema: Decimal = ZERO
    published_ms: int = 0
    averaged_second: int = 0
    mark: Decimal = ZERO
    last_price: Decimal = ZERO
    last_tick: int = 1
    trade_seq: int = 0
    interest: Decimal = ZERO
    rate: Decimal = ZERO
    samples: deque[InterestSample] = field(default_factory=lambda: deque(maxlen=48))
    trades: deque[PublicTrade] = field(default_factory=lambda: deque(maxlen=1000))
    candles: Candles = field(default_factory=Candles)
    state: str = "open"
    settlement_price: Decimal = ZERO
    spot: Decimal = ZERO
    _mid: Decimal = ZERO
    taken: dict[str, int] = field(default_factory=dict[str, int])
    _levels: dict[Side, list[Level]] = field(default_factory=dict[Side, list[Level]])
    _first: dict[Side, Level] = field(default_factory=dict[Side, Level])

    def open(self) -> None:
        """Prices the market for the first time: no history, the premium is what it is."""
        self.spot = self.index
        self._mid = self.spot + self._premium()
        self.premium_ema = self.band_ema = self._mid - self.index
        self.averaged_second = self.now_ms // 1000
        self._reprice()
        self.last_price = self.best(Side.BUY)
        self.settlement_price = self.mark
        self.samples.append(self._present())

    def resume(self) -> None:
        """Works out again what is derived, after the rest was read back."""
        self._mid = self.spot + self._premium()
        self._reprice()
        # `open` laid a book out around the start price: it is not the one that was kept.
        self._clear()
        eaten, self.taken = self.taken, {}
        for side, contracts in eaten.items():
            self._eat(Side(side), contracts)

    def _eat(self, side: Side, contracts: int) -> None:
        """Takes from the top of one side what had been taken from it."""
        taker, levels = side.opposite, self.levels(side)
        while contracts and levels:
            level = self.take(taker, levels[0].price, contracts)
            contracts -= level.contracts if level else contracts

    def step(self, spot: Decimal, now_ms: int, change_id: int) -> Decimal:
        """Moves to a new price and time; the book is new. Returns how far the mid moved."""
        self._accrue(now_ms)
        before = self._mid
        self.spot, self.now_ms, self.change_id = spot.quantize(CENT), now_ms, change_id
        self.steps += 1
        self._clear()
        self.taken.clear()
        self._mid = self.spot + self._premium()
        due_ms = now_ms - now_ms % self.index_every_ms
        if due_ms > self.published_ms:
            self.published_ms = due_ms
            self._publish()
        return self._mid - before

    def _clear(self) -> None:
        self._levels.clear()
        self._first.clear()

    def _publish(self) -> None:
        """The index is what the feed says now; the mark follows, its average by the second."""
        self.index = self.spot
        second, sample = self.now_ms // 1000, self._mid - self.index
        for _ in range(min(second - self.averaged_second, _LONGEST_CATCH_UP_SECONDS)):
            if sample == self.premium_ema == self.band_ema:
                break  # nothing to come closer to
            self.premium_ema = mark.ema_step(self.premium_ema, sample, self.mark_window_seconds)
            self.band_ema = mark.ema_step(self.band_ema, sample, mark.BAND_WINDOW_SECONDS)
        self.averaged_second = max(second, self.averaged_second)
        self._reprice()

    def _accrue(self, now_ms: int) -> None:
        if self.rate:
            self.interest += self.rate * (now_ms - self.now_ms) / _PERIOD_MS
        if now_ms // _HOUR_MS != self.now_ms // _HOUR_MS:
            hour = now_ms // _HOUR_MS * _HOUR_MS
            self.samples.append(
                InterestSample(timestamp_ms=hour, interest=self.interest, index_price=self.index)
            )

    def _premium(self) -> Decimal:
        """Mid less spot: a lean, and a slow wave with a knot a minute. No state but the time."""
        lean = self.spot * _BPS * self.shape.lean_bps
        if not self.shape.premium_bps:
            return lean.quantize(CENT)
        knot, into = divmod(self.now_ms, _KNOT_MS)
        strand = catalogue.number(self.instrument)
        left, right = (bell(self.seed, strand, knot + step) for step in (0, 1))
        wave = left + (right - left) * into / _KNOT_MS
        return (lean + self.spot * _BPS * self.shape.premium_bps * wave).quantize(CENT)

    def _reprice(self) -> None:
        price = mark.mark_price(self.index, self.premium_ema, self.mark_clip_pct / 100)
        self.mark = price.quantize(CENT, ROUND_HALF_EVEN)
        self.rate = funding.rate(self.instrument, self.mark, self.index)

    def band(self) -> tuple[Decimal, Decimal]:
        """The lowest and the highest price an order may have now."""
        return mark.band(self.index, self.band_ema, self.instrument)

    def reference(self, trigger: TriggerBy) -> Decimal:
        """The price a trigger order of this kind watches."""
        prices = {
            TriggerBy.MARK_PRICE: self.mark,
            TriggerBy.INDEX_PRICE: self.index,
            TriggerBy.LAST_PRICE: self.last_price,
        }
        return prices[trigger]

    def levels(self, side: Side) -> list[Level]:
        """The bids (buy) or asks (sell) left in the synthetic book, best first."""
        if side not in self._levels:
            self._levels[side] = self._lay_out(side, self.shape.levels)
        return self._levels[side]

    def best(self, side: Side) -> Decimal:
        """The best bid (buy) or ask (sell); 0 when that side is empty, as the venue says it."""
        first = self.first(side)
        return first.price if first else ZERO

    def first(self, side: Side) -> Level | None:
        """The best bid (buy) or ask (sell) with its size, None when that side is empty."""
        levels = self._levels.get(side)
        if levels is not None:
            return levels[0] if levels else None
        # Most steps nobody looks deeper: the rest is laid out for those who do.
        if side not in self._first:
            self._first[side] = self._lay_out(side, 1)[0]
        return self._first[side]

    def _lay_out(self, side: Side, depths: int) -> list[Level]:
        """Levels that widen and thicken away from the touch: about 5 bps for a million USD."""
        instrument, strand = self.instrument, catalogue.number(self.instrument)
        of_step = noise(self.seed, strand, self.steps)
        spread = 1 + of_step % self.shape.widest_spread_ticks
        touch = instrument.floor_price(self._mid)
        if side is Side.SELL:
            touch += spread * instrument.tick_size
        tick = -side.sign * instrument.tick_size
        # The level at depth d stands d (d + 1) / 5 basis points off the touch, and no two on one.
        reach = int(touch * _BPS / instrument.tick_size) if depths > 1 else 0
        bits = noise(side.sign, after=of_step)
        unit = _usual_millionths(instrument, self.shape.size_pct, touch)
        return [
            Level(
                touch + (depth + reach * depth * (depth + 1) // 5) * tick,
                max(1, (50 + (bits >> depth) % 101) * (4 + depth) * unit // _SCALE),
            )
            for depth in range(depths)
        ]

    def reachable(self, side: Side, limit: Decimal) -> int:
        """Contracts a taker of this side finds at ``limit`` or better."""
        return sum(
            level.contracts
            for level in self.levels(side.opposite)
            if side.sign * (limit - level.price) >= 0
        )

    def take(self, side: Side, limit: Decimal, contracts: int) -> Level | None:
        """Takes up to ``contracts`` from the best opposite level, None when beyond ``limit``."""
        best = self.first(side.opposite)
        if best is None or side.sign * (limit - best.price) < 0:
            return None
        levels = self.levels(side.opposite)
        best = levels[0]
        taken = min(contracts, best.contracts)
        best.contracts -= taken
        self.taken[side.opposite] = self.taken.get(side.opposite, 0) + taken
        if best.contracts == 0:
            levels.pop(0)
        return Level(best.price, taken)

    def print_trade(
        self,
        trade_id: str,
        side: Side,
        contracts: int,
        price: Decimal,
        *,
        timestamp_ms: int,
        liquidation: str | None = None,
    ) -> PublicTrade:
        """Puts a trade on the tape: it is the new last price."""
        self.trade_seq += 1
        trade = PublicTrade(
            trade_id=trade_id,
            trade_seq=self.trade_seq,
            side=side,
            contracts=contracts,
            price=price,
            mark_price=self.mark,
            index_price=self.index,
            tick_direction=self._tick_direction(price),
            timestamp_ms=timestamp_ms,
            liquidation=liquidation,
        )
        self.last_price, self.last_tick = price, trade.tick_direction
        self.trades.append(trade)
        self.candles.add(self.instrument, trade.timestamp_ms, price, contracts)
        return trade

    def _tick_direction(self, price: Decimal) -> int:
        """0 up, 1 unchanged after up, 2 down, 3 unchanged after down."""
        if price == self.last_price:
            return self.last_tick | 1
        return 0 if price > self.last_price else 2

    def interest_at(self, timestamp_ms: int) -> Decimal:
        """The funding accumulator at a moment, straight between the samples kept."""
        if self.samples and timestamp_ms <= self.samples[0].timestamp_ms:
            return self.samples[0].interest
        points = [*self.samples, self._present()]
        if timestamp_ms <= points[0].timestamp_ms:
            return points[0].interest
        for earlier, later in pairwise(points):
            if timestamp_ms <= later.timestamp_ms:
                span = later.timestamp_ms - earlier.timestamp_ms
                part = Decimal(timestamp_ms - earlier.timestamp_ms) / max(1, span)
                return earlier.interest + (later.interest - earlier.interest) * part
        return points[-1].interest

    def _present(self) -> InterestSample:
        return InterestSample(
            timestamp_ms=self.now_ms, interest=self.interest, index_price=self.index
        )

    def trades_between(self, start_ms: int, end_ms: int) -> Iterable[PublicTrade]:
        """What the tape still holds of that time, oldest first."""
        return (trade for trade in self.trades if start_ms <= trade.timestamp_ms <= end_ms)


def _usual_millionths(instrument: Instrument, size_pct: int, price: Decimal) -> int:
    """Contracts at a level of usual size, in millionths: all in whole numbers, for speed."""
    usd = _TOUCH_USD[instrument.name] * size_pct * 1_000_000
    if instrument.is_inverse:
        return _whole_share(usd, instrument.contract_size)
    return int(usd / (instrument.contract_size * price))


@cache
def _whole_share(usd: int, contract_usd: Decimal) -> int:
    return int(usd / contract_usd)
