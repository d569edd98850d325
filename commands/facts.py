"""What every command may want to know of itself, without importing anything for it."""

import os

VERSION = "0.1.0"


def is_supervised() -> bool:
    """Whether supervisord started this process."""
    return "SUPERVISOR_PROCESS_NAME" in os.environ
