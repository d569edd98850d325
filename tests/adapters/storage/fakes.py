"""A folder whose operations fail when told to."""

import errno
from pathlib import Path

from adapters.storage.atomic import Files


class FailingFiles(Files):
    """Real files; the named operations raise, before or after doing their work."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.failing: dict[str, int] = {}
        self.done: list[str] = []

    def fail(self, *operations: str, number: int = errno.ENOSPC) -> None:
        self.failing = dict.fromkeys(operations, number)

    def _maybe(self, operation: str) -> None:
        if operation in self.failing:
            raise OSError(self.failing[operation], f"{operation} fails")
        self.done.append(operation)

    def write(self, path: Path, blob: bytes) -> None:
        if "write" in self.failing:
            super().write(path, blob[: len(blob) // 2])  # what a full disk leaves
        self._maybe("write")
        super().write(path, blob)

    def link(self, source: Path, target: Path) -> None:
        self._maybe("link")
        super().link(source, target)

    def rename(self, source: Path, target: Path) -> None:
        # "put back" is the rename that undoes, "retire" the one that makes a spare.
        kind = {True: "put back"}.get(source.name.endswith(".kept") and target.suffix == ".json")
        kind = kind or ("retire" if source.name.endswith(".kept") else "rename")
        self._maybe(kind)
        super().rename(source, target)

    def sync_folder(self) -> None:
        self._maybe("sync")
        super().sync_folder()
