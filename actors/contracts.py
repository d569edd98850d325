"""Contract data as Execution knows it: read from the venue, never written into code."""

from collections.abc import Mapping
from typing import Any

from actors.ports import Clock, NotSent, OutcomeUnknown, Rejected, Venue
from domain.instruments import Instrument

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
"""Seconds between two tries. Over HTTP the venue grants fifty at once and one a second; over a
websocket five, and one in ten seconds."""
NEWS_EVERY = 12
"""A venue that is away is asked again and again; it is said at first and after so many failures."""


class ContractData:
    """All perpetuals of the venue by name; empty until they were read once."""

    def __init__(self, venue: Venue, traded: frozenset[str], clock: Clock, log: Any) -> None:
        self.by_name: Mapping[str, Instrument] = {}
        self._venue = venue
        self._traded = traded
        self._clock = clock
        self._log = log
        self._failures = 0
        self._again_at = float("-inf")

    def is_due(self) -> bool:
        """Whether to ask by now: ever more rarely while it fails, as the venue counts it dearly."""
        return self._clock.monotonic() >= self._again_at

    def hurry(self) -> None:
        """The venue is there: there is no reason to wait any longer."""
        self._again_at = float("-inf")

    @property
    def traded(self) -> tuple[Instrument, ...]:
        """Those of the settings that the venue lists."""
        return tuple(self.by_name[x] for x in sorted(self._traded & self.by_name.keys()))

    def read(self) -> bool:
        """Reads everything afresh; what was known before stays when that fails."""
        try:
            self.by_name = self._venue.instruments()
        except (Rejected, NotSent, OutcomeUnknown) as error:
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._failures, 10))
            self._again_at = self._clock.monotonic() + pause
            self._failures += 1
            if self._failures % NEWS_EVERY == 1:
                self._log.warning("catalogue_unreadable", error=str(error), failures=self._failures)
            return False
        self._failures = 0
        missing = sorted(self._traded - self.by_name.keys())
        if missing:
            self._log.error("instruments_not_listed_at_venue", instruments=missing)
        return True
