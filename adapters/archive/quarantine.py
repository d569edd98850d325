"""Files that were set aside, and what their names say is missing without them.

A segment's name holds its first and last id. Where it was the oldest of a symbol, the newest or the
only one, nothing else remembers that those ticks were ever there.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from adapters.archive import files
from adapters.archive.layout import QUARANTINE, aside_name, aside_of
from domain.compaction import DAY_MS
from domain.runs import Hole, Run, holes


class Quarantine:
    """The damaged files of the archive in ``root``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / QUARANTINE
        names = [path.name for path in self._folder.glob("*")]
        self._asides = {name: aside for name in names if (aside := aside_of(name))}

    @property
    def symbols(self) -> set[str]:
        return {x.symbol for x in self._asides.values()}

    def prepare(self) -> None:
        """Makes the folder. Raises `OSError`."""
        files.make_folder(self._folder)

    def take(self, path: Path) -> None:
        """Moves a file here, if there still is one; it counts as set aside in any case.

        Should that fail it stays where it is, and the next start may take it for sound; so the
        folder is there before it is needed: a move takes no room of a full disk.
        """
        name = aside_name(path.relative_to(self._root))
        if (aside := aside_of(name)) is not None:
            self._asides[name] = aside
        if not path.exists():
            return
        with suppress(OSError):
            self.prepare()
            path.replace(self._folder / name)
            files.fsync(self._folder)

    def prune(self, before_day: int) -> None:
        """Removes what is of days before that one: it is not missing any more. Raises `OSError`."""
        for name in [name for name, x in self._asides.items() if x.day < before_day]:
            (self._folder / name).unlink(missing_ok=True)
            del self._asides[name]

    def holes(self, symbol: str, runs: Sequence[Run]) -> list[Hole]:
        """What is missing between the first and the last id that ever was there.

        Of a hole without a tick on one side its file's day is known, which has to do as a time.
        """
        mine = [x for x in self._asides.values() if x.symbol == symbol]
        found = list(holes(runs))
        if not mine:
            return found
        oldest, newest = min(mine, key=lambda x: x.first), max(mine, key=lambda x: x.last)
        after_ms, before_ms = oldest.day * DAY_MS, (newest.day + 1) * DAY_MS
        if not runs:
            return [Hole(oldest.first, newest.last, after_ms, before_ms)]
        begin, end = runs[0], runs[-1]
        if oldest.first < begin.first:
            found.insert(0, Hole(oldest.first, begin.first - 1, after_ms, begin.first_ms))
        if newest.last > end.last:
            found.append(Hole(end.last + 1, newest.last, end.last_ms, before_ms))
        return found
