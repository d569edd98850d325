"""The faults of a plan in force: pure decisions by seed, plan and market time.

Nobody acts here. Whoever carries requests and notifications asks what becomes of each, and does
what `tick` says is to happen by itself. The same questions at the same times get the same
answers. Times are milliseconds of the exchange's clock.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import NamedTuple, TypeVar

from adapters.paper.faults import shocks
from adapters.paper.faults.chance import Strike, drawn_ms
from adapters.paper.faults.fates import (
    AT_ONCE,
    UNTOUCHED,
    Answer,
    Asked,
    Delivery,
    Fate,
    Phase,
)
from adapters.paper.faults.of_moments import PriceGap
from adapters.paper.faults.of_news import (
    ConnectionRefused,
    NotificationDelayed,
    NotificationDuplicated,
    NotificationLost,
    NotificationReordered,
    OfNotifications,
)
from adapters.paper.faults.of_requests import Latency, OfRequests
from adapters.paper.faults.of_spans import BookState, ClockSkew, Maintenance, OfSpans, ThinBook
from adapters.paper.faults.plan import AnyFault, FaultPlan
from adapters.paper.faults.verdicts import is_of, is_of_the_wire, matches, verdict

_ALWAYS_ANSWERED = frozenset({"public/get_time", "public/status", "public/test", "public/hello"})
IN_MAINTENANCE = 11051
_Kind = TypeVar("_Kind", bound=AnyFault)


class Happening(NamedTuple):
    """Something that happens by itself: a fault strikes, begins or ends."""

    fault: AnyFault
    phase: Phase


class FaultEngine:
    """A plan in force since ``now_ms``. ``seed`` is the exchange's; the plan adds its own."""

    def __init__(self, plan: FaultPlan, *, seed: int, now_ms: int) -> None:
        self._seed = seed
        self._strikes: dict[str, Strike] = {}
        self._requests: list[Strike] = []
        self._notes: list[Strike] = []
        self._connects: list[Strike] = []
        self._alone: list[Strike] = []
        self._spans: dict[str, tuple[AnyFault, int, float]] = {}
        self._cut: set[str] = set()
        self._ways_back: list[shocks.WayBack] = []
        self._gaps: dict[str, tuple[PriceGap, Decimal]] = {}
        self.add(plan, now_ms)

    # -- the plan -----------------------------------------------------------------------------

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing that could go wrong, now or later."""
        return not (self._strikes or self._spans)

    @property
    def plan(self) -> FaultPlan:
        """What is in force."""
        return FaultPlan(fault=tuple(strike.fault for strike in self._strikes.values()))

    def counts(self) -> dict[str, int]:
        """How often each fault has struck, by its name."""
        return {name: strike.count for name, strike in self._strikes.items()}

    def add(self, plan: FaultPlan, now_ms: int) -> tuple[str, ...]:
        """Puts more faults in force from now on; returns their names.

        Raises:
            ValueError: one of that name is in force already.
        """
        plan = plan.named()
        if taken := [each.name for each in plan.fault if each.name in self._strikes]:
            raise ValueError(f"a fault called {taken[0]!r} is in force already")
        for fault in plan.fault:
            self._strikes[fault.name] = Strike(fault, self._seed + plan.seed, now_ms)
        self._sort()
        return tuple(each.name for each in plan.fault)

    def remove(self, names: Iterable[str]) -> tuple[str, ...]:
        """Ends these faults; what lasts ends with the next tick. Returns those there were."""
        gone = tuple(name for name in names if self._strikes.pop(name, None))
        self._cut.update(self._spans.keys() & set(gone))
        self._sort()
        return gone

    def clear(self) -> tuple[str, ...]:
        """Ends every fault; returns their names."""
        return self.remove(list(self._strikes))

    def _sort(self) -> None:
        living = list(self._strikes.values())
        self._requests = [x for x in living if isinstance(x.fault, OfRequests)]
        self._notes = [x for x in living if isinstance(x.fault, OfNotifications)]
        self._connects = [x for x in living if isinstance(x.fault, ConnectionRefused)]
        matched = {id(x) for x in (*self._requests, *self._notes, *self._connects)}
        self._alone = [x for x in living if id(x) not in matched]

    # -- requests -----------------------------------------------------------------------------

    def request(self, asked: Asked, now_ms: int) -> Fate:
        """What becomes of a request that leaves its sender now."""
        out_ms = back_ms = 0.0
        fate, struck = UNTOUCHED, list[str]()
        for strike in self._requests:
            fault = strike.fault
            if not matches(fault, asked) or not strike.hits(now_ms):
                continue
            if isinstance(fault, Latency):
                out_ms += drawn_ms(fault.delay, strike.dice) if fault.way != "back" else 0.0
                back_ms += drawn_ms(fault.delay, strike.dice) if fault.way != "out" else 0.0
                continue
            # Every verdict is drawn, the first one counts: chance stays apart for each fault.
            drawn = verdict(strike)
            if fate is UNTOUCHED:
                fate = drawn
                struck.append(fault.name)
        if fate is UNTOUCHED and asked.method not in _ALWAYS_ANSWERED:
            for fault in self.active(Maintenance):
                fate = Fate(is_run=False, answer=Answer.ERROR, code=IN_MAINTENANCE)
                struck.append(fault.name)
        if fate is UNTOUCHED and not (out_ms or back_ms):
            return UNTOUCHED
        return replace(fate, out_ms=out_ms, back_ms=back_ms, struck=tuple(struck))

    # -- notifications and connections --------------------------------------------------------

    def notification(self, channel: str, now_ms: int) -> Delivery:
        """What becomes of a notification that leaves the venue now."""
        if not self._notes and not self._requests:
            return AT_ONCE
        delay_ms, late_ms, held_ms = self._wire_ms(now_ms), 0.0, None
        copies, struck = list[float](), list[str]()
        for strike in self._notes:
            if not is_of(strike.fault, channel) or not strike.hits(now_ms):
                continue
            struck.append(strike.fault.name)
            match strike.fault:
                case NotificationLost():
                    return Delivery(delays=(), struck=tuple(struck))
                case NotificationDelayed(in_order=True):
                    delay_ms += drawn_ms(strike.fault.delay, strike.dice)
                case NotificationDelayed():
                    late_ms += drawn_ms(strike.fault.delay, strike.dice)
                case NotificationDuplicated():
                    copies.append(drawn_ms(strike.fault.delay, strike.dice))
                case NotificationReordered():
                    held_ms = strike.fault.patience
                case _:
                    pass
        first = delay_ms + late_ms
        return Delivery(
            delays=(first, *(first + each for each in copies)),
            in_order=not late_ms,
            held_ms=held_ms,
            struck=tuple(struck),
        )

    def _wire_ms(self, now_ms: int) -> float:
        """What the wire itself takes: the latencies that concern every method."""
        total = 0.0
        for strike in self._requests:
            fault = strike.fault
            if isinstance(fault, Latency) and is_of_the_wire(fault) and strike.hits(now_ms):
                total += drawn_ms(fault.delay, strike.dice)
        return total

    def connecting(self, now_ms: int) -> int | None:
        """The HTTP status a new websocket is turned away with; None lets it in."""
        for strike in self._connects:
            if isinstance(strike.fault, ConnectionRefused) and strike.hits(now_ms):
                return strike.fault.status
        return None

    # -- what happens by itself ---------------------------------------------------------------

    @property
    def next_ms(self) -> float:
        """When `tick` has something to say next; infinite when it never has."""
        if self._cut:
            return 0.0
        moments = [x.moments.next_ms for x in self._alone if not x.is_spent]
        ends = [end for _, _, end in self._spans.values()]
        return min([*moments, *ends], default=math.inf)

    def tick(self, now_ms: int) -> list[Happening]:
        """What happens now by itself, in order: ends, then what strikes or begins."""
        happened: list[Happening] = []
        if self._ways_back:
            self._ways_back = [way for way in self._ways_back if way.at(now_ms) != 1]
        for name, (fault, began_ms, end_ms) in list(self._spans.items()):
            if now_ms >= end_ms or name in self._cut:
                del self._spans[name]
                self._cut.discard(name)
                self._let_back(fault, began_ms, end_ms, now_ms)
                happened.append(Happening(fault, Phase.ENDED))
        due = (strike.fault for strike in self._alone if strike.is_due(now_ms))
        happened.extend(self._struck(fault, now_ms) for fault in due)
        return happened

    def _let_back(self, fault: AnyFault, began_ms: int, end_ms: float, now_ms: int) -> None:
        """Prices that a shock has moved do not jump when it ends before its time."""
        way = shocks.way_back(fault, now_ms - began_ms, _lasting(began_ms, end_ms), now_ms)
        if way is not None:
            self._ways_back.append(way)

    def _struck(self, fault: AnyFault, now_ms: int) -> Happening:
        if isinstance(fault, OfSpans):
            self._spans[fault.name] = (fault, now_ms, self._end_of(fault, now_ms))
            return Happening(fault, Phase.BEGAN)
        if isinstance(fault, PriceGap):
            _, before = self._gaps.get(fault.name, (fault, Decimal(1)))
            self._gaps[fault.name] = fault, shocks.bounded(before * shocks.gap(fault))
        return Happening(fault, Phase.NOW)

    def _end_of(self, fault: OfSpans, now_ms: int) -> float:
        if fault.lasts is not None:
            return now_ms + fault.lasts
        return math.inf if fault.until is None else now_ms + fault.until - fault.after

    def active(self, kind: type[_Kind]) -> list[_Kind]:
        """The faults of a kind that last at this moment."""
        if not self._spans:
            return []
        return [fault for fault, _, _ in self._spans.values() if isinstance(fault, kind)]

    # -- the state of the market --------------------------------------------------------------

    @property
    def skew_ms(self) -> int:
        """How far the venue's clock is ahead."""
        return sum(fault.by for fault in self.active(ClockSkew))

    @property
    def size_percent(self) -> int:
        """How deep the book is, in percent of the usual: the thinnest counts."""
        return min((fault.size_percent for fault in self.active(ThinBook)), default=100)

    def book_state(self, instrument_name: str) -> str | None:
        """The state a book is held in; None leaves it as it is."""
        for fault in self.active(BookState):
            if any(fnmatchcase(instrument_name, pattern) for pattern in fault.instruments):
                return fault.state
        return None

    def price(self, index: str, price: Decimal, now_ms: int) -> Decimal:
        """An index price as the shocks make it."""
        if not (self._gaps or self._spans or self._ways_back):
            return price
        product = Decimal(1)
        for fault, total in self._gaps.values():
            product *= total if shocks.concerns(fault, index) else 1
        for fault, began_ms, end_ms in self._spans.values():
            if shocks.concerns(fault, index):
                product *= shocks.factor(fault, now_ms - began_ms, _lasting(began_ms, end_ms))
        for way in self._ways_back:
            product *= way.at(now_ms) if shocks.concerns(way.fault, index) else 1
        return price if product == 1 else price * shocks.bounded(product)


def _lasting(began_ms: int, end_ms: float) -> int:
    """How long a span lasts; 0 when it has no end, and then no shape that depends on it."""
    return 0 if end_ms == math.inf else int(end_ms - began_ms)
