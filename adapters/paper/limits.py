"""Rate limits of the lowest tier: credits that refill continuously, one pool per class.

All refill at 10 000 credits a second, which is 10 a millisecond; what a request costs and how
much a pool holds is the class's own. Exhaustion ends the session. Who has not logged in draws
from pools apart, so that strangers do not use up the account's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from adapters.paper.errors import TOO_MANY_REQUESTS, refusal

_REFILL_PER_MS = 10


@dataclass(frozen=True, slots=True)
class Rate:
    """What one request costs, and how many credits there can be."""

    cost: int
    most: int

    def as_limit(self) -> dict[str, int]:
        """As the account summary states it: requests a second, and at once."""
        return {"rate": _REFILL_PER_MS * 1000 // self.cost, "burst": self.most // self.cost}


class Bucket(StrEnum):
    """The classes of calls that share credits."""

    NON_MATCHING = "non_matching"
    MATCHING = "matching"
    CANCEL_ALL = "cancel_all"
    INSTRUMENTS = "instruments"
    INSTRUMENTS_BY_STREAM = "instruments_by_stream"
    SUBSCRIBE = "subscribe"
    TRANSACTION_LOG = "transaction_log"


RATES = {
    Bucket.NON_MATCHING: Rate(500, 50_000),
    Bucket.MATCHING: Rate(2_000, 40_000),
    Bucket.CANCEL_ALL: Rate(2_000, 40_000),
    Bucket.INSTRUMENTS: Rate(10_000, 500_000),
    Bucket.INSTRUMENTS_BY_STREAM: Rate(100_000, 500_000),
    Bucket.SUBSCRIBE: Rate(3_000, 30_000),
    Bucket.TRANSACTION_LOG: Rate(10_000, 80_000),
}

BY_STREAM: Mapping[Bucket, Bucket] = {Bucket.INSTRUMENTS: Bucket.INSTRUMENTS_BY_STREAM}
"""Classes that have another pool for websockets (changelog of the JSON-RPC API, 10.06.2025)."""


@dataclass(slots=True)
class _Pool:
    left: int
    at_ms: int


@dataclass(slots=True)
class RateLimits:
    """The pools of one account. Disabled, it lets everything pass."""

    enabled: bool = True
    _pools: dict[tuple[Bucket, bool], _Pool] = field(
        default_factory=dict[tuple[Bucket, bool], _Pool]
    )

    def spend(self, bucket: Bucket, now_ms: int, *, is_known: bool = True) -> None:
        """Takes one request from the pool of the account, or of those who did not log in.

        Raises:
            VenueError: 10028, it is empty.
        """
        if not self.enabled:
            return
        rate = RATES[bucket]
        pool = self._pools.setdefault((bucket, is_known), _Pool(rate.most, now_ms))
        pool.left = min(rate.most, pool.left + _REFILL_PER_MS * max(0, now_ms - pool.at_ms))
        pool.at_ms = now_ms
        if pool.left < rate.cost:
            raise refusal(TOO_MANY_REQUESTS)
        pool.left -= rate.cost
