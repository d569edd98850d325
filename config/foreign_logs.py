"""What others say: the standard library's log and uncaught exceptions, into the same stream."""

import logging
import re
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from config.redaction import Redactor

_WITH_ADDRESSES = ("urllib3", "httpx", "httpcore", "requests", "websocket", "telegram")
"""Libraries whose messages hold the addresses they call. Some addresses are secrets."""

_ADDRESS = re.compile(r"\w+://[^\s'\"]+|(?<=url: )\S+|(?<![\w.])/\S+")
_IN_TRACEBACK = re.compile(r"\w+://[^\s'\"]+|(?<=url: )\S+")
_HIDDEN = "(address)"

Emit = Callable[[str, dict[str, Any]], None]


class _Bridge(logging.Handler):
    """Turns log records into events; the logger's name stands for the actor."""

    def __init__(self, emit: Emit) -> None:
        super().__init__()
        self._emit_event = emit

    def emit(self, record: logging.LogRecord) -> None:
        try:
            event = self._event(record)
        except Exception as error:  # noqa: BLE001 - arguments that do not fit the message
            event = {"event": str(record.msg), "problem": repr(error)}
        level = "critical" if record.levelno >= logging.CRITICAL else "error"
        self._emit_event(
            "warning" if record.levelno < logging.ERROR else level, {"actor": record.name, **event}
        )

    def _event(self, record: logging.LogRecord) -> dict[str, Any]:
        event: dict[str, Any] = {"event": record.getMessage()}
        if record.exc_info and record.exc_info[1] is not None:
            event["exception"] = logging.Formatter().formatException(record.exc_info)
        if record.name.split(".")[0] in _WITH_ADDRESSES:
            event["event"] = _ADDRESS.sub(_HIDDEN, event["event"])
            if "exception" in event:
                event["exception"] = _IN_TRACEBACK.sub(_HIDDEN, event["exception"])
        return event


class ForeignLogs:
    """Routes other people's words to ``emit`` until `close`, which puts everything back.

    With ``quiet`` (nobody sees the log on a terminal) what ends the main thread is also
    written to stderr, so that whoever started the process learns why it ended.
    """

    def __init__(self, emit: Emit, redactor: Redactor, level: int, *, quiet: bool) -> None:
        self._emit = emit
        self._redactor = redactor
        self._quiet = quiet
        root = logging.getLogger()
        self._before = (root.handlers, root.level, sys.excepthook, threading.excepthook)
        root.handlers = [_Bridge(emit)]
        root.setLevel(level)
        logging.captureWarnings(capture=True)
        sys.excepthook = self._main_died
        threading.excepthook = self._thread_died

    def close(self) -> None:
        root = logging.getLogger()
        root.handlers, level, sys.excepthook, threading.excepthook = self._before
        root.setLevel(level)
        logging.captureWarnings(capture=False)

    def _main_died(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        self._emit("critical", {"event": "uncaught_exception", "exc_info": error})
        if self._quiet:
            text = logging.Formatter().formatException((kind, error, trace))
            sys.stderr.write(self._redactor.text(text) + "\n")

    def _thread_died(self, died: threading.ExceptHookArgs) -> None:
        if died.exc_value is not None and not isinstance(died.exc_value, SystemExit):
            name = died.thread.name if died.thread is not None else ""
            self._emit(
                "critical",
                {"event": "thread_died", "thread": name, "exc_info": died.exc_value},
            )
