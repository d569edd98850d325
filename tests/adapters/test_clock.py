"""The machine's time, ids and wake-ups."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from adapters.clock import SystemClock, SystemEntropy, ThreadTimers
from domain.labels import Label, Role, parse

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class SetClock:
    """A clock somebody else moves."""

    def __init__(self, now: datetime = NOON) -> None:
        self.wall = now
        self.seconds = 0.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Rung:
    """Collects the names of callbacks, in order, and says when one has come."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._came = threading.Semaphore(0)

    def ring(self, name: str) -> Callable[[], None]:
        def note() -> None:
            self.names.append(name)
            self._came.release()

        return note

    def wait(self, count: int = 1) -> None:
        for _ in range(count):
            assert self._came.acquire(timeout=5)


@pytest.fixture
def timers() -> Iterator[ThreadTimers]:
    timers = ThreadTimers()
    yield timers
    timers.close()


def test_now_is_utc() -> None:
    """The wall clock is aware and in UTC."""
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_sleep_moves_monotonic_time_and_takes_no_offence_at_the_past() -> None:
    """Sleeping passes at least the time asked for; a negative time is none."""
    clock = SystemClock()
    before = clock.monotonic()
    clock.sleep(0.002)
    clock.sleep(-1)
    assert 0.002 <= clock.monotonic() - before < 1


def test_ids_fit_a_label_and_sort_by_time() -> None:
    """An id of a later millisecond sorts after, and a label made of it reads back."""
    clock = SetClock()
    entropy = SystemEntropy(clock)
    first = entropy.new_id()
    clock.wall += timedelta(milliseconds=1)
    second = entropy.new_id()
    assert first < second
    assert len(first) == len(second) == 19
    label = Label(first, Role.EMERGENCY, 9999)
    assert parse(str(label)) == label
    assert len(str(label)) <= 64


@given(st.lists(st.integers(-5000, 5000), max_size=50))
def test_ids_rise_whatever_the_wall_clock_does(steps: list[int]) -> None:
    """Ids rise strictly even when the clock is set back or chance repeats itself."""
    clock = SetClock()
    entropy = SystemEntropy(clock, randbits=lambda bits: (1 << bits) - 1)
    ids = [entropy.new_id()]
    for step in steps:
        clock.wall += timedelta(milliseconds=step)
        ids.append(entropy.new_id())
    assert ids == sorted(set(ids))


def test_ids_of_many_threads_differ() -> None:
    """Threads sharing one source never get the same id."""
    entropy = SystemEntropy()
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda: made.extend(entropy.new_id() for _ in range(200)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 800


def test_uniform_stays_between_its_bounds() -> None:
    """Jitter lies between low and high."""
    entropy = SystemEntropy()
    assert all(1.0 <= entropy.uniform(1.0, 1.5) <= 1.5 for _ in range(50))


def test_wakeups_come_in_the_order_of_their_deadlines(timers: ThreadTimers) -> None:
    """Deadlines decide the order, and equal deadlines the order of arming."""
    rung, now = Rung(), SystemClock().monotonic() + 0.02
    timers.at(now + 0.01, rung.ring("last"))
    timers.at(now, rung.ring("first"))
    timers.at(now + 0.005, rung.ring("second"))
    timers.at(now + 0.005, rung.ring("third"))
    rung.wait(4)
    assert rung.names == ["first", "second", "third", "last"]


def test_a_past_deadline_fires_at_once(timers: ThreadTimers) -> None:
    """What is already due does not wait."""
    rung = Rung()
    timers.at(float("-inf"), rung.ring("now"))
    rung.wait()


def test_a_cancelled_wakeup_never_fires(timers: ThreadTimers) -> None:
    """Cancelling disarms; cancelling again, late, or nonsense does nothing."""
    rung, soon = Rung(), SystemClock().monotonic() + 0.01
    handle = timers.at(soon, rung.ring("cancelled"))
    kept = timers.at(soon + 0.005, rung.ring("kept"))
    timers.cancel(handle)
    timers.cancel(handle)
    timers.cancel("no handle")
    rung.wait()
    timers.cancel(kept)
    assert rung.names == ["kept"]
    assert timers.pending() == 0


def test_cancelled_wakeups_do_not_pile_up(timers: ThreadTimers) -> None:
    """Thousands of far deadlines armed and cancelled leave only the armed ones behind."""
    rung = Rung()
    keep = timers.at(float("inf"), rung.ring("far"))
    for _ in range(1000):
        timers.cancel(timers.at(1e12, rung.ring("never")))
    assert timers.pending() == 1
    timers.at(0, rung.ring("now"))
    rung.wait()
    timers.cancel(keep)
    assert rung.names == ["now"]


@pytest.mark.parametrize("error", [ValueError("boom"), SystemExit(3)])
def test_a_failing_callback_is_logged_and_the_next_one_runs(error: BaseException) -> None:
    """A callback that raises, even SystemExit, leaves a log line and running timers."""

    def fail() -> None:
        raise error

    rung = Rung()
    with capture_logs() as lines:
        timers = ThreadTimers()
        timers.at(0, fail)
        timers.at(0, rung.ring("next"))
        rung.wait()
        timers.close()
    assert [line["event"] for line in lines] == ["timer_callback_failed"]


def test_a_callback_may_arm_another(timers: ThreadTimers) -> None:
    """Arming from within a callback works: periodic work is made that way."""
    rung = Rung()

    def again() -> None:
        timers.at(0, rung.ring("second"))

    timers.at(0, again)
    rung.wait()


def test_after_close_nothing_fires_and_nothing_is_armed() -> None:
    """Closing forgets what was armed, and arming afterwards is harmless."""
    rung, timers = Rung(), ThreadTimers()
    armed = timers.at(SystemClock().monotonic() + 60, rung.ring("never"))
    timers.close()
    late = timers.at(0, rung.ring("never"))
    timers.cancel(late)
    timers.cancel(armed)
    timers.close()
    assert rung.names == []
    assert timers.pending() == 0


def test_a_callback_may_close_its_timers() -> None:
    """Closing from the timer thread does not wait for itself."""
    closed = threading.Event()
    timers = ThreadTimers()

    def close() -> None:
        timers.close()
        closed.set()

    timers.at(0, close)
    assert closed.wait(5)
    timers.close()


def test_closing_reports_a_callback_that_hangs() -> None:
    """Close gives up after its time limit and says so."""
    running, release = threading.Event(), threading.Event()

    def hang() -> None:
        running.set()
        release.wait(5)

    with capture_logs() as lines:
        timers = ThreadTimers()
        timers.at(0, hang)
        assert running.wait(5)
        timers.close(timeout=0.01)
        release.set()
        timers.close()
    assert [line["event"] for line in lines] == ["timer_callback_hangs"]
