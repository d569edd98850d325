"""A paper server on a thread, on a port of its own, always stopped."""

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.paper.server import PaperServer, PaperSettings
from adapters.paper.store import AccountStore


class Running:
    """A server that runs; ``code`` is what `run` returned once it has stopped."""

    def __init__(self, settings: PaperSettings) -> None:
        self.server = PaperServer(settings)
        self.port = self.server.port
        self.code: int | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self.code = self.server.run(lambda _: self._ready.set())

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def join(self) -> int | None:
        self._thread.join(10)
        return self.code

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v2"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/api/v2"


@contextmanager
def running(folder: Path, **settings: Any) -> Iterator[Running]:
    """A started server; stopped and joined at the end."""
    terms: dict[str, Any] = {"port": 0, "folder": folder, "speed": Decimal(5)} | settings
    server = Running(PaperSettings(**terms))
    server.start()
    try:
        yield server
    finally:
        server.server.stop()
        server.join()


def fill_up(patch: pytest.MonkeyPatch) -> None:
    """The disk takes no account any more, until the patch is undone."""

    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for name in ("append", "rewrite"):
        patch.setattr(AccountStore, name, no_space)
