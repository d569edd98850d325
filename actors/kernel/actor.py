"""The base of every actor: handler table, publishing, wake-ups, and how it dies.

An exception in a handler ends the incarnation: the message goes to the dead letters with its
traceback, the supervisor is told, and the successor goes on with the rest of the mailbox. An
ask is no exception to this: the asker gets `AskFailed`, the asked still restarts, because its
state is no longer trusted.
"""

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, TypeVar

import pykka
import structlog

from actors.kernel.address import Address, AskFailed, Question
from actors.kernel.runtime import Inbox
from actors.kernel.system import Context
from actors.messages.base import Command, Due, Event, Message, event_name
from actors.messages.lifecycle import ChildFailed, ChildStopped, Phase, Started

HandlerTable = Mapping[type[Message], Callable[[Any, Any], Any]]
E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class _Wake:
    """A timer's call. It counts while it is the one armed for its kind: once replaced, disarmed
    or armed by a dead incarnation it means nothing, even if it waits in the mailbox already.
    """

    kind: type[Due]


@dataclass(frozen=True, slots=True)
class _Schedule:
    """Periodic work on an absolute schedule: ``first + n * period`` (monotonic seconds)."""

    first: float
    period: float

    def next_after(self, now: float) -> float:
        """The first scheduled moment after ``now``; missed ones are skipped."""
        number = max(0, int((now - self.first) // self.period) + 1)
        if self.first + number * self.period <= now:
            number += 1  # the quotient of the present tick itself may round down by one
        return self.first + number * self.period


class Actor(pykka.ThreadingActor):
    """One isolated worker. Subclasses fill `handlers` and may override `recover`."""

    handlers: ClassVar[HandlerTable] = {}

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self.name = context.name
        self.system = context.system
        self.clock = context.system.clock
        self.entropy = context.system.entropy
        self.log = structlog.get_logger().bind(actor=context.name)
        self.working_since: float | None = None
        self.has_ended = False
        self._address = context.system.address(context.name)
        self._handling: object = None
        self._phase = Phase.STARTING
        self._schedules: dict[type[Due], _Schedule] = {}
        self._armed: dict[type[Due], tuple[_Wake, object]] = {}
        self._afterwards: list[Callable[[], None]] = []
        self._has_said_so = False
        self._handler_by_kind: dict[type[Message], Callable[[Any, Any], Any] | None] = {}
        # The ref has taken the inbox pykka made; both must be the one behind the address.
        self.actor_inbox = Inbox(self._address.mailbox)
        self.actor_ref.actor_inbox = self.actor_inbox
        context.system.incumbents[context.name] = self

    # -- for subclasses --------------------------------------------------------------------

    def recover(self) -> None:
        """Brings the actor to where its predecessor was. Runs in its own thread, first."""

    def finish(self) -> None:
        """Last words, in the actor's own thread, when it stops in order."""

    def to(self, name: str) -> Address:
        """The address of another actor."""
        return self.system.address(name)

    def emit(self, kind: type[E], **fields: Any) -> E:
        """Publishes an event, stamped with the time and the message being handled."""
        event = kind(at=self.clock.now(), **{"cause": self.cause} | fields)
        self.system.publish(self.name, event)
        return event

    @property
    def cause(self) -> str:
        """What is being handled right now, for messages that follow from it."""
        return event_name(type(self._handling)) if isinstance(self._handling, Message) else ""

    def after(self, seconds: float, kind: type[Due]) -> None:
        """Wakes this incarnation with ``kind`` once; arming the same kind again replaces it."""
        self._schedules.pop(kind, None)
        self._arm(kind, self.clock.monotonic() + seconds)

    def every(self, seconds: float, kind: type[Due]) -> None:
        """Wakes this incarnation periodically. The next call is armed after handling one."""
        schedule = _Schedule(self.clock.monotonic() + seconds, seconds)
        self._schedules[kind] = schedule
        self._arm(kind, schedule.first)

    def disarm(self, kind: type[Due]) -> None:
        """Cancels a wake-up, if one is armed."""
        self._schedules.pop(kind, None)
        armed = self._armed.pop(kind, None)
        if armed is not None:
            self.system.timers.cancel(armed[1])

    def afterwards(self, work: Callable[[], None]) -> None:
        """Does this as part of the message being handled, but after its asker has the answer."""
        self._afterwards.append(work)

    def retire(self) -> None:
        """Ends this actor for good, after the messages already waiting."""
        self.request_stop()

    def request_stop(self) -> None:
        """Asks for an ordered end: what waits in the mailbox is handled first."""
        self.actor_ref.stop(block=False)

    # -- pykka's hooks, all in the actor's own thread ---------------------------------------

    def _start_actor_loop(self) -> None:
        # pykka's registry is one per process: it would keep dead systems and tie living ones.
        pykka.ActorRegistry.unregister(self.actor_ref)
        self.system.runtime.launch(self.name, self._live)

    def _live(self) -> None:
        """The whole life, in the actor's own thread. Nobody leaves it without a word."""
        try:
            self._actor_loop()
        finally:
            self.has_ended = True
            if not self._has_said_so:
                self._report_failure("it ended without a word")

    def on_start(self) -> None:
        self._work_begins(None)
        try:
            self.recover()
        except BaseException as error:
            # pykka calls no hook when on_start fails, so it is reported here.
            self._died(error)
            if isinstance(error, Exception):
                raise
            raise _contained(error) from error
        finally:
            self.working_since = None
        self._phase = Phase.RUNNING
        self._supervisor().tell(
            Started(at=self.clock.now(), name=self.name, incarnation=self.context.incarnation)
        )

    def on_receive(self, message: Any) -> None:
        self._work_begins(message)
        try:
            match message:
                case _Wake():
                    self._wake(message)
                case Question():
                    self._answer(message)
                case _:
                    self._handle(message)
            while self._afterwards:
                self._afterwards.pop(0)()
        except Exception:
            raise
        except BaseException as error:
            raise _contained(error) from error
        finally:
            self.working_since = None

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        del exception_type, traceback
        self._died(exception_value or RuntimeError("unknown failure"))

    def on_stop(self) -> None:
        for kind in list(self._armed):
            self.disarm(kind)
        try:
            self.finish()
        except BaseException:
            self.log.exception("finish_failed")
        self._supervisor().tell(
            ChildStopped(at=self.clock.now(), name=self.name, incarnation=self.context.incarnation)
        )
        self._has_said_so = True

    # -- inside -----------------------------------------------------------------------------

    def _supervisor(self) -> Address:
        return self.system.address(self.context.supervisor)

    def _work_begins(self, message: object) -> None:
        self._handling = message.message if isinstance(message, Question) else message
        self.working_since = self.clock.monotonic()

    def _handler(self, kind: type[Message]) -> Callable[[Any, Any], Any] | None:
        """The handler of this class, or of the nearest base that has one (listeners to all)."""
        found = self._handler_by_kind
        if kind not in found:
            bases = (base for base in kind.__mro__ if base in self.handlers)
            found[kind] = next((self.handlers[base] for base in bases), None)
        return found[kind]

    def _refusal(self, message: Message) -> str:
        """Why this message will not be handled; empty when it will."""
        if self._handler(type(message)) is None:
            return "no handler for this message"
        expires_at = message.expires_at if isinstance(message, Command) else None
        if expires_at is not None and self.clock.now() > expires_at:
            return "expired before it was handled"
        return ""

    def _handle(self, message: Message) -> None:
        refusal = self._refusal(message)
        if refusal:
            self.system.dead_letter(self.name, message, refusal)
        else:
            self._call(message)

    def _call(self, message: Message) -> Any:
        handler = self._handler(type(message))
        return handler(self, message) if handler else None

    def _answer(self, question: Question) -> None:
        message = question.message
        late = self.clock.monotonic() > question.deadline
        refusal = "the asker has given up" if late else self._refusal(message)
        if refusal:
            self.system.dead_letter(self.name, message, refusal)
            question.refuse(AskFailed(f"{self.name}: {refusal}"))
            return
        try:
            answer = self._call(message)
        except BaseException as error:
            failure = AskFailed(f"{self.name} failed on {type(message).__name__}")
            failure.__cause__ = error
            question.refuse(failure)
            raise
        question.reply.set(answer)

    def _wake(self, wake: _Wake) -> None:
        armed = self._armed.get(wake.kind)
        if armed is None or armed[0] is not wake:
            return
        del self._armed[wake.kind]
        due = wake.kind(at=self.clock.now())
        self._handling = due
        try:
            self._handle(due)
        finally:
            schedule = self._schedules.get(wake.kind)
            if schedule is not None and wake.kind not in self._armed:
                self._arm(wake.kind, schedule.next_after(self.clock.monotonic()))

    def _arm(self, kind: type[Due], when: float) -> None:
        armed = self._armed.pop(kind, None)
        if armed is not None:
            self.system.timers.cancel(armed[1])
        wake = _Wake(kind)
        handle = self.system.timers.at(when, lambda: self._address.put_raw(wake))
        self._armed[kind] = (wake, handle)

    def _died(self, error: BaseException) -> None:
        for kind in list(self._armed):
            self.disarm(kind)
        trace = "".join(traceback.format_exception(error))
        if self._handling is not None:
            self.system.dead_letter(self.name, self._handling, "its handler failed", trace)
        else:
            self.log.error("actor_start_failed", trace=trace)
        self._report_failure(f"{type(error).__name__}: {error}")

    def _report_failure(self, what: str) -> None:
        self._supervisor().tell(
            ChildFailed(
                at=self.clock.now(),
                name=self.name,
                incarnation=self.context.incarnation,
                phase=self._phase,
                error=what,
                handling=type(self._handling).__name__ if self._handling is not None else "",
            )
        )
        self._has_said_so = True


def _contained(error: BaseException) -> RuntimeError:
    """What pykka may see: for a `SystemExit` it would stop every actor of the process."""
    return RuntimeError(f"{type(error).__name__} in an actor: {error}")
