"""Cashier: brings the funding that the venue has booked into the journal, each line once.

The venue books a position's funding with its fills and at the daily settlement. The journal knows
which lines it has: what was booked while nobody was there is fetched by the next process.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from actors.kernel import Actor, Context, HandlerTable
from actors.messages.base import event_name
from actors.messages.funding import FundingBooked, FundingDue
from actors.messages.session import SessionOpened
from actors.ports import Journal, NotSent, OutcomeUnknown, Rejected, Venue
from domain.moments import moment_of
from domain.orders import Funding

PERIOD_SECONDS = 300.0
FIRST_SECONDS = 5.0
OVERLAP = timedelta(minutes=2)
"""Asked for again: the two clocks differ, and a line may be written late."""
LONGEST, SHORTEST = timedelta(days=1), timedelta(minutes=5)
"""How much of the log is asked for at once: half of that after a failure, lest it be too long."""
LOOK_BACK_DAYS = 8
"""How many of the journal's files are looked through, and how far back at most without a line."""
BOOKED = event_name(FundingBooked)


class Cashier(Actor):
    """Only reads. ``currencies`` are those that positions settle in."""

    handlers: ClassVar[HandlerTable] = {}

    def __init__(
        self, context: Context, *, venue: Venue, journal: Journal, currencies: Iterable[str]
    ) -> None:
        super().__init__(context)
        self._venue = venue
        self._journal = journal
        self._since = dict.fromkeys(sorted(currencies), self.clock.now())
        self._spans = dict.fromkeys(self._since, LONGEST)
        self._known: set[int] = set()

    def recover(self) -> None:
        """Goes on after the last line in the journal; without one, where what is read begins.

        Its own start would be too late: while nobody was there the venue may have booked.
        """
        oldest = self._oldest()
        earliest = max(oldest, self.clock.now() - timedelta(days=LOOK_BACK_DAYS))
        # One file more: the overlap with what is asked for may reach into the day before.
        entries = self._journal.find(events=(BOOKED,), days=LOOK_BACK_DAYS + 1)
        for currency in self._since:
            lines = [x for x in entries if x.get("currency") == currency]
            ends = [at for x in lines if (at := moment_of(x.get("booked_at"))) and at >= oldest]
            self._since[currency] = max(ends, default=earliest)
            self._known.update(x["log_id"] for x in lines if isinstance(x.get("log_id"), int))
        self.after(PERIOD_SECONDS, FundingDue)

    def _oldest(self) -> datetime:
        """The first moment in the journal's last days; now, should there be none before."""
        now = self.clock.now()
        moments = (moment_of(x.get("ts")) for x in self._journal.entries(days=LOOK_BACK_DAYS))
        return next((x for x in moments if x is not None and x <= now), now)

    def on_session_opened(self, _: SessionOpened) -> None:
        self.after(FIRST_SECONDS, FundingDue)

    def on_funding_due(self, _: FundingDue) -> None:
        """A day of each currency at a time, or less: what is behind comes soon after."""
        now, is_behind = self.clock.now(), False
        for currency, since in tuple(self._since.items()):
            span = self._spans[currency]
            until = min(since + span, now + OVERLAP)
            try:
                lines = self._venue.funding(currency, _ms(since - OVERLAP), _ms(until))
            except (Rejected, NotSent, OutcomeUnknown) as error:
                self.log.warning("funding_unread", currency=currency, error=str(error))
                self._spans[currency] = max(SHORTEST, min(span, until - since) / 2)
                continue
            self._spans[currency] = min(LONGEST, span * 2)
            for line in lines:
                if line.log_id not in self._known:
                    self._book(line)
            if until < now:
                self._since[currency], is_behind = until, True
        self.after(FIRST_SECONDS if is_behind else PERIOD_SECONDS, FundingDue)

    def _book(self, line: Funding) -> None:
        booked_at = datetime.fromtimestamp(line.timestamp_ms / 1000, UTC)
        self._known.add(line.log_id)
        self._since[line.currency] = max(self._since[line.currency], booked_at)
        self.emit(
            FundingBooked,
            log_id=line.log_id,
            instrument=line.instrument_name,
            currency=line.currency,
            amount=line.amount,
            booked_at=booked_at,
        )


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


Cashier.handlers = {
    SessionOpened: Cashier.on_session_opened,
    FundingDue: Cashier.on_funding_due,
}
