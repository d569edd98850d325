"""A target that is refused, cut or cancelled: when it is tried again, and when it is left away.

What the venue does to a target says nothing of the next try: the settlement passes, a sibling's
stop has taken the reduce-only budget for a moment. So it is tried for ever, ever more rarely.
Only a person who cancels it again and again has made his point.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from domain.labels import Role
from domain.trade import Line, LineStatus, Trade

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 60.0
"""Seconds between two tries. It doubles with each failure in a row; the longest is also how long a
target that lay beyond the price band is left alone."""
RESTED = timedelta(seconds=LONGEST_PAUSE)
"""A target that rested for so long ends the row of failures before it."""
TOLD_AT = 6
"""So many failures in a row (about eight seconds) are worth a word."""
HAND_CANCELS = 3
"""So often a person has to cancel it."""


def failed(trade: Trade, now: datetime, *, at_once: bool = True) -> Trade:
    """Counts a failure; the first in a row may be answered ``at_once``."""
    failures = trade.target_failures + 1
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(max(0, failures - 2), 10))
    again = None if failures == 1 and at_once else now + timedelta(seconds=pause)
    trade = without_traces(trade, Role.TARGET, now)
    return replace(trade, target_failures=failures, target_after=again)


def died(trade: Trade, line: Line, now: datetime, *, by_hand: bool) -> Trade:
    """One that rested is gone, and nobody of us asked for it."""
    if by_hand:
        return replace(trade, target_hand_cancels=trade.target_hand_cancels + 1)
    return failed(rested(trade, line, now), now)


def rested(trade: Trade, line: Line, now: datetime) -> Trade:
    """Begins a new row of failures, if this one has rested, and was let rest, for long enough."""
    since = max(line.sent_at, trade.target_after or line.sent_at)
    return replace(trade, target_failures=0) if now - since >= RESTED else trade


def granted(trade: Trade) -> Trade:
    """It is as large as it has to be: what was refused before is forgotten."""
    return replace(trade, target_failures=0, target_after=None)


def is_left_away(trade: Trade) -> bool:
    """Whether a person has had his way."""
    return trade.target_hand_cancels >= HAND_CANCELS


def without_traces(trade: Trade, role: Role, now: datetime) -> Trade:
    """Keeps the record small through hours of tries: these left nothing behind.

    The newest number stays, so that none is used twice; so does what may still be told of.
    """
    newest = max((x.attempt for x in trade.of(role)), default=0)
    return replace(
        trade,
        lines=tuple(
            x
            for x in trade.lines
            if x.role is not role or x.attempt == newest or not _is_nothing(trade, x, now)
        ),
    )


def _is_nothing(trade: Trade, line: Line, now: datetime) -> bool:
    if line.status is LineStatus.REJECTED and not line.order_ids:
        return True
    is_old = now - line.sent_at >= RESTED
    was_cut = line.status is LineStatus.CANCELLED and not line.part and not line.is_slot
    return was_cut and is_old and trade.line_filled(line) == 0
