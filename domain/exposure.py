"""How long a position is without its stop: measured as we hear of it, told from the fill.

The deadline counts from the moment we hear of a fill: before, nobody could have acted. What a
person is told counts from the fill itself, by the venue's clock; or from the end of the stop.
"""

from dataclasses import replace
from datetime import datetime

from domain.labels import Role
from domain.trade import Line, LineStatus, Trade

HEARD_AT_ONCE_MS = 500
"""What clocks may differ by, and news may take, without being called late."""


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


def heard_late(before: Trade, after: Trade, server_ms: int) -> Trade:
    """Adds the time from what made the position bare to the news of it.

    That was a fill of the entry, or the end of a stop. ``server_ms`` is the venue's clock now.
    Nothing is added for a stop that was seen with the fill.
    """
    if before.exposed_since is not None or after.exposed_since is None:
        return after
    late_ms = server_ms - min(_bare_since(before, after), default=server_ms)
    if late_ms <= HEARD_AT_ONCE_MS:
        return after
    return replace(after, unprotected_us=after.unprotected_us + late_ms * 1000)


def _bare_since(before: Trade, after: Trade) -> list[int]:
    """When it became bare, by the venue's clock: the first of these instants."""
    if after.entered <= before.entered:
        gone = [x for x in after.of(Role.STOP) if _was_lost(before.now_of(x), x)]
        # Until the last of them was gone something protected.
        return [max(x.updated_ms for x in gone)] if gone else []
    known = {x.trade_id for x in before.fills}
    fills = [
        x.timestamp_ms for x in after.fills if x.role is Role.ENTRY and x.trade_id not in known
    ]
    orders = [x.updated_ms for x in after.of(Role.ENTRY) if x.updated_ms]
    return fills or orders


def _was_lost(was: Line, now: Line) -> bool:
    return was.status is LineStatus.LIVE and now.status is LineStatus.CANCELLED


def lost_before(trade: Trade, stop: Line) -> Line | None:
    """The stop that this one replaces because it was gone while the position was open.

    Not one that the venue took away because there was nothing left to reduce, or that we ended
    because it did not protect.
    """
    earlier = [x for x in trade.of(Role.STOP) if x.attempt < stop.attempt and x.order_ids]
    if not earlier or earlier[-1].status is not LineStatus.CANCELLED:
        return None
    lost = earlier[-1]
    before = [x for x in trade.fills if x.timestamp_ms <= lost.updated_ms]
    held = sum(x.contracts * x.side.sign for x in before) * trade.plan.side.sign
    return lost if held > 0 and lost.is_sound and not lost.is_astray else None
