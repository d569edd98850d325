"""The production actors on stage: the same classes, with an ear and, on order, a mishap.

Each class is derived once; the derived one hands every message to its production handler, notes
it in the trace, and raises or hangs where the script says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from actors.kernel import Actor
from actors.messages.base import Event, Message
from actors.messages.venue import TickerReport
from simulation.happenings import Hangs, Raises
from simulation.tracing import Trace

_QUIET = (Event, TickerReport)
"""Too many, and each is noted where it is published or comes from."""


class Injected(Exception):
    """A handler raised because the script says so."""


@dataclass(slots=True)
class _Pending:
    """A mishap waiting for its message."""

    mishap: Raises | Hangs
    left: int


class Cast:
    """Derives the actors of one run, and waits for its moments. ``struck`` is told of each."""

    def __init__(self, trace: Trace, struck: Callable[[str, float], None]) -> None:
        self.trace = trace
        self._struck = struck
        self._pending: list[_Pending] = []
        self._derived: dict[type[Actor], type[Actor]] = {}

    def order(self, mishap: Raises | Hangs) -> None:
        """From now on this waits for its message."""
        self._pending.append(_Pending(mishap, mishap.nth if isinstance(mishap, Raises) else 1))

    def forget(self) -> None:
        """What has not struck will not."""
        self._pending.clear()

    def derive(self, actor: type[Actor]) -> type[Actor]:
        """The class that plays this one."""
        if actor not in self._derived:
            self._derived[actor] = self._play(actor)
        return self._derived[actor]

    def _play(self, actor: type[Actor]) -> type[Actor]:
        cast, pending = self, self._pending

        def call(self: Actor, message: Message) -> Any:
            if not isinstance(message, _QUIET):
                cast.trace.note(self.name, f"<- {type(message).__name__}")
            mishap = cast.due(self.name) if pending else None
            if isinstance(mishap, Hangs):
                self.clock.sleep(mishap.seconds)
            if isinstance(mishap, Raises) and not mishap.after:
                raise Injected(f"{self.name} on {type(message).__name__}")
            answer = actor._call(self, message)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - where all messages pass
            if isinstance(mishap, Raises):
                raise Injected(f"{self.name} after {type(message).__name__}")
            return answer

        return type(actor.__name__, (actor,), {"_call": call, "handlers": actor.handlers})

    def due(self, name: str) -> Raises | Hangs | None:
        """The mishap this message of this actor brings, if any."""
        for pending in self._pending:
            if fnmatchcase(name, pending.mishap.actor):
                pending.left -= 1
                if pending.left <= 0:
                    self._pending.remove(pending)
                    lasts = pending.mishap.seconds if isinstance(pending.mishap, Hangs) else 0.0
                    self._struck(f"{name} {pending.mishap.kind}s", lasts)
                    return pending.mishap
        return None
