"""The exchange's account on disk: a log that only grows, and is begun anew when it is long.

The first line is the whole account, each further one an entry of what changed since. A line is a
checksum and JSON; it counts once all of it is on disk. What a crash cut off is the last line,
which nobody had been told of, and is dropped. Begun anew, the log is written beside the old one
and takes its name when it is safe.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from adapters.paper.account_log import put_together

LOG = "account.log"
LOCK = "lock"
# The form before there was a log: the present in one file, rows of the past in the other.
OLD_PRESENT = "account.json"
OLD_PAST = "history.jsonl"
_FILES = (LOG, OLD_PRESENT, OLD_PAST)
_LONG = 16 * 1024 * 1024


class AccountStore:
    """The folder of one paper account; held by one exchange at a time.

    ``long`` is how many bytes of entries a log may gather before it `is_long`.
    """

    def __init__(self, folder: Path, *, long: int = _LONG) -> None:
        """Makes the folder and takes its lock.

        Raises:
            OSError: the folder cannot be made, or another exchange holds it.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._long = self._room = long
        self._lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise OSError(f"{folder} is in use by another paper exchange") from error
        self._log: int | None = None
        self._length = 0

    @property
    def is_new(self) -> bool:
        """Whether there is no log yet: it begins with all of the account."""
        return self._log is None

    @property
    def is_long(self) -> bool:
        """Whether it is time to begin the log anew."""
        return self._room <= 0

    def load(self) -> dict[str, Any] | None:
        """What was saved last, as `Exchange.snapshot` has it; None for a new account.

        Raises:
            ValueError: the files are not ours to read; it names the folder.
        """
        kept, length = _read(self._folder)
        if length:
            descriptor = os.open(self._folder / LOG, os.O_RDWR)
            os.ftruncate(descriptor, length)
            self._take(descriptor, length)
        return kept

    def set_aside(self, name: str) -> Path | None:
        """Moves what is kept into a folder of that name below; None when there was nothing.

        Raises:
            OSError: it cannot be moved.
        """
        found = [each for each in _FILES if (self._folder / each).exists()]
        if not found:
            return None
        aside = self._folder / name
        aside.mkdir()
        for each in found:
            (self._folder / each).rename(aside / each)
        return aside

    def append(self, entry: bytes) -> None:
        """Adds an entry; on return it is on disk.

        Raises:
            OSError: it is not, and a later `load` gives what was saved before.
        """
        if self._log is None:
            raise ValueError("a log begins with all of the account")
        line = _line(entry)
        _write(self._log, line, self._length)
        self._length += len(line)
        self._room -= len(line)

    def rewrite(self, whole: bytes) -> None:
        """Begins the log anew with all of the account; on return it is on disk.

        Raises:
            OSError: it is not, and the old log goes on. It is not long again for a while.
        """
        self._room = self._long
        path, line = self._folder / LOG, _line(whole)
        fresh = path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write(descriptor, line, 0)
            fresh.replace(path)
            self._sync_folder()
        except BaseException:
            os.close(descriptor)
            with suppress(OSError):  # what there was of it would keep a full disk full
                fresh.unlink(missing_ok=True)
            raise
        self._take(descriptor, len(line))
        for each in (OLD_PRESENT, OLD_PAST):
            (self._folder / each).unlink(missing_ok=True)

    def _take(self, descriptor: int, length: int) -> None:
        if self._log is not None:
            os.close(self._log)
        self._log, self._length = descriptor, length

    def _sync_folder(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Lets go of the folder."""
        if self._log is not None:
            os.close(self._log)
        os.close(self._lock)


def is_held(folder: Path) -> bool:
    """Whether an exchange keeps its account there now, as far as that can be seen."""
    try:
        with (folder / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def read(folder: Path) -> dict[str, Any] | None:
    """The account kept in a folder, without taking hold of it; None when there is none.

    Raises:
        ValueError: the files are not ours to read; it names the folder.
    """
    return _read(folder)[0]


def _read(folder: Path) -> tuple[dict[str, Any] | None, int]:
    """The account, and how much of the log is good."""
    try:
        if (folder / LOG).exists():
            text = (folder / LOG).read_bytes()
            entries, length = _entries(text)
            return put_together(entries[0], entries[1:]), length
        if (folder / OLD_PRESENT).exists():
            return _read_old(folder), 0
    except (ValueError, KeyError, TypeError, IndexError) as error:
        why = str(error) if isinstance(error, ValueError) else repr(error)
        raise ValueError(
            f"{folder} holds no paper account: {why}; --reset keeps it aside and begins anew"
        ) from error
    return None, 0


def _read_old(folder: Path) -> dict[str, Any]:
    kept = orjson.loads((folder / OLD_PRESENT).read_bytes())
    length, path = int(kept.pop("history_bytes")), folder / OLD_PAST
    past = path.read_bytes()[:length] if path.exists() else b""
    if len(past) < length:
        raise ValueError(f"{OLD_PAST} is shorter than {OLD_PRESENT} knows it")
    rows = [orjson.loads(line) for line in past.splitlines()]
    kinds = ("closed", "trades", "entries", "logs")
    return kept | {kind: [row[kind] for row in rows if kind in row] for kind in kinds}


def _entries(text: bytes) -> tuple[list[Any], int]:
    """The lines that are whole, and where they end.

    Raises:
        ValueError: none is whole, or one is damaged that others follow: it was on disk, and is
            not the torn end.
    """
    *lines, _ = text.split(b"\n")
    good = next((at for at, line in enumerate(lines) if not _is_whole(line)), len(lines))
    if any(_is_whole(line) for line in lines[good:]):
        raise ValueError(f"line {good + 1} of {LOG} is damaged")
    if good == 0:
        raise ValueError(f"no line of {LOG} is whole")
    length = sum(len(line) + 1 for line in lines[:good])
    return [orjson.loads(line[9:]) for line in lines[:good]], length


def _line(entry: bytes) -> bytes:
    return b"%08x %b\n" % (crc32(entry), entry)


def _is_whole(line: bytes) -> bool:
    return line[:9] == b"%08x " % crc32(line[9:])


def _write(descriptor: int, text: bytes, at: int) -> None:
    """Writes all of it and waits for the disk."""
    left = memoryview(text)
    while left:
        written = os.pwrite(descriptor, left, at)
        left, at = left[written:], at + written
    os.fdatasync(descriptor)
    if os.fstat(descriptor).st_nlink == 0:
        raise FileNotFoundError("somebody removed the file of the account")
