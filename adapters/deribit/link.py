"""One websocket connection: who waits for which reply, and how they all learn of its end."""

import itertools
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from websocket import WebSocketException

from actors.ports import Clock, NotSent, OutcomeUnknown
from adapters.deribit import codec
from adapters.deribit.frames import Frames
from adapters.deribit.news import GRACE_SECONDS, awaited, replies
from adapters.deribit.turns import Turns

HEARTBEAT_REPLY_ID = 0
"""Id of our answers to test requests; their replies are nobody's."""

DEAD_AFTER_SECONDS = 5.0
"""A connection that owes a reply and was silent for so long is over. Prices come every second."""

_OPEN = nullcontext()


class _Waiter:
    """A place for one reply. A bare lock wakes its waiter in a third of the time of an Event."""

    __slots__ = ("_arrived", "news", "reply")

    def __init__(self) -> None:
        self.reply: bytes | None = None
        self.news: Mapping[str, Any] | None = None
        self._arrived = threading.Lock()
        self._arrived.acquire()

    def deliver(self, reply: bytes | None) -> None:
        """Wakes the waiter; None tells it that the connection was lost."""
        self.reply = reply
        self._wake()

    def tell(self, news: Mapping[str, Any]) -> None:
        """Wakes the waiter with what the venue tells of its order; the newest counts."""
        self.news = news
        self._wake()

    def _wake(self) -> None:
        with suppress(RuntimeError):  # it was woken already and has not looked yet
            self._arrived.release()

    def wait(self, timeout: float) -> bool:
        """Whether the reply, or the end of the connection, came in time.

        News wake it too; a little later they are all it waits for.
        """
        arrived = self._arrived.acquire(timeout=timeout)
        if arrived and self.reply is None and self.news is not None:
            arrived = self._arrived.acquire(timeout=min(timeout, GRACE_SECONDS))
        return arrived


class Link:
    """Lives from the handshake to the loss of one connection; ``on_end`` is called once.

    ``on_message(link, data)`` gets every message, in order, from whoever reads: the reader
    thread, or a caller that waits for its reply.
    """

    def __init__(
        self,
        frames: Frames,
        turns: Turns,
        clock: Clock,
        on_message: Callable[["Link", bytes], None],
        on_end: Callable[[str], None],
    ) -> None:
        self.frames = frames
        self.heard_at = clock.monotonic()
        self._turns = turns
        self._clock = clock
        self._on_message = on_message
        self._on_end = on_end
        self._ids = itertools.count(1)
        self._waiting: dict[int, _Waiter] = {}
        self._by_label: dict[str, _Waiter] = {}
        self._ending = threading.Lock()
        self.ended = False
        self.is_authorized = False

    def call(
        self,
        method: str,
        params: Mapping[str, Any],
        timeout: float,
        gate: AbstractContextManager[None] | None = None,
    ) -> Any:
        """One request; see `Rpc.call`."""
        request_id = next(self._ids)
        payload = codec.encode(request_id, method, params)
        waiter = self._waiting[request_id] = _Waiter()
        label = awaited(method, params)
        if label:
            self._by_label[label] = waiter
        reads = self._turns.take()
        try:
            self._write(payload, method, gate)
            arrived = self._read_for(waiter, timeout) if reads else waiter.wait(timeout)
        finally:
            self._waiting.pop(request_id, None)
            self._by_label.pop(label, None)
            if reads:
                self._turns.give_back()
        if waiter.reply is not None:
            return codec.result(waiter.reply, method)
        if waiter.news is not None:
            return waiter.news
        if arrived:
            raise OutcomeUnknown(f"{method}: connection lost before the reply")
        self._end_if_dead()
        raise OutcomeUnknown(f"{method}: no reply within {timeout:.3g} s")

    def _end_if_dead(self) -> None:
        """No reply, and no prices either: half open, it will say no more."""
        silence = self._clock.monotonic() - self.heard_at
        if silence > DEAD_AFTER_SECONDS:
            self.end(f"no reply, and nothing received for {silence:.0f} s")

    def _write(
        self, payload: bytes, method: str, gate: AbstractContextManager[None] | None
    ) -> None:
        with gate or _OPEN:
            if self.ended:
                raise NotSent(f"{method}: websocket is not connected")
            try:
                self.frames.send_whole(payload)
            except (OSError, WebSocketException) as exc:
                # Part of the frame may have left, so nothing can follow it either.
                self.end(f"write failed: {type(exc).__name__}")
                raise OutcomeUnknown(f"{method}: connection lost while sending") from exc

    def _read_for(self, waiter: _Waiter, timeout: float) -> bool:
        """Reads until the reply has come or the time is over, and what came along with it."""
        until = self._clock.monotonic() + timeout
        try:
            while waiter.reply is None and not self.ended and timeout > 0:
                had_news = waiter.news is not None
                timeout = until - self._clock.monotonic() if self._read(timeout) else 0.0
                if waiter.news is not None and not had_news:
                    until = min(until, self._clock.monotonic() + GRACE_SECONDS)
                    timeout = min(timeout, GRACE_SECONDS)
            self._read_rest()
        except (OSError, WebSocketException) as exc:
            self.end(brief(exc))
        return waiter.wait(0)

    def hear(self, channel: str, data: object) -> None:
        """Hands the news of an order to whoever waits for the reply to it."""
        if not self._by_label:
            return
        for label, reply in replies(channel, data):
            waiter = self._by_label.get(label)
            if waiter is not None:
                waiter.tell(reply)

    def _read(self, seconds: float) -> bool:
        """Takes one message; false when none came within that time."""
        data = self.frames.receive(seconds)
        if data is None:
            return False
        self.heard_at = self._clock.monotonic()
        self._on_message(self, data)
        return True

    def _read_rest(self) -> None:
        # What was taken off the socket already wakes nobody.
        while self.frames.holds_more and self._read(0.0):
            pass

    def listen(self, seconds: float) -> None:
        """For the reader thread: takes the messages of nobody's turn, for about that long.

        Raises:
            OSError, WebSocketException: the connection is over.
        """
        if self._turns.wait(seconds):
            with self._turns:
                if self._read(0.0):
                    self._read_rest()

    def shut_down(self) -> None:
        """For the reader thread: closes the socket."""
        with self._turns:
            self._turns.close()
            self.frames.shutdown()

    def deliver(self, reply_id: int, reply: bytes) -> bool:
        """Hands a reply to its caller, who decodes it; false when nobody waits for it any more."""
        waiter = self._waiting.pop(reply_id, None)
        if waiter is None:
            return reply_id == HEARTBEAT_REPLY_ID
        waiter.deliver(reply)
        return True

    def answer_test_request(self) -> None:
        """Answers the venue's heartbeat without waiting for the reply."""
        self.frames.send_whole(codec.encode(HEARTBEAT_REPLY_ID, "public/test", {}))

    def end(self, reason: str) -> None:
        """Ends the connection: the first caller wins, every outstanding call fails at once."""
        with self._ending:
            if self.ended:
                return
            self.ended = True
        self.frames.abort()
        with suppress(KeyError):  # empty: everybody was told
            while True:
                self._waiting.popitem()[1].deliver(None)
        self._on_end(reason)


def brief(error: Exception) -> str:
    """One short line: a handshake error quotes the whole answer behind what it says, cookies
    included.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:120]  # "Connection refused": the number tells a person nothing
    what = str(error).partition(" -+-+- ")[0]
    return f"{type(error).__name__}: {what}"[:120]
