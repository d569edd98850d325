"""What every command may want to know of itself, without importing anything for it."""

import os

VERSION = "0.1.0"


def restarted_by() -> str:
    """Who starts this process again when it ends; empty when nobody does."""
    if is_supervised():
        return "supervisord"
    return "Docker" if "BULWARK_CONTAINER" in os.environ else ""


def is_supervised() -> bool:
    """Whether supervisord started this process."""
    return "SUPERVISOR_PROCESS_NAME" in os.environ
