"""What every command shares: settings, the log, and one clear error."""

import io
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NoReturn, TextIO

import structlog
import typer
from rich.console import Console, RenderableType

from actors.kernel import ExitCode
from adapters.clock import SystemClock
from config import logs
from config.logs import Log, configure, register_secret
from config.settings import Settings, SettingsInvalid, load

ENV_FILE = Path(".env")
PIPED_WIDTH = 220


def fail(text: str, code: int) -> NoReturn:
    """One clear error on the terminal, whatever it can encode, and the exit code."""
    aside(text)
    raise typer.Exit(int(code))


def aside(text: str) -> None:
    """A line beside a command's own output, if anybody takes it."""
    encoding = sys.stderr.encoding or "ascii"
    line = f"{text}\n".encode(encoding, "backslashreplace").decode(encoding)
    _put(sys.stderr, lambda: sys.stderr.write(line))


def width() -> int:
    """Characters a line of output may have: the terminal's, or a pipe's."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPED_WIDTH


def out(what: RenderableType) -> None:
    """The output of a command that reads. One that cannot be written ends it: it is all there is.

    A reader that went away (``| head``) does not: the exit code is the command's own.
    """
    if not tell(what):
        raise typer.Exit(int(ExitCode.FAILED))


def tell(what: RenderableType) -> bool:
    """The words of a command that acts, which nothing here ends: text or a table, whatever the
    terminal can encode. False where it could not be written, which is said beside it once.

    Piped, a table is as wide as it needs to be: a program or a pager reads it, not a narrow screen.
    """
    is_terminal = sys.stdout.isatty()
    rendered = io.BytesIO()
    encoding = sys.stdout.encoding or "ascii"
    sink = io.TextIOWrapper(rendered, encoding, "backslashreplace", write_through=True)
    console = Console(file=sink, force_terminal=is_terminal, width=width(), emoji=False)
    console.print(what, markup=False, highlight=False, soft_wrap=isinstance(what, str))
    text = rendered.getvalue().decode(encoding)
    return _is_well(_put(sys.stdout, lambda: sys.stdout.write(text)))


def pour(write: Callable[[], object]) -> None:
    """One piece of an output that may be long, or without an end: a reader that went away ends it.

    ``write`` puts it on the standard output.
    """
    error = _put(sys.stdout, write)
    if error is not None:
        raise typer.Exit(int(ExitCode.OK if _is_well(error) else ExitCode.FAILED))


def _is_well(error: OSError | None) -> bool:
    """Whether nothing is lost that somebody wants to have."""
    if error is None or isinstance(error, BrokenPipeError):
        return True
    aside(f"The output cannot be written: {words(error)}.")
    return False


def settle(error: OSError) -> bool:
    """After an output that others have written failed: as `tell`, and both streams are done."""
    for stream in (sys.stdout, sys.stderr):
        _put(stream, lambda: None)
    return _is_well(error)


def _put(stream: TextIO, write: Callable[[], object]) -> OSError | None:
    """Why it could not be. From then on nothing is: the end of the interpreter, which writes what
    is left, must neither complain nor have an exit code of its own.
    """
    try:
        write()
        stream.flush()
    except OSError as error:
        with suppress(OSError), Path(os.devnull).open("wb") as nowhere:  # where it has a number
            os.dup2(nowhere.fileno(), stream.fileno())
        return error
    return None


def words(error: OSError) -> str:
    """What the system refused, for a person: the file and why, without Python's ``[Errno]``."""
    what = f"{error.filename}: " if error.filename else ""
    return f"{what}{error.strerror or error}"


def refused(error: OSError, settings: Settings) -> str:
    """The same, behind the name of the setting whose folder it is about."""
    folders = {"DATA_DIR": settings.data_dir, "LOG_DIR": settings.log_dir}
    place = Path(str(error.filename)) if error.filename else None
    names = (name for name, folder in folders.items() if place and _are_one_way(place, folder))
    return ": ".join([*tuple(names)[:1], words(error)])


def _are_one_way(place: Path, folder: Path) -> bool:
    """Whether one of them is within the other, or is it."""
    return place.is_relative_to(folder) or folder.is_relative_to(place)


def read_settings() -> Settings:
    try:
        return load(ENV_FILE, os.environ)
    except SettingsInvalid as error:
        fail(str(error), ExitCode.SETTINGS_INVALID)


def api_root(settings: Settings) -> str:
    """Where the daemon's HTTP API answers."""
    host = str(settings.api_host)
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{settings.api_port}"


def number(name: str, text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ValueError(f"{name} is a number, not {text!r}")
    return number


def not_started(reason: str, code: int = ExitCode.FAILED) -> int:
    structlog.get_logger(actor="run").critical("not_started", reason=reason)
    return int(code)


def open_log(settings: Settings, name: str = logs.FILE, stream: TextIO | None = None) -> Log:
    for secret in settings.secrets():
        register_secret(secret)
    folder, level = settings.log_dir, settings.log_level
    clock = SystemClock()
    return configure(folder, level, terminal=True, clock=clock, stream=stream, file_name=name)
