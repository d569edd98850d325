"""What supervisord needs to understand how our programs end.

It looks at an exit code only when the program has lived for ``startsecs``: an earlier end is a
failed start, tried again with a growing wait, whatever the code. That is right for what may go
away by itself, and wrong for what will not: mistakes in the settings would be tried ten times.
"""

import os
import sys

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


def is_supervised() -> bool:
    """Whether supervisord started this process."""
    return "SUPERVISOR_PROCESS_NAME" in os.environ


def linger(code: object, lived: float) -> None:
    """Lets a final end after ``lived`` seconds count as one: the start must seem a success."""
    if is_supervised() and (code is None or code in FINAL):
        sys.stdout.flush()
        SystemClock().sleep(START_SECONDS + MARGIN - lived)
