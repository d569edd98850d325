"""Rate limits of the lowest tier: credits that refill continuously, one pool per class.

Times are milliseconds; a request costs 1000 milli-requests. Exhaustion ends the session.
"""

from dataclasses import dataclass, field
from enum import Enum

from adapters.paper.errors import TOO_MANY_REQUESTS, refusal


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests a second, sustained, and at once."""

    sustained: int
    burst: int

    def as_limit(self) -> dict[str, int]:
        """As the account summary states it."""
        return {"rate": self.sustained, "burst": self.burst}


class Bucket(Enum):
    """The classes of calls that share credits."""

    NON_MATCHING = "non_matching"
    MATCHING = "matching"
    CANCEL_ALL = "cancel_all"
    INSTRUMENTS = "instruments"
    SUBSCRIBE = "subscribe"
    TRANSACTION_LOG = "transaction_log"


RATES = {
    Bucket.NON_MATCHING: Rate(20, 100),
    Bucket.MATCHING: Rate(5, 20),
    Bucket.CANCEL_ALL: Rate(5, 20),
    Bucket.INSTRUMENTS: Rate(1, 50),
    Bucket.SUBSCRIBE: Rate(3, 10),
    Bucket.TRANSACTION_LOG: Rate(1, 8),
}


@dataclass(slots=True)
class _Pool:
    left: int
    at_ms: int


@dataclass(slots=True)
class RateLimits:
    """The pools of one account. Disabled, it lets everything pass."""

    enabled: bool = True
    _pools: dict[Bucket, _Pool] = field(default_factory=dict[Bucket, _Pool])

    def spend(self, bucket: Bucket, now_ms: int) -> None:
        """Takes one request from the pool.

        Raises:
            VenueError: 10028, it is empty.
        """
        if not self.enabled:
            return
        rate = RATES[bucket]
        most = rate.burst * 1000
        pool = self._pools.setdefault(bucket, _Pool(most, now_ms))
        pool.left = min(most, pool.left + rate.sustained * max(0, now_ms - pool.at_ms))
        pool.at_ms = now_ms
        if pool.left < 1000:
            raise refusal(TOO_MANY_REQUESTS)
        pool.left -= 1000
