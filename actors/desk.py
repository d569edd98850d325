"""Desk: carries out the operator's commands, whichever door they come by.

One table (`domain.commands`) says what there is; this actor sees to it that only who may does,
that what adds risk is confirmed first, that a request is carried out once, and that everything is
audited. Two of it run: `hotline` takes what reduces risk, so that a kill never waits behind a
long reading, and `desk` takes the rest.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from actors.desk_acts import ACTS
from actors.desk_calls import Answer, Call, Outcome, Proposal, refused
from actors.desk_following import Followers
from actors.desk_reads import READS
from actors.desk_sources import DeskFacts, Sources
from actors.desk_state import STATES
from actors.desk_vitals import snapshot
from actors.kernel import Actor, Context, HandlerTable
from actors.messages.base import Event
from actors.messages.desk import (
    CancelConfirmation,
    CommandHandled,
    CommandRead,
    CommandReply,
    CommandReported,
    Confirmation,
    ConfirmCommand,
    GetReply,
    GetVitals,
    Refusal,
    RunCommand,
    Status,
    StrangerRefused,
    TidyDue,
    VitalsSnapshot,
)
from actors.messages.watch import PortfolioObserved
from actors.ports import Audience, Journal, LogTail, Venue
from domain.arguments import BadArguments
from domain.commands import CommandSpec, Door, Effect, find, nearest, parse_named, parse_text
from domain.content import Content

CONFIRM_WITHIN = timedelta(seconds=60)
TIDY_SECONDS = 60.0
REPLIES_KEPT = 200
REPLIES_KEPT_SECONDS = 600.0
PENDING_KEPT = 50
READERS_KEPT = 500


_Key = tuple[Door, str, str, str]
_Request = RunCommand | ConfirmCommand | CancelConfirmation


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    """Something that waits for its confirmation."""

    call: Call
    proposal: Proposal
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """A reply, what it was the answer to, and when (monotonic) it was given."""

    asked: tuple[object, ...]
    reply: CommandReply
    since: float


class Desk(Actor):
    """The operator's desk."""

    handlers: ClassVar[HandlerTable] = {}

    def __init__(
        self,
        context: Context,
        *,
        venue: Venue,
        journal: Journal,
        facts: DeskFacts,
        log_tail: LogTail | None = None,
        audience: tuple[Audience, ...] = (),
    ) -> None:
        super().__init__(context)
        self._facts = facts
        self._audience = audience
        self._sources = Sources(
            execution=self.to("execution"),
            registry=self.to("registry"),
            risk=self.to("risk"),
            supervisor=self.to(context.supervisor),
            emit=self.emit,
            system=self.system,
            venue=venue,
            journal=journal,
            log_tail=log_tail,
            facts=facts,
            log=self.log,
        )
        self._followers = Followers(self.emit)
        self._replies: OrderedDict[_Key, _Kept] = OrderedDict()
        self._pending: OrderedDict[str, _Pending] = OrderedDict()
        self._read: dict[tuple[Door, str, str], int] = {}
        self._strangers: set[tuple[Door, str]] = set()

    def recover(self) -> None:
        self.every(TIDY_SECONDS, TidyDue)
        book = self._sources.book()
        if book is not None and book.kill is not None and self.context.incarnation > 1:
            self._followers.take_up_kill(book.kill.by)

    # -- commands ------------------------------------------------------------------------------

    def on_run_command(self, message: RunCommand) -> CommandReply:
        """Carries a command out; one that is not repeatable once per request id."""
        known = None if _own_place(message.name) else self._told_before(message)
        if known is not None:
            return known
        if not self._knows(message.door, message.who):
            self._turn_away(message.door, message.who, message.name)
            return self._reply(message, message.name, refused(Refusal.NOT_ALLOWED))
        call = self._understood(message)
        if isinstance(call, Outcome):
            self._audit_refusal(message, call)
            return self._reply(message, message.name, call)
        answer = self._carried_out(call)
        if isinstance(answer, Proposal):
            return self._ask_back(message, call, answer)
        self._audit(call, answer)
        return self._reply(message, call.spec.name, answer)

    def _knows(self, door: Door, who: str) -> bool:
        """Deny by default. The API has checked the token of whoever comes by the other doors."""
        return door is not Door.TELEGRAM or who in self._facts.telegram_users

    def _turn_away(self, door: Door, who: str, command: str) -> None:
        """An event for each stranger, at most once a minute: nobody shall fill the disk."""
        if (door, who) not in self._strangers and len(self._strangers) < READERS_KEPT:
            self._strangers.add((door, who))
            self.emit(StrangerRefused, door=door, who=who[:64], command=command[:32])

    def _understood(self, message: RunCommand) -> Call | Outcome:
        spec = find(message.name)
        if spec is None:
            near = nearest(message.name)
            hint = f" Did you mean {near}?" if near else ""
            what = f"There is no command {message.name[:32]!r}; nothing was done.{hint} See help."
            return refused(Refusal.UNKNOWN_COMMAND, what)
        if not spec.allows(message.door):
            return refused(Refusal.READ_ONLY_DOOR, f"{spec.name} cannot be given from here.")
        try:
            if message.arguments:
                values = parse_named(spec, dict(message.arguments))
            else:
                values = parse_text(spec, message.text)
        except BadArguments as error:
            undone = "" if spec.effect is Effect.READS else " Nothing was done."
            return refused(
                Refusal.BAD_ARGUMENTS,
                f"{str(error)[:1].upper()}{str(error)[1:]}.{undone}",
                f"Usage: {spec.usage}",
                f"Example: {spec.example}",
            )
        return Call(
            spec=spec,
            values=values,
            door=message.door,
            who=message.who,
            request_id=message.request_id,
        )

    def _carried_out(self, call: Call) -> Answer:
        """A mistake of ours in one command must not end the Desk, and with it the next kill."""
        try:
            return WORK[call.spec.name](self._sources, self._followers, call)
        except Exception:
            self.log.exception("command_failed", command=call.spec.name)
            return refused(Refusal.FAILED, f"{call.spec.name} failed; the log says why.")

    # -- confirmations -------------------------------------------------------------------------

    def _ask_back(self, message: RunCommand, call: Call, proposal: Proposal) -> CommandReply:
        token = self.entropy.new_id()
        expires_at = self.clock.now() + CONFIRM_WITHIN
        self._pending[token] = _Pending(call=call, proposal=proposal, expires_at=expires_at)
        while len(self._pending) > PENDING_KEPT:
            self._pending.popitem(last=False)
        seconds = round(CONFIRM_WITHIN.total_seconds())
        outcome = Outcome(
            status=Status.NEEDS_CONFIRMATION,
            content=Content(lines=(proposal.effect, f"Confirm within {seconds} s.")),
            effect=proposal.effect,
        )
        self._audit(call, outcome)
        confirmation = Confirmation(token=token, effect=proposal.effect, expires_at=expires_at)
        return self._reply(message, call.spec.name, outcome, confirmation)

    def on_confirm_command(self, message: ConfirmCommand) -> CommandReply:
        """Does what was proposed: once, in time, by whom it was proposed to, if it still holds."""
        known = self._told_before(message)
        if known is not None:
            return known
        pending = self._taken(message)
        if pending is None:
            what = "Nothing waits for this confirmation: it was used, or it is from before."
            outcome = refused(Refusal.UNKNOWN_CONFIRMATION, what)
            return self._reply(message, "confirm", outcome)
        outcome = self._confirmed(pending)
        self._audit(pending.call, outcome)
        return self._reply(message, pending.call.spec.name, outcome)

    def _taken(self, message: ConfirmCommand | CancelConfirmation) -> _Pending | None:
        pending = self._pending.get(message.token)
        if pending is None or not self._knows(message.door, message.who):
            return None
        if (pending.call.door, pending.call.who) != (message.door, message.who):
            return None
        del self._pending[message.token]
        return pending

    def _confirmed(self, pending: _Pending) -> Outcome:
        if self.clock.now() > pending.expires_at:
            what = "The confirmation came too late; nothing was done. Give the command again."
            return refused(Refusal.CONFIRMATION_EXPIRED, what)
        try:
            if not pending.proposal.still_holds():
                what = "Things have changed since; nothing was done. Give the command again."
                return refused(Refusal.EFFECT_CHANGED, what)
            return pending.proposal.act()
        except Exception:
            name = pending.call.spec.name
            self.log.exception("command_failed", command=name)
            return refused(Refusal.FAILED, f"{name} failed; the log says why.")

    def on_cancel_confirmation(self, message: CancelConfirmation) -> CommandReply:
        """The token is void."""
        pending = self._taken(message)
        name = pending.call.spec.name if pending else "confirm"
        if pending is None:
            outcome = refused(Refusal.UNKNOWN_CONFIRMATION, "Nothing waits for this confirmation.")
        else:
            outcome = Outcome(
                status=Status.DONE,
                content=Content(lines=(f"{name} is not done.",)),
                effect="dismissed",
            )
            self._audit(pending.call, outcome)
        return self._reply(message, name, outcome)

    # -- replies and audit ---------------------------------------------------------------------

    def on_get_reply(self, message: GetReply) -> CommandReply | None:
        """The reply to a command that was told, if it is still kept."""
        kept = self._replies.get(_key(message))
        return None if kept is None else kept.reply

    def _told_before(self, request: RunCommand | ConfirmCommand) -> CommandReply | None:
        """The reply that this request id has had already; a refusal if to something else."""
        kept = self._replies.get(_key(request))
        if kept is None:
            return None
        if kept.asked == _asked(request):
            return kept.reply
        what = f"Something else ({kept.reply.command}) was asked under this key a moment ago."
        outcome = refused(Refusal.KEY_REUSED, what, "Nothing was done. Give each request its own.")
        name = request.name if isinstance(request, RunCommand) else "confirm"
        if isinstance(request, RunCommand):
            self._audit_refusal(request, outcome)
        return self._made(request, name, outcome)

    def _reply(
        self,
        request: _Request,
        command: str,
        outcome: Outcome,
        confirmation: Confirmation | None = None,
    ) -> CommandReply:
        reply = self._made(request, command, outcome, confirmation)
        if _only_reads(request):  # never answered from memory, and must push out nothing that is
            return reply
        key, since = _key(request), self.clock.monotonic()
        self._replies[key] = _Kept(asked=_asked(request), reply=reply, since=since)
        self._replies.move_to_end(key)
        while len(self._replies) > REPLIES_KEPT:
            self._replies.popitem(last=False)
        return reply

    def _made(
        self,
        request: _Request,
        command: str,
        outcome: Outcome,
        confirmation: Confirmation | None = None,
    ) -> CommandReply:
        return CommandReply(
            at=self.clock.now(),
            request_id=request.request_id,
            command=command[:32],
            status=outcome.status,
            reason=outcome.reason,
            content=outcome.content,
            confirmation=confirmation,
        )

    def _audit(self, call: Call, outcome: Outcome) -> None:
        if call.spec.effect is Effect.READS:
            self._note_reading(call)
            return
        self.emit(
            CommandHandled,
            request_id=call.request_id,
            door=call.door,
            who=call.who,
            command=call.spec.name,
            arguments=_written(call),
            effect=outcome.effect,
            status=outcome.status,
            reason=outcome.reason,
        )

    def _audit_refusal(self, message: RunCommand, outcome: Outcome) -> None:
        given = message.text or " ".join(f"{name}={text}" for name, text in message.arguments)
        self.emit(
            CommandHandled,
            request_id=message.request_id,
            door=message.door,
            who=message.who,
            command=message.name[:32],
            arguments=given[:200],
            effect="",
            status=outcome.status,
            reason=outcome.reason,
        )

    def _note_reading(self, call: Call) -> None:
        key = (call.door, call.who, call.spec.name)
        if key not in self._read:
            if len(self._read) >= READERS_KEPT:
                return
            door, who, command = key
            self.emit(CommandRead, door=door, who=who, command=command, times=1)
        self._read[key] = self._read.get(key, -1) + 1

    def on_tidy_due(self, _: TidyDue) -> None:
        """Says what was read since, and forgets what nobody can use any more."""
        for (door, who, command), times in self._read.items():
            if times:
                self.emit(CommandRead, door=door, who=who, command=command, times=times)
        self._read.clear()
        self._strangers.clear()
        now = self.clock.now()
        for token in [x for x, pending in self._pending.items() if now > pending.expires_at]:
            del self._pending[token]
        oldest = self.clock.monotonic() - REPLIES_KEPT_SECONDS
        for key in [x for x, kept in self._replies.items() if kept.since < oldest]:
            del self._replies[key]

    def on_get_vitals(self, _: GetVitals) -> VitalsSnapshot:
        """For health and metrics."""
        return snapshot(self._sources)

    # -- what it hears -------------------------------------------------------------------------

    def on_portfolio_observed(self, message: PortfolioObserved) -> None:
        self._sources.observe(message)

    def on_event(self, event: Event) -> None:
        if not isinstance(event, CommandReported):
            self._followers.hear(event)
        for listener in self._audience:
            try:
                listener.hear(event)
            except Exception:
                self.log.exception("listener_failed")


def _key(message: _Request | GetReply) -> _Key:
    """What tells requests apart: nobody is answered with what another was told.

    A repeatable command has a place of its own under its request id, and is in nobody's way.
    """
    place = _own_place(message.name) if isinstance(message, RunCommand | GetReply) else ""
    return (message.door, message.who, message.request_id, place)


def _own_place(name: str) -> str:
    """The command's name if it is repeatable, else empty."""
    spec = find(name)
    return spec.name if spec is not None and spec.is_repeatable else ""


def _only_reads(request: _Request) -> bool:
    spec = find(request.name) if isinstance(request, RunCommand) else None
    return spec is not None and spec.effect is Effect.READS


def _asked(request: _Request) -> tuple[object, ...]:
    """What a request asks for: two under one id must agree in it."""
    if isinstance(request, RunCommand):
        name = request.name.strip().removeprefix("/").lower()
        return (name, request.text.split(), sorted(request.arguments))
    return (type(request), request.token)


def _written(call: Call) -> str:
    """The arguments as one text, in the order of the table."""
    return " ".join(f"{name}={value}" for name, value in call.values.items() if value is not None)


Work = Callable[[Sources, Followers, Call], Answer]
WORK: Mapping[str, Work] = {**STATES, **READS, **ACTS}
"""Who does the work of each command."""


def without_work(specs: tuple[CommandSpec, ...]) -> list[str]:
    """Commands of the table that nobody carries out (a test keeps this empty)."""
    return [spec.name for spec in specs if spec.name not in WORK]


Desk.handlers = {
    RunCommand: Desk.on_run_command,
    ConfirmCommand: Desk.on_confirm_command,
    CancelConfirmation: Desk.on_cancel_confirmation,
    GetReply: Desk.on_get_reply,
    GetVitals: Desk.on_get_vitals,
    PortfolioObserved: Desk.on_portfolio_observed,
    TidyDue: Desk.on_tidy_due,
    Event: Desk.on_event,
}
