"""What an actor runs on: mailboxes, futures and a way to be driven.

`ThreadRuntime` gives each incarnation a thread. Tests and the simulation give their own, and
the same actor classes run on it unchanged.
"""

import logging
import queue
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from pykka import Future, Timeout

if TYPE_CHECKING:
    from pykka._envelope import Envelope


# Every failure is logged and journalled by the kernel itself, with the message that caused it;
# pykka's own line about it would be the same traceback a second time.
logging.getLogger("pykka").setLevel(logging.CRITICAL)


RESTING = 4
"""Threads kept for incarnations to come."""


class Mailbox(Protocol):
    """Messages waiting for an actor. It belongs to the address, not to an incarnation."""

    def put(self, envelope: "Envelope[Any]", /) -> None: ...
    def get(self, block: bool = True) -> "Envelope[Any]":
        """The next message; with ``block`` false, `queue.Empty` when there is none."""
        ...

    def qsize(self) -> int: ...


class Runtime(Protocol):
    """Makes the moving parts; `launch` drives one incarnation's loop until it ends."""

    def mailbox(self) -> Mailbox: ...
    def future(self) -> Future[Any]: ...
    def launch(self, name: str, loop: Callable[[], None]) -> None: ...


class ThreadFuture(Future[Any]):
    """One answer, for any number of threads that wait for it.

    pykka's own is a queue with three conditions, a fifth of what an `ask` costs.
    """

    def __init__(self) -> None:
        super().__init__()
        self._settling = threading.Lock()
        self._outcome: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def set(self, value: Any = None) -> None:
        """Raises `queue.Full` the second time, as pykka's."""
        self._settle(value, None)

    def set_exception(self, exc_info: Any = None) -> None:
        """Hands an exception to whoever waits: the given one, or the one being handled."""
        self._settle(None, (exc_info or sys.exc_info())[1])

    def get(self, *, timeout: float | None = None) -> Any:
        """The value, or the exception; `pykka.Timeout` when neither came in time."""
        try:
            outcome = self._outcome.get(timeout=timeout)
        except queue.Empty:
            raise Timeout(f"{timeout} seconds") from None
        self._outcome.put(outcome)  # for the next who asks
        value, error = outcome
        if error is not None:
            raise error
        return value

    def _settle(self, value: Any, error: BaseException | None) -> None:
        if not self._settling.acquire(blocking=False):
            raise queue.Full
        self._outcome.put((value, error))


class _Worker(threading.Thread):
    """Drives one incarnation after the other. Daemonic: a hung one must not keep the process."""

    def __init__(self, rested: Callable[["_Worker"], bool]) -> None:
        super().__init__(daemon=True)
        self._work: queue.SimpleQueue[tuple[str, Callable[[], None]] | None] = queue.SimpleQueue()
        self._rested = rested

    def drive(self, name: str, loop: Callable[[], None]) -> None:
        self._work.put((name, loop))

    def end(self) -> None:
        """For one that rests: there is nothing more to do."""
        self._work.put(None)

    def run(self) -> None:
        while work := self._work.get():
            self.name, loop = work
            loop()
            del work, loop  # a thread that rests holds on to no dead actor
            if not self._rested(self):
                return


class ThreadRuntime:
    """A thread per incarnation; one whose incarnation has ended serves another.

    To be woken takes a tenth of the time of being born, and a trade's entry waits for it.
    """

    def __init__(self) -> None:
        self._threads: set[_Worker] = set()
        self._resting: list[_Worker] = []
        self._is_over = False
        self._lock = threading.Lock()

    def mailbox(self) -> Mailbox:
        made: queue.SimpleQueue[Envelope[Any]] = queue.SimpleQueue()
        return made

    def future(self) -> Future[Any]:
        return ThreadFuture()

    def launch(self, name: str, loop: Callable[[], None]) -> None:
        with self._lock:
            worker = self._resting.pop() if self._resting else self._born()
        worker.drive(name, loop)

    def _born(self) -> _Worker:
        self._threads = {each for each in self._threads if each.is_alive()}
        worker = _Worker(self._rests)
        worker.start()
        self._threads.add(worker)
        return worker

    def _rests(self, worker: _Worker) -> bool:
        """Whether it may wait for more to do."""
        with self._lock:
            may_wait = not self._is_over and len(self._resting) < RESTING
            if may_wait:
                self._resting.append(worker)
        return may_wait

    def join(self, seconds: float) -> list[str]:
        """Waits for every thread, at most ``seconds`` each; returns the names still running."""
        with self._lock:
            self._is_over = True
            threads, resting, self._resting = list(self._threads), self._resting, []
        for worker in resting:
            worker.end()
        for thread in threads:
            thread.join(seconds)
        return [thread.name for thread in threads if thread.is_alive()]


class Inbox:
    """One incarnation's view of the mailbox, as pykka wants it.

    pykka drains an inbox when its actor dies; this one always claims to be empty, so whatever
    waits is left for the successor.
    """

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    def put(self, envelope: "Envelope[Any]", /) -> None:
        self._mailbox.put(envelope)

    def get(self) -> "Envelope[Any]":
        return self._mailbox.get()

    def empty(self) -> bool:
        return True
