"""How many connections are held, and for how long one may owe its request.

uvicorn counts them only when a request has been read, and waits for one for ever: connections that
send nothing, for which no token is needed, would keep a kill out and use up the process's files.
"""

from asyncio import Transport
from asyncio.events import TimerHandle

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_CONNECTIONS = 64
REQUEST_SECONDS = 5.0
"""From the connection, or a later request's first byte, until the request is whole."""


class ImpatientProtocol(HttpToolsProtocol):
    """HTTP for those who have something to say. What is being answered is never cut off."""

    _due: TimerHandle | None = None
    since = 0.0

    def connection_made(self, transport: Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] (as the class above has it)
        super().connection_made(transport)
        self.since = self.loop.time()
        self._await_request()
        self._make_room()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.is_answering:
            self._await_request()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await_request()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._forget_due()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_due()
        super().connection_lost(exc)

    @property
    def is_answering(self) -> bool:
        """Whether a request is whole, and its answer under way: an event stream is, for hours."""
        cycle = self.cycle
        return bool(cycle) and not (cycle.more_body or cycle.response_complete)

    def _make_room(self) -> None:
        """When too many are open, the one goes that has been silent longest; if none is, this."""
        held = [x for x in self.connections if not x.transport.is_closing()]
        if len(held) <= MOST_CONNECTIONS:
            return
        idle = [x for x in held if isinstance(x, ImpatientProtocol) and not x.is_answering]
        min(idle, key=lambda x: x.since).transport.abort()

    def _await_request(self) -> None:
        if self._due is None:
            self._due = self.loop.call_later(REQUEST_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self._due = None
        if not self.transport.is_closing():
            self.transport.abort()

    def _forget_due(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
