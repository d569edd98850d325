"""Whose fill is it: which trade an execution belongs to, since positions carry no label.

A fill is claimed by its order id, by its label, or by the order it descends from, if the trade
is open. What is left is a liquidation, or somebody else's hand; so is an order of a trade that is
over. Every contract ends up somewhere: with a trade, or
with EXTERNAL, the part of the position that no trade owns. So the ledger (remaining contracts
of the trades plus EXTERNAL) keeps equal to the venue's position.

Rules are tried in this order: known order id; our label; parents of the order; liquidation,
shared by size; foreign fill, which first undoes what foreign hands built and then reduces the
oldest trade. More than a trade holds spills to the next one on its side, then to EXTERNAL.

Source: Deribit order and trade objects (label, trigger_order_id, primary_order_id, oco_ref).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.labels import Label, Role, parse
from domain.orders import Fill, Side


class ClosedBy(StrEnum):
    """How contracts were claimed; ``order`` also stands for the fills of an entry."""

    ORDER = "order"
    MANUAL = "manual"
    LIQUIDATION = "liquidation"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class OpenTrade:
    """A registered trade as attribution sees it; ``remaining`` contracts are unsigned."""

    trade_id: str
    instrument_name: str
    side: Side
    remaining: int


@dataclass(frozen=True, slots=True)
class Allocation:
    """A part of one fill. ``trade_id`` is None for EXTERNAL.

    ``role`` is the role of the order of ours that traded; None when it was not ours, or when
    it is known only as some exit of the trade.
    """

    trade_id: str | None
    contracts: int
    role: Role | None
    closed_by: ClosedBy


@dataclass(frozen=True, slots=True)
class _Claim:
    """The trade an order of ours belongs to, and its role there."""

    trade_id: str
    role: Role | None


def attribute(
    fill: Fill,
    orders_by_id: Mapping[str, Label],
    parent_of: Mapping[str, str],
    open_trades: Sequence[OpenTrade],
    *,
    external: int = 0,
) -> tuple[Allocation, ...]:
    """Splits one fill among trades and EXTERNAL; the parts add up to the fill.

    ``orders_by_id`` holds every order known to be ours, ``parent_of`` maps an order to the
    trigger, primary or sibling it came from, ``open_trades`` is oldest first and includes
    trades whose entry has not filled yet. ``external`` is the signed EXTERNAL position of the
    instrument before this fill. Each fill must be given once: replay is the caller's guard.
    """
    trades = [trade for trade in open_trades if trade.instrument_name == fill.instrument_name]
    claim = _claim(fill, orders_by_id, parent_of, trades)
    if claim is not None:
        return _of_order(fill, claim, trades)
    if fill.is_liquidation:
        return _of_liquidation(fill, trades, external)
    return _of_foreigner(fill, trades, external)


def _claim(
    fill: Fill,
    orders_by_id: Mapping[str, Label],
    parent_of: Mapping[str, str],
    trades: Sequence[OpenTrade],
) -> _Claim | None:
    """The owner by order id, by label, or by descent; None when the order is not ours.

    What a trade that is over left behind claims nothing: it acts as a hand does, and takes back
    what is EXTERNAL first. So does flattening: of what it closed in part, more of ours counts as
    still open, which keeps its stop.
    """
    label = (
        orders_by_id.get(fill.order_id)
        or parse(fill.label)
        or _inherited(fill.order_id, orders_by_id, parent_of)
    )
    if label is None:
        return None
    own = next((t for t in trades if t.trade_id == label.trade_id), None)
    if own is None:
        return None
    # A child of the entry that trades against it is the stop or the target: which, is unknown.
    closes = own.side is not fill.side
    return _Claim(label.trade_id, None if label.role is Role.ENTRY and closes else label.role)


def _inherited(
    order_id: str, orders_by_id: Mapping[str, Label], parent_of: Mapping[str, str]
) -> Label | None:
    """The label of the nearest known ancestor. Siblings may name each other: no loops."""
    seen = {order_id}
    while (parent := parent_of.get(order_id)) is not None and parent not in seen:
        if parent in orders_by_id:
            return orders_by_id[parent]
        seen.add(parent)
        order_id = parent
    return None


def _of_order(fill: Fill, claim: _Claim, trades: Sequence[OpenTrade]) -> tuple[Allocation, ...]:
    """A fill of ours: an entry adds to its trade, anything else closes it and spills."""
    if claim.role is Role.ENTRY:
        return (Allocation(claim.trade_id, fill.contracts, Role.ENTRY, ClosedBy.ORDER),)
    own_first = sorted(_reducible(fill, trades), key=lambda t: t.trade_id != claim.trade_id)
    return _closing(fill, own_first, claim.role, ClosedBy.ORDER, limit=fill.contracts)


def _of_foreigner(fill: Fill, trades: Sequence[OpenTrade], external: int) -> tuple[Allocation, ...]:
    """A hand that is not ours: what reduces the net position takes back EXTERNAL first.

    What is left of the reduction closes the oldest trade; what increases or flips the position
    is EXTERNAL.
    """
    net = external + sum(trade.side.sign * trade.remaining for trade in trades)
    reducing = min(fill.contracts, max(0, -net * fill.side.sign))
    undone = min(reducing, max(0, -external * fill.side.sign))
    reducible = _reducible(fill, trades)
    return _closing(fill, reducible, None, ClosedBy.MANUAL, limit=reducing - undone)


def is_netted_away(held: int, against: int, position: int) -> bool:
    """Whether the venue has nothing left of what our trades on an instrument hold.

    ``held`` is what they hold by their own fills, ``against`` what foreign hands opened, both
    signed: an entry that fills against somebody's position closes it, and both still count what
    they have. While more of ours than of his is left our exits can close that; once the
    ``position`` is flat, or his, there is nothing to close, and nothing at risk.
    """
    return held * against < 0 and held * position <= 0 and abs(against) >= abs(held)


def _reducible(fill: Fill, trades: Iterable[OpenTrade]) -> list[OpenTrade]:
    """The trades this fill can reduce, oldest first."""
    return [t for t in trades if t.side is fill.side.opposite and t.remaining > 0]


def _closing(
    fill: Fill,
    trades: Sequence[OpenTrade],
    role: Role | None,
    closed_by: ClosedBy,
    *,
    limit: int,
) -> tuple[Allocation, ...]:
    """Reduces the trades in turn, by at most ``limit`` contracts; the rest is EXTERNAL."""
    left = limit
    parts: list[Allocation] = []
    for trade in trades:
        taken = min(left, trade.remaining)
        if taken:
            parts.append(Allocation(trade.trade_id, taken, role, closed_by))
            left -= taken
    return (*parts, *_to_external(fill.contracts - limit + left))


def _to_external(contracts: int) -> tuple[Allocation, ...]:
    if contracts == 0:
        return ()
    return (Allocation(None, contracts, None, ClosedBy.EXTERNAL),)


def _of_liquidation(
    fill: Fill, trades: Sequence[OpenTrade], external: int
) -> tuple[Allocation, ...]:
    """Shares a liquidation by remaining size among all that could be liquidated."""
    reducible = _reducible(fill, trades)
    sizes = [trade.remaining for trade in reducible]
    sizes.append(max(0, -external * fill.side.sign))
    shares = _pro_rata(min(fill.contracts, sum(sizes)), sizes)
    parts = [
        Allocation(trade.trade_id, share, None, ClosedBy.LIQUIDATION)
        for trade, share in zip(reducible, shares, strict=False)
        if share
    ]
    return (*parts, *_to_external(fill.contracts - sum(part.contracts for part in parts)))


def _pro_rata(total: int, sizes: Sequence[int]) -> list[int]:
    """Splits ``total`` whole contracts in proportion to ``sizes``, by largest remainder.

    ``total`` is at most the sum of the sizes, so no share exceeds its size. Equal remainders
    go to the first.
    """
    whole = sum(sizes)
    if whole == 0:
        return [0] * len(sizes)
    shares = [total * size // whole for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda i: -(total * sizes[i] % whole))
    for position in by_remainder[: total - sum(shares)]:
        shares[position] += 1
    return shares
