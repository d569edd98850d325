"""Plausible mistakes of production code, put in while a run lasts.

Each replaces one function the way a tired person might have written it. The invariants have to
notice every one of them: a check that nothing can fail proves nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from actors import trade, trade_steps
from actors.killing import KillSwitch
from actors.messages.book import RecordIntent
from actors.opening import FrontDoor
from actors.ports import NotSent, OutcomeUnknown, Rejected
from actors.reaper import OrphanReaper
from actors.trade_steps import StepTaker
from adapters.deribit import params
from adapters.deribit.limits import Limiter
from adapters.deribit.reads import VenueReads
from adapters.deribit.session import DeribitSession
from adapters.deribit.venue import DeribitVenue
from adapters.paper.faults.of_moments import HumanOpens
from adapters.paper.faults.of_requests import Refused
from adapters.storage.atomic import AtomicFile
from domain import bracket, outcomes, reports, story, watch
from domain.labels import Role
from domain.orders import OrderState
from domain.steps import Do, Step, View
from domain.trade import LineStatus
from simulation.disk import VirtualFiles
from simulation.happenings import Kills, Moves, Opens
from simulation.script import Entry, Script, write
from simulation.verdicts import Violation

Patch = tuple[Any, str, Any]


@dataclass(frozen=True, slots=True)
class Climate:
    """The world in which a mistake matters: which faults there are, how many, and for how long."""

    hours: float = 0.25
    faults: tuple[str, ...] | None = None
    trades: float = 1500.0
    storm: float = 20.0

    def script(self, seed: int) -> Script:
        return write(
            seed,
            hours=self.hours,
            faults=self.faults,
            trades_per_day=self.trades,
            storm=self.storm,
            bracket="sequential",
        )


QUIET = Climate(faults=(), trades=3000.0)
CRASHES = Climate(hours=0.15, faults=("crash",), trades=3000.0, storm=60.0)
POWER = Climate(hours=0.15, faults=("crash", "disk"), trades=3000.0, storm=120.0)
LOST = Climate(
    hours=0.15,
    faults=("reply_lost", "request_lost", "notification_lost"),
    trades=3000.0,
    storm=100.0,
)
GARBLED = Climate(hours=0.15, faults=("garble",), trades=3000.0, storm=100.0)
STRAYS = Climate(hours=0.05, faults=("stray",), trades=500.0, storm=200.0)
PARTS = Climate(hours=0.15, faults=("thin_book",), trades=3000.0, storm=100.0)
SHORT = Climate(hours=0.02, faults=(), trades=3000.0)


class Unreadable(Climate):
    """Somebody's position, and a kill while positions cannot be read but orders can."""

    def script(self, seed: int) -> Script:
        busy = Refused(code=10047, methods=("private/get_positions",), until=8_000)
        entries = (
            Entry(at=5.0, name="opens", act=HumanOpens(at=(0,), most=1, usd=Decimal(1000))),
            Entry(at=9.0 + seed / 10, name="busy", act=busy),
            Entry(at=10.0, name="kill", act=Kills(resume_after=1000.0)),
        )
        return Script(seed=seed, hours=0.01, entries=entries)


class Netted(Climate):
    """A person's position that our entry closes, and more: what is left is ours."""

    def script(self, seed: int) -> Script:
        ours = Opens(
            instrument="BTC-PERPETUAL", side="sell", usd=500, stop=0.01, target=None, limit=0.001
        )
        his = HumanOpens(at=(0,), most=1, usd=Decimal(200))
        entries = (
            Entry(at=5.0, name="open", act=ours),
            Entry(at=7.0 + seed / 10, name="buys", act=his),
            Entry(at=9.0, name="up", act=Moves(share=0.003)),
        )
        return Script(seed=seed, hours=0.015, volatility=0.00001, entries=entries)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake: which invariants it breaks, where it is made, and what stands there instead."""

    name: str
    breaks: str
    patches: tuple[Patch, ...]
    climate: "Climate"

    def is_noticed(self, violations: Sequence[Violation]) -> bool:
        """Whether what it breaks was seen broken. Anything else would be another mistake's sign."""
        return any(x.invariant in self.breaks.split() for x in violations)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """While this lasts, production code is wrong."""
        with ExitStack() as stack:
            for owner, name, made in self.patches:
                stack.callback(setattr, owner, name, getattr(owner, name))
                setattr(owner, name, made)
            yield


_place, _positions = DeribitVenue.place, VenueReads.positions
_cancel = DeribitVenue.cancel
_open_orders, _refresh = VenueReads.open_orders, DeribitSession.refresh
_sweep, _request_of = OrphanReaper._sweep, trade_steps.request_of
_take, _apply_order = StepTaker.take, reports.apply_order


def _blindly(self: DeribitVenue, *order: Any) -> Any:
    try:
        return _place(self, *order)
    except OutcomeUnknown:
        return _place(self, *order)


def _surely(self: DeribitVenue, *order: Any) -> Any:
    try:
        return _place(self, *order)
    except OutcomeUnknown as error:
        raise Rejected(0, f"no answer: {error}") from None


def _without_reduce_only(*arguments: Any) -> Any:
    request = _request_of(*arguments)
    return replace(request, reduce_only=False) if request.trigger is not None else request


def _target_first(view: View) -> Step | None:
    if view.position <= 0 or view.is_closing or view.trade.plan.target_price is None:
        return None
    return None if view.trade.of(Role.TARGET) else view.place(Role.TARGET)


def _stop_goes_first(view: View) -> Step | None:
    stop = view.first(Role.STOP, LineStatus.LIVE)
    return view.cancel(stop) if stop is not None and view.is_closing else None


def _resumed_without_a_look(trade: Any) -> Any:
    lines = tuple(x for x in trade.lines if x.status is not LineStatus.UNKNOWN)
    return replace(trade, lines=lines, needs_sync=False)


def _without_triggers(self: VenueReads) -> Any:
    return tuple(x for x in _open_orders(self) if x.state is not OrderState.UNTRIGGERED)


def _errors_are_flat(self: VenueReads) -> Any:
    try:
        return _positions(self)
    except (Rejected, OutcomeUnknown, NotSent):
        return ()


class _Everything(frozenset[str]):
    def __contains__(self, _: object) -> bool:
        return True


def _on_one_sighting(self: OrphanReaper) -> None:
    self._sighted = _Everything()
    _sweep(self)


def _in_place(self: AtomicFile, blob: bytes) -> None:
    self._files.write(self._path, blob)


def _without_fsync(self: VirtualFiles, path: Path, blob: bytes) -> None:
    self._disk.grow(path.inode(make=True), blob)  # type: ignore[attr-defined] - a virtual path


def _intent_afterwards(self: FrontDoor, trade: Any) -> tuple[str, ...]:
    self._registry.tell(RecordIntent(at=self._clock.now(), trade=trade))
    return ()


def _spent_twice(self: DeribitSession, credentials: Any) -> Any:
    _refresh(self, credentials)
    return _refresh(self, credentials)


def _fumbling(self: DeribitVenue, order_id: str) -> Any:
    """It is done; then the reply is asked for something it does not have."""
    return _cancel(self, order_id).remainder  # pyright: ignore[reportAttributeAccessIssue] - the mistake


def _in_memory_only(self: KillSwitch) -> bool:
    return self.state is not None


def _starving(self: Limiter) -> None:
    """The reserve is kept from those it is for, and is as large as the bucket."""
    wait = self._matching.take(self._clock.monotonic(), max_wait=0.0, reserve=18.0)
    if wait is None:
        raise NotSent("no rate budget")


def _label_not_in_positions(orders: Any, open_trades: Any) -> Any:
    """As the original documents had it: what no position names is an orphan."""
    del open_trades
    return tuple(x for x in orders if x.state.is_live and x.label.startswith("bw."))


def _grow_by_replacing(self: StepTaker, step: Step) -> bool:
    return self._cancel(step) if step.do is Do.RESIZE else _take(self, step)


def _rules(*first: Callable[[View], Step | None]) -> tuple[Any, ...]:
    return (*bracket.RULES[:1], *first, *bracket.RULES[1:])


def _always_sound(trade: Any, order: Any, now: Any) -> Any:
    changed = _apply_order(trade, order, now)
    return replace(changed, lines=tuple(replace(x, is_sound=True) for x in changed.lines))


def _whatever_it_says(request: Any, order: Any) -> str:
    del request, order
    return ""


def _one(owner: Any, name: str, made: Any) -> tuple[Patch, ...]:
    return ((owner, name, made),)


MUTANTS: Mapping[str, Mutant] = {
    each.name: each
    for each in (
        Mutant("blind resend", "I3 I1", _one(DeribitVenue, "place", _blindly), LOST),
        Mutant("unknown read as refused", "I1", _one(DeribitVenue, "place", _surely), LOST),
        Mutant(
            "stop without reduce-only",
            "I4",
            (
                (trade_steps, "request_of", _without_reduce_only),
                (params, "check", lambda _: None),
                (trade_steps, "differences", _whatever_it_says),
            ),
            QUIET,
        ),
        Mutant("target before stop", "I1", _one(bracket, "RULES", _rules(_target_first)), QUIET),
        Mutant(
            "stop cancelled first on close",
            "I1",
            ((bracket, "RULES", _rules(_stop_goes_first)),),
            QUIET,
        ),
        Mutant(
            "no label look-up at start",
            "I3",
            ((outcomes, "resumed", _resumed_without_a_look),),
            CRASHES,
        ),
        Mutant(
            "orders without triggers",
            "I1 I6 L4",
            ((VenueReads, "open_orders", _without_triggers),),
            CRASHES,
        ),
        Mutant(
            "error read as flat",
            "I6",
            _one(VenueReads, "positions", _errors_are_flat),
            Unreadable(),
        ),
        Mutant(
            "orphans reaped on one sighting",
            "I2",
            ((OrphanReaper, "_sweep", _on_one_sighting),),
            STRAYS,
        ),
        Mutant(
            "netted while some of it is held",
            "I1",
            ((story, "is_netted_away", lambda held, against, _: held * against < 0),),
            Netted(),
        ),
        Mutant("registry written in place", "I7", _one(AtomicFile, "write", _in_place), POWER),
        Mutant("registry without fsync", "I7", _one(VirtualFiles, "write", _without_fsync), POWER),
        Mutant(
            "intent recorded after sending",
            "I7",
            ((FrontDoor, "_record", _intent_afterwards),),
            QUIET,
        ),
        Mutant(
            "refresh token used twice", "I3", _one(DeribitSession, "refresh", _spent_twice), QUIET
        ),
        Mutant("reply misread", "I10", _one(DeribitVenue, "cancel", _fumbling), QUIET),
        Mutant("kill only in memory", "I6", _one(KillSwitch, "record", _in_memory_only), SHORT),
        Mutant("limiter starves protection", "I1", _one(Limiter, "protective", _starving), QUIET),
        Mutant(
            "orphans by label in positions",
            "I2",
            ((watch, "orphans", _label_not_in_positions),),
            QUIET,
        ),
        Mutant(
            "reply trusted",
            "I1",
            (
                (trade_steps, "differences", _whatever_it_says),
                (trade_steps, "apply_order", _always_sound),
                (trade, "apply_order", _always_sound),
                (outcomes, "apply_order", _always_sound),
            ),
            GARBLED,
        ),
        Mutant(
            "stop grown by cancel and create",
            "I1",
            ((StepTaker, "take", _grow_by_replacing),),
            PARTS,
        ),
    )
}
