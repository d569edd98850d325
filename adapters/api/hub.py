"""The daemon's events for those who listen over HTTP: a bounded memory, and a bell for each.

Ids are ``<start of the process in ms>-<number>``: one that is not in memory any more, or is from
before a restart, is recognised as such, and the listener is told that it has missed something.
"""

import asyncio
import itertools
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from actors.messages.base import Event
from actors.messages.trading import ProtectOnlyBegan, Ready

KEPT = 2000


@dataclass(frozen=True, slots=True)
class Numbered:
    """An event with its place in the stream."""

    number: int
    event: Event


class EventHub:
    """Implements `actors.ports.Audience`. Heard in the Desk's thread, read in the API's."""

    def __init__(self, start_ms: int, kept: int = KEPT) -> None:
        self.has_begun = threading.Event()
        """Set once the daemon is ready, or knows that it cannot be."""
        self.has_ended = False
        """Streams end of themselves then; otherwise the server would have to break them off."""
        self._start_ms = start_ms
        self._numbers = itertools.count(1)
        self._memory: deque[Numbered] = deque(maxlen=kept)
        self._last = 0
        self._bells: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._followers: list[Callable[[Event], None]] = []
        self._lock = threading.Lock()

    def hear(self, event: Event) -> None:
        """Keeps the event and wakes whoever listens."""
        with self._lock:
            self._last = next(self._numbers)
            self._memory.append(Numbered(self._last, event))
            for follower in self._followers:
                follower(event)
        self._ring()
        if isinstance(event, Ready | ProtectOnlyBegan):
            self.has_begun.set()

    def end(self) -> None:
        """Nothing more will be heard: whoever listens is sent what there is, and no more."""
        self.has_ended = True
        self.has_begun.set()
        self._ring()

    def _ring(self) -> None:
        with self._lock:
            bells = list(self._bells)
        for loop, bell in bells:
            try:
                loop.call_soon_threadsafe(bell.set)
            except RuntimeError:
                self._bells.discard((loop, bell))  # its loop has ended

    def follow(self, follower: Callable[[Event], None]) -> None:
        """Every event from the first one in memory on, each once. Quick, and never raises."""
        with self._lock:
            for numbered in self._memory:
                follower(numbered.event)
            self._followers.append(follower)

    def bell(self) -> asyncio.Event:
        """Rings (in the loop that is running) at every event until it is handed back."""
        bell = asyncio.Event()
        with self._lock:
            self._bells.add((asyncio.get_running_loop(), bell))
        return bell

    def hand_back(self, bell: asyncio.Event) -> None:
        """It rings no more."""
        with self._lock:
            self._bells = {pair for pair in self._bells if pair[1] is not bell}

    @property
    def listeners(self) -> int:
        return len(self._bells)

    @property
    def last_id(self) -> str:
        """The id of the newest event; that of nothing before the first."""
        return self.id_of(self._last)

    def id_of(self, number: int) -> str:
        return f"{self._start_ms}-{number}"

    def after(self, number: int) -> Sequence[Numbered]:
        """What is in memory beyond this number, oldest first."""
        with self._lock:
            return [x for x in self._memory if x.number > number]

    def resume(self, last_id: str) -> tuple[int, bool]:
        """Where to go on after ``last_id``, and whether events in between are lost.

        Without an id: from now on.
        """
        with self._lock:
            if not last_id:
                return self._last, False
            start, _, number = last_id.partition("-")
            is_ours = start == str(self._start_ms) and number.isascii() and number.isdigit()
            if not is_ours or int(number) > self._last:
                return 0, True
            oldest = self._memory[0].number if self._memory else self._last + 1
            return int(number), int(number) + 1 < oldest
