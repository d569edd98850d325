"""Client time of one order: request built -> bytes out -> reply in -> reply parsed.

All clients send the same order to the same stub venue in another process and hand back a parsed
order; the stub's own time, the loopback and the wake-ups of the scheduler are in the floor, a
raw keep-alive socket that sends prepared bytes and reads the reply without looking at it. So
"client time" is what is left above the floor of the same round. Websocket is held against a raw
websocket frame, HTTP against a raw HTTP request.

The peers are `requests.Session` with nothing around it (a JSON-RPC body posted, the reply's
JSON taken), bare and with the look at the environment switched off, and ccxt's synchronous
``create_order``: unmodified, its rate limiter off, its markets given by hand.
"""

import itertools
import socket
import struct
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import ccxt  # pyright: ignore[reportMissingTypeStubs] - it has none
import orjson
import requests

from adapters.clock import SystemClock
from adapters.deribit.catalogue import Catalogue
from adapters.deribit.http import HttpRpc
from adapters.deribit.limits import Limiter, Rate, Rates
from adapters.deribit.venue import DeribitVenue
from adapters.deribit.websocket import WebSocketRpc
from benchmarks.measuring import Effort, Timings, interleaved
from benchmarks.rows import Row
from benchmarks.samples import BTC
from benchmarks.stub_venue import frame, http_reply, stub_venue
from domain.labels import Label, Role
from domain.orders import OrderRequest, OrderType, Side

CALLS = 300
WEBSOCKET_TARGET_US = 25.0
CCXT_TARGET = 15.0
_ENDLESS = Rate(per_second=1e9, burst=10**9)
_RATES = Rates(matching=_ENDLESS, mass_cancel=_ENDLESS, other=_ENDLESS)
_MASK = b"\x11\x22\x33\x44"

Action = Callable[[], object]


def run(effort: Effort) -> list[Row]:
    """The client times of one order over every way."""
    with stub_venue() as (http_port, ws_port), ExitStack() as stack:
        actions: dict[str, Action] = {
            "raw frame": stack.enter_context(_raw_frame(ws_port)),
            "websocket": stack.enter_context(_our_websocket(ws_port)),
            "raw request": stack.enter_context(_raw_request(http_port)),
            "fallback": stack.enter_context(_our_fallback(http_port)),
            "session": stack.enter_context(_session(http_port, trust_env=True)),
            "quiet session": stack.enter_context(_session(http_port, trust_env=False)),
            "ccxt": stack.enter_context(_ccxt(http_port)),
        }
        taken = interleaved(actions, rounds=effort.rounds, calls=effort.calls(CALLS))
    return _rows(taken)


def _rows(taken: Mapping[str, Timings]) -> list[Row]:
    frames, requested = taken["raw frame"], taken["raw request"]
    websocket = taken["websocket"].over(frames)
    fallback, ccxt_time = taken["fallback"].over(requested), taken["ccxt"].over(requested)
    session = taken["session"].over(requested)
    quiet = taken["quiet session"].over(requested)
    floors = f"floors: raw frame {frames.median:.0f} us, raw request {requested.median:.0f} us"
    return [
        Row(
            what="websocket DeribitVenue.place, client time",
            ours=websocket,
            unit="us",
            against="raw websocket frame, whole round trip",
            theirs=frames.median,
            target="<= 25 us above the floor",
            met=websocket <= WEBSOCKET_TARGET_US,
            note=floors,
        ),
        Row(
            what="the same, against ccxt",
            ours=websocket,
            unit="us",
            against="ccxt sync create_order",
            theirs=ccxt_time,
            ratio=websocket / ccxt_time,
            target="<= 1/15",
            met=websocket * CCXT_TARGET <= ccxt_time,
        ),
        Row(
            what="HTTP fallback DeribitVenue.place, client time",
            ours=fallback,
            unit="us",
            against="requests.Session.post",
            theirs=session,
            ratio=fallback / session,
            target="<= 1",
            met=fallback <= session,
        ),
        Row(
            what="the same, against a session that ignores the environment",
            ours=fallback,
            unit="us",
            against="requests.Session.post, trust_env off",
            theirs=quiet,
            ratio=fallback / quiet,
        ),
    ]


def _request(number: int) -> OrderRequest:
    return OrderRequest(
        instrument=BTC,
        side=Side.BUY,
        contracts=100,
        order_type=OrderType.MARKET,
        label=str(Label("01kbench", Role.ENTRY, number % 9000 + 1)),
        valid_until_ms=1767225600000,
    )


def _placing(venue: DeribitVenue) -> Action:
    requests = itertools.cycle([_request(number) for number in range(1000)])
    return lambda: venue.place(next(requests))


def _venue(stream: WebSocketRpc, plain: HttpRpc) -> DeribitVenue:
    clock = SystemClock()
    limiter = Limiter(clock, _RATES)
    return DeribitVenue(stream, plain, Catalogue([BTC]), clock, limiter)


def _stream(port: int) -> WebSocketRpc:
    def ignore(*_: object) -> None: ...

    return WebSocketRpc(
        f"ws://127.0.0.1:{port}/ws/api/v2",
        SystemClock(),
        on_notification=ignore,
        on_lost=ignore,
    )


@contextmanager
def _our_websocket(port: int) -> Generator[Action]:
    stream = _stream(port)
    stream.connect()
    stream.authorize()
    try:
        yield _placing(_venue(stream, HttpRpc("http://127.0.0.1:1")))
    finally:
        stream.close()


@contextmanager
def _our_fallback(port: int) -> Generator[Action]:
    """As while the websocket is down: it refuses, and the order goes over HTTP."""
    plain = HttpRpc(f"http://127.0.0.1:{port}/api/v2")
    plain.authorize("token-of-a-session")
    try:
        yield _placing(_venue(_stream(port), plain))
    finally:
        plain.close()


@contextmanager
def _session(port: int, *, trust_env: bool) -> Generator[Action]:
    url = f"http://127.0.0.1:{port}/api/v2"
    numbers = itertools.count(1)
    with requests.Session() as session:
        session.trust_env = trust_env
        session.headers["Authorization"] = "Bearer token-of-a-session"

        def post() -> object:
            return session.post(url, json=_body(next(numbers)), timeout=2).json()["result"]

        yield post


@contextmanager
def _ccxt(port: int) -> Generator[Action]:
    client: Any = ccxt.deribit({"apiKey": "id", "secret": "secret", "enableRateLimit": False})
    client.urls["api"] = {"rest": f"http://127.0.0.1:{port}"}
    client.set_markets([_ccxt_market(client)])
    try:
        yield lambda: client.create_order("BTC/USD:BTC", "market", "buy", 1000, None)
    finally:
        client.session.close()


def _ccxt_market(client: Any) -> dict[str, Any]:
    return client.safe_market_structure(
        {
            "id": "BTC-PERPETUAL",
            "symbol": "BTC/USD:BTC",
            "base": "BTC",
            "quote": "USD",
            "settle": "BTC",
            "type": "swap",
            "swap": True,
            "contract": True,
            "inverse": True,
            "contractSize": 10,
            "active": True,
            "precision": {"amount": 10, "price": 0.5},
            "limits": {"amount": {"min": 10}},
        }
    )


def _body(number: int) -> dict[str, Any]:
    params = {
        "instrument_name": "BTC-PERPETUAL",
        "amount": 1000,
        "type": "market",
        "label": f"bw.01kbench.entry.{number % 9000 + 1}",
        "post_only": False,
        "reduce_only": False,
        "valid_until": 1767225600000,
    }
    return {"jsonrpc": "2.0", "id": number, "method": "private/buy", "params": params}


@contextmanager
def _raw_request(port: int) -> Generator[Action]:
    body = orjson.dumps(_body(1000))
    head = b"POST /api/v2 HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: %d\r\n\r\n" % len(body)
    with _connected(port) as connection:
        yield _exchange(connection, head + body, len(http_reply(b"1000")))


@contextmanager
def _raw_frame(port: int) -> Generator[Action]:
    body = orjson.dumps(_body(1000))
    key = (_MASK * (len(body) // 4 + 1))[: len(body)]
    masked = bytes(a ^ b for a, b in zip(body, key, strict=True))
    sent = struct.pack("!BBH", 0x81, 0x80 | 126, len(body)) + _MASK + masked
    with _connected(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\n\r\n")
        connection.recv(65536)
        yield _exchange(connection, sent, len(frame(b"1000")))


def _connected(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _exchange(connection: socket.socket, sent: bytes, expected: int) -> Action:
    def exchange() -> None:
        connection.sendall(sent)
        left = expected
        while left:
            left -= len(connection.recv(left))

    return exchange
