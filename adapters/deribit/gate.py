"""The gate every entry passes while its bytes leave, so that a lock-out has no gap.

A check before the call would let a preempted thread send its entry after the kill. Here the
check and the write happen under one lock, and `EntryGate.lock` waits for a write in progress:
once it has returned, no entry byte leaves on a transport that honours the gate.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType

from actors.ports import NotSent

Gate = AbstractContextManager[None]
"""Entered around the write of one order."""


class EntryGate:
    """Open until locked. Used as a context manager around the write of one entry."""

    MAX_WAIT_SECONDS = 1.0

    def __init__(self) -> None:
        self._writing = threading.Lock()
        self._reason: str | None = None

    def lock(self, reason: str) -> None:
        """Closes the gate at once, then waits (bounded) for a write already in progress."""
        self._reason = reason
        if self._writing.acquire(timeout=self.MAX_WAIT_SECONDS):
            self._writing.release()

    def unlock(self) -> None:
        self._reason = None

    def check(self) -> None:
        """Raises `NotSent` while locked."""
        if self._reason is not None:
            raise NotSent(f"entries are locked: {self._reason}")

    def __enter__(self) -> None:
        self._writing.acquire()
        try:
            self.check()
        except NotSent:
            self._writing.release()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writing.release()


class Announced:
    """A gate, or none, after which it is said once that the bytes have left."""

    def __init__(self, gate: Gate | None, on_sent: Callable[[], None]) -> None:
        self._gate = gate
        self._on_sent: Callable[[], None] | None = on_sent

    def __enter__(self) -> None:
        if self._gate is not None:
            self._gate.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._gate is not None:
            self._gate.__exit__(kind, error, trace)
        if error is None and self._on_sent is not None:
            on_sent, self._on_sent = self._on_sent, None
            on_sent()
