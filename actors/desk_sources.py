"""What the Desk knows by listening, and whom it asks for the rest.

Every ask is short, and a part that has just failed to answer is not asked again for a moment:
a command must not queue behind others that wait for the same silence.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from actors.kernel import Address, AskFailed
from actors.messages.base import Message
from actors.messages.book import (
    BookSnapshot,
    ClearPause,
    GetBook,
    Recorded,
    RecordKill,
    RecordPause,
)
from actors.messages.trading import (
    CloseTrade,
    ExecutionSnapshot,
    Flatten,
    GetExecution,
    Resume,
)
from actors.messages.watch import PortfolioObserved
from actors.ports import Clock, Journal, Venue
from domain.trade import Trade

ASK_SECONDS = 0.4
SILENCE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskFacts:
    """What does not change while the daemon runs.

    ``settings`` are (name, value) with secrets masked. ``telegram_users`` may give commands from
    Telegram, as texts. ``is_supervised``: somebody starts the process again when it ends.
    """

    version: str = ""
    env: str = ""
    timezone: tzinfo = UTC
    poll_seconds: float = 2.0
    settings: tuple[tuple[str, str], ...] = ()
    telegram_users: frozenset[str] = frozenset()
    is_supervised: bool = False


class Sources:
    """Where answers come from. ``look`` is the last whole look at the account."""

    def __init__(
        self,
        *,
        execution: Address,
        registry: Address,
        emit: Callable[..., Any],
        clock: Clock,
        venue: Venue,
        journal: Journal,
        facts: DeskFacts,
        log: Any,
    ) -> None:
        self._execution = execution
        self._registry = registry
        self.emit = emit
        self.clock = clock
        self.venue = venue
        self.journal = journal
        self.facts = facts
        self.look: PortfolioObserved | None = None
        self.started_at: datetime = clock.now()
        self._log = log
        self._silent_until: dict[str, float] = {}

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
            return False
        return recorded.ok

    def leave(self, command: RecordKill | RecordPause) -> None:
        """What could not be recorded at once is handled as soon as the Registry is back."""
        self._registry.tell(command)

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
