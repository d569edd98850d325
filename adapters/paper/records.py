"""What the engine keeps: orders (mutable while they live), trades and the trigger history."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from adapters.paper.catalogue import INSTRUMENTS
from domain.instruments import Instrument
from domain.orders import (
    TRIGGER_TYPES,
    ZERO,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
    TriggerBy,
)
from domain.pnl import Holding, average_price


class LinkedType(StrEnum):
    """How the orders of one request hang together."""

    OTO = "one_triggers_other"
    OCO = "one_cancels_other"
    OTOCO = "one_triggers_one_cancels_other"


class FillCondition(StrEnum):
    """What a partial fill does to the orders that hang on it."""

    FIRST_HIT = "first_hit"
    COMPLETE_FILL = "complete_fill"
    INCREMENTAL = "incremental"


# A market-style trigger that has not fired states no price but this text.
MARKET_STYLE = frozenset(
    {
        OrderType.MARKET,
        OrderType.MARKET_LIMIT,
        OrderType.STOP_MARKET,
        OrderType.TAKE_MARKET,
        OrderType.TRAILING_STOP,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An order as asked for, checked against the catalogue but not yet against the market.

    ``display`` is the visible part of an iceberg, in contracts. The last three link it to the
    order that triggers it and to the one it excludes.
    """

    instrument: Instrument
    side: Side
    contracts: int
    order_type: OrderType
    price: Decimal | None = None
    label: str = ""
    time_in_force: TimeInForce = TimeInForce.GOOD_TIL_CANCELLED
    reduce_only: bool = False
    post_only: bool = False
    reject_post_only: bool = False
    trigger: TriggerBy | None = None
    trigger_price: Decimal | None = None
    trigger_offset: Decimal | None = None
    display: int | None = None
    session_id: str = ""
    primary_order_id: str | None = None
    oco_ref: str | None = None
    fill_condition: FillCondition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Linkage:
    """What hangs on an order that is asked for: of which kind, on what condition, and what."""

    kind: LinkedType
    condition: FillCondition
    legs: tuple[Draft, ...]


@dataclass(slots=True, kw_only=True)
class OrderRecord:
    """One order id. ``fills`` adds up what it traded; ``rank`` is its place in time.

    ``peak`` is the best price a trailing stop has seen. ``session_id`` names the connection
    that made it, for cancel-on-disconnect.

    A waiting child (``is_secondary_oto``) has its own id and ``placed`` contracts of it are
    orders already; ``contracts`` is what still waits, and ``due_ms`` when the next are placed.
    ``growing_id`` is the order a waiting child lets grow. ``visible`` is what is left of the
    part an iceberg shows.
    """

    order_id: str
    instrument_name: str
    side: Side
    contracts: int
    order_type: OrderType
    state: OrderState
    price: Decimal | None
    label: str
    time_in_force: TimeInForce
    reduce_only: bool
    post_only: bool
    reject_post_only: bool
    created_ms: int
    updated_ms: int
    rank: int
    session_id: str = ""
    filled: int = 0
    fills: Holding = field(default_factory=Holding)
    original_order_type: OrderType | None = None
    trigger: TriggerBy | None = None
    trigger_price: Decimal | None = None
    trigger_offset: Decimal | None = None
    trigger_reference_price: Decimal | None = None
    peak: Decimal | None = None
    trigger_order_id: str | None = None
    replaced: bool = False
    risk_reducing: bool = False
    cancel_reason: str | None = None
    reject_reason: str | None = None
    primary_order_id: str | None = None
    oco_ref: str | None = None
    fill_condition: FillCondition | None = None
    oto_order_ids: tuple[str, ...] = ()
    is_primary_otoco: bool = False
    is_secondary_oto: bool = False
    placed: int = 0
    due_ms: int | None = None
    growing_id: str | None = None
    display: int | None = None
    visible: int = 0
    is_liquidation: bool = False

    @property
    def instrument(self) -> Instrument:
        return INSTRUMENTS[self.instrument_name]

    @property
    def remaining(self) -> int:
        return self.contracts - self.filled

    @property
    def is_trigger(self) -> bool:
        """Whether this id is the trigger itself (its child carries an ordinary type)."""
        return self.order_type in TRIGGER_TYPES

    @property
    def is_off_book(self) -> bool:
        """Whether this id waits outside the book: a trigger, or a child of another order."""
        return self.is_secondary_oto or self.is_trigger

    @property
    def is_resting(self) -> bool:
        """Whether it stands in the book."""
        return self.state is OrderState.OPEN

    @property
    def shown(self) -> int:
        """What the book shows of it."""
        return self.remaining if self.display is None else min(self.visible, self.remaining)

    @property
    def average(self) -> Decimal:
        """The average fill price, 0 when nothing filled, as the venue says it."""
        return average_price(self.instrument, self.fills) or ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeRecord:
    """One fill of ours; ``fee`` and ``profit_loss`` in the settlement currency, unrounded."""

    trade_id: str
    trade_seq: int
    order_id: str
    instrument_name: str
    side: Side
    contracts: int
    price: Decimal
    fee: Decimal
    is_maker: bool
    profit_loss: Decimal
    order_type: OrderType
    state: OrderState
    label: str
    reduce_only: bool
    post_only: bool
    risk_reducing: bool
    mark_price: Decimal
    index_price: Decimal
    tick_direction: int
    timestamp_ms: int
    is_liquidation: bool = False

    @property
    def instrument(self) -> Instrument:
        return INSTRUMENTS[self.instrument_name]


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerEntry:
    """One line of the trigger history: ``new``, ``triggered``, ``cancelled``, ``rejected:why``."""

    trigger_order_id: str
    order_id: str | None
    instrument_name: str
    side: Side
    contracts: int
    order_type: OrderType
    price: Decimal | None
    trigger: TriggerBy | None
    trigger_price: Decimal | None
    trigger_offset: Decimal | None
    state: str
    request: str
    label: str
    reduce_only: bool
    post_only: bool
    timestamp_ms: int
    is_secondary_oto: bool = False
    oco_ref: str | None = None

    @property
    def instrument(self) -> Instrument:
        return INSTRUMENTS[self.instrument_name]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """One line of the transaction log: what changed the cash, or made a result that will.

    ``change`` is of the cash, ``cashflow`` the session's PnL of the line; ``position`` is
    signed contracts afterwards. Money is in ``currency``; None where a kind has no such figure.
    """

    row_id: int
    kind: str
    timestamp_ms: int
    currency: str
    change: Decimal
    cashflow: Decimal
    balance: Decimal
    equity: Decimal
    side: str = "-"
    commission: Decimal | None = None
    instrument_name: str | None = None
    position: int | None = None
    contracts: int | None = None
    price: Decimal | None = None
    mark_price: Decimal | None = None
    index_price: Decimal | None = None
    trade_id: str | None = None
    order_id: str | None = None
    is_maker: bool | None = None
    is_liquidation: bool = False
    interest_pl: Decimal | None = None
    total_interest_pl: Decimal | None = None
    session_rpl: Decimal | None = None
    session_upl: Decimal | None = None
