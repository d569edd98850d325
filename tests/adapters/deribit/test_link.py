"""One connection's end, forced where a real socket cannot be made to fail on cue."""

import socket
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest
from websocket._abnf import frame_buffer

from actors.ports import NotSent, OutcomeUnknown
from adapters.clock import SystemClock
from adapters.deribit.frames import Frames
from adapters.deribit.link import Link
from adapters.deribit.turns import Turns
from tests.adapters.deribit.fakes import ManualClock


class BrokenFrames:
    """A socket that fails while writing."""

    def __init__(self) -> None:
        self.aborted = 0
        self.during_write: Any = None

    def send_whole(self, payload: bytes) -> None:
        if self.during_write is not None:
            self.during_write()
        raise BrokenPipeError("gone")

    def abort(self) -> None:
        self.aborted += 1


@pytest.fixture
def turns() -> Iterator[Turns]:
    """The turns on a socket that never has anything to read."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        made = Turns(ours.fileno())
        yield made
        made.close()


def link_on(frames: BrokenFrames, turns: Turns) -> tuple[Link, list[str]]:
    ends: list[str] = []

    def unread(link: Link, data: bytes) -> None:
        raise AssertionError((link, data))

    return Link(cast(Frames, frames), turns, ManualClock(), unread, ends.append), ends


def test_a_failed_write_is_unknown_and_ends_the_connection(turns: Turns) -> None:
    """Part of the frame may have left, so the order may exist and nothing can follow it."""
    frames = BrokenFrames()
    link, ends = link_on(frames, turns)
    with pytest.raises(OutcomeUnknown, match="while sending"):
        link.call("private/buy", {}, 1.0)
    assert ends == ["write failed: BrokenPipeError"]
    with pytest.raises(NotSent):
        link.call("private/buy", {}, 1.0)
    link.end("again")
    assert (len(ends), frames.aborted) == (1, 1)


def test_a_connection_that_ends_under_a_write_is_unknown(turns: Turns) -> None:
    """A caller whose bytes may have left never hears that they were not sent."""
    frames = BrokenFrames()
    link, ends = link_on(frames, turns)
    frames.during_write = lambda: link.end("closed by the venue with code 4000")
    with pytest.raises(OutcomeUnknown):
        link.call("private/buy", {}, 1.0)
    assert ends == ["closed by the venue with code 4000"]


def test_frames_without_a_socket_are_closed() -> None:
    """Reading after the end is the end, not a crash."""
    with pytest.raises(Exception, match="socket is closed"):
        Frames(SystemClock(), tick_seconds=1).receive()


class TricklingFrames(Frames):
    """A socket whose buffer takes seven bytes at a time."""

    def _send(self, data: Any) -> int:
        return super()._send(data[:7])


@pytest.mark.parametrize("length", [0, 5, 125, 126, 400, 65_535, 65_536])
def test_a_message_leaves_whole_and_masked(length: int) -> None:
    """Whatever the socket takes at a time, one well-formed frame of any length goes out."""
    ours, theirs = socket.socketpair()
    frames = TricklingFrames(SystemClock(), tick_seconds=1)
    frames.sock = ours
    payload = b"0123456789" * (length // 10) + b"x" * (length % 10)
    with ours, theirs:
        ours.settimeout(5)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        theirs.settimeout(5)
        sender = threading.Thread(target=frames.send_whole, args=(payload,))
        sender.start()
        received = frame_buffer(theirs.recv, skip_utf8_validation=False).recv_frame()
        sender.join(5)
    assert (received.opcode, received.fin, received.data) == (1, 1, payload)


def test_a_peer_that_stops_reading_ends_the_write() -> None:
    """A full buffer is waited for no longer than the write timeout."""
    ours, theirs = socket.socketpair()
    frames = Frames(SystemClock(), tick_seconds=1)
    frames.sock = ours
    with ours, theirs:
        ours.settimeout(0.02)
        with pytest.raises(TimeoutError):
            frames.send_whole(b"x" * 4_000_000)


def test_every_way_a_frame_can_arrive() -> None:
    """Byte by byte, several at once, with every length form, fragments and empty ones."""
    ours, theirs = socket.socketpair()
    frames = Frames(SystemClock(), tick_seconds=0.001)
    frames.sock = ours
    frames.attach()
    long = b"x" * 70_000
    stream = b"".join(
        [
            b"\x81\x02{}",
            b"\x81\x00",
            b"\x81\x7e\x00\xc8" + b"m" * 200,
            b"\x81\x7f" + len(long).to_bytes(8, "big") + long,
            b"\x01\x01a\x80\x01b",
            b"\x81\x03end",
        ]
    )
    expected = [b"{}", b"", b"m" * 200, long, b"ab", b"end"]
    try:
        for step in (len(stream), 1000, 7, 1):
            got: list[bytes] = []
            head = (
                stream
                if step > 7
                else stream.replace(long, b"y" * 130).replace(
                    len(long).to_bytes(8, "big"), (130).to_bytes(8, "big")
                )
            )
            for start in range(0, len(head), step):
                theirs.sendall(head[start : start + step])
                while (message := frames.receive()) is not None:
                    got.append(message)
            wanted = expected if step > 7 else [each.replace(long, b"y" * 130) for each in expected]
            assert got == wanted
    finally:
        ours.close()
        theirs.close()
