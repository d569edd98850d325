"""The conversation about what a person must hear."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from actors.messages.base import Command, Due, Event, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport(Report):
    """What became of one delivery; without ``error`` it arrived.

    ``is_unknown``: it may have arrived all the same. ``is_refused``: the channel takes this very
    text in no form. ``retry_after_seconds``: how long the channel wants to be left alone.
    """

    number: int
    error: str = ""
    is_unknown: bool = False
    is_refused: bool = False
    retry_after_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgeAlerts(Command):
    """A person has seen what was delivered, up to this number; 0 means all of it."""

    by: str
    up_to: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDelivered(Event):
    """A person's channel took the alert. ``raised_at`` is when what it tells of happened.

    On the platter before the book forgets the alert, so that nobody is told again.
    ``is_done_with``: nobody has to acknowledge it.
    """

    level: ClassVar[str] = "debug"
    money: ClassVar[bool] = True
    number: int
    alert: str
    raised_at: datetime
    is_done_with: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDelayed(Event):
    """Delivery failed; the alert waits on disk and is tried again."""

    level: ClassVar[str] = "warning"
    number: int
    error: str
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDropped(Event):
    """An ordinary alert is given up: too many wait, or no form of it is taken."""

    level: ClassVar[str] = "warning"
    number: int
    alert: str
    raised_at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsAcknowledged(Event):
    """A person has seen so many critical alerts: they are not repeated any more."""

    by: str
    alerts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashFound(Event):
    """The process before this one did not stop in order. It was silent for so long."""

    level: ClassVar[str] = "warning"
    silent_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyReported(Event):
    """The day's report, as it was sent. The next one begins where this one ends."""

    money: ClassVar[bool] = True
    since: datetime
    until: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDue(Due):
    """Time to see whether the day's report is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverDue(Due):
    """Time to deliver what waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceDue(Due):
    """The channel has not said in time what became of a delivery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatDue(Due):
    """Time to repeat the critical alerts that nobody has acknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushDue(Due):
    """Time to say what a limit has held back."""
