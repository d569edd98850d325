"""Counts of oddities, each kind logged at most once a minute."""

import threading
from collections import Counter
from collections.abc import Mapping

import structlog

from actors.ports import Clock

LOG_EVERY_SECONDS = 60.0


class Tally:
    """Counts by kind under one log event name. Safe from any thread."""

    def __init__(self, event: str, clock: Clock) -> None:
        self._event = event
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._logged_at: dict[str, float] = {}
        self._lock = threading.Lock()
        self._log = structlog.get_logger(__name__)

    @property
    def counts(self) -> Mapping[str, int]:
        return dict(self._counts)

    def note(self, kind: str, detail: str = "") -> None:
        """Counts one; writes a line with the running count when the last one is a minute old."""
        now = self._clock.monotonic()
        with self._lock:
            self._counts[kind] += 1
            count = self._counts[kind]
            last = self._logged_at.get(kind)
            if last is not None and now - last < LOG_EVERY_SECONDS:
                return
            self._logged_at[kind] = now
        self._log.warning(self._event, kind=kind, count=count, detail=detail)
