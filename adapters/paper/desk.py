"""Between sockets and engine: runs requests, saves before it answers, hands out frames."""

from collections.abc import Callable
from typing import Any, Protocol

import structlog
from structlog.typing import FilteringBoundLogger

from adapters.paper import rpc
from adapters.paper.errors import AccountNotSaved, VenueError
from adapters.paper.exchange import Exchange
from adapters.paper.feed import Tick
from adapters.paper.rpc import HttpProof, Request
from adapters.paper.sessions import SessionState
from adapters.paper.store import AccountStore

_log: FilteringBoundLogger = structlog.get_logger(actor="exchange")
_ANSWER_MS = 10_000
_SAVE_PRICES_EVERY_MS = 5_000


class Listener(Protocol):
    """A connection that can be sent to. Neither call may block."""

    def send(self, frame: bytes) -> None: ...
    def hang_up(self, code: int, reason: str) -> None: ...


class Desk:
    """One exchange, its file, and everybody connected. ``now_us`` is the wall clock."""

    def __init__(self, exchange: Exchange, store: AccountStore, now_us: Callable[[], int]) -> None:
        self.exchange = exchange
        self._store = store
        self._now_us = now_us
        self._listeners: dict[str, tuple[SessionState, Listener]] = {}
        self._saved: int | None = None
        self._saved_at_ms = 0
        self._answered = 0
        self._client_seen_us = now_us()

    def now_ms(self) -> int:
        """The venue's time."""
        return self._now_us() // 1000

    def idle_seconds(self) -> float:
        """How long nobody has been connected or asked for anything."""
        if self._listeners:
            return 0.0
        return (self._now_us() - self._client_seen_us) / 1_000_000

    def connect(self, listener: Listener) -> SessionState:
        """Takes a websocket in."""
        self._client_seen_us = self._now_us()
        session = self.exchange.open_session()
        self._listeners[session.session_id] = session, listener
        return session

    def disconnect(self, session: SessionState) -> None:
        """Lets a websocket go, however it ended."""
        self._client_seen_us = self._now_us()
        if self._listeners.pop(session.session_id, None) is not None:
            self.exchange.close_session(session, self.now_ms())
            self._settle()

    def http(self, request: Request, proof: HttpProof | None) -> tuple[int, bytes]:
        """Answers one HTTP request: status and body."""
        self._client_seen_us = started = self._now_us()
        session = self.exchange.open_session(is_websocket=False)
        try:
            if proof is not None:
                rpc.authorize(self.exchange.sessions, session, proof, started // 1000)
            value = self._run(session, request)
        except VenueError as error:
            if error.ends_session and session.access_token:
                self.exchange.sessions.revoke(session.access_token)
            return 400, rpc.failure(request.request_id, error, started, self._now_us())
        finally:
            self.publish()
        return 200, rpc.result(request.request_id, value, started, self._now_us())

    def malformed(self, error: VenueError) -> bytes:
        """The answer to something that is not a request."""
        now = self._now_us()
        return rpc.failure(None, error, now, now)

    def frame(self, session: SessionState, text: str | bytes) -> None:
        """Answers one websocket frame.

        A frame about an order may overtake the reply to it: every other time it does.
        """
        _, listener = self._listeners[session.session_id]
        started = self._now_us()
        try:
            request = rpc.from_body(text)
        except VenueError as error:
            listener.send(self.malformed(error))
            return
        reply, error = self._reply(session, request, started)
        self._answered += 1
        if self._answered % 2 and not request.method.endswith("subscribe"):
            self.publish()
        if not session.closing:
            listener.send(reply)
        self.publish()
        if session.closing:
            listener.hang_up(1000, "logout")
        elif error is not None and error.ends_session:
            listener.hang_up(1008, error.message)

    def _reply(
        self, session: SessionState, request: Request, started: int
    ) -> tuple[bytes, VenueError | None]:
        try:
            value = self._run(session, request)
        except VenueError as error:
            return rpc.failure(request.request_id, error, started, self._now_us()), error
        return rpc.result(request.request_id, value, started, self._now_us()), None

    def _run(self, session: SessionState, request: Request) -> Any:
        """Runs a request; what it changed is on disk before anybody hears of it."""
        try:
            return self.exchange.request(session, request.method, request.params, self.now_ms())
        finally:
            self._save_changes()

    def tick(self, tick: Tick) -> None:
        """Moves the market, and whatever hangs on the time."""
        now_ms = self.now_ms()
        self.exchange.advance(now_ms, tick.prices)
        self._settle()
        for session, listener in list(self._listeners.values()):
            _beat(session, listener, now_ms)

    def _settle(self) -> None:
        self._save_changes()
        self.publish()

    def _save_changes(self) -> None:
        """Saves when orders changed, and now and then for the prices."""
        is_changed = self.exchange.revision != self._saved
        if is_changed or self.now_ms() - self._saved_at_ms >= _SAVE_PRICES_EVERY_MS:
            self.save()

    def save(self) -> None:
        """Puts the account on disk.

        Raises:
            AccountNotSaved: the disk refused it.
        """
        try:
            self._store.save(self.exchange.present(), self.exchange.take_past())
        except OSError as error:
            raise AccountNotSaved(str(error)) from error
        self._saved = self.exchange.revision
        self._saved_at_ms = self.now_ms()

    def publish(self) -> None:
        """Sends out the frames that are due."""
        for note in self.exchange.drain():
            for session, listener in list(self._listeners.values()):
                is_meant = note.session_id in {None, session.session_id}
                if is_meant and note.channel in session.channels:
                    label = session.channels[note.channel]
                    listener.send(rpc.notification(note.channel, note.data, label))


def _beat(session: SessionState, listener: Listener, now_ms: int) -> None:
    """Asks a connection with a heartbeat whether it lives, and hangs up when it does not say."""
    if session.heartbeat_ms is None:
        return
    if session.is_unanswered and now_ms - session.asked_ms >= _ANSWER_MS:
        session.heartbeat_ms = None
        _log.info("heartbeat_unanswered", session=session.session_id)
        listener.hang_up(4000, "heartbeat close")
    elif not session.is_unanswered and now_ms - session.asked_ms >= session.heartbeat_ms:
        session.asked_ms, session.is_unanswered = now_ms, True
        listener.send(rpc.heartbeat("test_request"))
