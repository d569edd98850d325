"""The day's report: whether one is due, and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, tzinfo
from typing import Any

from actors.messages.alerts import DailyReported
from actors.messages.base import event_name
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

REPORTED = event_name(DailyReported)
GAP_DAYS = 400
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
    entries = journal.find(events=(*EVENTS, REPORTED), days=LONGEST_DAYS + 2)
    last = last_report((x for x in entries if x.get("event") == REPORTED), now)
    since = window_before(until, last or first_moment(entries))
    if (last is not None and last >= until) or not has_any(entries, since, until):
        return None
    told = (*gaps_before(journal, since), *entries)
    report = daily_report(told, since=since, until=until, zone=zone, unsent=unsent)
    return DayReport(since, until, f"Daily report\n{as_text(report)}")


def gaps_before(journal: Journal, since: datetime) -> list[Mapping[str, Any]]:
    """What was told of missing stops before: once, though the position may be bare for months."""
    found = journal.find(events=GAPS, days=GAP_DAYS)
    return [x for x in found if (at := moment_of(x.get("ts"))) is not None and at <= since]


def seconds_to_next(now: datetime, at: time, zone: tzinfo) -> float:
    """When to see again whether a report is due."""
    return min(LOOK, (next_moment(now, at, zone) - now).total_seconds() + 0.1)
