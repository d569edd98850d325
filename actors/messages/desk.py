"""The conversation between the operator's doors and the Desk."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from actors.messages.base import Command, Due, Event, Message, Query
from domain.commands import Door
from domain.content import Content
from domain.health import Vitals


class Status(StrEnum):
    """What became of a command."""

    DONE = "done"
    ACCEPTED = "accepted"
    """Begun; its end is reported by `CommandReported`."""
    REFUSED = "refused"
    NEEDS_CONFIRMATION = "needs_confirmation"


class Refusal(StrEnum):
    """Why a command is refused. The texts are an interface: never rename.

    Refused entries carry `domain.risk.Reason` instead, separated by commas.
    """

    NOT_ALLOWED = "not_allowed"
    """The door stays silent: who asks is not known here."""
    READ_ONLY_DOOR = "read_only_door"
    UNKNOWN_COMMAND = "unknown_command"
    BAD_ARGUMENTS = "bad_arguments"
    KEY_REUSED = "key_reused"
    """Something else was asked under this request id a moment ago."""
    UNKNOWN_CONFIRMATION = "unknown_confirmation"
    """Never given, used already, or given before the last restart."""
    CONFIRMATION_EXPIRED = "confirmation_expired"
    EFFECT_CHANGED = "effect_changed"
    """What was confirmed is not what would happen now."""
    UNKNOWN_TRADE = "unknown_trade"
    NOTHING_TO_CLOSE = "nothing_to_close"
    NOTHING_TO_RESUME = "nothing_to_resume"
    NOT_FLAT_YET = "not_flat_yet"
    NOT_RECONCILED = "not_reconciled"
    DISK_FAILED = "disk_failed"
    BUSY = "busy"
    """Another part did not answer in time."""
    FAILED = "failed"
    """Our own mistake: the log has it. Nothing more was done than the text says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCommand(Command):
    """An operator's command, as a door took it in.

    ``who`` is the person the door knows (Telegram user id; the token's holder). Arguments come as
    typed ``text`` or by name. ``request_id`` is the door's own: under the same one a command is
    carried out once, unless it is repeatable, and nothing else is carried out.
    """

    door: Door
    who: str
    name: str
    text: str = ""
    arguments: tuple[tuple[str, str], ...] = ()
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmCommand(Command):
    """Confirms what a `Confirmation` named. Only who was asked may, from the same door."""

    door: Door
    who: str
    token: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelConfirmation(Command):
    """The person thought better of it: the token is void."""

    door: Door
    who: str
    token: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetReply(Query):
    """Asks for the reply to a command that was told (urgent ones are never only asked)."""

    door: Door
    who: str
    name: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What is to be confirmed: the exact ``effect``, the single-use ``token``, and until when."""

    token: str
    effect: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandReply(Message):
    """The Desk's answer. ``reason`` is a stable word when refused, else empty."""

    request_id: str
    command: str
    status: Status
    reason: str = ""
    content: Content
    confirmation: Confirmation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetVitals(Query):
    """Asks for everything health and metrics are made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VitalsSnapshot(Message):
    """The daemon's state now; money in USD. None: nobody could say in time."""

    vitals: Vitals
    equity_usd: Decimal | None
    result_usd: Decimal | None
    loss_limit_usd: Decimal | None
    max_open_trades: int | None
    open_trades: int | None
    positions: int | None
    alerts_waiting: int | None
    requests_left: int
    reports_dropped: int


# -- events ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandHandled(Event):
    """The audit of a command that acts: who, by which door, what, and what came of it."""

    money: ClassVar[bool] = True
    request_id: str
    door: Door
    who: str
    command: str
    arguments: str
    effect: str
    status: Status
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRead(Event):
    """The audit of reading: one entry a minute per person and command, with how many there were."""

    level: ClassVar[str] = "debug"
    door: Door
    who: str
    command: str
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StrangerRefused(Event):
    """Somebody who is not listed gave a command. They hear nothing."""

    level: ClassVar[str] = "warning"
    door: Door
    who: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandReported(Event):
    """How a command that was accepted goes on. Told to the door it came from.

    ``is_final``: nothing more follows for this request.
    """

    request_id: str
    door: Door
    who: str
    command: str
    text: str
    is_final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertTestAsked(Event):
    """A person wants to see whether alerts arrive."""

    door: Door
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorOpened(Event):
    """A door takes commands at this address."""

    door: Door
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorFailed(Event):
    """A door takes no commands. Trading goes on; the other doors are not concerned."""

    level: ClassVar[str] = "warning"
    door: Door
    error: str


# -- wake-ups --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TidyDue(Due):
    """Time to forget old replies and confirmations, and to count what was read."""
