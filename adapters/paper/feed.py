"""Where index prices come from: a seeded random walk, or a recording of Binance USD-M streams.

A feed is an endless sequence of ticks: how long to wait in market time, and the index prices
that hold then. Prices are USD per coin.
"""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Protocol

import orjson

from adapters.paper.engine import START_PRICES
from adapters.paper.noise import bell, between

CENT = Decimal("0.01")
_BPS = Decimal("0.0001")
# Quiet, usual and wild: basis points a root second. The usual one walks 0.3 % in half a minute.
_MOODS = (Decimal(2), Decimal(5), Decimal(5), Decimal(9))
_DRIFTS = (Decimal("-0.8"), Decimal("-0.3"), Decimal(0), Decimal("0.3"), Decimal("0.8"))
_PULL = Decimal("0.00002")
_GZIP_MAGIC = b"\x1f\x8b"
_MILLION = 1_000_000
_LONGEST_WAIT_MS = 10_000
_IDLE_MS = 250
_INDEX_OF_SYMBOL = {"btcusdt": "btc_usd", "ethusdt": "eth_usd"}
_SILENT = frozenset({"depth"})


@dataclass(frozen=True, slots=True)
class Tick:
    """Prices that hold ``wait_ms`` of market time after the tick before."""

    wait_ms: int
    prices: Mapping[str, Decimal]


class Feed(Protocol):
    """An endless source of ticks. ``report`` is what there is to say about it, for a log line.

    ``failure`` is why it is over before its end; empty where it is not.
    """

    def next_tick(self) -> Tick: ...
    def report(self) -> Mapping[str, int]: ...
    @property
    def is_over(self) -> bool: ...
    @property
    def failure(self) -> str: ...


class SyntheticFeed:
    """A random walk with moods, drawn gently back to where it began; no two runs differ.

    ``count`` is how many ticks there have been before: with the last prices it is all the
    state there is.
    """

    is_over = False
    failure = ""

    def __init__(self, seed: int, prices: Mapping[str, Decimal], count: int = 0) -> None:
        self._seed = seed
        self._prices = {name: prices[name] for name in START_PRICES}
        self._count = count
        self._mood = {name: (_MOODS[1], Decimal(0)) for name in START_PRICES}
        self._mood_left_ms = 0

    def next_tick(self) -> Tick:
        """The next prices, 100 to 250 ms of market time on."""
        self._count += 1
        wait_ms = between(100, 250, self._seed, self._count)
        self._change_mood(wait_ms)
        seconds = Decimal(wait_ms) / 1000
        for strand, (name, price) in enumerate(self._prices.items()):
            sigma, drift = self._mood[name]
            away = (START_PRICES[name] - price) / START_PRICES[name] * _PULL * seconds
            step = sigma * seconds.sqrt() * bell(self._seed, self._count, strand)
            move = (drift * seconds + step) * _BPS + away
            self._prices[name] = (price * (1 + move)).quantize(CENT)
        return Tick(wait_ms, dict(self._prices))

    def _change_mood(self, wait_ms: int) -> None:
        self._mood_left_ms -= wait_ms
        if self._mood_left_ms > 0:
            return
        draw = self._seed, self._count
        self._mood_left_ms = between(15_000, 90_000, *draw)
        for strand, name in enumerate(self._mood):
            mood = _MOODS[between(0, len(_MOODS) - 1, *draw, strand, 1)]
            self._mood[name] = (mood, _DRIFTS[between(0, len(_DRIFTS) - 1, *draw, strand, 2)])

    def report(self) -> Mapping[str, int]:
        """Nothing but the number of ticks."""
        return {"ticks": self._count}


@dataclass(frozen=True, slots=True)
class _Print:
    """One price out of a recording, with the recorder's time."""

    at_ms: int
    index: str
    price: Decimal


@dataclass(slots=True)
class _Counts:
    lines: int = 0
    used: int = 0
    bad: int = 0
    unused: int = 0


@dataclass(slots=True)
class _Window:
    """What one index did in a window: its extremes in the order they came, and its end."""

    path: list[Decimal] = field(default_factory=list[Decimal])

    def add(self, price: Decimal) -> None:
        """Adds a price; inside what is known only the last one is kept."""
        if len(self.path) > 1 and min(self.path[:-1]) <= self.path[-1] <= max(self.path[:-1]):
            self.path.pop()
        self.path.append(price)


@dataclass(frozen=True, slots=True)
class Recorded:
    """Ticks of one symbol out of an archive: times (Unix milliseconds) and prices, in order.

    They are drawn as they are needed, so that a day of them is never in memory.
    """

    name: str
    symbol: str
    prices: Iterable[tuple[int, Decimal]]

    def __post_init__(self) -> None:
        """Raises `ValueError` for a symbol that moves no price of this exchange."""
        object.__setattr__(self, "symbol", self.symbol.lower().removeprefix("spot:"))
        if self.symbol not in _INDEX_OF_SYMBOL:
            known = ", ".join(_INDEX_OF_SYMBOL).upper()
            raise ValueError(f"{self.name}: only {known} move prices here")


OpenArchive = Callable[[str], Recorded]
"""Opens what ``replay:`` names in an archive, as in ``archive:BTCUSDT@2026-11-19T08:00/2h``."""


class ReplayFeed:
    """A recording: lines of ``<local ns> <raw JSON frame>``, gzip or plain.

    Trades and best bid and ask move the index of their coin; the coins that are not in the
    recording follow the synthetic feed. Prices within ``window_ms`` of market time are drawn
    together, but an extreme is never left out. A line that cannot be read is counted and
    skipped. After the end the prices stay, also where it cannot be read on: ``failure`` is why.
    """

    def __init__(
        self, source: "Path | Recorded", others: SyntheticFeed, window_ms: int = 100
    ) -> None:
        """Opens the recording and reads its first price.

        Raises:
            ValueError: there is no such file, or no usable line in it; it names the file.
        """
        self._others = others
        self._window_ms = window_ms
        self._counts = _Counts()
        self._name = source.name if isinstance(source, Recorded) else str(source)
        self.failure = ""
        self._prints = self._take(source) if isinstance(source, Recorded) else self._read(source)
        self._ready: list[Tick] = []
        self._prices: dict[str, Decimal] = {}
        self._at_ms: int | None = None
        self._next = self._draw()
        if self._next is None:
            raise ValueError(self.failure or f"the recording {self._name} has no usable line")

    @property
    def is_over(self) -> bool:
        """Whether the recording has ended."""
        return self._next is None and not self._ready

    def report(self) -> Mapping[str, int]:
        """Lines read, used, of no use here, and bad."""
        counts = self._counts
        return {
            "lines": counts.lines,
            "used": counts.used,
            "unused": counts.unused,
            "bad": counts.bad,
        }

    def next_tick(self) -> Tick:
        """The next prices; after the end the last ones, again and again."""
        if not self._ready:
            self._fill()
        tick = self._ready.pop(0) if self._ready else Tick(_IDLE_MS, {})
        other = self._others.next_tick().prices
        self._prices |= tick.prices
        return Tick(tick.wait_ms, {**other, **self._prices})

    def _fill(self) -> None:
        """Draws one window of prints together into ticks."""
        first = self._next
        if first is None:
            return
        windows: dict[str, _Window] = {}
        end_ms = first.at_ms + self._window_ms
        while (each := self._next) is not None and each.at_ms < end_ms:
            windows.setdefault(each.index, _Window()).add(each.price)
            self._next = self._draw()
        before = first.at_ms if self._at_ms is None else self._at_ms
        wait_ms = max(0, min(_LONGEST_WAIT_MS, first.at_ms - before))
        self._at_ms = first.at_ms
        for step in range(max(len(window.path) for window in windows.values())):
            prices = {
                index: window.path[min(step, len(window.path) - 1)]
                for index, window in windows.items()
            }
            self._ready.append(Tick(0 if step else wait_ms, prices))

    def _draw(self) -> _Print | None:
        """The next price; None at the end, and where the recording cannot be read on."""
        try:
            return next(self._prints, None)
        except Exception as error:  # noqa: BLE001 - disk, archive, database: a venue outlives them
            why = error.strerror if isinstance(error, OSError) else error
            told = f"cannot read the recording {self._name}: {why}"
            self.failure = str(error) if isinstance(error, ValueError) else told
            return None

    def _take(self, source: "Recorded") -> Iterator[_Print]:
        index = _INDEX_OF_SYMBOL[source.symbol]
        for at_ms, price in source.prices:
            self._counts.lines += 1
            self._counts.used += 1
            yield _Print(at_ms, index, price.quantize(CENT))

    def _read(self, path: Path) -> Iterator[_Print]:
        with path.open("rb") as plain:
            is_gzip = plain.read(2) == _GZIP_MAGIC
            plain.seek(0)
            lines = gzip.GzipFile(fileobj=plain) if is_gzip else plain
            try:
                for line in lines:
                    found = self._count(line)
                    if found is not None:
                        yield found
            except (EOFError, zlib.error, gzip.BadGzipFile):
                # A recording cut off in the middle: what was read is good.
                self._counts.bad += 1

    def _count(self, line: bytes) -> _Print | None:
        self._counts.lines += 1
        try:
            found = _parse(line)
        except (ValueError, KeyError, TypeError, InvalidOperation):
            self._counts.bad += 1
            return None
        if found is None:
            self._counts.unused += 1
        else:
            self._counts.used += 1
        return found


def _parse(line: bytes) -> _Print | None:
    """The price in a line; None for a frame of a stream that moves no price here.

    Raises:
        ValueError, KeyError, TypeError, InvalidOperation: it is not such a line.
    """
    stamp, _, text = line.partition(b" ")
    frame: dict[str, Any] = orjson.loads(text)
    symbol, _, stream = str(frame["stream"]).partition("@")
    data: dict[str, Any] = frame["data"]
    if stream.partition("@")[0] in _SILENT or symbol not in _INDEX_OF_SYMBOL:
        return None
    price = _price(stream, data)
    if not price.is_finite() or price <= 0:
        raise ValueError(f"{price} is no price")
    at_ms = int(stamp) // _MILLION
    return _Print(at_ms, _INDEX_OF_SYMBOL[symbol], price.quantize(CENT))


def _price(stream: str, data: Mapping[str, Any]) -> Decimal:
    if stream in {"trade", "aggTrade"}:
        return Decimal(data["p"])
    if stream == "bookTicker":
        return (Decimal(data["b"]) + Decimal(data["a"])) / 2
    raise ValueError(f"unknown stream {stream}")


def open_feed(
    name: str,
    *,
    seed: int,
    prices: Mapping[str, Decimal],
    count: int,
    window_ms: int = 100,
    archive: OpenArchive | None = None,
) -> Feed:
    """The feed of that name, going on from ``prices``.

    ``synthetic``, ``replay:<path>`` of recorded frames, or, with an ``archive`` to ask,
    ``replay:archive:<symbol>@<start>/<span>`` and ``replay:<segment>.parquet``.

    Raises:
        ValueError: there is no such feed, or its recording is of no use.
    """
    synthetic = SyntheticFeed(seed, prices, count)
    if name == "synthetic":
        return synthetic
    kind, _, path = name.partition(":")
    if kind != "replay" or not path:
        raise ValueError(f"feed {name!r} is neither 'synthetic' nor 'replay:<path>'")
    if archive is not None and (path.startswith("archive:") or path.endswith(".parquet")):
        return ReplayFeed(archive(path), synthetic, window_ms)
    return ReplayFeed(Path(path), synthetic, window_ms)
