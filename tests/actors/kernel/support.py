"""A supervised system on the virtual world, and actors that do what a test tells them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from actors.kernel import Actor, ChildSpec, Context, Family, Supervisor, SupervisorPolicy, System
from actors.kernel.actor import HandlerTable
from actors.kernel.system import Routes
from actors.messages.base import Command, Due, Event, Message, Query, Report
from actors.messages.lifecycle import StopAll
from simulation.runtime import VirtualWorld

STEADY = SupervisorPolicy(backoff_first=1.0, jitter=0.0)
"""Restarts after exactly 1, 2, 4, 8 and 10 s."""

EAR = "ear"
"""A name nobody runs under: its mailbox keeps every published event for the test to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Do(Command):
    """Runs ``action`` with the actor, inside its handler."""

    action: Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class GetDone(Query):
    """Runs ``action`` with the actor; what it returns is the answer."""

    action: Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Command):
    """Goes into the diary."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unheard(Command):
    """Nobody has a handler for this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceReport(Report):
    """Worthless when old."""

    perishable: ClassVar[bool] = True
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FillReport(Report):
    """Never worthless."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BellRang(Event):
    """An event with a value, an empty field and a `None`."""

    level: ClassVar[str] = "warning"
    times: int = 1
    place: str = ""
    ringer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TickDue(Due):
    """A wake-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherDue(Due):
    """Another wake-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayDue(Due):
    """A wake-up nobody has a handler for."""


Diary = list[str]
Act = Callable[["Probe"], None]


def nothing(_: "Probe") -> None:
    """Does nothing."""


@dataclass(slots=True)
class Script:
    """What a probe does at its birth, start, wake-ups and end. Shared by all incarnations."""

    on_birth: Act = nothing
    on_recover: Act = nothing
    on_tick: Act = nothing
    on_finish: Act = nothing


class Probe(Actor):
    """Writes what happens to it into the diary and follows its script."""

    def __init__(
        self,
        context: Context,
        *,
        diary: Diary,
        script: Script,
        argument: Message | None = None,
    ) -> None:
        super().__init__(context)
        self.diary = diary
        self.script = script
        self.argument = argument
        script.on_birth(self)

    def write(self, what: str) -> None:
        """One line: who, what, when."""
        self.diary.append(f"{self.name} {what} @{self.clock.monotonic():g}")

    def write_argument(self) -> None:
        """One line: the argument it was started with, which is a `Note`."""
        self.write(self.argument.text if isinstance(self.argument, Note) else "nothing")

    def recover(self) -> None:
        self.write(f"starts #{self.context.incarnation}")
        self.script.on_recover(self)
        self.write(f"ready #{self.context.incarnation}")

    def finish(self) -> None:
        self.write("ends")
        self.script.on_finish(self)

    def on_do(self, message: Do) -> None:
        message.action(self)

    def on_get_done(self, message: GetDone) -> Any:
        return message.action(self)

    def on_note(self, message: Note) -> None:
        self.write(message.text)

    def on_price_report(self, message: PriceReport) -> None:
        self.write(f"price {message.number}")

    def on_fill_report(self, message: FillReport) -> None:
        self.write(f"fill {message.number}")

    def on_bell_rang(self, message: BellRang) -> None:
        self.write(f"bell {message.times}")

    def on_tick_due(self, _: TickDue) -> None:
        self.write("tick")
        self.script.on_tick(self)

    def on_other_due(self, _: OtherDue) -> None:
        self.write("other")

    handlers: ClassVar[HandlerTable] = {
        Do: on_do,
        GetDone: on_get_done,
        Note: on_note,
        PriceReport: on_price_report,
        FillReport: on_fill_report,
        BellRang: on_bell_rang,
        TickDue: on_tick_due,
        OtherDue: on_other_due,
    }


@dataclass(slots=True)
class Rig:
    """A supervisor with probes for children, on virtual time, driven from the test."""

    seed: int = 0
    policy: SupervisorPolicy = STEADY
    routes: Mapping[type[Message], tuple[str, ...]] = field(
        default_factory=dict[type[Message], tuple[str, ...]]
    )
    escalate: Callable[[str], None] | None = None
    listeners: tuple[str, ...] = (EAR,)
    diary: Diary = field(default_factory=Diary)
    escalated: list[str] = field(default_factory=list[str])
    children: list[ChildSpec | Family] = field(default_factory=list[ChildSpec | Family])
    heard: list[Event] = field(default_factory=list[Event])
    world: VirtualWorld = field(init=False)
    system: System = field(init=False)
    finished: Any = field(init=False)

    def __post_init__(self) -> None:
        self.world = VirtualWorld(self.seed, steps_per_instant=50_000)
        self.finished = self.world.future()
        self.system = System(
            runtime=self.world,
            clock=self.world,
            timers=self.world,
            entropy=self.world,
            routes=Routes(self.routes, self.listeners),
        )
        self.system.address(EAR).is_open = True

    def child(self, name: str, script: Script | None = None, **budgets: float) -> None:
        """Declares a permanent child."""
        arguments = {"diary": self.diary, "script": script or Script()}
        self.children.append(ChildSpec(name=name, actor=Probe, arguments=arguments, **budgets))

    def family(self, name: str, script: Script | None = None, **budgets: float) -> None:
        """Declares a family."""
        arguments = {"diary": self.diary, "script": script or Script()}
        self.children.append(Family(name=name, actor=Probe, arguments=arguments, **budgets))

    def start(self, *names: str) -> None:
        """Starts the supervisor with what was declared and ``names``; nobody has run yet."""
        for name in names:
            self.child(name)
        Supervisor.start(
            Context("supervisor", 1, self.system),
            children=self.children,
            policy=self.policy,
            escalate=self.escalate or self.escalated.append,
            finished=self.finished,
        )

    def run(self, seconds: float = 1.0) -> None:
        """Lets virtual time pass; with 0, all that can happen now."""
        self.world.run_for(seconds)

    def tell(self, name: str, *messages: Message) -> None:
        """Tells from outside."""
        for message in messages:
            self.system.address(name).tell(message)

    def do(self, name: str, action: Callable[[Probe], Any]) -> None:
        """Has the actor run ``action`` in its handler, some time."""
        self.tell(name, Do(at=self.world.now(), action=action))

    def note(self, name: str, *texts: str) -> None:
        """Has the actor write."""
        self.tell(name, *(Note(at=self.world.now(), text=text) for text in texts))

    def stop(self, reason: str = "done", exit_code: int = 0) -> None:
        """Orders the stop."""
        self.tell("supervisor", StopAll(at=self.world.now(), reason=reason, exit_code=exit_code))

    def exit_code(self) -> int | None:
        """What the supervisor ended with; None while it has not."""
        return self.finished.get(timeout=0) if self.finished.is_set else None

    def events(self, kind: type[Event] = Event) -> list[Any]:
        """Everything of that kind published since the start, or since `hush`."""
        mailbox = self.system.address(EAR).mailbox
        self.heard += [mailbox.get().message for _ in range(mailbox.qsize())]
        return [event for event in self.heard if isinstance(event, kind)]

    def hush(self) -> None:
        """Forgets what was published so far."""
        self.events()
        self.heard.clear()

    def letters(self) -> list[tuple[str, str, str]]:
        """The dead letters: receiver, message, reason."""
        return [(each.receiver, each.message, each.reason) for each in self.system.dead_letters]

    def says(self, *words: str) -> list[str]:
        """The diary's lines holding any of ``words``."""
        return [line for line in self.diary if any(word in line.split() for word in words)]

    def close(self) -> None:
        """Ends the world and everyone in it."""
        self.world.close()


class Unnamable(str):
    """A name that cannot be looked up: who tries fails, in the same words in every Python."""

    __slots__ = ()

    def __hash__(self) -> int:
        raise ValueError("no name")


def fail(error: BaseException) -> Callable[[Any], Any]:
    """An action that raises ``error``."""

    def action(_: object) -> None:
        raise error

    return action


def fail_times(times: int, error: BaseException | None = None) -> Callable[[Any], Any]:
    """An action that raises the first ``times`` times."""
    left = [times]

    def action(_: object) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise error or ValueError("as told")

    return action


def sleep(seconds: float) -> Callable[[Any], Any]:
    """An action that blocks for ``seconds``."""

    def action(actor: Probe) -> None:
        actor.clock.sleep(seconds)

    return action


def names(lines: Sequence[str]) -> list[str]:
    """Who wrote each line."""
    return [line.split()[0] for line in lines]
