"""The exchange's account on disk: the present in one small file, the past in rows beside it.

The present is replaced whole and never half written; it says how much of the past it knows.
Rows beyond that are from a save that was cut off, and are dropped.
"""

import fcntl
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from adapters.paper import jsontext

PRESENT = "account.json"
PAST = "history.jsonl"
KINDS = ("closed", "trades", "entries", "logs")
_LENGTH = "history_bytes"


class AccountStore:
    """The folder of one paper account; held by one exchange at a time."""

    def __init__(self, folder: Path) -> None:
        """Makes the folder and takes its lock.

        Raises:
            OSError: the folder cannot be made, or another exchange holds it.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise OSError(f"{folder} is in use by another paper exchange") from error
        self._past = os.open(folder / PAST, os.O_RDWR | os.O_CREAT, 0o600)
        self._length = 0

    def load(self) -> dict[str, Any] | None:
        """What was saved last, as `Exchange.snapshot` has it; None for a new account.

        Raises:
            ValueError: the files are not ours to read; it names the folder.
        """
        try:
            kept = jsontext.decode_object((self._folder / PRESENT).read_bytes())
            self._length = int(kept.pop(_LENGTH))
            rows = self._read_past()
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self._folder} holds no paper account: {error!r}") from error
        return kept | {kind: [row[kind] for row in rows if kind in row] for kind in KINDS}

    def set_aside(self, name: str) -> Path | None:
        """Moves what is kept into a folder of that name below; None when there was nothing.

        Raises:
            OSError: it cannot be moved.
        """
        if not (self._folder / PRESENT).exists():
            return None
        aside = self._folder / name
        aside.mkdir()
        for each in (PRESENT, PAST):
            (self._folder / each).rename(aside / each)
        os.close(self._past)
        self._past = os.open(self._folder / PAST, os.O_RDWR | os.O_CREAT, 0o600)
        return aside

    def _read_past(self) -> list[dict[str, Any]]:
        os.ftruncate(self._past, max(self._length, 0))
        text = os.pread(self._past, self._length, 0)
        return [jsontext.decode_object(line) for line in text.splitlines()]

    def save(self, present: Mapping[str, Any], past: Iterable[tuple[str, Any]]) -> None:
        """Adds the rows and replaces the present; on return both are on disk.

        Raises:
            OSError: they are not, and a later `load` gives what was saved before.
        """
        rows = b"".join(jsontext.encode({kind: row}) + b"\n" for kind, row in past)
        if rows:
            _write(self._past, rows, self._length)
        self._replace(jsontext.encode({**present, _LENGTH: self._length + len(rows)}))
        self._length += len(rows)

    def _replace(self, text: bytes) -> None:
        path = self._folder / PRESENT
        fresh = path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write(descriptor, text, 0)
        finally:
            os.close(descriptor)
        fresh.replace(path)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Lets go of the folder."""
        os.close(self._past)
        os.close(self._lock)


def _write(descriptor: int, text: bytes, at: int) -> None:
    """Writes all of it and waits for the disk."""
    left = memoryview(text)
    while left:
        written = os.pwrite(descriptor, left, at)
        left, at = left[written:], at + written
    os.fsync(descriptor)
