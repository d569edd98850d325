"""The conversation about trades: commands to Execution and Trade, and what became of them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from actors.messages.base import Command, Due, Event, Message, Query, Report
from actors.messages.book import KillState
from domain.instruments import Instrument
from domain.orders import Fill, Order
from domain.risk import EXPECTED
from domain.trade import Trade


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTrade(Command):
    """Opens a bracket. ``quantity`` is in ``unit``: ``coin``, ``usd`` or ``contracts``.

    Prices are USD/USDC per coin: ``break_even_at`` is the one at which the stop is moved to where
    nothing is lost, ``trail`` the distance at which it follows the price. Answered by
    `TradeAccepted` or `Denied`.
    """

    instrument: str
    side: str
    quantity: Decimal
    unit: str = "coin"
    entry_type: str = "market"
    price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    break_even_at: Decimal | None = None
    trail: Decimal | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeAccepted(Message):
    """The intent is on disk and the trade is on its way."""

    trade_id: str
    contracts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseTrade(Command):
    """Closes one trade at market."""

    trade_id: str
    reason: str = "requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten(Command):
    """Kills: durable first, then everything is closed and verified flat.

    ``day`` is the trading day whose loss it is for; empty where that does not matter.
    """

    reason: str
    by: str
    until_midnight: bool = False
    day: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(Command):
    """Ends a kill or protect-only mode, if the account is flat or reconciled."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginTrade(Command):
    """What a Trade actor is born with. ``is_new`` means the entry was never sent."""

    trade: Trade
    instrument: Instrument
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport(Report):
    """The venue's word on one order, routed to the trade that owns it."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class FillReport(Report):
    """A fill, routed to its trade. ``is_foreign``: not by an order of ours (hand, liquidation)."""

    fill: Fill
    is_foreign: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryReport(Report):
    """All that foreign hands did to a trade by the fills ``told`` (the venue's trade ids).

    Whatever the trade has of these fills otherwise was a mistake. ``until_seq`` is the newest one's
    ``trade_seq``.
    """

    fills: tuple[Fill, ...]
    told: frozenset[str]
    until_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadChronicle(Command):
    """Asks for all fills of an instrument since then; the answer is told (`ChronicleReport`)."""

    instrument: str
    since_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChronicleReport(Report):
    """All fills of an instrument, oldest first, and the position after them, in signed contracts.

    ``fills`` is None when they could not be read, or the position moved meanwhile. ``asked_at`` is
    the question's ``at``.
    """

    instrument: str
    asked_at: datetime
    fills: tuple[Fill, ...] | None = None
    contracts: int = 0
    contract_size: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceReport(Report):
    """The price has come so far that the trade's stop has to be moved. USD/USDC per coin."""

    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyTrade(Command):
    """Reads the venue's truth about a trade afresh and repairs what is missing."""

    is_moot_at_the_end: ClassVar[bool] = True
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDue(Due):
    """Time for a trade to look at itself again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileDue(Due):
    """Time to try to finish the reconciliation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlattenDue(Due):
    """Time to verify flat, and to chase what is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueDue(Due):
    """Time to read the contract data again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueRead(Message):
    """The venue's contract data, read afresh (told, not logged)."""

    instruments: tuple[Instrument, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatCatalogue(Command):
    """Publishes `CatalogueRead` again, as it was last read: its sender has missed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentRead(Message):
    """A trade's instrument as the venue has it now: read afresh, changed or not."""

    instrument: Instrument


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeUpdated(Message):
    """A trade's record has changed (told, not logged)."""

    trade: Trade


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeRecovered(Message):
    """A trade has read the venue's truth about itself, or could not (yet)."""

    trade_id: str
    is_synced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GetExecution(Query):
    """Asks for Execution's view."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionSnapshot(Message):
    """Execution's view of the world."""

    is_reconciled: bool
    is_protect_only: bool
    is_flattening: bool
    trades: tuple[Trade, ...]
    protect_only: str
    """Why entries are impossible; empty when they are not for that reason."""
    has_session: bool
    disk_troubles: tuple[str, ...]
    external: tuple[str, ...]
    """Instruments with a position that is not ours."""
    instruments: tuple[Instrument, ...]
    """The contract data of what is traded."""
    kill: KillState | None
    """The kill in force; the book has it too, or a moment later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready(Event):
    """The book equals the venue and every position has its stop: trading may begin."""

    trades: int
    seconds: float
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectOnlyBegan(Event):
    """No entries; what is open stays guarded."""

    level: ClassVar[str] = "critical"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectOnlyEnded(Event):
    """Entries are possible again."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryDenied(Event):
    """Refused by us; nothing was sent."""

    instrument: str
    side: str
    reasons: tuple[str, ...]
    note: str = ""

    @property
    def log_level(self) -> str:
        """A limit that does its work, or a state that was told of already, is no warning."""
        return "info" if EXPECTED.issuperset(self.reasons) else "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrySent(Event):
    """The entry is about to be on the wire."""

    money: ClassVar[bool] = True
    trade_id: str
    label: str
    instrument: str
    side: str
    contracts: int
    entry_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilled(Event):
    """Some of the entry is filled. ``contracts`` is the position so far."""

    money: ClassVar[bool] = True
    trade_id: str
    instrument: str
    side: str
    contracts: int
    of_contracts: int
    average_price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRejected(Event):
    """The venue refused the entry."""

    level: ClassVar[str] = "warning"
    money: ClassVar[bool] = True
    trade_id: str
    code: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopPlaced(Event):
    """The venue acknowledged a stop for the whole position."""

    money: ClassVar[bool] = True
    trade_id: str
    label: str
    order_id: str
    contracts: int
    trigger_price: Decimal | None
    unprotected_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StopReplaced(Event):
    """A resting stop was gone that nobody here took away (``lost_label``); another rests now."""

    level: ClassVar[str] = "warning"
    trade_id: str
    instrument: str
    label: str
    lost_label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopFailed(Event):
    """A try to place or grow the stop failed; the next step follows at once."""

    level: ClassVar[str] = "error"
    trade_id: str
    label: str
    code: int
    reason: str
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StopMoved(Event):
    """The venue acknowledged the stop at a place nearer to the market; both prices per coin."""

    trade_id: str
    label: str
    order_id: str
    trigger_price: Decimal
    moved_from: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopMoveFailed(Event):
    """A move of the stop was refused. It stands where it was; the move is tried again."""

    level: ClassVar[str] = "warning"
    trade_id: str
    label: str
    code: int
    reason: str
    wanted: Decimal
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionDeadlineMissed(Event):
    """A position was without its stop for longer than allowed. Told when that has ended.

    ``seconds`` is this one gap, not the trade's sum; a time when no process ran is in it. Of a
    fill that is heard of so late it is told at once: ``is_over`` is false, the stop comes next.
    """

    level: ClassVar[str] = "critical"
    money: ClassVar[bool] = True
    trade_id: str
    instrument: str
    seconds: float
    allowed_seconds: float
    is_over: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPlaced(Event):
    """The take-profit rests."""

    trade_id: str
    label: str
    order_id: str
    contracts: int
    price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFailed(Event):
    """The take-profit was refused; the stop stands."""

    level: ClassVar[str] = "warning"
    trade_id: str
    label: str
    code: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetMissing(Event):
    """A position goes on without its take-profit; the stop stands.

    ``failures`` is how often in a row it was refused or cut by the venue. ``is_left_away``: a
    person has cancelled it again and again, so it is not tried any more. ``price`` is per coin.
    """

    level: ClassVar[str] = "warning"
    trade_id: str
    instrument: str
    price: Decimal | None
    failures: int
    is_left_away: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeOpened(Event):
    """A position is open and under its stop."""

    money: ClassVar[bool] = True
    trade_id: str
    instrument: str
    side: str
    contracts: int
    entry_price: Decimal | None
    stop_loss: Decimal
    take_profit: Decimal | None
    unprotected_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeClosed(Event):
    """The trade is over and flat. Coin figures are in the settlement currency.

    ``pnl_coin`` is before fees, as the venue books it; ``net_coin`` is what remains.
    """

    money: ClassVar[bool] = True
    trade_id: str
    instrument: str
    side: str
    contracts: int
    entry_price: Decimal | None
    exit_price: Decimal | None
    exit_reason: str
    pnl_coin: Decimal
    pnl_usd: Decimal
    fees_coin: Decimal
    net_coin: Decimal
    currency: str
    unprotected_ms: float
    seconds: float
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PnlDiffers(Event):
    """Our PnL of a closed trade and the venue's differ by more than rounding explains."""

    level: ClassVar[str] = "error"
    trade_id: str
    ours: Decimal
    venue: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseFailed(Event):
    """A closing order was refused; the position is looked at and it is tried again."""

    level: ClassVar[str] = "error"
    trade_id: str
    label: str
    code: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeAbandoned(Event):
    """The trade ended without ever holding a position."""

    money: ClassVar[bool] = True
    trade_id: str
    instrument: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyBegan(Event):
    """The stop cannot be had: the position is being closed at market."""

    level: ClassVar[str] = "critical"
    money: ClassVar[bool] = True
    trade_id: str
    reason: str
    contracts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyClosed(Event):
    """The position that could not be protected is closed."""

    level: ClassVar[str] = "critical"
    money: ClassVar[bool] = True
    trade_id: str
    reason: str
    unprotected_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeNetted(Event):
    """The venue added a position of somebody else's to this trade's: so much of it is gone.

    ``price`` is what it came in at, and counts as what it went at: for the venue the entry closed
    the other's position.
    """

    level: ClassVar[str] = "warning"
    money: ClassVar[bool] = True
    trade_id: str
    instrument: str
    contracts: int
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeTookOthers(Event):
    """Orders of this trade, all reduce-only, closed more than it held: somebody else's contracts.

    They can have opened nothing, so nothing of it is left, and it ends.
    """

    level: ClassVar[str] = "warning"
    money: ClassVar[bool] = True
    trade_id: str
    instrument: str
    contracts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeQuarantined(Event):
    """More was closed than opened, or the order of its fills leaves something open, and it is not
    proven whose that was: a person must look. ``position``: signed contracts.
    """

    level: ClassVar[str] = "critical"
    trade_id: str
    instrument: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeRescaled(Event):
    """The venue's contracts are others: the trade counts in them, and is what it was in coin.

    ``contracts`` is the size it was planned with, ``contract_size`` coin or USD of one by now.
    """

    money: ClassVar[bool] = True
    trade_id: str
    instrument: str
    contracts: int
    contracts_before: int
    contract_size: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSizeUnfit(Event):
    """The venue's contracts are no fraction of those the trade was made in: a person must look.

    What is held may be no whole number of them. Nothing is closed or cancelled any more. Sizes are
    coin, or USD of inverse ones.
    """

    level: ClassVar[str] = "critical"
    trade_id: str
    instrument: str
    position: int
    counted_in: Decimal
    contract_size: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeUnknown(Event):
    """A request's outcome is not known; it is looked up by label, never sent again."""

    level: ClassVar[str] = "warning"
    trade_id: str
    label: str
    what: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeResolved(Event):
    """What became of an unknown outcome."""

    trade_id: str
    label: str
    outcome: str


DIRECT = "cli:direct"
"""Whose kill no daemon has heard of: `run.py kill --direct`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KillSwitchActivated(Event):
    """The kill is durable; no entry is sent any more and the account is driven flat.

    ``day`` is the trading day whose loss it is for; empty where that does not matter.
    """

    level: ClassVar[str] = "critical"
    money: ClassVar[bool] = True
    reason: str
    by: str
    until_midnight: bool
    day: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KillSwitchReset(Event):
    """Trading may go on."""

    level: ClassVar[str] = "warning"
    money: ClassVar[bool] = True
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatVerified(Event):
    """Fresh venue data show no position and no order of ours."""

    money: ClassVar[bool] = True
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFlatYet(Event):
    """The account is not flat yet, and why; it is tried again."""

    level: ClassVar[str] = "critical"
    positions: tuple[str, ...]
    reason: str
