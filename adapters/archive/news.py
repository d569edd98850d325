"""How the collector is: what the counter shows, and the news file the bot and `status` read."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from adapters.archive import files
from adapters.archive.layout import TEMPORARY

_BLOCK, _SPARE = 4_096, 512


@dataclass(slots=True)
class SymbolState:
    """How a symbol's archive is. Rates are ticks a second, lag is milliseconds."""

    stored: int = 0
    rate: float = 0.0
    lag_ms: int | None = None
    last_id: int | None = None
    last_ms: int | None = None
    holes: int = 0
    missing: int = 0
    unfillable: int = 0
    rows: int = 0
    size: int = 0
    bytes_a_day: int = 0


@dataclass(slots=True)
class State:
    """How the collector is: what its news file holds, and the live counter shows.

    ``number`` is that of the last of all news, also of collectors before this one.
    """

    pid: int
    started_at: float
    at: float = 0.0
    stored: int = 0
    gaps_filled: int = 0
    positioning_rows: int = 0
    disk_error: str = ""
    has_ended: bool = False
    backlog: int = 0
    number: int = 0
    symbols: dict[str, SymbolState] = field(default_factory=dict[str, SymbolState])
    source: dict[str, Any] = field(default_factory=dict[str, Any])
    news: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def bytes_per_tick(self) -> float:
        rows = sum(x.rows for x in self.symbols.values())
        return sum(x.size for x in self.symbols.values()) / rows if rows else 0.0


def last_number(path: Path) -> int:
    """The number of the last news in such a file; 0 where none can be read.

    Whoever follows the file tells two collectors apart by their process ids, which in a container
    may be the same: so a new one counts on.
    """
    try:
        told = files.read_json(path, {})
        return max(int(told.get("number", 0)), *(int(x["number"]) for x in told["news"]), 0)
    except (OSError, AttributeError, KeyError, TypeError, ValueError):
        return 0


def write_news(path: Path, state: State) -> None:
    """Replaces the news file at once; a power cut may bring the old one back.

    On a full disk, which is news, it is written over in place: blanks at its end keep some room.
    Who reads half of it reads no JSON, and looks again.

    Raises:
        OSError: not even that; the file may be half of the new.
    """
    blob = orjson.dumps(asdict(state) | {"bytes_per_tick": round(state.bytes_per_tick, 2)})
    blob += b" " * (_SPARE + -(len(blob) + _SPARE) % _BLOCK)
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    try:
        temporary.write_bytes(blob)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        with path.open("r+b") as file:
            file.write(blob)
            file.truncate()
