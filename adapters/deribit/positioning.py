"""What Deribit says about positioning in a perpetual, once a minute, for the archive.

Deribit publishes no long/short ratio of accounts. What it offers in its place: what takers bought
and sold (last minute's trades), and how much rests at the best bid and ask.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from actors.ports import Clock, NotSent, OutcomeUnknown, Rejected
from adapters.deribit.http import HttpRpc

MINUTE_MS, FUNDING_MS = 60_000, 8 * 3_600_000
TIMEOUT = 10.0
PAGE = 1000
"""The most the venue hands out at once; a crash has more in its minute."""
MOST_WAITING = 10_000
"""Rows kept for a disk that is full: three days of two instruments."""
_STATS = {"volume_24h": "volume", "volume_usd_24h": "volume_usd"}
_TICKER = {
    "open_interest": "open_interest",
    "funding": "current_funding",
    "funding_8h": "funding_8h",
    "index_price": "index_price",
    "mark_price": "mark_price",
    "best_bid": "best_bid_price",
    "best_ask": "best_ask_price",
    "best_bid_amount": "best_bid_amount",
    "best_ask_amount": "best_ask_amount",
}

Row = Mapping[str, str | float | bool | None]


class PositioningReader:
    """Reads one row of each instrument, over HTTP, without a log-in."""

    def __init__(self, http_url: str, venue: str, instruments: Sequence[str]) -> None:
        self._rpc = HttpRpc(http_url, max_connections=1)
        self._venue = venue
        self._instruments = instruments

    def close(self) -> None:
        self._rpc.close()

    def read(self, minute_ms: int) -> tuple[list[Row], str]:
        """The rows of that minute, and why some are missing (empty when none is)."""
        rows: list[Row] = []
        error = ""
        for name in self._instruments:
            try:
                rows.append(self._row(name, minute_ms))
            except (Rejected, OutcomeUnknown, NotSent, ValueError, TypeError, KeyError) as failure:
                error = f"{name}: {type(failure).__name__}: {failure}"[:160]
        return rows, error

    def _row(self, name: str, minute_ms: int) -> Row:
        ticker = self._rpc.call("public/ticker", {"instrument_name": name}, timeout=TIMEOUT)
        stats: Mapping[str, Any] = ticker["stats"]
        figures = {column: _figure(ticker.get(field)) for column, field in _TICKER.items()}
        figures |= {column: _figure(stats.get(field)) for column, field in _STATS.items()}
        mark, index = figures["mark_price"], figures["index_price"]
        if not mark or not index:
            raise ValueError("no mark or index price")
        bought, sold = self._taken(name, minute_ms)
        return {
            "venue": self._venue,
            "instrument": name,
            "timestamp_ms": minute_ms,
            **figures,
            "basis": (mark - index) / index,
            "buy_amount_1m": bought,
            "sell_amount_1m": sold,
            "at_funding": minute_ms % FUNDING_MS == 0,
        }

    def _taken(self, name: str, minute_ms: int) -> tuple[float, float]:
        """What takers bought and sold in the minute that ended, in the instrument's amount."""
        amounts = {"buy": 0.0, "sell": 0.0}
        for direction, amount in self._trades(name, minute_ms - MINUTE_MS, minute_ms - 1).values():
            amounts[direction] += amount
        return amounts["buy"], amounts["sell"]

    def _trades(self, name: str, start_ms: int, end_ms: int) -> Mapping[str, tuple[str, float]]:
        """Direction and amount of each trade by its id: of all of them, a page at a time."""
        found: dict[str, tuple[str, float]] = {}
        while True:
            answer = self._rpc.call(
                "public/get_last_trades_by_instrument_and_time",
                {
                    "instrument_name": name,
                    "start_timestamp": start_ms,
                    "end_timestamp": end_ms,
                    "count": PAGE,
                    "sorting": "asc",
                },
                timeout=TIMEOUT,
            )
            page = answer["trades"]
            found |= {one["trade_id"]: (one["direction"], float(one["amount"])) for one in page}
            if answer["has_more"] is not True:
                return found
            last_ms = max((one["timestamp"] for one in page), default=start_ms)
            if last_ms <= start_ms:
                raise ValueError("more trades are announced, but none follow")
            start_ms = last_ms


def _figure(value: Any) -> float | None:
    return None if value is None else float(value)


class PositioningPoller:
    """Reads at the full minute, in a thread of its own: `start` it once, `take`, `stop`."""

    def __init__(self, reader: PositioningReader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._over = threading.Event()
        self._changing = threading.Lock()
        self._rows: list[Row] = []
        self._is_failing = False
        self._log = structlog.get_logger(actor="collector")
        self._thread = threading.Thread(target=self._run, name="positioning", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(2 * TIMEOUT + 1)
        self._reader.close()

    def take(self) -> list[Row]:
        """The rows read since the last time."""
        with self._changing:
            rows, self._rows = self._rows, []
        return rows

    def give_back(self, rows: Sequence[Row]) -> None:
        """Rows that could not be stored: they are handed out again."""
        with self._changing:
            self._rows = [*rows, *self._rows][-MOST_WAITING:]

    def _run(self) -> None:
        """Every full minute once, however the clock jumps; one that has passed is not made up."""
        last_ms = 0
        while not self._over.is_set():
            now_ms = int(self._clock.now().timestamp() * 1000)
            minute_ms = now_ms // MINUTE_MS * MINUTE_MS
            if minute_ms != last_ms and (last_ms or now_ms - minute_ms < MINUTE_MS // 2):
                self._read(minute_ms)
            last_ms = minute_ms
            self._over.wait(min(1.0, (minute_ms + MINUTE_MS - now_ms) / 1000))

    def _read(self, minute_ms: int) -> None:
        rows, error = self._reader.read(minute_ms)
        with self._changing:
            self._rows = [*self._rows, *rows][-MOST_WAITING:]
        if bool(error) != self._is_failing:
            self._is_failing = bool(error)
            if error:
                self._log.warning("positioning_failed", error=error)
            else:
                self._log.info("positioning_recovered")
