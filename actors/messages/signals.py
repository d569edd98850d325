"""What strategies say."""

from dataclasses import dataclass
from decimal import Decimal

from actors.messages.base import Due, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRaised(Event):
    """A strategy wants a trade. Whether it gets one is for Execution and Risk to say."""

    strategy: str
    instrument: str
    side: str
    quantity: Decimal
    unit: str
    stop_loss: Decimal | None
    take_profit: Decimal | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeChanged(Event):
    """A market began to trend, or to range. ``efficiency`` is what it was told from, 0 to 1."""

    strategy: str
    instrument: str
    regime: str
    efficiency: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptDue(Due):
    """Time for the next line of a scripted strategy."""
