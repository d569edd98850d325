"""Chronicler: reads what was filled on an instrument, by whomever, for the story Execution tells.

Alone with it, because a read may take many seconds while the venue does not answer, and whoever
routes fills and carries out kills must not wait for it.
"""

from decimal import Decimal
from typing import ClassVar

from actors.kernel import Actor, Context, HandlerTable
from actors.messages.trading import ChronicleReport, ReadChronicle
from actors.ports import NotSent, OutcomeUnknown, Rejected, Venue

READ_SECONDS, MOST_TIMES = 3.0, 5
"""What the reads of a chronicle may take together, one instrument after the other. After each time
that it was not enough, so much more, up to five times as much: a slow line is waited for."""


class Chronicler(Actor):
    """Only reads, and concludes nothing."""

    handlers: ClassVar[HandlerTable] = {}

    def __init__(self, context: Context, *, venue: Venue) -> None:
        super().__init__(context)
        self._venue = venue
        self._unreadable = 0

    def on_read_chronicle(self, message: ReadChronicle) -> None:
        self.to("execution").tell(self._read(message))

    def _read(self, message: ReadChronicle) -> ChronicleReport:
        """Fills only add up to a position that does not move while they are read."""
        name = message.instrument
        venue = self._venue.within(READ_SECONDS * min(1 + self._unreadable, MOST_TIMES))
        nothing = ChronicleReport(at=self.clock.now(), instrument=name, asked_at=message.at)
        try:
            before = _position(venue, name)
            fills = venue.fills(name, message.since_ms)
            after = _position(venue, name)
        except (Rejected, NotSent, OutcomeUnknown) as error:
            self._unreadable += 1
            self.log.warning("drift_unreadable", instrument=name, error=str(error))
            return nothing
        self._unreadable = 0
        if before != after:
            return nothing
        contracts, size = after
        return ChronicleReport(
            at=self.clock.now(),
            instrument=name,
            asked_at=message.at,
            fills=fills,
            contracts=contracts,
            contract_size=size,
        )


def _position(venue: Venue, instrument: str) -> tuple[int, Decimal | None]:
    """Signed contracts, and the size of one; none at all when it is flat."""
    held = (x for x in venue.positions() if x.instrument_name == instrument)
    return next(((x.contracts, x.contract_size) for x in held), (0, None))


Chronicler.handlers = {
    ReadChronicle: Chronicler.on_read_chronicle,
}
