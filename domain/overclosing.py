"""What a trade's reduce-only orders closed beyond its own.

Such an order closes and never opens, so what it closed when nothing of its trade was left was a
person's or another trade's, and nothing of the trade is left to protect. An order that had lost
the flag may have opened something instead: whose that is only a person can say.

Source: Deribit trade objects (``reduce_only`` of the order, as it was at the fill).
"""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from domain.labels import Role
from domain.trade import Trade, TradeFill


def taken_from_others(trade: Trade) -> int:
    """Contracts its orders closed that were not its own.

    Zero unless every fill is known, none of those by its exits could open anything, and nothing
    of the trade is left: neither by the sum nor in the order it happened (an entry that filled
    again after more had been closed than there was is still open).
    """
    if trade.position >= 0 or trade.entered == 0 or not trade.was_closed_by_its_own_orders:
        return 0
    return -trade.position if _is_proven(trade) and not _left(trade) else 0


def left_after_all(trade: Trade) -> int:
    """Contracts that are open though as many were closed as entered: an exit had closed others'
    first, and the entry filled again afterwards.
    """
    return _left(trade) if trade.position == 0 and _is_proven(trade) else 0


def _is_proven(trade: Trade) -> bool:
    """Whether every fill is known, and none by an exit of ours can have opened anything."""
    exits = {order_id for x in trade.lines if x.role is not Role.ENTRY for order_id in x.ids}
    is_sound = all(x.is_reduce_only for x in trade.fills if x.order_id in exits)
    return is_sound and not trade.lacks_fills


def _left(trade: Trade) -> int:
    """What is left of it, in the order it happened."""
    return sum(x.contracts * x.side.sign for x in _own(trade)) * trade.plan.side.sign


def own_fills(trade: Trade) -> tuple[TradeFill, ...]:
    """Its fills without what was closed for others, who bear their part of the fee."""
    return tuple(_own(trade)) if taken_from_others(trade) else trade.fills


def _own(trade: Trade) -> Iterator[TradeFill]:
    held = 0
    for fill in trade.fills:
        if fill.side is trade.plan.side:
            held += fill.contracts
            yield fill
            continue
        part = min(held, fill.contracts)
        held -= part
        if part == fill.contracts:
            yield fill
        elif part:
            fee = fill.fee * Decimal(part) / fill.contracts
            yield replace(fill, contracts=part, fee=fee, profit_loss=None)
