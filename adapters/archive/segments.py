"""Writing and merging segments with DuckDB.

Measured at a million real-shaped rows: Parquet's delta encodings (``PARQUET_VERSION V2``) with
zstd take 3.3 bytes a tick. A dictionary instead of deltas for the price would take 0.6 bytes more,
none for the quantity 0.7. DuckDB knows one limit for all columns, so it is set between the two
where that is possible. Row groups of 122880 rows bound what a reader holds in memory. Fills
(``last - first``) are stored for the last id.
"""

# ruff: noqa: S608 - every name and value in these statements is ours, or quoted by `literal`

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import orjson

from adapters.archive.files import install, make_folder
from adapters.archive.layout import (
    TEMPORARY,
    TICKS,
    Segment,
    checksum,
    day_name,
    day_of,
    folder_of,
    rows_in,
    segment_name,
    symbol_of,
)
from domain.runs import Run, joined
from domain.ticks import Ticks

ROW_GROUP = 122_880
_FORMAT = f"FORMAT parquet, PARQUET_VERSION V2, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP}"
DICTIONARY = 2_000
"""Entries of a dictionary at most, where the rows do not say better."""
_ENOUGH = 20_000
"""Rows that say it: fewer are soon merged anyway."""
MEMORY = "512MB"
FIGURES = "DOUBLE"
"""The type of prices and quantities for readers: ``price * quantity`` would overflow decimals.

The files keep exact decimals, of which each is the nearest double; exports read the files."""


def open_engine(folder: Path) -> duckdb.DuckDBPyConnection:
    """A DuckDB of one thread that keeps nothing and spills, if it must, into ``folder``."""
    engine = duckdb.connect(":memory:")
    engine.execute("SET threads = 1")
    engine.execute(f"SET memory_limit = '{MEMORY}'")
    engine.execute(f"SET temp_directory = {literal(str(folder / (TEMPORARY + 'spill')))}")
    engine.execute("SET enable_progress_bar = false")
    return engine


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def literals(paths: Sequence[Path]) -> str:
    """A list of files in SQL."""
    return "[" + ", ".join(literal(str(path)) for path in paths) + "]"


class SegmentWriter:
    """Makes segments below ``root``. Whatever fails leaves no segment, at most a temporary file."""

    def __init__(self, root: Path, engine: duckdb.DuckDBPyConnection) -> None:
        self._root = root
        self._engine = engine
        self._count = 0

    def write(self, ticks: Ticks, day: int) -> Segment:
        """One new segment, on disk under its name. The rows are in order and of that day.

        Raises:
            OSError, duckdb.Error: nothing is written; the disk is full, perhaps.
        """
        columns = {
            "agg_id": ticks.agg_id,
            "price": ticks.price,
            "quantity": ticks.quantity,
            "first_id": ticks.first_id,
            "fills": (ticks.last_id - ticks.first_id),
            "timestamp_ms": ticks.timestamp_ms,
            "is_buyer_maker": ticks.is_buyer_maker,
        }
        self._engine.register("batch", columns)
        price, quantity = ticks.price_scale, ticks.quantity_scale
        select = (
            f"SELECT agg_id, {_decimal('price', price)}, {_decimal('quantity', quantity)}, "
            "first_id, fills::INTEGER AS fills, timestamp_ms, is_buyer_maker FROM batch"
        )
        try:
            limit = _limit_of(ticks)
            return self._make(select, ticks.symbol, day, ticks.runs(), (price, quantity), limit)
        finally:
            self._engine.unregister("batch")

    def merge(self, segments: Sequence[Segment]) -> Segment:
        """One new segment with the rows of several of one symbol and day.

        Raises:
            OSError, duckdb.Error: nothing is written; a source may be corrupted.
        """
        first = segments[0]
        price = max(segment.price_scale for segment in segments)
        quantity = max(segment.quantity_scale for segment in segments)
        # Each scale is read for itself: a list is read with the types of its first file.
        parts = " UNION ALL ".join(
            f"SELECT agg_id, price::DECIMAL(18,{price}) AS price, "
            f"quantity::DECIMAL(18,{quantity}) AS quantity, first_id, fills, timestamp_ms, "
            f"is_buyer_maker FROM read_parquet({literals([x.path for x in group])})"
            for group in by_scale(segments).values()
        )
        runs = joined(run for segment in segments for run in segment.runs)
        select = f"SELECT * FROM ({parts}) ORDER BY agg_id"
        row = self._engine.execute(
            "SELECT count(DISTINCT quantity), count(DISTINCT price) "
            f"FROM (SELECT price, quantity FROM ({parts}) LIMIT {ROW_GROUP})"
        ).fetchone()
        limit = dictionary_limit(*map(int, row)) if row else DICTIONARY
        return self._make(select, first.symbol, first.day, runs, (price, quantity), limit)

    def _make(  # noqa: PLR0917 (all of it is what a segment is)
        self,
        select: str,
        symbol: str,
        day: int,
        runs: tuple[Run, ...],
        scales: tuple[int, int],
        dictionary: int,
    ) -> Segment:
        price, quantity = scales
        folder = self._root / TICKS / folder_of(symbol) / day_name(day)
        make_folder(folder)
        self._count += 1
        temporary = folder / f"{TEMPORARY}{self._count}.parquet"
        about = orjson.dumps([[x.first, x.last, x.first_ms, x.last_ms] for x in runs]).decode()
        try:
            done = self._engine.execute(
                f"COPY ({select}) TO {literal(str(temporary))} ({_FORMAT}, "
                f"DICTIONARY_SIZE_LIMIT {dictionary}, KV_METADATA "
                f"{{runs: {literal(about)}, scales: '{price},{quantity}'}})"
            ).fetchone()
            written = int(done[0]) if done else 0
            held = sum(map(len, runs))
            if written != held:
                raise OSError(f"{written} rows were written where {held} belong")
            name = segment_name(runs[0].first, runs[-1].last, written, checksum(temporary))
            install(temporary, folder / name)
        finally:
            temporary.unlink(missing_ok=True)
        path = folder / name
        return Segment(
            path=path,
            symbol=symbol,
            day=day,
            rows=written,
            size=path.stat().st_size,
            runs=runs,
            price_scale=price,
            quantity_scale=quantity,
        )


def dictionary_limit(quantities: int, prices: int) -> int:
    """The limit that gives quantities a dictionary and prices none, when there are so many."""
    limit = quantities + quantities // 10 + 50
    return limit if limit < prices else DICTIONARY


def _limit_of(ticks: Ticks) -> int:
    if len(ticks) < _ENOUGH:
        return DICTIONARY
    quantities, prices = (np.unique(x[:ROW_GROUP]) for x in (ticks.quantity, ticks.price))
    return dictionary_limit(len(quantities), len(prices))


def by_scale(segments: Sequence[Segment]) -> Mapping[tuple[int, int], list[Segment]]:
    """Segments by the scales of their prices and quantities."""
    groups: dict[tuple[int, int], list[Segment]] = {}
    for segment in segments:
        groups.setdefault((segment.price_scale, segment.quantity_scale), []).append(segment)
    return groups


def _decimal(column: str, scale: int) -> str:
    """A whole number as the decimal it stands for; exact, DuckDB multiplies in 128 bits."""
    if scale == 0:
        return f"{column}::DECIMAL(18,0) AS {column}"
    unit = "0." + "1".rjust(scale, "0")
    whole = f"{column}::DECIMAL(18,0) * {unit}::DECIMAL({scale + 1},{scale})"
    return f"({whole})::DECIMAL(18,{scale}) AS {column}"


class Unreadable(Exception):
    """A file is no segment, or a damaged one."""


def read_segment(path: Path, engine: duckdb.DuckDBPyConnection) -> Segment:
    """What a segment says of itself.

    Raises:
        Unreadable: it is damaged, or none of ours.
    """
    try:
        rows = engine.execute(
            f"SELECT key, value FROM parquet_kv_metadata({literal(str(path))})"
        ).fetchall()
        return _segment(path, {bytes(key): bytes(value) for key, value in rows})
    except (duckdb.Error, KeyError, ValueError, TypeError, IndexError) as error:
        raise Unreadable(f"{path.name}: {type(error).__name__}") from error


def read_segments(
    paths: Sequence[Path], engine: duckdb.DuckDBPyConnection
) -> tuple[list[Segment], list[Path]]:
    """What all these segments say, in one go, and those that cannot be read."""
    if not paths:
        return [], []
    try:
        found: dict[str, dict[bytes, bytes]] = {}
        for name, key, value in engine.execute(
            f"SELECT file_name, key, value FROM parquet_kv_metadata({literals(paths)})"
        ).fetchall():
            found.setdefault(name, {})[bytes(key)] = bytes(value)
        return [_segment(path, found[str(path)]) for path in paths], []
    except (duckdb.Error, KeyError, ValueError, TypeError, IndexError):
        good: list[Segment] = []
        bad: list[Path] = []
        for path in paths:
            try:
                good.append(read_segment(path, engine))
            except Unreadable:
                bad.append(path)
        return good, bad


def _segment(path: Path, about: Mapping[bytes, bytes]) -> Segment:
    runs: list[Any] = orjson.loads(about[b"runs"])
    price, _, quantity = about[b"scales"].decode().partition(",")
    made = tuple(Run(*map(int, run)) for run in runs)
    segment = Segment(
        path=path,
        symbol=symbol_of(path.parent.parent.name),
        day=day_of(path.parent.name),
        rows=sum(map(len, made)),
        size=path.stat().st_size,
        runs=made,
        price_scale=int(price),
        quantity_scale=int(quantity),
    )
    if segment.rows != rows_in(path.name) or not made:
        raise ValueError("its name says something else")
    return segment
