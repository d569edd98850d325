"""Greenlets instead of threads, and a clock that jumps to the next thing that happens.

`VirtualWorld` is the runtime, the clock and the timers at once: a mailbox that is empty, an
ask that waits and a sleep each hand control back to the hub, which picks the next greenlet to
run with its seeded generator. When nobody can run, time jumps to the next timer.
"""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from greenlet import getcurrent, greenlet
from pykka import Future, Timeout
from pykka._envelope import Envelope

EPOCH = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


class _VirtualMailbox:
    def __init__(self, world: "VirtualWorld") -> None:
        self._world = world
        self._waiting: deque[Envelope[Any]] = deque()
        self._reader: greenlet | None = None

    def put(self, envelope: Envelope[Any], /) -> None:
        self._waiting.append(envelope)
        reader, self._reader = self._reader, None
        if reader is not None:
            self._world.make_ready(reader)

    def get(self) -> Envelope[Any]:
        while not self._waiting:
            self._reader = getcurrent()
            self._world.pause()
        return self._waiting.popleft()

    def qsize(self) -> int:
        return len(self._waiting)


class _VirtualFuture(Future[Any]):
    def __init__(self, world: "VirtualWorld") -> None:
        super().__init__()
        self._world = world
        self._outcome: tuple[Any, BaseException | None] | None = None
        self._waiters: list[greenlet] = []

    def set(self, value: Any | None = None) -> None:
        self._settle(value, None)

    def set_exception(self, exc_info: Any = None) -> None:
        self._settle(None, exc_info[1])

    def _settle(self, value: Any, error: BaseException | None) -> None:
        if self._outcome is None:
            self._outcome = (value, error)
            for waiter in self._waiters:
                self._world.make_ready(waiter)

    @property
    def is_set(self) -> bool:
        return self._outcome is not None

    def get(self, *, timeout: float | None = None) -> Any:
        try:
            return super().get(timeout=timeout)  # pykka's own hooks come first
        except NotImplementedError:
            pass
        limit = float("inf") if timeout is None else self._world.monotonic() + timeout
        if self._world.is_hub():
            self._world.run_until(lambda: self.is_set or self._world.monotonic() >= limit)
        else:
            self._wait(limit)
        if self._outcome is None:
            raise Timeout(f"{timeout} seconds")
        value, error = self._outcome
        if error is not None:
            raise error
        return value

    def _wait(self, limit: float) -> None:
        me = getcurrent()
        self._waiters.append(me)
        handle = None if limit == float("inf") else self._world.wake_at(limit, me)
        while self._outcome is None and self._world.monotonic() < limit:
            self._world.pause()
        self._waiters.remove(me)
        if handle is not None:
            self._world.cancel(handle)


class VirtualWorld:
    """Runtime, `Clock`, `Timers` and `Entropy` of one simulated process. Times in seconds."""

    def __init__(self, seed: int = 0, start: datetime = EPOCH) -> None:
        self.random = random.Random(seed)  # noqa: S311 (reproducible on purpose)
        self.steps = 0
        self._start = start
        self._now = 0.0
        self._hub = getcurrent()
        self._ready: list[greenlet] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._cancelled: set[int] = set()
        self._sequence = itertools.count(1)
        self._ids = itertools.count(1)

    # -- Runtime ----------------------------------------------------------------------------

    def mailbox(self) -> _VirtualMailbox:
        return _VirtualMailbox(self)

    def future(self) -> _VirtualFuture:
        return _VirtualFuture(self)

    def launch(self, name: str, loop: Callable[[], None]) -> None:
        del name
        self._ready.append(greenlet(loop, parent=self._hub))

    # -- Clock, Timers, Entropy ---------------------------------------------------------------

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._now)

    def now_ms(self) -> int:
        """Virtual time as the venue counts it."""
        return round(self.now().timestamp() * 1000)

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        """Lets others run for that long; from the hub, runs the world for that long."""
        until = self._now + seconds
        if self.is_hub():
            self.run_until(lambda: self._now >= until, limit=seconds)
            return
        me = getcurrent()
        self.wake_at(until, me)
        while self._now < until:
            self.pause()

    def at(self, when: float, callback: Callable[[], None]) -> object:
        number = next(self._sequence)
        heapq.heappush(self._timers, (max(when, self._now), number, callback))
        return number

    def cancel(self, handle: object) -> None:
        if isinstance(handle, int):
            self._cancelled.add(handle)

    def new_id(self) -> str:
        return f"t{next(self._ids):06d}"

    def uniform(self, low: float, high: float) -> float:
        return self.random.uniform(low, high)

    # -- the hub ------------------------------------------------------------------------------

    def is_hub(self) -> bool:
        """Whether the caller is the hub itself and so must not hand control to it."""
        return getcurrent() is self._hub

    def make_ready(self, who: greenlet) -> None:
        self._ready.append(who)

    def wake_at(self, when: float, who: greenlet) -> object:
        return self.at(when, lambda: self.make_ready(who))

    def pause(self) -> None:
        """Hands control to the hub until somebody makes this greenlet ready."""
        self._hub.switch()

    def run_until(self, is_over: Callable[[], bool], limit: float = 3600.0) -> bool:
        """Runs the world until ``is_over`` or ``limit`` virtual seconds; says which."""
        end = self._now + limit
        while not is_over():
            if self._ready:
                self._step()
            elif not self._jump(end):
                self._now = max(self._now, end) if end != float("inf") else self._now
                return is_over()
        return True

    def run_for(self, seconds: float) -> None:
        """Runs everything that happens within the next ``seconds``."""
        self.run_until(lambda: False, limit=seconds)

    def _step(self) -> None:
        index = self.random.randrange(len(self._ready))
        who = self._ready.pop(index)
        self.steps += 1
        if not who.dead:
            who.switch()

    def _jump(self, end: float) -> bool:
        """Fires the next timer due by ``end``; False when there is none."""
        while self._timers and self._timers[0][0] <= end:
            when, number, callback = heapq.heappop(self._timers)
            if number in self._cancelled:
                self._cancelled.discard(number)
                continue
            self._now = max(self._now, when)
            callback()
            return True
        return False
