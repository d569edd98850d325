"""`run.py journal`: damage is found and named, a trade's story reads, the documented SQL works."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from rich.console import Console

from actors.messages.base import Event, event_name
from adapters.clock import SystemClock
from adapters.storage.journal import DayJournal
from commands.journal_story import WORDS, table
from domain.month import COUNTED
from tests.architecture.code import classes
from tests.commands.running import run

DOCS = Path(__file__).parents[2] / "docs"
TRADE, OTHER = "1m8h44cdb4fkgnenrjx", "1m8h99zzb4fkgnenrjx"


def closed(trade: str, net: str) -> dict[str, Any]:
    return {
        "trade_id": trade,
        "instrument": "BTC-PERPETUAL",
        "exit_reason": "stop_loss",
        "exit_price": "99992.50000000",
        "pnl_coin": "-0.01",
        "fees_coin": "0.001",
        "net_coin": net,
        "pnl_usd": "-6.1",
        "currency": "BTC",
        "unprotected_ms": 3.07,
        "seconds": 2.9,
    }


STORY: tuple[tuple[int, str, dict[str, Any]], ...] = (
    (1, "ready", {"trades": 0}),
    (1, "intent_recorded", {"trade_id": TRADE, "side": "buy", "contracts": 5}),
    (1, "stop_placed", {"trade_id": TRADE, "label": f"bw.{TRADE}.sl.1", "contracts": 5}),
    (1, "orphan_cancelled", {"label": f"bw.{TRADE}.tp.1", "instrument": "BTC-PERPETUAL"}),
    (2, "trade_closed", closed(TRADE, "-0.011")),
    (2, "trade_closed", closed(OTHER, "0.0201")),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two days of a journal."""
    journal = DayJournal(tmp_path / "data" / "paper" / "journal", SystemClock())
    for day, event, fields in STORY:
        moment = datetime(2026, 3, day, 12, 0, tzinfo=UTC).isoformat()
        journal.append({"ts": moment, "event": event, "level": "info", **fields}, durable=False)
    journal.close()
    return tmp_path


def day_file(folder: Path, day: int = 1) -> Path:
    return folder / "data" / "paper" / "journal" / f"2026-03-0{day}.jsonl"


def head(folder: Path) -> str:
    ran = run(folder, "journal", "verify", "--json")
    return str(json.loads(ran.output)["result"]["head"])


# -- verify ----------------------------------------------------------------------------------------


def test_a_whole_journal_is_whole(folder: Path) -> None:
    """How many entries, over which days, and the head to note."""
    ran = run(folder, "journal", "verify")
    assert ran.code == 0
    assert "Whole: 6 entries in 2 days (2026-03-01 to 2026-03-02)." in ran.output
    assert f"Head: {head(folder)}" in ran.output


def test_a_changed_line_is_named(folder: Path) -> None:
    """File, line, what it says, and how much is still proven; exit 1."""
    path = day_file(folder)
    path.write_bytes(path.read_bytes().replace(b'"contracts":5', b'"contracts":6', 1))
    ran = run(folder, "journal", "verify")
    assert ran.code == 1
    assert "BROKEN at 2026-03-01.jsonl:2: changed after it was written" in ran.output
    assert f"event=intent_recorded trade_id={TRADE}" in ran.output
    assert "1 entries before it are whole" in ran.output


def test_a_removed_day_is_named(folder: Path) -> None:
    """The next day does not continue what is not there; alone it is a journal that begins late."""
    third = day_file(folder, 2).with_name("2026-03-03.jsonl")
    third.write_bytes(day_file(folder, 2).read_bytes())
    day_file(folder, 2).unlink()
    lines = third.read_bytes().splitlines(keepends=True)
    third.write_bytes(b"".join(lines[1:]))
    assert "entry 5 expected, 6 found" in run(folder, "journal", "verify").output
    day_file(folder, 1).unlink()
    ran = run(folder, "journal", "verify")
    assert ran.code == 0
    assert "begins with entry 6: earlier days are not in this folder" in ran.output


def test_a_cut_end_is_noticed_by_a_noted_head(folder: Path) -> None:
    """Without the note the shorter journal looks whole."""
    noted = head(folder)
    assert run(folder, "journal", "verify", "--head", noted[:12]).code == 0
    path = day_file(folder, 2)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert run(folder, "journal", "verify").code == 0
    ran = run(folder, "journal", "verify", "--head", noted[:12])
    assert ran.code == 1
    assert f"MISSING: no entry to be read has the hash {noted[:12]}: the end was" in ran.output


def unreadable(path: Path, kind: str) -> None:
    """Makes a day one that cannot be opened, or that fails while it is read."""
    path.unlink(missing_ok=True)
    if kind == "folder":
        path.mkdir()
    elif not Path("/proc/self/mem").exists():
        pytest.skip("no file here that opens and cannot be read")
    else:
        path.symlink_to("/proc/self/mem")


@pytest.mark.parametrize(
    ("kind", "why"), [("folder", "Is a directory"), ("broken", "Input/output error")]
)
def test_a_day_that_cannot_be_read_is_named(folder: Path, kind: str, why: str) -> None:
    """With the system's words, by each command; what comes before it is proven."""
    first, second = day_file(folder), day_file(folder, 2)
    noted = head(folder)
    unreadable(second, kind)
    ran = run(folder, "journal", "verify", "--head", noted[:12])
    assert ran.code == 1
    assert f"BROKEN at 2026-03-02.jsonl:1: it cannot be read: {why}" in ran.output
    assert "4 entries before it are whole" in ran.output
    assert "the line says" not in ran.output
    assert "it is in what cannot be read, or was rewritten" in ran.output
    for command in (("show", "--trade", TRADE), ("report", "--month", "2026-03")):
        ran = run(folder, "journal", *command)
        assert ran.code == 1
        assert ran.errors.endswith(f"2026-03-02.jsonl: {why}.\n")
    unreadable(first, kind)
    assert json.loads(run(folder, "journal", "verify", "--json").output)["result"]["entries"] == 0


def test_what_a_crash_left_is_mentioned(folder: Path) -> None:
    """It is no part of the chain and no flaw."""
    day_file(folder).with_suffix(".torn").write_bytes(b"{")
    ran = run(folder, "journal", "verify")
    assert ran.code == 0
    assert "2026-03-01.torn" in ran.output


# -- show ------------------------------------------------------------------------------------------


def test_a_trades_story_is_all_of_it_and_nothing_else(folder: Path) -> None:
    """By the beginning of its id; what carries its label belongs to it."""
    ran = run(folder, "journal", "show", "--trade", "1m8h44", "--json")
    events = [json.loads(line)["event"] for line in ran.output.splitlines()]
    assert events == ["intent_recorded", "stop_placed", "orphan_cancelled", "trade_closed"]
    told = run(folder, "journal", "show", "--trade", "1m8h44").output
    assert "flat by stop_loss at 99992.5 after 2.9 s: -0.011 BTC" in told
    assert "+86400.000" in told


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (("--day", "2026-03-02"), 2),
        (("--day", "20260302"), 2),
        (("--day", "2026-W10-1"), 2),
        (("--event", "trade_*"), 2),
        (("--event", "ready", "--event", "stop_placed"), 2),
        (("--day", "2026-03-01", "--trade", TRADE), 3),
    ],
)
def test_days_and_events_can_be_shown(folder: Path, options: tuple[str, ...], count: int) -> None:
    """Conditions hold together."""
    assert len(run(folder, "journal", "show", "--json", *options).output.splitlines()) == count


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ((), 2, "Say what to show"),
        (("--day", "yesterday"), 2, "--day is a date"),
        (("--trade", "1m"), 2, "at least 4 characters"),
        (("--trade", "1m8h"), 1, f"begins several ids: {TRADE}, {OTHER}"),
        (("--trade", "nothing"), 1, "Nothing of that"),
    ],
)
def test_what_cannot_be_shown_is_said(
    folder: Path, options: tuple[str, ...], code: int, said: str
) -> None:
    """In one line, with the exit code that fits."""
    ran = run(folder, "journal", "show", *options)
    assert ran.code == code
    assert said in ran.errors


@pytest.mark.parametrize("command", ["verify", "show", "report"])
def test_without_a_journal_each_says_so(tmp_path: Path, command: str) -> None:
    """Exit 1 and the folder it looked in; nothing is made."""
    options = ("--event", "x") if command == "show" else ()
    ran = run(tmp_path, "journal", command, *options)
    assert ran.code == 1
    assert "There is no journal in data/paper/journal." in ran.errors
    assert list(tmp_path.iterdir()) == []


# -- report ----------------------------------------------------------------------------------------


def test_the_month_is_summed_up(folder: Path) -> None:
    """Trades, money and protection, for people and for programs."""
    told = run(folder, "journal", "report", "--month", "2026-03")
    assert told.code == 0
    for said in ("50.0% (1 won, 1 lost)", "+0.00910000", "Journal: whole.", "3 ms"):
        assert said in told.output
    data = json.loads(run(folder, "journal", "report", "--month", "2026-03", "--json").output)
    assert data["currencies"]["BTC"]["money"]["net"] == "0.0091"


def test_a_month_without_anything_is_no_report(folder: Path) -> None:
    """Exit 1; a month that is none is a usage error."""
    assert run(folder, "journal", "report", "--month", "2025-01").code == 1
    assert run(folder, "journal", "report", "--month", "March").code == 2


# -- words -----------------------------------------------------------------------------------------


def test_the_documented_sql_works(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The query of docs/journal.md, as it stands there, from the project's folder."""
    text = (DOCS / "journal.md").read_text("utf-8")
    query = text.split("```sql\n", 1)[1].split("```", 1)[0]
    monkeypatch.chdir(folder)
    rows = duckdb.sql(query).fetchall()
    assert [(x[0], x[1], x[2], str(x[3]).rstrip("0"), x[4]) for x in rows] == [
        ("2026-03-02", "BTC-PERPETUAL", 2, "0.0091", "BTC")
    ]


def test_only_events_that_exist_are_put_in_words() -> None:
    """A renamed event must not fall silent here."""
    events = {event_name(x) for x in classes("actors.messages") if issubclass(x, Event)}
    assert set(WORDS) <= events
    assert set(COUNTED) <= events


def test_a_story_is_told_in_the_order_it_happened() -> None:
    """An intent's word may be written behind its entry's; no time is negative."""
    start = "2026-03-01T10:00:00.1"
    entries = [
        {"ts": f"{start}20+00:00", "event": "entry_sent"},
        {"ts": "none", "event": "odd"},
        {"ts": f"{start}19+00:00", "event": "intent_recorded"},
        {"ts": f"{start}30+00:00", "event": "entry_filled"},
    ]
    told = table(entries)
    assert list(told.columns[2].cells) == ["intent_recorded", "entry_sent", "odd", "entry_filled"]
    assert list(told.columns[1].cells) == ["+0.000", "+0.001", "", "+0.011"]


def test_a_story_is_whole_on_a_narrow_terminal() -> None:
    """What does not fit goes on in the next line; nothing is cut off."""
    scope = "account:read_write-block_trade:read-trade:read_write-wallet:read"
    entry = {"ts": "2026-03-01T10:00:00.123456+00:00", "event": "session_opened", "scope": scope}
    sink = io.StringIO()
    Console(file=sink, width=80).print(table([entry]))
    assert "\u2026" not in sink.getvalue()
    told = "".join(sink.getvalue().split())
    assert told.endswith(scope[-10:])
    assert "03-0110:00:00.123" in told
