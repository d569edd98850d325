"""News that say what a reply would have said.

A reply can get lost, and the position its order made is bare until somebody knows of it. The
venue tells of every order of ours twice: in the reply, and as ``user.changes``. Whoever waits for
the reply takes the news instead, when the reply does not come along with them.

Source: Deribit ``user.changes`` (orders and trades have the form they have in a reply).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from adapters.deribit import wire

CHANNEL = "user.changes."
GRACE_SECONDS = 0.05
"""How long after the news of its order a reply is still waited for: both come over one line."""
_PLACING = frozenset({"private/buy", "private/sell"})


def awaited(method: str, params: Mapping[str, Any]) -> str:
    """The label whose news would do as the reply; empty when only the reply will."""
    label = params.get("label") if method in _PLACING else None
    return label if isinstance(label, str) else ""


def replies(channel: str, data: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Per label: what a reply to the placing of that order would have as its result."""
    if not channel.startswith(CHANNEL):
        return
    told = wire.as_object(data)
    trades = [wire.as_object(x) for x in wire.as_list(told.get("trades")) or []]
    for row in wire.as_list(told.get("orders")) or []:
        order = wire.as_object(row)
        label, order_id = order.get("label"), order.get("order_id")
        # A stop that fires at once: its market order has its label, and is not what was placed.
        was_placed = order.get("trigger_order_id") is None
        if isinstance(label, str) and label and was_placed:
            mine = [x for x in trades if x.get("order_id") == order_id]
            yield label, {"order": order, "trades": mine}
