"""The way out of a websocket: queued, bounded, and closed in order."""

import asyncio
from typing import Any

import pytest

from adapters.paper.web import Connection


class Pipe:
    """A websocket whose other side reads only when told to."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.closed: tuple[Any, ...] | None = None
        self.gate = asyncio.Event()

    async def send_text(self, text: str) -> None:
        await self.gate.wait()
        self.sent.append(text)

    async def close(self, *told: Any) -> None:
        self.closed = told


def _played(script: Any) -> Pipe:
    async def play() -> Pipe:
        pipe = Pipe()
        connection = Connection(pipe)  # type: ignore[arg-type]
        writer = asyncio.create_task(connection.write())
        await script(pipe, connection)
        await asyncio.wait_for(writer, 5)
        return pipe

    return asyncio.run(play())


def test_what_is_queued_goes_out_before_the_end() -> None:
    """A hang-up waits for the frames before it."""

    async def script(pipe: Pipe, connection: Connection) -> None:
        connection.send(b"one")
        connection.send(b"two")
        connection.hang_up(1008, "enough")
        connection.hang_up(1000, "too late")
        pipe.gate.set()

    pipe = _played(script)
    assert (pipe.sent, pipe.closed) == (["one", "two"], (1008, "enough"))


def test_an_idle_connection_can_be_hung_up() -> None:
    """The writer wakes for the hang-up alone."""

    async def script(pipe: Pipe, connection: Connection) -> None:
        await asyncio.sleep(0)
        connection.hang_up(4000, "heartbeat close")

    assert _played(script).closed == (4000, "heartbeat close")


def test_a_reader_that_is_too_slow_is_dropped() -> None:
    """The queue is bounded: when it is full the connection ends, nobody waits."""

    async def script(pipe: Pipe, connection: Connection) -> None:
        for _ in range(3000):
            connection.send(b"frame")
        pipe.gate.set()

    pipe = _played(script)
    assert pipe.closed == (1013, "connection_too_slow")
    assert len(pipe.sent) < 3000


def test_a_reader_that_stands_still_is_dropped_soon_after_the_hang_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes no frame, and no closing one either: its place is free all the same."""
    monkeypatch.setattr(Connection, "last_seconds", 0.05)

    async def play() -> bool:
        connection = Connection(Pipe())  # type: ignore[arg-type]
        writer = asyncio.create_task(connection.write())
        connection.send(b"never read")
        await asyncio.sleep(0)
        connection.hang_up(1013, "connection_too_slow")
        await asyncio.wait_for(connection.wait_for_drop(), 5)
        return writer.cancel()

    assert asyncio.run(play())


def test_a_peer_that_left_while_it_was_told_is_no_error() -> None:
    """The socket refuses what is sent after its end: the writer ends, and nobody is told more."""

    class Gone(Pipe):
        async def send_text(self, text: str) -> None:
            raise RuntimeError("after sending 'websocket.close'")

    async def play() -> Gone:
        pipe = Gone()
        connection = Connection(pipe)  # type: ignore[arg-type]
        connection.send(b"one")
        await asyncio.wait_for(connection.write(), 5)
        return pipe

    pipe = asyncio.run(play())
    assert (pipe.sent, pipe.closed) == ([], None)
