"""The day's report over a journal of weeks."""

from datetime import UTC, datetime, time
from pathlib import Path

from actors.alert_daily import report_due
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
