"""Reading the log while somebody else writes and rotates it: the counterpart of `rotating`.

Files come and go in between, lines may be torn or be no JSON at all: nothing here trusts them.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

import orjson

LONGEST_LINE = 1 << 20
"""A longer run without a line end is garbage, and handed out in pieces."""


def rotated(path: Path) -> list[Path]:
    """``path`` and what it was rotated to, newest first."""
    older = [
        (int(each.suffix[1:]), each)
        for each in path.parent.glob(f"{path.name}.*")
        if each.suffix[1:].isdigit()
    ]
    return [*([path] if path.exists() else []), *(each for _, each in sorted(older))]


def parse(line: bytes) -> dict[str, Any] | None:
    """The line as a log entry; None when it is none (torn, or from somebody else)."""
    try:
        entry = orjson.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict):
        return None
    entry = cast("dict[str, Any]", entry)
    return entry if all(isinstance(entry.get(x), str) for x in ("ts", "level", "event")) else None


class Follower:
    """Reads ``path`` from where it stands, through rotations; never misses what is still kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._inode = 0
        self._partial = b""

    def last(self, count: int, wanted: Callable[[bytes], bool]) -> list[bytes]:
        """The newest ``count`` wanted lines, oldest first; `poll` goes on after them."""
        found = [line for line in self.poll() if wanted(line)]
        found = found[max(0, len(found) - count) :]
        for path in rotated(self._path):
            if len(found) >= count or _inode(path) in {self._inode, None}:
                continue
            lines = filter(wanted, _lines_of(path))
            found = [*list(lines)[-(count - len(found)) :], *found]
        return found

    def poll(self) -> list[bytes]:
        """Every whole line since the last look."""
        if self._file is None:
            return self._open(self._path)
        lines = self._rest()
        if _inode(self._path) in {self._inode, None}:  # in the middle of a rotation there is none
            return lines
        # The old file may have taken a last line between reading and looking.
        lines += [*self._rest(), *self._between()]
        self.close()
        return [*lines, *self._open(self._path)]

    def close(self) -> None:
        """Lets go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._partial = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, path: Path) -> list[bytes]:
        try:
            self._file = path.open("rb")
        except OSError:
            return []
        self._inode = os.fstat(self._file.fileno()).st_ino
        return self._rest()

    def _rest(self) -> list[bytes]:
        if self._file is None:
            return []
        if os.fstat(self._file.fileno()).st_size < self._file.tell():  # emptied in place
            self._file.seek(0)
            self._partial = b""
        *whole, self._partial = (self._partial + self._file.read()).split(b"\n")
        if len(self._partial) > LONGEST_LINE:
            whole.append(self._partial)
            self._partial = b""
        return [line for line in whole if line.strip()]

    def _between(self) -> list[bytes]:
        """Files written and rotated away since the one being read."""
        older = [path for path in rotated(self._path) if path != self._path]
        inodes = [_inode(path) for path in older]
        if self._inode in inodes:
            older = older[: inodes.index(self._inode)]
        elif self._file is not None:
            # It is kept no longer: rotated away, then all others are newer, or removed, then none.
            end = os.fstat(self._file.fileno()).st_mtime_ns
            older = [path for path in older if _written_ns(path) >= end]
        return [line for path in reversed(older) for line in _lines_of(path)]


def _written_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _lines_of(path: Path) -> Iterator[bytes]:
    try:
        content = path.read_bytes()
    except OSError:
        return
    yield from (line for line in content.split(b"\n") if line.strip())
