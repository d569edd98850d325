"""One run: a world, a venue, a disk, and processes of the daemon that come and go on them.

The hub of the world runs the script (`simulation.acting`); the court (`simulation.judging`)
watches. A process that ends is started again, as supervisord does.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import structlog
from greenlet import getcurrent

from actors.messages.base import Message
from actors.messages.lifecycle import ChildFailed
from actors.messages.trading import Ready
from actors.tree import Plan
from adapters.deribit.channels import account_channels, ticker_channel
from adapters.paper.faults.plan import FaultPlan
from adapters.paper.faults.weather import Weather
from adapters.paper.market import BookShape
from simulation.casting import Cast
from simulation.daemon import DEFAULT_LIMITS, Phone, VirtualDaemon, default_plan
from simulation.drawing import INSTRUMENTS
from simulation.judging import Court
from simulation.runtime import EPOCH, VirtualWorld
from simulation.script import Script
from simulation.storage import FileStorage
from simulation.tracing import Trace
from simulation.venue import VirtualMarket
from simulation.verdicts import Figures, Violation

RESTART_SECONDS = 1.5
WATCH_SECONDS = 1.0
IDLE_TICK_SECONDS = 4.0
"""Between two prices while nothing is open: less than what Risk calls stale (5 s). Nobody's money
hangs on them, and a fault or an order moves the market at its own moment."""
BACK = 0.0005
"""How fast prices come back to where they began: a share of the distance, each second."""
HANG_SECONDS = 35.0
"""After this a part that hangs has been noticed, and the process has ended."""
PRICES = {"btc_usd": 100_000.0, "eth_usd": 3_200.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a run. ``events`` are scheduler steps; ``seconds`` virtual."""

    seed: int
    violations: tuple[Violation, ...]
    digest: str
    events: int
    seconds: float
    processes: int
    trades: int
    faults: int
    figures: Figures
    trace: tuple[str, ...] = field(default=(), repr=False)


def plan_for_all(script: Script) -> Plan:
    """Every instrument the scripts trade, subscribed as the bot does, and room for all."""
    limits = replace(DEFAULT_LIMITS, max_trades_per_instrument=script.trades_per_instrument)
    plan = default_plan(instruments=INSTRUMENTS, bracket=script.bracket, limits=limits)
    tickers = tuple(ticker_channel(name) for name in INSTRUMENTS)
    return replace(plan, channels=(*account_channels(), *tickers))


class Stage:
    """A run in progress. ``trouble_until`` is when the world is kind again, as far as is known."""

    def __init__(
        self, script: Script, *, keeps_trace: bool = False, stops_early: bool = False
    ) -> None:
        self.script = script
        midnight = EPOCH.replace(hour=0)
        start = midnight + timedelta(hours=script.hour)
        self.world = VirtualWorld(script.seed, start=start)
        self.trace = Trace(self.world.monotonic, keeps_all=keeps_trace)
        self.market = VirtualMarket(
            self.world,
            seed=script.seed,
            shape=BookShape(premium_bps=0),
            one_way_seconds=script.one_way,
        )
        self.market.keeps_calls = False
        self.market.weather = Weather(
            self.market.exchange,
            FaultPlan(seed=script.seed),
            seed=script.seed,
            now_ms=self.world.now_ms(),
        )
        self.market.struck = self.struck
        self.storage = FileStorage(self.world)
        self.court = Court(self.market.exchange.engine, self.storage, self)
        self.phone = Phone()
        self.cast = Cast(self.trace, self.mishap)
        self.daemon: VirtualDaemon | None = None
        self.processes = 0
        self.faults = 0
        self.strays = 0
        self.trouble_until = 0.0
        self.hangs_until = 0.0
        self.mishaps: list[float] = []
        self.prices = dict(PRICES)
        self.crash_at_step: int | None = None
        self.after_crash: Callable[[], None] = self.boot
        self.kills_in_force = False
        self.owed_alerts: dict[int, str] = {}
        self.ends: list[str] = []
        self._stops_early = stops_early
        self._incarnations = 0
        self._up_since = 0.0
        self._dice = random.Random(f"{script.seed}.prices")  # noqa: S311 (reproducible on purpose)
        self._anchor = dict(PRICES)
        self.market.onlookers.append(self.court.look)
        self.market.hearers.append(self._heard)
        self.market.arrivals.append(self.court.carried_out)

    # -- what the court asks (`judging.World`) --------------------------------------------------

    def now(self) -> float:
        return self.world.monotonic()

    def kind_for(self) -> float:
        if self.daemon is None:
            return 0.0
        return max(0.0, self.now() - max(self.trouble_until, self._up_since))

    def speaker(self) -> str:
        return self.world.names.get(getcurrent(), "")

    def incarnations(self) -> int:
        return self._incarnations

    # -- what is noted -------------------------------------------------------------------------

    def struck(self, what: str, lasts: float = 0.0) -> None:
        """Something went wrong, and goes on for so long."""
        self.faults += 1
        self.trouble_until = max(self.trouble_until, self.now() + lasts)
        self.trace.note("*", what)

    def mishap(self, what: str, lasts: float = 0.0) -> None:
        """An actor was hit. One that hangs for long is ended by the supervisor."""
        self._incarnations += 1
        self.mishaps.append(self.now())
        lasts = min(lasts, HANG_SECONDS)
        self.hangs_until = max(self.hangs_until, self.now() + lasts)
        self.struck(what, lasts)

    def _heard(self, method: str, params: Any) -> None:
        told = " ".join(str(params[x]) for x in ("label", "order_id", "amount") if x in params)
        self.trace.note(self.speaker(), f"-> {method} {told}".rstrip())
        self.court.heard(method, params)

    # -- processes -----------------------------------------------------------------------------

    def boot(self) -> None:
        """A new process on the same folder, as supervisord starts it."""
        if self.daemon is not None:
            return
        holder = object()
        if not self.storage.take(holder):
            raise RuntimeError("the lock of a dead process is held")
        self.court.booted(kills_in_force=self.kills_in_force)
        try:
            self.daemon = VirtualDaemon(
                self.world,
                self.market,
                self.storage,
                plan=plan_for_all(self.script),
                phone=self.phone,
                derive=self.cast.derive,
            )
        except OSError as error:
            self.trace.note("*", f"does not start: {error}")
            self.storage.release(holder)
            self.later(RESTART_SECONDS, self.boot)
            return
        self._holder = holder
        self.processes += 1
        self._incarnations += 1
        self._up_since = self.now()
        self.trace.note("*", f"process {self.processes} starts")

    def crash(self, *, power_cut: bool) -> None:
        """The process is gone at this very switch point."""
        daemon, self.daemon = self.daemon, None
        if daemon is None:
            return
        self.struck("power cut" if power_cut else "kill -9")
        self.court.failed(daemon.events(ChildFailed))
        daemon.crash()
        self._owe()
        self.storage.crash(self.world.random, power_cut=power_cut)
        self.storage.release(self._holder)

    def _owe(self) -> None:
        """What is in the outbox now must be heard by somebody."""
        outbox = self.storage.durable_book().get("outbox", {})
        self.owed_alerts |= {x["number"]: x["text"] for x in outbox.values() if x["is_critical"]}

    def _gather(self) -> None:
        """A process that has ended by itself is buried, and started again."""
        daemon = self.daemon
        if daemon is None or not daemon.finished.is_set:
            return
        code = daemon.finished.get(timeout=0)
        self.trace.note("*", f"process ends with {code}: {'; '.join(daemon.escalations)}")
        self.daemon = None
        self.court.failed(daemon.events(ChildFailed))
        daemon.crash()
        self.storage.release(self._holder)
        if code:
            self.ends.append(f"{code} {'; '.join(daemon.escalations)}")
            self.court.ended(code, self._mishaps_lately(), daemon.escalations)
        self.later(RESTART_SECONDS, self.boot)

    def _mishaps_lately(self) -> bool:
        """Whether something happened that may end a process."""
        was_hit = any(self.now() - each < 120 for each in self.mishaps)
        return was_hit or self.now() - self.trouble_until < 120

    def knock(self, name: str, do: Callable[[VirtualDaemon], None]) -> None:
        """Somebody at a door of the process, in a thread of it: dies with it."""
        daemon = self.daemon
        if daemon is not None and not daemon.finished.is_set:
            daemon.process.launch(name, lambda: do(daemon))

    def ask(self, daemon: VirtualDaemon, message: Message, timeout: float = 20.0) -> Any:
        return daemon.ask("execution", message, timeout)

    # -- time ----------------------------------------------------------------------------------

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        self.world.at(self.now() + seconds, act)

    def run_for(self, seconds: float) -> None:
        """Runs the world; a crash that was ordered happens at its switch point."""
        end = self.now() + seconds
        while not self.world.run_until(self._must_crash, end - self.now()):
            if self.now() >= end:
                return
        if self.is_over:
            return
        self.crash_at_step = None
        self.after_crash()
        self.run_for(end - self.now())

    @property
    def is_over(self) -> bool:
        """Whether enough was seen."""
        return self._stops_early and bool(self.court.violations)

    def _must_crash(self) -> bool:
        if self._stops_early and self.court.violations:
            return True
        return self.crash_at_step is not None and self.world.steps >= self.crash_at_step

    def tick(self) -> None:
        """The market's heartbeat."""
        seconds = self.script.tick if self._is_busy() else IDLE_TICK_SECONDS
        for name, price in self.prices.items():
            anchor = self._anchor[name]
            drift = (anchor - price) * BACK * seconds
            step = self._dice.gauss(0, self.script.volatility * seconds**0.5)
            self.prices[name] = max(anchor * 0.05, (price + drift) * (1 + step))
        self.market.move(**{x: Decimal(f"{y:.2f}") for x, y in self.prices.items()})
        self.later(seconds, self.tick)

    def _is_busy(self) -> bool:
        """Whether somebody has something at stake at the venue."""
        engine = self.market.exchange.engine
        stakes = engine.account.stakes.values()
        return bool(engine.ledger.live) or any(x.holding.contracts for x in stakes)

    def watch(self) -> None:
        self._gather()
        self.court.watch()
        self.later(WATCH_SECONDS, self.watch)

    @property
    def is_ready(self) -> bool:
        return self.daemon is not None and bool(self.daemon.events(Ready))


def silence() -> None:
    """No log lines: what counts is judged from outside."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50), processors=[_drop])


def _drop(*_: Any) -> Any:
    raise structlog.DropEvent
