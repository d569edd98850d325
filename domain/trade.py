"""One bracketed trade as a value: what was intended, sent, acknowledged and filled.

The record is only ever replaced by functions of this module, each total and idempotent: a
report that arrives twice, late or out of order changes nothing it should not. Position and PnL
are derived from our own fills, never from the venue's netted position.

Sources: design section 5; deribit-semantics sections 5.3 (triggers), 7.3 (attribution) and 10
(the fifty races).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from domain import labels
from domain.exact import exact
from domain.instruments import Instrument
from domain.labels import MAX_ATTEMPT, Label, Role
from domain.orders import STOP_TYPES, ZERO, Fill, Order, OrderState, OrderType, Side
from domain.pnl import Holding, apply_fill, average_price


class TradeState(StrEnum):
    """Where a trade stands. Derived from the record by `state_of`."""

    INTENT = "intent"
    ENTERING = "entering"
    ENTRY_UNKNOWN = "entry_unknown"
    PROTECTING = "protecting"
    PROTECTED = "protected"
    CLOSING = "closing"
    EMERGENCY = "emergency"
    QUARANTINED = "quarantined"
    CLOSED = "closed"


class LineStatus(StrEnum):
    """What we know of one order. ``unknown`` covers everything between wire and proof."""

    UNKNOWN = "unknown"
    LIVE = "live"
    TRIGGERED = "triggered"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    ABSENT = "absent"

    @property
    def is_over(self) -> bool:
        return self in _OVER


PROVEN_OVER = frozenset({LineStatus.FILLED, LineStatus.CANCELLED, LineStatus.REJECTED})
"""Over by the venue's word. `ABSENT` is our conclusion, and the venue may still say otherwise."""
_OVER = PROVEN_OVER | {LineStatus.ABSENT}
CLOSERS = (Role.CLOSE, Role.EMERGENCY)


class ExitReason(StrEnum):
    """Why a trade ends. Those in `EMERGENCIES` close at market with their own role."""

    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    REQUESTED = "requested"
    KILL = "kill"
    MANUAL = "manual"
    LIQUIDATION = "liquidation"
    STOP_REFUSED = "stop_refused"
    TRIGGER_PASSED = "trigger_passed"
    PROTECTION_DEADLINE = "protection_deadline"
    STOP_STALLED = "stop_stalled"
    ENTRY_REJECTED = "entry_rejected"
    ENTRY_CANCELLED = "entry_cancelled"
    ENTRY_NEVER_ARRIVED = "entry_never_arrived"
    ENTRY_NOT_SENT = "entry_not_sent"


EMERGENCIES = frozenset(
    {
        ExitReason.STOP_REFUSED,
        ExitReason.TRIGGER_PASSED,
        ExitReason.PROTECTION_DEADLINE,
        ExitReason.STOP_STALLED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradePlan:
    """The intent, durable before anything is sent. ``note`` is the caller's own label."""

    trade_id: str
    instrument_name: str
    side: Side
    contracts: int
    entry_type: OrderType
    entry_price: Decimal | None
    stop_price: Decimal
    target_price: Decimal | None
    notional_usd: Decimal
    note: str
    created_at: datetime
    valid_until_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One order of the trade. ``order_ids`` holds the trigger's id first, its child's last.

    ``former_ids`` are of earlier orders under the same label: a label is used again only when
    the write that recorded its first use was lost. ``is_sound`` is false for a stop that rests
    but does not protect (not reduce-only, wrong side, no stop). ``is_working`` is true while the
    order of a fired stop rests in the book. ``heard_at`` is when the last report came.
    """

    role: Role
    attempt: int
    contracts: int
    status: LineStatus
    sent_at: datetime
    valid_until_ms: int = 0
    order_ids: tuple[str, ...] = ()
    former_ids: tuple[str, ...] = ()
    is_sound: bool = True
    is_working: bool = False
    heard_at: datetime | None = None
    reported_filled: int = 0
    updated_ms: int = 0
    triggered_at: datetime | None = None
    looks: int = 0
    look_at: datetime | None = None
    code: int = 0

    @property
    def ids(self) -> tuple[str, ...]:
        """Every order id known under this label."""
        return (*self.order_ids, *self.former_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeFill:
    """One fill allocated to this trade; ``role`` is None when it was not an order of ours."""

    trade_id: str
    trade_seq: int
    order_id: str
    role: Role | None
    side: Side
    contracts: int
    price: Decimal
    fee: Decimal
    profit_loss: Decimal | None
    timestamp_ms: int
    is_liquidation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """The whole record of one trade. Instants are ours (UTC); ``*_ms`` are the venue's.

    ``not_before`` is the pause after a refused order, ``sync_after`` the one after a refused
    change or a failed look. ``syncs_in_vain`` counts looks that did not bring every fill.
    """

    plan: TradePlan
    lines: tuple[Line, ...] = ()
    fills: tuple[TradeFill, ...] = ()
    exit_reason: ExitReason | None = None
    is_finished: bool = False
    is_announced: bool = False
    needs_sync: bool = False
    stop_failures: int = 0
    target_failures: int = 0
    close_failures: int = 0
    syncs_in_vain: int = 0
    not_before: datetime | None = None
    sync_after: datetime | None = None
    exposed_since: datetime | None = None
    unprotected_us: int = 0

    @property
    def id(self) -> str:
        return self.plan.trade_id

    def line(self, role: Role, attempt: int) -> Line | None:
        return next((x for x in self.lines if x.role is role and x.attempt == attempt), None)

    def of(self, *roles: Role) -> tuple[Line, ...]:
        """This role's orders, oldest attempt first."""
        return tuple(x for x in self.lines if x.role in roles)

    def next_attempt(self, role: Role) -> int:
        """The next number for a label; the grammar ends somewhere, after a day of refusals."""
        last = max((x.attempt for x in self.of(role)), default=0)
        return min(last + 1, MAX_ATTEMPT)

    def label(self, line: Line) -> str:
        return str(Label(self.id, line.role, line.attempt))

    def line_filled(self, line: Line) -> int:
        """Contracts filled on this order: what fills say, or the venue's figure if larger."""
        by_fills = sum(x.contracts for x in self.fills if x.order_id in line.ids)
        return max(by_fills, line.reported_filled)

    @property
    def entered(self) -> int:
        return sum(self.line_filled(x) for x in self.of(Role.ENTRY))

    @property
    def exited(self) -> int:
        """Contracts closed, by our orders and by anybody else."""
        ours = sum(self.line_filled(x) for x in self.lines if x.role is not Role.ENTRY)
        known = {order_id for x in self.lines for order_id in x.ids}
        return ours + sum(x.contracts for x in self.fills if x.order_id not in known)

    @property
    def position(self) -> int:
        """Contracts still open, in the trade's direction; negative means over-closed."""
        return self.entered - self.exited

    @property
    def signed_position(self) -> int:
        return self.position * self.plan.side.sign

    @property
    def cover(self) -> int:
        """Contracts under resting stops, by what the venue acknowledged."""
        return sum(self.remaining(x) for x in self.of(Role.STOP) if _protects(x))

    def remaining(self, line: Line) -> int:
        """Contracts this order may still trade."""
        return max(0, line.contracts - self.line_filled(line))

    @property
    def is_exposed(self) -> bool:
        """Whether some of the position has neither a resting stop nor one that is firing."""
        stops = self.of(Role.STOP)
        firing = sum(self.remaining(x) for x in stops if x.status is LineStatus.TRIGGERED)
        return self.position > self.cover + firing

    @property
    def lacks_fills(self) -> bool:
        """Whether the venue reported more filled than the fills we hold: fetch them."""
        held = sum(x.contracts for x in self.fills)
        return self.entered + self.exited > held


def _protects(line: Line) -> bool:
    return line.status is LineStatus.LIVE and line.is_sound


TRANSITIONS: dict[TradeState, frozenset[TradeState]] = {
    TradeState.INTENT: frozenset(
        {
            TradeState.ENTERING,
            TradeState.ENTRY_UNKNOWN,
            TradeState.PROTECTING,
            TradeState.PROTECTED,
            TradeState.CLOSING,
            TradeState.EMERGENCY,
            TradeState.CLOSED,
            TradeState.QUARANTINED,
        }
    ),
    TradeState.ENTERING: frozenset(
        {
            TradeState.ENTRY_UNKNOWN,
            TradeState.PROTECTING,
            TradeState.PROTECTED,
            TradeState.CLOSING,
            TradeState.EMERGENCY,
            TradeState.CLOSED,
            TradeState.QUARANTINED,
        }
    ),
    TradeState.ENTRY_UNKNOWN: frozenset(
        {
            TradeState.ENTERING,
            TradeState.PROTECTING,
            TradeState.PROTECTED,
            TradeState.CLOSING,
            TradeState.EMERGENCY,
            TradeState.CLOSED,
            TradeState.QUARANTINED,
        }
    ),
    TradeState.PROTECTING: frozenset(
        {
            TradeState.PROTECTED,
            TradeState.CLOSING,
            TradeState.EMERGENCY,
            TradeState.QUARANTINED,
        }
    ),
    TradeState.PROTECTED: frozenset(
        {
            TradeState.PROTECTING,
            TradeState.CLOSING,
            TradeState.EMERGENCY,
            TradeState.QUARANTINED,
        }
    ),
    # A late fill of the entry can find the position open again while it is being closed.
    TradeState.CLOSING: frozenset(
        {
            TradeState.PROTECTING,
            TradeState.PROTECTED,
            TradeState.EMERGENCY,
            TradeState.CLOSED,
            TradeState.QUARANTINED,
        }
    ),
    TradeState.EMERGENCY: frozenset({TradeState.CLOSING, TradeState.QUARANTINED}),
    TradeState.QUARANTINED: frozenset(
        {
            TradeState.PROTECTING,
            TradeState.PROTECTED,
            TradeState.CLOSING,
            TradeState.EMERGENCY,
            TradeState.CLOSED,
        }
    ),
    TradeState.CLOSED: frozenset(),
}
"""Every move a trade may make. Closed is final; a fill after it is EXTERNAL."""


def state_of(trade: Trade) -> TradeState:
    """The state a record is in. A pure function: nothing is stored twice."""
    if trade.is_finished:
        return TradeState.CLOSED
    position = trade.position
    if position < 0:
        return TradeState.QUARANTINED
    if position > 0:
        return _state_with_position(trade, position)
    if trade.exit_reason is not None or trade.entered > 0:
        return TradeState.CLOSING
    entries = trade.of(Role.ENTRY)
    if any(x.status is LineStatus.UNKNOWN for x in entries):
        return TradeState.ENTRY_UNKNOWN
    return TradeState.ENTERING if entries else TradeState.INTENT


def _state_with_position(trade: Trade, position: int) -> TradeState:
    if trade.exit_reason in EMERGENCIES:
        return TradeState.EMERGENCY
    if trade.exit_reason is not None:
        return TradeState.CLOSING
    return TradeState.PROTECTED if trade.cover >= position else TradeState.PROTECTING


LATE_MS = 2_000
"""How long after ``valid_until`` an entry may still show up in what the venue tells."""


def may_still_enter(trade: Trade, server_ms: int) -> bool:
    """Whether an entry that nobody has seen may yet fill (``server_ms``: the venue's clock)."""
    entries = trade.of(Role.ENTRY)
    is_settled = bool(entries) and all(x.status.is_over for x in entries)
    return not is_settled and server_ms <= trade.plan.valid_until_ms + LATE_MS


# -- changes -------------------------------------------------------------------------------------


def with_line(trade: Trade, line: Line) -> Trade:
    """The trade with this order added, or replaced if the attempt is known."""
    others = tuple(x for x in trade.lines if (x.role, x.attempt) != (line.role, line.attempt))
    ordered = sorted((*others, line), key=lambda x: (x.sent_at, x.role, x.attempt))
    return replace(trade, lines=tuple(ordered))


def measured(trade: Trade, now: datetime) -> Trade:
    """Starts or ends the measurement of unprotected time as the cover stands now."""
    since = trade.exposed_since
    if trade.is_exposed:
        # A clock that was set back must not put the deadline off.
        return trade if since and since <= now else replace(trade, exposed_since=now)
    if since is None:
        return trade
    exposed_us = round((now - since).total_seconds() * 1_000_000)
    return replace(
        trade, exposed_since=None, unprotected_us=trade.unprotected_us + max(0, exposed_us)
    )


def measured_anew(trade: Trade, now: datetime) -> Trade:
    """Books the gap so far and begins a new one: the deadline counts from ``now``.

    For a trade taken over: before, there was nobody who could have acted.
    """
    since = trade.exposed_since
    if since is not None:
        gap_us = max(0, round((now - since).total_seconds() * 1_000_000))
        trade = replace(trade, exposed_since=None, unprotected_us=trade.unprotected_us + gap_us)
    return measured(trade, now)


_STATUS = {
    OrderState.OPEN: LineStatus.LIVE,
    OrderState.UNTRIGGERED: LineStatus.LIVE,
    OrderState.TRIGGERED: LineStatus.TRIGGERED,
    OrderState.FILLED: LineStatus.FILLED,
    OrderState.CANCELLED: LineStatus.CANCELLED,
    OrderState.REJECTED: LineStatus.REJECTED,
}


def find_line(trade: Trade, order_id: str, label: str, parent_id: str | None) -> Line | None:
    """The order a report is about: by id, by the trigger it came from, else by label."""
    for line in trade.lines:
        if order_id in line.ids or (parent_id and parent_id in line.ids):
            return line
    parsed = labels.parse(label)
    if parsed is None or parsed.trade_id != trade.id:
        return None
    return trade.line(parsed.role, parsed.attempt)


def _adopted(trade: Trade, label: str, contracts: int, now: datetime) -> Line | None:
    """An order of this trade that the record does not know: the write of it was lost."""
    parsed = labels.parse(label)
    if parsed is None or parsed.trade_id != trade.id:
        return None
    return Line(
        role=parsed.role,
        attempt=parsed.attempt,
        contracts=contracts,
        status=LineStatus.UNKNOWN,
        sent_at=now,
    )


def apply_order(trade: Trade, order: Order, now: datetime) -> Trade:
    """What the venue says of one of our orders. An order unknown to us is adopted by label."""
    line = find_line(trade, order.order_id, order.label, order.trigger_order_id)
    line = line or _adopted(trade, order.label, order.contracts, now)
    if line is None:
        return trade
    news = _merged(_with_id(line, order), order, now)
    if line.role is Role.STOP and order.state is OrderState.UNTRIGGERED:
        closes = order.side is trade.plan.side.opposite
        is_stop = order.order_type in STOP_TYPES
        news = replace(news, is_sound=closes and is_stop and order.reduce_only)
    changed = _concluded(with_line(trade, news), line, news, order)
    return measured(_doubted(trade, changed), now)


def _with_id(line: Line, order: Order) -> Line:
    """The order with this report's id: the trigger's stays first, its child's goes last.

    An id that fits neither belongs to another order under the same label; the one that lives
    takes the line over.
    """
    new, parent = order.order_id, order.trigger_order_id
    if new in line.ids:
        return line
    if parent is not None:
        own = () if parent in line.order_ids else (parent,)
        return replace(line, order_ids=(*own, *line.order_ids, new))
    if not line.order_ids:
        return replace(line, order_ids=(new,))
    is_later = order.created_ms > line.updated_ms
    if line.status.is_over and order.state.is_live and is_later:
        former = (*line.former_ids, *line.order_ids)
        return replace(
            line, order_ids=(new,), former_ids=former, status=LineStatus.UNKNOWN, updated_ms=0
        )
    if line.role is Role.STOP and order.state in _OF_A_TRIGGER:
        return replace(line, order_ids=(new, *line.order_ids))
    return replace(line, former_ids=(*line.former_ids, new))


_OF_A_TRIGGER = frozenset({OrderState.UNTRIGGERED, OrderState.TRIGGERED})


def _merged(line: Line, order: Order, now: datetime) -> Line:
    filled = max(line.reported_filled, order.filled_contracts)
    line = replace(line, reported_filled=filled, heard_at=now)
    if _is_stale(line, order):
        return line
    status = _STATUS[order.state]
    rests = order.state is OrderState.OPEN
    if line.role is Role.STOP and rests:
        # The stop has fired and its market order rests: it protects no longer, it closes.
        status = LineStatus.TRIGGERED
    is_firing = status is LineStatus.TRIGGERED
    return replace(
        line,
        status=status,
        contracts=order.contracts,
        updated_ms=max(line.updated_ms, order.updated_ms),
        triggered_at=line.triggered_at or (now if is_firing else None),
        is_working=is_firing and rests,
        looks=0,
        look_at=None,
    )


def _is_stale(line: Line, order: Order) -> bool:
    """Whether this report tells of a time before what we already know, or of another order."""
    if line.status in PROVEN_OVER or order.order_id in line.former_ids:
        return True
    is_child = order.trigger_order_id is not None
    if line.status is LineStatus.TRIGGERED and not is_child and order.state in _OF_A_TRIGGER:
        # The trigger's own record ends as `triggered`; only its child can move the line on.
        return True
    return order.updated_ms < line.updated_ms and not is_child


def _concluded(trade: Trade, before: Line, after: Line, order: Order) -> Trade:
    """What a report means beyond its own order."""
    position = trade.position
    is_closing = trade.exit_reason is not None
    if trade.stop_failures and 0 < position <= trade.cover:
        trade = replace(trade, stop_failures=0)
    if after.role in CLOSERS and after.status is not LineStatus.REJECTED:
        trade = replace(trade, close_failures=0)
    died = after.status in {LineStatus.CANCELLED, LineStatus.REJECTED}
    if before.status.is_over or not died or position <= 0:
        return trade
    if after.role is Role.TARGET and not is_closing:
        trade = replace(trade, target_failures=trade.target_failures + 1)
    # Nobody asked for it: perhaps there is nothing left to reduce, so ask before repeating it.
    is_odd = after.role in CLOSERS or (after.role is Role.STOP and not is_closing)
    if is_odd and order.cancel_reason != CANCELLED_BY_USER:
        trade = replace(trade, needs_sync=True)
    return trade


CANCELLED_BY_USER = "user_request"


def _doubted(before: Trade, after: Trade) -> Trade:
    """More closed than opened is first of all a reason to ask the venue."""
    if after.position < 0 <= before.position:
        return replace(after, needs_sync=True)
    return after


def apply_fills(
    trade: Trade, fills: Iterable[Fill], now: datetime, *, foreign: bool = False
) -> Trade:
    """Adds fills, each exactly once by venue trade id.

    ``foreign`` ones (closed by hand, liquidated) were attributed to this trade by Execution;
    without it, fills that match none of our orders are left out. An order of ours that is known
    by nothing but its fill is adopted by label.
    """
    seen = {x.trade_id for x in trade.fills}
    changed = trade
    for fill in fills:
        if fill.trade_id in seen:
            continue
        line = find_line(changed, fill.order_id, fill.label, None)
        line = line or _adopted(changed, fill.label, fill.contracts, now)
        if line is None and not foreign:
            continue
        seen.add(fill.trade_id)
        if line is not None:
            changed = with_line(changed, _with_fill_id(line, fill.order_id))
        booked = (*changed.fills, _allocated(fill, line.role if line else None))
        changed = replace(changed, fills=booked)
    if changed is trade:
        return trade
    in_order = sorted(changed.fills, key=lambda x: (x.timestamp_ms, x.trade_seq))
    return measured(_doubted(trade, replace(changed, fills=tuple(in_order))), now)


def _with_fill_id(line: Line, order_id: str) -> Line:
    """A fill under a stop's label may be its child's; others are filled under one id only."""
    if order_id in line.ids:
        return line
    if line.role is Role.STOP or not line.order_ids:
        return replace(line, order_ids=(*line.order_ids, order_id))
    return replace(line, former_ids=(*line.former_ids, order_id))


def _allocated(fill: Fill, role: Role | None) -> TradeFill:
    return TradeFill(
        trade_id=fill.trade_id,
        trade_seq=fill.trade_seq,
        order_id=fill.order_id,
        role=role,
        side=fill.side,
        contracts=fill.contracts,
        price=fill.price,
        fee=fill.fee,
        profit_loss=fill.profit_loss,
        timestamp_ms=fill.timestamp_ms,
        is_liquidation=fill.is_liquidation,
    )


# -- the account of a finished trade --------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a trade made, in the settlement currency; prices USD/USDC per coin.

    ``pnl_coin`` is before fees, as the venue books it; ``venue_pnl_coin`` is the venue's own
    sum when it stated one on every closing fill. ``net_coin = pnl_coin - fees_coin``.
    """

    pnl_coin: Decimal
    fees_coin: Decimal
    net_coin: Decimal
    venue_pnl_coin: Decimal | None
    entry_price: Decimal | None
    exit_price: Decimal | None
    contracts: int


@exact
def result_of(trade: Trade, instrument: Instrument) -> Result:
    """Books the fills in the venue's order: harmonic average for inverse, exact throughout."""
    holding, pnl, fees = Holding(), ZERO, ZERO
    entry, exits = Holding(), Holding()
    stated: list[Decimal | None] = []
    for fill in trade.fills:
        holding, realised = apply_fill(instrument, holding, fill.side, fill.contracts, fill.price)
        pnl += realised
        fees += fill.fee
        if fill.side is trade.plan.side:
            entry, _ = apply_fill(instrument, entry, fill.side, fill.contracts, fill.price)
        else:
            exits, _ = apply_fill(instrument, exits, fill.side, fill.contracts, fill.price)
            stated.append(fill.profit_loss)
    venue = None if None in stated or not stated else sum((x for x in stated if x), ZERO)
    return Result(
        pnl_coin=pnl,
        fees_coin=fees,
        net_coin=pnl - fees,
        venue_pnl_coin=venue,
        entry_price=average_price(instrument, entry),
        exit_price=average_price(instrument, exits),
        contracts=abs(entry.contracts),
    )


def exit_reason_of(trade: Trade) -> ExitReason:
    """Why the trade ended, by what closed the last of it."""
    last = next((x for x in reversed(trade.fills) if x.side is not trade.plan.side), None)
    role = _role_of(trade, last) if last is not None else None
    if role is Role.STOP:
        return ExitReason.STOP_LOSS
    if role is Role.TARGET:
        return ExitReason.TAKE_PROFIT
    if last is not None and role is None:
        return ExitReason.LIQUIDATION if last.is_liquidation else ExitReason.MANUAL
    if trade.exit_reason is not None:
        return trade.exit_reason
    return _entry_end(trade)


def _role_of(trade: Trade, fill: TradeFill) -> Role | None:
    """The role of the order that traded, even if it was known to be ours only later."""
    line = find_line(trade, fill.order_id, "", None)
    return line.role if line else fill.role


def _entry_end(trade: Trade) -> ExitReason:
    entries = trade.of(Role.ENTRY)
    if not entries:
        return ExitReason.ENTRY_NOT_SENT
    last = entries[-1]
    if last.status is LineStatus.ABSENT and last.order_ids:
        # It was there once, and is not among what rests: it ended out of our sight.
        return ExitReason.ENTRY_CANCELLED
    ends = {
        LineStatus.REJECTED: ExitReason.ENTRY_REJECTED,
        LineStatus.CANCELLED: ExitReason.ENTRY_CANCELLED,
        LineStatus.ABSENT: ExitReason.ENTRY_NEVER_ARRIVED,
    }
    return ends.get(last.status, ExitReason.REQUESTED)
