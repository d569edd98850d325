"""The conversation with the Registry: a reply means it is on disk."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from actors.messages.base import Command, Due, Event, Message, Query
from domain.trade import Trade


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordIntent(Command):
    """Asks for a new trade's intent to be made durable. Refused while killed."""

    trade: Trade


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordTrade(Command):
    """The newest record of an open trade."""

    trade: Trade


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelIntent(Command):
    """An intent whose recording was not confirmed will not be sent: end it, if it is there."""

    trade_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseBook(Command):
    """The end of a trade is in the journal: it leaves the book."""

    trade_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepLastWords(Command):
    """What lets a trade or an alert leave the book: kept until it does, should it get lost."""

    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatLastWords(Command):
    """A Historian has failed and may have lost some. Answered by `WriteLastWords`."""

    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteLastWords(Command):
    """Those that are not known to be in the journal. For the incarnation that asked, no other."""

    incarnation: int
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded(Message):
    """On disk, or why not. ``refusal`` is a stable word."""

    ok: bool
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRecorded(Event):
    """A trade is about to begin; from here on it cannot be forgotten.

    ``contracts`` are of ``contract_size`` each (coin, or USD of inverse ones).
    """

    money: ClassVar[bool] = True
    trade_id: str
    instrument: str
    side: str
    contracts: int
    entry_type: str
    entry_price: Decimal | None
    stop_loss: Decimal
    take_profit: Decimal | None
    notional_usd: Decimal
    valid_until_ms: int
    is_linked: bool = False
    stop_trigger: str = "mark_price"
    break_even_at: Decimal | None = None
    trail: Decimal | None = None
    contract_size: Decimal | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordKill(Command):
    """Asks for the kill to be made durable. Empty ``day``: the one the book is in."""

    reason: str
    by: str
    until_midnight: bool
    day: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearKill(Command):
    """Ends a kill, for a reason that is kept."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KillState:
    """A kill in force. ``day`` is the trading day it was made in."""

    reason: str
    by: str
    day: str
    until_midnight: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseState:
    """No new entries until somebody resumes, restarts included."""

    by: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPause(Command):
    """Asks for a pause to be made durable: from the answer on, no intent is recorded."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearPause(Command):
    """Ends a pause."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntriesPaused(Event):
    """No new entries. What is open keeps its stops and targets."""

    level: ClassVar[str] = "warning"
    money: ClassVar[bool] = True
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntriesResumed(Event):
    """New entries are possible again."""

    level: ClassVar[str] = "warning"
    money: ClassVar[bool] = True
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyEquity:
    """The equity of one currency at the start of the day, in that currency."""

    currency: str
    equity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class DayBaseline:
    """What the account held when the trading day began. ``usd`` is its value then.

    ``has_killed``: its loss has made a kill, and nothing was let in since that could lose more.
    """

    day: str
    equity: tuple[CurrencyEquity, ...]
    usd: Decimal
    has_killed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDay(Command):
    """The trading day's baseline."""

    baseline: DayBaseline


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxAlert:
    """One alert: waiting to be delivered, or (with ``delivered_at``) to be acknowledged."""

    number: int
    kind: str
    text: str
    is_critical: bool
    raised_at: datetime
    delivered_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAlert(Command):
    """An alert that must survive until it is delivered."""

    alert: OutboxAlert


@dataclass(frozen=True, slots=True, kw_only=True)
class DropAlert(Command):
    """An alert is done with: delivered and, where that is needed, acknowledged.

    To a Registry that has stopped it is moot: the next process finds the delivery in the journal.
    """

    is_moot_at_the_end: ClassVar[bool] = True
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GetBook(Query):
    """Asks for everything in the book."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetTrade(Query):
    """Asks for one open trade."""

    trade_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BookSnapshot(Message):
    """Everything in the book."""

    trades: tuple[Trade, ...]
    kill: KillState | None
    day: DayBaseline | None
    outbox: tuple[OutboxAlert, ...]
    pause: PauseState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeSnapshot(Message):
    """One open trade, or None when the book has no such trade."""

    trade: Trade | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryRebuilt(Event):
    """The book was unreadable, or missing, and was rebuilt from the journal.

    ``kept_aside`` is where the unreadable one is; empty when there was none.
    """

    level: ClassVar[str] = "critical"
    money: ClassVar[bool] = True
    kept_aside: str
    trades: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFailed(Event):
    """The book or the journal could not be written: no entry is sent until it works again."""

    level: ClassVar[str] = "critical"
    what: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalUnreadable(Event):
    """A file of the journal is passed over: what only it has is not known any more."""

    level: ClassVar[str] = "critical"
    file: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRecovered(Event):
    """Writing works again. ``lost`` entries did not fit into memory meanwhile."""

    what: str
    lost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLost(Event):
    """So many entries did not fit into memory while the journal could not be written.

    ``money_facts`` of them were facts about trades, kills or orders: the others are dropped first.
    """

    level: ClassVar[str] = "critical"
    entries: int
    money_facts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDue(Due):
    """Time to try the disk again."""
