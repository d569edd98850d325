"""What is under way: its delay, and the order of its connection."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.paper.faults.courier import Courier
from adapters.paper.faults.fates import AT_ONCE, Delivery
from simulation.runtime import VirtualWorld


class Post:
    """A courier on virtual time, and what arrived: its name and the milliseconds it took."""

    def __init__(self) -> None:
        self.world = VirtualWorld()
        self.courier = Courier(self.world.monotonic, self.world.at)
        self.arrived: list[tuple[str, int]] = []

    def note(self, name: str) -> Callable[[], None]:
        return lambda: self.arrived.append((name, round(self.world.monotonic() * 1000)))

    def send(self, name: str, delay_ms: float, lane: str = "c1", *, in_order: bool = True) -> None:
        self.courier.send(lane, delay_ms, self.note(name), in_order=in_order)

    def notify(self, name: str, delivery: Delivery) -> None:
        self.courier.notify("c1", delivery, self.note(name))

    def wait(self, seconds: float = 10) -> list[tuple[str, int]]:
        self.world.run_for(seconds)
        return self.arrived


@pytest.fixture
def post() -> Post:
    return Post()


def test_what_has_no_delay_happens_at_once(post: Post) -> None:
    """Within the call."""
    post.send("a", 0)
    post.notify("b", AT_ONCE)
    assert post.arrived == [("a", 0), ("b", 0)]


def test_nothing_overtakes_on_one_connection(post: Post) -> None:
    """The second is done sooner and waits; on another connection, or out of order, it does not."""
    post.send("slow", 500)
    post.send("quick", 10)
    post.send("at once", 0)
    post.send("elsewhere", 20, "c2")
    post.send("alone", 30, "")
    post.send("out of order", 40, in_order=False)
    assert post.wait() == [
        ("elsewhere", 20),
        ("alone", 30),
        ("out of order", 40),
        ("slow", 500),
        ("quick", 500),
        ("at once", 500),
    ]


def test_an_ended_connection_keeps_nobody_waiting(post: Post) -> None:
    """Its name may be used again."""
    post.send("before", 500)
    post.courier.forget("c1")
    post.send("after", 10)
    assert post.wait() == [("after", 10), ("before", 500)]


def test_copies_of_a_notification_come_each_in_its_time(post: Post) -> None:
    """A lost one has none."""
    post.notify("doubled", Delivery(delays=(0, 300)))
    post.notify("lost", Delivery(delays=()))
    assert post.wait() == [("doubled", 0), ("doubled", 300)]


def test_a_held_notification_comes_after_the_next(post: Post) -> None:
    """Once; and after its patience when none follows."""
    post.notify("first", Delivery(held_ms=1000))
    post.notify("second", AT_ONCE)
    post.notify("third", Delivery(held_ms=1000))
    assert post.wait() == [("second", 0), ("first", 0), ("third", 1000)]


def test_what_sends_while_it_arrives_is_carried_too(post: Post) -> None:
    """A reply is sent by the request's arrival."""
    post.courier.send("out", 100, lambda: post.send("reply", 50, "back"))
    assert post.wait() == [("reply", 150)]


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 50)), max_size=30))
def test_on_one_connection_the_order_is_kept_whatever_the_delays(
    sent: list[tuple[int, int]],
) -> None:
    """And nothing comes before its delay is over."""
    post = Post()
    earliest: list[int] = []
    for number, (delay_ms, pause_ms) in enumerate(sent):
        earliest.append(round(post.world.monotonic() * 1000) + delay_ms)
        post.send(str(number), delay_ms)
        post.world.run_for(pause_ms / 1000)
    arrived = post.wait()
    assert [name for name, _ in arrived] == [str(number) for number in range(len(sent))]
    assert all(at >= least for (_, at), least in zip(arrived, earliest, strict=True))
