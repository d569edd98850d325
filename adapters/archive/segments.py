"""Writing and merging segments with DuckDB.

Parquet's delta encodings (``PARQUET_VERSION V2``) with zstd hold a price, a time or an id in its
step from the one before. A quantity has nothing to do with the one before: it is stored as three
columns, its lowest byte, the next, and what is above. As entries of a dictionary of at most 256
they are whole bytes, of which zstd makes nearly their entropy; a wider code is not aligned, and
zstd can do nothing with it (measured at a million ticks: 1.1 bytes instead of 1.9 as one column).
Row groups of 122880 rows bound what a reader holds in memory. Fills (``last - first``) are stored
for the last id.
"""

# ruff: noqa: S608 - every name and value in these statements is ours, or quoted by `literal`

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import orjson

from adapters.archive.files import install, make_folder
from adapters.archive.layout import (
    TEMPORARY,
    TICKS,
    Kind,
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

FORM = 2
"""How segments are written now; files of the first form are read, and merged into this one."""
ROW_GROUP = 122_880
_FORMAT = (
    "FORMAT parquet, PARQUET_VERSION V2, COMPRESSION zstd, DICTIONARY_SIZE_LIMIT 256, "
    f"ROW_GROUP_SIZE {ROW_GROUP}"
)
MEMORY = "512MB"
FIGURES = "DOUBLE"
"""The type of prices and quantities for readers: ``price * quantity`` would overflow decimals.

The files are exact, and each double is the nearest; exports read the files."""


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
        select = (
            f"SELECT agg_id, {_decimal('price', ticks.price_scale)} AS price, "
            f"{_parts('quantity')}, first_id, fills::INTEGER AS fills, timestamp_ms, "
            "is_buyer_maker FROM batch"
        )
        scales = ticks.price_scale, ticks.quantity_scale
        try:
            return self._make(select, ticks.symbol, day, ticks.runs(), scales)
        finally:
            self._engine.unregister("batch")

    def merge(self, segments: Sequence[Segment]) -> Segment:
        """One new segment with the rows of several of one symbol and day.

        Raises:
            OSError, duckdb.Error: nothing is written; a source may be corrupted.
        """
        first = segments[0]
        price = max(segment.kind.price_scale for segment in segments)
        quantity = max(segment.kind.quantity_scale for segment in segments)
        # Each kind is read for itself: a list is read with the types of its first file.
        parts = " UNION ALL ".join(
            f"SELECT agg_id, price::DECIMAL(18,{price}) AS price, "
            f"{_whole(kind)} * {10 ** (quantity - kind.quantity_scale)} AS quantity, "
            "first_id, fills, timestamp_ms, is_buyer_maker "
            f"FROM read_parquet({literals([x.path for x in group])})"
            for kind, group in by_kind(segments).items()
        )
        runs = joined(run for segment in segments for run in segment.runs)
        select = (
            f"SELECT agg_id, price, {_parts('quantity')}, first_id, fills, timestamp_ms, "
            f"is_buyer_maker FROM ({parts}) ORDER BY agg_id"
        )
        return self._make(select, first.symbol, first.day, runs, (price, quantity))

    def _make(
        self,
        select: str,
        symbol: str,
        day: int,
        runs: tuple[Run, ...],
        scales: tuple[int, int],
    ) -> Segment:
        price, quantity = scales
        folder = self._root / TICKS / folder_of(symbol) / day_name(day)
        make_folder(folder)
        self._count += 1
        temporary = folder / f"{TEMPORARY}{self._count}.parquet"
        about = orjson.dumps([[x.first, x.last, x.first_ms, x.last_ms] for x in runs]).decode()
        try:
            done = self._engine.execute(
                f"COPY ({select}) TO {literal(str(temporary))} ({_FORMAT}, KV_METADATA "
                f"{{runs: {literal(about)}, scales: '{price},{quantity}', form: '{FORM}'}})"
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
            kind=Kind(FORM, price, quantity),
        )


def by_kind(segments: Sequence[Segment]) -> Mapping[Kind, list[Segment]]:
    """Segments of which one list can be read together."""
    groups: dict[Kind, list[Segment]] = {}
    for segment in segments:
        groups.setdefault(segment.kind, []).append(segment)
    return groups


def figures(kind: Kind) -> str:
    """The price and the quantity of such a file's rows, as doubles."""
    quantity = f"{_whole(kind)}::{FIGURES} / {10**kind.quantity_scale}"
    return f"price::{FIGURES} AS price, {quantity} AS quantity"


def decimals(kind: Kind, price_scale: int, quantity_scale: int) -> str:
    """The same, exact, with so many decimals."""
    quantity = _decimal(_whole(kind), kind.quantity_scale)
    return (
        f"price::DECIMAL(18,{price_scale}) AS price, "
        f"({quantity})::DECIMAL(18,{quantity_scale}) AS quantity"
    )


def _whole(kind: Kind) -> str:
    """The quantity as a whole number of its smallest unit; the first form kept a decimal."""
    if kind.form == 1:
        scale = kind.quantity_scale
        return f"(quantity::DECIMAL(28,{scale}) * {10**scale}::DECIMAL(10,0))::BIGINT"
    return "(quantity_low + 256 * quantity_mid::BIGINT + 65536 * quantity_high)"


def _parts(column: str) -> str:
    """A whole number as the three columns it is stored in."""
    return (
        f"({column} % 256)::UTINYINT AS quantity_low, "
        f"({column} // 256 % 256)::UTINYINT AS quantity_mid, "
        f"({column} // 65536)::BIGINT AS quantity_high"
    )


def _decimal(whole: str, scale: int) -> str:
    """A whole number as the decimal it stands for; exact, DuckDB multiplies in 128 bits."""
    if scale == 0:
        return f"{whole}::DECIMAL(18,0)"
    unit = "0." + "1".rjust(scale, "0")
    return f"({whole}::DECIMAL(18,0) * {unit}::DECIMAL({scale + 1},{scale}))::DECIMAL(18,{scale})"


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
        kind=Kind(int(about.get(b"form", b"1")), int(price), int(quantity)),
    )
    if segment.rows != rows_in(path.name) or not made:
        raise ValueError("its name says something else")
    return segment
