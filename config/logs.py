"""Logging: one JSON line per event in ``bot.log``, a readable copy on a terminal.

A log call never raises, whatever it is given and whatever the disk does. What could not be
written is counted, and said in the log as soon as it takes lines again. Nothing is written
before `Redactor` has seen it.
"""

import logging
import sys
import threading
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, NoReturn, Self, TextIO, cast

import orjson
import structlog
from structlog.typing import WrappedLogger

from actors.ports import Clock
from config.console import ConsoleBeside
from config.foreign_logs import ForeignLogs
from config.redaction import Redactor
from config.rotating import RotatingBytesFile
from domain.plain import plain

Event = MutableMapping[str, Any]

FILE = "bot.log"
_LONGEST_TRACEBACK = 16_000
_OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_NON_STR_KEYS
_redactor = Redactor()


def register_secret(text: str) -> None:
    """From now on ``text`` appears in no log line, whatever it is part of."""
    _redactor.register(text)


def without_secrets(text: str) -> str:
    """``text`` with every registered secret hidden, for whatever else leaves the process."""
    return _redactor.text(text)


def configure(
    log_dir: Path,
    level: str,
    *,
    terminal: bool,
    clock: Clock,
    stream: TextIO | None = None,
    file_name: str = FILE,
) -> "Log":
    """Sets up logging for the process: structlog, the standard library, uncaught exceptions.

    ``level`` is the least that is logged (of other libraries never less than WARNING).
    ``terminal`` adds a readable copy on ``stream`` (stderr, so that a command's own output
    stays clean), coloured where that is a terminal. Close what this returns at the end.
    """
    console = ConsoleBeside(stream or sys.stderr) if terminal else None
    log = Log(RotatingBytesFile(log_dir / file_name), console, clock)
    number = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, _hand_over],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: log,
        # Modules get their loggers when imported; caching would tie them to an older set-up.
        cache_logger_on_first_use=False,
    )
    log.listen(max(number, logging.WARNING))
    return log


def silence() -> None:
    """No log, for a command whose output is a person's: unless told otherwise structlog prints."""
    structlog.configure(processors=[_dropped])


def _dropped(*_: object) -> NoReturn:
    raise structlog.DropEvent


class Log:
    """Where all events arrive. Safe to share between threads."""

    def __init__(
        self, file: RotatingBytesFile, console: ConsoleBeside | None, clock: Clock
    ) -> None:
        self._file = file
        self._console = console
        self._clock = clock
        self._told = 0
        self._unprintable = 0
        self._foreign: ForeignLogs | None = None

    @property
    def lost(self) -> int:
        """How many lines some sink could not take."""
        shown = self._console.lost if self._console is not None else 0
        return self._file.lost + self._unprintable + shown

    def emit(self, level: str, event: Event) -> None:
        """Writes one event everywhere. Never raises."""
        try:
            line = self._line(level, event)
        except Exception:  # noqa: BLE001 - the caller trades; it must not die of a log line
            self._unprintable += 1
            return
        if self._file.write(line):
            self._confess()
        if self._console is not None:
            self._console.write(line)

    debug = info = warning = error = critical = emit

    def listen(self, level: int) -> None:
        """Takes over the standard library's log from ``level`` up, and uncaught exceptions."""
        self._foreign = ForeignLogs(self.emit, _redactor, level, quiet=self._console is None)

    def close(self) -> None:
        """Gives everything back and closes the file."""
        if self._foreign is not None:
            self._foreign.close()
            self._foreign = None
        self._file.close()
        if self._console is not None:
            self._console.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _confess(self) -> None:
        lost = self._file.lost + self._unprintable
        if lost > self._told:
            count, self._told = lost - self._told, lost
            self._file.write(self._line("error", {"event": "log_lines_lost", "count": count}))

    def _line(self, level: str, event: Event) -> bytes:
        """The event as JSON: ``ts``, ``level``, ``event``, ``actor``, then its own fields."""
        arranged: dict[str, Any] = {
            "ts": self._clock.now().isoformat(timespec="microseconds"),
            "level": level,
            "event": event.pop("event", ""),
            "actor": event.pop("actor", None) or threading.current_thread().name,
        }
        if "exc_info" in event and (text := _traceback_of(event.pop("exc_info"))):
            event["exception"] = text
        arranged.update(event)
        line = _dumped(arranged)
        if _redactor.suspects(line):
            line = _dumped(_redactor.scrub(orjson.loads(line)))
        return line


def _hand_over(_: WrappedLogger, level: str, event: Event) -> tuple[tuple[str, Event], Event]:
    return (level, event), {}


def _dumped(event: object) -> bytes:
    try:
        return orjson.dumps(event, default=_text, option=_OPTIONS | orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return orjson.dumps(plain(event), option=orjson.OPT_APPEND_NEWLINE)


def _text(value: object) -> str:
    """A value JSON has no form for: money as its digits, an error with its kind."""
    return f"{type(value).__name__}: {value}" if isinstance(value, BaseException) else str(value)


def _traceback_of(exc_info: object) -> str:
    """The traceback of what a log call was given as ``exc_info``; empty when there is none."""
    error = sys.exception() if exc_info is True else exc_info
    if isinstance(exc_info, tuple):
        error = cast("tuple[object, ...]", exc_info)[1]
    if not isinstance(error, BaseException):
        return ""
    text = "".join(traceback.format_exception(error)).rstrip()
    if len(text) <= _LONGEST_TRACEBACK:
        return text
    text = _redactor.text(text)  # before the cut, which could leave half a secret behind
    half = _LONGEST_TRACEBACK // 2
    return f"{text[:half]}\n[...]\n{text[-half:]}"
