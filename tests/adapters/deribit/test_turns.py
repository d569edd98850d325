"""Who reads the socket: the reader thread, or a caller that waits for its reply."""

import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adapters.deribit.turns import CAN_SWITCH_OFF, Turns
from adapters.deribit.websocket import WebSocketRpc
from tests.adapters.deribit.fakes import WAIT, ManualClock, SocketServer, reply

Script = Callable[[dict[str, Any]], list[str | bytes] | None]

needs_epoll = pytest.mark.skipif(not CAN_SWITCH_OFF, reason="this system has no epoll")


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets: what is sent on the second can be read on the first."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@needs_epoll
def test_the_watch_sleeps_while_a_caller_reads(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    """What arrives in a caller's turn wakes the reader thread only once the turn is over."""
    ours, theirs = sockets
    turns = Turns(ours.fileno())
    assert turns.take()
    theirs.send(b"x")
    assert not turns.wait(0.0)
    turns.give_back()
    assert turns.wait(0.0)
    turns.close()


@needs_epoll
def test_one_reads_at_a_time(sockets: tuple[socket.socket, socket.socket]) -> None:
    """While the reader thread, or another caller, reads, nobody else gets a turn."""
    turns = Turns(sockets[0].fileno())
    with turns:
        assert not turns.take()
    assert turns.take()
    assert not turns.take()
    turns.give_back()
    turns.close()
    assert not turns.take()


def test_where_nothing_can_be_switched_off_callers_never_read(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    """Without epoll the reader thread reads everything."""
    ours, theirs = sockets
    turns = Turns(ours.fileno(), can_switch_off=False)
    assert not turns.take()
    assert not turns.wait(0.0)
    theirs.send(b"x")
    assert turns.wait(0.0)
    turns.close()


def notification(channel: str) -> str:
    params = {"channel": channel, "data": 1}
    return json.dumps({"jsonrpc": "2.0", "method": "subscription", "params": params})


class Heard:
    """Notifications, and the threads they were heard in."""

    def __init__(self) -> None:
        self.notes: queue.Queue[tuple[str, str]] = queue.Queue()
        self.lost: queue.Queue[str] = queue.Queue()

    def on_notification(self, channel: str, data: Any) -> None:
        del data
        self.notes.put((channel, threading.current_thread().name))


@pytest.fixture
def connected() -> Iterator[Callable[[Script], tuple[WebSocketRpc, Heard]]]:
    """Starts a client on a scripted server; both end with the test."""
    ends: list[Callable[[], None]] = []

    def connect(script: Script) -> tuple[WebSocketRpc, Heard]:
        server, heard = SocketServer(script), Heard()
        server.__enter__()
        rpc = WebSocketRpc(
            server.url,
            ManualClock(),
            on_notification=heard.on_notification,
            on_lost=heard.lost.put,
            tick_seconds=0.01,
        )
        rpc.connect()
        ends.extend((lambda: server.__exit__(None, None, None), rpc.close))
        return rpc, heard

    yield connect
    for end in reversed(ends):
        end()


@needs_epoll
def test_a_caller_reads_what_comes_before_its_reply(
    connected: Callable[[Script], tuple[WebSocketRpc, Heard]],
) -> None:
    """Nobody else is woken for it; what comes later is the reader thread's again."""

    def script(request: dict[str, Any]) -> list[str | bytes]:
        return [notification("before"), reply(request, 1)]

    rpc, heard = connected(script)
    me = threading.current_thread().name
    for _ in range(20):
        assert rpc.call("m", {}, timeout=WAIT) == 1
        assert heard.notes.get(timeout=WAIT) == ("before", me)


def test_nothing_that_came_along_with_a_reply_is_left_lying(
    connected: Callable[[Script], tuple[WebSocketRpc, Heard]],
) -> None:
    """Whether it was read with the reply or after it, it is heard without another frame."""

    def script(request: dict[str, Any]) -> list[str | bytes]:
        return [reply(request, 1), *(notification(f"after {n}") for n in range(5))]

    rpc, heard = connected(script)
    for _ in range(20):
        assert rpc.call("m", {}, timeout=WAIT) == 1
        channels = [heard.notes.get(timeout=WAIT)[0] for _ in range(5)]
        assert channels == [f"after {n}" for n in range(5)]


class ClosedMeanwhile:
    """The lock of turns whose reader closes them between a caller's two looks."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._lock = threading.Lock()

    def acquire(self, *, blocking: bool) -> bool:
        self._turns.close()
        return self._lock.acquire(blocking=blocking)

    def release(self) -> None:
        self._lock.release()


@needs_epoll
def test_turns_that_are_closed_while_one_is_taken_give_none(
    sockets: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection ends at that moment: its caller is told so, instead of failing himself."""
    turns = Turns(sockets[0].fileno())
    lock = ClosedMeanwhile(turns)
    monkeypatch.setattr(turns, "_reading", lock)
    assert not turns.take()
    assert lock.acquire(blocking=False)
