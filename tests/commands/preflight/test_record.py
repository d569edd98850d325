"""What clears a start with real money: a green preflight of today, or going on as before."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from actors.ports import REBUILDING
from adapters.clock import SystemClock
from adapters.storage.book import open_book
from adapters.storage.journal import DayJournal
from commands.preflight.checks import green, red, skipped
from commands.preflight.record import clearance, fingerprint, write
from config.settings import Settings, load
from domain.labels import Role
from domain.trade import LineStatus, Trade
from tests.actors.registry.test_rebuilding import INTENT
from tests.domain.builders import entry, fill, filled, record

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PASSED = [green("a", "well"), skipped("b", "not here")]


@pytest.fixture
def prod(tmp_path: Path) -> Settings:
    return settings(tmp_path)


def settings(folder: Path, **environ: str) -> Settings:
    live = {
        "DERIBIT_ENV": "prod",
        "DERIBIT_CLIENT_ID": "id-12345",
        "DERIBIT_CLIENT_SECRET": "canary-secret",
        "STRATEGIES": "none",
        "DATA_DIR": str(folder),
    }
    return load(Path("/nonexistent/.env"), {**live, **environ})


def refusal(found: Settings, now: datetime = NOW) -> str:
    """Why it may not start; empty when it may."""
    cleared = clearance(found, now)
    assert cleared.may_start == (cleared.reason == "")
    return cleared.reason


def ran_at(found: Settings, moment: datetime) -> None:
    """A journal that was last written then."""
    path = found.data_folder / "journal" / "2026-02-01.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (moment.timestamp(), moment.timestamp()))


def test_without_a_preflight_there_is_no_real_money(prod: Settings) -> None:
    """On paper and testnet there is nothing to clear."""
    assert refusal(prod) == "preflight has never run here"
    assert clearance(load(Path("/nonexistent/.env"), {}), NOW).may_start


def test_a_green_one_is_good_for_a_day(prod: Settings) -> None:
    """Not longer, and not from the future."""
    assert write(prod, PASSED, NOW)
    assert refusal(prod) == ""
    assert refusal(prod, NOW + timedelta(days=1)) == ""
    assert "older than a day" in refusal(prod, NOW + timedelta(days=1, seconds=1))
    assert "older than a day" in refusal(prod, NOW - timedelta(seconds=1))


def test_a_red_one_clears_nothing(prod: Settings) -> None:
    """Also when an older one was green: the last one counts."""
    write(prod, PASSED, NOW)
    assert not write(prod, [*PASSED, red("c", "bad", "mend it")], NOW)
    assert refusal(prod) == "the last preflight was red"


def test_other_settings_need_another_one(tmp_path: Path, prod: Settings) -> None:
    """What was checked is what may start."""
    write(prod, PASSED, NOW)
    assert "settings or code have changed" in refusal(settings(tmp_path, MAX_OPEN_TRADES="9"))


def test_other_code_needs_another_one(tmp_path: Path, prod: Settings) -> None:
    """After a pull, whether or not anybody has counted the version up."""
    source = tmp_path / "actors" / "trade.py"
    source.parent.mkdir()
    source.write_text("one = 1\n", "utf-8")
    before = fingerprint(prod, tmp_path)
    assert fingerprint(prod, tmp_path) == before != fingerprint(prod)
    source.write_text("one = 2\n", "utf-8")
    assert fingerprint(prod, tmp_path) != before


def test_another_script_needs_another_one(tmp_path: Path) -> None:
    """What trades is named by a person and checked, line by line; that it is gone is a change."""
    script = tmp_path / "night.json"
    script.write_text("[]", "utf-8")
    found = settings(tmp_path, STRATEGIES=f"script:{script}")
    first = fingerprint(found)
    script.write_text("[1]", "utf-8")
    second = fingerprint(found)
    script.unlink()
    assert len({first, second, fingerprint(found)}) == 3


def test_a_restart_goes_on_being_cleared(prod: Settings) -> None:
    """A bot that died in its third night comes back: its last sign of life is what counts."""
    write(prod, PASSED, NOW)
    later = NOW + timedelta(days=3)
    ran_at(prod, later - timedelta(minutes=1))
    assert refusal(prod, later) == ""
    ran_at(prod, later - timedelta(days=2))
    assert "older than a day" in refusal(prod, later)


def test_an_override_is_an_exception_with_its_reason(prod: Settings) -> None:
    """It is told and kept; where nothing had to be overridden there is no exception."""
    cleared = clearance(prod, NOW, "the venue is on fire")
    assert (cleared.may_start, cleared.is_exception) == (True, True)
    assert cleared.reason == "preflight has never run here: the venue is on fire"
    write(prod, PASSED, NOW)
    assert not clearance(prod, NOW, "why not").is_exception


def test_a_blank_is_no_reason(prod: Settings) -> None:
    """The journal would keep that somebody had none."""
    assert not clearance(prod, NOW, " \t").may_start


RESTING = record(entry(filled=0, status=LineStatus.LIVE))
"""It may fill at any moment; nobody would place its stop."""
OPEN = filled(record(entry()), fill(Role.ENTRY))


@pytest.mark.parametrize("trade", [OPEN, RESTING, record(entry())])
def test_open_trades_are_looked_after_in_any_case(prod: Settings, trade: Trade) -> None:
    """Refusing would leave them, and fills nobody has heard of, to nobody; a person is told."""
    book = open_book(prod.data_folder / "registry.json", NOW)
    assert not clearance(prod, NOW).may_start
    book.put("trades", trade.id, TypeAdapter(Trade).dump_python(trade, mode="json"))
    book.remove(*REBUILDING)
    book.close()
    cleared = clearance(prod, NOW)
    assert (cleared.may_start, cleared.is_exception) == (True, True)
    assert "trades are open" in cleared.reason


DAMAGED = (
    b"",
    b"[]",
    b"x",
    b"{}",
    b'{"trades": []}',
    b'{"trades": null}',
    b'{"trades": {"1": 3}}',
    b'{"_book": {"1": {"_key": "format", "version": 1}}, "trades": []}',
    b'{"_book": {"1": {"_key": "format", "version": 1}}, "trades": {"1": {"_key": "a"}}}',
    b'{"_book": {"1": {"_key": "format", "version": 99}}}',
    None,
)


@pytest.mark.parametrize("book", DAMAGED)
def test_without_a_book_the_journal_says_whether_trades_are_open(
    prod: Settings, book: bytes | None
) -> None:
    """From it the start rebuilds the book. A trade whose end it has lets no real money trade."""
    prod.data_folder.mkdir(parents=True)
    if book is not None:
        (prod.data_folder / "registry.json").write_bytes(book)
    assert refusal(prod) == "preflight has never run here"
    said(prod, INTENT)
    cleared = clearance(prod, NOW)
    assert (cleared.may_start, cleared.is_exception) == (True, True)
    assert "trades are open by the journal" in cleared.reason
    said(prod, {"event": "trade_closed", "trade_id": INTENT["trade_id"]})
    assert refusal(prod) == "preflight has never run here"


def test_a_rebuild_that_is_owed_is_no_book(prod: Settings) -> None:
    """A start that died on the way left an empty one: the journal still knows."""
    said(prod, INTENT)
    open_book(prod.data_folder / "registry.json", NOW).close()
    assert clearance(prod, NOW).is_exception


def test_what_nothing_rules_out_may_need_its_daemon(prod: Settings) -> None:
    """Neither book nor journal can be read: the start is let, and fails before an entry."""
    (prod.data_folder / "journal" / "2026-03-01.jsonl").mkdir(parents=True)
    cleared = clearance(prod, NOW)
    assert (cleared.may_start, cleared.is_exception) == (True, True)
    assert "trades may be open" in cleared.reason


def said(found: Settings, entry: dict[str, Any]) -> None:
    """The journal has it."""
    journal = DayJournal(found.data_folder / "journal", SystemClock())
    journal.append(entry, durable=True)
    journal.close()


def test_the_file_has_no_secret_and_is_for_the_owner(prod: Settings) -> None:
    """Everything else of the result is in it."""
    write(prod, PASSED, NOW)
    path = prod.data_folder / "preflight.json"
    text = path.read_text("utf-8")
    assert "canary" not in text
    assert "id-12345" not in text
    assert [x["check"] for x in json.loads(text)["results"]] == ["a", "b"]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"[]", b'{"passed": true}', b"\xff"])
def test_a_damaged_file_clears_nothing(prod: Settings, content: bytes) -> None:
    """Whatever stands there."""
    prod.data_folder.mkdir(parents=True)
    (prod.data_folder / "preflight.json").write_bytes(content)
    assert refusal(prod) != ""
