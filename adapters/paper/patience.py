"""What the exchange bears from its clients: slow ones for a while, and nonsense without a word.

Without this a client, or ten thousand, could hold every file handle of the process by opening
connections and saying half a word, or fill the log, and spend the processor on it, with what it
did wrong. That is answered on the wire.
"""

import asyncio
import logging
import resource
from contextlib import suppress

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

REQUEST_SECONDS = 60.0
# The venue recycles idle connections after a quarter of an hour.
KEEP_ALIVE_SECONDS = 900


class PatientHttp(HttpToolsProtocol):
    """HTTP as uvicorn speaks it; a request has to be whole in time."""

    seconds = REQUEST_SECONDS
    _overdue: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    def _expect(self) -> None:
        self._settle()
        loop = asyncio.get_running_loop()
        self._overdue = loop.call_later(self.seconds, self._give_up)

    def _settle(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect()

    def on_message_complete(self) -> None:
        self._settle()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._settle()
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        self._settle()
        super().connection_lost(exc)


_FAULTS_OF_CLIENTS = (
    "Invalid HTTP request received",
    "Invalid UTF-8 sequence received",
    "ASGI callable returned without completing handshake",
)


def is_worth_logging(record: logging.LogRecord) -> bool:
    """A filter for uvicorn's log: what went wrong on the exchange's side."""
    return not record.getMessage().startswith(_FAULTS_OF_CLIENTS)


def allow_many_sockets() -> None:
    """As many open files as the system lets this process have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
