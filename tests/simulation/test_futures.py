"""Futures of the virtual world: as pykka's own, but on virtual time."""

import queue
from typing import Any

import pytest
from pykka import Timeout

from simulation.runtime import VirtualWorld


def test_a_future_hands_over_its_value_to_all_who_wait() -> None:
    """Waiters before and after the settling see the same value."""
    world = VirtualWorld()
    future = world.future()
    seen: list[Any] = []
    for _ in range(3):
        world.launch("waiter", lambda: seen.append(future.get(timeout=5)))
    world.at(1, lambda: future.set("answer"))
    world.run_for(2)
    assert seen == ["answer"] * 3
    assert future.get() == "answer"


def test_a_future_settled_twice_complains_as_pykkas_own() -> None:
    """The real future raises `queue.Full`; a simulation that forgives it would hide the bug."""
    world = VirtualWorld()
    future = world.future()
    future.set(1)
    with pytest.raises(queue.Full):
        future.set(2)
    with pytest.raises(queue.Full):
        future.set_exception((ValueError, ValueError("late"), None))
    assert future.get() == 1


def test_a_future_takes_the_exception_being_handled() -> None:
    """Without an argument, as pykka calls it, the current exception is what waiters get."""
    future = VirtualWorld().future()
    try:
        {}["lost"]
    except KeyError:
        future.set_exception()
    with pytest.raises(KeyError, match="lost"):
        future.get()


def test_a_wait_gives_up_in_virtual_time() -> None:
    """The timeout passes on the world's clock, from a greenlet as from the hub."""
    world = VirtualWorld()
    seen: list[float] = []

    def waiter() -> None:
        with pytest.raises(Timeout):
            world.future().get(timeout=7)
        seen.append(world.monotonic())

    world.launch("waiter", waiter)
    with pytest.raises(Timeout):
        world.future().get(timeout=10_000)
    assert seen == [7]
    assert world.monotonic() == 10_000


def test_an_answer_that_is_late_is_not_taken() -> None:
    """Who gave up at five is not woken by what is said at six, and goes on undisturbed."""
    world = VirtualWorld()
    future = world.future()
    seen: list[str] = []

    def waiter() -> None:
        try:
            future.get(timeout=5)
        except Timeout:
            seen.append(f"gave up@{world.monotonic():g}")
        world.sleep(10)
        seen.append(f"slept@{world.monotonic():g}")

    world.launch("waiter", waiter)
    world.at(6, lambda: future.set("late"))
    world.run_for(20)
    assert seen == ["gave up@5", "slept@15"]
