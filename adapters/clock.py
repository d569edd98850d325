"""The machine's time, chance and wake-ups: the only module that reads them."""

import heapq
import random
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from structlog.typing import FilteringBoundLogger

from actors.ports import Clock

_log: FilteringBoundLogger = structlog.get_logger(actor="timers")

# Crockford's base 32 in lower case: its order is the order of the digits, and it leaves out
# the letters people misread (i, l, o, u) when they type an id into a chat.
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_LENGTH = 19  # 45 bits of milliseconds (until the year 3084), 50 bits of chance
_CHANCE_BITS = 50
_LONGEST_WAIT = 3600.0
_COMPACT_ABOVE = 64


class SystemClock:
    """`actors.ports.Clock` on the machine's clocks."""

    def now(self) -> datetime:
        """The wall clock, UTC and aware. It may step when the machine's clock is set."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never run backwards; their origin means nothing."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Blocks the calling thread; zero or less only gives way to other threads."""
        time.sleep(max(0.0, seconds))


class SystemEntropy:
    """`actors.ports.Entropy` on the machine's random source. Safe to share between threads."""

    def __init__(
        self,
        clock: Clock | None = None,
        randbits: Callable[[int], int] = secrets.randbits,
    ) -> None:
        self._clock = clock or SystemClock()
        self._randbits = randbits
        self._random = random.SystemRandom()
        self._lock = threading.Lock()
        self._last = 0

    def new_id(self) -> str:
        """19 characters of ``[0-9a-z]``: milliseconds, then chance.

        Within the process each id sorts after the one before, even when many are made in a
        millisecond or the wall clock is set back. Ids of two processes differ by chance.
        """
        milliseconds = int(self._clock.now().timestamp() * 1000)
        number = (milliseconds << _CHANCE_BITS) | self._randbits(_CHANCE_BITS)
        with self._lock:
            self._last = number = max(number, self._last + 1)
        return _base32(number)

    def uniform(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)


def _base32(number: int) -> str:
    shifts = range((_ID_LENGTH - 1) * 5, -1, -5)
    return "".join(_DIGITS[(number >> shift) & 31] for shift in shifts)


@dataclass(slots=True, order=True)
class _Wakeup:
    """One armed call. Cancelling empties ``callback``; the heap forgets it later."""

    when: float
    seq: int
    callback: Callable[[], None] | None = field(compare=False)


class ThreadTimers:
    """`actors.ports.Timers` with one daemon thread for all wake-ups.

    Callbacks run on that thread, one after another, in the order of their deadlines: they
    must be quick (tell an address, set an event). One that raises is logged and costs nobody
    else anything. After `close` nothing fires any more and `at` arms nothing.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._changed = threading.Condition()
        self._heap: list[_Wakeup] = []
        self._cancelled = 0
        self._seq = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="timers", daemon=True)
        self._thread.start()

    def at(self, when: float, callback: Callable[[], None]) -> object:
        """Arms ``callback`` for monotonic ``when`` (seconds); a past ``when`` fires at once."""
        with self._changed:
            self._seq += 1
            wakeup = _Wakeup(when, self._seq, callback)
            if self._closed:
                wakeup.callback = None
                return wakeup
            heapq.heappush(self._heap, wakeup)
            if self._heap[0] is wakeup:
                self._changed.notify()
            return wakeup

    def cancel(self, handle: object) -> None:
        """Disarms; a wake-up that already fired, or was cancelled, is left as it is."""
        with self._changed:
            if self._closed or not isinstance(handle, _Wakeup) or handle.callback is None:
                return
            handle.callback = None
            self._cancelled += 1
            if self._cancelled > max(_COMPACT_ABOVE, len(self._heap) // 2):
                self._compact()

    def pending(self) -> int:
        """How many wake-ups are armed."""
        with self._changed:
            return len(self._heap) - self._cancelled

    def close(self, timeout: float = 5.0) -> None:
        """Disarms everything and waits for a running callback, at most ``timeout`` seconds."""
        with self._changed:
            self._closed = True
            self._heap.clear()
            self._cancelled = 0
            self._changed.notify()
        if threading.current_thread() is self._thread:
            return
        self._thread.join(timeout)
        if self._thread.is_alive():
            _log.error("timer_callback_hangs", waited_seconds=timeout)

    def _compact(self) -> None:
        # Far deadlines that were cancelled (one per answered request) would pile up otherwise.
        self._heap = [wakeup for wakeup in self._heap if wakeup.callback is not None]
        heapq.heapify(self._heap)
        self._cancelled = 0

    def _run(self) -> None:
        while (callback := self._next()) is not None:
            try:
                callback()
            except BaseException:  # noqa: BLE001 - one bad callback must not silence all timers
                _log.exception("timer_callback_failed", callback=repr(callback))

    def _next(self) -> Callable[[], None] | None:
        """Waits for the next due callback; None when closed."""
        with self._changed:
            while not self._closed:
                if not self._heap:
                    self._changed.wait()
                    continue
                delay = self._heap[0].when - self._clock.monotonic()
                if delay > 0:
                    self._changed.wait(min(delay, _LONGEST_WAIT))
                    continue
                callback = self._pop()
                if callback is not None:
                    return callback
            return None

    def _pop(self) -> Callable[[], None] | None:
        wakeup = heapq.heappop(self._heap)
        callback, wakeup.callback = wakeup.callback, None
        if callback is None:
            self._cancelled -= 1
        return callback
