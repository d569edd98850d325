"""Back-off and intensity: arithmetic only."""

from hypothesis import given
from hypothesis import strategies as st

from actors.kernel import SupervisorPolicy

POLICY = SupervisorPolicy()


def test_back_off_doubles_up_to_the_cap() -> None:
    """Without jitter: 1, 2, 4, 8 and then the cap for ever."""
    policy = SupervisorPolicy(backoff_first=1, backoff_cap=10, jitter=0)
    waits = [policy.backoff(failures, 0.7) for failures in (1, 2, 3, 4, 5, 6, 1000)]
    assert waits == [1, 2, 4, 8, 10, 10, 10]


@given(failures=st.integers(1, 10_000), draw=st.floats(-1, 1))
def test_back_off_grows_and_keeps_within_the_jitter(failures: int, draw: float) -> None:
    """Never more than the jitter away from a base that never shrinks nor passes the cap."""
    base = POLICY.backoff(failures, 0)
    assert POLICY.backoff_first <= base <= POLICY.backoff_cap
    assert POLICY.backoff(failures + 1, 0) >= base
    assert abs(POLICY.backoff(failures, draw) - base) <= POLICY.jitter * base + 1e-12


def test_a_storm_is_more_than_the_intensity_within_the_window() -> None:
    """Five in a minute are borne, the sixth is a storm; what lies further back does not count."""
    policy = SupervisorPolicy(intensity=5, window=60)
    assert not policy.is_storm([], 0)
    assert not policy.is_storm([40, 41, 42, 43, 100], 100)
    assert policy.is_storm([40, 41, 42, 43, 99, 100], 100)
    assert not policy.is_storm([39, 41, 42, 43, 99, 100], 100)
