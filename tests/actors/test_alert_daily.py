"""The day's report over a journal of weeks."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

from actors.alert_daily import REPORTED, gaps_before, report_due
from adapters.storage.journal import DayJournal
from tests.adapters.deribit.fakes import ManualClock

DAY = 86_400.0


def test_a_position_that_has_been_bare_for_weeks_is_no_quiet_day(tmp_path: Path) -> None:
    """It was told once, when it was seen: the report says it as long as it is so."""
    clock = ManualClock()
    journal = DayJournal(tmp_path, clock)

    def say(event: str, **more: str) -> None:
        entry = {"ts": clock.now().isoformat(), "event": event, **more}
        journal.append(entry, durable=False)

    say("process_started")
    say("protection_missing", instrument="BTC-PERPETUAL")
    for _ in range(30):
        clock.sleep(DAY)
        say("session_opened")
    due = report_due(journal, clock.now(), time(0, 5), UTC, unsent=0)
    assert due is not None
    assert "WITHOUT A STOP NOW: BTC-PERPETUAL" in due.text
    assert isinstance(due.until, datetime)
    clock.sleep(DAY / 2)
    say("protection_restored", instrument="BTC-PERPETUAL", seconds="1.0")
    clock.sleep(DAY)
    due = report_due(journal, clock.now(), time(0, 5), UTC, unsent=0)
    assert due is not None
    assert "WITHOUT A STOP NOW" not in due.text
    journal.close()


class Watched(DayJournal):
    """A journal that remembers what was looked for: the events, and how many days back."""

    looks: list[tuple[frozenset[str], int]]

    def find(
        self, *, events: Collection[str] = (), text: str = "", days: int
    ) -> Sequence[Mapping[str, Any]]:
        self.looks.append((frozenset(events), days))
        return super().find(events=events, text=text, days=days)


def watched(folder: Path, clock: ManualClock, days: int, **at_day: str) -> Watched:
    """So many days with one look at the account each, and these events at their days."""
    journal = Watched(folder, clock)
    journal.looks = []
    for number in range(days):
        for event in ("day_measured", at_day.get(f"day_{number}", "")):
            entry = {"ts": clock.now().isoformat(), "event": event, "instrument": "ETH-PERPETUAL"}
            if event:
                journal.append(entry, durable=False)
        clock.sleep(DAY)
    return journal


def test_a_look_that_finds_the_report_made_reads_no_more(tmp_path: Path) -> None:
    """It is made once, and looked for every hour: the days behind it are read for making it."""
    clock = ManualClock()
    journal = watched(tmp_path, clock, 3)
    due = report_due(journal, clock.now(), time(0, 5), UTC, unsent=0)
    assert due is not None
    until = {"since": due.since.isoformat(), "until": due.until.isoformat()}
    made = {"ts": clock.now().isoformat(), "event": REPORTED, **until}
    journal.append(made, durable=False)
    journal.looks.clear()
    assert report_due(journal, clock.now(), time(0, 5), UTC, unsent=0) is None
    assert [events for events, _ in journal.looks] == [{REPORTED}]
    journal.close()


def test_what_was_bare_is_read_back_to_the_last_start_and_no_further(tmp_path: Path) -> None:
    """A start says anew what is bare: what was told before it tells nothing more."""
    clock = ManualClock()
    began, bare = "process_started", "protection_missing"
    journal = watched(tmp_path, clock, 70, day_1=bare, day_40=began, day_50=bare, day_66=began)
    known = gaps_before(journal, clock.now())
    assert [x["event"] for x in known][-1] == began
    assert max(days for _, days in journal.looks) < 20
    journal.looks.clear()
    earlier = clock.now().fromtimestamp(clock.now().timestamp() - 10 * DAY, UTC)
    assert [x["event"] for x in gaps_before(journal, earlier)][-2:] == [began, bare]
    assert max(days for _, days in journal.looks) < 70
    journal.close()
