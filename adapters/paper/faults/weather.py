"""An exchange and what goes wrong at it: the one seam of the server and of the simulation.

Whoever carries requests asks `fate`, and runs each through `carry_out`; whoever moves the market
does it through `advance`. Sockets, latency and lost bytes are the carrier's own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import structlog
from structlog.typing import FilteringBoundLogger

from adapters.paper.errors import VenueError, refusal, unauthorized
from adapters.paper.exchange import Exchange
from adapters.paper.faults import people
from adapters.paper.faults.engine import FaultEngine, Happening
from adapters.paper.faults.fates import UNTOUCHED, Answer, Asked, Fate, Phase
from adapters.paper.faults.of_moments import Disconnected, OfHuman, TokensRevoked
from adapters.paper.faults.of_spans import Maintenance
from adapters.paper.faults.plan import FaultPlan
from adapters.paper.sessions import SessionState

_log: FilteringBoundLogger = structlog.get_logger(actor="exchange")
_T = TypeVar("_T")
_UNAUTHORIZED = 13009
_OPEN = "open"


@dataclass(frozen=True, slots=True)
class Moved:
    """What a step of the market brought: what happened, and whether every websocket breaks."""

    happened: tuple[Happening, ...]
    hangs_up: bool


class Weather:
    """An exchange under a fault plan. Times are the carrier's, in milliseconds.

    A fault does not outlive the process: books that an earlier one left closed are open again.
    """

    def __init__(self, exchange: Exchange, plan: FaultPlan, *, seed: int, now_ms: int) -> None:
        self.exchange = exchange
        self.faults = FaultEngine(plan, seed=seed, now_ms=now_ms)
        self._prices = exchange.prices()
        self._person: SessionState | None = None
        self._held: dict[str, str] = {}
        for row in exchange.overview():
            exchange.set_state(row.instrument, _OPEN)

    def venue_ms(self, now_ms: int) -> int:
        """The venue's own clock, which may be wrong."""
        return now_ms + self.faults.skew_ms

    # -- requests -----------------------------------------------------------------------------

    def fate(self, method: str, params: Mapping[str, Any], line: str, now_ms: int) -> Fate:
        """What becomes of a request; ``line`` is its websocket, empty over HTTP."""
        if self.faults.is_quiet:
            return UNTOUCHED
        label = params.get("label")
        asked = Asked(method=method, label=label if isinstance(label, str) else "", line=line)
        fate = self.faults.request(asked, now_ms)
        if fate.struck:
            _log.info("fault_struck", faults=fate.struck, method=method, label=asked.label)
        return fate

    @staticmethod
    def carry_out(fate: Fate, run: Callable[[], _T]) -> _T | None:
        """Runs a request that has arrived, as its fate wants it; None when it is not run.

        Raises:
            VenueError: what the venue answers instead of a result.
        """
        result = None
        if fate.is_run:
            try:
                result = run()
            except VenueError:
                if fate.answer is not Answer.ERROR:
                    raise
        if fate.answer is Answer.ERROR:
            raise unauthorized() if fate.code == _UNAUTHORIZED else refusal(fate.code)
        return result

    # -- the market ---------------------------------------------------------------------------

    def advance(self, now_ms: int, prices: Mapping[str, Decimal]) -> Moved:
        """Moves time and index prices; what is due by itself happens."""
        happened = self.faults.tick(now_ms)
        self._prices.update(prices)
        for fault, phase in happened:
            _log.info("fault_happened", fault=fault.name, kind=fault.kind, phase=phase.value)
            if isinstance(fault, TokensRevoked):
                self.exchange.sessions.revoke_all()
        if happened:
            self._hold_books()
        self.exchange.advance(self.venue_ms(now_ms), self._shocked(now_ms))
        for fault, _ in happened:
            if isinstance(fault, OfHuman):
                self._let_act(fault, now_ms)
        return Moved(tuple(happened), any(_hangs_up(each) for each in happened))

    def _shocked(self, now_ms: int) -> dict[str, Decimal]:
        faults = self.faults
        return {name: faults.price(name, price, now_ms) for name, price in self._prices.items()}

    def _hold_books(self) -> None:
        """Puts depth, states and the platform's notice where the faults want them."""
        exchange, faults = self.exchange, self.faults
        exchange.set_depth(faults.size_percent)
        exchange.set_maintenance(is_on=bool(faults.active(Maintenance)))
        for row in exchange.overview():
            name = row.instrument
            wanted = faults.book_state(name) or _OPEN
            if self._held.get(name, _OPEN) != wanted:
                exchange.set_state(name, wanted)
                self._held[name] = wanted

    def _let_act(self, fault: OfHuman, now_ms: int) -> None:
        person = self._person = self._person or self.exchange.open_session(is_websocket=False)
        person.is_trusted = True

        def ask(method: str, params: Mapping[str, Any]) -> Any:
            return self.exchange.request(person, method, params, self.venue_ms(now_ms))

        try:
            people.act(fault, ask)
        except VenueError as error:
            _log.info("fault_in_vain", fault=fault.name, reason=str(error))


def _hangs_up(happening: Happening) -> bool:
    fault, phase = happening
    if isinstance(fault, Maintenance):
        return fault.hangs_up and phase is Phase.BEGAN
    return isinstance(fault, Disconnected)
