"""`kill --direct` beside an entry that a dead daemon has sent and that nobody has seen yet."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from adapters.clock import SystemClock
from commands import kill
from domain.labels import Role
from domain.trade import LineStatus, Trade
from tests.adapters.paper.serving import Running, running
from tests.commands.running import run, sound_book
from tests.domain.builders import entry, label_of, plan, record
from tests.endtoend.observer import Observer

COMING = "the entry of t1 may still arrive"
UNKNOWN = "no book says whether an entry may still arrive"


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "venue") as server:
        yield server


def intended(seconds: float) -> Trade:
    """On disk, and perhaps on the wire; valid for so long from now."""
    now_ms = round(SystemClock().now().timestamp() * 1000)
    return record(plan=plan(valid_until_ms=now_ms + round(seconds * 1000)))


def in_book(folder: Path, *trades: Trade) -> None:
    book = sound_book(folder)
    for trade in trades:
        book.put("trades", trade.id, TypeAdapter(Trade).dump_python(trade, mode="json"))
    book.close()


@pytest.mark.parametrize(("has_book", "why"), [(True, COMING), (False, UNKNOWN)])
def test_an_entry_that_arrives_when_the_account_was_flat_is_closed(
    venue: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_book: bool, why: str
) -> None:
    """Flat is not believed as long as one may come; without a book, as long as any may."""
    observer, tell = Observer(venue.port), kill.tell
    monkeypatch.setattr(kill, "ENTRY_SECONDS", 3.0)
    if has_book:
        in_book(tmp_path, intended(2))

    def tell_and_arrive(line: str) -> bool:
        if why in line:
            name, label = "BTC-PERPETUAL", label_of(Role.ENTRY)
            observer.call(
                "private/buy", instrument_name=name, amount=100, type="market", label=label
            )
            assert observer.positions()
        return tell(line)

    monkeypatch.setattr(kill, "tell", tell_and_arrive)
    ran = run(tmp_path, "kill", "--direct", settings={"PAPER_PORT": venue.port})
    assert ran.code == 0, ran
    assert f"Flat, but {why}: looking on." in ran.output
    assert ran.output.splitlines()[-1].startswith("Verified flat")
    assert observer.positions() == {}


def test_what_cannot_arrive_any_more_is_not_waited_for(venue: Running, tmp_path: Path) -> None:
    """The venue refuses it as too late, or it has been seen to end."""
    settled = replace(intended(60), lines=(entry(0, LineStatus.CANCELLED),))
    in_book(tmp_path, replace(intended(-5), plan=plan(trade_id="t2")), settled)
    ran = run(tmp_path, "kill", "--direct", settings={"PAPER_PORT": venue.port})
    assert ran.code == 0, ran
    assert "may still arrive" not in ran.output


def test_who_does_not_wait_so_long_hears_why_flat_is_not_believed(
    venue: Running, tmp_path: Path
) -> None:
    """And the exit code says that it is not verified."""
    in_book(tmp_path, intended(60))
    ran = run(tmp_path, "kill", "--direct", "--wait", "1", settings={"PAPER_PORT": venue.port})
    assert ran.code == 1
    assert f"NOT VERIFIED FLAT ({COMING}). Run it again." in ran.output
