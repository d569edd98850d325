"""Judging the account from the venue's own data: protection (I1), ledger (I5), orphans (I2).

Pure functions over one snapshot of positions and open orders and the ledger of our trades. They
judge; they never act.

Sources: Deribit ``private/buy`` (``reduce_only``), the position object, which carries no label.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from domain import labels
from domain.orders import STOP_TYPES, Order, OrderState, Position
from domain.trade import LineStatus, Trade


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """A position that stops do not cover. Contracts: ``position`` signed, ``cover`` resting."""

    instrument_name: str
    position: int
    cover: int

    def owed(self, residual: int) -> int:
        """Contracts of the position that are ours, when ``residual`` of it are not."""
        ours = self.position - residual
        return min(abs(ours), abs(self.position)) if ours * self.position > 0 else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Venue and ledger disagree: ``residual = venue - ledger``, signed contracts."""

    instrument_name: str
    venue: int
    ledger: int

    @property
    def residual(self) -> int:
        return self.venue - self.ledger


def protects(order: Order, position: int) -> bool:
    """Whether this order is a resting reduce-only stop on the closing side of the position."""
    return (
        order.state is OrderState.UNTRIGGERED
        and order.order_type in STOP_TYPES
        and order.reduce_only
        and not order.is_secondary_oto
        and order.side.sign * position < 0
    )


def cover_of(instrument_name: str, position: int, orders: Iterable[Order]) -> int:
    """Contracts of the position under resting stops, whoever placed them."""
    return sum(
        order.remaining_contracts
        for order in orders
        if order.instrument_name == instrument_name and protects(order, position)
    )


def shortfalls(positions: Iterable[Position], orders: Sequence[Order]) -> tuple[Shortfall, ...]:
    """I1 on one snapshot: every position with less stop than contracts."""
    found: list[Shortfall] = []
    for position in positions:
        cover = cover_of(position.instrument_name, position.contracts, orders)
        if cover < abs(position.contracts):
            found.append(
                Shortfall(
                    instrument_name=position.instrument_name,
                    position=position.contracts,
                    cover=cover,
                )
            )
    return tuple(found)


def drifts(positions: Iterable[Position], ledger: Mapping[str, int]) -> tuple[Drift, ...]:
    """I5 on one snapshot: instruments where our trades do not add up to the position.

    ``ledger`` is the signed sum of what our trades still hold, per instrument.
    """
    venue = {position.instrument_name: position.contracts for position in positions}
    names = sorted(venue.keys() | ledger.keys())
    found = (
        Drift(instrument_name=name, venue=venue.get(name, 0), ledger=ledger.get(name, 0))
        for name in names
    )
    return tuple(drift for drift in found if drift.residual)


Finding = tuple[int, int]
"""The position and what of it is not ours, signed contracts, as one look saw them."""


def seen_twice(before: Finding | None, now: Finding) -> Finding | None:
    """What two looks in a row have seen of a position; None, when they do not agree on any.

    One that grows from look to look was at least as large as before.
    """
    if before is None or before == now:
        return before
    has_grown = all(
        then * later > 0 and abs(later) >= abs(then)
        for then, later in zip(before, now, strict=True)
    )
    return before if has_grown else None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardStep:
    """One change of a guard: a new one (no ``order``), another size, or, with 0, its end."""

    contracts: int
    order: Order | None = None


def guard_steps(
    instrument_name: str, position: int, residual: int, orders: Sequence[Order]
) -> tuple[GuardStep, ...]:
    """What is missing until a position that is not ours hangs under one stop of ours.

    ``position`` is the venue's, ``residual`` the part of it that no trade owns; both signed.
    Stops of others count: trades have their own, and a person may have one. A guard that has
    fired and works in the book is left to close.
    """
    mine = [x for x in orders if x.instrument_name == instrument_name and labels.is_guard(x.label)]
    guards = [x for x in mine if x.state is OrderState.UNTRIGGERED]
    closing = sum(x.remaining_contracts for x in mine if x.state is OrderState.OPEN)
    others = [x for x in orders if not labels.is_guard(x.label)]
    uncovered = abs(position) - cover_of(instrument_name, position, others) - closing
    is_theirs = position * residual > 0
    wanted = max(0, min(abs(residual), uncovered)) if is_theirs else 0
    sound = [x for x in guards if protects(x, position)] if wanted else []
    kept = sound[0] if sound else None
    ends = [GuardStep(contracts=0, order=x) for x in guards if x is not kept]
    if wanted == 0 or (kept is not None and kept.remaining_contracts == wanted):
        return tuple(ends)
    # First the new protection, then the removal of what it replaces.
    return (GuardStep(contracts=wanted, order=kept), *ends)


def orphans(orders: Iterable[Order], open_trades: frozenset[str]) -> tuple[Order, ...]:
    """Live orders that carry our label but whose trade is closed or unknown.

    Foreign orders are never orphans. An order of ours whose label does not parse is one: no
    trade will ever claim it.
    """
    return tuple(
        order
        for order in orders
        if order.state.is_live and labels.is_ours(order.label) and _owner(order) not in open_trades
    )


def _owner(order: Order) -> str | None:
    label = labels.parse(order.label)
    return label.trade_id if label else None


def are_paired(one: Order, other: Order) -> bool:
    """Whether the venue ends one when the other ends."""
    return one.oco_ref is not None and one.oco_ref == other.oco_ref


def gone_unheard(trade: Trade, orders: Iterable[Order]) -> frozenset[str]:
    """Labels of orders that rest by the record, and not among those that rest at the venue."""
    resting = {order.order_id for order in orders}
    return frozenset(
        trade.label(line)
        for line in trade.lines
        if line.status is LineStatus.LIVE and resting.isdisjoint(line.order_ids)
    )


def may_cancel(order: Order, orders: Sequence[Order], positions: Iterable[Position]) -> bool:
    """Whether removing an orphan leaves every position as protected as it must be.

    The partners of a linked pair go with it.
    """
    gone = [x for x in orders if x.order_id == order.order_id or are_paired(x, order)]
    for position in positions:
        if position.instrument_name != order.instrument_name:
            continue
        if not any(protects(x, position.contracts) for x in gone):
            continue
        left = {x.order_id for x in gone}
        rest = [x for x in orders if x.order_id not in left]
        cover = cover_of(order.instrument_name, position.contracts, rest)
        return cover >= abs(position.contracts)
    return True
