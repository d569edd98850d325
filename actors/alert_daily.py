"""The day's report: whether one is due, and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, tzinfo
from typing import Any

from actors.messages.alerts import DailyReported
from actors.messages.base import event_name
from actors.messages.lifecycle import ProcessStarted
from actors.ports import Journal
from domain.content import as_text
from domain.daily import (
    EVENTS,
    GAPS,
    LONGEST_DAYS,
    daily_report,
    due_moment,
    first_moment,
    has_any,
    last_report,
    next_moment,
    window_before,
)
from domain.moments import moment_of

REPORTED, BEGUN = event_name(DailyReported), event_name(ProcessStarted)
GAP_DAYS = (8, 56, 400)
"""How many days with entries are read for that, each if those before did not do."""
LOOK = 3600.0
"""At least hourly, because the clock of the wall may be set in between."""


@dataclass(frozen=True, slots=True)
class DayReport:
    """A report that is due: of which time, and its text."""

    since: datetime
    until: datetime
    text: str


def report_due(
    journal: Journal, now: datetime, at: time, zone: tzinfo, *, unsent: int
) -> DayReport | None:
    """Each moment is reported once, also when nobody was there: the journal knows the last."""
    until = due_moment(now, at, zone)
    # First this alone: it is made once a day and looked for every hour.
    made = journal.find(events=(REPORTED,), days=LONGEST_DAYS + 2)
    last = last_report(made, now)
    if last is not None and last >= until:
        return None
    entries = journal.find(events=EVENTS, days=LONGEST_DAYS + 2)
    since = window_before(until, last or first_moment((*made, *entries)))
    if not has_any(entries, since, until):
        return None
    told = (*gaps_before(journal, since), *entries)
    report = daily_report(told, since=since, until=until, zone=zone, unsent=unsent)
    return DayReport(since, until, f"Daily report\n{as_text(report)}")


def gaps_before(journal: Journal, since: datetime) -> list[Mapping[str, Any]]:
    """What was told of missing stops before: once, though the position may be bare for months.

    Read back as far as a start of the process, which tells anew what is bare.
    """
    known: list[Mapping[str, Any]] = []
    for days in GAP_DAYS:
        found = journal.find(events=GAPS, days=days)
        known = [x for x in found if (at := moment_of(x.get("ts"))) is not None and at <= since]
        if any(x.get("event") == BEGUN for x in known):
            break
    return known


def seconds_to_next(now: datetime, at: time, zone: tzinfo) -> float:
    """When to see again whether a report is due."""
    return min(LOOK, (next_moment(now, at, zone) - now).total_seconds() + 0.1)
