"""What the actors need from outside. Adapters implement these; actors import nothing else.

Every venue method ends in exactly one of three ways: a value, `Rejected` (the venue proved it
refused) or `OutcomeUnknown` (everything else: timeout, disconnect, 5xx, unreadable reply).
An unknown outcome is resolved by looking up the label, never by sending again.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from actors.messages.alerts import DeliveryReport
from actors.messages.base import Event
from actors.messages.desk import CommandReply, VitalsSnapshot
from domain.commands import Door
from domain.instruments import Instrument
from domain.orders import (
    Account,
    Fill,
    Funding,
    Order,
    OrderBook,
    OrderRequest,
    Placement,
    Position,
    Ticker,
    TriggerRecord,
)


class Rejected(Exception):
    """The venue refused, provably: nothing was executed. ``code`` is the venue's error code."""

    def __init__(self, code: int, reason: str, data: str = "") -> None:
        super().__init__(f"{code} {reason} {data}".rstrip())
        self.code = code
        self.reason = reason
        self.data = data


class OutcomeUnknown(Exception):
    """Whether the request took effect is not known. Look it up by label; never assume."""


class NotSent(Exception):
    """We refused before a byte was written: entries locked, budget spent, bad request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A venue session's tokens. The texts of the tokens never appear in a repr.

    ``expires_in`` is in seconds; ``scope`` is what the venue granted, space-separated.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    scope: str


class Clock(Protocol):
    """The only source of time. ``now`` is UTC and aware; ``monotonic`` is seconds."""

    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class Entropy(Protocol):
    """The only source of chance: ids and jitter. Seeded in simulation."""

    def new_id(self) -> str:
        """A short id, unique and sortable by time, of ``[0-9a-z]`` only (fits a label)."""
        ...

    def uniform(self, low: float, high: float) -> float: ...


class Timers(Protocol):
    """One-shot wake-ups on the monotonic clock. ``callback`` must be quick and never raise."""

    def at(self, when: float, callback: Callable[[], None]) -> object:
        """Arms a wake-up at monotonic ``when`` (seconds); returns a handle for `cancel`."""
        ...

    def cancel(self, handle: object) -> None: ...


class Session(Protocol):
    """The logged-in connection to the venue. Auth is its only user.

    ``open`` connects, logs in with client credentials, calls ``before_orders``, takes orders from
    then on, sets the heartbeat and subscribes; what ``before_orders`` raises closes the connection
    again. A channel the venue left out is an error, unless it brings prices. ``refresh`` spends the
    (single-use) refresh token. Both install the new credentials on every transport before they
    return.
    """

    def open(
        self, channels: Sequence[str], before_orders: Callable[[], None] = ...
    ) -> Credentials: ...
    def refresh(self, credentials: Credentials) -> Credentials: ...
    def prices_left_out(self) -> Sequence[str]:
        """Channels of prices the venue has left out: a book that is not open has none."""
        ...

    def subscribe_prices(self) -> None:
        """Asks again for those."""
        ...

    def close(self) -> None: ...
    def cancel_on_disconnect(self) -> bool:
        """Whether the venue would cancel our orders when the connection drops."""
        ...

    def disable_cancel_on_disconnect(self) -> None: ...
    def server_time_ms(self) -> int: ...


class Venue(Protocol):
    """Typed methods of the venue. Contracts are whole and positive; see `domain.orders`.

    Reads and cancels may be retried by the adapter; orders never are.
    """

    def within(self, seconds: float) -> "Venue":
        """The same venue, whose answers are waited for no longer than this, all calls together.

        What is not answered by then is `OutcomeUnknown`, or `NotSent` when it was not tried.
        """
        ...

    def instruments(self) -> Mapping[str, Instrument]:
        """All active perpetuals by name, read afresh."""
        ...

    def ticker(self, instrument_name: str) -> Ticker: ...
    def order_book(self, instrument_name: str, depth: int = 10) -> OrderBook: ...

    def place(self, request: OrderRequest, on_sent: Callable[[], None] | None = None) -> Placement:
        """Sends one order, once. ``on_sent`` is called while its reply is waited for.

        Raises:
            NotSent: entries are locked, or the rate budget left to entries is spent.
            Rejected: the venue refused.
            OutcomeUnknown: look it up by label.
        """
        ...

    def edit(
        self,
        order_id: str,
        instrument: Instrument,
        *,
        label: str,
        contracts: int,
        valid_until_ms: int,
        price: Decimal | None = None,
        trigger_price: Decimal | None = None,
    ) -> Placement:
        """Sets absolute values; ``contracts`` is the new total including what is filled.

        ``label`` is the order's own: that of an entry passes the entry lock, as `place` does.
        After ``valid_until_ms`` (server time) the engine does not begin on it any more: an edit
        that was given up must not undo a later one.
        """
        ...

    def cancel(self, order_id: str) -> Order: ...
    def cancel_all(self) -> int: ...
    def cancel_all_by_instrument(self, instrument_name: str) -> int: ...
    def cancel_by_label(self, label: str, currency: str) -> int: ...
    def close_position(self, instrument_name: str) -> Placement:
        """Closes the whole position at market, reduce-only; carries no label of ours."""
        ...

    def order(self, order_id: str) -> Order: ...
    def orders_by_label(self, label: str, currency: str) -> tuple[Order, ...]:
        """Orders with exactly this label, recent terminal ones included."""
        ...

    def open_orders(self) -> tuple[Order, ...]:
        """Everything resting in every currency, triggers and waiting children included."""
        ...

    def trigger_history(self, currency: str, instrument_name: str) -> tuple[TriggerRecord, ...]: ...
    def order_history(self, instrument_name: str) -> tuple[Order, ...]:
        """Recent and historical orders merged by id, unfilled ones included."""
        ...

    def fills(self, instrument_name: str, since_ms: int) -> tuple[Fill, ...]:
        """Our trades since then, oldest first: all pages, recent and historical merged."""
        ...

    def positions(self) -> tuple[Position, ...]:
        """All non-zero positions. An error raises: it is never an empty result."""
        ...

    def accounts(self) -> tuple[Account, ...]: ...
    def funding(self, currency: str, start_ms: int, end_ms: int) -> tuple[Funding, ...]:
        """What was booked as funding in that time, oldest first; whole, or an exception."""
        ...

    def lock_entries(self, reason: str) -> None:
        """From now on every order that is not reduce-only is `NotSent`."""
        ...

    def unlock_entries(self) -> None: ...
    def server_now_ms(self) -> int:
        """The venue's clock: ours plus the offset last measured by the session."""
        ...

    def budget_left(self) -> int:
        """How many matching-engine requests could be sent now, the protective share included."""
        ...


REBUILDING = ("state", "rebuilding")
"""Table and key of what a book holds from its making until it was rebuilt from the journal.

The document is ``{"kept_aside": path}``: where the unreadable one is, empty when none was there.
"""


class Book(Protocol):
    """Durable open state. Each call returns only when it is on disk, or raises `OSError`.

    One that had to be made says so under `REBUILDING`, which whoever lives from it removes last.
    """

    def put(self, table: str, key: str, document: Mapping[str, Any]) -> None: ...
    def remove(self, table: str, key: str) -> None: ...
    def load(self) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """All tables: table -> key -> document."""
        ...


class Journal(Protocol):
    """Append-only, hash-chained history."""

    def append(self, entry: Mapping[str, Any], *, durable: bool) -> None:
        """Adds one entry; ``durable`` waits for the disk. Raises `OSError`."""
        ...

    def entries(self, *, days: int | None = None) -> Iterator[Mapping[str, Any]]:
        """Everything readable, oldest first, one at a time; a torn last line is left out.

        With ``days``, only that many of the last days that have any; what of them cannot be read is
        left out, and told of elsewhere. Without, it raises `OSError` on the way.
        """
        ...

    def find(
        self, *, events: Collection[str] = (), text: str = "", days: int
    ) -> Sequence[Mapping[str, Any]]:
        """Entries of these events, or those that mention ``text``, of the last ``days`` files.

        Oldest first. Reads line by line: a year of history needs no more memory than its answer.
        """
        ...


class LogTail(Protocol):
    """The end of the log, for whoever cannot read the file."""

    def tail(self, count: int, level: str) -> Sequence[Mapping[str, Any]]:
        """The last ``count`` entries of at least this level, oldest first. Raises `OSError`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One alert for a person. The first line of ``text`` is the headline.

    ``number`` is the same when it is sent again; with ``can_be_acknowledged`` the person is
    offered to say that it was seen. ``numbers`` are all the alerts in it: many may come as one.
    """

    number: int
    text: str
    is_critical: bool
    can_be_acknowledged: bool = False
    numbers: tuple[int, ...] = ()


class Notifier(Protocol):
    """The way to a person. Never blocks: nothing that trades waits for a phone."""

    def send(self, notice: Notice, done: Callable[[DeliveryReport], None]) -> None:
        """Begins to deliver; ``done`` is called once, from any thread, with what became of it.

        Raises:
            OSError: it could not even begin; ``done`` is not called.
        """
        ...

    def shout(self, text: str) -> None:
        """Last words before the process ends: blocks a few seconds at most, never raises."""
        ...


class DeskSilent(Exception):
    """The Desk did not answer in time. An urgent command is carried out all the same."""


class Desk(Protocol):
    """The operator's desk, as doors see it. Safe from any thread; blocks at most some seconds.

    ``who`` is the person the door has made sure of. ``request_id`` is the door's own, unique: a
    command given twice under one within ten minutes is carried out once and answered the same;
    another command is refused. What reads or reduces risk is carried out each time.
    """

    def run(
        self,
        door: Door,
        who: str,
        name: str,
        *,
        text: str = "",
        arguments: Mapping[str, str] | None = None,
        request_id: str = "",
    ) -> CommandReply:
        """Gives a command, its arguments as typed or by name.

        Raises:
            DeskSilent: no answer in time.
        """
        ...

    def confirm(self, door: Door, who: str, token: str, *, request_id: str = "") -> CommandReply:
        """Confirms what a reply asked to have confirmed. Raises `DeskSilent`."""
        ...

    def vitals(self) -> VitalsSnapshot:
        """What health and metrics are made of. Raises `DeskSilent`."""
        ...

    def dismiss(self, door: Door, who: str, token: str, *, request_id: str = "") -> CommandReply:
        """Makes a confirmation void. Raises `DeskSilent`."""
        ...


class Audience(Protocol):
    """Hears every event the Desk hears, in order. Quick, and never raises."""

    def hear(self, event: Event) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveNews:
    """Something that happened in the archive, numbered by the collector's process."""

    number: int
    event: str
    symbol: str = ""
    gaps: int = 0
    ticks: int = 0
    first_id: int = 0
    last_id: int = 0
    file: str = ""
    reason: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveState:
    """What the collector's process last said of itself. ``at`` is its time, in Unix seconds."""

    pid: int
    at: float
    stored: int
    holes: int
    lag_ms: int | None
    bytes_per_tick: Decimal
    news: tuple[ArchiveNews, ...] = ()

    @property
    def last_number(self) -> int:
        """The number of the last thing that happened."""
        return self.news[-1].number if self.news else 0


class TickArchive(Protocol):
    """The tick archive, as far as the trading process goes: a process to follow, or to keep."""

    @property
    def is_ours(self) -> bool:
        """Whether we are to keep a collector running."""
        ...

    def keep(self) -> None:
        """Sees to it that a collector runs, where that is ours to do. Never raises."""
        ...

    def look(self) -> ArchiveState | None:
        """What it last said; None when nobody ever said anything readable."""
        ...

    def release(self) -> None:
        """Ends the collector, if it was started here."""
        ...
