"""One incarnation of the whole daemon on virtual time: the production tree, a disk, a venue.

`Disk` outlives the daemon, as the venue does; everything else is born and dies with it.
"""

import copy
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from decimal import Decimal
from typing import Any, Protocol

from actors.kernel import Actor, Context, Supervisor, SupervisorPolicy, System
from actors.messages.alerts import DeliveryReport
from actors.messages.base import Event, Message
from actors.messages.lifecycle import StopAll
from actors.ports import REBUILDING, Book, Journal, Notice, TickArchive
from actors.strategist import Sizing
from actors.tree import SUPERVISOR, Plan, Ports, children, routes
from adapters.deribit.channels import account_channels, market_channels
from domain.risk import Limits
from simulation.process import VirtualProcess
from simulation.runtime import EPOCH, VirtualWorld
from simulation.venue import VirtualMarket


@dataclass
class Disk:
    """What survives: the book's tables, the journal's lines. ``is_full`` refuses writes.

    Of the lines, ``synced`` survive a power cut too; the tables always do.
    """

    tables: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=dict[str, dict[str, dict[str, Any]]]
    )
    lines: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])
    is_full: bool = False
    synced: int = 0

    def cut_power(self) -> None:
        """What was not brought to the platter is gone."""
        del self.lines[self.synced :]

    def check(self) -> None:
        if self.is_full:
            raise OSError(28, "No space left on device")

    def open(self, world: VirtualWorld) -> "Opened":
        """As the bot does: a book that is missing is made, and must be rebuilt."""
        del world
        if not self.tables:
            self.lose_book("")
        return Opened(DiskBook(self), DiskJournal(self))

    def lose_book(self, kept_aside: str) -> None:
        """The book was unreadable: what a start puts in its place."""
        table, key = REBUILDING
        self.tables = {table: {key: {"kept_aside": kept_aside}}}


@dataclass(frozen=True, slots=True)
class Opened:
    """What a process has of a disk."""

    book: Book
    journal: Journal


class Storage(Protocol):
    """What survives a process; it is opened anew by the next."""

    def open(self, world: VirtualWorld) -> Opened: ...


class DiskBook:
    """`Book` on a `Disk`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def put(self, table: str, key: str, document: Mapping[str, Any]) -> None:
        self._disk.check()
        self._disk.tables.setdefault(table, {})[key] = copy.deepcopy(dict(document))

    def remove(self, table: str, key: str) -> None:
        self._disk.check()
        self._disk.tables.get(table, {}).pop(key, None)

    def load(self) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        return copy.deepcopy(self._disk.tables)


class DiskJournal:
    """`Journal` on a `Disk`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def append(self, entry: Mapping[str, Any], *, durable: bool) -> None:
        self._disk.check()
        self._disk.lines.append(dict(entry))
        if durable:
            self._disk.synced = len(self._disk.lines)

    def entries(self, *, days: int | None = None) -> Iterator[Mapping[str, Any]]:
        del days
        return iter(list(self._disk.lines))

    def find(
        self, *, events: Collection[str] = (), text: str = "", days: int
    ) -> Sequence[Mapping[str, Any]]:
        del days
        return [
            line
            for line in self._disk.lines
            if line.get("event") in events or (text and any(text in str(x) for x in line.values()))
        ]


@dataclass
class Phone:
    """`Notifier` into a list. ``is_off`` refuses."""

    heard: list[str] = field(default_factory=list[str])
    numbers: set[int] = field(default_factory=set[int])
    is_off: bool = False

    def send(self, notice: Notice, done: Callable[[DeliveryReport], None]) -> None:
        if self.is_off:
            raise ConnectionError("the network is unreachable")
        self.heard.append(f"! {notice.text}" if notice.is_critical else notice.text)
        self.numbers.update(notice.numbers)
        done(DeliveryReport(at=EPOCH, number=notice.number))

    def shout(self, text: str) -> None:
        self.heard.append(f"!! {text}")


class RecordingSystem(System):
    """A system that keeps every published event, for judges."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.events: list[Event] = []
        self.by_kind: dict[type[Event], list[Event]] = {}

    def publish(self, sender: str, event: Event) -> None:
        self.events.append(event)
        self.by_kind.setdefault(type(event), []).append(event)
        super().publish(sender, event)


BRACKET = "SCENARIO_BRACKET"
"""In the environment: how the brackets of a plan that does not say are sent."""
DEFAULT_LIMITS = Limits(
    max_daily_loss_pct=Decimal("0.5"),
    max_open_trades=5,
    max_trades_per_instrument=1,
    max_notional_usd=Decimal(1_000_000),
    initial_equity_usd=None,
)


def default_plan(**changes: Any) -> Plan:
    """A plan on BTC and ETH inverse and BTC linear, without strategies."""
    instruments = ("BTC-PERPETUAL", "ETH-PERPETUAL", "BTC_USDC-PERPETUAL")
    markets = tuple(x for name in instruments for x in market_channels(name))
    settings: dict[str, Any] = {
        "instruments": instruments,
        "channels": (*account_channels(), *markets),
        "limits": DEFAULT_LIMITS,
        "sizing": Sizing(risk_per_trade_pct=Decimal("0.005"), max_notional_usd=Decimal(100_000)),
        "timezone": UTC,
        "bracket": os.environ.get(BRACKET, "sequential"),
    }
    return Plan(**(settings | changes))


class VirtualDaemon:
    """A running daemon. Ending the process without a word is `crash`; in order is `stop`.

    ``derive`` makes the class that really runs out of a production class.
    """

    def __init__(
        self,
        world: VirtualWorld,
        market: VirtualMarket,
        disk: Storage,
        *,
        plan: Plan | None = None,
        phone: Phone | None = None,
        policy: SupervisorPolicy | None = None,
        archive: TickArchive | None = None,
        derive: Callable[[type[Actor]], type[Actor]] = lambda actor: actor,
    ) -> None:
        self.world = world
        self.market = market
        self.phone = phone or Phone()
        self.escalations: list[str] = []
        self._process = VirtualProcess(world)
        self.system = RecordingSystem(
            runtime=self._process,
            clock=world,
            timers=self._process,
            entropy=world,
            routes=routes(),
        )
        opened = disk.open(world)
        venue, session = market.client(self._publish)
        self.venue, self._session = venue, session
        ports = Ports(
            venue=venue,
            session=session,
            book=opened.book,
            journal=opened.journal,
            notifier=self.phone,
            archive=archive,
        )
        self.finished = world.future()
        Supervisor.start(
            Context(SUPERVISOR, 1, self.system),
            children=children(plan or default_plan(), ports),
            policy=policy or SupervisorPolicy(),
            escalate=self._escalate,
            finished=self.finished,
            derive=derive,
        )

    def _escalate(self, reason: str) -> None:
        """As in production: the gate is closed, and a person told on a path of its own."""
        self.escalations.append(reason)
        self.venue.lock_entries(reason)
        self.phone.shout(f"GIVING UP: {reason}\nStops stay on the venue.")

    @property
    def process(self) -> VirtualProcess:
        """Where its threads run: whoever knocks at its doors from inside dies with it."""
        return self._process

    def _publish(self, report: Message) -> None:
        if not self._process.is_dead:
            self.system.route(report)

    # -- for tests --------------------------------------------------------------------------

    def events(self, kind: type[Event]) -> list[Any]:
        """Every event of this class so far."""
        return list(self.system.by_kind.get(kind, ()))

    def wait_for(self, kind: type[Event], count: int = 1, limit: float = 60.0) -> Any:
        """Runs the world until that many such events exist; returns the last of them.

        Raises:
            AssertionError: they did not come within ``limit`` virtual seconds.
        """
        found = self.system.by_kind.setdefault(kind, [])
        if not self.world.run_until(lambda: len(found) >= count, limit):
            tail = "\n".join(repr(event) for event in self.system.events[-12:])
            raise AssertionError(f"no {kind.__name__} within {limit:g} s; last:\n{tail}")
        return found[count - 1]

    def ask(self, name: str, message: Message, timeout: float = 30.0) -> Any:
        """Asks an actor from the hub."""
        return self.system.address(name).ask(message, timeout)

    def crash(self) -> None:
        """``kill -9``: nobody says or does anything any more; the venue sees the line break."""
        self._process.kill()
        self._session.close()

    def stop(self) -> int:
        """The ordered end; returns the exit code."""
        stop = StopAll(at=self.world.now(), reason="test")
        self.system.address(SUPERVISOR).tell(stop)
        return self.finished.get(timeout=120)
