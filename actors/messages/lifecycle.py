"""The conversation between the supervisor, its children and the process."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from actors.messages.base import Command, Due, Event, Message


class Phase(StrEnum):
    """Where in its life an actor failed."""

    STARTING = "starting"
    RUNNING = "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Message):
    """A child finished its own recovery and takes messages."""

    name: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildStopped(Message):
    """A child ended as it was asked to, or because its work is done."""

    name: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStarted(Event):
    """The bot's process begins; ``ready`` follows when it may trade."""

    version: str
    env: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightPassedOver(Event):
    """The bot trades real money although preflight has not passed; ``reason`` says why."""

    level: ClassVar[str] = "critical"
    money: ClassVar[bool] = True
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildFailed(Event):
    """A child died of an exception. ``handling`` names the message it could not handle."""

    level: ClassVar[str] = "error"
    name: str
    incarnation: int
    phase: Phase
    error: str
    handling: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRestarted(Event):
    """A child is back after a failure."""

    level: ClassVar[str] = "warning"
    name: str
    incarnation: int
    after_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDeadLettered(Event):
    """A message nobody will handle: its handler failed, nobody knows it, or it came too late."""

    level: ClassVar[str] = "warning"
    receiver: str
    message: str
    content: str
    reason: str
    trace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GaveUp(Event):
    """The supervisor ends the process: too many failures, or a child that hangs."""

    level: ClassVar[str] = "critical"
    reason: str
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping(Event):
    """The ordered stop begins. Stops and targets stay on the venue."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped(Event):
    """Every child has ended (or used up its budget)."""

    exit_code: int
    over_budget: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StartChild(Command):
    """Starts one more child of a declared family (one Trade actor per trade)."""

    family: str
    name: str
    argument: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAll(Command):
    """Begins the ordered stop."""

    reason: str
    exit_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthDue(Due):
    """Time to look at every child's work stamp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartBudgetDue(Due):
    """Time to see whether the child being started has answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopBudgetDue(Due):
    """Time to go on without the child being stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartDue(Due):
    """Time to start the children whose back-off has passed."""
