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
    _fill_descriptors()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # A crash in a library's C code must not write the memory, and the keys in it, to disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    # glibc reads it at the first look-up (musl never does); what a person has set goes first.
    os.environ.setdefault("RES_OPTIONS", RESOLVER)
    sys.excepthook = _told
    return began


def _fill_descriptors() -> None:
    """Whoever closed our output (``>&- 2>&-``) gets silence: Python has no stream there, and the
    first file that is opened would take the number, and what is printed with it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            stream = open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (it is there for the whole life of the process)
            setattr(sys, name, stream)


def _told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, ModuleNotFoundError):
        sys.stderr.write(
            f"Not started: the library {error.name} is not in {sys.prefix}.\n"
            "Set up or renew .venv: make install (after an upgrade of Python: make clean install)\n"
            "Then: .venv/bin/python run.py ...\n"
        )
    else:
        sys.__excepthook__(kind, error, trace)
