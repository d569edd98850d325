"""The bot's pulse: a small file whose content changes while the bot lives.

Whoever watches compares contents, not times: a clock that is set, on either side, means nothing.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from adapters.storage.in_place import write_over

EVERY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Beat:
    """The ``number``-th beat of process ``pid``."""

    pid: int
    number: int


class Pulse:
    """The writer. Nothing raises: a pulse that cannot be written must not stop the heart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = 0
        self._next_at = 0.0

    def beat(self, monotonic: float) -> None:
        """Writes the next beat, at most one a second."""
        if monotonic < self._next_at:
            return
        self._next_at = monotonic + EVERY_SECONDS
        self._number += 1
        write_over(self._path, b"%010d %020d\n" % (os.getpid(), self._number))


def last_beat(path: Path) -> Beat | None:
    """What the file says; None when there is none or it is unreadable."""
    try:
        pid, number = path.read_bytes().split()
        return Beat(int(pid), int(number))
    except (OSError, ValueError):
        return None
