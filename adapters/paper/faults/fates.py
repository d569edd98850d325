"""What happens to one request, one notification: the faults' verdicts, as plain values."""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as the faults see it. ``line`` is its websocket; empty over HTTP."""

    method: str
    label: str = ""
    line: str = ""


class Answer(Enum):
    """What comes back to a request."""

    WHOLE = "the reply"
    ERROR = "an error"
    PAGE = "a page of HTML"
    PART = "the first part of the reply"
    NOTHING = "nothing"
    BREAK = "the end of the connection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What happens to a request, in the order in which it happens. Times in milliseconds.

    It travels ``out_ms``, is carried out or not, and the answer travels ``back_ms``. ``code`` is
    that of an error, ``status`` that of a page, ``keep`` the part of a reply that comes. ``struck``
    names the faults behind it, latencies left out.
    """

    out_ms: float = 0.0
    is_run: bool = True
    answer: Answer = Answer.WHOLE
    back_ms: float = 0.0
    code: int = 0
    status: int = 0
    keep: float = 1.0
    struck: tuple[str, ...] = ()

    def spoiled(self, reply: bytes) -> bytes:
        """The reply as it arrives: whole, or its first part."""
        return reply[: int(len(reply) * self.keep)] if self.answer is Answer.PART else reply


UNTOUCHED = Fate()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """When the copies of a notification come: none at all when it is lost. Milliseconds.

    ``in_order``: the first copy overtakes nothing on its connection and is not overtaken.
    ``held_ms``: it waits for the next one of its connection, but no longer than that.
    """

    delays: tuple[float, ...] = (0.0,)
    in_order: bool = True
    held_ms: float | None = None
    struck: tuple[str, ...] = ()


AT_ONCE = Delivery()


class Phase(Enum):
    """What a fault that acts by itself does now."""

    NOW = "now"
    BEGAN = "began"
    ENDED = "ended"
