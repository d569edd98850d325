"""Between sockets and engine: runs requests, saves before it answers, hands out frames.

What goes out waits until what it tells of is on disk. Requests that come in together are saved
together: one visit to the disk for all of them.
"""

from collections.abc import Callable
from functools import partial
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
_MOST_CONNECTIONS = 32
# A socket on which nothing was ever said is dropped, and so is one that asked for cancel on
# disconnect and then fell silent.
_NEVER_HEARD_MS = 60_500
_SILENT_MS = 600_000


class Listener(Protocol):
    """A connection that can be sent to. No call may block; `drop` ends it without a word."""

    def send(self, frame: bytes) -> None: ...
    def hang_up(self, code: int, reason: str) -> None: ...
    def drop(self) -> None: ...


def _at_once(run: Callable[[], None]) -> None:
    run()


class Desk:
    """One exchange, its file, and everybody connected.

    ``now_us`` is the wall clock. ``later`` runs a save once all that has come in by now was
    dealt with; it has to take care of `AccountNotSaved`. The default saves at once.
    """

    def __init__(
        self,
        exchange: Exchange,
        store: AccountStore,
        now_us: Callable[[], int],
        later: Callable[[Callable[[], None]], None] = _at_once,
    ) -> None:
        self.exchange = exchange
        self._store = store
        self._now_us = now_us
        self._listeners: dict[str, tuple[SessionState, Listener]] = {}
        self._saved: int | None = None
        self._saved_at_ms = 0
        self._answered = 0
        self._later = later
        self._is_save_due = False
        self._waiting: list[Callable[[bool], None]] = []
        self._client_seen_us = now_us()

    def now_ms(self) -> int:
        """The venue's time."""
        return self._now_us() // 1000

    def idle_seconds(self) -> float:
        """How long nobody has been connected or asked for anything."""
        if self._listeners:
            return 0.0
        return (self._now_us() - self._client_seen_us) / 1_000_000

    @property
    def clients(self) -> int:
        """How many websockets are connected."""
        return len(self._listeners)

    @property
    def is_full(self) -> bool:
        """Whether there is room for no further websocket."""
        return len(self._listeners) >= _MOST_CONNECTIONS

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
            self.publish()
            self._release()

    def http(self, request: Request, proof: HttpProof | None) -> tuple[int, bytes]:
        """Answers one HTTP request: status and body, to be sent when `when_saved` says so."""
        self._client_seen_us = started = self._now_us()
        session = self.exchange.open_session(is_websocket=False)
        try:
            if proof is not None:
                rpc.authorize(self.exchange.sessions, session, proof, started // 1000)
            value = self._run(session, request)
        except VenueError as error:
            self._end_tokens(session, error)
            return 400, rpc.failure(request.request_id, error, started, self._now_us())
        finally:
            self.publish()
            self._release()
        return 200, rpc.result(request.request_id, value, started, self._now_us())

    def malformed(self, error: VenueError) -> bytes:
        """The answer to something that is not a request."""
        now = self._now_us()
        return rpc.failure(None, error, now, now)

    def frame(self, session: SessionState, text: str | bytes) -> None:
        """Answers one websocket frame.

        A frame about an order may overtake the reply to it: every other time it does.
        """
        if session.closing:
            return
        _, listener = self._listeners[session.session_id]
        started = self._now_us()
        session.heard_ms = started // 1000
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
            self._send(session, listener, reply)
        self.publish()
        self._end_if_told(session, listener, error)
        self._release()

    def _end_if_told(
        self, session: SessionState, listener: Listener, error: VenueError | None
    ) -> None:
        """Hangs up after a log-out, and after too many requests."""
        if session.closing:
            self._wait_for_disk(partial(listener.hang_up, 1000, "logout"))
        elif error is not None and error.ends_session:
            session.closing = True
            self._end_tokens(session, error)
            self._wait_for_disk(partial(listener.hang_up, 1008, error.message))

    def _end_tokens(self, session: SessionState, error: VenueError) -> None:
        if error.ends_session and session.access_token:
            self.exchange.sessions.revoke(session.access_token)

    def _reply(
        self, session: SessionState, request: Request, started: int
    ) -> tuple[bytes, VenueError | None]:
        try:
            value = self._run(session, request)
        except VenueError as error:
            return rpc.failure(request.request_id, error, started, self._now_us()), error
        return rpc.result(request.request_id, value, started, self._now_us()), None

    def _run(self, session: SessionState, request: Request) -> Any:
        return self.exchange.request(session, request.method, request.params, self.now_ms())

    def tick(self, tick: Tick) -> None:
        """Moves the market, and whatever hangs on the time."""
        now_ms = self.now_ms()
        self.exchange.advance(now_ms, tick.prices)
        self.publish()
        if now_ms - self._saved_at_ms >= _SAVE_PRICES_EVERY_MS:
            self._commit()
        self._release()
        for session, listener in list(self._listeners.values()):
            if not _drop_silent(session, listener, now_ms):
                _beat(session, listener, now_ms)

    def when_saved(self, then: Callable[[bool], None]) -> None:
        """Calls back once everything up to now is on disk: True; or never will be: False."""
        self._waiting.append(then)
        self._release()

    def _wait_for_disk(self, act: Callable[[], None]) -> None:
        self._waiting.append(lambda is_saved: act() if is_saved else None)

    def _send(self, session: SessionState, listener: Listener, frame: bytes) -> None:
        session.is_quiet = False
        self._wait_for_disk(partial(listener.send, frame))

    def _release(self) -> None:
        """Lets out what waits: now when it is all on disk, else after the save to come."""
        if self.exchange.revision == self._saved:
            self._let_go(is_saved=True)
        elif not self._is_save_due:
            self._is_save_due = True
            self._later(self._commit)

    def _commit(self) -> None:
        self._is_save_due = False
        try:
            self.save()
        except AccountNotSaved:
            self._let_go(is_saved=False)
            raise
        self._let_go(is_saved=True)

    def _let_go(self, *, is_saved: bool) -> None:
        waiting, self._waiting = self._waiting, []
        for act in waiting:
            act(is_saved)

    def save(self) -> None:
        """Puts the account on disk.

        Raises:
            AccountNotSaved: the disk refused it.
        """
        try:
            if self._store.is_new:
                self._store.rewrite(self.exchange.whole())
            else:
                self._store.append(self.exchange.entry())
        except OSError as error:
            raise AccountNotSaved(str(error)) from error
        self._saved = self.exchange.revision
        self._saved_at_ms = self.now_ms()
        if self._store.is_long:
            self._shorten()

    def close(self) -> None:
        """Saves for the last time, and leaves the account in one line.

        Raises:
            AccountNotSaved: the disk refused it.
        """
        self.save()
        self._shorten()

    def _shorten(self) -> None:
        """Begins the log of the account anew; where that fails, the long one goes on."""
        try:
            self._store.rewrite(self.exchange.whole())
        except OSError as error:
            _log.warning("paper_log_not_shortened", error=str(error))

    def publish(self) -> None:
        """Queues the frames that are due behind what waits for the disk."""
        for note in self.exchange.drain():
            for session, listener in list(self._listeners.values()):
                is_meant = note.session_id in {None, session.session_id}
                if is_meant and note.channel in session.channels:
                    label = session.channels[note.channel]
                    frame = rpc.notification(note.channel, note.data, label)
                    self._send(session, listener, frame)


def _drop_silent(session: SessionState, listener: Listener, now_ms: int) -> bool:
    """Drops a socket that never said a word, or that asked for cancels and then fell silent."""
    heard_ms = session.heard_ms
    if heard_ms is None:
        is_over = now_ms - session.opened_ms >= _NEVER_HEARD_MS
    else:
        is_over = session.cancel_on_disconnect and now_ms - heard_ms >= _SILENT_MS
    if is_over:
        listener.drop()
    return is_over


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
        if session.is_quiet:
            listener.send(rpc.heartbeat("heartbeat"))
        listener.send(rpc.heartbeat("test_request"))
        session.is_quiet = True
