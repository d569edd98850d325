"""How long the venue does not want to be asked, also by a process that is started again.

Who asks during a ban makes it longer, up to three days. A collector that is restarted over and
over asks at each start, so a ban is written down as soon as it is told.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

from actors.ports import Clock
from adapters.archive import files

LONGEST = 3 * 86_400.0
"""Seconds; the venue bans for no longer, so a later end is that of a clock set wrong."""


class Bans:
    """Bans by name of what is banned; in ``path`` as the Unix time of their ends, if given one.

    Within a process the end is measured on the monotonic clock, which nobody sets.
    """

    def __init__(self, clock: Clock, path: Path | None = None) -> None:
        self._clock = clock
        self._path = path
        now, wall = clock.monotonic(), clock.now().timestamp()
        self._ends = {name: now + min(LONGEST, end - wall) for name, end in _written(path)}

    def left(self, name: str) -> float:
        """Seconds until the venue may be asked again; 0 without a ban."""
        return max(0.0, self._ends.get(name, 0.0) - self._clock.monotonic())

    def impose(self, name: str, seconds: float) -> None:
        """From now on for so long. A disk that refuses it makes this process's ban no shorter."""
        self._ends[name] = self._clock.monotonic() + min(LONGEST, max(0.0, seconds))
        if self._path is None:
            return
        wall = self._clock.now().timestamp()
        ends = {each: wall + self.left(each) for each in self._ends if self.left(each)}
        with suppress(OSError):
            files.write_json(self._path, ends)


def _written(path: Path | None) -> list[tuple[str, float]]:
    """What an earlier process wrote; nothing where it cannot be understood."""
    found: Any = files.read_json(path, {}) if path else {}
    try:
        return [(str(name), float(end)) for name, end in found.items()]
    except (AttributeError, TypeError, ValueError):
        return []
