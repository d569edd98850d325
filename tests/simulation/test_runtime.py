"""The virtual world: seeded interleavings, time that jumps, asks and sleeps that hand over."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pykka._envelope import Envelope

from simulation.runtime import EPOCH, VirtualWorld


def chatter(seed: int) -> list[str]:
    """Five workers read their mailboxes, sleep at random and pass the word on; who, when."""
    world = VirtualWorld(seed)
    boxes: list[Any] = [world.mailbox() for _ in range(5)]
    seen: list[str] = []

    def worker(me: int) -> Callable[[], None]:
        def loop() -> None:
            while True:
                word = boxes[me].get().message
                seen.append(f"{world.monotonic():.4f} {me} {word}")
                if word > 0:
                    boxes[(me + word) % 5].put(Envelope(word - 1))
                    world.sleep(world.uniform(0.1, 0.2))

        return loop

    for me in range(5):
        world.launch(f"worker {me}", worker(me))
        boxes[me].put(Envelope(6))
    world.run_for(60)
    world.close()
    return seen


def test_the_same_seed_gives_the_same_trace() -> None:
    """Everything the world decides comes from its seed: two runs are equal, word by word."""
    assert chatter(7) == chatter(7)
    assert len(chatter(7)) == 5 * 7


def test_different_seeds_interleave_differently() -> None:
    """Twenty seeds do not run twenty times in the same order."""
    orders = {tuple(line.split()[1] for line in chatter(seed)) for seed in range(20)}
    assert len(orders) > 10


def test_a_reader_of_many_messages_lets_others_run_in_between() -> None:
    """A full mailbox is no privilege: the seed may put others between two of its messages."""

    def order(seed: int) -> str:
        world = VirtualWorld(seed)
        box = world.mailbox()
        seen: list[str] = []

        def reader() -> None:
            while True:
                seen.append(box.get().message)

        world.launch("reader", reader)
        world.launch("other", lambda: seen.append("x"))
        for letter in "ab":
            box.put(Envelope(letter))
        world.run_for(1)
        world.close()
        return "".join(seen)

    assert {order(seed) for seed in range(50)} == {"abx", "axb", "xab"}


def test_wake_ups_of_one_instant_come_in_any_order() -> None:
    """Two sleepers that wake at the same moment run in an order the seed decides."""

    def order(seed: int) -> str:
        world = VirtualWorld(seed)
        seen: list[str] = []

        def sleeper(name: str) -> Callable[[], None]:
            def loop() -> None:
                world.sleep(1)
                seen.append(name)
                world.sleep(0)
                seen.append(name.upper())

            return loop

        world.launch("a", sleeper("a"))
        world.launch("b", sleeper("b"))
        world.run_for(2)
        return "".join(seen)

    assert {order(seed) for seed in range(30)} >= {"aAbB", "bBaA", "abAB", "baAB"}


def test_time_jumps_to_the_next_wake_up() -> None:
    """A day passes at once, and both clocks agree on it."""
    world = VirtualWorld()
    at: list[float] = []
    world.at(86_400, lambda: at.append(world.monotonic()))
    world.run_for(100_000)
    assert at == [86_400]
    assert world.monotonic() == 100_000
    assert world.now() == EPOCH + timedelta(seconds=100_000)
    assert world.now_ms() == int(EPOCH.timestamp() * 1000) + 100_000_000


def test_wake_ups_fire_in_the_order_of_their_deadlines() -> None:
    """Deadlines decide, then the order of arming; one in the past fires now."""
    world = VirtualWorld()
    seen: list[str] = []
    for when, name in ((3, "c"), (1, "a"), (3, "d"), (2, "b"), (-5, "past")):
        world.at(when, lambda name=name: seen.append(f"{name}@{world.monotonic():g}"))
    world.run_for(10)
    assert seen == ["past@0", "a@1", "b@2", "c@3", "d@3"]


def test_a_cancelled_wake_up_does_not_fire() -> None:
    """Cancelling works once, late and twice, and leaves the others alone."""
    world = VirtualWorld()
    seen: list[str] = []
    first = world.at(1, lambda: seen.append("first"))
    second = world.at(2, lambda: seen.append("second"))
    world.cancel(first)
    world.cancel(first)
    world.run_for(5)
    world.cancel(second)
    world.cancel("not a handle")
    assert seen == ["second"]


def test_cancelling_what_has_fired_is_not_remembered() -> None:
    """A late cancel cannot hit a wake-up armed afterwards, nor pile up."""
    world = VirtualWorld()
    seen: list[int] = []
    for number in range(100):
        handle = world.at(number, lambda number=number: seen.append(number))
        world.run_for(1)
        world.cancel(handle)
    assert seen == list(range(100))


def test_run_until_says_whether_it_came_to_pass() -> None:
    """It stops at the event, or at the limit with the clock on the limit."""
    world = VirtualWorld()
    seen: list[int] = []
    world.at(5, lambda: seen.append(5))
    world.at(50, lambda: seen.append(50))
    assert world.run_until(lambda: bool(seen), limit=10)
    assert world.monotonic() == 5
    assert not world.run_until(lambda: len(seen) > 1, limit=10)
    assert world.monotonic() == 15
    assert world.run_until(lambda: True, limit=0)
    assert world.monotonic() == 15


def test_run_until_without_a_limit_ends_when_nothing_is_left() -> None:
    """With no wake-up armed there is nothing to wait for, and the clock stays."""
    world = VirtualWorld()
    world.at(5, lambda: None)
    assert not world.run_until(lambda: False, limit=float("inf"))
    assert world.monotonic() == 5


def test_what_never_lets_time_pass_is_found() -> None:
    """A wake-up that re-arms itself for now would spin for ever; the world says so instead."""
    world = VirtualWorld(steps_per_instant=1000)

    def again() -> None:
        world.at(world.monotonic(), again)

    again()
    with pytest.raises(RuntimeError, match="time stands still"):
        world.run_for(1)


def test_greenlets_that_never_let_time_pass_are_found() -> None:
    """Two who wake each other without end are the same mistake."""
    world = VirtualWorld(steps_per_instant=1000)

    def loop() -> None:
        while True:
            world.sleep(0)

    world.launch("restless", loop)
    with pytest.raises(RuntimeError, match="time stands still"):
        world.run_for(1)
    world.close()


def test_sleep_lets_others_run() -> None:
    """A sleeper holds up nobody; from the hub, sleeping runs the world."""
    world = VirtualWorld()
    seen: list[str] = []

    def sleeper() -> None:
        world.sleep(10)
        seen.append(f"slept@{world.monotonic():g}")

    world.launch("sleeper", sleeper)
    world.at(4, lambda: seen.append(f"timer@{world.monotonic():g}"))
    world.sleep(20)
    assert seen == ["timer@4", "slept@10"]
    assert world.monotonic() == 20


def test_a_failing_greenlet_does_not_take_the_world_down() -> None:
    """Whatever is raised, `SystemExit` included, ends that greenlet alone and is kept."""
    world = VirtualWorld()
    seen: list[str] = []
    errors = [ValueError("a"), SystemExit(3), KeyboardInterrupt()]

    def fails(error: BaseException) -> Callable[[], None]:
        def loop() -> None:
            raise error

        return loop

    for number, error in enumerate(errors):
        world.launch(f"bad {number}", fails(error))
    world.launch("good", lambda: seen.append("ran"))
    world.run_for(1)
    assert seen == ["ran"]
    assert sorted(world.failures, key=lambda failure: failure[0]) == [
        ("bad 0", errors[0]),
        ("bad 1", errors[1]),
        ("bad 2", errors[2]),
    ]


def test_closing_ends_what_still_waits() -> None:
    """A closed world keeps no greenlet alive: each is unwound, and none counts as a failure."""
    world = VirtualWorld()
    unwound: list[str] = []

    def waits(name: str, wait: Callable[[], object]) -> None:
        def loop() -> None:
            try:
                wait()
            finally:
                unwound.append(name)

        world.launch(name, loop)

    waits("mailbox", world.mailbox().get)
    waits("future", lambda: world.future().get(timeout=None))
    waits("sleep", lambda: world.sleep(100))
    world.run_for(1)
    waits("not begun", lambda: None)
    world.close()
    assert sorted(unwound) == ["future", "mailbox", "sleep"]
    assert world.failures == []


def test_closing_insists() -> None:
    """Code that catches the unwinding and waits again is unwound again; nobody is woken by it."""
    world = VirtualWorld()
    seen: list[str] = []

    def stubborn() -> None:
        try:
            world.sleep(100)
        except BaseException:  # noqa: BLE001 (exactly what must not help)
            seen.append("caught")
            world.sleep(100)
            seen.append("never")

    world.launch("stubborn", stubborn)
    world.run_for(1)
    world.close()
    assert seen == ["caught"]


def test_ids_sort_and_repeat_with_the_world() -> None:
    """Ids rise within a world and are the same in the next one."""
    world, again = VirtualWorld(1), VirtualWorld(2)
    ids = [world.new_id() for _ in range(1000)]
    assert ids == sorted(set(ids))
    assert ids == [again.new_id() for _ in range(1000)]
    assert all(set(each) <= set("0123456789abcdefghijklmnopqrstuvwxyz") for each in ids)


@given(seed=st.integers(0, 2**32), low=st.floats(-10, 0), high=st.floats(0, 10))
def test_chance_is_seeded_and_within_bounds(seed: int, low: float, high: float) -> None:
    """The same seed draws the same number, between the bounds."""
    drawn = VirtualWorld(seed).uniform(low, high)
    assert low <= drawn <= high
    assert drawn == VirtualWorld(seed).uniform(low, high)


def test_the_abandoned_never_run_again() -> None:
    """Not one more instruction, whoever wakes them; closing the world takes them along."""
    world = VirtualWorld()
    seen: list[str] = []

    def loop() -> None:
        try:
            world.sleep(1)
            seen.append("went on")
        finally:
            seen.append("unwound")

    waiting = world.spawn("waiting", loop)
    world.run_for(0.5)
    ready = world.spawn("ready", loop)
    world.abandon([waiting, ready])
    world.run_for(10)
    assert seen == []
    world.close()
    assert seen == ["unwound"]
