"""How long a position is without its stop: measured as we hear of it, told from the fill.

The deadline counts from the moment we hear of a fill: before, nobody could have acted. What a
person is told counts from the fill itself, by the venue's clock.
"""

from dataclasses import replace
from datetime import datetime

from domain.labels import Role
from domain.trade import Trade

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
    """Adds the time from a fill of the entry to the news of it, if the position is bare.

    ``server_ms`` is the venue's clock now. Nothing is added for a stop that was seen with the
    fill, or for one that went away later.
    """
    if before.exposed_since is not None or after.exposed_since is None:
        return after
    if after.entered <= before.entered:
        return after
    known = {x.trade_id for x in before.fills}
    fills = [
        x.timestamp_ms for x in after.fills if x.role is Role.ENTRY and x.trade_id not in known
    ]
    orders = [x.updated_ms for x in after.of(Role.ENTRY) if x.updated_ms]
    late_ms = server_ms - min(fills or orders, default=server_ms)
    if late_ms <= HEARD_AT_ONCE_MS:
        return after
    return replace(after, unprotected_us=after.unprotected_us + late_ms * 1000)
