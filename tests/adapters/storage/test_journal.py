"""The journal: append-only, chained, and honest about what a crash or a hand did to it."""

import errno
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from adapters.storage.chain import GENESIS, read, seal, verify
from adapters.storage.journal import AppendFile, DayJournal, Syncs
from domain.orders import Side

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class SetClock:
    """A clock somebody else moves."""

    def __init__(self, now: datetime = NOON) -> None:
        self.wall = now

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)


def opened(folder: Path) -> DayJournal:
    return DayJournal(folder, SetClock())


def filled(folder: Path, count: int = 5) -> Path:
    """A closed journal of ``count`` entries of one day; the path of its only file."""
    journal = opened(folder)
    for number in range(count):
        journal.append({"event": "sized", "number": number}, durable=False)
    journal.close()
    return folder / "2026-11-20.jsonl"


def test_entries_come_back_in_order(tmp_path: Path) -> None:
    """What was appended is read back oldest first, with its place in the chain."""
    journal = opened(tmp_path / "journal")
    assert list(journal.entries()) == []
    journal.append({"event": "trade_opened", "price": Decimal("61234.50")}, durable=True)
    journal.append({"event": "stop_placed", "side": Side.SELL, "sizes": (1, 2)}, durable=False)
    first, second = journal.entries()
    assert (first["event"], first["price"], first["seq"]) == ("trade_opened", "61234.50", 1)
    assert (second["side"], second["sizes"], second["seq"]) == ("sell", [1, 2], 2)
    assert first["prev"] == GENESIS
    assert second["prev"] == first["hash"]
    assert first["ts"] == "2026-11-20T12:00:00+00:00"
    journal.close()
    journal.close()


def test_values_json_has_no_form_for_are_kept_as_text(tmp_path: Path) -> None:
    """Not even a broken text or an enormous number keeps an event out of the journal."""
    journal = opened(tmp_path)
    journal.append({"text": "caf\ud800e", "number": 2**80, "path": Path("a")}, durable=False)
    (entry,) = journal.entries()
    assert (entry["text"], entry["number"], entry["path"]) == ("caf?e", str(2**80), "a")
    assert verify(tmp_path).ok
    journal.close()


def test_names_of_the_chain_are_refused(tmp_path: Path) -> None:
    """An entry cannot bring its own number or hash."""
    journal = opened(tmp_path)
    with pytest.raises(ValueError, match="belong to the chain"):
        journal.append({"seq": 1}, durable=False)
    assert list(journal.entries()) == []


def test_the_chain_goes_on_across_days_and_restarts(tmp_path: Path) -> None:
    """Each day has its file; numbers and hashes continue through all of them."""
    clock = SetClock()
    for _ in range(3):
        journal = DayJournal(tmp_path, clock)
        journal.append({"event": "started"}, durable=True)
        journal.append({"event": "stopped"}, durable=False)
        clock.wall += timedelta(hours=8)
        journal.append({"event": "late"}, durable=False)
        journal.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "2026-11-20.jsonl",
        "2026-11-21.jsonl",
    ]
    result = verify(tmp_path)
    assert (result.ok, result.entries, result.first_seq) == (True, 9, 1)
    assert [entry["seq"] for entry in read(tmp_path)] == list(range(1, 10))


@pytest.mark.parametrize(
    ("ts", "day"),
    [
        ("2026-11-25T00:00:00+00:00", "2026-11-25"),
        ("2026-11-25T00:30:00+02:00", "2026-11-24"),
        (datetime(2026, 11, 25, 23, tzinfo=timezone(timedelta(hours=-3))), "2026-11-26"),
        (datetime(2026, 11, 25, 23), "2026-11-25"),  # noqa: DTZ001 - taken as UTC
        ("yesterday", "2026-11-20"),
        (17, "2026-11-20"),
        ("2026-11-19T23:59:59+00:00", "2026-11-20"),
    ],
)
def test_an_entry_stands_in_the_file_of_its_own_day(tmp_path: Path, ts: Any, day: str) -> None:
    """The day is that of the entry's own time in UTC, and never earlier than the last file's."""
    filled(tmp_path)
    journal = opened(tmp_path)
    journal.append({"ts": ts}, durable=False)
    journal.close()
    assert verify(tmp_path).entries == 6
    last = (tmp_path / f"{day}.jsonl").read_bytes().splitlines()[-1]
    assert json.loads(last)["seq"] == 6


@pytest.mark.parametrize(
    "tail",
    [b'{"seq":6,"prev', b"\0" * 4096, b"garbage\nmore\n", b"\n", b'{"a":1}\n' * 20_000, b"1\n2"],
)
def test_a_torn_tail_is_moved_aside(tmp_path: Path, tail: bytes) -> None:
    """What a crash left behind the last whole line is kept apart, and the chain goes on."""
    path = filled(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    with capture_logs() as lines:
        journal = opened(tmp_path)
    assert [line["event"] for line in lines] == ["journal_tail_set_aside"]
    assert path.read_bytes() == whole
    assert path.with_suffix(".torn").read_bytes() == tail + b"\n"
    journal.append({"event": "started"}, durable=True)
    journal.close()
    assert (verify(tmp_path).ok, verify(tmp_path).entries) == (True, 6)


def test_what_each_crash_of_a_day_left_is_kept(tmp_path: Path) -> None:
    """The second one's remains go behind the first one's."""
    path = filled(tmp_path)
    for tail in (b'{"seq":6,"first', b'{"seq":6,"second'):
        path.write_bytes(path.read_bytes() + tail)
        opened(tmp_path).close()
    assert path.with_suffix(".torn").read_bytes() == b'{"seq":6,"first\n{"seq":6,"second\n'


def test_a_day_with_nothing_whole_in_it_is_passed_over(tmp_path: Path) -> None:
    """When the newest file holds only debris, the chain continues from the day before."""
    filled(tmp_path)
    (tmp_path / "2026-11-21.jsonl").write_bytes(b'{"seq":6')
    journal = opened(tmp_path)
    journal.append({"event": "started"}, durable=True)
    journal.close()
    assert verify(tmp_path).entries == 6
    assert (tmp_path / "2026-11-21.torn").exists()


class FailingSyncs(Syncs):
    """A disk that takes no file with this ending."""

    def __init__(self, ending: str, number: int) -> None:
        self._ending, self._number = ending, number

    def file(self, file: BinaryIO) -> None:
        if file.name.endswith(self._ending):
            raise OSError(self._number, os.strerror(self._number))
        super().file(file)


@pytest.mark.parametrize("days", [0, 1])
def test_a_torn_tail_keeps_nobody_down_on_a_full_disk(tmp_path: Path, days: int) -> None:
    """Today's or yesterday's: no line is lost or said to be, and the chain has no hole."""
    path = filled(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"seq":6,"prev":"')
    clock = SetClock(NOON + timedelta(days=days))
    told: list[tuple[str, str]] = []
    with capture_logs() as lines:
        journal = DayJournal(tmp_path, clock, syncs=FailingSyncs(".torn", errno.ENOSPC))
    journal.tell_unreadable(lambda file, error: told.append((file, error)))
    assert [(x["event"], x["size"]) for x in lines] == [("journal_tail_dropped", 17)]
    assert told == []
    assert path.read_bytes() == whole
    journal.append({"event": "started"}, durable=True)
    journal.close()
    assert (verify(tmp_path).ok, verify(tmp_path).entries) == (True, 6)


def test_a_chain_goes_on_only_from_what_is_on_disk(tmp_path: Path) -> None:
    """Yesterday's lines that do not reach the disk are not passed over: the next start has them."""
    filled(tmp_path)
    tomorrow = SetClock(NOON + timedelta(days=1))
    with pytest.raises(OSError, match="Input/output"):
        DayJournal(tmp_path, tomorrow, syncs=FailingSyncs(".jsonl", errno.EIO))
    journal = DayJournal(tmp_path, tomorrow)
    journal.append({"event": "started"}, durable=True)
    journal.close()
    assert (verify(tmp_path).ok, verify(tmp_path).entries) == (True, 6)


def test_a_journal_in_use_verifies(tmp_path: Path) -> None:
    """The half of a line that is just being written is neither an entry nor a flaw."""
    path = filled(tmp_path)
    path.write_bytes(path.read_bytes() + b'{"seq":6,"prev":"')
    assert (verify(tmp_path).ok, verify(tmp_path).entries) == (True, 5)
    assert len(list(read(tmp_path))) == 5


def test_an_absent_journal_is_empty(tmp_path: Path) -> None:
    """No folder means no entries, not a failure."""
    result = verify(tmp_path / "none")
    assert (result.ok, result.entries, result.head) == (True, 0, GENESIS)


def test_older_days_may_be_elsewhere(tmp_path: Path) -> None:
    """Without the first files the rest still verifies, and says where it starts."""
    filled(tmp_path)
    journal = opened(tmp_path)
    journal.append({"ts": "2026-11-21T00:00:00+00:00"}, durable=False)
    journal.append({"ts": "2026-11-21T00:00:01+00:00"}, durable=False)
    journal.close()
    (tmp_path / "2026-11-20.jsonl").unlink()
    result = verify(tmp_path)
    assert (result.ok, result.entries, result.first_seq) == (True, 2, 6)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_any_changed_byte_is_found(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever byte of whatever line is changed, verifying names a line at or just behind it."""
    folder = tmp_path_factory.mktemp("journal")
    path = filled(folder)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 2))
    old = content[place]
    content[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != old))
    line = bytes(content[:place]).count(b"\n") + 1
    path.write_bytes(content)
    bad = verify(folder).first_bad
    assert bad is not None
    assert bad.line in {line, line + 1}


EDITS: list[tuple[Callable[[list[bytes]], list[bytes]], str]] = [
    (lambda lines: lines[:2] + lines[3:], "2026-11-20.jsonl:3: entry 3 expected, 4 found"),
    (lambda lines: [lines[1], lines[0], *lines[2:]], "entry 3 expected, 1 found"),
    (lambda lines: [*lines[:2], b"{}\n", *lines[2:]], ":3: not a sealed entry"),
    (lambda lines: [*lines[:4], lines[4].replace(b"sized", b"SIZED")], ":5: changed after"),
    (
        lambda lines: [*lines[:4], lines[4].replace(b'"prev":"', b'"prev":["')],
        ":5: not a sealed entry",
    ),
    (lambda lines: [*lines[:4], lines[4].replace(b'"seq":5', b'"seq":"5"')], ":5: not a"),
]


@pytest.mark.parametrize(("edit", "reason"), EDITS)
def test_a_broken_chain_says_where_and_why(tmp_path: Path, edit: Any, reason: str) -> None:
    """Lines taken out, moved, added or changed are named with file, line and reason."""
    path = filled(tmp_path)
    path.write_bytes(b"".join(edit(path.read_bytes().splitlines(keepends=True))))
    result = verify(tmp_path)
    assert not result.ok
    assert reason in str(result.first_bad)


def test_lines_forged_with_right_hashes_do_not_fit(tmp_path: Path) -> None:
    """A line from another chain has a right hash of its own and still is not the next one."""
    ours, theirs = filled(tmp_path / "ours"), filled(tmp_path / "theirs")
    journal = DayJournal(tmp_path / "other", SetClock(NOON + timedelta(seconds=1)))
    for number in range(3):
        journal.append({"event": "sized", "number": number}, durable=False)
    other = (tmp_path / "other" / "2026-11-20.jsonl").read_bytes().splitlines(keepends=True)
    lines = ours.read_bytes().splitlines(keepends=True)
    theirs.write_bytes(b"".join([*lines[:2], other[2], *lines[3:]]))
    assert "does not continue the line before" in str(verify(tmp_path / "theirs").first_bad)
    journal.close()


def test_the_first_entry_has_no_predecessor(tmp_path: Path) -> None:
    """An entry numbered one that names a predecessor belongs to a longer journal."""
    path = filled(tmp_path, 1)
    path.write_bytes(seal(1, "f" * 64, {"event": "forged"})[0])
    assert "names a predecessor" in str(verify(tmp_path).first_bad)


def test_a_cut_in_an_older_file_is_a_flaw(tmp_path: Path) -> None:
    """Only the newest file may end in the middle of a line."""
    path = filled(tmp_path)
    journal = opened(tmp_path)
    journal.append({"ts": "2026-11-21T00:00:00+00:00"}, durable=False)
    journal.close()
    path.write_bytes(path.read_bytes()[:-9])
    assert "2026-11-20.jsonl:5: not a sealed entry" in str(verify(tmp_path).first_bad)


class FailingFile(AppendFile):
    """A journal file that fails where it is told to."""

    failing: frozenset[str] = frozenset()

    def _write(self, line: bytes) -> None:
        if "write" in self.failing:
            super()._write(line[: len(line) // 2])
            raise OSError(28, "No space left on device")
        super()._write(line)

    def sync(self) -> None:
        if "sync" in self.failing:
            raise OSError(5, "Input/output error")
        super().sync()

    def _truncate(self, size: int) -> None:
        if "truncate" in self.failing:
            raise OSError(5, "Input/output error")
        super()._truncate(size)


@pytest.mark.parametrize(
    ("failing", "durable"),
    [({"write"}, False), ({"sync"}, True), ({"write", "truncate"}, False)],
)
def test_what_could_not_be_written_leaves_no_trace(
    tmp_path: Path, failing: set[str], durable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed append raises; the entry is not there, and the next one continues the chain."""
    journal = DayJournal(tmp_path, SetClock(), FailingFile)
    journal.append({"number": 1}, durable=True)
    monkeypatch.setattr(FailingFile, "failing", frozenset(failing))
    for _ in range(2):
        with pytest.raises(OSError, match=r"No space|Input/output"):
            journal.append({"number": "lost"}, durable=durable)
    monkeypatch.undo()
    journal.append({"number": 2}, durable=True)
    journal.close()
    assert [entry["number"] for entry in read(tmp_path)] == [1, 2]
    assert verify(tmp_path).ok


def test_a_day_that_cannot_begin_leaves_the_old_one_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the last day's entries cannot be brought to disk, the new day waits."""
    clock = SetClock()
    journal = DayJournal(tmp_path, clock, FailingFile)
    journal.append({"number": 1}, durable=False)
    clock.wall += timedelta(days=1)
    monkeypatch.setattr(FailingFile, "failing", frozenset({"sync"}))
    with pytest.raises(OSError, match="Input/output"):
        journal.append({"number": "lost"}, durable=False)
    monkeypatch.undo()
    journal.append({"number": 2}, durable=True)
    journal.close()
    assert [entry["number"] for entry in read(tmp_path)] == [1, 2]
    assert verify(tmp_path).ok


def two_days(folder: Path) -> Path:
    """A journal of two days; the older file."""
    clock = SetClock()
    journal = DayJournal(folder, clock)
    journal.append({"event": "old"}, durable=False)
    clock.wall += timedelta(days=1)
    journal.append({"event": "new"}, durable=False)
    journal.close()
    return folder / "2026-11-20.jsonl"


def test_what_is_looked_for_is_no_pattern(tmp_path: Path) -> None:
    """A text is found as it stands; without anything to look for nothing is found."""
    journal = opened(tmp_path)
    for text in ("a.c", "abc", "(x", 'say "so"'):
        journal.append({"event": "said", "text": text}, durable=False)
    assert [x["text"] for x in journal.find(text="a.c", days=1)] == ["a.c"]
    assert [x["text"] for x in journal.find(text="(x", days=1)] == ["(x"]
    assert [x["text"] for x in journal.find(text='"so"', days=1)] == ['say "so"']
    assert journal.find(days=1) == []
    journal.close()


def test_a_day_that_cannot_be_read_is_passed_over_and_told_once(tmp_path: Path) -> None:
    """The last days' readers go on without it; who needs everything is refused."""
    older = two_days(tmp_path)
    older.unlink()
    older.mkdir()
    journal = DayJournal(tmp_path, SetClock(NOON + timedelta(days=1)))
    told: list[tuple[str, str]] = []
    assert [x["event"] for x in journal.entries(days=2)] == ["new"]
    journal.tell_unreadable(lambda file, error: told.append((file, error)))
    assert [x["event"] for x in journal.find(events={"old", "new"}, days=2)] == ["new"]
    assert told == [("2026-11-20.jsonl", "Is a directory")]
    with pytest.raises(IsADirectoryError):
        list(journal.entries())
    journal.close()


def test_a_start_after_midnight_needs_no_yesterday(tmp_path: Path) -> None:
    """The chain goes on behind what is readable, and is seen to have a hole; today's is needed."""
    older = two_days(tmp_path)
    newer = older.with_name("2026-11-21.jsonl")
    newer.unlink()
    newer.mkdir()
    with pytest.raises(IsADirectoryError):
        DayJournal(tmp_path, SetClock(NOON + timedelta(days=1)))
    journal = DayJournal(tmp_path, SetClock(NOON + timedelta(days=2)))
    journal.append({"event": "today"}, durable=True)
    assert [x["event"] for x in journal.entries(days=3)] == ["old", "today"]
    journal.close()


def test_a_file_that_a_clock_ahead_has_made_may_get_a_day_of_its_own(tmp_path: Path) -> None:
    """What `docs/operating.md` advises: no line says in which file it stands."""
    clock = SetClock()
    journal = DayJournal(tmp_path, clock)
    journal.append({"event": "before"}, durable=True)
    clock.wall += timedelta(days=400)
    journal.append({"event": "ahead"}, durable=True)
    for days in (0, 1, 2):
        clock.wall = NOON + timedelta(days=days)
        journal.append({"event": f"day {days}"}, durable=True)
    journal.close()
    ahead = tmp_path / "2027-12-25.jsonl"
    assert sorted(tmp_path.iterdir()) == [tmp_path / "2026-11-20.jsonl", ahead]
    ahead.rename(tmp_path / "2026-11-21.jsonl")
    journal = DayJournal(tmp_path, clock)
    journal.append({"event": "after"}, durable=True)
    journal.close()
    assert [x["event"] for x in read(tmp_path, last=1)] == ["after"]
    events = ["before", "ahead", "day 0", "day 1", "day 2", "after"]
    assert [x["event"] for x in read(tmp_path)] == events
    assert verify(tmp_path).ok
    assert [x.stem for x in sorted(tmp_path.iterdir())] == [
        "2026-11-20",
        "2026-11-21",
        "2026-11-22",
    ]
