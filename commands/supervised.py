"""What supervisord needs to understand how our programs end.

It looks at an exit code only when the program has lived for ``startsecs``: an earlier end is a
failed start, tried again with a growing wait, whatever the code. That is right for what may go
away by itself, and wrong for what will not: mistakes in the settings would be tried ten times.
"""

import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from actors.auth import EXIT_REFUSED
from actors.kernel import ExitCode
from adapters.clock import SystemClock

START_SECONDS = 2.0
"""``startsecs`` in supervisor.conf."""
MARGIN = 0.7
SIGNAL_SECONDS = 0.5
FINAL = frozenset(
    {
        int(ExitCode.OK),
        int(ExitCode.ALREADY_RUNNING),
        int(ExitCode.NOT_CLEARED),
        EXIT_REFUSED,
        int(ExitCode.SETTINGS_INVALID),
    }
)
"""Ends that trying again does not cure: ``exitcodes`` in supervisor.conf."""


def linger(seconds: float, beat: Callable[[], None] = lambda: None) -> None:
    """Waits before an end, so that a new start comes later. SIGTERM and Ctrl-C end the wait.

    ``beat`` is called over and over: the watchdog must not take who waits for one that hangs.
    """
    is_over = threading.Event()

    def end(*_: object) -> None:
        is_over.set()

    kept = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    clock = SystemClock()
    until = clock.monotonic() + seconds
    while (left := until - clock.monotonic()) > 0 and not is_over.is_set():
        beat()
        is_over.wait(min(left, SIGNAL_SECONDS))  # the signal may have reached another thread
    for number, handler in kept.items():
        signal.signal(number, handler)


@contextmanager
def lingering() -> Generator[None]:
    """Lets a final end count as one: supervisord must think that the start was a success."""
    clock = SystemClock()
    began = clock.monotonic()
    try:
        yield
    except SystemExit as ending:
        if ending.code is None or ending.code in FINAL:
            sys.stdout.flush()
            clock.sleep(START_SECONDS + MARGIN - (clock.monotonic() - began))
        raise
