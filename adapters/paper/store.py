"""The exchange's account on disk: one file, replaced whole, never half written."""

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters.paper import jsontext

FILE_NAME = "account.json"


class AccountStore:
    """The folder of one paper account; held by one exchange at a time."""

    def __init__(self, folder: Path) -> None:
        """Makes the folder and takes its lock.

        Raises:
            OSError: the folder cannot be made, or another exchange holds it.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._path = folder / FILE_NAME
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise OSError(f"{folder} is in use by another paper exchange") from error

    def load(self) -> dict[str, Any] | None:
        """What was saved last; None for a new account.

        Raises:
            ValueError: the file is not ours to read; it names the file.
        """
        try:
            return jsontext.decode_object(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ValueError(f"{self._path} is not a paper account: {error}") from error

    def save(self, snapshot: Mapping[str, Any]) -> None:
        """Replaces the file; on return it is on disk.

        Raises:
            OSError: it is not, and the old one is as it was.
        """
        fresh = self._path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(jsontext.encode(snapshot))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Lets go of the folder."""
        os.close(self._lock)
