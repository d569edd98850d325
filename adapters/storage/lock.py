"""The lock that keeps a second bot away from the same data."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self


class AlreadyRunning(Exception):
    """Another process holds the lock. ``pid`` is its number, None when it did not say."""

    def __init__(self, pid: int | None) -> None:
        super().__init__(f"another instance is running (process {pid or 'unknown'})")
        self.pid = pid


class InstanceLock:
    """Holds ``path`` from construction until `release` or the end of the process, however it ends.

    The kernel keeps the lock (``flock``), so a crash leaves none behind; the file only tells
    people who holds it, and is never removed (a second lock on a new file would not exclude
    the first).
    """

    def __init__(self, path: Path) -> None:
        """Takes the lock.

        Raises:
            AlreadyRunning: somebody else has it.
            OSError: the folder or file cannot be made.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._descriptor, 0)
            with suppress(OSError):  # a full disk: the lock holds, only its holder is not told
                os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            pid = _pid_in(self._descriptor)
            self._close()
            raise AlreadyRunning(pid) from None
        except OSError:
            self._close()
            raise

    def release(self) -> None:
        """Lets the next one in; releasing twice does nothing."""
        if self._descriptor is not None:
            with suppress(OSError):  # a disk that became read-only: only the holder's name stays
                os.ftruncate(self._descriptor, 0)
            self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def holder(path: Path) -> int | None:
    """Who holds the lock now; None when nobody does, or it does not say.

    What a crash has left in the file names nobody: its number may be another process's by now.
    """
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _pid_in(file.fileno())
    except OSError:
        pass
    return None


def _pid_in(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else None
