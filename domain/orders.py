"""Orders, fills, positions and accounts as values: what we ask for and what the venue reports.

Quantities are whole contracts, prices USD/USDC per coin, money is in the settlement currency,
times are the venue's milliseconds since the epoch. ``contract_size`` is coin (linear) or USD of
one contract, as the venue had it when this was read; None: as the reader counts.

Sources: Deribit ``private/buy`` (order types and flags), the order, user-trade, position and
account-summary objects of the API reference.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from domain.instruments import Instrument

ZERO = Decimal(0)


class Side(StrEnum):
    """The direction of an order, a fill or a position."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """+1 for buy, -1 for sell."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    """Every order type a perpetual trader can send."""

    LIMIT = "limit"
    MARKET = "market"
    MARKET_LIMIT = "market_limit"
    STOP_LIMIT = "stop_limit"
    STOP_MARKET = "stop_market"
    TAKE_LIMIT = "take_limit"
    TAKE_MARKET = "take_market"
    TRAILING_STOP = "trailing_stop"


PRICED_TYPES = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_LIMIT})
TRIGGER_TYPES = frozenset(
    {
        OrderType.STOP_LIMIT,
        OrderType.STOP_MARKET,
        OrderType.TAKE_LIMIT,
        OrderType.TAKE_MARKET,
        OrderType.TRAILING_STOP,
    }
)
STOP_TYPES = frozenset({OrderType.STOP_MARKET, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})


class TriggerBy(StrEnum):
    """The price a trigger order watches."""

    MARK_PRICE = "mark_price"
    INDEX_PRICE = "index_price"
    LAST_PRICE = "last_price"


class TimeInForce(StrEnum):
    """How long an order rests."""

    GOOD_TIL_CANCELLED = "good_til_cancelled"
    GOOD_TIL_DAY = "good_til_day"
    FILL_OR_KILL = "fill_or_kill"
    IMMEDIATE_OR_CANCEL = "immediate_or_cancel"


class OrderState(StrEnum):
    """The venue's states. A partly filled order stays ``open``."""

    OPEN = "open"
    FILLED = "filled"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    UNTRIGGERED = "untriggered"
    TRIGGERED = "triggered"

    @property
    def is_live(self) -> bool:
        """Whether the order can still trade under this id."""
        return self in {OrderState.OPEN, OrderState.UNTRIGGERED}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """One order to send. ``label`` is unique per attempt: it is the way home.

    ``valid_until_ms`` (server time) bounds when the engine may start on it. ``children`` are sent
    along as one linked order: they wait, stand in proportion to what this one fills, and two of
    them cancel each other.
    """

    instrument: Instrument
    side: Side
    contracts: int
    order_type: OrderType
    label: str
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    trigger_offset: Decimal | None = None
    trigger: TriggerBy | None = None
    reduce_only: bool = False
    post_only: bool = False
    reject_post_only: bool = False
    time_in_force: TimeInForce | None = None
    valid_until_ms: int | None = None
    children: tuple["OrderRequest", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order as the venue states it.

    ``price`` is None where the venue says ``"market_price"``. ``trigger_order_id`` names the
    trigger this order came from. ``human`` is true for orders made in the web or mobile app,
    ``is_edited`` for any that was changed since it was made.
    """

    order_id: str
    label: str
    instrument_name: str
    side: Side
    order_type: OrderType
    state: OrderState
    contracts: int
    filled_contracts: int
    price: Decimal | None
    average_price: Decimal | None
    reduce_only: bool
    post_only: bool = False
    trigger: TriggerBy | None = None
    trigger_price: Decimal | None = None
    trigger_offset: Decimal | None = None
    trigger_order_id: str | None = None
    primary_order_id: str | None = None
    oco_ref: str | None = None
    is_secondary_oto: bool = False
    is_liquidation: bool = False
    cancel_reason: str | None = None
    human: bool = False
    is_edited: bool = False
    contract_size: Decimal | None = None
    created_ms: int
    updated_ms: int

    @property
    def remaining_contracts(self) -> int:
        return self.contracts - self.filled_contracts


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One of our trades. ``trade_id`` (within a currency) is the key that counts it once.

    ``fee`` is in ``fee_currency`` (negative is a rebate); ``profit_loss`` is what the venue
    booked for the closing part, in the settlement currency.
    """

    trade_id: str
    trade_seq: int
    order_id: str
    label: str
    instrument_name: str
    side: Side
    contracts: int
    price: Decimal
    fee: Decimal
    fee_currency: str
    is_maker: bool
    reduce_only: bool
    timestamp_ms: int
    profit_loss: Decimal | None = None
    is_liquidation: bool = False
    contract_size: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The reply to an order: its state, and the fills that happened at once."""

    order: Order
    fills: tuple[Fill, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The net position of one instrument. It carries no label: never attribute by position.

    ``contracts`` is signed (positive long). ``size_coin`` is signed base coin at mark.
    """

    instrument_name: str
    contracts: int
    average_price: Decimal
    mark_price: Decimal
    index_price: Decimal
    size_coin: Decimal
    floating_profit_loss: Decimal
    total_profit_loss: Decimal
    realized_profit_loss: Decimal
    realized_funding: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    estimated_liquidation_price: Decimal | None
    contract_size: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One currency of the account; all money in that currency.

    ``shares_collateral``: other currencies of the account stand in for this one's losses.
    """

    currency: str
    equity: Decimal
    balance: Decimal
    margin_balance: Decimal
    available_funds: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    session_rpl: Decimal
    session_upl: Decimal
    total_pl: Decimal
    shares_collateral: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Funding:
    """Funding the venue has booked: with a fill or at a settlement, for the time since the last.

    ``amount`` is in the settlement currency, negative when paid.
    """

    log_id: int
    instrument_name: str
    currency: str
    amount: Decimal
    timestamp_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticker:
    """Prices of one instrument at one moment; None where the venue has none yet."""

    instrument_name: str
    timestamp_ms: int
    mark_price: Decimal
    index_price: Decimal
    last_price: Decimal | None
    best_bid: Decimal | None
    best_ask: Decimal | None
    min_price: Decimal
    max_price: Decimal
    state: str
    current_funding: Decimal
    funding_8h: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketTrade:
    """One public trade; ``side`` is the taker's."""

    instrument_name: str
    trade_id: str
    side: Side
    contracts: int
    price: Decimal
    timestamp_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BookLevel:
    """One price level of an order book."""

    price: Decimal
    contracts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBook:
    """The best levels of a book, best first."""

    instrument_name: str
    timestamp_ms: int
    change_id: int
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRecord:
    """One entry of the trigger history: the only place that shows why a fired stop failed.

    ``state`` is ``new``, ``triggered``, ``cancelled`` or ``rejected:<why>``.
    """

    trigger_order_id: str
    order_id: str | None
    instrument_name: str
    label: str
    side: Side
    state: str
    contracts: int
    trigger_price: Decimal | None
    timestamp_ms: int
