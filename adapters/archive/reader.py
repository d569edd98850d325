"""Reading the archive: what anybody may do at any moment, beside a running collector."""

# ruff: noqa: S608 - every name and value in these statements is ours, or quoted by `literal`

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from adapters.archive.layout import CATALOGUE, symbol_of
from adapters.archive.segments import (
    by_kind,
    decimals,
    literal,
    literals,
    open_engine,
    read_segments,
)
from domain.moments import Stretch

CHUNK_MS = 600_000
"""Market time read at once for a replay: some thousand rows, never a day."""
ATTEMPTS = 5
"""How often a catalogue that is replaced again and again is opened; it is, every few seconds."""
CSV_HEAD = (
    "agg_trade_id, price, quantity, first_trade_id, last_trade_id, transact_time, is_buyer_maker"
)
"""The columns of Binance's own daily files."""


class NothingThere(ValueError):
    """There is no archive, or nothing in the part that was asked for."""


class Damaged(ValueError):
    """A file of the archive that is needed cannot be read."""


def connect(root: Path) -> duckdb.DuckDBPyConnection:
    """The catalogue as it is now, for reading.

    Raises:
        NothingThere: there is none yet.
    """
    path = root / CATALOGUE
    if not path.exists():
        raise NothingThere(f"there is no archive in {root}; run.py collect makes one")
    return opened(path, lambda: duckdb.connect(str(path), read_only=True))


def opened(
    path: Path, attempt: Callable[[], duckdb.DuckDBPyConnection]
) -> duckdb.DuckDBPyConnection:
    """What ``attempt`` returns; made again while the catalogue is replaced under it.

    DuckDB 2 opens a database by its name three times, for the magic bytes, the headers and the
    blocks: replaced in between, the headers of one file are taken for those of the next.

    Raises:
        duckdb.Error: it failed on a file that stayed where it was, or ever again.
    """
    for _ in range(ATTEMPTS - 1):
        before = path.stat().st_ino
        try:
            return attempt()
        except duckdb.Error:
            if path.stat().st_ino == before:
                raise
    return attempt()


@dataclass(frozen=True, slots=True)
class Bar:
    """What happened in ``width`` milliseconds. Volumes are in the base coin."""

    start_ms: int
    low: float
    high: float
    close: float
    bought: float
    sold: float
    ticks: int


def bars(root: Path, stretch: Stretch, width_ms: int) -> list[Bar]:
    """The bars of a stretch; those without a tick are left out."""
    with connect(root) as archive:
        found = archive.execute(
            "SELECT timestamp_ms // $width * $width AS start, min(price), max(price), "
            "arg_max(price, agg_id), "
            "coalesce(sum(quantity) FILTER (NOT is_buyer_maker), 0), "
            "coalesce(sum(quantity) FILTER (is_buyer_maker), 0), count(*) "
            f"FROM agg_trades WHERE {_where(stretch)} GROUP BY start ORDER BY start",
            {"width": width_ms},
        ).fetchall()
    return [Bar(*row) for row in found]


def gaps(root: Path, stretch: Stretch) -> list[tuple[int, int, int, str]]:
    """Holes that touch a stretch: after, before (ms), how many are missing, and their state."""
    with connect(root) as archive:
        return archive.execute(
            "SELECT after_ms, before_ms, missing, state FROM holes "
            f"WHERE symbol = {literal(stretch.symbol)} AND before_ms >= {stretch.start_ms} "
            f"AND after_ms < {stretch.end_ms} ORDER BY after_ms"
        ).fetchall()


def prices(root: Path, stretch: Stretch) -> Iterator[tuple[int, Decimal]]:
    """Time and price of every tick of a stretch, in the order of ids, ten minutes at a time.

    Raises:
        NothingThere: the archive has nothing of it.
    """
    with connect(root) as archive:
        row = archive.execute(
            f"SELECT min(timestamp_ms), max(timestamp_ms) FROM agg_trades WHERE {_where(stretch)}"
        ).fetchone()
    if row is None or row[0] is None:
        raise NothingThere(f"the archive has no tick of {stretch.symbol} in that time")
    for start in range(int(row[0]), int(row[1]) + 1, CHUNK_MS):
        part = Stretch(stretch.symbol, start, min(start + CHUNK_MS, int(row[1]) + 1))
        with connect(root) as archive:
            found = archive.execute(
                f"SELECT timestamp_ms, price FROM agg_trades WHERE {_where(part)} ORDER BY agg_id"
            ).fetchall()
        for at_ms, price in found:
            yield at_ms, Decimal(str(price))


def prices_in(path: Path) -> tuple[str, Iterator[tuple[int, Decimal]]]:
    """The symbol of one of the archive's files, and its ticks.

    Raises:
        NothingThere: it is none of them.
    """
    engine = open_engine(path.parent)
    try:
        (segment,), _ = read_segments([path.absolute()], engine)
    except ValueError:
        engine.close()
        raise NothingThere(f"{path} is no file of the archive") from None
    return symbol_of(path.absolute().parent.parent.name), _rows_in(engine, path, segment.rows)


def _rows_in(
    engine: duckdb.DuckDBPyConnection, path: Path, rows: int
) -> Iterator[tuple[int, Decimal]]:
    step = 20_000
    with engine:
        for start in range(0, rows, step):
            found = engine.execute(
                f"SELECT timestamp_ms, price FROM read_parquet({literal(str(path))}, "
                f"file_row_number = true) WHERE file_row_number >= {start} "
                f"AND file_row_number < {start + step} ORDER BY file_row_number"
            ).fetchall()
            yield from found


def _where(stretch: Stretch) -> str:
    return (
        f"symbol = {literal(stretch.symbol)} AND timestamp_ms >= {stretch.start_ms} "
        f"AND timestamp_ms < {stretch.end_ms}"
    )


def files_of(root: Path, symbol: str | None = None) -> list[Path]:
    """The segments the catalogue names, of one symbol or of all."""
    with connect(root) as archive:
        found = archive.execute(
            "SELECT file FROM segments WHERE $symbol IS NULL OR symbol = $symbol "
            "ORDER BY symbol, first_id",
            {"symbol": symbol},
        ).fetchall()
    return [root.absolute() / file for (file,) in found]


def export(root: Path, stretch: Stretch, target: Path, kind: str) -> int:
    """Writes a stretch to a CSV as Binance writes them, or to Parquet; returns the rows.

    Prices and quantities are exact decimals, with as many digits as the symbol needs.

    Raises:
        NothingThere: the archive has nothing of it.
        Damaged: a file cannot be read; what is left of the stretch would look whole.
        OSError, duckdb.Error: the file cannot be written.
    """
    engine = open_engine(target.absolute().parent)
    with engine:
        segments, unreadable = read_segments(files_of(root, stretch.symbol), engine)
        if unreadable:
            raise Damaged(f"{unreadable[0].name} cannot be read; see: archive verify")
        mine = [
            x for x in segments if x.first_ms < stretch.end_ms and x.last_ms >= stretch.start_ms
        ]
        if not mine:
            raise NothingThere(f"the archive has no tick of {stretch.symbol} in that time")
        price = max(x.kind.price_scale for x in mine)
        quantity = max(x.kind.quantity_scale for x in mine)
        parts = " UNION ALL ".join(
            f"SELECT agg_id, {decimals(each, price, quantity)}, "
            f"first_id, first_id + fills, timestamp_ms, is_buyer_maker "
            f"FROM read_parquet({literals([x.path for x in group])}) "
            f"WHERE timestamp_ms >= {stretch.start_ms} AND timestamp_ms < {stretch.end_ms}"
            for each, group in by_kind(mine).items()
        )
        options = "FORMAT csv, HEADER" if kind == "csv" else "FORMAT parquet, COMPRESSION zstd"
        done = engine.execute(
            f"COPY (SELECT * FROM ({parts}) AS t({CSV_HEAD}) ORDER BY agg_trade_id) "
            f"TO {literal(str(target))} ({options})"
        ).fetchone()
    return int(done[0]) if done else 0


def overview(root: Path) -> Sequence[dict[str, Any]]:
    """One row per symbol: what there is of it, and what is missing."""
    with connect(root) as archive:
        found = archive.execute(
            "SELECT x.symbol, count(DISTINCT s.day) AS days, count(s.file) AS files, "
            "coalesce(sum(s.row_count), 0)::BIGINT AS ticks, "
            "coalesce(sum(s.size), 0)::BIGINT AS bytes, "
            "coalesce(round(sum(s.size) / sum(s.row_count), 2), 0) AS bytes_per_tick, "
            "min(s.first_ms) AS first_ms, max(s.last_ms) AS last_ms, "
            "(SELECT count(*) FROM holes h WHERE h.symbol = x.symbol AND state = 'open') AS holes, "
            "(SELECT coalesce(sum(missing), 0)::BIGINT FROM holes h "
            " WHERE h.symbol = x.symbol AND state = 'open') AS missing, "
            "(SELECT coalesce(sum(missing), 0)::BIGINT FROM holes h "
            " WHERE h.symbol = x.symbol AND state = 'unfillable') AS unfillable "
            "FROM (SELECT symbol FROM segments UNION SELECT symbol FROM holes) x "
            "LEFT JOIN segments s ON s.symbol = x.symbol GROUP BY x.symbol ORDER BY x.symbol"
        )
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
