"""What every command shares: settings, the log, and one clear error."""

import os
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NoReturn

import structlog
import typer

from actors.kernel import ExitCode
from adapters.clock import SystemClock
from config import logs
from config.logs import Log, configure, register_secret
from config.settings import Settings, SettingsInvalid, load

VERSION = "0.1.0"
ENV_FILE = Path(".env")


def fail(text: str, code: int) -> NoReturn:
    """One clear error on the terminal, whatever it can encode, and the exit code."""
    encoding = sys.stderr.encoding or "ascii"
    sys.stderr.write(f"{text}\n".encode(encoding, "backslashreplace").decode(encoding))
    raise typer.Exit(int(code))


def words(error: OSError) -> str:
    """What the system refused, for a person: the file and why, without Python's ``[Errno]``."""
    what = f"{error.filename}: " if error.filename else ""
    return f"{what}{error.strerror or error}"


def read_settings() -> Settings:
    try:
        return load(ENV_FILE, os.environ)
    except SettingsInvalid as error:
        fail(str(error), ExitCode.SETTINGS_INVALID)


def number(name: str, text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ValueError(f"{name} is a number, not {text!r}")
    return number


def not_started(reason: str) -> int:
    structlog.get_logger(actor="run").critical("not_started", reason=reason)
    return int(ExitCode.FAILED)


def open_log(settings: Settings, name: str = logs.FILE) -> Log:
    for secret in settings.secrets():
        register_secret(secret)
    folder, level = settings.log_dir, settings.log_level
    return configure(folder, level, terminal=True, clock=SystemClock(), file_name=name)
