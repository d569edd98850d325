"""What funding was booked, and when to ask for it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from actors.messages.base import Due, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingBooked(Event):
    """A line of the venue's own log; ``amount`` in ``currency``, negative when paid."""

    level: ClassVar[str] = "debug"
    money: ClassVar[bool] = True
    log_id: int
    instrument: str
    currency: str
    amount: Decimal
    booked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingDue(Due):
    """Time to ask the venue what it has booked."""
