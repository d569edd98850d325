"""The readable copy of the log for a person at a terminal."""

import os
import queue
import threading
from typing import Any, TextIO

import orjson
import structlog

WAITING_LINES = 1_000
LAST_SECONDS = 1.0
"""How long the end waits for a terminal to take what is left."""


class Console:
    """Renders finished log lines on ``stream``. Nothing raises; ``lost`` counts failures.

    Coloured when the stream is a terminal and ``NO_COLOR`` is not set. What the stream's
    encoding cannot show, and control characters hidden in values, appear escaped. With a
    ``descriptor`` it is written to past the stream.
    """

    def __init__(self, stream: TextIO, descriptor: int | None = None) -> None:
        self._stream = stream
        self._descriptor = descriptor
        self.lost = 0
        self._renderer = structlog.dev.ConsoleRenderer(
            colors=stream.isatty() and not os.environ.get("NO_COLOR"),
            exception_formatter=structlog.dev.plain_traceback,
            timestamp_key="ts",
            sort_keys=False,
        )

    def write(self, line: bytes) -> None:
        """Shows one log line (JSON)."""
        text = self.rendered(line)
        if text is None:
            self.lost += 1
        else:
            self.show(text)

    def rendered(self, line: bytes) -> str | None:
        """One log line as a person reads it; None for one that has no such form."""
        try:
            event = {key: printable(value) for key, value in orjson.loads(line).items()}
            return self._renderer(None, event["level"], event) + "\n"
        except Exception:  # noqa: BLE001 - such as a traceback that is no text
            return None

    def show(self, text: str) -> None:
        """Shows what was rendered."""
        try:
            encoding = self._stream.encoding or "utf-8"
            self._put(text.encode(encoding, "backslashreplace"), encoding)
        except Exception:  # noqa: BLE001 - a closed terminal must not stop the bot
            self.lost += 1

    def _put(self, data: bytes, encoding: str) -> None:
        if self._descriptor is None:
            self._stream.write(data.decode(encoding))
            self._stream.flush()
            return
        while data:
            data = data[os.write(self._descriptor, data) :]


class ConsoleBeside:
    """A `Console` on a thread of its own: nobody waits for it.

    A terminal that is stopped (Ctrl-S), or a pipe that nobody reads, takes no line for hours, and
    whoever logs may be placing a stop. What does not fit is lost; the file has every line.
    """

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(stream, _descriptor_of(stream))
        self._dropped = 0
        self._lines: queue.Queue[bytes | None] = queue.Queue(WAITING_LINES)
        self._writer = threading.Thread(target=self._show_all, name="console", daemon=True)
        self._writer.start()

    @property
    def lost(self) -> int:
        return self._dropped + self._console.lost

    def write(self, line: bytes) -> None:
        """Has one log line (JSON) shown."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        """Waits a moment until all is shown. What comes afterwards is not."""
        try:
            self._lines.put(None, timeout=LAST_SECONDS)
        except queue.Full:
            return
        self._writer.join(LAST_SECONDS)

    def _show_all(self) -> None:
        while (line := self._lines.get()) is not None:
            self._console.write(line)


def _descriptor_of(stream: TextIO) -> int | None:
    """Past the stream, whose lock the end of the interpreter would wait for, as the write does."""
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None


def printable(value: Any) -> Any:
    """Text without control characters: those in a message someone sent could move the cursor."""
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in value)
