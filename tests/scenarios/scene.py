"""One world, one venue, one disk, one phone, and the daemon's processes that come and go on them.

The daemon is the production tree over the production client; what is asserted is what the
engine holds and what was published. `Scene.judge` are the invariants that hold in every scenario
once the world is quiet.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from actors.kernel import Actor, SupervisorPolicy
from actors.messages.base import Event, Message
from actors.messages.risk import DayBegan, Denied
from actors.messages.trading import (
    CloseTrade,
    Flatten,
    GetExecution,
    OpenTrade,
    Ready,
    Resume,
    TradeAccepted,
    TradeOpened,
)
from actors.registry import check_book
from actors.tree import Plan
from adapters.paper.faults.plan import AnyFault, FaultPlan
from adapters.paper.faults.weather import Weather
from adapters.paper.market import BookShape
from adapters.paper.records import OrderRecord
from adapters.paper.switches import Switches
from domain import labels
from domain.labels import Role
from domain.orders import STOP_TYPES, OrderState
from domain.trade import Trade
from simulation.daemon import Disk, Phone, VirtualDaemon, default_plan
from simulation.runtime import EPOCH, VirtualWorld
from simulation.venue import Fate, Refusal, VirtualMarket, no_faults

BTC, ETH, LINEAR = "BTC-PERPETUAL", "ETH-PERPETUAL", "BTC_USDC-PERPETUAL"
PLACE = ("private/buy", "private/sell")
RESTING_TICK = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Poison(Message):
    """What its receiver cannot stomach: the handler raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell(Message):
    """Its receiver works on it for so many seconds."""

    seconds: float


def poisonable(actor: type[Actor]) -> type[Actor]:
    """The production class, with two more handlers that go wrong on purpose."""

    def on_poison(self: Actor, message: Poison) -> None:
        raise RuntimeError(f"{self.name} was poisoned")

    def on_spell(self: Actor, message: Spell) -> None:
        self.clock.sleep(message.seconds)

    table = {**actor.handlers, Poison: on_poison, Spell: on_spell}
    return type(actor.__name__, (actor,), {"handlers": table})


class Once:
    """A fault that befalls the next request which matches, and those after it up to ``times``.

    ``role`` is that of the label an order carries; without one, every such method matches.
    """

    def __init__(
        self,
        fate: Fate | Refusal,
        *methods: str,
        role: Role | None = None,
        times: int = 1,
    ) -> None:
        self._fate = fate
        self._methods = methods
        self._role = role
        self.left = times

    def __call__(self, method: str, params: Mapping[str, Any]) -> Fate | Refusal | None:
        if self.left == 0 or (self._methods and method not in self._methods):
            return None
        label = labels.parse(str(params.get("label", "")))
        if self._role is not None and (label is None or label.role is not self._role):
            return None
        self.left -= 1
        return self._fate


VENUE = "SCENARIO_VENUE"


def switched() -> Switches:
    """The venue's doubtful ways: usual, or as the environment says (``fired_label=dropped``).

    `test_switches` plays all scenarios again at each of them.
    """
    name, _, value = os.environ.get(VENUE, "").partition("=")
    if not name:
        return Switches()
    usual = getattr(Switches(), name)
    kind = type(usual)
    chosen = value == "True" if kind is bool else (str if usual is None else kind)(value)
    return replace(Switches(), **{name: chosen})


class Scene:
    """A scenario's stage. ``tick`` is the market's heartbeat in seconds."""

    def __init__(
        self,
        seed: int = 1,
        *,
        plan: Plan | None = None,
        tick: float = 1.0,
        shape: BookShape | None = None,
        start: datetime = EPOCH,
        policy: SupervisorPolicy | None = None,
        balances: Mapping[str, Decimal] | None = None,
    ) -> None:
        self.world = VirtualWorld(seed, start=start)
        self.market = VirtualMarket(
            self.world,
            seed=seed,
            shape=shape or BookShape(premium_bps=0),
            balances=balances,
            switches=switched(),
        )
        self.market.tick_every(tick)
        self.disk = Disk()
        self.phone = Phone()
        self.plan = plan or default_plan()
        self.policy = policy
        self.daemons: list[VirtualDaemon] = []
        self.naked = NakedTime(self)
        self.flips = Flips(self)
        self.spoilt: set[str] = set()

    # -- processes ----------------------------------------------------------------------------

    @property
    def daemon(self) -> VirtualDaemon:
        return self.daemons[-1]

    def boot(self, *, kept_aside: str = "", **arguments: Any) -> VirtualDaemon:
        """A new process on the same disk, whose book opens as the bot's does.

        With ``kept_aside`` it finds the book unreadable, and keeps it under that name.
        """
        if kept_aside:
            self.disk.lose_book(kept_aside)
        check_book(self.disk.tables)
        daemon = VirtualDaemon(
            self.world,
            self.market,
            self.disk,
            plan=self.plan,
            phone=self.phone,
            policy=self.policy,
            **arguments,
        )
        self.daemons.append(daemon)
        return daemon

    def ready(self, **arguments: Any) -> "Scene":
        """Boots, and waits until entries are possible."""
        self.boot(**arguments)
        self.wait(Ready)
        self.wait(DayBegan)
        self.run(1.0)
        return self

    def crash(self) -> None:
        self.daemon.crash()

    def poison(self, name: str) -> None:
        """The next message this actor handles is its last (its classes are `poisonable`)."""
        self.daemon.system.address(name).tell(Poison(at=self.world.now()))

    def wait(self, kind: type[Event], count: int = 1, limit: float = 60.0) -> Any:
        return self.daemon.wait_for(kind, count, limit)

    def until(self, holds: Callable[[], bool], limit: float = 60.0) -> None:
        """Runs until something holds; says what happened last when it never does."""
        if not self.world.run_until(holds, limit):
            tail = "\n".join(repr(event) for event in self.daemon.system.events[-15:])
            raise AssertionError(f"it did not come within {limit:g} s; last:\n{tail}")

    def run(self, seconds: float) -> None:
        self.world.run_for(seconds)

    def rest(self, seconds: float) -> None:
        """Lets so much time pass in which the market hardly ticks: a third of the work."""
        usual, self.market.tick_seconds = self.market.tick_seconds, RESTING_TICK
        self.run(seconds)
        self.market.tick_seconds = usual

    def events(self, kind: type[Event]) -> list[Any]:
        return self.daemon.events(kind)

    # -- trading ------------------------------------------------------------------------------

    def open(
        self,
        instrument: str = BTC,
        side: str = "buy",
        quantity: str = "0.05",
        stop: str | None = "99000",
        target: str | None = "101000",
        **more: Any,
    ) -> TradeAccepted | Denied:
        """Asks Execution for a bracket."""
        command = OpenTrade(
            at=self.world.now(),
            instrument=instrument,
            side=side,
            quantity=Decimal(quantity),
            stop_loss=None if stop is None else Decimal(stop),
            take_profit=None if target is None else Decimal(target),
            **more,
        )
        answer: TradeAccepted | Denied = self.daemon.ask("execution", command)
        return answer

    def bracket(self, *arguments: Any, **more: Any) -> str:
        """Opens one and waits until it is under its stop; returns the trade's id."""
        answer = self.open(*arguments, **more)
        assert isinstance(answer, TradeAccepted), answer
        self.until(lambda: any(x.trade_id == answer.trade_id for x in self.events(TradeOpened)))
        return answer.trade_id

    def close_trade(self, trade_id: str) -> bool:
        command = CloseTrade(at=self.world.now(), trade_id=trade_id)
        return bool(self.daemon.ask("execution", command))

    def kill(self, *, until_midnight: bool = False) -> bool:
        command = Flatten(
            at=self.world.now(), reason="a test", by="test", until_midnight=until_midnight
        )
        return bool(self.daemon.ask("execution", command))

    def resume(self) -> bool:
        return bool(self.daemon.ask("execution", Resume(at=self.world.now(), by="test")))

    # -- the book -----------------------------------------------------------------------------

    def trades(self) -> dict[str, Trade]:
        """Execution's open trades."""
        snapshot = self.daemon.ask("execution", GetExecution(at=self.world.now()))
        return {trade.id: trade for trade in snapshot.trades}

    @property
    def booked(self) -> list[str]:
        """The trades on disk."""
        return list(self.disk.tables.get("trades", {}))

    def is_over(self, trade_id: str) -> bool:
        return trade_id not in self.booked and not self.live(trade_id)

    # -- the venue itself ---------------------------------------------------------------------

    @property
    def engine(self) -> Any:
        return self.market.exchange._engine

    def position(self, name: str = BTC) -> int:
        """Signed contracts at the venue."""
        contracts: int = self.engine.account.contracts(name)
        return contracts

    def positions(self) -> dict[str, int]:
        stakes = self.engine.account.stakes
        return {
            name: stake.holding.contracts
            for name, stake in stakes.items()
            if stake.holding.contracts
        }

    def live(self, prefix: str = "") -> list[OrderRecord]:
        """Orders that can still trade; of one trade, or of one label's beginning."""
        orders = self.engine.ledger.live.values()
        wanted = f"bw.{prefix}" if prefix else ""
        return [order for order in orders if order.label.startswith(wanted)]

    def orders(self, trade_id: str, role: Role) -> list[OrderRecord]:
        """Every order ever made for this role, oldest first."""
        ledger = self.engine.ledger
        found = [*ledger.closed.values(), *ledger.live.values()]
        start = f"bw.{trade_id}.{role}."
        return sorted((x for x in found if x.label.startswith(start)), key=lambda x: x.rank)

    def stops(self, trade_id: str) -> list[OrderRecord]:
        orders = (x for x in self.live(trade_id) if x.order_type in STOP_TYPES)
        return [x for x in orders if not x.is_secondary_oto]

    def cover(self, name: str) -> int:
        """Contracts of the position under resting reduce-only stops."""
        held = self.position(name)
        return sum(
            order.remaining
            for order in self.engine.ledger.live.values()
            if order.instrument_name == name
            and order.state is OrderState.UNTRIGGERED
            and order.order_type in STOP_TYPES
            and order.reduce_only
            and not order.is_secondary_oto
            and order.side.sign * held < 0
        )

    def wealth(self, currency: str) -> Decimal:
        """Cash and realised session PnL, funding left out."""
        account = self.engine.account
        total: Decimal = account.balances[currency]
        for stake_name, stake in account.stakes.items():
            if self.engine.markets[stake_name].instrument.settlement_currency == currency:
                total += stake.realised
        return total

    def fault(self, *faults: Once) -> None:
        """From now on, each of these befalls what it matches."""

        def decide(method: str, params: Mapping[str, Any]) -> Fate | Refusal | None:
            fates = (fault(method, params) for fault in faults)
            return next((fate for fate in fates if fate is not None), None)

        self.market.faults = decide

    def spoil(self, role: Role) -> None:
        """The next order of this role loses its reduce-only on the way to the venue."""

        def garble(params: dict[str, Any]) -> dict[str, Any]:
            label = labels.parse(str(params.get("label", "")))
            if label is None or label.role is not role:
                return params
            self.market.garble = None
            self.spoilt.add(params["label"])
            return {**params, "reduce_only": False}

        self.market.garble = garble

    def strike(self, *faults: AnyFault) -> None:
        """From now on the venue has these faults."""
        plan, now_ms = FaultPlan(fault=faults), self.world.now_ms()
        self.market.weather = Weather(self.market.exchange, plan, seed=1, now_ms=now_ms)

    def kind(self) -> None:
        """No more faults: the network and the venue behave."""
        self.market.faults = no_faults
        self.market.weather = None
        self.market.is_partitioned = False
        self.disk.is_full = False
        self.phone.is_off = False

    # -- what must hold in every scenario -----------------------------------------------------

    def judge(self) -> None:
        """The invariants that need no context: I2, I3, I4, I5 and containment."""
        self._entered_once()
        self._closing_orders_reduce_only()
        assert not self.flips.seen, self.flips.seen
        assert not self.world.failures, self.world.failures
        said = [letter for daemon in self.daemons for letter in daemon.system.dead_letters]
        letters = [x for x in said if not is_explained(x.reason)]
        assert not letters, letters

    def settled(self) -> None:
        """Quiet at the end: book and venue agree, nothing naked, nothing left over."""
        self.run(1.0)
        for name in {*self.positions()}:
            assert self.cover(name) >= abs(self.position(name)), name
        ledger: Counter[str] = Counter()
        for trade in self.trades().values():
            ledger[trade.plan.instrument_name] += trade.signed_position
        booked = {name: held for name, held in ledger.items() if held}
        assert booked == self.positions()
        owners = {f"bw.{trade_id}." for trade_id in self.booked}
        left = [x.label for x in self.live("") if x.label.startswith("bw.")]
        assert all(any(x.startswith(owner) for owner in owners) for x in left), left

    def _entered_once(self) -> None:
        ledger = self.engine.ledger
        made = [*ledger.closed.values(), *ledger.live.values()]
        entries = Counter(x.label.split(".")[1] for x in made if ".entry." in x.label)
        twice = [trade_id for trade_id, number in entries.items() if number > 1]
        assert not twice, twice

    def _closing_orders_reduce_only(self) -> None:
        for params in self.market.sent(*PLACE):
            label = labels.parse(params["label"])
            assert label is not None, params
            if params["label"] in self.spoilt:
                continue
            assert params["reduce_only"] is (label.role is not Role.ENTRY), params

    def end(self) -> None:
        self.world.close()


EXPLAINED = ("its handler failed", "expired before it was handled", "the asker has given up")


def is_explained(reason: str) -> bool:
    """Dead letters a scenario may cause: crashed handlers, late commands, the retired."""
    return reason in EXPLAINED or reason.endswith(("has ended", "nobody lives at this address"))


class NakedTime:
    """How long any position was without enough stop at the venue: seconds, per instrument.

    ``longest`` counts ended gaps and those still open.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._since: dict[str, float] = {}
        self._longest: dict[str, float] = {}
        scene.market.onlookers.append(self._look)

    def _look(self) -> None:
        now = self._scene.world.monotonic()
        for name in [*self._scene.positions(), *self._since]:
            is_naked = self._scene.cover(name) < abs(self._scene.position(name))
            if is_naked:
                self._since.setdefault(name, now)
            elif name in self._since:
                self._note(name, now - self._since.pop(name))

    def _note(self, name: str, seconds: float) -> None:
        self._longest[name] = max(self._longest.get(name, 0.0), seconds)

    def longest(self, name: str = BTC) -> float:
        now = self._scene.world.monotonic()
        if name in self._since:
            self._note(name, now - self._since[name])
        return self._longest.get(name, 0.0)


class Flips:
    """Positions that changed sign in one fill of ours (I4). What a person does is not judged."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._counted = 0
        self.held: Counter[str] = Counter()
        self._foreign: Counter[str] = Counter()
        self.seen: list[str] = []
        scene.market.onlookers.append(self._look)

    def _look(self) -> None:
        trades = list(self._scene.engine.ledger.trades)
        for trade in trades[self._counted :]:
            before = self.held[trade.instrument_name]
            after = before + trade.side.sign * trade.contracts
            self.held[trade.instrument_name] = after
            is_ours = trade.label.startswith("bw.") and trade.label not in self._scene.spoilt
            self._foreign[trade.instrument_name] += 0 if is_ours else after - before
            # What a person opened beside a resting entry is his: such an entry may turn the sum.
            is_his = ".entry." in trade.label and self._foreign[trade.instrument_name] != 0
            if before * after < 0 and is_ours and not is_his:
                self.seen.append(f"{trade.label}: {before:+d} -> {after:+d}")
        self._counted = len(trades)
