"""An archive in a folder, ticks for it, and what another process reads from it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from adapters.archive import reader
from adapters.archive.store import Archive
from domain.ticks import Ticks
from tests.adapters.binance.tape import Tape

NOON_MS = 1_795_867_200_000
"""2026-11-28 12:00 UTC."""


class HandClock:
    """A clock set by hand: wall time and monotonic time move together, unless ``jump``."""

    def __init__(self, now_ms: int = NOON_MS) -> None:
        self.wall = datetime.fromtimestamp(now_ms / 1000, UTC)
        self.seconds = 1_000.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.pass_(seconds)

    def pass_(self, seconds: float) -> None:
        self.seconds += seconds
        self.jump(seconds)

    def jump(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)


def tape(count: int = 2_000, symbol: str = "BTCUSDT", start_ms: int = NOON_MS) -> Ticks:
    return Tape.make(symbol, count, start_ms).ticks


def part(ticks: Ticks, start: int, end: int) -> Ticks:
    return ticks.take(slice(start, end))


def opened(root: Path, clock: HandClock | None = None) -> Archive:
    return Archive(root, clock or HandClock())


def query(root: Path, sql: str) -> list[tuple[Any, ...]]:
    """As another program would: open (again if it was replaced meanwhile), ask, close."""
    path = root / "binance_ticks.duckdb"
    with reader.opened(path, lambda: duckdb.connect(str(path))) as connection:
        return connection.execute(sql).fetchall()


COLUMNS = "agg_id, price, quantity, first_id, last_id, timestamp_ms, is_buyer_maker"


def rows(root: Path, symbol: str = "BTCUSDT") -> list[tuple[Any, ...]]:
    """Every row of a symbol in the order of ids."""
    return query(
        root,
        f"SELECT {COLUMNS} FROM agg_trades WHERE symbol = '{symbol}' ORDER BY agg_id",  # noqa: S608
    )


def expected(ticks: Ticks) -> list[tuple[Any, ...]]:
    """The rows these ticks must be read back as."""
    columns = (
        ticks.agg_id,
        ticks.price / 10**ticks.price_scale,
        ticks.quantity / 10**ticks.quantity_scale,
        ticks.first_id,
        ticks.last_id,
        ticks.timestamp_ms,
        ticks.is_buyer_maker,
    )
    return list(zip(*(column.tolist() for column in columns), strict=True))
