"""A command on its way through the Desk: the call, and what carrying it out comes to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from actors.messages.desk import Refusal, Status
from domain.arguments import Value
from domain.commands import CommandSpec, Door
from domain.content import Content, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One command, allowed and understood."""

    spec: CommandSpec
    values: Mapping[str, Value]
    door: Door
    who: str
    request_id: str

    @property
    def by(self) -> str:
        """Who gave it, as the journal and the book keep it."""
        return f"{self.door}:{self.who}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a command came to. ``effect`` is what was done, for the audit."""

    status: Status
    content: Content
    reason: str = ""
    effect: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What is done once it is confirmed, if it then still holds."""

    effect: str
    still_holds: Callable[[], bool]
    act: Callable[[], Outcome]


Answer = Outcome | Proposal


def done(*lines: str, tables: tuple[Table, ...] = (), effect: str = "") -> Outcome:
    return Outcome(status=Status.DONE, content=Content(lines=lines, tables=tables), effect=effect)


def accepted(*lines: str, effect: str) -> Outcome:
    return Outcome(status=Status.ACCEPTED, content=Content(lines=lines), effect=effect)


def refused(reason: Refusal | str, *lines: str) -> Outcome:
    return Outcome(status=Status.REFUSED, content=Content(lines=lines), reason=str(reason))
