"""A disk in memory that forgets at a crash what was not brought to it, as real ones do.

The production storage (`adapters.storage`) runs on it: `VirtualPath` is what it needs of a path,
`VirtualFiles` and `VirtualAppendFile` are its two ports. Every operation is a switch point of the
virtual world, and takes time while the disk is slow.

What a crash leaves (a harsh reading of POSIX): of a file that was not synced, its old content, its
new one, or the beginning of the new one over the old; of a folder that was not synced, the names
as they were after some of the changes since, in order.
"""

import errno
import io
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from adapters.storage.atomic import Files
from adapters.storage.journal import AppendFile, Syncs


@dataclass(eq=False, slots=True)
class Inode:
    """A file's content: as it is read, and as it would be read after a crash."""

    data: bytes = b""
    durable: bytes = b""


@dataclass(slots=True)
class Folder:
    """Names in a folder, as they are and as they are on disk; ``pending`` lies in between."""

    names: dict[str, Inode] = field(default_factory=dict[str, Inode])
    durable: dict[str, Inode] = field(default_factory=dict[str, Inode])
    pending: list[tuple[tuple[str, Inode | None], ...]] = field(
        default_factory=list[tuple[tuple[str, Inode | None], ...]]
    )

    def change(self, *names: tuple[str, Inode | None]) -> None:
        """Some names at once: each now means this file, or none."""
        _apply(self.names, names)
        self.pending.append(names)

    def sync(self) -> None:
        self.pending.clear()
        self.durable = dict(self.names)


def _apply(names: dict[str, Inode], change: tuple[tuple[str, Inode | None], ...]) -> None:
    for name, inode in change:
        if inode is None:
            names.pop(name, None)
        else:
            names[name] = inode


class VirtualDisk:
    """Folders and files. ``pause`` is called at every operation with the seconds it takes.

    While ``is_full`` nothing grows; while ``fails`` nothing reaches the platter (EIO from fsync);
    ``seconds`` is how long an operation takes.
    """

    def __init__(self, pause: Callable[[float], None] = lambda _: None) -> None:
        self.is_full = False
        self.fails = False
        self.seconds = 0.0
        self.operations = 0
        self._pause = pause
        self._folders: dict[str, Folder] = {}

    def path(self, text: str) -> "VirtualPath":
        return VirtualPath(self, text)

    def folder(self, text: str) -> Folder:
        """The folder, made when missing: folders themselves are never lost."""
        return self._folders.setdefault(text, Folder())

    def folders(self) -> dict[str, Folder]:
        return self._folders

    def touch(self) -> None:
        """One operation begins: the disk may be slow, and others may run."""
        self.operations += 1
        self._pause(self.seconds)

    def grow(self, inode: Inode, data: bytes) -> None:
        """Makes this the content.

        Raises:
            OSError: the disk is full, and took a part.
        """
        self.touch()
        room = len(inode.data)
        if self.is_full and len(data) > room:
            inode.data = data[: room + (len(data) - room) // 2]
            raise OSError(errno.ENOSPC, "No space left on device")
        inode.data = data

    def sync(self, inode: Inode) -> None:
        """Raises OSError while the disk fails; what was written is then not on it."""
        self.touch()
        if self.fails:
            raise OSError(errno.EIO, "Input/output error")
        inode.durable = inode.data

    def sync_folder(self, text: str) -> None:
        self.touch()
        if self.fails:
            raise OSError(errno.EIO, "Input/output error")
        self.folder(text).sync()

    def crash(self, dice: random.Random) -> None:
        """The machine stops: what was not synced is decided by ``dice``."""
        for folder in self._folders.values():
            kept = dict(folder.durable)
            for change in folder.pending[: dice.randint(0, len(folder.pending))]:
                _apply(kept, change)
            folder.names, folder.durable = kept, dict(kept)
            folder.pending.clear()
        for inode in {id(x): x for f in self._folders.values() for x in f.names.values()}.values():
            inode.data = inode.durable = _left(inode, dice)

    def durable(self, folder: str, name: str) -> bytes | None:
        """What a crash is sure to leave of a file; None when perhaps nothing."""
        inode = self.folder(folder).durable.get(name)
        return None if inode is None else inode.durable


def _left(inode: Inode, dice: random.Random) -> bytes:
    if inode.data == inode.durable:
        return inode.data
    fate = dice.randrange(3)
    if fate == 0:
        return inode.durable
    if fate == 1:
        return inode.data
    same = len(inode.durable) if inode.data.startswith(inode.durable) else 0
    torn = dice.randint(same, max(same, len(inode.data)))
    return inode.data[:torn] + inode.durable[torn:]


class VirtualPath:
    """As much of `pathlib.Path` as the storage uses."""

    def __init__(self, disk: VirtualDisk, text: str) -> None:
        self.disk = disk
        self.text = text

    @property
    def parent(self) -> "VirtualPath":
        return VirtualPath(self.disk, self.text.rpartition("/")[0])

    @property
    def name(self) -> str:
        return self.text.rpartition("/")[2]

    @property
    def stem(self) -> str:
        return self.name.rpartition(".")[0] or self.name

    @property
    def suffix(self) -> str:
        return self.name[len(self.stem) :]

    def with_name(self, name: str) -> "VirtualPath":
        return self.parent / name

    def with_suffix(self, suffix: str) -> "VirtualPath":
        return self.with_name(f"{self.stem}{suffix}")

    def __truediv__(self, name: str) -> "VirtualPath":
        return VirtualPath(self.disk, f"{self.text}/{name}")

    def __str__(self) -> str:
        return self.text

    def __lt__(self, other: "VirtualPath") -> bool:
        return self.text < other.text

    def mkdir(self, *, parents: bool = False, exist_ok: bool = False) -> None:
        del parents, exist_ok
        self.disk.folder(self.text)

    def is_dir(self) -> bool:
        return self.text in self.disk.folders()

    def iterdir(self) -> Iterator["VirtualPath"]:
        return (self / name for name in list(self.disk.folder(self.text).names))

    def inode(self, *, make: bool = False) -> Inode:
        """The file behind the name.

        Raises:
            FileNotFoundError: there is none, and none is to be made.
        """
        folder = self.disk.folder(self.parent.text)
        found = folder.names.get(self.name)
        if found is None:
            if not make:
                raise FileNotFoundError(errno.ENOENT, "No such file or directory", self.text)
            found = Inode()
            folder.change((self.name, found))
        return found

    def exists(self) -> bool:
        return self.name in self.disk.folder(self.parent.text).names

    def read_bytes(self) -> bytes:
        self.disk.touch()
        return self.inode().data

    def open(self, mode: str = "rb") -> BinaryIO:
        return OpenFile(self.disk, self.inode(make=mode == "ab"), at_end=mode == "ab")


class OpenFile(io.BytesIO):
    """A file opened to be read, cut or added to."""

    def __init__(self, disk: VirtualDisk, inode: Inode, *, at_end: bool) -> None:
        super().__init__(inode.data)
        self.disk, self.inode = disk, inode
        if at_end:
            self.seek(0, io.SEEK_END)

    def write(self, blob: bytes, /) -> int:  # type: ignore[override] - bytes are all it gets
        written = super().write(blob)
        self.disk.grow(self.inode, self.getvalue())
        return written

    def truncate(self, size: int | None = None, /) -> int:
        left = super().truncate(size)
        self.disk.grow(self.inode, self.getvalue())
        return left


class VirtualFiles(Files):
    """`adapters.storage.atomic.Files` on a virtual disk."""

    def __init__(self, folder: VirtualPath) -> None:
        self.folder = cast("Path", folder)
        self._disk, self._text = folder.disk, folder.text

    def _names(self) -> Folder:
        return self._disk.folder(self._text)

    def write(self, path: Path, blob: bytes) -> None:
        inode = cast("VirtualPath", path).inode(make=True)
        self._disk.grow(inode, blob)
        self._disk.sync(inode)

    def link(self, source: Path, target: Path) -> None:
        self._disk.touch()
        if target.exists():
            raise FileExistsError(errno.EEXIST, "File exists", str(target))
        self._names().change((target.name, cast("VirtualPath", source).inode()))

    def rename(self, source: Path, target: Path) -> None:
        self._disk.touch()
        inode = cast("VirtualPath", source).inode()
        if self._names().names.get(target.name) is inode:
            return  # two names of one file: rename(2) does nothing
        self._names().change((source.name, None), (target.name, inode))

    def remove(self, path: Path) -> None:
        self._disk.touch()
        if path.exists():
            self._names().change((path.name, None))

    def sync_folder(self) -> None:
        self._disk.sync_folder(self._text)

    def close(self) -> None:
        """There is no descriptor to give back."""


class VirtualAppendFile(AppendFile):
    """`adapters.storage.journal.AppendFile` on a virtual disk; what it does is its own."""

    def __init__(self, path: Path) -> None:
        at = cast("VirtualPath", path)
        self._disk, self._inode = at.disk, at.inode(make=True)
        self._size = len(self._inode.data)
        self._soiled = False

    def sync(self) -> None:
        self._disk.sync(self._inode)

    def close(self) -> None:
        """There is no descriptor to give back."""

    def _write(self, line: bytes) -> None:
        self._disk.grow(self._inode, self._inode.data + line)

    def _truncate(self, size: int) -> None:
        self._disk.grow(self._inode, self._inode.data[:size])


class VirtualSyncs(Syncs):
    """`adapters.storage.journal.Syncs` on a virtual disk."""

    def file(self, file: BinaryIO) -> None:
        opened = cast("OpenFile", file)
        opened.disk.sync(opened.inode)

    def folder(self, folder: Path) -> None:
        at = cast("VirtualPath", folder)
        at.disk.sync_folder(at.text)
