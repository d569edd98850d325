"""The few operations on files that make a write durable, or all of it not have happened."""

import os
from pathlib import Path
from typing import Any

import orjson

from adapters.archive.layout import TEMPORARY


def fsync(path: Path) -> None:
    """Brings a file's content, or a folder's names, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def install(temporary: Path, path: Path) -> None:
    """Gives a finished file its name; on return both are on disk."""
    fsync(temporary)
    temporary.replace(path)
    fsync(path.parent)


def make_folder(folder: Path) -> None:
    """Makes a folder, and those above it, whose names are on disk."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    fsync(folder.parent)


def write_json(path: Path, value: Any) -> None:
    """Replaces a small JSON file at once; on return it is on disk.

    Raises:
        OSError: the file is what it was.
    """
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    temporary.write_bytes(orjson.dumps(value))
    install(temporary, path)


def read_json(path: Path, otherwise: Any) -> Any:
    """The content of such a file; ``otherwise`` when there is none or it cannot be read as JSON."""
    try:
        return orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return otherwise
    except orjson.JSONDecodeError:
        return otherwise


def remove_temporary(folder: Path) -> int:
    """Removes what a killed writer left half written; returns how many there were."""
    found = [path for path in folder.rglob(f"{TEMPORARY}*") if path.is_file()]
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)
