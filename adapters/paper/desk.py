"""Between sockets and engine: runs requests, saves before it answers, hands out frames.

What goes out waits until what it tells of is on disk. Requests that come in together are saved
together: one visit to the disk for all of them. While the disk is full nobody is answered and every
connection breaks, as with a venue in trouble; what was done meanwhile is found when it has room.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger

from adapters.paper import rpc
from adapters.paper.errors import AccountNotSaved, VenueError
from adapters.paper.exchange import Exchange
from adapters.paper.faults.courier import Courier
from adapters.paper.faults.fates import UNTOUCHED, Answer, Fate
from adapters.paper.faults.plan import FaultPlan
from adapters.paper.faults.weather import Weather
from adapters.paper.feed import Tick
from adapters.paper.liveness import Listener, beat, drop_silent
from adapters.paper.rpc import HttpProof, Request
from adapters.paper.sessions import SessionState
from adapters.paper.store import AccountStore

_log: FilteringBoundLogger = structlog.get_logger(actor="exchange")
_SAVE_PRICES_EVERY_MS = 5_000
_TRY_AGAIN_MS = 1_000
_MOST_CONNECTIONS = 32
_BEHIND_MS = 1_000


def _at_once(run: Callable[[], None]) -> None:
    run()


class Desk:
    """One exchange, its file, and everybody connected.

    ``now_us`` is the wall clock, ``steady_ms`` one that nobody sets. ``later`` runs a save once all
    that has come in by now was dealt with; it has to take care of `AccountNotSaved`. The default
    saves at once. ``weather`` is what goes wrong, ``courier`` carries what takes its time.
    ``kept_ms`` is the moment a kept account stopped at.
    """

    def __init__(
        self,
        exchange: Exchange,
        store: AccountStore,
        now_us: Callable[[], int],
        later: Callable[[Callable[[], None]], None] = _at_once,
        *,
        weather: Weather | None = None,
        courier: Courier | None = None,
        steady_ms: Callable[[], int] | None = None,
        kept_ms: int = 0,
    ) -> None:
        self.exchange = exchange
        self._store = store
        self._now_us = now_us
        self._steady_ms = steady_ms or (lambda: now_us() // 1000)
        self._newest_ms = kept_ms
        self._is_behind = False
        self._listeners: dict[str, tuple[SessionState, Listener]] = {}
        self._saved: int | None = None
        self._tried_at_ms: int | None = None
        self._is_refused = False
        self._answered = 0
        self._later = later
        self._is_save_due = False
        self._waiting: list[Callable[[bool], None]] = []
        self._client_seen_us = now_us()
        calm = Weather(exchange, FaultPlan(), seed=0, now_ms=now_us() // 1000)
        self.weather = weather or calm
        self.courier = courier or Courier(lambda: now_us() / 1_000_000, lambda _, act: act())

    def now_ms(self) -> int:
        """The venue's time, which a fault may have set wrong."""
        return self.weather.venue_ms(self._now_us() // 1000)

    def _venue_us(self) -> int:
        return self._now_us() + 1000 * self.weather.faults.skew_ms

    def idle_seconds(self) -> float:
        """How long nobody has been connected or asked for anything."""
        if self._listeners:
            return 0.0
        return (self._now_us() - self._client_seen_us) / 1_000_000

    @property
    def clients(self) -> int:
        """How many websockets are connected."""
        return len(self._listeners)

    def refuses(self) -> int | None:
        """The HTTP status with which a new websocket is turned away; None lets it in."""
        if self._is_refused:
            return 503
        if len(self._listeners) >= _MOST_CONNECTIONS:
            return 429
        return self.weather.faults.connecting(self._now_us() // 1000)

    def connect(self, listener: Listener) -> SessionState:
        """Takes a websocket in."""
        self._client_seen_us = self._now_us()
        session = self.exchange.open_session()
        session.opened_ms = self._client_seen_us // 1000
        self._listeners[session.session_id] = session, listener
        return session

    def disconnect(self, session: SessionState) -> None:
        """Lets a websocket go, however it ended."""
        self._client_seen_us = self._now_us()
        if self._listeners.pop(session.session_id, None) is not None:
            self.exchange.close_session(session, self.now_ms())
            self.courier.forget(_way_out(session))
            self.courier.forget(_way_back(session))
            self.publish()
            self._release()

    def fate(self, request: Request, session: SessionState | None = None) -> Fate:
        """What becomes of a request that comes in now, over HTTP when there is no session."""
        line = session.session_id if session else ""
        now_ms = self._now_us() // 1000
        return self.weather.fate(request.method, request.params, line, now_ms)

    def add_faults(self, plan: FaultPlan) -> tuple[str, ...]:
        """Puts faults in force from now on; see `FaultEngine.add`."""
        return self.weather.faults.add(plan, self._now_us() // 1000)

    def check_owner(self, proof: HttpProof) -> None:
        """Whether a request outside of the venue's protocol is the account's owner's.

        Raises:
            VenueError: it is not.
        """
        session = self.exchange.open_session(is_websocket=False)
        now_ms = self.now_ms()
        rpc.authorize(self.exchange.sessions, session, proof, now_ms)
        self.exchange.sessions.grant(session, None, now_ms)

    def http(
        self, request: Request, proof: HttpProof | None, fate: Fate = UNTOUCHED
    ) -> tuple[int, bytes]:
        """Answers one HTTP request: status and body, to be sent when `when_saved` says so."""
        self._client_seen_us = self._now_us()
        started = self._venue_us()
        session = self.exchange.open_session(is_websocket=False)
        try:
            if proof is not None:
                rpc.authorize(self.exchange.sessions, session, proof, started // 1000)
            value = self._run(session, request, fate)
        except VenueError as error:
            self._end_tokens(session, error)
            return 400, rpc.failure(request.request_id, error, started, self._venue_us())
        finally:
            self.publish()
            self._release()
        return 200, rpc.result(request.request_id, value, started, self._venue_us())

    def malformed(self, error: VenueError) -> bytes:
        """The answer to something that is not a request."""
        now = self._venue_us()
        return rpc.failure(None, error, now, now)

    def frame(self, session: SessionState, text: str | bytes) -> None:
        """Takes one websocket frame; what it asks for may take its time to arrive."""
        if session.closing:
            return
        _, listener = self._listeners[session.session_id]
        session.heard_ms = self._now_us() // 1000
        try:
            request = rpc.from_body(text)
        except VenueError as error:
            listener.send(self.malformed(error))
            return
        fate = self.fate(request, session)
        arrive = partial(self._arrive, session, listener, request, fate)
        self.courier.send(_way_out(session), fate.out_ms, arrive)

    def _arrive(
        self, session: SessionState, listener: Listener, request: Request, fate: Fate
    ) -> None:
        """Answers one request.

        A frame about an order may overtake the reply to it: every other time it does.
        """
        is_gone = session.session_id not in self._listeners
        if session.closing or (is_gone and request.method.endswith("subscribe")):
            return
        reply, error = self._reply(session, request, fate)
        self._answered += 1
        if self._answered % 2 and not request.method.endswith("subscribe"):
            self.publish()
        if fate.answer is Answer.BREAK:
            self._wait_for_disk(listener.drop)
        elif not session.closing and fate.answer is not Answer.NOTHING:
            self._send(session, listener, fate.spoiled(reply), fate.back_ms)
        self.publish()
        self._end_if_told(session, listener, error)
        self._release()

    def _end_if_told(
        self, session: SessionState, listener: Listener, error: VenueError | None
    ) -> None:
        """Hangs up after a log-out, and after too many requests."""
        if session.closing:
            self._send_back(session, partial(listener.hang_up, 1000, "logout"))
        elif error is not None and error.ends_session:
            session.closing = True
            self._end_tokens(session, error)
            self._send_back(session, partial(listener.hang_up, 1008, error.message))

    def _end_tokens(self, session: SessionState, error: VenueError) -> None:
        if error.ends_session and session.access_token:
            self.exchange.sessions.revoke(session.access_token)

    def _reply(
        self, session: SessionState, request: Request, fate: Fate
    ) -> tuple[bytes, VenueError | None]:
        started = self._venue_us()
        try:
            value = self._run(session, request, fate)
        except VenueError as error:
            return rpc.failure(request.request_id, error, started, self._venue_us()), error
        return rpc.result(request.request_id, value, started, self._venue_us()), None

    def _run(self, session: SessionState, request: Request, fate: Fate) -> Any:
        method, params, now_ms = request.method, request.params, self.now_ms()
        return self.weather.carry_out(
            fate, lambda: self.exchange.request(session, method, params, now_ms)
        )

    def tick(self, tick: Tick) -> None:
        """Moves the market, and whatever hangs on the time."""
        moved = self.weather.advance(self._now_us() // 1000, tick.prices)
        now_ms = self.now_ms()
        self._tell_if_behind(now_ms)
        self.publish()
        if moved.hangs_up:
            # Behind what was said just now: maintenance is announced before the lines break.
            for _, listener in list(self._listeners.values()):
                self._wait_for_disk(listener.drop)
        if not self._has_tried_within(_SAVE_PRICES_EVERY_MS):
            self._commit()
        self._release()
        for session, listener in list(self._listeners.values()):
            if not drop_silent(session, listener, self._now_us() // 1000):
                beat(session, listener, now_ms)

    def _tell_if_behind(self, now_ms: int) -> None:
        """The exchange's time never runs back: a clock that was set back must come up to it."""
        behind_ms = self._newest_ms - now_ms
        self._newest_ms = max(self._newest_ms, now_ms)
        was_behind, self._is_behind = self._is_behind, behind_ms >= _BEHIND_MS
        if self._is_behind and not was_behind:
            _log.warning(
                "paper_clock_behind",
                seconds=round(behind_ms / 1000, 3),
                meanwhile="index, mark, triggers, settlements and credits stand still",
            )

    def _has_tried_within(self, span_ms: int) -> bool:
        """Whether a save was tried so lately, whatever the wall clock was set to since."""
        return self._tried_at_ms is not None and self._steady_ms() - self._tried_at_ms < span_ms

    def when_saved(self, then: Callable[[bool], None]) -> None:
        """Calls back once everything up to now is on disk: True; or never will be: False."""
        self._waiting.append(then)
        self._release()

    def _wait_for_disk(self, act: Callable[[], None]) -> None:
        self._waiting.append(lambda is_saved: act() if is_saved else None)

    def _send(
        self, session: SessionState, listener: Listener, frame: bytes, back_ms: float = 0.0
    ) -> None:
        session.is_quiet = False
        self._send_back(session, partial(listener.send, frame), back_ms)

    def _send_back(
        self, session: SessionState, act: Callable[[], None], back_ms: float = 0.0
    ) -> None:
        """Once it is on disk, behind all that is under way on the connection."""
        lane = _way_back(session)
        self._wait_for_disk(partial(self.courier.send, lane, back_ms, act))

    def _release(self) -> None:
        """Lets out what waits: now when it is all on disk, else after the save to come."""
        if self.exchange.revision == self._saved:
            self._let_go(is_saved=True)
        elif self._is_refused and self._has_tried_within(_TRY_AGAIN_MS):
            self._let_go(is_saved=False)
        elif not self._is_save_due:
            self._is_save_due = True
            self._later(self._commit)

    def _commit(self) -> None:
        self._is_save_due = False
        try:
            self.save()
        except AccountNotSaved:
            self._let_go(is_saved=False)
            for _, listener in list(self._listeners.values()):
                listener.drop()  # it has missed news, and must know
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
        self._tried_at_ms = self._steady_ms()
        try:
            if self._store.is_new or self._is_refused:  # no later entry tells what a lost one did
                self._store.rewrite(self.exchange.whole())
            else:
                self._store.append(self.exchange.entry())
        except OSError as error:
            self._note_refusal(error)
            raise AccountNotSaved(
                str(error), is_final=isinstance(error, FileNotFoundError)
            ) from error
        self._saved = self.exchange.revision
        if self._is_refused:
            self._is_refused = False
            _log.info("paper_account_saved_again")
        if self._store.is_long:
            self._shorten()

    def _note_refusal(self, error: OSError) -> None:
        if not self._is_refused:
            _log.error(
                "paper_account_not_saved", error=str(error), answers="none until it is saved"
            )
        self._is_refused = True

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
                    self._notify(session, note.channel, partial(listener.send, frame))

    def _notify(self, session: SessionState, channel: str, act: Callable[[], None]) -> None:
        session.is_quiet = False
        delivery = self.weather.faults.notification(channel, self._now_us() // 1000)
        lane = _way_back(session)
        self._wait_for_disk(partial(self.courier.notify, lane, delivery, act))


def _way_out(session: SessionState) -> str:
    return f"{session.session_id}>"


def _way_back(session: SessionState) -> str:
    return f"{session.session_id}<"
