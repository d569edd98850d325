"""`run.py backup`: one archive of a venue's data, taken while the bot runs."""

import io
import os
import re
import tarfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated

import typer

from actors.kernel import ExitCode
from adapters.clock import SystemClock
from adapters.storage.chain import days, verify
from commands.common import aside, fail, read_settings, tell, words

PREFIX = "bulwark"
BOOK = "registry.json"
LEFT_OUT = ("bot.lock", "pulse", "api.token", "*.new", ".*")
"""Names without a worth elsewhere, keys, and files that are being written this moment."""


def backup(
    to: Annotated[Path | None, typer.Option("--to", help="Another folder than BACKUP_DIR.")] = None,
    keep: Annotated[
        int | None, typer.Option(min=1, help="Remove all but the newest so many of this venue.")
    ] = None,
) -> None:
    """An archive of this venue's book and journal. The bot may go on meanwhile. Holds no keys."""
    settings = read_settings()
    source, env = settings.data_folder, str(settings.deribit_env)
    if not has_run(source):
        fail(f"There is nothing to back up in {source}: no bot has run there.", ExitCode.FAILED)
    folder = to or settings.backup_dir
    moment = SystemClock().now().strftime("%Y%m%dT%H%M%SZ")
    target = folder / f"{PREFIX}-{env}-{moment}.tar.gz"
    try:
        count = write(source, target)
    except OSError as error:
        fail(f"Not backed up: {words(error)}.", ExitCode.FAILED)
    size = target.stat().st_size
    tell(f"{target}: {count} files, {size / 1024:.0f} KiB. .env is not in it: keep it elsewhere.")
    if flaw := _flaw(source / "journal"):
        aside(
            f"The journal is BROKEN at {flaw}. Restoring this archive takes --broken-journal; an "
            "older one may be whole: keep it elsewhere, before --keep removes it."
        )
    if keep is None:
        return
    try:
        for path in surplus(target, env, keep):
            path.unlink()
            tell(f"{path}: removed.")
    except OSError as error:
        fail(f"Backed up, but older ones are not removed: {words(error)}.", ExitCode.FAILED)


def _flaw(journal: Path) -> str:
    """Where the chain breaks, in the data as they are: the archive has them so."""
    try:
        return str(verify(journal).first_bad or "")
    except OSError as error:
        return words(error)


def has_run(source: Path) -> bool:
    """Whether a bot has left something there: a journal without its book is worth most of all."""
    return (source / BOOK).exists() or bool(days(source / "journal"))


def write(source: Path, target: Path) -> int:
    """Puts ``source`` (by its own name) into ``target``; the number of files.

    The archive appears under its name when it is complete and on disk.

    Raises:
        OSError: it could not be made; nothing is left of it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".unfinished")
    count = 0
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz") as archive:
                for path in _files(source):
                    _add(archive, path, f"{source.name}/{path.relative_to(source)}")
                    count += 1
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def newest(folder: Path, env: str) -> Path | None:
    """The latest backup of that venue; None without one."""
    found = _archives(folder, env)
    return found[-1] if found else None


def surplus(made: Path, env: str, keep: int) -> list[Path]:
    """The venue's oldest archives beside ``made``, beyond ``keep`` with it (at least 1)."""
    others = [path for path in _archives(made.parent, env) if path != made]
    return others[: max(0, len(others) - (keep - 1))]


def _archives(folder: Path, env: str) -> list[Path]:
    """That venue's, oldest first: exactly what `backup` names so, whatever else lies there."""
    name = re.compile(rf"{PREFIX}-{re.escape(env)}-\d{{8}}T\d{{6}}Z\.tar\.gz")
    return sorted(path for path in folder.glob(f"{PREFIX}-*") if name.fullmatch(path.name))


def _files(source: Path) -> Iterator[Path]:
    """The book first.

    Of a trade that ends meanwhile the journal then has the end, and a start drops it from the
    book. The other way round it would be in neither. A kill made meanwhile is in the journal
    alone, which no start looks at for it: `restore` says so.
    """
    for path in sorted(source.rglob("*"), key=lambda path: (path != source / BOOK, path)):
        if path.is_file() and not any(fnmatch(path.name, pattern) for pattern in LEFT_OUT):
            yield path


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """A file as it is now. One that grows or is replaced meanwhile is read once, whole."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(content), 0o600, int(path.stat().st_mtime)
    archive.addfile(entry, io.BytesIO(content))
