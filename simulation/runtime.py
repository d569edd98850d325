"""Greenlets instead of threads, and a clock that jumps to the next thing that happens.

`VirtualWorld` is the runtime, the clock and the timers at once: a mailbox that is empty, an
ask that waits and a sleep each hand control back to the hub, which picks the next greenlet to
run with its seeded generator. So does every message taken from a mailbox. When nobody can run,
time jumps to the next timer.
"""

import heapq
import itertools
import queue
import random
import sys
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet
from pykka import Future, Timeout
from pykka._envelope import Envelope

EPOCH = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
STEPS_PER_INSTANT = 1_000_000
_UNWIND_ATTEMPTS = 100


def _shown(start: datetime, seconds: float) -> tuple[float, datetime, int]:
    """A moment in seconds since the start, as a time, and in milliseconds as the venue counts."""
    now = start + timedelta(seconds=seconds)
    return seconds, now, round(now.timestamp() * 1000)


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

    def get(self, block: bool = True) -> Envelope[Any]:
        if not block:
            if not self._waiting:
                raise queue.Empty
            return self._waiting.popleft()
        if self._waiting:
            self._world.give_way()
        # Who finds nothing is woken by the next message, and the seed decides when it runs.
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
        self._settle(None, (exc_info or sys.exc_info())[1])

    def _settle(self, value: Any, error: BaseException | None) -> None:
        if self._outcome is not None:
            raise queue.Full  # as pykka's own: forgiving it here would hide the bug
        self._outcome = (value, error)
        for waiter in self._waiters:
            self._world.make_ready(waiter)

    @property
    def is_set(self) -> bool:
        return self._outcome is not None

    def get(self, *, timeout: float | None = None) -> Any:
        limit = float("inf") if timeout is None else self._world.monotonic() + timeout
        if self._world.is_hub():
            self._world.run_until(lambda: self.is_set, limit - self._world.monotonic())
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
    """Runtime, `Clock`, `Timers` and `Entropy` of one simulated process. Times in seconds.

    ``failures`` holds what escaped from a greenlet; an actor lets nothing escape. `close` ends
    what still waits: a suspended greenlet is out of the garbage collector's sight.
    """

    def __init__(
        self, seed: int = 0, start: datetime = EPOCH, steps_per_instant: int = STEPS_PER_INSTANT
    ) -> None:
        self.random = random.Random(seed)  # noqa: S311 (reproducible on purpose)
        self.steps = 0
        self.failures: list[tuple[str, BaseException]] = []
        self._start = start
        self._now = 0.0
        self._shown = _shown(start, 0.0)
        self._hub = getcurrent()
        self._ready: list[greenlet] = []
        self._living: set[greenlet] = set()
        self._abandoned: set[greenlet] = set()
        self.names: dict[greenlet, str] = {}
        self._timers: list[tuple[float, int]] = []
        self._armed: dict[int, Callable[[], None]] = {}
        self._steps_per_instant = steps_per_instant
        self._steps_left = steps_per_instant
        self._sequence = itertools.count(1)
        self._ids = itertools.count(1)

    # -- Runtime ----------------------------------------------------------------------------

    def mailbox(self) -> _VirtualMailbox:
        return _VirtualMailbox(self)

    def future(self) -> _VirtualFuture:
        return _VirtualFuture(self)

    def launch(self, name: str, loop: Callable[[], None]) -> None:
        self.spawn(name, loop)

    def spawn(self, name: str, loop: Callable[[], None]) -> greenlet:
        """As `launch`, and returns what can be handed to `abandon`."""

        def contained() -> None:
            try:
                loop()
            except GreenletExit:
                raise
            except BaseException as error:  # noqa: BLE001 (in a greenlet it would end the hub)
                self.failures.append((name, error))
            finally:
                self._living.discard(made)
                self.names.pop(made, None)

        made = greenlet(contained, parent=self._hub)
        self.names[made] = name
        self._living.add(made)
        self._ready.append(made)
        return made

    def abandon(self, threads: Iterable[greenlet]) -> None:
        """Leaves these where they stand, for ever: not one more of their instructions runs.

        They are kept until `close`, because collecting one would unwind it.
        """
        self._abandoned.update(threads)
        self._ready = [each for each in self._ready if each not in self._abandoned]

    # -- Clock, Timers, Entropy ---------------------------------------------------------------

    def now(self) -> datetime:
        return self._clock()[1]

    def now_ms(self) -> int:
        """Virtual time as the venue counts it."""
        return self._clock()[2]

    def _clock(self) -> tuple[float, datetime, int]:
        """Worked out once a moment: time stands still between two timers."""
        if self._shown[0] != self._now:
            self._shown = _shown(self._start, self._now)
        return self._shown

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        """Lets others run for that long; from the hub, runs the world for that long."""
        until = self._now + seconds
        if self.is_hub():
            self.run_for(seconds)
            return
        if seconds <= 0:
            self.give_way()
            return
        me = getcurrent()
        self.wake_at(until, me)
        while self._now < until:
            self.pause()

    def at(self, when: float, callback: Callable[[], None]) -> object:
        number = next(self._sequence)
        self._armed[number] = callback
        heapq.heappush(self._timers, (max(when, self._now), number))
        return number

    def cancel(self, handle: object) -> None:
        if isinstance(handle, int):
            self._armed.pop(handle, None)

    def new_id(self) -> str:
        return f"t{next(self._ids):06d}"

    def uniform(self, low: float, high: float) -> float:
        return self.random.uniform(low, high)

    # -- the hub ------------------------------------------------------------------------------

    def is_hub(self) -> bool:
        """Whether the caller is the hub itself and so must not hand control to it."""
        return getcurrent() is self._hub

    def make_ready(self, who: greenlet) -> None:
        if who not in self._abandoned:
            self._ready.append(who)

    def wake_at(self, when: float, who: greenlet) -> object:
        return self.at(when, lambda: self.make_ready(who))

    def pause(self) -> None:
        """Hands control to the hub until somebody makes this greenlet ready."""
        self._hub.switch()

    def give_way(self) -> None:
        """Lets the seed decide who runs next, the caller included. Nothing in the hub."""
        if not self.is_hub():
            self.make_ready(getcurrent())
            self.pause()

    def run_until(self, is_over: Callable[[], bool], limit: float = 3600.0) -> bool:
        """Runs the world until ``is_over`` or for ``limit`` virtual seconds; says whether it is.

        Raises:
            RuntimeError: so many steps without any time passing that none ever will.
        """
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

    def close(self) -> None:
        """Unwinds every greenlet that has not ended, where it waits. The world is over."""
        self._ready.clear()
        self._armed.clear()
        for _ in range(_UNWIND_ATTEMPTS):
            for each in list(self._living):
                each.throw()
                if each.dead:  # one that had not begun ends without a word
                    self._living.discard(each)
            if not self._living:
                return

    def _step(self) -> None:
        self._spend_step()
        ready = self._ready
        index = int(self.random.random() * len(ready)) if len(ready) > 1 else 0
        who = ready.pop(index)
        self.steps += 1
        if not who.dead:
            who.switch()

    def _spend_step(self) -> None:
        self._steps_left -= 1
        if self._steps_left < 0:
            raise RuntimeError(f"time stands still at {self._now} s")

    def _jump(self, end: float) -> bool:
        """Fires all timers of the next moment by ``end``; False when there is none."""
        while self._timers and self._timers[0][1] not in self._armed:
            heapq.heappop(self._timers)
        if not self._timers or self._timers[0][0] > end:
            return False
        moment = self._timers[0][0]
        if moment > self._now:
            self._now = moment
            self._steps_left = self._steps_per_instant
        self._spend_step()
        due: list[int] = []
        while self._timers and self._timers[0][0] <= moment:
            due.append(heapq.heappop(self._timers)[1])
        for number in due:
            callback = self._armed.pop(number, None)
            if callback is not None:
                callback()
        return True
