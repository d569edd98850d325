"""Where everything lies below ``data/raw``, and what a segment's name says.

``agg_trades/BTCUSDT/2026-11-19/<first id>-<last id>.<rows>.<checksum>.parquet``: a file that is
whole has its name's checksum, so that a name is all it takes to find a corrupted one.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

from domain.compaction import DAY_MS
from domain.runs import Run

TICKS, POSITIONING, QUARANTINE = "agg_trades", "positioning", "quarantine"
CATALOGUE = "binance_ticks.duckdb"
LOCK, RETIRED, GIVEN_UP, NEWS = "archive.lock", "retired.json", "holes.json", "collector.json"
BANS = "bans.json"
TEMPORARY = ".tmp-"
"""How the names of files begin that are still being written; one left behind is no file."""
_NAME = re.compile(r"(\d+)-(\d+)\.(\d+)\.([0-9a-f]{16})\.parquet")
_ASIDE = re.compile(rf"{TICKS}\.([^.]+)\.(\d{{4}}-\d\d-\d\d)\.{_NAME.pattern}")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, order=True)
class Kind:
    """What a file's columns mean: the form it was written in, and its decimals."""

    form: int
    price_scale: int
    quantity_scale: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One file of ticks: of one symbol and one UTC day (days since 1970), by id, each id once."""

    path: Path
    symbol: str
    day: int
    rows: int
    size: int
    runs: tuple[Run, ...]
    kind: Kind

    @property
    def first_id(self) -> int:
        return self.runs[0].first

    @property
    def last_id(self) -> int:
        return self.runs[-1].last

    @property
    def first_ms(self) -> int:
        return min(run.first_ms for run in self.runs)

    @property
    def last_ms(self) -> int:
        return max(run.last_ms for run in self.runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """What the name of a segment in quarantine says: whose ticks, and which."""

    symbol: str
    day: int
    first: int
    last: int


def folder_of(symbol: str) -> str:
    """A folder's name: ``spot:BTCUSDT`` without the colon, which some systems forbid."""
    return symbol.replace(":", "-")


def symbol_of(folder: str) -> str:
    """The symbol a folder is for."""
    return folder.replace("-", ":", 1)


def day_name(day: int) -> str:
    """Days since 1970 as ``2026-11-19``."""
    return datetime.fromtimestamp(day * DAY_MS / 1000, UTC).strftime("%Y-%m-%d")


def day_of(name: str) -> int:
    """The day of such a name.

    Raises:
        ValueError: it is no day.
    """
    moment = datetime.strptime(name, "%Y-%m-%d").replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1000 // DAY_MS


def segment_name(first: int, last: int, rows: int, checksum: str) -> str:
    return f"{first:012d}-{last:012d}.{rows}.{checksum}.parquet"


def checksum_in(name: str) -> str | None:
    """The checksum a segment's name promises; None when it is not a segment's name."""
    found = _NAME.fullmatch(name)
    return found[4] if found else None


def rows_in(name: str) -> int:
    """The number of rows a segment's name promises."""
    found = _NAME.fullmatch(name)
    return int(found[3]) if found else 0


def aside_name(path: Path) -> str:
    """The name in quarantine of a file, given by its place in the archive."""
    return ".".join(path.parts)


def aside_of(name: str) -> Aside | None:
    """What such a name says; None when it is no segment's."""
    found = _ASIDE.fullmatch(name)
    if found is None:
        return None
    try:
        day = day_of(found[2])
    except ValueError:
        return None
    return Aside(symbol=symbol_of(found[1]), day=day, first=int(found[3]), last=int(found[4]))


def checksum(path: Path) -> str:
    """BLAKE2b of the file's bytes, 64 bits, in hexadecimal."""
    digest = blake2b(digest_size=8)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
