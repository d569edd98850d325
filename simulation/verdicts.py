"""What a court says, and what it has to know of the world around venue and disk."""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """An invariant that did not hold. ``at`` is virtual seconds."""

    at: float
    invariant: str
    text: str

    def __str__(self) -> str:
        return f"{self.invariant} at {self.at:.3f} s: {self.text}"


class World(Protocol):
    """What the court has to know of the world around venue and disk."""

    def now(self) -> float: ...
    def kind_for(self) -> float:
        """Seconds since the last fault ended, or the last start; 0 while one lasts."""
        ...

    def speaker(self) -> str:
        """The actor that is at work, empty when none is."""
        ...

    def incarnations(self) -> int:
        """How many processes and actors have begun so far."""
        ...


@dataclass(slots=True)
class Figures:
    """What was seen, for the report. ``gaps`` are seconds without enough stop, each gap one."""

    entries: int = 0
    requests: int = 0
    gaps: list[float] = field(default_factory=list[float])
    kind_gaps: list[float] = field(default_factory=list[float])
