"""The readable copy of the log for a person at a terminal."""

import os
from typing import Any, TextIO

import orjson
import structlog


class Console:
    """Renders finished log lines on ``stream``. Nothing raises; ``lost`` counts failures.

    Coloured when the stream is a terminal and ``NO_COLOR`` is not set. What the stream's
    encoding cannot show, and control characters hidden in values, appear escaped.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost = 0
        self._renderer = structlog.dev.ConsoleRenderer(
            colors=stream.isatty() and not os.environ.get("NO_COLOR"),
            exception_formatter=structlog.dev.plain_traceback,
            timestamp_key="ts",
            sort_keys=False,
        )

    def write(self, line: bytes) -> None:
        """Shows one log line (JSON)."""
        try:
            event = {key: _printable(value) for key, value in orjson.loads(line).items()}
            text = self._renderer(None, event["level"], event) + "\n"
            encoding = self._stream.encoding or "utf-8"
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self._stream.flush()
        except Exception:  # noqa: BLE001 - a closed terminal must not stop the bot
            self.lost += 1


def _printable(value: Any) -> Any:
    """Text without control characters: those in a message someone sent could move the cursor."""
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in value)
