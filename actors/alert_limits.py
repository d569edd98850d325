"""What is told now, and what has to wait because the like of it was told a moment ago."""

from dataclasses import dataclass

from actors.alert_texts import ALERTS
from actors.messages.base import Event

_Subject = tuple[type[Event], str]


@dataclass(frozen=True, slots=True)
class HeldBack:
    """How many of a kind were held back, the last of them, and until when (monotonic)."""

    number: int
    text: str
    event: Event
    until: float

    def words(self) -> str:
        """The last of them, and how many there were."""
        more = f"\n(the last of {self.number} such messages)" if self.number > 1 else ""
        return self.text + more


class AlertLimits:
    """The limits of one Alerter: per kind of event and what it is about."""

    def __init__(self) -> None:
        self._told_at: dict[_Subject, float] = {}
        self._held_back: dict[_Subject, HeldBack] = {}

    def passes(self, event: Event, text: str, now: float) -> bool:
        """Whether it may be told now; if not, it is kept until its time."""
        every, subject = ALERTS[type(event)].every, (type(event), _about(event))
        told_at = self._told_at.get(subject)
        if told_at is None or now - told_at >= every:
            self._told_at = {x: y for x, y in self._told_at.items() if now - y < ALERTS[x[0]].every}
            self._told_at[subject] = now
            return True
        held = self._held_back.get(subject)
        number = held.number + 1 if held else 1
        self._held_back[subject] = HeldBack(number, text, event, told_at + every)
        return False

    def withdraw(self, by: Event) -> None:
        """What is held back about the same subject and is not so any more is not told: it would
        pass for news. Trouble by its all-clear, and an all-clear by the next trouble.
        """
        kind = type(by)
        for other, each in ALERTS.items():
            if other is ALERTS[kind].outdates or each.outdates is kind:
                self._held_back.pop((other, _about(by)), None)

    def next_due(self) -> float | None:
        """When the first of what is held back may be told."""
        return min((held.until for held in self._held_back.values()), default=None)

    def due(self, now: float) -> list[HeldBack]:
        """What may be told now; it is not held back any more."""
        due = {x: held for x, held in self._held_back.items() if held.until <= now}
        for subject in due:
            del self._held_back[subject]
            self._told_at[subject] = now
        return list(due.values())


def _about(event: Event) -> str:
    """Whom or what an event concerns."""
    names = ("instrument", "trade_id", "name", "what")
    return next((str(getattr(event, name)) for name in names if hasattr(event, name)), "")
