"""The stream of events to a reader that stands still now and then."""

import asyncio
from collections.abc import Callable

from sse_starlette import ServerSentEvent

from actors.messages.trading import FlatVerified
from adapters.api.hub import EventHub
from adapters.api.stream import events
from tests.adapters.api.fakes import NOON, hide

KEPT = 10


def read(
    hub: EventHub, count: int, last_id: str, at: dict[int, Callable[[], None]]
) -> list[tuple[str | None, str | None]]:
    """So many pieces of the stream, by name and id; ``at`` is what happens after the n-th."""

    async def reading() -> list[tuple[str | None, str | None]]:
        stream = events(hub, hub.bell(), last_id, hide)
        found: list[ServerSentEvent] = []
        while len(found) < count:
            found.append(await asyncio.wait_for(anext(stream), 5))
            at.get(len(found), lambda: None)()
        return [(x.event, x.id) for x in found]

    return asyncio.run(reading())


def test_a_reader_that_falls_too_far_behind_is_told_what_it_missed() -> None:
    """While it takes one event more pass than are remembered; the rest follows without a gap."""
    hub = EventHub(1, kept=KEPT)

    def pass_by() -> None:
        for _ in range(KEPT + 5):
            hub.hear(FlatVerified(at=NOON, seconds=1.0))

    pass_by()
    start = hub.id_of(KEPT + 3)
    got = read(hub, 2 + 1 + KEPT, start, {1: pass_by})
    numbers = [KEPT + 4, KEPT + 5, *range(KEPT * 2 + 1, KEPT * 3 + 11)]
    assert got[:2] == [("flat_verified", hub.id_of(x)) for x in numbers[:2]]
    assert got[2] == ("events_missed", hub.id_of(KEPT + 5))
    assert got[3:] == [("flat_verified", hub.id_of(x)) for x in numbers[2:][:KEPT]]


def test_what_is_lost_at_the_start_is_told_once() -> None:
    """By the first piece, although the first event is not the next one either."""
    hub = EventHub(1, kept=KEPT)
    for _ in range(KEPT + 5):
        hub.hear(FlatVerified(at=NOON, seconds=1.0))
    got = read(hub, 1 + KEPT, hub.id_of(2), {})
    assert [x for x, _ in got] == ["events_missed", *["flat_verified"] * KEPT]
