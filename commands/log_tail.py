"""The end of the log for the Desk: the reader of `run.py logs` behind the actors' port."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from config.log_files import Follower, parse
from domain.commands import LEVELS


class FileTail:
    """Implements `actors.ports.LogTail` over the log and what it was rotated to."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def tail(self, count: int, level: str) -> Sequence[Mapping[str, Any]]:
        """The last entries of at least this level, oldest first."""
        least = LEVELS.index(level)

        def is_wanted(line: bytes) -> bool:
            entry = parse(line)
            return entry is not None and _rank(entry["level"]) >= least

        with Follower(self._path) as follower:
            lines = follower.last(count, is_wanted)
        return [entry for line in lines if (entry := parse(line)) is not None]


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else 0
