"""The invariants I1 to I10 as checks on the venue, on the wire and on the disk.

Nothing here asks the daemon what it thinks. `Court.look` follows every change of the engine,
`Court.heard` every request as it leaves, `Court.watch` the clock. What has to happen within a
bound counts from the last moment the world was unkind (`Stage.kind_for`): a fault may delay
anything, but its end may not.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter

from actors.messages.lifecycle import ChildFailed
from actors.rebuilding import ENDS
from adapters.paper.engine import Engine
from adapters.paper.records import OrderRecord
from domain import labels
from domain.labels import Label, Role
from domain.orders import STOP_TYPES, OrderState
from domain.trade import Trade
from simulation.storage import FileStorage
from simulation.tally import STRAY, Tally
from simulation.verdicts import Figures, Violation, World

PROTECTED_WITHIN = 15.0
"""Seconds of a kind world after which no position of ours may lack its stop: the deadline (3 s),
the closing order with its chases, and one look of the watcher besides."""
NO_ORPHAN_AFTER = 70.0
"""Two sweeps and the look that confirms."""
FLAT_WITHIN = 60.0
RESOLVED_WITHIN = 90.0
"""Seconds after which a trade without position and orders must have left the book."""
AGREED_WITHIN = 20.0
PROVOKED = ("Injected: ", "AskFailed: ")
"""What a part may fail of: the script says so, or at its start another one does not answer."""

_TRADE = TypeAdapter(Trade)
_PLACE = frozenset({"private/buy", "private/sell"})
_OVER = {"is_finished": True}


@dataclass(slots=True)
class Gap:
    """What should not be (a position under too little stop, an orphan), since when."""

    since: float
    is_told: bool = False


@dataclass(slots=True)
class _Sent:
    """The label of an order that left, and in which incarnation."""

    incarnations: int
    times: int = 1


@dataclass(slots=True)
class _Cancel:
    """A cancel on its way: whether its order was needed when it left."""

    order_id: str
    was_needed: bool


class Court:
    """Judges one run. ``violations`` are in the order they were found, each kind once."""

    def __init__(self, engine: Engine, storage: FileStorage, world: World) -> None:
        self.violations: list[Violation] = []
        self.figures = Figures()
        self.tally = Tally(engine)
        self.kill_accepted_at: float | None = None
        self.acknowledged: set[str] = set()
        self._engine = engine
        self._storage = storage
        self._world = world
        self._revision = -1
        self._changed_at = 0.0
        self._gaps: dict[str, Gap] = {}
        self._sent: dict[str, _Sent] = {}
        self._linked: set[str] = set()
        self._cancels: list[_Cancel] = []
        self._orphans: dict[str, Gap] = {}
        self._sweeps: list[float] = []
        self._stuck: dict[str, float] = {}
        self._stopped: set[str] = set()
        self._spent: set[str] = set()
        self._agreed_at = -1
        self._unequal_since: float | None = None
        self._hears: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
            "private/buy": self._order_sent,
            "private/sell": self._order_sent,
            "private/cancel": self._cancel_sent,
            "private/get_positions": self._orders_were_read,
            "public/auth": self._logs_in,
        }

    def accuse(self, invariant: str, text: str) -> None:
        """Notes a violation; of each invariant only the first ten."""
        if sum(x.invariant == invariant for x in self.violations) < 10:
            self.violations.append(Violation(at=self._world.now(), invariant=invariant, text=text))

    def booted(self, *, kills_in_force: bool) -> None:
        """A process is about to start: what was acknowledged must be on the disk it finds."""
        if not self._storage.is_readable():
            self.accuse("I7", "the book cannot be read after what happened")
        book = self._storage.book()
        lost = self.acknowledged - set(book.get("trades", {}))
        if lost:
            ended = {x.get("trade_id") for x in self._storage.entries() if x["event"] in ENDS}
            self.acknowledged -= lost & ended
            for trade_id in sorted(lost - ended):
                self.acknowledged.discard(trade_id)
                self.accuse("I7", f"the accepted trade {trade_id} is neither in book nor journal")
        if kills_in_force and "kill" not in book.get("state", {}):
            self.accuse("I6", "an accepted kill is not on disk")

    def ended(self, code: int, was_provoked: bool, reasons: list[str]) -> None:
        """A process gave up by itself."""
        if not was_provoked:
            self.accuse("I10", f"the process ended with {code} unprovoked: {reasons}")

    def failed(self, parts: Iterable[ChildFailed]) -> None:
        """Parts that came down in one process. None may of itself, though it comes back."""
        for each in parts:
            if not each.error.startswith(PROVOKED):
                self.accuse("I10", f"{each.name} failed on {each.handling}: {each.error}")

    def figures_agree(self, entries: list[dict[str, Any]], tolerance: Decimal) -> None:
        """I9: what the journal says was earned is what the venue booked; each trade once."""
        closed = [x for x in entries if x["event"] == "trade_closed"]
        twice = [x for x, n in Counter(x["trade_id"] for x in closed).items() if n > 1]
        if twice:
            self.accuse("I9", f"closed more than once in the journal: {twice}")
        said = dict[str, Decimal]()
        for entry in closed:
            name = entry["currency"]
            said[name] = said.get(name, Decimal(0)) + Decimal(entry["net_coin"])
        for currency, earned in self.tally.earned.items():
            if currency in self.tally.mixed:
                continue
            differs = earned - said.get(currency, Decimal(0))
            if abs(differs) > tolerance:
                self.accuse(
                    "I9", f"{currency}: the venue booked {earned}, the journal {said.get(currency)}"
                )

    # -- the wire ---------------------------------------------------------------------------

    def heard(self, method: str, params: Mapping[str, Any]) -> None:
        """A request leaves the daemon."""
        self.figures.requests += 1
        hear = self._hears.get(method)
        if hear is not None:
            hear(params)

    def _order_sent(self, params: Mapping[str, Any]) -> None:
        text = str(params.get("label", ""))
        label = labels.parse(text)
        if label is None:
            self.accuse("I4", f"an order without a label of ours: {dict(params)}")
            return
        is_entry = label.role is Role.ENTRY
        if params.get("reduce_only") is not (not is_entry):
            self.accuse("I4", f"{text} was sent with reduce_only={params.get('reduce_only')}")
        for child in params.get("otoco_config", ()):
            self._linked.add(text)
            if child.get("reduce_only") is not True:
                self.accuse("I4", f"{text} brings a child that is not reduce-only: {child}")
        if is_entry:
            self._entry_sent(text, label)
        elif label.role is Role.TARGET and label.trade_id not in self._stopped:
            self.accuse("I1", f"{text} was sent before any stop of its trade was accepted")
        self._no_blind_resend(text, is_entry=is_entry)

    def _entry_sent(self, text: str, label: Label) -> None:
        self.figures.entries += 1
        book = self._storage.durable_book()
        if label.trade_id not in book.get("trades", {}):
            self.accuse("I7", f"{text} left before its intent was on disk")
        if "kill" in book.get("state", {}):
            self.accuse("I6", f"{text} left although a kill is on disk")
        first = str(replace(label, attempt=1))
        # A link the venue has refused is followed by the plain entry.
        if label.attempt > 2 or (label.attempt == 2 and self._is_no_refused_link(first)):
            self.accuse("I3", f"{text}: an entry was tried again")

    def _is_no_refused_link(self, label: str) -> bool:
        return label not in self._linked or self._known(label)

    def _no_blind_resend(self, text: str, *, is_entry: bool) -> None:
        """The same label twice is one order too many, unless a death lost the first."""
        before = self._sent.get(text)
        now = self._world.incarnations()
        if before is None:
            self._sent[text] = _Sent(now)
            return
        before.times += 1
        was_taken = self._known(text)
        if is_entry or (was_taken and before.incarnations == now):
            self.accuse("I3", f"{text} was sent {before.times} times")

    def _known(self, label: str) -> bool:
        ledger = self._engine.ledger
        found = (x for x in (*ledger.live.values(), *ledger.closed.values()) if x.label == label)
        return next(found, None) is not None

    def _cancel_sent(self, params: Mapping[str, Any]) -> None:
        order_id = str(params.get("order_id", ""))
        order = self._engine.ledger.live.get(order_id)
        if order is None:
            return
        self._cancels.append(_Cancel(order_id, self._is_needed(order)))
        if self._world.speaker() == "reaper":
            self._reaped(order)

    def _reaped(self, order: OrderRecord) -> None:
        gap = self._orphans.get(order.order_id)
        looks = sum(each > gap.since for each in self._sweeps) if gap else 0
        if looks < 2:
            self.accuse("I2", f"{order.label} was reaped after {looks} sightings")

    def _logs_in(self, params: Mapping[str, Any]) -> None:
        token = str(params.get("refresh_token", ""))
        if token and token in self._spent:
            self.accuse("I3", "a refresh token was spent twice: the second kills the session")
        self._spent.add(token)

    def _orders_were_read(self, params: Mapping[str, Any]) -> None:
        """The reaper asks for the positions when it has the orders: by then it has looked."""
        del params
        if self._world.speaker() == "reaper":
            self._sweeps = [*self._sweeps[-20:], self._world.now()]

    def carried_out(self, method: str, params: Mapping[str, Any]) -> None:
        """A request was carried out by the venue."""
        if method in _PLACE:
            label = labels.parse(str(params.get("label", "")))
            # A linked entry brings its stop along, and is refused as a whole.
            brings = params.get("otoco_config", ())
            has_stop = any(x.get("type") in STOP_TYPES for x in brings)
            if label is not None and (label.role is Role.STOP or has_stop):
                self._stopped.add(label.trade_id)
        elif method == "private/cancel":
            self._cancelled(str(params.get("order_id", "")))

    def _cancelled(self, order_id: str) -> None:
        """Nobody of us takes protection off a position (closing cancels the stop last)."""
        mine = [x for x in self._cancels if x.order_id == order_id]
        self._cancels = [x for x in self._cancels if x.order_id != order_id]
        order = self._engine.ledger.closed.get(order_id)
        if order is None or not mine or not mine[0].was_needed:
            return
        name = order.instrument_name
        if order.order_type in STOP_TYPES and self.cover(name) < self.required(name):
            self.accuse("I1", f"{order.label} was cancelled under {self._held(name):+d} of {name}")

    def _is_needed(self, order: OrderRecord) -> bool:
        """Whether too little would be left without it. What its trade does not need of it any more
        (all is closed, or covered by another of its stops) covers the trade beside it by chance:
        that one brings its own.
        """
        if not self._protects(order) or self._is_surplus(order):
            return False
        name = order.instrument_name
        return self.cover(name) - order.remaining < self.required(name)

    def _is_surplus(self, order: OrderRecord) -> bool:
        """Whether the other stops of its trade cover all that this trade has."""
        name, trade_id = order.instrument_name, _trade_of(order)
        held = self.tally.held_by(name, trade_id)
        others = (x for x in self._engine.ledger.waiting(name) if x is not order)
        stops = (x for x in others if self._protects(x) and _trade_of(x) == trade_id)
        return held is not None and sum(x.remaining for x in stops) >= held

    # -- the venue --------------------------------------------------------------------------

    def _held(self, name: str) -> int:
        return self._engine.account.contracts(name)

    def required(self, name: str) -> int:
        """Contracts that have to be under a stop: ours, as far as they are there."""
        return abs(self.tally.of_ours(name))

    def _protects(self, order: OrderRecord) -> bool:
        return (
            order.state is OrderState.UNTRIGGERED
            and order.order_type in STOP_TYPES
            and order.reduce_only
            and not order.is_secondary_oto
            and order.side.sign * self._held(order.instrument_name) < 0
        )

    def cover(self, name: str) -> int:
        """Contracts under resting reduce-only stops on the closing side."""
        return sum(
            order.remaining for order in self._engine.ledger.waiting(name) if self._protects(order)
        )

    def look(self) -> None:
        """The engine may have changed."""
        if self._engine.revision == self._revision:
            return
        self._revision = self._engine.revision
        self._changed_at = self._world.now()
        self._let_go()
        self.tally.catch_up(self._changed_at)
        for label, told in self.tally.flips:
            # Nobody can take back a spoilt order while the venue is away.
            if label not in self.tally.spoilt or self._world.kind_for() > PROTECTED_WITHIN:
                self.accuse("I4", f"a position was turned, or opened by no entry: {told}")
        self.tally.flips.clear()
        for name in self._engine.markets:
            self._gap(name)
        self._find_orphans()

    def _let_go(self) -> None:
        """Trades that ended on disk while the venue had nothing left of them are over.

        What a person held took it all: should the position turn round again, it is his.
        """
        outweighed = self.tally.outweighed()
        if not outweighed:
            return
        trades = self._storage.book().get("trades", {})
        for name, trade_id in outweighed:
            if trades.get(trade_id, _OVER)["is_finished"]:
                self.tally.give_up(name, trade_id)

    def _gap(self, name: str) -> None:
        is_naked = self.cover(name) < self.required(name)
        gap = self._gaps.get(name)
        if is_naked and gap is None:
            self._gaps[name] = Gap(self._world.now())
        elif gap is not None and not is_naked:
            del self._gaps[name]
            seconds = self._world.now() - gap.since
            self.figures.gaps.append(seconds)
            if self._world.kind_for() > seconds:
                self.figures.kind_gaps.append(seconds)

    def _find_orphans(self) -> None:
        now = self._world.now()
        found: dict[str, Gap] = {}
        entering = {
            label.trade_id
            for order in self._engine.ledger.live.values()
            if (label := labels.parse(order.label)) and label.role is Role.ENTRY
        }
        for order in self._engine.ledger.live.values():
            label = labels.parse(order.label)
            if label is None or label.trade_id in entering or self._is_spared(label):
                continue
            is_over = self.tally.ours[order.instrument_name].get(label.trade_id, 0) == 0
            if is_over and not self._covers_a_persons(order):
                found[order.order_id] = self._orphans.get(order.order_id, Gap(now))
        self._orphans = found

    def _covers_a_persons(self, order: OrderRecord) -> bool:
        """A stop without which what a person holds would be bare is not ours to take away."""
        name = order.instrument_name
        held = abs(self._engine.account.contracts(name))
        return self._protects(order) and self.cover(name) - order.remaining < held

    @staticmethod
    def _is_spared(label: Label) -> bool:
        return label.trade_id.startswith((labels.FLATTENING, labels.GUARDING))

    # -- the clock --------------------------------------------------------------------------

    def watch(self) -> None:
        """Once in a while: what has lasted too long."""
        now, kind = self._world.now(), self._world.kind_for()
        for name, gap in self._gaps.items():
            if min(kind, now - gap.since) > PROTECTED_WITHIN and not gap.is_told:
                gap.is_told = True
                held, cover = self._held(name), self.cover(name)
                self.accuse(
                    "I1",
                    f"{name} {held:+d} has {cover} under a stop for {now - gap.since:.1f} s",
                )
        for order_id, gap in self._orphans.items():
            if min(kind, now - gap.since) > NO_ORPHAN_AFTER and not gap.is_told:
                gap.is_told = True
                order = self._engine.ledger.live[order_id]
                self.accuse("I2", f"{order.label} outlives its trade by {now - gap.since:.0f} s")
        self._watch_kill(now, kind)
        if kind > AGREED_WITHIN and now - self._changed_at > AGREED_WITHIN:
            self._compare()

    def _watch_kill(self, now: float, kind: float) -> None:
        if self.kill_accepted_at is None:
            return
        if min(kind, now - self.kill_accepted_at) < FLAT_WITHIN:
            return
        left = self.left_after(self.kill_accepted_at)
        if left:
            self.accuse("I6", f"not flat {now - self.kill_accepted_at:.0f} s after a kill: {left}")
        self.kill_accepted_at = None

    def left_after(self, kill_at: float) -> list[str]:
        """Positions and orders of ours that a kill has left, and foreign ones older than it.

        What a person opens after a kill is his, and what a script leaves in our name after it is
        the reaper's.
        """
        held = [
            f"{name} {self._held(name):+d}"
            for name in self._engine.markets
            if self._held(name)
            and (self.tally.of_ours(name) or self.tally.foreign_at.get(name, 0.0) <= kill_at)
        ]
        live = self._engine.ledger.live.values()
        return held + [
            x.label for x in live if labels.is_ours(x.label) and not self._is_newer(x, kill_at)
        ]

    def _is_newer(self, order: OrderRecord, kill_at: float) -> bool:
        """Whether no daemon sent this, and it was not there when the kill was accepted."""
        gap = self._orphans.get(order.order_id)
        return order.label.startswith(STRAY) and gap is not None and gap.since > kill_at

    def _compare(self) -> None:
        """I5, and that nothing is left lying: book and venue, when all is quiet."""
        if self._agreed_at == self._revision and self._unequal_since is None:
            return
        trades = [
            _TRADE.validate_python(_plain(x))
            for x in self._storage.book().get("trades", {}).values()
        ]
        ledger = Counter[str]()
        for trade in trades:
            ledger[trade.plan.instrument_name] += trade.signed_position
        booked = {x.plan.instrument_name for x in trades}
        # What was added up by the venue can be compared again once nobody holds anything there.
        self.tally.netted -= {x for x in self.tally.netted if x not in booked and not self._held(x)}
        ours = {
            x: self.tally.of_ours(x) for x in self._engine.markets if x not in self.tally.netted
        }
        wrong = {x: (y, ledger[x]) for x, y in ours.items() if y != ledger[x]}
        stuck = [x.id for x in trades if not x.position and not self._lives(x)]
        now = self._world.now()
        if not wrong and not stuck:
            self._agreed_at, self._unequal_since = self._revision, None
            return
        self._unequal_since = self._unequal_since if self._unequal_since is not None else now
        waited = now - self._unequal_since
        if wrong and waited > AGREED_WITHIN:
            self.accuse("I5", f"venue and book differ (ours at the venue, in the book): {wrong}")
        if stuck and waited > RESOLVED_WITHIN:
            self.accuse("L3", f"trades without position and orders stay in the book: {stuck}")

    def _lives(self, trade: Trade) -> bool:
        start = f"bw.{trade.id}."
        return any(x.label.startswith(start) for x in self._engine.ledger.live.values())


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "_key"}


def _trade_of(order: OrderRecord) -> str:
    """The trade whose label it bears; empty, when it is not one of ours."""
    label = labels.parse(order.label)
    return "" if label is None else label.trade_id
