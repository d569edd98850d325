"""The conversation about what a person must hear."""

from dataclasses import dataclass
from typing import ClassVar

from actors.messages.base import Due, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDelivered(Event):
    """A person's channel took the alert."""

    level: ClassVar[str] = "debug"
    number: int
    alert: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDelayed(Event):
    """Delivery failed; the alert waits on disk and is tried again."""

    level: ClassVar[str] = "warning"
    number: int
    error: str
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverDue(Due):
    """Time to deliver what waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushDue(Due):
    """Time to say what a limit has held back."""
