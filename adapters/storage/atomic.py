"""One small file, replaced whole and atomically: after a crash it holds the old or the new.

Measured on ext4: giving back the blocks of the replaced file costs nearly as much as a bare
fsync. So the replaced file is kept under a spare name and written over some commits later,
which also lets commits go on when the disk is full. It gets that name before the folder is
brought to disk (names changed after it would make the next commit's first fsync wait for them),
and is written over only once the folder with its successor is there. A new session starts by
removing what an earlier one left.
"""

import errno
import os
from pathlib import Path

SPARES = 4
"""How many commits pass before a replaced file is written over (a reader may still hold it)."""

_NO_HARD_LINKS = frozenset(
    {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}
)


class NotUndone(OSError):
    """The commit failed after the new content became visible, and it could not be taken back."""


class Files:
    """The few operations on one folder that a commit is made of. Each raises `OSError`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

    def write(self, path: Path, blob: bytes) -> None:
        """Makes ``path`` hold exactly ``blob``, on disk. In place where it exists already."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            was = os.fstat(descriptor)
            if was.st_blocks * 512 < len(blob):
                os.ftruncate(descriptor, 0)  # grown piece by piece it would lie in pieces
            left = memoryview(blob)
            while left:  # a nearly full disk takes a part, then refuses
                left = left[os.write(descriptor, left) :]
            if was.st_size > len(blob):
                os.ftruncate(descriptor, len(blob))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target)

    def rename(self, source: Path, target: Path) -> None:
        source.replace(target)

    def remove(self, path: Path) -> None:
        """Removes ``path``; one that is not there is fine."""
        path.unlink(missing_ok=True)

    def sync_folder(self) -> None:
        """Brings renames in the folder to disk."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


def create(path: Path, blob: bytes, files: Files, aside: Path | None = None) -> None:
    """Makes ``path`` with this content; what is there now goes to ``aside`` first.

    The new content is written before anything is moved: a full disk leaves all as it was.
    """
    fresh = _spares(path)[0]
    files.remove(fresh)
    files.write(fresh, blob)
    if aside is not None:
        files.rename(path, aside)
    files.rename(fresh, path)
    files.sync_folder()


class AtomicFile:
    """The single writer of ``path``, which exists.

    Opening removes what a crashed writer left beside it.
    """

    def __init__(self, path: Path, files: Files) -> None:
        self._path = path
        self._files = files
        self._kept = path.with_name(f".{path.name}.kept")
        self._spares = _spares(path)
        self._turn = 0
        for leftover in (self._kept, *self._spares):
            files.remove(leftover)

    def write(self, blob: bytes) -> None:
        """Replaces the content; on return it is on disk.

        Raises:
            NotUndone: the new content is visible, but whether it is on disk is not known.
            OSError: the content is what it was.
        """
        spare = self._spares[self._turn]
        self._files.write(spare, blob)
        replaced = self._kept if self._keep() else None
        self._files.rename(spare, self._path)
        try:
            if replaced is not None:
                self._files.rename(replaced, spare)
                replaced = spare
            self._files.sync_folder()
        except OSError as error:
            self._undo(error, replaced)
            raise
        self._turn = (self._turn + 1) % SPARES

    def close(self) -> None:
        """Removes the spares. The file itself is complete at any moment."""
        for spare in (self._kept, *self._spares):
            self._files.remove(spare)
        self._files.close()

    def _keep(self) -> bool:
        """Holds on to the live file under a second name; False where links are not possible."""
        try:
            self._files.link(self._path, self._kept)
        except FileExistsError:  # a commit that failed half-way left it
            self._files.remove(self._kept)
            self._files.link(self._path, self._kept)
        except OSError as error:
            if error.errno in _NO_HARD_LINKS:
                return False
            raise
        return True

    def _undo(self, error: OSError, replaced: Path | None) -> None:
        """Puts the old content back after the folder could not be brought to disk."""
        if replaced is None:
            raise NotUndone(error.errno, f"{error}; the replaced file is gone") from error
        try:
            self._files.rename(replaced, self._path)
        except OSError as second:
            raise NotUndone(error.errno, f"{error}; not undone: {second}") from error


def _spares(path: Path) -> list[Path]:
    return [path.with_name(f".{path.name}.{number}") for number in range(SPARES)]
