"""What waits to be delivered, in which order, and what waits to be acknowledged.

Only memory: the Alerter keeps the Registry in step, and compares when that one has died. Critical
alerts are never given up; ordinary ones are, oldest first, when far too many wait: an outage of
days must not swell the book that entries and kills are written into.
"""

from collections.abc import Iterable
from datetime import datetime

from actors.messages.book import OutboxAlert

ORDINARY_LIMIT = 200
UNSEEN_LIMIT = 50
BUNDLE_FROM, BUNDLE_MOST = 8, 100
"""When so many critical ones wait, they come in one message; and how many at most."""
REFUSALS_LIMIT = 5
"""How often the channel may refuse an ordinary alert's text before it is given up."""


class AlertOutbox:
    """The alerts of one Alerter. Numbers rise with time."""

    def __init__(self, alerts: Iterable[OutboxAlert] = ()) -> None:
        self._waiting: dict[int, OutboxAlert] = {}
        self._unseen: dict[int, OutboxAlert] = {}
        self._refusals: dict[int, int] = {}
        self._doubtful: set[int] = set()
        for alert in alerts:
            (self._waiting if alert.delivered_at is None else self._unseen)[alert.number] = alert
        # One delivery may have been on its way when the process before this one ended.
        head = self.head()
        if head is not None:
            self._doubtful.add(head.number)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def unseen(self) -> tuple[OutboxAlert, ...]:
        """Delivered and not acknowledged, oldest first."""
        return tuple(self._unseen[number] for number in sorted(self._unseen))

    @property
    def last_number(self) -> int:
        return max((0, *self._waiting, *self._unseen))

    def get(self, number: int) -> OutboxAlert | None:
        """The waiting alert of that number."""
        return self._waiting.get(number)

    def is_waiting(self, kind: str) -> bool:
        return any(alert.kind == kind for alert in self._waiting.values())

    def may_be_a_repeat(self, number: int) -> bool:
        """Whether an earlier delivery of it may have arrived."""
        return number in self._doubtful

    def doubt(self, number: int) -> None:
        """An earlier delivery of it may have arrived."""
        self._doubtful.add(number)

    def head(self) -> OutboxAlert | None:
        """What is to be delivered next: critical first, then what was refused least, then age."""
        return min(
            self._waiting.values(),
            key=lambda x: (not x.is_critical, self._refusals.get(x.number, 0), x.number),
            default=None,
        )

    def batch(self) -> tuple[OutboxAlert, ...]:
        """What is to be delivered next, together: one alert, or many critical ones that wait.

        What was refused goes alone: the others must not share its fate.
        """
        head = self.head()
        numbers = sorted(
            x.number
            for x in self._waiting.values()
            if x.is_critical and x.number not in self._refusals
        )
        if len(numbers) >= BUNDLE_FROM:
            return tuple(self._waiting[number] for number in numbers[:BUNDLE_MOST])
        return () if head is None else (head,)

    def add(self, alert: OutboxAlert) -> tuple[OutboxAlert, ...]:
        """Takes one more; returns the ordinary ones that are given up for it."""
        self._waiting[alert.number] = alert
        ordinary = sorted(x.number for x in self._waiting.values() if not x.is_critical)
        surplus = ordinary[: max(0, len(ordinary) - ORDINARY_LIMIT)]
        return tuple(self.drop(number) for number in surplus)

    def drop(self, number: int) -> OutboxAlert:
        """It waits no more."""
        self._refusals.pop(number, None)
        self._doubtful.discard(number)
        return self._waiting.pop(number)

    def failed(self, number: int, *, is_unknown: bool, is_refused: bool) -> bool:
        """Notes a failed delivery; True when an ordinary alert was refused once too often."""
        if is_unknown:
            self._doubtful.add(number)
        if is_refused:
            self._refusals[number] = self._refusals.get(number, 0) + 1
        is_ordinary = not self._waiting[number].is_critical
        return is_ordinary and self._refusals.get(number, 0) >= REFUSALS_LIMIT

    def keep_unseen(self, alert: OutboxAlert) -> tuple[OutboxAlert, ...]:
        """Delivered, to be acknowledged; returns the oldest when far too many are."""
        self._unseen[alert.number] = alert
        surplus = sorted(self._unseen)[: max(0, len(self._unseen) - UNSEEN_LIMIT)]
        return tuple(self._unseen.pop(number) for number in surplus)

    def acknowledge(self, up_to: int = 0) -> tuple[OutboxAlert, ...]:
        """A person has seen what was delivered, up to that number (0: all); returns what ended."""
        seen = [number for number in sorted(self._unseen) if not up_to or number <= up_to]
        return tuple(self._unseen.pop(number) for number in seen)

    def compare(
        self, book: Iterable[OutboxAlert]
    ) -> tuple[tuple[OutboxAlert, ...], tuple[OutboxAlert, ...]]:
        """What a book lacks of this (or has otherwise), and what it has that is over."""
        known = self._waiting | self._unseen
        written = {alert.number: alert for alert in book}
        lacking = (
            known[number] for number in sorted(known) if written.get(number) != known[number]
        )
        over = (written[x] for x in sorted(written.keys() - known.keys()))
        return tuple(lacking), tuple(over)

    def last_told_at(self) -> datetime | None:
        """When the newest of the unacknowledged was told."""
        return max((x.delivered_at for x in self.unseen if x.delivered_at), default=None)
