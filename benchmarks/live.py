"""The daemon as it runs: actors on threads, the real client over a real socket, the real disk."""

import queue
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog

from actors.kernel import Address, Context, Supervisor, SupervisorPolicy, System
from actors.kernel.runtime import ThreadRuntime
from actors.messages.alerts import DeliveryReport
from actors.messages.base import Event, Message
from actors.messages.lifecycle import StopAll
from actors.messages.risk import DayBegan
from actors.messages.trading import Ready
from actors.messages.venue import ChangesReport, TickerReport
from actors.ports import Notice
from actors.strategist import Sizing
from actors.tree import SUPERVISOR, Plan, Ports, children, routes
from adapters.clock import SystemClock, SystemEntropy, ThreadTimers
from adapters.deribit.catalogue import Catalogue
from adapters.deribit.channels import Channels, account_channels, market_channels
from adapters.deribit.http import HttpRpc
from adapters.deribit.limits import Limiter
from adapters.deribit.server_clock import ServerClock
from adapters.deribit.session import DeribitSession
from adapters.deribit.venue import DeribitVenue
from adapters.deribit.websocket import WebSocketRpc
from adapters.storage.book import open_book
from adapters.storage.journal import DayJournal
from benchmarks.exchange import MID
from benchmarks.measuring import SWITCH_INTERVAL, now, pause
from config.logs import configure
from domain.risk import Limits

INSTRUMENT = "BTC-PERPETUAL"
_SECONDS = 30.0
_LOOK_SECONDS = 0.0005


# -- the client, listened to -----------------------------------------------------------------------


@dataclass(slots=True)
class Call:
    """One request: when it was handed over, when its bytes had left, when the reply was parsed.

    Seconds on the clock of `measuring.now`; ``written`` is only known for entries.
    """

    method: str
    params: Mapping[str, Any]
    sent: float
    written: float = 0.0
    answered: float = 0.0


class _Stamp:
    """Notes when the gate around the write of an entry is left: its bytes are on the wire."""

    def __init__(self, gate: AbstractContextManager[None], call: Call) -> None:
        self._gate = gate
        self._call = call

    def __enter__(self) -> None:
        self._gate.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._call.written = now()
        self._gate.__exit__(kind, error, trace)


class Tap:
    """A transport that notes when everything happened."""

    def __init__(self, rpc: WebSocketRpc) -> None:
        self._rpc = rpc
        self.calls: list[Call] = []

    def call(self, method: str, params: Mapping[str, Any], *, timeout: float) -> Any:
        with self._noted(method, params):
            return self._rpc.call(method, params, timeout=timeout)

    def call_through(
        self,
        gate: AbstractContextManager[None],
        method: str,
        params: Mapping[str, Any],
        *,
        timeout: float,
    ) -> Any:
        with self._noted(method, params) as call:
            return self._rpc.call_through(_Stamp(gate, call), method, params, timeout=timeout)

    @contextmanager
    def _noted(self, method: str, params: Mapping[str, Any]) -> Generator[Call]:
        call = Call(method, params, now())
        self.calls.append(call)
        yield call
        call.answered = now()

    def labelled(self, label: str) -> Call:
        """The request that carried this label."""
        return next(x for x in reversed(self.calls) if x.params.get("label") == label)


# -- the daemon ------------------------------------------------------------------------------------


class _Watched(System):
    """A system whose events of the kinds in ``wanted`` can be waited for."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.wanted: tuple[type[Event], ...] = (Ready, DayBegan)
        self.seen: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def publish(self, sender: str, event: Event) -> None:
        super().publish(sender, event)
        if isinstance(event, self.wanted):
            self.seen.put(event)


class LiveDaemon:
    """The production tree on threads, ready to trade.

    ``changes`` holds what the venue pushed about orders and when it was heard.
    """

    def __init__(self, system: _Watched, tap: Tap) -> None:
        self.system = system
        self.tap = tap
        self.mark = MID
        self.changes: list[tuple[float, ChangesReport]] = []

    def heard(self, report: Message) -> None:
        """Passes a report of the venue on, as the composition root does."""
        if isinstance(report, ChangesReport):
            self.changes.append((now(), report))
        elif isinstance(report, TickerReport):
            self.mark = report.ticker.mark_price
        self.system.route(report)

    def wait_for(self, kind: type[Event]) -> Any:
        """The next event of this kind among those wanted.

        Raises:
            queue.Empty: it does not come.
        """
        while True:
            event = self.system.seen.get(timeout=_SECONDS)
            if type(event) is kind:
                return event

    def ask(self, name: str, message: Message) -> Any:
        return self.system.address(name).ask(message, _SECONDS)

    def settle(self) -> None:
        """Waits until nobody works and nothing waits: what went before is no part of what comes."""
        while any(self._is_busy(address) for address in self.system.addresses()):
            pause(_LOOK_SECONDS)

    def _is_busy(self, address: Address) -> bool:
        living = self.system.incumbents.get(address.name)
        return living is not None and (
            living.working_since is not None or address.mailbox.qsize() > 0
        )


class _Silent:
    """A phone nobody listens to."""

    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock

    def send(self, notice: Notice, done: Callable[[DeliveryReport], None]) -> None:
        done(DeliveryReport(at=self._clock.now(), number=notice.number))

    def shout(self, text: str) -> None: ...


@contextmanager
def live_daemon(folder: Path, port: int) -> Generator[LiveDaemon]:
    """A daemon on the exchange at ``port``, with its book, journal and log below ``folder``."""
    clock = SystemClock()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL)
    with ExitStack() as stack:
        stack.callback(sys.setswitchinterval, interval)
        stack.callback(structlog.reset_defaults)
        stack.enter_context(configure(folder / "logs", "INFO", terminal=False, clock=clock))
        timers = ThreadTimers()
        stack.callback(timers.close)
        runtime = ThreadRuntime()
        system = _Watched(
            runtime=runtime,
            clock=clock,
            timers=timers,
            entropy=SystemEntropy(),
            routes=routes(),
        )
        daemon, ports = _wired(system, clock, folder, port, stack)
        _run(daemon, ports, runtime, stack)
        yield daemon


def _wired(
    system: _Watched, clock: SystemClock, folder: Path, port: int, stack: ExitStack
) -> tuple[LiveDaemon, Ports]:
    catalogue, server_clock = Catalogue(), ServerClock(clock)

    def heard(report: Message) -> None:
        daemon.heard(report)

    channels = Channels(catalogue, clock, heard)
    stream = WebSocketRpc(
        f"ws://127.0.0.1:{port}/ws/api/v2",
        clock,
        on_notification=channels.on_notification,
        on_lost=channels.on_lost,
    )
    plain = HttpRpc(f"http://127.0.0.1:{port}/api/v2")
    daemon = LiveDaemon(system, Tap(stream))
    book = open_book(folder / "registry.json", clock.now())
    stack.callback(book.close)
    journal = DayJournal(folder / "journal", clock)
    stack.callback(journal.close)
    ports = Ports(
        venue=DeribitVenue(
            daemon.tap, plain, catalogue, clock, Limiter(clock), server_clock=server_clock
        ),
        session=DeribitSession(stream, plain, server_clock, "paper", "paper"),
        book=book,
        journal=journal,
        notifier=_Silent(clock),
    )
    return daemon, ports


def _run(daemon: LiveDaemon, ports: Ports, runtime: ThreadRuntime, stack: ExitStack) -> None:
    """Starts the tree, waits until it may trade, and stops it at the end."""
    system = daemon.system
    finished = runtime.future()
    system.address(SUPERVISOR).is_open = True

    def ignore(_: str) -> None: ...

    Supervisor.start(
        Context(SUPERVISOR, 1, system),
        children=children(_plan(), ports),
        policy=SupervisorPolicy(),
        escalate=ignore,
        finished=finished,
    )

    def stop() -> None:
        stop_all = StopAll(at=system.clock.now(), reason="benchmark over")
        system.address(SUPERVISOR).tell(stop_all)
        finished.get(timeout=_SECONDS)
        runtime.join(5)

    stack.callback(stop)
    # The order in which the two come is not said.
    waited = {type(system.seen.get(timeout=_SECONDS)) for _ in range(2)}
    if waited != {Ready, DayBegan}:
        raise RuntimeError(f"not ready, but {waited}")


def _plan() -> Plan:
    return Plan(
        instruments=(INSTRUMENT,),
        channels=(*account_channels(), *market_channels(INSTRUMENT)),
        limits=Limits(
            max_daily_loss_pct=Decimal("0.5"),
            max_open_trades=2,
            max_trades_per_instrument=2,
            max_notional_usd=Decimal(10**6),
            initial_equity_usd=None,
        ),
        sizing=Sizing(risk_per_trade_pct=Decimal("0.005"), max_notional_usd=Decimal(10**5)),
        timezone=UTC,
    )
