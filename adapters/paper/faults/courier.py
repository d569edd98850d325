"""Carries what is under way: after its delay, and in the order of its connection.

The server hands in the clock and timers of its loop, the simulation those of its world.
"""

import heapq
import itertools
from collections.abc import Callable

from adapters.paper.faults.fates import AT_ONCE, Delivery

_SLACK = 1e-4
Act = Callable[[], None]


class Courier:
    """Things to do later. ``now`` is in seconds; ``at`` calls back at a moment of that clock.

    Things of one lane that are sent in order happen in order, as bytes of one TCP connection
    do, whatever the delay of each. What has no delay, and nothing before it, happens at once.
    """

    def __init__(self, now: Callable[[], float], at: Callable[[float, Act], object]) -> None:
        self._now = now
        self._at = at
        self._numbers = itertools.count()
        self._waiting: list[tuple[float, int, Act]] = []
        self._busy_until: dict[str, float] = {}
        self._held: dict[str, list[Act]] = {}

    def send(self, lane: str, delay_ms: float, act: Act, *, in_order: bool = True) -> None:
        """Does something ``delay_ms`` from now; an empty lane has no order."""
        if not delay_ms and not self._waiting:
            act()
            return
        now = self._now()
        due = now + delay_ms / 1000
        if lane and in_order:
            due = max(due, self._busy_until.get(lane, due))
            if due > now:
                self._busy_until[lane] = due
        heapq.heappush(self._waiting, (due, next(self._numbers), act))
        if due <= now:
            self._run()
        else:
            self._at(due, self._run)

    def notify(self, lane: str, delivery: Delivery, act: Act) -> None:
        """Sends the copies of a notification; one that is held waits for the next of its lane."""
        if delivery is AT_ONCE and not self._waiting and not self._held:
            act()
            return
        if delivery.held_ms is not None and delivery.delays:
            self._hold(lane, delivery, act)
            return
        held = self._held.pop(lane, ())
        for number, delay_ms in enumerate(delivery.delays):
            self.send(lane, delay_ms, act, in_order=delivery.in_order and not number)
        for each in held:
            each()

    def _hold(self, lane: str, delivery: Delivery, act: Act) -> None:
        is_sent = False

        def release() -> None:
            nonlocal is_sent
            if not is_sent:
                is_sent = True
                for number, delay_ms in enumerate(delivery.delays):
                    self.send(lane, delay_ms, act, in_order=delivery.in_order and not number)

        self._held.setdefault(lane, []).append(release)
        self.send("", delivery.held_ms or 0.0, release)

    def forget(self, lane: str) -> None:
        """A connection has ended; what is under way on it still happens."""
        self._busy_until.pop(lane, None)
        self._held.pop(lane, None)

    def _run(self) -> None:
        # A timer may go off a little early by the clock it was set by.
        now = self._now() + _SLACK
        while self._waiting and self._waiting[0][0] <= now:
            heapq.heappop(self._waiting)[2]()
