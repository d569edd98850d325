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

The fifty races it has to stand are listed in docs/proof.md.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from domain import targets, venue_codes
from domain.labels import Role
from domain.steps import BracketPolicy, Do, Step, View, view_of
from domain.trade import CLOSERS, EMERGENCIES, ExitReason, Line, LineStatus, Trade
from domain.winding_up import wind_up


def _finished(view: View) -> Step | None:
    return Step(do=Do.WAIT) if view.trade.is_finished else None


def _sync_first(view: View) -> Step | None:
    """A doubt about the venue's truth is settled first, unless the position burns meanwhile."""
    if not view.trade.needs_sync:
        return None
    if view.is_past_deadline and not _is_contradicted(view):
        return None
    early = view.wait_until(view.trade.sync_after, view.policy.retry_interval)
    return early or Step(do=Do.SYNC)


def _is_contradicted(view: View) -> bool:
    """Whether a close was sent already and the doubt is about what became of it."""
    closers = view.trade.of(*CLOSERS)
    if not closers:
        return False
    last = closers[-1]
    if last.status is LineStatus.REJECTED:
        return last.code in venue_codes.NOTHING_TO_REDUCE
    was_cut = last.status is LineStatus.CANCELLED and view.trade.line_filled(last) == 0
    return was_cut or last.status is LineStatus.LIVE


def _stop_unknown(view: View) -> Step | None:
    """Whether a stop rests is found out before another one is sent."""
    if view.is_closing or view.position <= 0 or view.is_past_deadline:
        return None
    line = view.first(Role.STOP, LineStatus.UNKNOWN)
    return view.look_up(line) if line else None


def _stop_to_come(view: View) -> Step | None:
    """A linked stop is to be seen at the venue: the reply to its entry is no proof.

    It is looked for at once and again, but never for longer than half the deadline leaves.
    """
    if view.is_closing or view.cover >= view.position:
        return None
    slot = view.child_to_come(Role.STOP)
    since = view.trade.exposed_since
    patience = view.policy.patience_for_children
    if slot is None or since is None or (view.now - since).total_seconds() >= patience:
        return None
    return view.look_at_child(slot)


def _stop_unsound(view: View) -> Step | None:
    """What rests under a stop's label and does not protect can only do harm.

    Past the deadline one try to cancel it has to do until the venue has said what became of it:
    it may have closed the position by itself, and if not, the position is closed first.
    """
    if view.trade.needs_sync and view.is_past_deadline:
        return None
    unsound = [x for x in view.all(Role.STOP, LineStatus.LIVE) if not x.is_sound]
    return view.cancel(unsound[0]) if unsound else None


def _stop_firing(view: View) -> Step | None:
    """A stop that fired closes by itself; one that stalls is looked at, then chased."""
    line = view.first(Role.STOP, LineStatus.TRIGGERED)
    if line is None or view.position <= 0 or view.is_closing:
        return None
    patience = _until_chased(view, line)
    give_up = Step(do=Do.GIVE_UP_STOP, reason=ExitReason.STOP_STALLED)
    return patience or _look_once(line) or give_up


def _until_chased(view: View, stop: Line) -> Step | None:
    """A stop that fired has its time, unless some of the position has been under none too long."""
    if view.is_past_deadline:
        return None
    return view.wait(stop.triggered_at, view.policy.chase_after)


def _look_once(line: Line) -> Step | None:
    """What became of a fired stop whose market order nobody has reported."""
    if line.is_working or line.looks or line.look_at is not None:
        return None
    return Step(do=Do.LOOK_UP, line=line)


def _uncovered(view: View) -> Step | None:
    """The heart: what is open and not under a stop gets one, or is closed."""
    if view.is_closing or view.cover >= view.position:
        return None
    if view.first(Role.STOP, LineStatus.TRIGGERED) is not None:
        return None
    reason = _why_no_stop(view)
    if reason is not None:
        return Step(do=Do.GIVE_UP_STOP, reason=reason)
    if view.first(Role.STOP, LineStatus.UNKNOWN) is not None or _stop_to_come(view):
        return None
    stops = view.sound_stops
    return view.resize(stops[0]) if stops else view.place(Role.STOP)


def _why_no_stop(view: View) -> ExitReason | None:
    if view.is_past_deadline:
        return ExitReason.PROTECTION_DEADLINE
    if view.trade.stop_failures >= view.policy.stop_retries:
        return ExitReason.STOP_REFUSED
    lost = [x for x in view.sent_lately(Role.STOP) if x.status is LineStatus.CANCELLED]
    if len(lost) >= view.policy.most_stops_lost:
        # Each was taken and each gap is short, but what they add up to is most of the time.
        return ExitReason.STOP_REFUSED
    return None


def _close_exposed(view: View) -> Step | None:
    """What burns is closed before anything is tidied up."""
    return _close(view) if view.trade.is_exposed else None


def _entry_unknown(view: View) -> Step | None:
    line = view.first(Role.ENTRY, LineStatus.UNKNOWN)
    return view.look_up(line) if line else None


def _entry_rest(view: View) -> Step | None:
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


def _target_out_of_the_way(view: View) -> Step | None:
    line = view.first(Role.TARGET, LineStatus.LIVE, LineStatus.UNKNOWN)
    if line is None or not (view.is_closing or view.position == 0):
        return None
    if view.position <= 0 and view.trade.rests_on_guesses:
        return None
    if line.is_paired and view.position > 0 and not _nothing_left_to_close(view):
        # The venue would take its stop along; the close itself makes the target smaller.
        return None
    return view.remove(line)


def _nothing_left_to_close(view: View) -> bool:
    """Whether the venue counts the target as the close, and takes no other."""
    last = view.trade.of(*CLOSERS)[-1:]
    refused = [x for x in last if x.status is LineStatus.REJECTED]
    return any(x.code in venue_codes.NOTHING_TO_REDUCE for x in refused)


def _close(view: View) -> Step | None:
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
        step = _until_chased(view, firing) or _look_once(firing)
        if step is not None:
            return step
        if firing.is_working and not (view.trade.needs_sync and view.is_past_deadline):
            # Its market order hangs at the band; two closers would only clip each other. What a
            # cancel in vain has left in doubt is not asked before the position is closed.
            return view.cancel(firing)
    is_emergency = view.trade.exit_reason in EMERGENCIES
    return view.place(Role.EMERGENCY if is_emergency else Role.CLOSE)


def _chase(view: View, line: Line) -> Step:
    if line.status is LineStatus.UNKNOWN:
        return view.look_up(line)
    return view.wait(line.sent_at, view.policy.chase_after) or view.cancel(line)


def _surplus_stops(view: View) -> Step | None:
    """Two stops (a lost one turned up again): the older goes if the rest covers all.

    One that is not where it was asked to be goes as soon as another covers in its place. What the
    venue has paired is never a surplus: a fill of its target makes a stop smaller, and until that
    is told there only seem to be more. Nor is any before the venue has been asked: the word of a
    stop may be older than its end, or younger than the fill it was made by. Asking takes a while,
    in which the other one may end: what was heard meanwhile comes first.
    """
    if view.is_closing or view.position <= 0 or view.trade.rests_on_guesses:
        return None
    line = _one_too_many(view)
    if line is None:
        return None
    is_compared = view.trade.is_compared
    return view.cancel(line, after_news=True) if is_compared else Step(do=Do.SYNC)


def _one_too_many(view: View) -> Line | None:
    # One that stands alone goes first: a pair would take its target along.
    astray = [x for x in view.all(Role.STOP, LineStatus.LIVE) if x.is_astray]
    if astray and view.cover >= view.position:
        return astray[0]
    for line in view.sound_stops:
        if not line.is_paired and view.cover - view.trade.remaining(line) >= view.position:
            return line
    return None


def _stop_behind(view: View) -> Step | None:
    """A stop that rests and covers is moved in the trade's favour, now and then.

    By edit: the old place holds until the new one does. What is refused is tried ever more
    rarely; the trade is protected all the while.
    """
    trade = view.trade
    if view.is_closing or view.position <= 0 or view.cover < view.position:
        return None
    behind = trade.stops_behind
    if not behind:
        return None
    early = view.pause() or view.between_moves()
    return early or Step(do=Do.MOVE, line=behind[0], contracts=behind[0].contracts)


def _stop_too_large(view: View) -> Step | None:
    """A stop larger than the position would close what somebody else holds beside it.

    Not at once: more may fill, whose a fill was may be told otherwise, and the venue makes the stop
    of a pair smaller by itself. Of several pairs none is touched, because which of them it will be
    is not known. What is larger than all that was ever entered was made so by hand, and respected.
    """
    trade, stops = view.trade, view.sound_stops
    if view.is_closing or view.position <= 0 or trade.lacks_fills or trade.rests_on_guesses:
        return None
    if not view.position < view.cover <= trade.entered:
        return None
    if len(stops) > 1 and any(x.is_paired for x in stops):
        return None
    return view.settling() or view.between_moves() or view.resize(stops[0])


def _target(view: View) -> Step | None:
    """Not for a position that is a guess: at a price that was reached it would close at once, and
    what is closed then may be a person's.
    """
    trade = view.trade
    if view.position <= 0 or view.is_closing or trade.plan.target_price is None:
        return None
    if trade.rests_on_guesses:
        return None
    unknown = view.first(Role.TARGET, LineStatus.UNKNOWN)
    if unknown is not None:
        return view.look_up(unknown)
    if view.cover < view.position or targets.is_left_away(trade):
        return None
    live = view.all(Role.TARGET, LineStatus.LIVE)
    if sum(trade.remaining(x) for x in live) >= view.position:
        return None
    slot = view.child_to_come(Role.TARGET)
    if slot is not None and slot.looks < view.policy.child_looks:
        return view.look_at_child(slot)
    early = view.wait_until(trade.target_after, targets.LONGEST_PAUSE)
    return early or (view.resize(live[0]) if live else view.place(Role.TARGET))


def _target_too_large(view: View) -> Step | None:
    """A target larger than the position takes what there is to reduce from the targets beside it,
    and at its price it closes theirs.

    The venue makes it smaller only when all that is held is less. As with stops: not at once, none
    that a pair keeps, and none that somebody has made larger than all that was ever entered.
    """
    trade, live = view.trade, view.all(Role.TARGET, LineStatus.LIVE)
    if view.is_closing or view.position <= 0 or trade.lacks_fills or trade.rests_on_guesses:
        return None
    if len(live) != 1 or live[0].is_paired:
        return None
    if not view.position < trade.remaining(live[0]) <= trade.entered:
        return None
    return view.settling() or view.between_moves() or view.resize(live[0])


def _target_unsound(view: View) -> Step | None:
    """One that somebody's edit has made able to open a position, when ours is gone.

    A linked one gets the flag by an edit, and keeps its size: the venue takes the stop of its pair
    along when it is cancelled, and when it is filled.
    """
    unsound = [x for x in view.all(Role.TARGET, LineStatus.LIVE) if not x.is_sound]
    if not unsound or view.position <= 0 or view.is_closing:
        return None
    early = view.wait_until(view.trade.target_after, targets.LONGEST_PAUSE)
    line = unsound[0]
    if not line.is_paired:
        return early or view.cancel(line)
    same = Step(do=Do.RESIZE, line=line, contracts=line.contracts)
    return early or view.pause() or same


def _enter(view: View) -> Step | None:
    """At most once: an entry the venue has given an id was taken, whatever else is said of it."""
    trade = view.trade
    if view.is_closing or (trade.lines and not trade.enters_again):
        return None
    if any(x.ids for x in trade.of(Role.ENTRY)):
        return None
    return Step(do=Do.PLACE, role=Role.ENTRY, contracts=trade.plan.contracts)


RULES: tuple[Callable[[View], Step | None], ...] = (
    _finished,
    _sync_first,
    _stop_unknown,
    _stop_to_come,
    _stop_unsound,
    _stop_firing,
    _uncovered,
    _close_exposed,
    _entry_unknown,
    _entry_rest,
    _target_out_of_the_way,
    _close,
    _surplus_stops,
    _stop_behind,
    _stop_too_large,
    _target_unsound,
    _target_too_large,
    _target,
    _enter,
    wind_up,
)
"""In order of urgency."""

_FINAL = frozenset({_finished, _sync_first})
"""Rules whose waiting holds up everything below them."""


def next_step(trade: Trade, policy: BracketPolicy, now: datetime) -> Step | None:
    """The one thing to do now, or None to wait for the next report."""
    view = view_of(trade, policy, now)
    waiting: Step | None = None
    for rule in RULES:
        step = rule(view)
        if step is None:
            continue
        if step.do is Do.QUARANTINE:
            return replace(step, until=_sooner(waiting, step).until)
        if step.do is not Do.WAIT or rule in _FINAL:
            return step
        waiting = _sooner(waiting, step)
    return waiting


def _sooner(one: Step | None, other: Step) -> Step:
    return min(one or other, other, key=lambda step: step.until or _NEVER)


_NEVER = datetime.max.replace(tzinfo=UTC)
