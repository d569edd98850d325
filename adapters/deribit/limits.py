"""Rate budgets, kept below the venue's: exceeding them there ends the session (10028).

Pure arithmetic on the clock handed in. Four buckets as the venue counts them: matching-engine
requests, mass cancels, the transaction log, and everything else. A share of the matching bucket is
reserved for protective requests (reduce-only orders, edits, cancels): an entry that would eat into
it is refused, because after it must fit a stop, a target and an emergency close.
"""

import threading
from dataclasses import dataclass

from actors.ports import Clock, NotSent


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """``per_second`` requests for ever, ``burst`` at once."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The account's limits. The defaults are the venue's lowest tier."""

    matching: Rate = Rate(per_second=5, burst=20)
    mass_cancel: Rate = Rate(per_second=5, burst=20)
    other: Rate = Rate(per_second=20, burst=100)


def kept_below(rate: Rate) -> Rate:
    """The same rate with a smaller burst: requests may arrive closer together than they left.

    Two tokens absorb 0.4 s of network jitter at five a second; a twentieth of a large burst
    also leaves room for what the session sends beside us.
    """
    return Rate(per_second=rate.per_second, burst=max(1, rate.burst - max(2, rate.burst // 20)))


class TokenBucket:
    """Tokens refill continuously up to the burst. Not thread-safe: `Limiter` guards it."""

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._tokens = float(rate.burst)
        self._at = now

    def level(self, now: float) -> float:
        """Tokens at ``now``; negative while callers wait for tokens they already took."""
        earned = max(0.0, now - self._at) * self._rate.per_second
        self._tokens = min(float(self._rate.burst), self._tokens + earned)
        self._at = max(self._at, now)
        return self._tokens

    def take(self, now: float, *, max_wait: float = 0.0, reserve: float = 0.0) -> float | None:
        """Takes one token and returns the seconds to wait for it; None when that is too long.

        ``reserve`` tokens must be left afterwards. Taking ahead keeps waiters in order.
        """
        missing = 1.0 + reserve - self.level(now)
        wait = max(0.0, missing / self._rate.per_second)
        if wait > max_wait:
            return None
        self._tokens -= 1.0
        return wait

    def change(self, rate: Rate, now: float) -> None:
        self.level(now)
        self._rate = rate
        self._tokens = min(self._tokens, float(rate.burst))

    def drain(self, now: float) -> None:
        self._tokens = min(0.0, self.level(now))


LOG = Rate(per_second=1, burst=8)
"""The transaction log's own, the same for every account."""
CATALOGUE = Rate(per_second=0.1, burst=5)
"""``public/get_instruments`` over a websocket (changelog of the JSON-RPC API, 10.06.2025)."""
MAX_WAIT_SECONDS = 1.0
"""Shorter than a protective order stays valid (1.5 s). One that waited longer would arrive too
late, having cost a token all the same: with twenty positions to close none would ever close."""


class Limiter:
    """Admits requests by class; waits, bounded, for all but entries."""

    def __init__(
        self,
        clock: Clock,
        rates: Rates | None = None,
        *,
        reserve: int = 6,
        max_wait: float = MAX_WAIT_SECONDS,
    ) -> None:
        rates = rates or Rates()
        self._clock = clock
        self._reserve = reserve
        self._max_wait = max_wait
        self._lock = threading.Lock()
        now = clock.monotonic()
        self._matching = TokenBucket(kept_below(rates.matching), now)
        self._mass_cancel = TokenBucket(kept_below(rates.mass_cancel), now)
        self._other = TokenBucket(kept_below(rates.other), now)
        self._log = TokenBucket(kept_below(LOG), now)
        self._catalogue = TokenBucket(kept_below(CATALOGUE), now)

    def entry(self) -> None:
        """Admits an order that adds risk, at once or not at all.

        Raises:
            NotSent: only the protective share is left.
        """
        with self._lock:
            now = self._clock.monotonic()
            wait = self._matching.take(now, reserve=float(self._reserve))
        if wait is None:
            raise NotSent("the rate budget left is reserved for protective orders")

    def protective(self) -> None:
        """Admits a reduce-only order, an edit or a cancel, waiting for the budget if need be."""
        self._admit(self._matching)

    def mass_cancel(self) -> None:
        self._admit(self._mass_cancel)

    def read(self) -> None:
        self._admit(self._other)

    def read_log(self) -> None:
        """Admits a page of the transaction log: further ones follow a second apart."""
        self._admit(self._log)

    def catalogue_by_stream(self) -> bool:
        """Whether the stream may be asked for the catalogue now; HTTP has more room for it."""
        with self._lock:
            return self._catalogue.take(self._clock.monotonic()) is not None

    def left(self) -> int:
        """Matching-engine requests that could be sent now, the protective share included."""
        with self._lock:
            return max(0, int(self._matching.level(self._clock.monotonic())))

    def drain(self) -> None:
        """Forgets every token: the venue says we are over, whatever our own count says."""
        with self._lock:
            now = self._clock.monotonic()
            for bucket in (self._matching, self._mass_cancel, self._other, self._log):
                bucket.drain(now)

    def update(self, rates: Rates) -> None:
        """Adopts the account's own limits."""
        with self._lock:
            now = self._clock.monotonic()
            self._matching.change(kept_below(rates.matching), now)
            self._mass_cancel.change(kept_below(rates.mass_cancel), now)
            self._other.change(kept_below(rates.other), now)

    def _admit(self, bucket: TokenBucket) -> None:
        with self._lock:
            wait = bucket.take(self._clock.monotonic(), max_wait=self._max_wait)
        if wait is None:
            raise NotSent(f"no rate budget within {self._max_wait} s")
        if wait > 0:
            self._clock.sleep(wait)
