"""Reading commands about the account: from the last look, the book, Risk, the journal, the log."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from actors.alert_daily import gaps_before
from actors.desk_calls import Call, Outcome, done, refused
from actors.desk_following import Followers
from actors.desk_sources import Sources
from actors.messages.base import event_name
from actors.messages.desk import Refusal
from actors.messages.trading import TradeClosed
from domain import history, views
from domain.content import Cell, Column, Table, pairs
from domain.daily import EVENTS, daily_report, due_moment

STALE_LOOKS = 3
"""Looks missed beyond which the figures are called old."""
CLOSED = event_name(TradeClosed)
HISTORY_DAYS = 400
"""How far back a trade is looked for, in days with entries."""
LEAST_OF_ID = 6
"""Of a trade's id, in characters: ids begin with the time, and so many stand for two seconds."""
NOT_READ = "The account was not read yet."


def positions(sources: Sources, _: Followers, __: Call) -> Outcome:
    """As the venue has them; the trades behind them from the book."""
    look = sources.look
    if look is None:
        return refused(Refusal.BUSY, NOT_READ)
    trades = sources.trades()
    now = sources.clock.now()
    lines = _age(sources)
    if trades is None:
        lines = (*lines, "The book does not answer: which trades these are is not known now.")
    table = views.positions_table(look.positions, look.orders, trades or (), now)
    tables = (table, views.open_trades_table(trades, now)) if trades else (table,)
    return done(*lines, tables=tables)


def orders(sources: Sources, _: Followers, __: Call) -> Outcome:
    look = sources.look
    if look is None:
        return refused(Refusal.BUSY, NOT_READ)
    return done(*_age(sources), tables=(views.orders_table(look.orders),))


def _age(sources: Sources) -> tuple[str, ...]:
    """A warning when the account was not read for too long."""
    if sources.look is None:
        return ()
    age = (sources.clock.now() - sources.look.at).total_seconds()
    if age <= STALE_LOOKS * sources.facts.poll_seconds + 1:
        return ()
    return (f"OLD: the account was last read {age:.0f} s ago.",)


def balance(sources: Sources, _: Followers, __: Call) -> Outcome:
    look, risk = sources.look, sources.risk()
    if look is None:
        return refused(Refusal.BUSY, NOT_READ)
    index = dict(risk.index) if risk else {}
    total = views.total_usd(look.accounts, index)
    lines = () if total is None else (f"Total {total:.2f} USD.",)
    if risk is not None and {x.currency for x in look.accounts} - {x.currency for x in risk.equity}:
        held = ", ".join(x.currency for x in risk.equity) or "nothing yet"
        lines = (*lines, f"status and the loss limit count what is traded: {held}.")
    return done(*_age(sources), *lines, tables=(views.balance_table(look.accounts, index),))


def funding(sources: Sources, _: Followers, __: Call) -> Outcome:
    """Rates from the tickers; what positions paid or received from the venue's own figure."""
    risk, look = sources.risk(), sources.look
    if risk is None:
        return refused(Refusal.BUSY, "Risk does not answer; try again.")
    return done(
        "Positive: longs pay shorts.",
        tables=(views.funding_table(risk.tickers, look.positions if look else ()),),
    )


# -- what is over ----------------------------------------------------------------------------------


def trades(sources: Sources, _: Followers, call: Call) -> Outcome:
    """The last n from the journal, newest first."""
    number = int(str(call.values["n"]))
    entries: Any = ()
    days = 8
    while len(entries) < number and days <= HISTORY_DAYS:
        entries = sources.journal.find(events=(CLOSED,), days=days)
        days *= 7
    closed = history.closed_trades(entries)
    return done(tables=(history.closed_table(tuple(reversed(closed))[:number]),))


def trade(sources: Sources, _: Followers, call: Call) -> Outcome:
    """Its story from the journal; while it is open also its record."""
    given = str(call.values["id"])
    found = sources.journal.find(text=given, days=HISTORY_DAYS) if len(given) >= LEAST_OF_ID else ()
    book = sources.trades() or ()
    meant = _meant(given, [*(str(x.get("trade_id", "")) for x in found), *(x.id for x in book)])
    if len(meant) > 1:
        return refused(Refusal.UNKNOWN_TRADE, f"{given} begins several ids: {', '.join(meant)}.")
    if not meant:
        return refused(Refusal.UNKNOWN_TRADE, f"There is no trade {given} in book or journal.")
    (trade_id,) = meant
    entries = [x for x in found if x.get("trade_id") == trade_id]
    mine = [x for x in book if x.id == trade_id]
    tables: list[Table] = []
    if mine:
        tables += [
            views.open_trades_table(mine, sources.clock.now()),
            views.trade_orders_table(mine[0]),
        ]
    closed = history.closed_trades(x for x in entries if x.get("event") == CLOSED)
    if closed:
        tables.append(history.closed_table(closed))
    return done(tables=(*tables, history.story_table(entries)))


def _meant(given: str, known: Iterable[str]) -> tuple[str, ...]:
    """The trade of that id, or those whose ids begin so."""
    names = dict.fromkeys(known)
    if given in names:
        return (given,)
    return tuple(x for x in names if len(given) >= LEAST_OF_ID and x.startswith(given))


def pnl(sources: Sources, _: Followers, call: Call) -> Outcome:
    """Closed trades of the period summed up; for the day also the result on equity."""
    period = str(call.values["period"])
    zone = sources.facts.timezone
    first = history.first_day(period, sources.clock.now().astimezone(zone).date())
    # A day of the zone may begin in the file before, and days without entries have no file.
    days = history.PERIOD_DAYS[period] + 2
    entries = sources.journal.find(events=(CLOSED,), days=days)
    closed = history.since(history.closed_trades(entries), first, zone)
    tables = [history.pnl_table(closed)]
    risk = sources.risk()
    if risk is not None and period == "day":
        rows: list[tuple[str, str, Cell]] = [
            ("result_usd", "result on equity USD", _cents(risk.result_usd)),
            ("loss_limit_usd", "loss limit USD", _cents(risk.loss_limit_usd)),
        ]
        tables.append(pairs("day", "The day, open positions and funding included", rows))
    return done(f"{len(closed)} trades closed since {first}.", tables=tuple(tables))


def daily(sources: Sources, _: Followers, __: Call) -> Outcome:
    """The next report as it stands now: what happened since the last one was due."""
    facts, now = sources.facts, sources.clock.now()
    since = due_moment(now, facts.report_at, facts.timezone)
    book = sources.book()
    unsent = sum(x.delivered_at is None for x in book.outbox) if book is not None else None
    entries = sources.journal.find(events=EVENTS, days=3)
    report = daily_report(
        (*gaps_before(sources.journal, since), *entries, *_measured_now(sources, now)),
        since=since,
        until=now,
        zone=facts.timezone,
        unsent=unsent,
    )
    return done(*report.lines, tables=report.tables)


def _measured_now(sources: Sources, now: datetime) -> tuple[dict[str, Any], ...]:
    """The day's figures as Risk knows them at this moment: the journal's are some minutes old."""
    risk = sources.risk()
    if risk is None or risk.equity_usd is None or risk.result_usd is None:
        return ()
    figures = {"equity_usd": risk.equity_usd, "result_usd": risk.result_usd}
    limit = {"limit_usd": risk.loss_limit_usd}
    return ({"ts": now.isoformat(), "event": "day_measured", **figures, **limit},)


def _cents(value: Any) -> Cell:
    return None if value is None else round(value, 2)


# -- the log ---------------------------------------------------------------------------------------

_LOG_FRAME = frozenset({"ts", "level", "event", "actor"})
LONGEST_DETAILS = 300


def logs(sources: Sources, _: Followers, call: Call) -> Outcome:
    """The end of the log, secrets redacted when it was written."""
    if sources.log_tail is None:
        return refused(Refusal.BUSY, "This daemon keeps no log.")
    number, level = int(str(call.values["n"])), str(call.values["level"])
    try:
        entries = sources.log_tail.tail(number, level)
    except OSError as error:
        return refused(Refusal.BUSY, f"The log cannot be read: {error.strerror or error}.")
    table = Table(
        key="log",
        title="Log",
        columns=(
            Column(key="at", title="at (UTC)"),
            Column(key="level", title="level"),
            Column(key="actor", title="actor"),
            Column(key="event", title="event"),
            Column(key="details", title="details"),
        ),
        rows=tuple(
            (
                str(x.get("ts", ""))[:19],
                str(x.get("level", "")),
                str(x.get("actor", "")),
                str(x.get("event", "")),
                _details(x),
            )
            for x in entries
        ),
    )
    return done(tables=(table,))


def _details(entry: Mapping[str, Any]) -> str:
    text = " ".join(f"{key}={value}" for key, value in entry.items() if key not in _LOG_FRAME)
    return text if len(text) <= LONGEST_DETAILS else f"{text[: LONGEST_DETAILS - 3]}..."


READS: Mapping[str, Callable[[Sources, Followers, Call], Outcome]] = {
    "positions": positions,
    "orders": orders,
    "balance": balance,
    "funding": funding,
    "trades": trades,
    "trade": trade,
    "pnl": pnl,
    "daily": daily,
    "logs": logs,
}
"""Who answers what."""
