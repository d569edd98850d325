"""The way to the model venue: requests that succeed, are refused, get lost or arrive late.

What becomes of each request is decided by a script of outcomes; when the script ends, all is
well. Every request takes its time, and time is the only thing that passes here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TypeVar

from tests.domain.model_venue import ModelVenue, Refused

ROUND_TRIP_MS = 20
TIMEOUT_MS = 700

T = TypeVar("T")


class Fate(Enum):
    """What becomes of a request."""

    FINE = "fine"
    REFUSED = "refused"
    UNSENT = "unsent"
    LOST = "lost"
    TAKEN = "taken"
    LATE = "late"
    THIN = "thin"
    TWISTED = "twisted"

    @property
    def is_unknown(self) -> bool:
        return self in {Fate.LOST, Fate.TAKEN, Fate.LATE}


@dataclass(frozen=True, slots=True)
class Outcome:
    """A fate, and what goes with it: an error code, contracts that trade, a delay."""

    fate: Fate = Fate.FINE
    code: int = 10047
    liquidity: int = 0
    delay_ms: int = 1_000


@dataclass(frozen=True, slots=True)
class InFlight:
    """A request that is still on its way to the venue. Refused when it comes too late."""

    arrives_ms: int
    valid_until_ms: int
    run: Callable[[], object]


class Unknown(Exception):
    """Nobody knows what became of the request."""


class NotSent(Exception):
    """We kept it back."""


@dataclass(slots=True)
class Wire:
    """Times are the venue's virtual milliseconds; our clock is ``skew_ms`` behind."""

    venue: ModelVenue
    script: list[Outcome] = field(default_factory=list[Outcome])
    in_flight: list[InFlight] = field(default_factory=list[InFlight])
    requests: list[int] = field(default_factory=list[int])
    skew_ms: int = 300

    @property
    def now_ms(self) -> int:
        return self.venue.now_ms

    @property
    def now(self) -> datetime:
        return instant(self.venue.now_ms - self.skew_ms)

    def outcome(self) -> Outcome:
        return self.script.pop(0) if self.script else Outcome()

    def reads(self) -> bool:
        """Whether a read succeeds; it takes its time either way."""
        is_fine = self.outcome().fate in {Fate.FINE, Fate.THIN, Fate.TAKEN}
        self.requests.append(self.now_ms)
        self.travel(ROUND_TRIP_MS if is_fine else TIMEOUT_MS)
        return is_fine

    def send(self, outcome: Outcome, valid_until_ms: int, run: Callable[[], T]) -> T:
        """Sends, unless the outcome says otherwise; returns the reply."""
        if outcome.fate is Fate.UNSENT:
            raise NotSent
        self.requests.append(self.now_ms)
        if outcome.fate.is_unknown:
            if outcome.fate is not Fate.LOST:
                delay = ROUND_TRIP_MS if outcome.fate is Fate.TAKEN else outcome.delay_ms
                self.in_flight.append(InFlight(self.now_ms + delay, valid_until_ms, run))
            self.travel(TIMEOUT_MS)
            raise Unknown
        self.travel(ROUND_TRIP_MS)
        if outcome.fate is Fate.REFUSED:
            raise Refused(outcome.code)
        return run()

    def travel(self, milliseconds: int) -> None:
        """Time passes at the venue; what was on its way arrives in order."""
        until = self.now_ms + milliseconds
        for late in sorted(self.in_flight, key=lambda x: x.arrives_ms):
            if late.arrives_ms > until:
                break
            self.in_flight.remove(late)
            self.venue.pass_time(max(0, late.arrives_ms - self.now_ms))
            self._arrive(late)
        self.venue.pass_time(max(0, until - self.now_ms))

    def _arrive(self, late: InFlight) -> None:
        if self.now_ms > late.valid_until_ms:
            return
        try:
            late.run()
        except Refused:
            return


def instant(milliseconds: int) -> datetime:
    """The venue's milliseconds as UTC."""
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)
