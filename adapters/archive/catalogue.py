"""The catalogue: a DuckDB file of views that any process may open, at any moment.

A reader sees the archive as the catalogue it opened names it: a list of files, not a pattern, so
that a merge (one file instead of eight) is seen whole or not at all. The catalogue is made anew
beside the old one and renamed over it; the collector never opens it, so it never locks a reader
out. Files that left the list stay on disk for a while, for those who still read the old one.

The files are named by their place beside the catalogue, so that the folder may be moved, mounted
elsewhere or copied. A view cannot ask where its database lies, but DuckDB's spill folder is named
after the database that was opened; who attaches the catalogue to another database gets the place
it had when it was made.
"""

# ruff: noqa: S608 - every name and value in these statements is ours, or quoted by `literal`

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from adapters.archive.files import install
from adapters.archive.layout import CATALOGUE, TEMPORARY, Segment, day_name
from adapters.archive.segments import FIGURES, by_kind, figures, literal
from domain.runs import Hole

_NO_TICKS = (
    f"SELECT NULL::VARCHAR AS symbol, NULL::BIGINT AS agg_id, NULL::{FIGURES} AS price, "
    f"NULL::{FIGURES} AS quantity, NULL::BIGINT AS first_id, NULL::BIGINT AS last_id, "
    "NULL::BIGINT AS timestamp_ms, NULL::BOOLEAN AS is_buyer_maker WHERE false"
)
POSITIONING_COLUMNS = {
    "venue": "VARCHAR",
    "instrument": "VARCHAR",
    "timestamp_ms": "BIGINT",
    "open_interest": "DOUBLE",
    "funding": "DOUBLE",
    "funding_8h": "DOUBLE",
    "index_price": "DOUBLE",
    "mark_price": "DOUBLE",
    "basis": "DOUBLE",
    "best_bid": "DOUBLE",
    "best_ask": "DOUBLE",
    "best_bid_amount": "DOUBLE",
    "best_ask_amount": "DOUBLE",
    "volume_24h": "DOUBLE",
    "volume_usd_24h": "DOUBLE",
    "buy_amount_1m": "DOUBLE",
    "sell_amount_1m": "DOUBLE",
    "at_funding": "BOOLEAN",
}
_NO_POSITIONING = (
    "SELECT "
    + ", ".join(f"NULL::{kind} AS {name}" for name, kind in POSITIONING_COLUMNS.items())
    + " WHERE false"
)


@dataclass(frozen=True, slots=True)
class KnownHole:
    """A hole and what became of it: ``reason`` is why it cannot be filled, empty while it may."""

    symbol: str
    hole: Hole
    reason: str = ""

    @property
    def state(self) -> str:
        return "unfillable" if self.reason else "open"


def publish(
    root: Path,
    engine: duckdb.DuckDBPyConnection,
    segments: Sequence[Segment],
    holes: Iterable[KnownHole],
    positioning: Sequence[Path],
) -> None:
    """Puts a new catalogue in the place of the old one.

    Raises:
        OSError, duckdb.Error: the old one still stands.
    """
    temporary = root / f"{TEMPORARY}{CATALOGUE}"
    for path in (temporary, _log_of(temporary)):
        path.unlink(missing_ok=True)
    engine.execute(f"ATTACH {literal(str(temporary))} AS fresh (BLOCK_SIZE 16384)")
    try:
        _fill(engine, root, segments, holes, positioning)
    finally:
        engine.execute("DETACH fresh")
    # Left by a reader that wrote and was killed, it would not belong to the new file, and DuckDB
    # would refuse the two together to everybody.
    _log_of(root / CATALOGUE).unlink(missing_ok=True)
    install(temporary, root / CATALOGUE)


def _log_of(database: Path) -> Path:
    """Where DuckDB keeps what is not in the file yet."""
    return database.with_name(f"{database.name}.wal")


def _fill(
    engine: duckdb.DuckDBPyConnection,
    root: Path,
    segments: Sequence[Segment],
    holes: Iterable[KnownHole],
    positioning: Sequence[Path],
) -> None:
    engine.execute(
        "CREATE TABLE fresh.segments (symbol VARCHAR, day VARCHAR, file VARCHAR, row_count BIGINT, "
        "size BIGINT, first_id BIGINT, last_id BIGINT, first_ms BIGINT, last_ms BIGINT)"
    )
    engine.execute(
        "CREATE TABLE fresh.holes (symbol VARCHAR, first_id BIGINT, last_id BIGINT, "
        "missing BIGINT, after_ms BIGINT, before_ms BIGINT, state VARCHAR, reason VARCHAR)"
    )
    _insert(engine, "segments", [_segment_row(root, segment) for segment in segments])
    _insert(engine, "holes", [_hole_row(known) for known in holes])
    engine.execute(f"CREATE VIEW fresh.agg_trades AS {_ticks(root, segments)}")
    engine.execute(f"CREATE VIEW fresh.positioning AS {_positioning(root, positioning)}")


def _insert(
    engine: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Sequence[str | int]]
) -> None:
    """Many rows in one statement: one by one a thousand of them would take a second."""
    for start in range(0, len(rows), 500):
        part = rows[start : start + 500]
        values = ", ".join(f"({', '.join(map(_value, row))})" for row in part)
        engine.execute(f"INSERT INTO fresh.{table} VALUES {values}")


def _value(value: str | int) -> str:
    return literal(value) if isinstance(value, str) else str(value)


def _segment_row(root: Path, segment: Segment) -> list[str | int]:
    return [
        segment.symbol,
        day_name(segment.day),
        str(segment.path.relative_to(root)),
        segment.rows,
        segment.size,
        segment.first_id,
        segment.last_id,
        segment.first_ms,
        segment.last_ms,
    ]


def _hole_row(known: KnownHole) -> list[str | int]:
    hole = known.hole
    bounds: list[str | int] = [hole.first, hole.last, len(hole), hole.after_ms, hole.before_ms]
    return [known.symbol, *bounds, known.state, known.reason]


def _ticks(root: Path, segments: Sequence[Segment]) -> str:
    """One branch per symbol and kind: a filter on the symbol leaves the others unread."""
    symbols: dict[str, list[Segment]] = {}
    for segment in segments:
        symbols.setdefault(segment.symbol, []).append(segment)
    branches = [
        f"SELECT {literal(symbol)} AS symbol, agg_id, {figures(kind)}, first_id, "
        "first_id + fills AS last_id, timestamp_ms, is_buyer_maker "
        f"FROM {_read(root, [x.path for x in group])}"
        for symbol, found in sorted(symbols.items())
        for kind, group in by_kind(sorted(found, key=lambda x: x.first_id)).items()
    ]
    return " UNION ALL ".join(branches) or _NO_TICKS


def _positioning(root: Path, files: Sequence[Path]) -> str:
    return f"FROM {_read(root, files)}" if files else _NO_POSITIONING


def _read(root: Path, files: Sequence[Path]) -> str:
    """These files, wherever the catalogue that names them lies when it is opened."""
    spill = f"{CATALOGUE}.tmp"
    opened = "current_setting('temp_directory')"
    place = (
        f"CASE WHEN ends_with({opened}, {literal(spill)}) "
        f"THEN left({opened}, -{len(spill)}) ELSE {literal(f'{root}/')} END"
    )
    names = ", ".join(literal(str(path.relative_to(root))) for path in files)
    return f"read_parquet(list_transform([{names}], lambda name: {place} || name))"
