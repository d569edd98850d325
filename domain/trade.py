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
from domain.instruments import Instrument
from domain.labels import Label, Role
from domain.orders import ZERO, Fill, Order, OrderState, OrderType, Side
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


_OVER = frozenset({LineStatus.FILLED, LineStatus.CANCELLED, LineStatus.REJECTED, LineStatus.ABSENT})


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
    """One order of the trade. ``order_ids`` holds the trigger's id and that of its child."""

    role: Role
    attempt: int
    contracts: int
    status: LineStatus
    sent_at: datetime
    valid_until_ms: int = 0
    order_ids: tuple[str, ...] = ()
    reported_filled: int = 0
    updated_ms: int = 0
    triggered_at: datetime | None = None
    looks: int = 0
    look_at: datetime | None = None
    code: int = 0


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
    """The whole record of one trade. Instants are ours (UTC); ``*_ms`` are the venue's."""

    plan: TradePlan
    lines: tuple[Line, ...] = ()
    fills: tuple[TradeFill, ...] = ()
    exit_reason: ExitReason | None = None
    is_finished: bool = False
    is_announced: bool = False
    needs_sync: bool = False
    stop_failures: int = 0
    target_failures: int = 0
    not_before: datetime | None = None
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
        return max((x.attempt for x in self.of(role)), default=0) + 1

    def label(self, line: Line) -> str:
        return str(Label(self.id, line.role, line.attempt))

    def line_filled(self, line: Line) -> int:
        """Contracts filled on this order: what fills say, or the venue's figure if larger."""
        by_fills = sum(x.contracts for x in self.fills if x.order_id in line.order_ids)
        return max(by_fills, line.reported_filled)

    @property
    def entered(self) -> int:
        return sum(self.line_filled(x) for x in self.of(Role.ENTRY))

    @property
    def exited(self) -> int:
        """Contracts closed, by our orders and by anybody else."""
        ours = sum(self.line_filled(x) for x in self.lines if x.role is not Role.ENTRY)
        known = {order_id for x in self.lines for order_id in x.order_ids}
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
        return sum(
            x.contracts - self.line_filled(x)
            for x in self.of(Role.STOP)
            if x.status is LineStatus.LIVE
        )

    @property
    def is_exposed(self) -> bool:
        """Whether some of the position has neither a resting stop nor one that is firing."""
        firing = sum(
            x.contracts - self.line_filled(x)
            for x in self.of(Role.STOP)
            if x.status is LineStatus.TRIGGERED
        )
        return self.position > self.cover + firing

    @property
    def lacks_fills(self) -> bool:
        """Whether the venue reported more filled than the fills we hold: fetch them."""
        held = sum(x.contracts for x in self.fills)
        return self.entered + self.exited > held


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
    if trade.is_exposed:
        return trade if trade.exposed_since else replace(trade, exposed_since=now)
    if trade.exposed_since is None:
        return trade
    exposed_us = round((now - trade.exposed_since).total_seconds() * 1_000_000)
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
        if order_id in line.order_ids or (parent_id and parent_id in line.order_ids):
            return line
    parsed = labels.parse(label)
    if parsed is None or parsed.trade_id != trade.id:
        return None
    return trade.line(parsed.role, parsed.attempt)


def apply_order(trade: Trade, order: Order, now: datetime) -> Trade:
    """What the venue says of one of our orders. An order unknown to us is adopted by label."""
    line = find_line(trade, order.order_id, order.label, order.trigger_order_id)
    if line is None:
        parsed = labels.parse(order.label)
        if parsed is None or parsed.trade_id != trade.id:
            return trade
        line = Line(
            role=parsed.role,
            attempt=parsed.attempt,
            contracts=order.contracts,
            status=LineStatus.UNKNOWN,
            sent_at=now,
        )
    return measured(with_line(trade, _merged(line, order, now)), now)


def _merged(line: Line, order: Order, now: datetime) -> Line:
    is_new_id = order.order_id not in line.order_ids
    ids = (*line.order_ids, order.order_id) if is_new_id else line.order_ids
    filled = max(line.reported_filled, order.filled_contracts)
    is_child = order.trigger_order_id is not None
    if _is_stale(line, order, is_child=is_child):
        return replace(line, order_ids=ids, reported_filled=filled)
    status = _STATUS[order.state]
    if is_child and status is LineStatus.LIVE:
        # The stop has fired and its market order rests: it protects no longer, it closes.
        status = LineStatus.TRIGGERED
    triggered_at = line.triggered_at
    if status is LineStatus.TRIGGERED and triggered_at is None:
        triggered_at = now
    return replace(
        line,
        order_ids=ids,
        status=status,
        contracts=order.contracts,
        reported_filled=filled,
        updated_ms=max(line.updated_ms, order.updated_ms),
        triggered_at=triggered_at,
        looks=0,
        look_at=None,
    )


def _is_stale(line: Line, order: Order, *, is_child: bool) -> bool:
    """Whether this report tells of a time before what we already know."""
    if line.status is LineStatus.TRIGGERED and not is_child:
        # The trigger's own record ends as `triggered`; only its child can move the line on.
        return order.state in {OrderState.UNTRIGGERED, OrderState.TRIGGERED}
    if line.status in {LineStatus.FILLED, LineStatus.CANCELLED, LineStatus.REJECTED}:
        return True
    return order.updated_ms < line.updated_ms and not is_child


def apply_fills(
    trade: Trade, fills: Iterable[Fill], now: datetime, *, foreign: bool = False
) -> Trade:
    """Adds fills, each exactly once by venue trade id.

    ``foreign`` ones (closed by hand, liquidated) were attributed to this trade by Execution;
    without it, fills that match none of our orders are left out.
    """
    seen = {x.trade_id for x in trade.fills}
    added: list[TradeFill] = []
    for fill in fills:
        if fill.trade_id in seen:
            continue
        line = find_line(trade, fill.order_id, fill.label, None)
        if line is None and not foreign:
            continue
        if line is not None and fill.order_id not in line.order_ids:
            line = replace(line, order_ids=(*line.order_ids, fill.order_id))
            trade = with_line(trade, line)
        seen.add(fill.trade_id)
        added.append(_allocated(fill, line.role if line else None))
    if not added:
        return trade
    everything = sorted((*trade.fills, *added), key=lambda x: (x.timestamp_ms, x.trade_seq))
    return measured(replace(trade, fills=tuple(everything)), now)


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
    if last is not None and last.role is Role.STOP:
        return ExitReason.STOP_LOSS
    if last is not None and last.role is Role.TARGET:
        return ExitReason.TAKE_PROFIT
    if last is not None and last.role is None:
        return ExitReason.LIQUIDATION if last.is_liquidation else ExitReason.MANUAL
    if trade.exit_reason is not None:
        return trade.exit_reason
    return _entry_end(trade)


def _entry_end(trade: Trade) -> ExitReason:
    entries = trade.of(Role.ENTRY)
    ends = {
        LineStatus.REJECTED: ExitReason.ENTRY_REJECTED,
        LineStatus.CANCELLED: ExitReason.ENTRY_CANCELLED,
        LineStatus.ABSENT: ExitReason.ENTRY_NEVER_ARRIVED,
    }
    return (
        ends.get(entries[-1].status, ExitReason.REQUESTED)
        if entries
        else (ExitReason.ENTRY_NOT_SENT)
    )
