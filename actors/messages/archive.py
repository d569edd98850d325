"""The conversation about the tick archive, as its collector's process tells of it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from actors.messages.base import Due, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class TicksStored(Event):
    """Ticks went to disk. ``holes`` are those still to be filled; ``lag_ms`` is the worst."""

    ticks: int
    seconds: float
    holes: int
    lag_ms: int | None
    bytes_per_tick: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class GapFilled(Event):
    """What was missing has been fetched by its ids."""

    symbol: str
    gaps: int
    ticks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HoleRecorded(Event):
    """These ids are lost: the venue does not have them."""

    level: ClassVar[str] = "warning"
    symbol: str
    first_id: int
    last_id: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentQuarantined(Event):
    """A damaged file was set aside; its ticks are being fetched again."""

    level: ClassVar[str] = "error"
    file: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveDiskFailed(Event):
    """The archive cannot be written; trading is not affected. Ticks wait, then are refilled."""

    level: ClassVar[str] = "error"
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveDiskRecovered(Event):
    """The archive is written again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorLost(Event):
    """The collector says nothing any more."""

    level: ClassVar[str] = "warning"
    silent_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorReturned(Event):
    """The collector is heard again."""

    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveDue(Due):
    """Time to look how the collector is."""
