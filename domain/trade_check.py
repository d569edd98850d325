"""Whether a trade's record can be true at all.

Types alone let through what no trade ever was: no contracts, a price of zero, an order numbered
outside the label grammar. A record like that would fail its actor again and again, so a book that
holds one counts as unreadable.
"""

from collections.abc import Iterator
from datetime import datetime

from domain import labels
from domain.labels import MAX_ATTEMPT, Label, Role
from domain.trade import Line, Trade, TradeFill, TradePlan


def flaws(trade: Trade) -> tuple[str, ...]:
    """What cannot be true of this record, in words; empty when all of it can."""
    return (
        *_of_plan(trade.plan),
        *([f"stop moved to {trade.stop_at}"] if trade.stop_at and trade.stop_at <= 0 else []),
        *(x for line in trade.lines for x in _of_line(line)),
        *(x for fill in trade.fills for x in _of_fill(fill)),
        *_of_counts(trade),
        *(f"{name} without a time zone" for name, when in _instants(trade) if not when.tzinfo),
    )


def _of_plan(plan: TradePlan) -> Iterator[str]:
    if labels.parse(str(Label(plan.trade_id, Role.ENTRY, 1))) is None:
        yield f"trade id {plan.trade_id!r}"
    if plan.contracts < 1:
        yield f"{plan.contracts} contracts"
    prices = {
        "entry price": plan.entry_price,
        "stop": plan.stop_price,
        "target": plan.target_price,
        "break-even": plan.break_even_at,
        "trail": plan.trail,
        "contracts": plan.contract_size,
    }
    for name, price in prices.items():
        if price is not None and price <= 0:
            yield f"{name} at {price}"


def _of_line(line: Line) -> Iterator[str]:
    name = f"{line.role} {line.attempt}"
    if not 1 <= line.attempt <= MAX_ATTEMPT:
        yield f"{name}: its number"
    if line.contracts < 0 or line.reported_filled < 0 or line.looks < 0 or line.part < 0:
        yield f"{name}: a negative number"


def _of_fill(fill: TradeFill) -> Iterator[str]:
    if fill.contracts < 1 or fill.price <= 0:
        yield f"fill {fill.trade_id} of {fill.contracts} at {fill.price}"


def _of_counts(trade: Trade) -> Iterator[str]:
    counts = (
        trade.stop_failures,
        trade.target_failures,
        trade.target_hand_cancels,
        trade.close_failures,
        trade.foreign_seq,
        trade.told_seq,
        trade.unprotected_us,
        trade.move_failures,
    )
    if min(counts) < 0:
        yield "a negative count"
    keys = {x.key for x in trade.lines}
    if len(keys) < len(trade.lines):
        yield "two orders under one label"


def _instants(trade: Trade) -> Iterator[tuple[str, datetime]]:
    given = {
        "created_at": trade.plan.created_at,
        "not_before": trade.not_before,
        "sync_after": trade.sync_after,
        "synced_at": trade.synced_at,
        "lacks_since": trade.lacks_since,
        "target_after": trade.target_after,
        "exposed_since": trade.exposed_since,
        "moved_at": trade.moved_at,
    }
    yield from ((name, when) for name, when in given.items() if when is not None)
    for line in trade.lines:
        for when in (line.sent_at, line.heard_at, line.triggered_at, line.look_at, line.looked_at):
            if when is not None:
                yield f"{line.role} {line.attempt}", when
