"""Where the Cashier goes on after a restart: nothing booked is left out, or told twice."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from actors.cashier import LOOK_BACK_DAYS, Cashier
from actors.kernel import ChildSpec
from actors.messages.funding import FundingBooked
from actors.ports import Venue
from adapters.storage.journal import DayJournal
from domain.orders import Funding
from simulation.runtime import EPOCH
from tests.actors.kernel.support import Rig

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
SETTLEMENT = EPOCH.replace(hour=8)
"""An hour before the start."""


@dataclass(frozen=True, slots=True)
class Log:
    """The part of `Venue` that a Cashier needs: a line of BTC at each of these moments."""

    moments: tuple[datetime, ...]

    def funding(self, currency: str, start_ms: int, end_ms: int) -> tuple[Funding, ...]:
        assert start_ms < end_ms
        lines = (line_at(moment) for moment in self.moments if currency == "BTC")
        return tuple(x for x in lines if start_ms <= x.timestamp_ms <= end_ms)


def line_at(moment: datetime) -> Funding:
    """Its id is its moment in milliseconds."""
    ms = round(moment.timestamp() * 1000)
    return Funding(
        log_id=ms,
        instrument_name="BTC-PERPETUAL",
        currency="BTC",
        amount=Decimal("-0.0001"),
        timestamp_ms=ms,
    )


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.close()


def wrote(journal: DayJournal, event: str, moment: datetime) -> None:
    journal.append({"ts": moment.isoformat(), "event": event}, durable=False)


def wrote_line(journal: DayJournal, moment: datetime) -> None:
    """As the Historian does, some seconds after the venue has booked it."""
    line = line_at(moment)
    at = moment + timedelta(seconds=20)
    entry = {"ts": at.isoformat(), "event": "funding_booked", "booked_at": moment.isoformat()}
    journal.append({**entry, "log_id": line.log_id, "currency": "BTC"}, durable=False)


def days_of(journal: DayJournal, first: datetime, last: datetime) -> None:
    """A process without a position, which writes something each day."""
    while first <= last:
        wrote(journal, "day_measured", first)
        first += DAY


def booked(rig: Rig, journal: DayJournal, *moments: datetime) -> list[datetime]:
    """What a Cashier books that starts now, of a venue's log with these moments."""
    wrote(journal, "process_started", rig.world.now())
    venue: Venue = Log(moments)  # type: ignore[assignment]
    arguments = {"venue": venue, "journal": journal, "currencies": ("BTC", "USDC")}
    rig.children.append(ChildSpec(name="cashier", actor=Cashier, arguments=arguments))
    rig.start()
    rig.run(1000)
    journal.close()
    return [event.booked_at for event in rig.events(FundingBooked)]


def test_a_settlement_while_nobody_was_there_is_booked(rig: Rig, tmp_path: Path) -> None:
    """Also where the last funding, and the last start, lie further back than is read."""
    journal = DayJournal(tmp_path, rig.world)
    wrote(journal, "process_started", EPOCH - 12 * DAY)
    days_of(journal, EPOCH - 12 * DAY, SETTLEMENT - 5 * MINUTE)
    assert booked(rig, journal, SETTLEMENT) == [SETTLEMENT]


def test_after_a_long_absence_it_looks_back_a_week_and_a_day(rig: Rig, tmp_path: Path) -> None:
    """What the journal has of the time before is no reason to read a year."""
    journal = DayJournal(tmp_path, rig.world)
    wrote(journal, "day_measured", EPOCH - 300 * DAY)
    old, new = SETTLEMENT - 9 * DAY, SETTLEMENT - 7 * DAY
    assert booked(rig, journal, old, new) == [new]


def test_a_first_start_books_nothing_of_the_time_before(rig: Rig, tmp_path: Path) -> None:
    """Whose positions those were is not ours to tell."""
    assert booked(rig, DayJournal(tmp_path, rig.world), SETTLEMENT) == []


def test_a_clock_that_was_ahead_does_not_stop_it(rig: Rig, tmp_path: Path) -> None:
    """The first entry that is read is of next year."""
    journal = DayJournal(tmp_path, rig.world)
    wrote(journal, "day_measured", EPOCH + 365 * DAY)
    after = EPOCH + 10 * MINUTE
    assert booked(rig, journal, after) == [after]


@pytest.mark.parametrize("back", range(LOOK_BACK_DAYS + 2))
def test_a_line_the_journal_has_is_not_booked_again(rig: Rig, tmp_path: Path, back: int) -> None:
    """Whichever file it stands in, just before or just after midnight."""
    journal = DayJournal(tmp_path, rig.world)
    midnight = EPOCH.replace(hour=0) - back * DAY
    lines = midnight - timedelta(seconds=40), midnight + timedelta(seconds=10)
    days_of(journal, midnight - 9 * DAY, midnight - DAY)
    for moment in lines:
        wrote_line(journal, moment)
    days_of(journal, midnight + DAY + timedelta(seconds=30), SETTLEMENT)
    assert booked(rig, journal, *lines, SETTLEMENT) == [SETTLEMENT]
