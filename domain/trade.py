"""One bracketed trade as a value: what was intended, sent, acknowledged and filled.

The record is only ever replaced: by the venue's reports (`domain.reports`) and by the outcomes
of steps (`domain.outcomes`). Position and PnL are derived from our own fills, never from the
venue's netted position.

Source: Deribit order and trade objects (``label``, ``trigger_order_id``); positions carry no label.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from domain.labels import MAX_ATTEMPT, Label, Role
from domain.orders import OrderType, Side, TriggerBy


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
    """What we know of one order. ``unknown`` covers everything between wire and proof.

    ``waiting`` and ``passed_on`` are a linked child's: it waits for its entry to fill, and then
    its contracts are those of the orders it became.
    """

    UNKNOWN = "unknown"
    WAITING = "waiting"
    PASSED_ON = "passed_on"
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
_OVER = PROVEN_OVER | {LineStatus.ABSENT, LineStatus.PASSED_ON}
CLOSERS = (Role.CLOSE, Role.EMERGENCY)


class ExitReason(StrEnum):
    """Why a trade ends. Those in `EMERGENCIES` close at market with their own role."""

    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    REQUESTED = "requested"
    KILL = "kill"
    MANUAL = "manual"
    NETTED = "netted"
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
    """The intent, durable before anything is sent. ``note`` is the caller's own label.

    ``contract_size`` is what all numbers of contracts in the trade's record are counted in: coin
    (linear) or USD (inverse) of one; None in records of before, which count as the venue does.
    ``is_linked``: the entry is sent with its stop and target as one linked order.
    ``stop_trigger`` is the price stops watch. ``break_even_at`` is the price at which the stop is
    moved to where nothing is lost, ``trail`` the distance at which it follows the price; both in
    USD/USDC per coin.
    """

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
    is_linked: bool = False
    stop_trigger: TriggerBy = TriggerBy.MARK_PRICE
    break_even_at: Decimal | None = None
    trail: Decimal | None = None
    contract_size: Decimal | None = None

    @property
    def moves_stop(self) -> bool:
        """Whether the stop is to follow the price in the trade's favour."""
        return self.break_even_at is not None or self.trail is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One order of the trade. ``order_ids`` holds the trigger's id first, its child's last.

    ``former_ids`` are of earlier orders under the same label: a label is used again only when
    the write that recorded its first use was lost. ``is_sound`` is false for a stop that rests
    but does not protect (not reduce-only, wrong side, no stop), and for a target that is not
    reduce-only; ``is_astray`` is a linked one that
    protects, but not where or how it was asked to. ``is_working`` is true while the order of a
    fired stop rests in the book. ``heard_at`` is when the last report came. ``trigger_price`` is
    the venue's word on a resting stop. ``look_at``: when it is looked up next; ``looked_at``: when
    the venue last said what became of a linked child, if nothing else was heard of since.

    A linked child has one label for all it becomes: part 0 is the child that waits (``is_slot``),
    every order made of it a part with a number of its own. ``is_paired``: the venue cancels it
    when its partner ends.
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
    looked_at: datetime | None = None
    code: int = 0
    part: int = 0
    is_slot: bool = False
    is_paired: bool = False
    is_astray: bool = False
    trigger_price: Decimal | None = None

    @property
    def key(self) -> tuple[Role, int, int]:
        """What tells this order from all others of the trade."""
        return self.role, self.attempt, self.part

    @property
    def ids(self) -> tuple[str, ...]:
        """Every order id known under this label."""
        return (*self.order_ids, *self.former_ids)


NETTED_BY = "netted"
"""The order id of a fill that never was: contracts of ours the venue took off somebody else's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeFill:
    """One fill allocated to this trade; ``role`` is None when it was not an order of ours.

    ``is_guess``: a foreign hand's, shared out from what was known when it was heard of.
    ``is_reduce_only``: the venue says of its order that it could open nothing.
    """

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
    is_guess: bool = False
    is_reduce_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """The whole record of one trade. Instants are ours (UTC); ``*_ms`` are the venue's.

    ``not_before`` is the pause after a refused order, ``sync_after`` the one after a refused
    change or a failed look. ``synced_at`` is when all that the venue knows of it was last read;
    ``lacks_since``: since when that has not brought every fill.
    ``is_compared``: since the last word of a stop the venue's whole truth has been read.
    ``foreign_seq`` is the newest fill of a foreign hand against this trade that the venue's history
    has shown, ``told_seq`` the newest fill the whole story has told of (both: ``trade_seq``).
    ``target_after``: when a target that was refused, or was taken away, is tried again.
    ``target_hand_cancels``: how often a person has cancelled it.
    ``stop_at`` is where the stop has to be moved to, ``moved_at`` the last try to move it.
    """

    plan: TradePlan
    lines: tuple[Line, ...] = ()
    fills: tuple[TradeFill, ...] = ()
    exit_reason: ExitReason | None = None
    is_finished: bool = False
    is_announced: bool = False
    needs_sync: bool = False
    is_compared: bool = False
    foreign_seq: int = 0
    told_seq: int = 0
    stop_failures: int = 0
    target_failures: int = 0
    target_hand_cancels: int = 0
    close_failures: int = 0
    synced_at: datetime | None = None
    lacks_since: datetime | None = None
    not_before: datetime | None = None
    sync_after: datetime | None = None
    target_after: datetime | None = None
    exposed_since: datetime | None = None
    unprotected_us: int = 0
    is_link_refused: bool = False
    enters_again: bool = False
    stop_at: Decimal | None = None
    moved_at: datetime | None = None
    move_failures: int = 0

    @property
    def id(self) -> str:
        return self.plan.trade_id

    @property
    def is_linked(self) -> bool:
        """Whether the entry brings its stop and target with it."""
        return self.plan.is_linked and not self.is_link_refused

    def line(self, role: Role, attempt: int, part: int = 0) -> Line | None:
        return next((x for x in self.lines if x.key == (role, attempt, part)), None)

    def now_of(self, line: Line) -> Line:
        """The same order as the record has it by now."""
        return self.line(*line.key) or line

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
    def rests_on_guesses(self) -> bool:
        """Whether the whole story is yet to say what foreign hands did to this trade."""
        return self.foreign_seq > self.told_seq or any(x.is_guess for x in self.fills)

    @property
    def entered(self) -> int:
        return sum(self.line_filled(x) for x in self.of(Role.ENTRY))

    @property
    def exited(self) -> int:
        """Contracts closed, by our orders and by anybody else."""
        known = {order_id for x in self.lines for order_id in x.ids}
        others = sum(x.contracts for x in self.fills if x.order_id not in known)
        return self._exited_by_own_orders + others

    @property
    def _exited_by_own_orders(self) -> int:
        return sum(self.line_filled(x) for x in self.lines if x.role is not Role.ENTRY)

    @property
    def was_closed_by_its_own_orders(self) -> bool:
        """Whether nothing is left, whatever others may have closed besides."""
        return self._exited_by_own_orders >= self.entered

    @property
    def position(self) -> int:
        """Contracts still open, in the trade's direction; negative means over-closed."""
        return self.entered - self.exited

    @property
    def signed_position(self) -> int:
        return self.position * self.plan.side.sign

    @property
    def stop_price(self) -> Decimal:
        """Where the stop belongs now: as planned, or where it was moved to since.

        A stop that is to be moved is never put back: what rests nearer to the market counts,
        whoever put it there and whether or not our record of it was lost.
        """
        plan = self.plan
        if not plan.moves_stop:
            return plan.stop_price
        resting = (x.trigger_price for x in self.of(Role.STOP) if _protects(x))
        places = [x for x in (plan.stop_price, self.stop_at, *resting) if x is not None]
        return max(places) if plan.side is Side.BUY else min(places)

    @property
    def stops_behind(self) -> tuple[Line, ...]:
        """Resting stops that have to be moved."""
        if self.stop_at is None:
            return ()
        wanted, side = self.stop_price, self.plan.side
        return tuple(
            x
            for x in self.of(Role.STOP)
            if _protects(x)
            and (x.trigger_price is None or is_tighter(side, wanted, x.trigger_price))
        )

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
    def last_filled_at(self) -> datetime | None:
        """When the newest fill was, by the venue's clock."""
        newest = max((x.timestamp_ms for x in self.fills), default=None)
        return None if newest is None else datetime.fromtimestamp(newest / 1000, UTC)

    @property
    def lacks_fills(self) -> bool:
        """Whether the venue reported more filled than the fills we hold: fetch them."""
        held = sum(x.contracts for x in self.fills)
        return self.entered + self.exited > held


def is_tighter(side: Side, price: Decimal, than: Decimal) -> bool:
    """Whether a stop at ``price`` would protect a position of ``side`` sooner."""
    return (price - than) * side.sign > 0


def _protects(line: Line) -> bool:
    return line.status is LineStatus.LIVE and line.is_sound and not line.is_astray


LATE_MS = 2_000
"""How long after ``valid_until`` an entry may still show up in what the venue tells."""


def may_still_enter(trade: Trade, server_ms: int) -> bool:
    """Whether an entry that nobody has seen may yet fill (``server_ms``: the venue's clock)."""
    entries = trade.of(Role.ENTRY)
    is_settled = bool(entries) and all(x.status.is_over for x in entries)
    return not is_settled and server_ms <= trade.plan.valid_until_ms + LATE_MS


# -- changes -------------------------------------------------------------------------------------


_ORDER = {role: number for number, role in enumerate(Role)}


def with_line(trade: Trade, line: Line) -> Trade:
    """The trade with this order added, or replaced if the attempt is known."""
    others = (x for x in trade.lines if x.key != line.key)
    # By attempt, not by time: the clock may have been set back between two of them.
    ordered = sorted((*others, line), key=lambda x: (_ORDER[x.role], x.attempt, x.part))
    return replace(trade, lines=tuple(ordered))
