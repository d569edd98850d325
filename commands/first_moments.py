"""Until the libraries are there: Ctrl-C ends quietly, and a library that is missing is named."""

import os
import resource
import signal
import sys
import time
from types import TracebackType

RESOLVER = "timeout:1 attempts:1"
"""No timeout of ours bounds a look-up; by default it takes 10 s and more (docs/decisions.md)."""


def begin() -> float:
    """To be called before anything else is imported; needs nothing but Python.

    The moment (monotonic): the libraries take a second or more, and supervisord counts it.
    """
    began = time.monotonic()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # A crash in a library's C code must not write the memory, and the keys in it, to disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    # glibc reads it at the first look-up (musl never does); what a person has set goes first.
    os.environ.setdefault("RES_OPTIONS", RESOLVER)
    sys.excepthook = _told
    return began


def _told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, ModuleNotFoundError):
        sys.stderr.write(
            f"Not started: the library {error.name} is not in {sys.prefix}.\n"
            "Set up or renew .venv: make install (after an upgrade of Python: make clean install)\n"
            "Then: .venv/bin/python run.py ...\n"
        )
    else:
        sys.__excepthook__(kind, error, trace)
