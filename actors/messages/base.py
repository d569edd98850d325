"""The kinds of message. A kind decides how the kernel treats it, a class what it says."""

import re
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Anything told or asked. ``at`` is when it happened (UTC), ``cause`` what led to it."""

    is_moot_at_the_end: ClassVar[bool] = False
    """Whether it means nothing to somebody who has ended: counted then, and no dead letter."""

    at: datetime
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Message):
    """Asks its single receiver to do something. With ``expires_at`` set, never late."""

    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Query(Message):
    """Asks for a snapshot; changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Message):
    """The venue's word on something. Reports are not logged one by one."""

    is_moot_at_the_end: ClassVar[bool] = True
    perishable: ClassVar[bool] = False
    """Whether an old one is worthless: a full mailbox may drop it (and counts it)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due(Message):
    """A timer went off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Message):
    """Something happened. Published once: logged, journalled and told to whoever listens."""

    level: ClassVar[str] = "info"
    money: ClassVar[bool] = False
    """Whether the journal must have it on disk before anything else is written."""

    @property
    def log_level(self) -> str:
        """The level of this one: that of its class, unless what it says decides."""
        return self.level

    def to_log(self) -> dict[str, Any]:
        """The event's own fields for a log line or a journal entry; empty ones left out."""
        values = ((name, getattr(self, name)) for name in own_fields(type(self)))
        return {name: value for name, value in values if value is not None and value != ""}


@cache
def event_name(kind: type[Message]) -> str:
    """The constant log name of a message class: ``TradeOpened`` -> ``trade_opened``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


@cache
def own_fields(kind: type[Message]) -> tuple[str, ...]:
    """The field names a message class adds to `Message`, plus ``cause``."""
    return tuple(field.name for field in fields(kind) if field.name != "at")
