"""Both markets' streams as one source of ticks, and the refiller behind them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from actors.ports import Clock
from adapters.binance.bans import Bans
from adapters.binance.frames import names_of, parse
from adapters.binance.refill import Missing, Refiller
from adapters.binance.rest import SPOT, USDM, Market
from adapters.binance.stream import BinanceStream
from domain.ticks import Ticks, is_spot


class Roots(Protocol):
    """The settings with the venue's addresses."""

    @property
    def binance_ws_url(self) -> str: ...
    @property
    def binance_http_url(self) -> str: ...
    @property
    def binance_spot_ws_url(self) -> str: ...
    @property
    def binance_spot_http_url(self) -> str: ...


def streams(roots: Roots) -> Mapping[Market, str]:
    """Where each market streams."""
    return {USDM: roots.binance_ws_url, SPOT: roots.binance_spot_ws_url}


def addresses(roots: Roots) -> Mapping[Market, str]:
    """Where each market answers."""
    return {USDM: roots.binance_http_url, SPOT: roots.binance_spot_http_url}


class BinanceSource:
    """Ticks of some symbols, live and refilled: `start` it once, `take`, `want`, `stop`."""

    def __init__(
        self,
        symbols: Sequence[str],
        streams: Mapping[Market, str],
        addresses: Mapping[Market, str],
        clock: Clock,
        bans: Bans,
    ) -> None:
        self._lines: list[tuple[BinanceStream, Mapping[str, str]]] = []
        for market in (USDM, SPOT):
            mine = [x for x in symbols if is_spot(x) is (market is SPOT)]
            if mine:
                self._lines.append((BinanceStream(streams[market], mine, clock), names_of(mine)))
        self._refiller = Refiller(addresses, clock, bans)
        self.bad_frames = 0
        self.last_error = ""

    def start(self) -> None:
        self._refiller.start()
        for stream, _ in self._lines:
            stream.start()

    def stop(self) -> None:
        for stream, _ in self._lines:
            stream.stop()
        self._refiller.stop()

    def take(self) -> tuple[list[Ticks], list[Ticks], list[Missing]]:
        """What came live, what was refilled, and what cannot be."""
        live: list[Ticks] = []
        for stream, names in self._lines:
            parsed = parse(stream.take(), names)
            live += parsed.ticks
            self.bad_frames += parsed.bad
            self.last_error = parsed.error or self.last_error
        return live, *self._refiller.take()

    def want(self, missing: Iterable[tuple[str, int, int]]) -> None:
        self._refiller.want(Missing(*each) for each in missing)

    def want_after(self, symbol: str, last: int) -> None:
        """Asks what the venue has after that id."""
        self._refiller.want_after(symbol, last)

    @property
    def waiting(self) -> int:
        """Frames that came and were not taken yet."""
        return sum(stream.waiting for stream, _ in self._lines)

    def state(self) -> Mapping[str, int | bool]:
        """How the lines are."""
        return {
            "connected": all(stream.is_connected for stream, _ in self._lines),
            "connections": sum(stream.connections for stream, _ in self._lines),
            "dropped": sum(stream.dropped for stream, _ in self._lines),
            "refill_failing": self._refiller.is_failing,
            "bad_frames": self.bad_frames,
        }
