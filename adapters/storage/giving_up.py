"""How often in a row the bot has given up, over processes: it ends ever later, and shouts rarely.

supervisord starts at once what ends after its start; a cause that stays would make a loop of
that, with a log-in at the venue and a critical message in each round. Nothing here raises.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from actors.ports import Clock
from adapters.storage.in_place import write_over

IMMEDIATE = 2
"""So many ends in a row are not delayed: a position may be open, and nobody looks after it."""
LONGEST_SECONDS = 60.0
UNWRITTEN_SECONDS = 30.0
"""The delay where the count cannot be kept: it may be the first end, or the thousandth."""
WELL_SECONDS = 600.0
"""A process that has lived for so long had a good start; its end is the first in a row."""
TELL_SECONDS = 600


@dataclass(frozen=True, slots=True)
class _Record:
    """Ends in a row; when a person was told last (Unix seconds); how many were not told since."""

    in_a_row: int = 0
    told_at: int = 0
    kept_back: int = 0


class GivingUp:
    """The count of one process, kept in a file beside the pulse.

    ``began`` is when the process did (monotonic), where that was before now.
    """

    def __init__(self, path: Path, clock: Clock, began: float | None = None) -> None:
        self._path = path
        self._clock = clock
        self._began = clock.monotonic() if began is None else began

    @property
    def lived_seconds(self) -> float:
        return self._clock.monotonic() - self._began

    def tell(self) -> int | None:
        """Whether a person is told of this one, at most one in ten minutes: how many were kept
        back since the last, or None when this one is as well.
        """
        record, now = self._read(), round(self._clock.now().timestamp())
        if 0 <= now - record.told_at < TELL_SECONDS:
            self._write(replace(record, kept_back=record.kept_back + 1))
            return None
        self._write(replace(record, told_at=now, kept_back=0))
        return record.kept_back

    def delay(self) -> float:
        """Counts this end; how many seconds it is to be delayed."""
        record = self._read()
        is_first = self.lived_seconds >= WELL_SECONDS
        counted = replace(record, in_a_row=1 if is_first else record.in_a_row + 1)
        if not self._write(counted):
            return UNWRITTEN_SECONDS
        if counted.in_a_row <= IMMEDIATE:
            return 0.0
        return min(LONGEST_SECONDS, 2.0 ** min(counted.in_a_row - IMMEDIATE, 10))

    def reset(self) -> None:
        """An end by order: what comes next is a new beginning."""
        record = self._read()
        if record.in_a_row:
            self._write(replace(record, in_a_row=0))

    def _read(self) -> _Record:
        try:
            in_a_row, told_at, kept_back = map(int, self._path.read_bytes().split())
        except (OSError, ValueError):
            return _Record()
        return _Record(in_a_row, told_at, kept_back)

    def _write(self, record: _Record) -> bool:
        text = b"%010d %020d %010d\n" % (record.in_a_row, record.told_at, record.kept_back)
        return write_over(self._path, text)
