"""What a trade must do next, decided from its record alone.

`next_step` looks at a `Trade` and names one step, or None when there is nothing to do but wait.
It is level-triggered: it never asks what just happened, only what is true now, so a restart, a
duplicate report or a lost one lead to the same next step. The rules stand in a table in order of
urgency; the first that has something to do wins, and one that only waits lets the others have
their turn.

Ordering it keeps: a stop is confirmed before a target is sent; closing cancels the target, closes
at market, sees flat, and cancels the stop last; partial fills grow the stop by edit. Nothing is
repeated at the speed of the network: what is refused, dies at once or has no effect is tried
again after a pause.

Sources: design section 5; deribit-semantics section 10.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from domain import venue_codes
from domain.labels import Role
from domain.orders import Order, OrderState
from domain.trade import (
    CLOSERS,
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
    """The bounds of one trade's life. Durations in seconds.

    ``crowd_window``: orders of one kind sent within it are spaced, each a little longer.
    ``longest_pause``: between two tries to close.
    """

    stop_retries: int = 3
    protection_deadline: float = 3.0
    chase_after: float = 2.0
    look_interval: float = 0.5
    retry_interval: float = 0.5
    target_retries: int = 3
    entry_absent_looks: int = 2
    crowd_window: float = 5.0
    longest_pause: float = 5.0


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

    def all(self, role: Role, *statuses: LineStatus) -> list[Line]:
        return [x for x in self.trade.of(role) if x.status in statuses]

    def first(self, role: Role, *statuses: LineStatus) -> Line | None:
        return next(iter(self.all(role, *statuses)), None)

    @property
    def sound_stops(self) -> list[Line]:
        return [x for x in self.all(Role.STOP, LineStatus.LIVE) if x.is_sound]

    @property
    def is_past_deadline(self) -> bool:
        since = self.trade.exposed_since
        limit = timedelta(seconds=self.policy.protection_deadline)
        return since is not None and self.now - since >= limit

    def wait(self, start: datetime | None, seconds: float) -> Step | None:
        """Waits out so many seconds from ``start``. A clock set back never makes it longer."""
        if start is None or start > self.now:
            return None
        until = start + timedelta(seconds=seconds)
        return Step(do=Do.WAIT, until=until) if self.now < until else None

    def wait_until(self, until: datetime | None, at_most: float) -> Step | None:
        """Waits for an instant, unless it lies further off than any pause of its kind."""
        if until is None:
            return None
        return self.wait(until - timedelta(seconds=at_most), at_most)

    def pause(self) -> Step | None:
        """The pause after a refusal."""
        return self.wait_until(self.trade.not_before, self.policy.longest_pause)

    def look_up(self, line: Line) -> Step:
        early = self.wait_until(line.look_at, self.policy.look_interval)
        return early or Step(do=Do.LOOK_UP, line=line)

    def cancel(self, line: Line) -> Step:
        return self.pause() or Step(do=Do.CANCEL, line=line)

    def place(self, role: Role) -> Step:
        early = self.pause() or self._crowd(CLOSERS if role in CLOSERS else (role,))
        return early or Step(do=Do.PLACE, role=role, contracts=self.position)

    def _crowd(self, roles: Collection[Role]) -> Step | None:
        """The second order of a kind may follow at once; those after it are spaced."""
        window = timedelta(seconds=self.policy.crowd_window)
        sent = [x.sent_at for x in self.trade.of(*roles)]
        recent = [x for x in sent if timedelta(0) <= self.now - x < window]
        if len(recent) < 2:
            return None
        return self.wait(max(recent), self.policy.retry_interval * (len(recent) - 1))

    def resize(self, line: Line) -> Step:
        total = self.position + self.trade.line_filled(line)
        return self.pause() or Step(do=Do.RESIZE, line=line, contracts=total)


def _finished(view: _View) -> Step | None:
    return Step(do=Do.WAIT) if view.trade.is_finished else None


def _sync_first(view: _View) -> Step | None:
    """A doubt about the venue's truth is settled first, unless the position burns meanwhile."""
    if not view.trade.needs_sync:
        return None
    if view.is_past_deadline and not _is_contradicted(view):
        return None
    early = view.wait_until(view.trade.sync_after, view.policy.retry_interval)
    return early or Step(do=Do.SYNC)


def _is_contradicted(view: _View) -> bool:
    """Whether the venue would not close what we believe is open."""
    last = max(view.trade.of(*CLOSERS), key=lambda x: x.sent_at, default=None)
    if last is None:
        return False
    if last.status is LineStatus.REJECTED:
        return last.code in venue_codes.NOTHING_TO_REDUCE
    return last.status is LineStatus.CANCELLED and view.trade.line_filled(last) == 0


def _stop_unknown(view: _View) -> Step | None:
    """Whether a stop rests is found out before another one is sent."""
    if view.is_closing or view.position <= 0 or view.is_past_deadline:
        return None
    line = view.first(Role.STOP, LineStatus.UNKNOWN)
    return view.look_up(line) if line else None


def _stop_unsound(view: _View) -> Step | None:
    """What rests under a stop's label and does not protect can only do harm."""
    unsound = [x for x in view.all(Role.STOP, LineStatus.LIVE) if not x.is_sound]
    return view.cancel(unsound[0]) if unsound else None


def _stop_firing(view: _View) -> Step | None:
    """A stop that fired closes by itself; one that stalls is looked at, then chased."""
    line = view.first(Role.STOP, LineStatus.TRIGGERED)
    if line is None or view.position <= 0 or view.is_closing:
        return None
    patience = view.wait(line.triggered_at, view.policy.chase_after)
    give_up = Step(do=Do.GIVE_UP_STOP, reason=ExitReason.STOP_STALLED)
    return patience or _look_once(line) or give_up


def _look_once(line: Line) -> Step | None:
    """What became of a fired stop whose market order nobody has reported."""
    if line.is_working or line.looks or line.look_at is not None:
        return None
    return Step(do=Do.LOOK_UP, line=line)


def _uncovered(view: _View) -> Step | None:
    """The heart: what is open and not under a stop gets one, or is closed."""
    if view.is_closing or view.position <= 0 or view.trade.cover >= view.position:
        return None
    if view.first(Role.STOP, LineStatus.TRIGGERED) is not None:
        return None
    reason = _why_no_stop(view)
    if reason is not None:
        return Step(do=Do.GIVE_UP_STOP, reason=reason)
    if view.first(Role.STOP, LineStatus.UNKNOWN) is not None:
        return None
    stops = view.sound_stops
    return view.resize(stops[0]) if stops else view.place(Role.STOP)


def _why_no_stop(view: _View) -> ExitReason | None:
    if view.is_past_deadline:
        return ExitReason.PROTECTION_DEADLINE
    if view.trade.stop_failures >= view.policy.stop_retries:
        return ExitReason.STOP_REFUSED
    return None


def _close_exposed(view: _View) -> Step | None:
    """What burns is closed before anything is tidied up."""
    return _close(view) if view.trade.is_exposed else None


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
    is_firing = view.first(Role.STOP, LineStatus.TRIGGERED) is not None
    if view.is_closing or from_market or was_open or is_firing:
        return view.cancel(line)
    return None


def _target_out_of_the_way(view: _View) -> Step | None:
    line = view.first(Role.TARGET, LineStatus.LIVE, LineStatus.UNKNOWN)
    if line is None or not (view.is_closing or view.position == 0):
        return None
    return _remove(view, line)


def _remove(view: _View, line: Line) -> Step:
    """Ends an order that is not over: looks for it, or cancels it."""
    is_idle = line.status is LineStatus.TRIGGERED and not line.is_working
    if line.status is LineStatus.UNKNOWN or is_idle:
        return view.look_up(line)
    return view.cancel(line)


def _close(view: _View) -> Step | None:
    """Closes at market; what hangs at the band is cancelled and sent again."""
    if not view.is_closing or view.position <= 0:
        return None
    active = (LineStatus.LIVE, LineStatus.UNKNOWN)
    working = [x for role in CLOSERS for x in view.all(role, *active)]
    if working:
        steps = [_chase(view, x) for x in working]
        return next((x for x in steps if x.do is not Do.WAIT), steps[0])
    firing = view.first(Role.STOP, LineStatus.TRIGGERED)
    if firing is not None:
        step = view.wait(firing.triggered_at, view.policy.chase_after) or _look_once(firing)
        if step is not None:
            return step
        if firing.is_working:
            # Its market order hangs at the band; two closers would only clip each other.
            return view.cancel(firing)
    is_emergency = view.trade.exit_reason in EMERGENCIES
    return view.place(Role.EMERGENCY if is_emergency else Role.CLOSE)


def _chase(view: _View, line: Line) -> Step:
    if line.status is LineStatus.UNKNOWN:
        return view.look_up(line)
    return view.wait(line.sent_at, view.policy.chase_after) or view.cancel(line)


def _surplus_stops(view: _View) -> Step | None:
    """Two stops (a lost one turned up again): the older goes if the rest covers all."""
    stops = view.sound_stops
    if view.is_closing or view.position <= 0 or len(stops) < 2:
        return None
    for line in stops:
        if view.trade.cover - view.trade.remaining(line) >= view.position:
            return view.cancel(line)
    return None


def _target(view: _View) -> Step | None:
    trade = view.trade
    if view.position <= 0 or view.is_closing or trade.plan.target_price is None:
        return None
    unknown = view.first(Role.TARGET, LineStatus.UNKNOWN)
    if unknown is not None:
        return view.look_up(unknown)
    is_hopeless = trade.target_failures >= view.policy.target_retries
    if trade.cover < view.position or is_hopeless:
        return None
    live = view.first(Role.TARGET, LineStatus.LIVE)
    if live is None:
        return view.place(Role.TARGET)
    return view.resize(live) if trade.remaining(live) < view.position else None


def _enter(view: _View) -> Step | None:
    trade = view.trade
    if trade.lines or view.is_closing:
        return None
    return Step(do=Do.PLACE, role=Role.ENTRY, contracts=trade.plan.contracts)


def _wind_up(view: _View) -> Step | None:
    """Flat, and the entry can bring nothing more: remove what rests, the stop last.

    What was closed twice is a person's to look at; when told to end it, it ends the same way.
    """
    trade = view.trade
    if view.position > 0:
        return None
    if view.position < 0 and not view.is_closing:
        return Step(do=Do.QUARANTINE)
    entries = trade.of(Role.ENTRY)
    if not all(x.status.is_over for x in entries) or not (entries or view.is_closing):
        return None
    for role in (Role.TARGET, Role.CLOSE, Role.EMERGENCY, Role.STOP):
        for line in trade.of(role):
            if not line.status.is_over:
                return _remove(view, line)
    return _missing_fills(view) or Step(do=Do.FINISH)


def _missing_fills(view: _View) -> Step | None:
    """Figures are only true with every fill: fetched at once, then after ever longer pauses."""
    trade = view.trade
    if not trade.lacks_fills:
        return None
    heard = [x.heard_at for x in trade.lines if x.heard_at is not None and x.heard_at <= view.now]
    doublings = 2 ** min(trade.syncs_in_vain, 20) - 1
    early = view.wait(max(heard, default=None), view.policy.retry_interval * doublings)
    return early or Step(do=Do.SYNC)


RULES: tuple[Callable[[_View], Step | None], ...] = (
    _finished,
    _sync_first,
    _stop_unknown,
    _stop_unsound,
    _stop_firing,
    _uncovered,
    _close_exposed,
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

_FINAL = frozenset({_finished, _sync_first})
"""Rules whose waiting holds up everything below them."""


def next_step(trade: Trade, policy: BracketPolicy, now: datetime) -> Step | None:
    """The one thing to do now, or None to wait for the next report."""
    view = _View(trade, policy, now)
    waiting: Step | None = None
    for rule in RULES:
        step = rule(view)
        if step is None:
            continue
        if step.do is Do.QUARANTINE:
            return replace(step, until=waiting.until if waiting else None)
        if step.do is not Do.WAIT or rule in _FINAL:
            return step
        waiting = _sooner(waiting, step)
    return waiting


def _sooner(one: Step | None, other: Step) -> Step:
    if one is None or one.until is None or other.until is None:
        return other
    return one if one.until <= other.until else other


# -- outcomes of steps ----------------------------------------------------------------------------


def about_to_send(trade: Trade, line: Line) -> Trade:
    """The record as it must be on disk before the order is on the wire: outcome unknown."""
    return with_line(trade, replace(line, status=LineStatus.UNKNOWN))


def rejected(trade: Trade, line: Line, code: int, policy: BracketPolicy, now: datetime) -> Trade:
    """The venue proved that this order was not taken, or took another one than was asked for.

    In that other case its id is known, and what the venue says of it stands. The first retry is
    at once, the next after a pause; an entry is never tried again.
    """
    current = trade.line(line.role, line.attempt) or line
    if not current.order_ids:
        trade = with_line(trade, replace(current, status=LineStatus.REJECTED, code=code))
    if code in venue_codes.NOTHING_TO_REDUCE:
        trade = replace(trade, needs_sync=True)
    trade, failures = _counted(trade, line, code)
    if line.role is Role.STOP and code in venue_codes.TRIGGER_ALREADY_PASSED:
        return replace(trade, exit_reason=trade.exit_reason or ExitReason.TRIGGER_PASSED)
    is_first = failures == 1 and code not in venue_codes.NOTHING_TO_REDUCE | venue_codes.PASSING
    if line.role is Role.ENTRY or is_first:
        return trade
    return replace(trade, not_before=now + _pause_after(failures, policy))


def _counted(trade: Trade, line: Line, code: int) -> tuple[Trade, int]:
    """Counts a refusal; returns how many there were in a row."""
    if line.role is Role.STOP:
        # What passes by itself is bounded by the deadline, not by a number of tries.
        failures = trade.stop_failures + (code not in venue_codes.PASSING)
        return replace(trade, stop_failures=failures), failures
    if line.role is Role.TARGET:
        failures = trade.target_failures + 1
        return replace(trade, target_failures=failures), failures
    if line.role in CLOSERS:
        failures = trade.close_failures + 1
        return _without_refused(replace(trade, close_failures=failures), line), failures
    return trade, 1


def _pause_after(failures: int, policy: BracketPolicy) -> timedelta:
    """Doubles with every refusal in a row: half a second, one, two, at most the longest."""
    doublings = min(max(0, failures - 2), 10)
    return timedelta(seconds=min(policy.longest_pause, policy.retry_interval * 2**doublings))


def _without_refused(trade: Trade, newest: Line) -> Trade:
    """Keeps the record small through hours of refusals: a refused order left nothing behind."""
    lines = tuple(
        x
        for x in trade.lines
        if x.role is not newest.role
        or x.attempt == newest.attempt
        or x.status is not LineStatus.REJECTED
        or x.order_ids
    )
    return replace(trade, lines=lines)


def not_sent(trade: Trade, line: Line, policy: BracketPolicy, now: datetime) -> Trade:
    """We refused before a byte left: as if it had never been tried, after a pause."""
    if line.role is Role.ENTRY:
        return replace(
            with_line(trade, replace(line, status=LineStatus.ABSENT)),
            exit_reason=trade.exit_reason or ExitReason.ENTRY_NOT_SENT,
        )
    lines = tuple(x for x in trade.lines if (x.role, x.attempt) != (line.role, line.attempt))
    pause = now + timedelta(seconds=policy.retry_interval)
    return replace(trade, lines=lines, not_before=pause)


def refused(trade: Trade, policy: BracketPolicy, now: datetime) -> Trade:
    """A cancel or an edit was refused, or nobody knows: the venue is asked before going on."""
    pause = now + timedelta(seconds=policy.retry_interval)
    return replace(trade, needs_sync=True, sync_after=pause, not_before=pause)


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
    rests = any(x.state is OrderState.OPEN for x in orders)
    if found is None or found.status is not LineStatus.TRIGGERED or rests:
        return trade
    # A trigger that fired with nothing to reduce leaves no order behind: after two looks it
    # is over.
    if found.looks >= 1:
        return with_line(trade, replace(found, status=LineStatus.ABSENT))
    look_at = now + timedelta(seconds=policy.look_interval)
    return with_line(trade, replace(found, looks=found.looks + 1, look_at=look_at))


def _looked_up_in_vain(
    trade: Trade, line: Line, policy: BracketPolicy, now: datetime, server_ms: int
) -> Trade:
    """The label was not found. One absence proves nothing for an entry: it may be late.

    An entry is absent when several looks found nothing after ``valid_until`` had passed on the
    server's clock; looks before that prove nothing. Other orders are reduce-only, a second one
    cannot harm, so they are given up at once, unless they are known to have been there; should
    the first turn up after all, the surplus is cancelled.
    """
    current = trade.line(line.role, line.attempt)
    if current is None or current.status not in {LineStatus.UNKNOWN, LineStatus.TRIGGERED}:
        return measured(trade, now)
    is_entry = current.role is Role.ENTRY
    is_late = server_ms > current.valid_until_ms
    looks = current.looks + (1 if is_late or not is_entry else 0)
    is_weighty = is_entry or bool(current.order_ids)
    is_absent = looks >= (policy.entry_absent_looks if is_weighty else 1)
    status = LineStatus.ABSENT if is_absent else LineStatus.UNKNOWN
    look_at = None if is_absent else now + timedelta(seconds=policy.look_interval)
    trade = with_line(trade, replace(current, looks=looks, look_at=look_at, status=status))
    if is_absent and current.role is Role.STOP:
        trade = replace(trade, stop_failures=trade.stop_failures + 1)
    if is_absent and current.role is Role.TARGET:
        trade = replace(trade, target_failures=trade.target_failures + 1)
    return measured(trade, now)


def vanished(trade: Trade, seen: Collection[str]) -> Trade:
    """Doubts orders believed to live of which a complete look found no trace.

    ``seen`` are the ids of everything that rests or was found by label. An order older than the
    venue's memory is in neither; what it filled is in the fills. One that ended a moment ago may
    not be there yet, so what has vanished is looked up again before it is given up.
    """
    for line in trade.lines:
        is_believed = line.status in {LineStatus.LIVE, LineStatus.TRIGGERED}
        if is_believed and not any(order_id in seen for order_id in line.order_ids):
            is_full = trade.line_filled(line) >= line.contracts
            status = LineStatus.FILLED if is_full else LineStatus.UNKNOWN
            trade = with_line(trade, replace(line, status=status, looks=0, look_at=None))
    return trade


def synced(trade: Trade) -> Trade:
    """The venue's truth is in the record, or as much of it as the venue shows yet."""
    vain = trade.syncs_in_vain + 1 if trade.lacks_fills else 0
    return replace(trade, needs_sync=False, sync_after=None, syncs_in_vain=vain)


def ending(trade: Trade, reason: ExitReason) -> Trade:
    """The trade is to be closed. The first reason stands, except that kill outranks a request."""
    if trade.exit_reason not in {None, ExitReason.REQUESTED} or trade.exit_reason is reason:
        return trade
    return replace(trade, exit_reason=reason, not_before=None)


def resumed(trade: Trade) -> Trade:
    """A trade taken over from an incarnation or a process that is gone.

    What it had sent is looked up before anything else. An intent without an entry may have
    been on the wire already, so it counts as sent; it is never sent again.
    """
    lines = tuple(x if x.status.is_over else replace(x, looks=0, look_at=None) for x in trade.lines)
    trade = replace(
        trade,
        lines=lines,
        needs_sync=True,
        not_before=None,
        sync_after=None,
    )
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
