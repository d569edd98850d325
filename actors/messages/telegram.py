"""What Telegram's door has to say about itself."""

from dataclasses import dataclass
from typing import ClassVar

from actors.messages.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramLost(Event):
    """Telegram cannot be reached for commands; alerts wait on disk."""

    level: ClassVar[str] = "warning"
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramRestored(Event):
    """Commands come in again, after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PollingConflicted(Event):
    """Somebody else asks for the updates of this bot: commands may end there. Alerts still go."""

    level: ClassVar[str] = "error"
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PollingResumed(Event):
    """Nobody else asks any more, after so many seconds."""

    level: ClassVar[str] = "warning"
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandsDropped(Event):
    """Commands that came too late are not carried out. ``commands`` are the first of them."""

    level: ClassVar[str] = "warning"
    number: int
    commands: tuple[str, ...]
    why: str
