"""What supervisord needs to understand how our programs end.

It looks at an exit code only when the program has lived for ``startsecs``: an earlier end is a
failed start, tried again with a growing wait, whatever the code. That is right for what may go
away by itself, and wrong for what will not: mistakes in the settings would be tried ten times.
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager

from actors.auth import EXIT_REFUSED
from actors.kernel import ExitCode
from adapters.clock import SystemClock

START_SECONDS = 2.0
"""``startsecs`` in supervisor.conf."""
MARGIN = 0.7
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
