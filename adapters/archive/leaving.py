"""Files that left the catalogue: they stay for a while, for those who read an older one.

Their names are written down, so that a restart neither takes them for the archive's nor forgets
to remove them.
"""

from collections.abc import Iterable
from contextlib import suppress
from math import inf
from pathlib import Path

from actors.ports import Clock
from adapters.archive import files
from adapters.archive.layout import RETIRED

KEEP_SECONDS = 600.0


class Leaving:
    """Those files of the archive in ``root``, and since when they are in no catalogue."""

    def __init__(self, root: Path, clock: Clock, keep_seconds: float) -> None:
        self._root = root
        self._clock = clock
        self._keep_seconds = keep_seconds
        names: list[str] = files.read_json(root / RETIRED, [])
        now = clock.monotonic()
        self._since = {path: now for path in (root / name for name in names) if path.exists()}

    def __contains__(self, path: Path) -> bool:
        return path in self._since

    def add(self, paths: Iterable[Path]) -> None:
        """Their time runs from the next catalogue, which leaves them out. Raises `OSError`."""
        self._since |= dict.fromkeys(paths, inf)
        self._write(self._since)

    def keep(self, path: Path) -> None:
        """A file of that name counts again: the same rows came back, so their file's name did.

        Raises:
            OSError: it is not written down; after a restart the file would not count.
        """
        if path in self._since:
            self._write([each for each in self._since if each != path])
            del self._since[path]

    def published(self) -> None:
        """A catalogue without them is there."""
        now = self._clock.monotonic()
        self._since = {path: min(since, now) for path, since in self._since.items()}

    def sweep(self, *, now: bool = False) -> int:
        """Removes those that left long enough ago, or all; returns how many. Raises `OSError`."""
        limit = self._clock.monotonic() - self._keep_seconds
        old = [path for path, since in self._since.items() if now or since <= limit]
        for path in old:
            path.unlink(missing_ok=True)
            del self._since[path]
            with suppress(OSError):  # others are still in it
                path.parent.rmdir()
        if old:
            self._write(self._since)
        return len(old)

    def _write(self, paths: Iterable[Path]) -> None:
        names = [str(path.relative_to(self._root)) for path in paths]
        files.write_json(self._root / RETIRED, names)
