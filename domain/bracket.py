"""What a trade must do next, decided from its record alone.

`next_step` looks at a `Trade` and names one step, or None when there is nothing to do but wait.
It is level-triggered: it never asks what just happened, only what is true now, so a restart, a
duplicate report or a lost one lead to the same next step. The rules stand in a table in order of
urgency; the first that has something to say wins.

Ordering it keeps: a stop is confirmed before a target is sent; closing cancels the target, closes
at market, sees flat, and cancels the stop last; partial fills grow the stop by edit.

Sources: design section 5; deribit-semantics section 10.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from domain import venue_codes
from domain.labels import Role
from domain.orders import Order
from domain.trade import (
    EMERGENCIES,
    ExitReason,
    Line,
    LineStatus,
    Trade,
    apply_order,
    measured,
    with_line,
)


class Do(StrEnum):
    """The steps a trade can take."""

    SYNC = "sync"
    LOOK_UP = "look_up"
    PLACE = "place"
    RESIZE = "resize"
    CANCEL = "cancel"
    GIVE_UP_STOP = "give_up_stop"
    QUARANTINE = "quarantine"
    WAIT = "wait"
    FINISH = "finish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. ``line`` is the order it is about; a `PLACE` names role and contracts.

    ``contracts`` of a `RESIZE` is the new total, what is filled included. ``until`` is when to
    look again at the latest; ``reason`` explains a `GIVE_UP_STOP`.
    """

    do: Do
    line: Line | None = None
    role: Role | None = None
    contracts: int = 0
    until: datetime | None = None
    reason: ExitReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BracketPolicy:
    """The bounds of one trade's life. Durations in seconds."""

    stop_retries: int = 3
    protection_deadline: float = 3.0
    chase_after: float = 2.0
    look_interval: float = 0.5
    retry_interval: float = 0.5
    target_retries: int = 3
    entry_absent_looks: int = 2


@dataclass(frozen=True, slots=True)
class _View:
    trade: Trade
    policy: BracketPolicy
    now: datetime

    @property
    def position(self) -> int:
        return self.trade.position

    @property
    def is_closing(self) -> bool:
        return self.trade.exit_reason is not None

    def first(self, role: Role, *statuses: LineStatus) -> Line | None:
        return next((x for x in self.trade.of(role) if x.status in statuses), None)

    @property
    def is_past_deadline(self) -> bool:
        since = self.trade.exposed_since
        limit = timedelta(seconds=self.policy.protection_deadline)
        return since is not None and self.now - since >= limit

    def is_early(self) -> Step | None:
        """Waits out the pause after a refusal."""
        until = self.trade.not_before
        return Step(do=Do.WAIT, until=until) if until is not None and self.now < until else None

    def look_up(self, line: Line) -> Step:
        if line.look_at is not None and self.now < line.look_at:
            return Step(do=Do.WAIT, line=line, until=line.look_at)
        return Step(do=Do.LOOK_UP, line=line)


def _finished(view: _View) -> Step | None:
    return Step(do=Do.WAIT) if view.trade.is_finished else None


def _over_closed(view: _View) -> Step | None:
    return Step(do=Do.QUARANTINE) if view.position < 0 else None


def _sync_first(view: _View) -> Step | None:
    """A doubt about the venue's truth is settled first, unless the position burns meanwhile."""
    if not view.trade.needs_sync or view.is_past_deadline:
        return None
    return view.is_early() or Step(do=Do.SYNC)


def _stop_unknown(view: _View) -> Step | None:
    line = view.first(Role.STOP, LineStatus.UNKNOWN)
    if line is None or view.is_past_deadline:
        return None
    return view.look_up(line)


def _stop_firing(view: _View) -> Step | None:
    """A stop that fired closes by itself; one that stalls is chased."""
    line = view.first(Role.STOP, LineStatus.TRIGGERED)
    if line is None or view.position <= 0 or view.is_closing:
        return None
    since = line.triggered_at or view.now
    until = since + timedelta(seconds=view.policy.chase_after)
    if view.now < until:
        return Step(do=Do.WAIT, until=until)
    return Step(do=Do.GIVE_UP_STOP, reason=ExitReason.STOP_STALLED)


def _uncovered(view: _View) -> Step | None:
    """The heart: what is open and not under a stop gets one, or is closed."""
    trade = view.trade
    if view.is_closing or view.position <= 0 or trade.cover >= view.position:
        return None
    if view.is_past_deadline:
        return Step(do=Do.GIVE_UP_STOP, reason=ExitReason.PROTECTION_DEADLINE)
    if trade.stop_failures >= view.policy.stop_retries:
        return Step(do=Do.GIVE_UP_STOP, reason=ExitReason.STOP_REFUSED)
    early = view.is_early()
    if early:
        return early
    live = view.first(Role.STOP, LineStatus.LIVE)
    if live is not None:
        total = view.position + trade.line_filled(live)
        return Step(do=Do.RESIZE, line=live, contracts=total)
    return Step(do=Do.PLACE, role=Role.STOP, contracts=view.position)


def _entry_unknown(view: _View) -> Step | None:
    line = view.first(Role.ENTRY, LineStatus.UNKNOWN)
    return view.look_up(line) if line else None


def _entry_rest(view: _View) -> Step | None:
    """What is left of the entry is cancelled once it can only add risk.

    A market order that still rests hangs at the price band; nothing of an entry may rest while
    the trade is closing, or after its position was closed.
    """
    line = view.first(Role.ENTRY, LineStatus.LIVE)
    if line is None:
        return None
    trade = view.trade
    from_market = trade.plan.entry_price is None
    was_open = trade.exited > 0
    if view.is_closing or from_market or was_open:
        return view.is_early() or Step(do=Do.CANCEL, line=line)
    return None


def _target_out_of_the_way(view: _View) -> Step | None:
    line = view.first(Role.TARGET, LineStatus.LIVE, LineStatus.UNKNOWN)
    if line is None or not (view.is_closing or view.position == 0):
        return None
    return _remove(view, line)


def _remove(view: _View, line: Line) -> Step:
    if line.status is LineStatus.UNKNOWN:
        return view.look_up(line)
    return view.is_early() or Step(do=Do.CANCEL, line=line)


def _close(view: _View) -> Step | None:
    """Closes at market; what hangs at the band is cancelled and sent again."""
    if not view.is_closing or view.position <= 0:
        return None
    for role in (Role.CLOSE, Role.EMERGENCY):
        working = view.first(role, LineStatus.LIVE, LineStatus.UNKNOWN)
        if working is not None:
            return _chase(view, working)
    firing = view.first(Role.STOP, LineStatus.TRIGGERED)
    if firing is not None:
        until = (firing.triggered_at or view.now) + timedelta(seconds=view.policy.chase_after)
        if view.now < until:
            return Step(do=Do.WAIT, until=until)
        if len(firing.order_ids) > 1:
            # Its market order hangs at the band; two closers would only clip each other.
            return view.is_early() or Step(do=Do.CANCEL, line=firing)
    role = Role.EMERGENCY if view.trade.exit_reason in EMERGENCIES else Role.CLOSE
    return view.is_early() or Step(do=Do.PLACE, role=role, contracts=view.position)


def _chase(view: _View, line: Line) -> Step:
    if line.status is LineStatus.UNKNOWN:
        return view.look_up(line)
    until = line.sent_at + timedelta(seconds=view.policy.chase_after)
    if view.now < until:
        return Step(do=Do.WAIT, until=until)
    return view.is_early() or Step(do=Do.CANCEL, line=line)


def _surplus_stops(view: _View) -> Step | None:
    """Two stops (a lost one turned up again): the older goes once the newer covers all."""
    live = [x for x in view.trade.of(Role.STOP) if x.status is LineStatus.LIVE]
    if len(live) < 2 or live[-1].contracts < view.position:
        return None
    return view.is_early() or Step(do=Do.CANCEL, line=live[0])


def _target(view: _View) -> Step | None:
    trade = view.trade
    if view.position <= 0 or view.is_closing or trade.plan.target_price is None:
        return None
    unknown = view.first(Role.TARGET, LineStatus.UNKNOWN)
    if unknown is not None:
        return view.look_up(unknown)
    live = view.first(Role.TARGET, LineStatus.LIVE)
    if trade.target_failures >= view.policy.target_retries:
        return None
    if live is None:
        return view.is_early() or Step(do=Do.PLACE, role=Role.TARGET, contracts=view.position)
    wanted = view.position + (trade.line_filled(live) if live else 0)
    if live is not None and live.contracts < wanted:
        return view.is_early() or Step(do=Do.RESIZE, line=live, contracts=wanted)
    return None


def _enter(view: _View) -> Step | None:
    trade = view.trade
    if trade.lines or view.is_closing:
        return None
    return Step(do=Do.PLACE, role=Role.ENTRY, contracts=trade.plan.contracts)


def _wind_up(view: _View) -> Step | None:
    """Flat, and the entry can bring nothing more: remove what rests, the stop last."""
    trade = view.trade
    entries = trade.of(Role.ENTRY)
    if view.position != 0 or not all(x.status.is_over for x in entries):
        return None
    if not entries and not view.is_closing:
        return None
    for role in (Role.TARGET, Role.CLOSE, Role.EMERGENCY, Role.STOP):
        for line in trade.of(role):
            if line.status is LineStatus.TRIGGERED:
                return view.look_up(line)
            if not line.status.is_over:
                return _remove(view, line)
    if trade.lacks_fills:
        return view.is_early() or Step(do=Do.SYNC)
    return Step(do=Do.FINISH)


RULES: tuple[Callable[[_View], Step | None], ...] = (
    _finished,
    _over_closed,
    _sync_first,
    _stop_unknown,
    _stop_firing,
    _uncovered,
    _entry_unknown,
    _entry_rest,
    _target_out_of_the_way,
    _close,
    _surplus_stops,
    _target,
    _enter,
    _wind_up,
)
"""In order of urgency."""


def next_step(trade: Trade, policy: BracketPolicy, now: datetime) -> Step | None:
    """The one thing to do now, or None to wait for the next report."""
    view = _View(trade, policy, now)
    for rule in RULES:
        step = rule(view)
        if step is not None:
            return step
    return None


# -- outcomes of steps ----------------------------------------------------------------------------


def about_to_send(trade: Trade, line: Line) -> Trade:
    """The record as it must be on disk before the order is on the wire: outcome unknown."""
    return with_line(trade, replace(line, status=LineStatus.UNKNOWN))


def rejected(trade: Trade, line: Line, code: int, policy: BracketPolicy, now: datetime) -> Trade:
    """The venue proved that this order was not taken."""
    trade = with_line(trade, replace(line, status=LineStatus.REJECTED, code=code))
    pause = now + timedelta(seconds=policy.retry_interval)
    if line.role is Role.STOP and code in venue_codes.PASSING:
        return replace(trade, not_before=pause)  # the deadline bounds this, not a number of tries
    if line.role is Role.STOP:
        trade = replace(trade, stop_failures=trade.stop_failures + 1)
        if code in venue_codes.TRIGGER_ALREADY_PASSED:
            return replace(trade, exit_reason=trade.exit_reason or ExitReason.TRIGGER_PASSED)
        if code not in venue_codes.NOTHING_TO_REDUCE and trade.stop_failures == 1:
            return trade  # the first retry is at once, the second after a pause
    if line.role is Role.TARGET:
        trade = replace(trade, target_failures=trade.target_failures + 1)
    if code in venue_codes.NOTHING_TO_REDUCE:
        trade = replace(trade, needs_sync=True)
    return trade if line.role is Role.ENTRY else replace(trade, not_before=pause)


def not_sent(trade: Trade, line: Line, policy: BracketPolicy, now: datetime) -> Trade:
    """We refused before a byte left: as if it had never been tried, after a pause."""
    if line.role is Role.ENTRY:
        return replace(
            with_line(trade, replace(line, status=LineStatus.ABSENT)),
            exit_reason=ExitReason.ENTRY_NOT_SENT,
        )
    lines = tuple(x for x in trade.lines if (x.role, x.attempt) != (line.role, line.attempt))
    pause = now + timedelta(seconds=policy.retry_interval)
    return replace(trade, lines=lines, not_before=pause)


def refused(trade: Trade, policy: BracketPolicy, now: datetime) -> Trade:
    """A cancel or an edit was refused, or nobody knows: the venue is asked before going on."""
    pause = now + timedelta(seconds=policy.retry_interval)
    return replace(trade, needs_sync=True, not_before=pause)


def looked_up(
    trade: Trade,
    line: Line,
    orders: Sequence[Order],
    policy: BracketPolicy,
    now: datetime,
    *,
    server_ms: int,
) -> Trade:
    """The venue's answer to "what became of this label?", found or not."""
    if not orders:
        return _looked_up_in_vain(trade, line, policy, now, server_ms)
    for order in orders:
        trade = apply_order(trade, order, now)
    found = trade.line(line.role, line.attempt)
    has_live_child = any(x.trigger_order_id and x.state.is_live for x in orders)
    if found is None or found.status is not LineStatus.TRIGGERED or has_live_child:
        return trade
    # A trigger that fired with nothing to reduce leaves no order behind: after two looks it
    # is over.
    if found.looks >= 1:
        return with_line(trade, replace(found, status=LineStatus.CANCELLED))
    look_at = now + timedelta(seconds=policy.look_interval)
    return with_line(trade, replace(found, looks=found.looks + 1, look_at=look_at))


def _looked_up_in_vain(
    trade: Trade, line: Line, policy: BracketPolicy, now: datetime, server_ms: int
) -> Trade:
    """The label was not found. One absence proves nothing for an entry: it may be late.

    An entry is absent once ``valid_until`` has passed on the server's clock and several looks
    found nothing. Other orders are reduce-only, a second one cannot harm, so they are given up
    sooner; should the first turn up after all, the surplus is cancelled.
    """
    looks = line.looks + 1
    is_entry = line.role is Role.ENTRY
    is_late = server_ms > line.valid_until_ms
    is_absent = is_late and looks >= policy.entry_absent_looks if is_entry else True
    status = LineStatus.ABSENT if is_absent else LineStatus.UNKNOWN
    look_at = None if is_absent else now + timedelta(seconds=policy.look_interval)
    updated = with_line(trade, replace(line, looks=looks, look_at=look_at, status=status))
    if is_absent and line.role is Role.STOP:
        updated = replace(updated, stop_failures=updated.stop_failures + 1)
    return measured(updated, now)


def vanished(trade: Trade, seen: Collection[str]) -> Trade:
    """Ends orders believed to live of which a complete look found no trace.

    ``seen`` are the ids of everything that rests or was found by label. An order older than the
    venue's memory is in neither; what it filled is in the fills. Unknown outcomes are not
    judged here: they have their own look-ups.
    """
    for line in trade.lines:
        is_believed = line.status in {LineStatus.LIVE, LineStatus.TRIGGERED}
        if is_believed and not any(order_id in seen for order_id in line.order_ids):
            is_full = trade.line_filled(line) >= line.contracts
            status = LineStatus.FILLED if is_full else LineStatus.CANCELLED
            trade = with_line(trade, replace(line, status=status))
    return trade


def synced(trade: Trade) -> Trade:
    """The venue's truth is in the record."""
    return replace(trade, needs_sync=False, not_before=None)


def ending(trade: Trade, reason: ExitReason) -> Trade:
    """The trade is to be closed. The first reason stands, except that kill outranks a request."""
    outranked = {None, ExitReason.REQUESTED}
    if trade.exit_reason in outranked:
        return replace(trade, exit_reason=reason, not_before=None)
    return trade


def resumed(trade: Trade) -> Trade:
    """A trade taken over from an incarnation or a process that is gone.

    What it had sent is looked up before anything else. An intent without an entry may have
    been on the wire already, so it counts as sent; it is never sent again.
    """
    lines = tuple(x if x.status.is_over else replace(x, looks=0, look_at=None) for x in trade.lines)
    trade = replace(trade, lines=lines, needs_sync=True, not_before=None)
    if trade.of(Role.ENTRY):
        return trade
    entry = Line(
        role=Role.ENTRY,
        attempt=1,
        contracts=trade.plan.contracts,
        status=LineStatus.UNKNOWN,
        sent_at=trade.plan.created_at,
        valid_until_ms=trade.plan.valid_until_ms,
    )
    return with_line(trade, entry)
