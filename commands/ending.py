"""An end that comes although somebody was left behind."""

import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager


@contextmanager
def ending(seconds: float) -> Generator[Callable[[int], None]]:
    """Gives what bounds the end of the block: ``seconds`` after it was called with the exit code
    the block has been left, or the process ends with that code.

    For when an actor hangs for good: it may hold what somebody else waits for in order to close it
    (the journal's lock, on a disk that does not answer), and then nobody would take its place.
    """
    is_left = threading.Event()

    def wait(code: int) -> None:
        if not is_left.wait(seconds):
            os._exit(code)

    def bound(code: int) -> None:
        threading.Thread(target=wait, args=(code,), name="ending", daemon=True).start()

    try:
        yield bound
    finally:
        is_left.set()
