"""What is over, from the journal's entries: closed trades, their sum, one trade's whole story.

Journal entries are read as they stand (figures as texts), and one that lacks something or is
damaged is left out rather than guessed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

from domain.content import Cell, Column, Table
from domain.moments import moment_of
from domain.orders import ZERO

Entry = Mapping[str, Any]
PERIOD_DAYS = {"day": 1, "week": 7, "month": 31}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedTrade:
    """A trade that is over, as the journal has it. Coin figures are in ``currency``."""

    trade_id: str
    instrument: str
    side: str
    contracts: int
    entry_price: Decimal | None
    exit_price: Decimal | None
    exit_reason: str
    pnl_coin: Decimal
    pnl_usd: Decimal
    fees_coin: Decimal
    net_coin: Decimal
    currency: str
    unprotected_ms: Decimal
    closed_at: datetime
    note: str


def closed_trade(entry: Entry) -> ClosedTrade | None:
    """The trade behind a ``trade_closed`` entry; None when it cannot be read."""
    try:
        return ClosedTrade(
            trade_id=str(entry["trade_id"]),
            instrument=str(entry["instrument"]),
            side=str(entry["side"]),
            contracts=int(entry["contracts"]),
            entry_price=_optional(entry.get("entry_price")),
            exit_price=_optional(entry.get("exit_price")),
            exit_reason=str(entry["exit_reason"]),
            pnl_coin=_figure(entry["pnl_coin"]),
            pnl_usd=_figure(entry["pnl_usd"]),
            fees_coin=_figure(entry["fees_coin"]),
            net_coin=_figure(entry["net_coin"]),
            currency=str(entry["currency"]),
            unprotected_ms=_figure(entry.get("unprotected_ms", 0)),
            closed_at=datetime.fromisoformat(str(entry["ts"])),
            note=str(entry.get("note", "")),
        )
    except (KeyError, ValueError, TypeError, InvalidOperation):
        return None


def _figure(value: object) -> Decimal:
    figure = Decimal(str(value))
    if not figure.is_finite():
        raise ValueError(f"{value} is no figure")
    return figure


def _optional(value: object) -> Decimal | None:
    return None if value is None else _figure(value)


CLOSED_COLUMNS = (
    Column(key="closed_at", title="closed (UTC)"),
    Column(key="id", title="trade"),
    Column(key="instrument", title="instrument"),
    Column(key="side", title="side"),
    Column(key="contracts", title="contracts"),
    Column(key="entry", title="entry", digits=2, is_price=True),
    Column(key="exit", title="exit", digits=2, is_price=True),
    Column(key="reason", title="why"),
    Column(key="net_coin", title="net coin", digits=8),
    Column(key="currency", title="currency"),
    Column(key="pnl_usd", title="USD before fees", digits=2),
    Column(key="fees_coin", title="fees coin", digits=8),
    Column(key="unprotected_ms", title="unprotected ms", digits=1),
    Column(key="note", title="note"),
)


def closed_trades(entries: Iterable[Entry]) -> tuple[ClosedTrade, ...]:
    """Every readable closed trade, each once, oldest first."""
    found: dict[str, ClosedTrade] = {}
    for entry in entries:
        trade = closed_trade(entry)
        if trade is not None:
            found[trade.trade_id] = trade
    return tuple(found.values())


def closed_table(trades: Iterable[ClosedTrade]) -> Table:
    """One row a trade, in the order given."""
    return Table(
        key="trades",
        title="Closed trades",
        columns=CLOSED_COLUMNS,
        rows=tuple(
            (
                x.closed_at,
                x.trade_id,
                x.instrument,
                x.side,
                x.contracts,
                x.entry_price,
                x.exit_price,
                x.exit_reason,
                x.net_coin,
                x.currency,
                x.pnl_usd,
                x.fees_coin,
                x.unprotected_ms,
                x.note,
            )
            for x in trades
        ),
    )


# -- sums ------------------------------------------------------------------------------------------

PNL_COLUMNS = (
    Column(key="instrument", title="instrument"),
    Column(key="trades", title="trades"),
    Column(key="won", title="won"),
    Column(key="net_coin", title="net coin", digits=8),
    Column(key="currency", title="currency"),
    Column(key="fees_coin", title="fees coin", digits=8),
    Column(key="pnl_usd", title="USD before fees", digits=2),
    Column(key="worst_unprotected_ms", title="worst unprotected ms", digits=1),
)


def first_day(period: str, today: date) -> date:
    """The first day of a period that ends today."""
    return today - timedelta(days=PERIOD_DAYS[period] - 1)


def since(trades: Iterable[ClosedTrade], day: date, zone: tzinfo) -> tuple[ClosedTrade, ...]:
    """Those closed on that day (of the zone) or later."""
    return tuple(x for x in trades if x.closed_at.astimezone(zone).date() >= day)


def pnl_table(trades: Iterable[ClosedTrade]) -> Table:
    """Sums per instrument. Coins of different currencies are never added up."""
    by_name: dict[str, list[ClosedTrade]] = {}
    for trade in trades:
        by_name.setdefault(trade.instrument, []).append(trade)
    return Table(
        key="pnl",
        title="Closed trades by instrument",
        columns=PNL_COLUMNS,
        rows=tuple(_summed(name, by_name[name]) for name in sorted(by_name)),
    )


def _summed(name: str, trades: list[ClosedTrade]) -> tuple[Cell, ...]:
    return (
        name,
        len(trades),
        sum(1 for x in trades if x.net_coin > 0),
        sum((x.net_coin for x in trades), ZERO),
        trades[-1].currency,
        sum((x.fees_coin for x in trades), ZERO),
        sum((x.pnl_usd for x in trades), ZERO),
        max(x.unprotected_ms for x in trades),
    )


# -- one trade's story -----------------------------------------------------------------------------

_FRAME = frozenset({"ts", "event", "level", "seq", "prev", "hash", "trade_id", "cause"})


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """As it happened: parts write side by side, so a word may stand behind a younger one.

    What has no time stays behind what it stood behind.
    """
    timed: list[tuple[float, Entry]] = []
    for entry in entries:
        moment = moment_of(entry.get("ts"))
        before = timed[-1][0] if timed else 0.0
        timed.append((before if moment is None else moment.timestamp(), entry))
    return [entry for _, entry in sorted(timed, key=lambda x: x[0])]


def story_table(entries: Iterable[Entry]) -> Table:
    """What the journal says of one trade, oldest first."""
    return Table(
        key="story",
        title="What happened",
        columns=(
            Column(key="at", title="at (UTC)"),
            Column(key="event", title="event"),
            Column(key="details", title="details"),
        ),
        rows=tuple(
            (str(x.get("ts", ""))[:23], str(x.get("event", "")), _details(x))
            for x in in_order(entries)
        ),
    )


def _details(entry: Entry) -> str:
    return " ".join(f"{key}={value}" for key, value in entry.items() if key not in _FRAME)


# -- a day -----------------------------------------------------------------------------------------
