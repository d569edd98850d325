"""What the supervisor knows of its children: how to make them, and where each is in its life."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from actors.kernel.actor import Actor

NEVER = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """A permanent child. Budgets in seconds; ``hang_after`` bounds one piece of work."""

    name: str
    actor: type[Actor]
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    stop_budget: float = 5.0
    hang_after: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Children started on demand, each with an ``argument``; one that retires is done."""

    name: str
    actor: type[Actor]
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    stop_budget: float = 5.0
    hang_after: float = 30.0


class State(Enum):
    """Where a child is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    FAILED = "failed"
    STOPPING = "stopping"
    ENDED = "ended"


@dataclass(slots=True)
class Child:
    """One child: its present incarnation, its failures, and by when an answer is due."""

    spec: ChildSpec
    position: int
    is_permanent: bool
    state: State = State.WAITING
    incarnation: int = 0
    failures: int = 0
    failed_at: float = 0.0
    restart_at: float = NEVER
    answer_by: float = NEVER
