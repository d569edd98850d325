"""Hosts with several addresses, some of them dead, on real sockets of this machine."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from adapters.clock import SystemClock
from adapters.dialing import Found, dialled
from tests.adapters.deribit.tls import certify, peer

SECONDS = 2.0
CLOCK = SystemClock()
Address = tuple[str, int]


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def alive(opened: ExitStack) -> Address:
    """Somebody listens here."""
    return opened.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()


def refusing(_: ExitStack) -> Address:
    """Nobody listens here, and the system says so."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        return gone.getsockname()


def crowded(opened: ExitStack) -> socket.socket:
    """Nobody is let in here: the queue of those who wait is full, further packets are dropped."""
    server = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
    for _ in range(4):
        waiting = opened.enter_context(closing(socket.socket()))
        waiting.setblocking(False)
        waiting.connect_ex(server.getsockname())
    return server


def silent(opened: ExitStack) -> Address:
    """Nobody answers here."""
    return crowded(opened).getsockname()


def slow(opened: ExitStack) -> Address:
    """Half a second later somebody does, and whoever tries again is heard."""
    server = crowded(opened)

    def let_in() -> None:
        server.settimeout(1.0)
        with ExitStack() as guests, suppress(TimeoutError):
            while True:
                guests.enter_context(server.accept()[0])

    opening = threading.Timer(0.5, let_in)
    opened.callback(opening.join)
    opening.start()
    return server.getsockname()


def naming(*addresses: Address, family: int = socket.AF_INET) -> Callable[..., list[Found]]:
    """A resolver that knows one host."""

    def resolve(*_: object, **__: object) -> list[Found]:
        return [(family, socket.SOCK_STREAM, 0, "", each) for each in addresses]

    return resolve


@pytest.mark.parametrize("dead", [refusing, silent])
def test_the_next_address_is_tried(opened: ExitStack, dead: Callable[[ExitStack], Address]) -> None:
    """One server of several that is down, or swallows packets, keeps nobody away."""
    there = alive(opened)
    named = naming(dead(opened), there)
    with dialled("ws://venue/ws", CLOCK, seconds=SECONDS, resolve=named) as sock:
        assert sock.getpeername() == there


def test_a_family_that_is_dead_costs_one_try(opened: ExitStack) -> None:
    """However many addresses of IPv6 are named first: it is IPv4's turn after one of them."""
    there = alive(opened)
    lines = [
        *naming(*[("::ffff:192.0.2.1", 9)] * 6, family=socket.AF_INET6)(),
        *naming(there)(),
    ]
    with dialled("ws://venue/ws", CLOCK, seconds=SECONDS, resolve=lambda *_, **__: lines) as sock:
        assert sock.getpeername() == there


def test_all_together_have_the_time_of_one(opened: ExitStack) -> None:
    """An actor waits: eight silent addresses take no longer than one, and the reason is told."""
    dead = silent(opened)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        dialled("ws://venue/ws", CLOCK, seconds=0.4, resolve=naming(*[dead] * 8))
    assert time.monotonic() - began < 4 * 0.4


def test_a_slow_address_is_not_given_up_for_the_next_one(opened: ExitStack) -> None:
    """The others have been tried by when it answers: it was waited for beside them."""
    late = slow(opened)
    named = naming(late, silent(opened), refusing(opened))
    with dialled("ws://venue/ws", CLOCK, seconds=2.5, resolve=named) as sock:
        assert sock.getpeername() == late


def test_an_address_that_answers_before_the_others_is_no_warning(opened: ExitStack) -> None:
    """From far away each takes longer than the head start of the first."""
    late = slow(opened)
    named = naming(late, silent(opened))
    with (
        capture_logs() as told,
        dialled("ws://venue/ws", CLOCK, seconds=2.5, resolve=named) as sock,
    ):
        assert sock.getpeername() == late
    assert told == []
    named = naming(silent(opened), alive(opened))
    with capture_logs() as told, dialled("ws://venue/ws", CLOCK, seconds=2.5, resolve=named):
        pass
    assert [x["event"] for x in told] == ["address_passed_over"]


def test_what_others_left_is_the_last_ones(opened: ExitStack) -> None:
    """Those that refuse at once cost nothing: a slow one behind them has nearly all of the time."""
    named = naming(*[refusing(opened)] * 3, silent(opened))
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        dialled("ws://venue/ws", CLOCK, seconds=0.4, resolve=named)
    assert time.monotonic() - began > 0.3


def test_the_last_reason_is_told(opened: ExitStack) -> None:
    """When nobody is there, whoever waits learns why, and as soon as the last one has said so."""
    named = naming(*[refusing(opened)] * 3)
    with pytest.raises(ConnectionRefusedError):
        dialled("ws://venue/ws", CLOCK, seconds=SECONDS, resolve=named)


def test_an_address_that_never_greets_is_passed_over(
    opened: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the connection and then says nothing: TLS is part of reaching somebody."""
    made = certify(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made))
    with peer(made, lambda venue: venue.put(venue.encrypted(b"hello"))) as url:
        port = urlsplit(url).port or 0
        named = naming(alive(opened), ("127.0.0.1", port))
        with dialled(url, CLOCK, seconds=SECONDS, resolve=named) as sock:
            request = b"GET / HTTP/1.1\r\nSec-WebSocket-Key: x\r\n\r\n"
            sock.sendall(request)
            assert sock.recv(100).startswith(b"HTTP/1.1 101")


def test_a_name_without_an_address_is_told() -> None:
    """A resolver may answer with nothing."""
    with pytest.raises(OSError, match="no address"):
        dialled("ws://venue/ws", CLOCK, seconds=SECONDS, resolve=naming())


@pytest.mark.parametrize("url", ["", "ws:///path", "http://venue/ws", "venue"])
def test_what_is_no_websocket_is_refused(url: str) -> None:
    """An empty host would mean this machine."""
    with pytest.raises(ValueError, match="ws://"):
        dialled(url, CLOCK, seconds=SECONDS, resolve=naming())
