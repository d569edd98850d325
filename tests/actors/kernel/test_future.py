"""The answer to an ask on threads: given once, had by all who wait, in time or not at all."""

import queue
import threading

import pytest
from pykka import Timeout

from actors.kernel.runtime import ThreadFuture


def test_an_answer_is_had_by_everybody_again_and_again() -> None:
    """Threads that wait at once, and who comes later, all get the same value."""
    future, had = ThreadFuture(), queue.SimpleQueue[int]()
    waiting = [threading.Thread(target=lambda: had.put(future.get(timeout=5))) for _ in range(3)]
    for each in waiting:
        each.start()
    future.set(7)
    for each in waiting:
        each.join()
    assert [had.get(timeout=5) for _ in waiting] == [7, 7, 7]
    assert future.get() == 7


def test_an_exception_is_raised_where_the_answer_is_wanted() -> None:
    """The given one, or the one being handled."""
    given, handled = ThreadFuture(), ThreadFuture()
    failure = LookupError("gone")
    given.set_exception((LookupError, failure, None))
    try:
        raise failure
    except LookupError:
        handled.set_exception()
    for future in (given, handled):
        with pytest.raises(LookupError, match="gone"):
            future.get(timeout=0)


def test_no_answer_in_time_is_a_timeout_and_the_answer_may_still_come() -> None:
    """A timeout costs the answer nothing."""
    future = ThreadFuture()
    with pytest.raises(Timeout):
        future.get(timeout=0)
    future.set()
    assert future.get(timeout=0) is None


def test_nobody_answers_twice() -> None:
    """The second answer is a mistake in the code, and says so."""
    future = ThreadFuture()
    future.set(1)
    with pytest.raises(queue.Full):
        future.set(2)
    assert future.get(timeout=0) == 1
