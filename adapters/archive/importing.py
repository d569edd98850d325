"""Binance's published daily files (``BTCUSDT-aggTrades-2026-11-19.zip`` or ``.csv``) taken in.

They come with a header or without, with seven columns (futures) or eight (spot), in milliseconds
or, spot since 2025, in microseconds.
"""

# ruff: noqa: S608 - every name and value in these statements is ours, or quoted by `literal`

import re
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import duckdb

from adapters.archive.layout import TEMPORARY
from adapters.archive.segments import literal
from adapters.archive.store import Archive
from domain.ticks import MOST_DECIMALS, SPOT, Ticks, shortened

BATCH = 500_000
_NAME = re.compile(r"([A-Z0-9]{4,20})-aggTrades-")
_COLUMNS: tuple[str, ...] = ("a", "p", "q", "f", "l", "t", "m", "best")
_FIGURE = r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)"
_MICROSECONDS = 10**14
"""A time above is in microseconds: in milliseconds it would be past the year 5000."""


class NotAggTrades(ValueError):
    """The file is not one of aggregate trades; the text says why."""


def import_file(
    archive: Archive,
    path: Path,
    symbol: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[str, int, int]:
    """Stores what is not there yet. Returns the symbol, the rows of the file, and the new ones.

    Raises:
        NotAggTrades: it is no such file; nothing is stored.
        OSError, duckdb.Error: what was stored stays; importing again goes on from there.
    """
    if not zipfile.is_zipfile(path):
        return _import_csv(archive, path, path, symbol, progress or _silent)
    unpacked = archive.root / f"{TEMPORARY}import.csv"
    try:
        _unpack(path, unpacked)
        return _import_csv(archive, unpacked, path, symbol, progress or _silent)
    finally:
        unpacked.unlink(missing_ok=True)


def _silent(done: int, total: int) -> None:
    """Nobody watches."""


def _unpack(path: Path, target: Path) -> None:
    try:
        with zipfile.ZipFile(path) as packed:
            names = [x for x in packed.namelist() if x.endswith(".csv")]
            if len(names) != 1:
                raise NotAggTrades(f"{path.name} holds {len(names)} CSV files where one is needed")
            with packed.open(names[0]) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
    except zipfile.BadZipFile as error:
        raise NotAggTrades(f"{path.name} is damaged: {error}") from error


def _import_csv(
    archive: Archive,
    csv: Path,
    named: Path,
    symbol: str | None,
    progress: Callable[[int, int], None],
) -> tuple[str, int, int]:
    with csv.open("rb") as file:
        first = file.readline(1_000).decode("utf-8", "replace").strip().split(",")
    if len(first) not in {7, 8}:
        raise NotAggTrades(f"{named.name} has {len(first)} columns; aggTrades files have 7 or 8")
    found = _NAME.match(named.name)
    if symbol is None and found is None:
        raise NotAggTrades(f"{named.name} does not name its symbol; say --symbol")
    name = symbol or (SPOT if len(first) == 8 else "") + (found[1] if found else "")
    engine = archive.engine
    columns = dict.fromkeys(_COLUMNS[: len(first)], "VARCHAR")
    try:
        source = (
            f"read_csv({literal(str(csv))}, header = {not first[0].isdigit()}, delim = ',', "
            f"columns = {columns})"
        )
        scales = _scales(engine, source)
        total = _load(engine, source, *scales)
        stored = 0
        for start in range(0, total, BATCH):
            stored += archive.add([_batch(engine, name, start, *scales)]).get(name, 0)
            progress(min(start + BATCH, total), total)
    except (duckdb.ConversionException, duckdb.InvalidInputException) as error:
        text = str(error).splitlines()[0][:200]
        raise NotAggTrades(f"{named.name} cannot be read: {text}") from error
    finally:
        with suppress(duckdb.Error):
            engine.execute("DROP TABLE IF EXISTS incoming")
    archive.publish()
    return name, total, stored


def _scales(engine: duckdb.DuckDBPyConnection, source: str) -> tuple[int, int]:
    """The decimals of prices and of quantities; zeros at the end are none.

    Figures that are written otherwise (``1e-05``) are refused: they would be counted wrong.
    """
    longest = "coalesce(max(length(rtrim(split_part({}, '.', 2), '0'))), 0)"
    is_figure = f"coalesce(regexp_full_match({{0}}, {literal(_FIGURE)}), false)"
    odd = f"min(coalesce({{0}}, '')) FILTER (NOT {is_figure})"
    asked = ", ".join(each.format(column) for each in (longest, odd) for column in "pq")
    row = engine.execute(f"SELECT {asked} FROM {source}").fetchone()
    price, quantity, *wrong = row or (0, 0)
    for text in wrong:
        if text is not None:
            raise duckdb.InvalidInputException(f"{text!a} is not digits with at most one point")
    if max(price, quantity) > MOST_DECIMALS:
        raise duckdb.InvalidInputException(f"more than {MOST_DECIMALS} decimals")
    return int(price), int(quantity)


def _load(
    engine: duckdb.DuckDBPyConnection, source: str, price_scale: int, quantity_scale: int
) -> int:
    """The file as a table of whole numbers, in the order of ids; every row is checked here."""
    engine.execute(
        "CREATE OR REPLACE TEMP TABLE incoming AS SELECT a::BIGINT AS agg_id, "
        f"{_whole('p', price_scale)} AS price, {_whole('q', quantity_scale)} AS quantity, "
        "f::BIGINT AS first_id, l::BIGINT AS last_id, "
        f"if(t::BIGINT > {_MICROSECONDS}, t::BIGINT // 1000, t::BIGINT) AS timestamp_ms, "
        "m::BOOLEAN AS is_buyer_maker "
        f"FROM {source} ORDER BY agg_id"
    )
    row = engine.execute(
        "SELECT count(*), count(*) FILTER (NOT (agg_id >= 0 AND price > 0 AND quantity >= 0 "
        "AND last_id >= first_id AND timestamp_ms > 0) OR is_buyer_maker IS NULL) FROM incoming"
    ).fetchone()
    total, bad = row or (0, 0)
    if bad:
        raise duckdb.InvalidInputException(f"{bad} rows with values out of bounds")
    return int(total)


def _whole(column: str, scale: int) -> str:
    """A decimal text as a whole number of the finest unit; exact, computed in 128 bits."""
    return f"({column}::DECIMAL(28,{MOST_DECIMALS}) * {10**scale})::BIGINT"


def _batch(
    engine: duckdb.DuckDBPyConnection,
    symbol: str,
    start: int,
    most_price: int,
    most_quantity: int,
) -> Ticks:
    part = engine.execute(
        f"SELECT * FROM incoming WHERE rowid >= {start} AND rowid < {start + BATCH} ORDER BY rowid"
    )
    columns: dict[str, Any] = cast("Any", part).fetchnumpy()
    price, price_scale = shortened(columns["price"], most_price)
    quantity, quantity_scale = shortened(columns["quantity"], most_quantity)
    return Ticks(
        symbol=symbol,
        agg_id=columns["agg_id"],
        price=price,
        quantity=quantity,
        first_id=columns["first_id"],
        last_id=columns["last_id"],
        timestamp_ms=columns["timestamp_ms"],
        is_buyer_maker=columns["is_buyer_maker"],
        price_scale=price_scale,
        quantity_scale=quantity_scale,
    )
