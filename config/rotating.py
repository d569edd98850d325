"""A log file that never fails its writer: unbuffered, rotating, counting what it lost."""

import contextlib
import os
import threading
from pathlib import Path


class RotatingBytesFile:
    """Appends whole lines to ``path``; past ``max_bytes`` it becomes ``path.1`` and so on.

    Nothing raises. A line that could not be written is counted in ``lost``; the next one tries
    again, on a fresh descriptor, so logging goes on once there is room. A file that somebody
    moved or removed is opened anew. Safe to share between threads.
    """

    def __init__(self, path: Path, *, max_bytes: int = 5_000_000, keep: int = 5) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._inode = 0
        self._size = 0
        self._torn = False
        self._closed = False
        self.lost = 0

    def write(self, line: bytes) -> bool:
        """Adds ``line`` (with its newline); False when it was lost."""
        with self._lock:
            try:
                self._write(self._ready(len(line)), line)
            except OSError:
                self.lost += 1
                self._let_go()
                return False
            return True

    def close(self) -> None:
        """Lets go of the file; lines that come later are lost, and counted."""
        with self._lock:
            self._closed = True
            self._let_go()

    def _write(self, descriptor: int, line: bytes) -> None:
        if self._torn:  # what a full disk or a power cut left of an earlier line
            line = b"\n" + line
        written = os.write(descriptor, line)
        self._size += written
        self._torn = written < len(line)
        if self._torn:
            raise OSError("short write")

    def _ready(self, wanted: int) -> int:
        """The descriptor to write to, opened or rotated as need be."""
        if self._closed:
            raise OSError("closed")
        descriptor = self._descriptor
        if descriptor is None or self._moved():
            self._let_go()
            descriptor = self._open()
        if self._size and self._size + wanted > self._max_bytes:
            self._let_go()
            with contextlib.suppress(OSError):  # better a long file than none
                self._rotate()
            descriptor = self._open()
        return descriptor

    def _moved(self) -> bool:
        try:
            return self._path.stat().st_ino != self._inode
        except OSError:
            return True

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        self._descriptor = descriptor = os.open(self._path, flags, 0o640)
        status = os.fstat(descriptor)
        self._inode, self._size = status.st_ino, status.st_size
        self._torn = self._size > 0 and os.pread(descriptor, 1, self._size - 1) != b"\n"
        return descriptor

    def _rotate(self) -> None:
        for number in range(self._keep, 0, -1):
            source = self._numbered(number - 1)
            if source.exists():
                source.replace(self._numbered(number))

    def _numbered(self, number: int) -> Path:
        return self._path if number == 0 else self._path.with_name(f"{self._path.name}.{number}")

    def _let_go(self) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None
