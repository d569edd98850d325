"""What the exchange bears from its clients: slow ones for a while.

Without this a client, or ten thousand, could hold every file handle of the process by opening
connections and saying half a word.
"""

import asyncio
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


def allow_many_sockets() -> None:
    """As many open files as the system lets this process have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
