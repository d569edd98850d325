"""What the Desk knows by listening, and whom it asks for the rest.

Every ask is short, and a part that has just failed to answer is not asked again for a moment:
a command must not queue behind others that wait for the same silence.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo
from typing import Any

from actors.kernel import Address, AskFailed, System
from actors.messages.base import Message
from actors.messages.book import (
    BookSnapshot,
    ClearPause,
    GetBook,
    Recorded,
    RecordKill,
    RecordPause,
)
from actors.messages.lifecycle import StopAll
from actors.messages.risk import Denied, GetRisk, RiskSnapshot
from actors.messages.trading import (
    CloseTrade,
    ExecutionSnapshot,
    Flatten,
    GetExecution,
    OpenTrade,
    Resume,
    TradeAccepted,
)
from actors.messages.watch import PortfolioObserved
from actors.ports import Journal, LogTail, Venue
from domain import watch
from domain.health import Uncovered
from domain.trade import Trade

ASK_SECONDS = 0.4
OPEN_SECONDS = 3.0
SILENCE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskFacts:
    """What does not change while the daemon runs.

    ``settings`` are (name, value) with secrets masked. ``telegram_users`` may give commands from
    Telegram, as texts. ``restarted_by``: who starts the process again when it ends; or nobody.
    """

    version: str = ""
    env: str = ""
    timezone: tzinfo = UTC
    report_at: time = time(23, 50)
    poll_seconds: float = 2.0
    settings: tuple[tuple[str, str], ...] = ()
    telegram_users: frozenset[str] = frozenset()
    restarted_by: str = ""


class Sources:
    """Where answers come from. ``look`` is the last whole look at the account."""

    def __init__(
        self,
        *,
        execution: Address,
        registry: Address,
        risk: Address,
        supervisor: Address,
        emit: Callable[..., Any],
        system: System,
        venue: Venue,
        journal: Journal,
        log_tail: LogTail | None,
        facts: DeskFacts,
        log: Any,
    ) -> None:
        self._execution = execution
        self._registry = registry
        self._risk = risk
        self._supervisor = supervisor
        self.emit = emit
        self.system = system
        self.clock = system.clock
        self.venue = venue
        self.journal = journal
        self.log_tail = log_tail
        self.facts = facts
        self.look: PortfolioObserved | None = None
        self.started_at: datetime = system.clock.now()
        self._log = log
        self._silent_until: dict[str, float] = {}
        self._uncovered_since: dict[str, float] = {}
        self._drifting_since: dict[str, float] = {}
        self._residuals: dict[str, int] = {}

    # -- what it hears -------------------------------------------------------------------------

    def observe(self, look: PortfolioObserved) -> None:
        """Keeps the look, and since when it finds what it finds."""
        self.look = look
        now = self.clock.monotonic()
        found = {x.instrument_name for x in watch.shortfalls(look.positions, look.orders)}
        self._uncovered_since = _kept(self._uncovered_since, found, now)
        if look.drifts is not None:
            self._residuals = {x.instrument_name: x.residual for x in look.drifts}
            self._drifting_since = _kept(self._drifting_since, set(self._residuals), now)

    def uncovered(self) -> tuple[Uncovered, ...]:
        """Positions without enough stop in the last look, ours and foreign ones told apart."""
        if self.look is None:
            return ()
        now = self.clock.monotonic()
        found: list[Uncovered] = []
        for each in watch.shortfalls(self.look.positions, self.look.orders):
            residual = self._residuals.get(each.instrument_name, 0)
            lacking = abs(each.position) - each.cover
            foreign = min(lacking, abs(residual)) if residual * each.position > 0 else 0
            since = self._uncovered_since.get(each.instrument_name, now)
            found.append(
                Uncovered(
                    instrument=each.instrument_name,
                    missing=lacking - foreign,
                    foreign=foreign,
                    seconds=now - since,
                )
            )
        return tuple(found)

    def drifting(self) -> tuple[str, ...]:
        """Instruments whose position was not ours alone in more than one look."""
        now = self.clock.monotonic()
        return tuple(sorted(x for x, since in self._drifting_since.items() if now > since))

    # -- whom it asks --------------------------------------------------------------------------

    def book(self) -> BookSnapshot | None:
        """The book; None when the Registry does not answer."""
        snapshot: BookSnapshot | None = self._patient(
            "registry",
            lambda at: self._registry.ask(GetBook(at=at), timeout=ASK_SECONDS),
        )
        return snapshot

    def execution(self) -> ExecutionSnapshot | None:
        """Execution's view; None when it is busy or gone."""
        snapshot: ExecutionSnapshot | None = self._patient(
            "execution",
            lambda at: self._execution.ask(GetExecution(at=at), timeout=ASK_SECONDS),
        )
        return snapshot

    def risk(self) -> RiskSnapshot | None:
        """Risk's view; None when it does not answer."""
        snapshot: RiskSnapshot | None = self._patient(
            "risk", lambda at: self._risk.ask(GetRisk(at=at), timeout=ASK_SECONDS)
        )
        return snapshot

    def trades(self) -> tuple[Trade, ...] | None:
        """Our open trades; from the book, which answers while Execution waits for the venue."""
        book = self.book()
        return None if book is None else book.trades

    # -- what changes something ----------------------------------------------------------------

    def order(self, command: Flatten | CloseTrade) -> None:
        """Tells Execution; it is handled even if Execution has to be restarted first."""
        self._execution.tell(command)

    def record(self, command: RecordKill | RecordPause | ClearPause) -> bool:
        """True once it is on disk."""
        try:
            recorded: Recorded = self._registry.ask(command, timeout=ASK_SECONDS)
        except AskFailed:
            self._silent_until["registry"] = self.clock.monotonic() + SILENCE_SECONDS
            return False
        return recorded.ok

    def leave(self, command: RecordKill | RecordPause) -> None:
        """What could not be recorded at once is handled as soon as the Registry is back."""
        self._registry.tell(command)

    def open(self, command: OpenTrade) -> TradeAccepted | Denied | None:
        """What Execution says to a new trade; None when it did not answer in time."""
        try:
            answer: TradeAccepted | Denied = self._execution.ask(command, timeout=OPEN_SECONDS)
        except AskFailed:
            return None
        return answer

    def stop_all(self, command: StopAll) -> None:
        """Tells the supervisor to end the process in order."""
        self._supervisor.tell(command)

    def end_kill(self, command: Resume) -> bool | None:
        """Whether Execution has ended the kill; None when it did not answer."""
        try:
            return bool(self._execution.ask(command, timeout=2 * ASK_SECONDS))
        except AskFailed:
            return None

    # -- inside --------------------------------------------------------------------------------

    def _patient(self, name: str, ask: Callable[[datetime], Message]) -> Any:
        now = self.clock.monotonic()
        if now < self._silent_until.get(name, now):
            return None
        try:
            return ask(self.clock.now())
        except AskFailed as error:
            self._silent_until[name] = self.clock.monotonic() + SILENCE_SECONDS
            self._log.warning("desk_got_no_answer", of=name, error=str(error))
            return None


def _kept(since: dict[str, float], found: set[str], now: float) -> dict[str, float]:
    return {name: since.get(name, now) for name in found}
