"""Both markets' streams as one source of ticks, and the refiller behind them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import structlog

from actors.ports import Clock
from adapters.binance.bans import Bans
from adapters.binance.frames import names_of, parse
from adapters.binance.refill import Missing, Refiller
from adapters.binance.rest import SPOT, USDM, Market, market_of
from adapters.binance.silence import Silence
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


def stream_setting(symbol: str) -> str:
    """The setting that says where the symbol streams."""
    return "BINANCE_SPOT_WS_URL" if market_of(symbol) is SPOT else "BINANCE_WS_URL"


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
        self._silences = {symbol: Silence() for symbol in symbols}
        self._log = structlog.get_logger(actor="collector")
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
        ends = self._refiller.ends()  # first: frames that come meanwhile are no silence
        for stream, names in self._lines:
            connection = stream.connection
            parsed = parse(stream.take(), names)
            live += parsed.ticks
            self.bad_frames += parsed.bad
            self.last_error = parsed.error or self.last_error
            self._listen(connection, names.values(), {x.symbol for x in parsed.ticks}, ends)
        return live, *self._refiller.take()

    def _listen(
        self,
        connection: int,
        symbols: Iterable[str],
        heard: set[str],
        ends: Sequence[tuple[str, int]],
    ) -> None:
        """Tells, once each time, of a stream that is up and brings nothing of what there is."""
        for symbol in symbols:
            silence = self._silences[symbol]
            mine = [end for name, end in ends if name == symbol]
            if not silence.look(connection, mine, is_heard=symbol in heard):
                continue
            if silence.is_proven:
                setting = stream_setting(symbol)
                self._log.warning("stream_silent", symbol=symbol, setting=setting)
            else:
                self._log.info("stream_heard", symbol=symbol)

    def want(self, missing: Iterable[tuple[str, int, int]]) -> None:
        self._refiller.want(Missing(*each) for each in missing)

    def want_after(self, symbol: str, last: int) -> None:
        """Asks what the venue has after that id."""
        self._refiller.want_after(symbol, last)

    def want_latest(self, symbol: str) -> None:
        """Asks for the last tick there is."""
        self._refiller.want_latest(symbol)

    @property
    def waiting(self) -> int:
        """Frames that came and were not taken yet."""
        return sum(stream.waiting for stream, _ in self._lines)

    def state(self) -> Mapping[str, Any]:
        """How the lines are; ``silent`` are the symbols whose stream is up and brings nothing."""
        return {
            "connected": all(stream.is_connected for stream, _ in self._lines),
            "connections": sum(stream.connections for stream, _ in self._lines),
            "dropped": sum(stream.dropped for stream, _ in self._lines),
            "refill_failing": self._refiller.is_failing,
            "bad_frames": self.bad_frames,
            "silent": [name for name, each in self._silences.items() if each.is_proven],
        }
