"""Contract data as Execution knows it: read from the venue, never written into code."""

from collections.abc import Mapping
from typing import Any

from actors.ports import NotSent, OutcomeUnknown, Rejected, Venue
from domain.instruments import Instrument

NEWS_EVERY = 40
"""A venue that is away is asked again and again; it is said at first and after so many failures."""


class ContractData:
    """All perpetuals of the venue by name; empty until they were read once."""

    def __init__(self, venue: Venue, traded: frozenset[str], log: Any) -> None:
        self.by_name: Mapping[str, Instrument] = {}
        self._venue = venue
        self._traded = traded
        self._log = log
        self._failures = 0

    @property
    def traded(self) -> tuple[Instrument, ...]:
        """Those of the settings that the venue lists."""
        return tuple(self.by_name[x] for x in sorted(self._traded & self.by_name.keys()))

    def read(self) -> bool:
        """Reads everything afresh; what was known before stays when that fails."""
        try:
            self.by_name = self._venue.instruments()
        except (Rejected, NotSent, OutcomeUnknown) as error:
            self._failures += 1
            if self._failures % NEWS_EVERY == 1:
                self._log.warning("catalogue_unreadable", error=str(error), failures=self._failures)
            return False
        self._failures = 0
        missing = sorted(self._traded - self.by_name.keys())
        if missing:
            self._log.error("instruments_not_listed_at_venue", instruments=missing)
        return True
