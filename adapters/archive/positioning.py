"""The positioning archive: one Parquet file a day, made anew with every minute's rows.

A day has 1440 rows an instrument, 100 kB at most: writing all of it each minute costs less than
keeping track of many small files, and a reader sees the file before or the file after.
"""

# ruff: noqa: S608 - every name and value in these statements is ours, or quoted by `literal`

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import duckdb

from adapters.archive.catalogue import POSITIONING_COLUMNS
from adapters.archive.files import install, make_folder
from adapters.archive.layout import POSITIONING, TEMPORARY, day_name
from adapters.archive.segments import literal
from domain.compaction import DAY_MS

Row = Mapping[str, str | float | bool | None]
_FORMAT = "FORMAT parquet, PARQUET_VERSION V2, COMPRESSION zstd"


def store(root: Path, engine: duckdb.DuckDBPyConnection, rows: Iterable[Row]) -> int:
    """Adds rows to their days; on return they are on disk. Returns how many files are new.

    A row that is there already (same venue, instrument and time) is not doubled.

    Raises:
        OSError, duckdb.Error: days before the failing one are stored.
    """
    days: dict[int, list[Row]] = {}
    for row in rows:
        days.setdefault(int(row["timestamp_ms"] or 0) // DAY_MS, []).append(row)
    make_folder(root / POSITIONING)
    return sum(_add(root / POSITIONING, engine, day, found) for day, found in sorted(days.items()))


def files_in(root: Path) -> list[Path]:
    """The days there are."""
    found = (root / POSITIONING).glob("*.parquet")
    return sorted(path for path in found if not path.name.startswith(TEMPORARY))


def unreadable(paths: Iterable[Path], engine: duckdb.DuckDBPyConnection) -> list[Path]:
    """Those of which a row cannot be read: cut short, or no Parquet at all."""
    return [path for path in paths if not _is_readable(path, engine)]


def _is_readable(path: Path, engine: duckdb.DuckDBPyConnection) -> bool:
    columns = ", ".join(f"count({name})" for name in POSITIONING_COLUMNS)
    try:
        engine.execute(f"SELECT {columns} FROM read_parquet({literal(str(path))})").fetchall()
    except duckdb.Error:
        return False
    return True


def _add(folder: Path, engine: duckdb.DuckDBPyConnection, day: int, rows: Sequence[Row]) -> bool:
    path = folder / f"{day_name(day)}.parquet"
    temporary = folder / f"{TEMPORARY}{path.name}"
    is_new = not path.exists()
    columns = ", ".join(f"{name} {kind}" for name, kind in POSITIONING_COLUMNS.items())
    engine.execute(f"CREATE OR REPLACE TEMP TABLE fresh_positioning ({columns})")
    marks = ", ".join("?" for _ in POSITIONING_COLUMNS)
    engine.executemany(
        f"INSERT INTO fresh_positioning VALUES ({marks})",
        [[row.get(name) for name in POSITIONING_COLUMNS] for row in rows],
    )
    old = "" if is_new else f"FROM read_parquet({literal(str(path))}) UNION ALL BY NAME "
    try:
        engine.execute(
            f"COPY (SELECT DISTINCT ON (timestamp_ms, venue, instrument) * "
            f"FROM ({old}FROM fresh_positioning) "
            f"ORDER BY timestamp_ms, venue, instrument) TO {literal(str(temporary))} ({_FORMAT})"
        )
        install(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return is_new
