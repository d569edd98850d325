"""`run.py journal`: is it whole, what happened, and what did the month amount to."""

import fnmatch
import re
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.table import Table

from actors.kernel import ExitCode
from adapters.clock import SystemClock
from adapters.storage.chain import VerifyResult, days, read, read_line, verify
from commands.common import fail, out, read_settings, words
from commands.journal_story import concerns, table, trade_ids
from domain.month import COUNTED, Month, report

journal = typer.Typer(
    add_completion=False,
    help="The journal: check it, read it, sum it up.",
    epilog="Example: python run.py journal verify",
    no_args_is_help=True,
)
Folder = Annotated[
    Path | None, typer.Option("--folder", help="Another journal than the settings' own.")
]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
SHORTEST_ID = 4


def _folder(given: Path | None) -> Path:
    """The journal's folder; ends the command when there is nothing in it, or it cannot be read."""
    folder = given or read_settings().data_folder / "journal"
    try:
        is_there = bool(days(folder))
    except OSError as error:
        fail(f"{words(error)}.", ExitCode.FAILED)
    if not is_there:
        fail(f"There is no journal in {folder}.", ExitCode.FAILED)
    return folder


def _whole(folder: Path) -> Iterator[dict[str, Any]]:
    """Every entry; a file that cannot be read ends the command: the rest would pass for all."""

    def refused(path: Path, error: OSError) -> None:
        fail(f"{path}: {error.strerror or error}.", ExitCode.FAILED)

    return read(folder, unreadable=refused)


def _readable(folder: Path) -> Iterator[dict[str, Any]]:
    """Every entry that can be read."""

    def passed_over(_: Path, __: OSError) -> None: ...

    return read(folder, unreadable=passed_over)


# -- verify ----------------------------------------------------------------------------------------


@journal.command("verify", epilog="Example: python run.py journal verify --head 5a7c0d...")
def verify_command(
    folder: Folder = None,
    head: Annotated[
        str, typer.Option(help="A hash noted earlier, at least 8 digits of it: it must be there.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Follows the hash chain through all days; exit 1 when a line was changed, added or removed.

    Lines cut off at the end leave no trace inside; note the head elsewhere and give it with --head.
    """
    if head and not re.fullmatch(r"[0-9a-f]{8,64}", head):
        fail("--head is a hash: 8 to 64 digits of 0-9a-f.", 2)
    where = _folder(folder)
    found = verify(where)
    head_missing = bool(head) and not any(x["hash"].startswith(head) for x in _readable(where))
    torn = sorted(path.name for path in where.glob("*.torn"))
    if as_json:
        result = {"result": found, "head_missing": head_missing, "torn": torn}
        out(orjson.dumps(result, option=orjson.OPT_INDENT_2).decode())
    else:
        for line in _verdict(where, found, torn, head if head_missing else ""):
            out(line)
    raise typer.Exit(0 if found.ok and not head_missing else int(ExitCode.FAILED))


def _verdict(
    folder: Path, found: VerifyResult, torn: list[str], missing_head: str
) -> Iterator[str]:
    files = days(folder)
    count = "1 day" if len(files) == 1 else f"{len(files)} days"
    span = f"{files[0].stem} to {files[-1].stem}"
    if found.first_bad is not None:
        yield f"BROKEN at {found.first_bad}"
        if said := _line(folder / found.first_bad.file, found.first_bad.line):
            yield f"  the line says: {said}"
        yield f"  {found.entries} entries before it are whole; nothing after it is proven."
    else:
        yield f"Whole: {found.entries} entries in {count} ({span})."
        yield f"Head: {found.head}"
    if found.first_seq > 1:
        yield f"It begins with entry {found.first_seq}: earlier days are not in this folder."
    if missing_head:
        what = "the end was cut off" if found.ok else "it is in what cannot be read"
        yield f"MISSING: no entry to be read has the hash {missing_head}: {what}, or was rewritten."
    for name in torn:
        yield f"{name}: what crashes left of lines that were never finished; no part of the chain."


def _line(path: Path, number: int) -> str:
    """What a line says, as far as it can be read."""
    try:
        with path.open("rb") as file:
            line = next((each for count, each in enumerate(file, 1) if count == number), b"")
    except OSError:
        return ""
    entry = read_line(line) or {}
    known = " ".join(f"{x}={entry[x]}" for x in ("seq", "ts", "event", "trade_id") if x in entry)
    return known or ascii(line[:80])[1:]


# -- show ------------------------------------------------------------------------------------------


@journal.command("show", epilog="Example: python run.py journal show --trade 1m8kaqzyr")
def show_command(
    trade: Annotated[str, typer.Option(help="A trade's id, or how it begins.")] = "",
    day: Annotated[str, typer.Option(help="One day (UTC), such as 2026-03-01.")] = "",
    event: Annotated[
        list[str] | None, typer.Option(help="Only this event; stop_* works. Repeatable.")
    ] = None,
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """The story of a trade, a day, or every event of a name."""
    if not trade and not day and not event:
        fail("Say what to show: --trade, --day or --event.", 2)
    if trade and len(trade) < SHORTEST_ID:
        fail(f"--trade needs at least {SHORTEST_ID} characters of the id.", 2)
    day = day and _one_day(day)
    where = _folder(folder)
    found = [x for x in _of_day(where, day) if _is_wanted(x, trade, event or [])]
    if not found:
        fail(f"Nothing of that in {where}.", ExitCode.FAILED)
    ids = trade_ids(found)
    if trade and len(ids) > 1:
        fail(f"{trade} begins several ids: {', '.join(ids)}.", ExitCode.FAILED)
    if as_json:
        for entry in found:
            out(orjson.dumps(entry).decode())
    else:
        out(table(found))


def _one_day(day: str) -> str:
    """As entries write it, however it was given."""
    try:
        return date.fromisoformat(day).isoformat()
    except ValueError:
        fail(f"--day is a date such as 2026-03-01, not {day!a}.", 2)


def _of_day(folder: Path, day: str) -> Iterator[dict[str, Any]]:
    return (x for x in _whole(folder) if not day or str(x.get("ts", "")).startswith(day))


def _is_wanted(entry: dict[str, Any], trade: str, events: list[str]) -> bool:
    name = str(entry.get("event", ""))
    return (not trade or concerns(entry, trade)) and (
        not events or any(fnmatch.fnmatch(name, each) for each in events)
    )


# -- report ----------------------------------------------------------------------------------------


@journal.command("report", epilog="Example: python run.py journal report --month 2026-03")
def report_command(
    month: Annotated[str, typer.Option(help="Such as 2026-03; default this month.")] = "",
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """What a month amounted to: trades, PnL, fees, protection, and what went wrong."""
    zone = read_settings().timezone
    month = month or SystemClock().now().astimezone(zone).strftime("%Y-%m")
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month):
        fail(f"--month is a year and a month such as 2026-03, not {month!a}.", 2)
    where = _folder(folder)
    found = report(_whole(where), month, zone)
    if not found.entries:
        fail(f"There is nothing of {month} in {where}.", ExitCode.FAILED)
    if as_json:
        out(orjson.dumps(_as_data(found), option=orjson.OPT_INDENT_2, default=str).decode())
        return
    for title, rows in _sections(found):
        if shown := list(rows):
            out(_section(title, shown))
    whole = verify(where)
    out("Journal: whole." if whole.ok else f"Journal: BROKEN at {whole.first_bad}.")


Row = tuple[str, str]


def _sections(found: Month) -> Iterator[tuple[str, Iterable[Row]]]:
    yield f"Trades of {found.month}", _trades(found)
    for currency in sorted({*found.by_currency, *found.equity}):
        yield currency, _currency(found, currency)
    yield "Protection", _protection(found)
    yield "Events", ((COUNTED[x], str(n)) for x, n in found.events.items())
    yield "Entries we refused, by reason", ((x, str(n)) for x, n in found.denied.most_common())


def _trades(found: Month) -> Iterator[Row]:
    yield "closed", str(found.trades)
    if found.win_rate is not None:
        won = f"{found.won} won, {found.lost} lost"
        yield "win rate after fees", f"{found.win_rate:.1%} ({won})"
        yield "PnL before fees, USD", f"{found.pnl_usd:+.2f}"
    yield from ((f"in {name}", str(count)) for name, count in found.by_instrument.most_common())
    yield from ((f"ended by {name}", str(count)) for name, count in found.by_exit.most_common())


def _currency(found: Month, currency: str) -> Iterator[Row]:
    money, equity = found.by_currency.get(currency), found.equity.get(currency)
    if money is not None:
        yield "PnL before fees", f"{money.pnl:+.8f}"
        yield "fees", f"{money.fees:.8f}"
        yield "PnL after fees", f"{money.net:+.8f}"
        yield "funding booked by the venue", f"{money.funding:+.8f}"
    if equity is not None:
        yield "equity at the first day's start", f"{equity.first:.8f}"
        yield "equity at the last day's start", f"{equity.last:.8f}"
    if (other := found.other(currency)) is not None:
        yield "transfers and open positions between them", f"{other:+.8f}"


def _protection(found: Month) -> Iterator[Row]:
    trade = f" (trade {found.worst_unprotected_trade})" if found.worst_unprotected_trade else ""
    yield "longest time without a stop", f"{found.worst_unprotected_ms:.0f} ms{trade}"
    yield "95 % of trades, at most", f"{found.unprotected(0.95):.0f} ms"
    yield "half of the trades, at most", f"{found.unprotected(0.5):.0f} ms"
    yield "longer than allowed", str(found.events["protection_deadline_missed"])
    yield "emergency closes", str(found.events["emergency_closed"])
    yield "found without a stop on the venue", str(found.events["protection_missing"])


def _section(title: str, rows: list[Row]) -> Table:
    section = Table(title=title, show_header=False, title_justify="left", min_width=len(title) + 4)
    section.add_column()
    section.add_column(justify="right")
    for row in rows:
        section.add_row(*row)
    return section


def _as_data(found: Month) -> dict[str, Any]:
    currencies = sorted({*found.by_currency, *found.equity})
    return {
        "month": found.month,
        "trades": found.trades,
        "won": found.won,
        "lost": found.lost,
        "win_rate": found.win_rate,
        "pnl_usd": found.pnl_usd,
        "currencies": {
            x: {
                "money": found.by_currency.get(x),
                "equity": found.equity.get(x),
                "other": found.other(x),
            }
            for x in currencies
        },
        "by_instrument": dict(found.by_instrument),
        "by_exit": dict(found.by_exit),
        "worst_unprotected_ms": found.worst_unprotected_ms,
        "p95_unprotected_ms": found.unprotected(0.95),
        "median_unprotected_ms": found.unprotected(0.5),
        "worst_unprotected_trade": found.worst_unprotected_trade,
        "denied": dict(found.denied),
        "events": dict(found.events),
    }
