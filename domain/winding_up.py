"""How a trade that is flat comes to its end: the last rule of `domain.bracket`.

Flat is not over: orders may rest or still arrive, fills may be missing, and what was closed may
not have been its own.
"""

from datetime import datetime, timedelta

from domain.labels import Role
from domain.overclosing import left_after_all, taken_from_others
from domain.steps import BracketPolicy, Do, Step, View
from domain.trade import LineStatus, Trade

FILLS_BEFORE_THE_END = timedelta(minutes=5)
"""How long a trade that is to end looks in vain for its fills."""
LONGEST_FILLS_PAUSE = timedelta(seconds=30)


def wind_up(view: View) -> Step | None:
    """Flat, and the entry can bring nothing more: remove what rests, the stop last.

    Not while it is a guess that some hand closed it: he may have closed what was his, and the stop
    is all there is. What was closed twice is a person's to look at, when nothing rests any more
    that is of no use for certain, unless it is proven to have been another's; so is what may be
    open although as much was closed. When told to end it, it ends the same way.
    """
    trade = view.trade
    if view.position > 0:
        return None
    if trade.rests_on_guesses:
        return Step(do=Do.WAIT)
    doubt = None if view.is_closing else _doubtful_end(view)
    if doubt is not None or not all(x.status.is_over for x in trade.of(Role.ENTRY)):
        return doubt
    for role in (Role.TARGET, Role.CLOSE, Role.EMERGENCY, Role.STOP):
        for line in trade.of(role):
            if not line.status.is_over:
                return view.remove(line)
    if view.position < 0 and not view.is_closing and not taken_from_others(trade):
        return Step(do=Do.QUARANTINE)
    return _unseen_child(view) or _latecomer(view) or _missing_fills(view) or Step(do=Do.FINISH)


def _doubtful_end(view: View) -> Step | None:
    """What keeps even that from being removed which rests: it may be needed yet."""
    trade = view.trade
    if left_after_all(trade):
        return Step(do=Do.QUARANTINE)
    if view.position == 0:
        return None
    if trade.lacks_fills:
        return _missing_fills(view)
    return None if trade.was_closed_by_its_own_orders else Step(do=Do.QUARANTINE)


def _unseen_child(view: View) -> Step | None:
    """What was made of a linked child, and is told of only now, must not outlive the trade.

    So a child that has passed on is looked at once more after the last news of all that is not
    made of one (`linked.beside_the_children`).
    """
    for slot in view.trade.lines:
        if slot.is_slot and slot.status is LineStatus.PASSED_ON and slot.looked_at is None:
            return view.look_up(slot)
    return None


def _latecomer(view: View) -> Step | None:
    """An order given up at the first look may arrive until its validity ends: one more look."""
    for line in view.trade.lines:
        was_seen = bool(line.order_ids) or line.looks >= view.policy.absent_looks
        if line.status is LineStatus.ABSENT and not was_seen:
            return view.wait(line.sent_at, view.policy.late_after) or view.look_up(line)
    return None


def _missing_fills(view: View) -> Step | None:
    """Figures are only true with every fill: those that are not pushed soon are fetched.

    A trade that was told to end waits for them some minutes.
    """
    trade = view.trade
    if not trade.lacks_fills:
        return None
    since, read = trade.lacks_since, trade.synced_at
    if view.is_closing and since and read and read - since > FILLS_BEFORE_THE_END:
        return None
    seconds = fills_wait(trade, view.policy, view.now)
    until = view.now + timedelta(seconds=seconds)
    return Step(do=Do.WAIT, until=until) if seconds > 0 else Step(do=Do.SYNC)


def fills_wait(trade: Trade, policy: BracketPolicy, now: datetime) -> float:
    """Seconds until fills that are missing are to be fetched; 0 or less: now.

    Half a second after the news of their order, and then whenever twice as much time has passed:
    what the venue shows late is not asked for all the time. What lies ahead is of a clock that
    was set back since, and says nothing.
    """
    pause = timedelta(seconds=policy.retry_interval)
    since, read = trade.lacks_since, trade.synced_at
    if since is not None and read is not None and read <= now:
        pause = min(max(pause, read - since), LONGEST_FILLS_PAUSE)
        return (read + pause - now).total_seconds()
    heard = max((x.heard_at for x in trade.lines if x.heard_at and x.heard_at <= now), default=None)
    return (heard + pause - now).total_seconds() if heard else 0.0
