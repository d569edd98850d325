"""JSON-RPC over a websocket: the fast path for orders, and the way notifications come in."""

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

import structlog
from websocket import WebSocketException

from actors.ports import Clock, NotSent
from adapters.deribit import codec, wire
from adapters.deribit.errors import TOO_MANY_REQUESTS
from adapters.deribit.frames import Frames
from adapters.deribit.link import Link, brief
from adapters.deribit.tally import Tally
from adapters.deribit.turns import Turns
from domain import venue_codes

ENDS_ALL = frozenset({TOO_MANY_REQUESTS, *venue_codes.MAINTENANCE})
"""Errors that may come without the id of a request: over the limit, and maintenance."""
ASKED_BEFORE_ORDERS = frozenset(
    {
        "private/get_cancel_on_disconnect",
        "private/disable_cancel_on_disconnect",
    }
)
"""What decides whether an order that goes over this connection outlives it."""
SILENT_HEARTBEATS = 2
"""After this many heartbeat intervals without a frame the connection counts as lost."""


class WebSocketRpc:
    """One connection at a time, one reader thread, any number of callers.

    ``on_notification(channel, data)`` is called in the order of arrival; ``on_lost(reason)`` once
    per connection that ended without `close`. Both run in the reader thread or in that of a
    caller, must be quick, and must not come back to this object.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        on_notification: Callable[[str, Any], None],
        on_lost: Callable[[str], None],
        heartbeat_seconds: float = 30.0,
        connect_timeout: float = 10.0,
        write_timeout: float = 2.0,
        tick_seconds: float = 0.5,
    ) -> None:
        self._url = url
        self._clock = clock
        self._on_notification = on_notification
        self._on_lost = on_lost
        self._silence_seconds = SILENT_HEARTBEATS * heartbeat_seconds
        self._connect_timeout = connect_timeout
        self._write_timeout = write_timeout
        self._tick_seconds = tick_seconds
        self._link: Link | None = None
        self._reader: threading.Thread | None = None
        self._changing = threading.Lock()
        self.oddities = Tally("venue_frame_ignored", clock)
        self._log = structlog.get_logger(__name__)

    @property
    def is_connected(self) -> bool:
        link = self._link
        return link is not None and not link.ended

    def connect(self) -> None:
        """Opens a fresh connection, closing the one before.

        Raises:
            NotSent: no connection could be made.
        """
        self.close()
        frames = Frames(self._clock, tick_seconds=self._tick_seconds)
        try:
            frames.open(
                self._url,
                connect_timeout=self._connect_timeout,
                write_timeout=self._write_timeout,
            )
        except (OSError, WebSocketException, ValueError) as exc:
            host = urlsplit(self._url).hostname
            raise NotSent(f"websocket cannot connect to {host}: {brief(exc)}") from None
        with self._changing:
            turns = Turns(frames.fileno())
            link = Link(frames, turns, self._clock, self._take, self._ended)
            reader = threading.Thread(
                target=self._read, args=(link,), name="venue-reader", daemon=True
            )
            self._link, self._reader = link, reader
            try:
                reader.start()
            except RuntimeError as exc:  # the system has no thread left: HTTP needs none
                self._link = self._reader = None
                link.end("nobody reads it")
                link.shut_down()
                raise NotSent(f"websocket cannot connect: {brief(exc)}") from None

    def close(self) -> None:
        """Ends the connection on purpose (`on_lost` stays silent) and joins the reader."""
        with self._changing:
            link, reader = self._link, self._reader
            self._link = self._reader = None
        if link is not None:
            link.end("closed by us")
        if reader is not None and reader is not threading.current_thread():
            reader.join()

    def call(self, method: str, params: Mapping[str, Any], *, timeout: float) -> Any:
        """See `Rpc.call`."""
        return self._connected(method).call(method, params, timeout)

    def call_through(
        self,
        gate: AbstractContextManager[None],
        method: str,
        params: Mapping[str, Any],
        *,
        timeout: float,
    ) -> Any:
        """See `GatedRpc.call_through`."""
        return self._connected(method).call(method, params, timeout, gate)

    def authorize(self) -> None:
        """Opens the present connection to private methods: logged in, and orders outlive it.

        Before the log-in an order would only be refused as unauthorized; after it, and before
        cancel-on-disconnect is known to be off, it would go with the connection. Not sending it
        lets it go over HTTP, whose token holds.
        """
        if self._link is not None:
            self._link.is_authorized = True

    def _connected(self, method: str) -> Link:
        link = self._link
        if link is None or link.ended:
            raise NotSent(f"{method}: websocket is not connected")
        if not link.is_authorized and is_for_later(method):
            raise NotSent(f"{method}: websocket is not logged in yet")
        return link

    def _ended(self, reason: str) -> None:
        if self._link is None:
            return
        # No warning: the session, which this is the end of, is told as lost with the same reason.
        self._log.info("venue_connection_lost", reason=reason)
        self._tell(self._on_lost, reason)

    def _read(self, link: Link) -> None:
        reason = "reader stopped"
        try:
            reason = self._read_until_over(link)
        except (OSError, WebSocketException) as exc:
            reason = brief(exc)
        finally:
            link.end(reason)
            link.shut_down()

    def _read_until_over(self, link: Link) -> str:
        while not link.ended:
            link.listen(self._tick_seconds)
            silence = self._clock.monotonic() - link.heard_at
            if silence > self._silence_seconds:
                return f"nothing received for {silence:.0f} s"
        return "ended"

    def _take(self, link: Link, data: bytes) -> None:
        reply_id = codec.reply_id(data)
        if reply_id is not None:
            self._reply(link, reply_id, data)
            return
        try:
            message = codec.decode(data)
        except ValueError as exc:
            self.oddities.note("not_json", type(exc).__name__)
            return
        if type(message.get("id")) is int:
            self._reply(link, message["id"], data)
        elif message.get("method") == "subscription":
            self._notify(link, message.get("params"))
        elif message.get("method") == "heartbeat":
            self._heartbeat(link, message.get("params"))
        else:
            self._odd(link, wire.as_object(message.get("error")))

    def _odd(self, link: Link, error: wire.Wire) -> None:
        """An error that names no request is about all of them: nobody has to wait for the rest."""
        code = error.get("code")
        if code in ENDS_ALL:
            link.end(f"{code} {error.get('message', '')}"[:120])
        else:
            self.oddities.note("unknown_message", str("" if code is None else code))

    def _reply(self, link: Link, reply_id: int, data: bytes) -> None:
        if not link.deliver(reply_id, data):
            self.oddities.note("late_reply")

    def _heartbeat(self, link: Link, params: object) -> None:
        if wire.as_object(params).get("type") == "test_request":
            link.answer_test_request()

    def _notify(self, link: Link, params: object) -> None:
        told = wire.as_object(params)
        channel = told.get("channel")
        if not isinstance(channel, str):
            self.oddities.note("bad_notification")
            return
        data = told.get("data")
        self._tell(self._on_notification, channel, data)
        self._tell(link.hear, channel, data)

    def _tell(self, listener: Callable[..., None], *news: Any) -> None:
        try:
            listener(*news)
        except Exception as exc:  # noqa: BLE001 - the connection outlives any listener
            self.oddities.note("listener_failed", type(exc).__name__)


def is_for_later(method: str) -> bool:
    """Whether this may go over no connection that has not been opened to private methods."""
    return method.startswith("private/") and method not in ASKED_BEFORE_ORDERS
