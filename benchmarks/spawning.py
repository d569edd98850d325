"""A fresh process that says when it is ready."""

import multiprocessing
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any


@contextmanager
def spawned(target: Callable[..., None], *arguments: object) -> Generator[Any]:
    """Runs ``target(connection, *arguments)``; gives the first thing it sends, ends it after.

    Raises:
        EOFError: it ended before it was ready.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()  # so that a process that dies is an end of file here, not a wait for ever
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join(5)
