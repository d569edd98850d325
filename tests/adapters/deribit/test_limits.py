"""Rate budgets: entries stop early, protection waits, and the count never exceeds the venue's."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ports import NotSent
from adapters.deribit.gate import EntryGate
from adapters.deribit.limits import Limiter, Rate, Rates, TokenBucket
from tests.adapters.deribit.fakes import ManualClock


def test_entries_leave_the_protective_share_alone() -> None:
    """Of a burst of 18 with 6 reserved, 12 entries pass and the next is not sent."""
    limiter = Limiter(ManualClock())
    for _ in range(12):
        limiter.entry()
    with pytest.raises(NotSent, match="reserved"):
        limiter.entry()
    assert limiter.left() == 6


def test_protective_requests_use_the_share_then_wait() -> None:
    """The reserved tokens go without waiting; after them each waits for its own."""
    clock = ManualClock()
    limiter = Limiter(clock)
    for _ in range(18):
        limiter.protective()
    assert clock.slept == []
    limiter.protective()
    assert clock.slept == [pytest.approx(0.2)]


def test_nobody_waits_longer_than_a_protective_order_stays_valid() -> None:
    """Beyond a second's worth of waiting orders are not sent: late they would be refused."""
    clock = ManualClock()
    limiter = Limiter(clock)
    for _ in range(18 + 5):
        limiter.protective()
        clock.seconds = 1000.0  # everybody asks at the same moment
    with pytest.raises(NotSent, match="budget"):
        limiter.protective()
    assert max(clock.slept) == pytest.approx(1.0)


def test_a_wait_beyond_the_bound_is_refused() -> None:
    """A class that cannot be served within the bound is not sent, and costs nothing."""
    limiter = Limiter(ManualClock(), max_wait=0.0)
    for _ in range(95):
        limiter.read()
    with pytest.raises(NotSent, match="budget"):
        limiter.read()
    for _ in range(18):
        limiter.mass_cancel()
    with pytest.raises(NotSent):
        limiter.mass_cancel()
    assert limiter.left() == 18


def test_the_budget_refills_with_time() -> None:
    """Five tokens a second come back, up to the burst."""
    clock = ManualClock()
    limiter = Limiter(clock)
    for _ in range(12):
        limiter.entry()
    clock.seconds += 1.0
    assert limiter.left() == 11
    clock.seconds += 100.0
    assert limiter.left() == 18


def test_the_accounts_own_limits_are_adopted() -> None:
    """New limits count from now on; a lower burst cuts what is there."""
    limiter = Limiter(ManualClock())
    limiter.update(Rates(matching=Rate(per_second=1, burst=8)))
    assert limiter.left() == 6


@pytest.mark.parametrize(
    ("admit", "wait"),
    [
        (Limiter.protective, 0.2),
        (Limiter.mass_cancel, 0.2),
        (Limiter.read, 0.05),
        (Limiter.read_log, 1.0),
    ],
)
def test_being_throttled_empties_every_bucket(
    admit: Callable[[Limiter], None], wait: float
) -> None:
    """After the venue says too many, nothing leaves without waiting for a new token."""
    clock = ManualClock()
    limiter = Limiter(clock)
    limiter.drain()
    assert limiter.left() == 0
    admit(limiter)
    assert clock.slept == [pytest.approx(wait)]


@given(
    st.lists(st.floats(min_value=0, max_value=0.3), min_size=1, max_size=60),
    st.lists(st.floats(min_value=0, max_value=0.4), min_size=60, max_size=60),
)
def test_jitter_on_the_way_does_not_exceed_the_venues_limit(
    gaps: list[float], delays: list[float]
) -> None:
    """The venue's own count at arrival stays within its burst, whatever each request's delay."""
    clock = ManualClock()
    limiter = Limiter(clock)
    arrivals: list[float] = []
    for gap, delay in zip(gaps, delays, strict=False):
        clock.seconds += gap
        limiter.protective()
        arrivals.append(clock.seconds + delay)
    venue = TokenBucket(Rate(per_second=5, burst=20), 0.0)
    assert all(venue.take(arrival + 1e-6) is not None for arrival in sorted(arrivals))


@given(
    st.lists(st.floats(min_value=0, max_value=0.5), min_size=1, max_size=60),
    st.floats(min_value=0, max_value=3),
)
def test_no_window_sees_more_than_the_venue_allows(gaps: list[float], max_wait: float) -> None:
    """Whatever the arrivals, sends up to any moment stay within burst + rate x time."""
    rate = Rate(per_second=4, burst=5)
    bucket = TokenBucket(rate, 0.0)
    now, sent = 0.0, list[float]()
    for gap in gaps:
        now += gap
        wait = bucket.take(now, max_wait=max_wait)
        if wait is not None:
            assert wait <= max_wait
            sent.append(now + wait)
    for position, first in enumerate(sent):
        for count, last in enumerate(sent[position:], start=1):
            assert count <= rate.burst + rate.per_second * (last - first) + 1e-6


def test_a_locked_gate_lets_nothing_through() -> None:
    """Locked, the gate refuses with the reason; unlocked, it opens again."""
    gate = EntryGate()
    with gate:
        pass
    gate.lock("kill switch")
    with pytest.raises(NotSent, match="kill switch"), gate:
        pytest.fail("passed a locked gate")
    gate.unlock()
    with gate:
        pass
