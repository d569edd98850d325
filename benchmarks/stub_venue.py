"""A venue that answers every request with one fixed order reply, in a process of its own.

It speaks keep-alive HTTP and websocket on loopback, a blocking thread per connection, and does
as little as possible: what it costs is in the floor as well, and cancels out. The reply is what
Deribit sends to a filled ``private/buy`` (field names of the API reference), with the id of
the request put in, about 900 bytes of body.
"""

import base64
import hashlib
import re
import socket
import struct
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import orjson

from benchmarks.spawning import spawned

_ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_ID = re.compile(rb'"id": ?(\d+)')
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_KEY = re.compile(rb"sec-websocket-key: *([^\r]+)", re.IGNORECASE)
_STARTED_MS = 1767225600000

_ORDER = {
    "web": False,
    "time_in_force": "good_til_cancelled",
    "replaced": False,
    "reduce_only": False,
    "price": 98456.5,
    "post_only": False,
    "order_type": "market",
    "order_state": "filled",
    "order_id": "81634719325",
    "max_show": 1000,
    "last_update_timestamp": _STARTED_MS,
    "label": "bw.01kbench.entry.1",
    "is_rebalance": False,
    "is_liquidation": False,
    "instrument_name": "BTC-PERPETUAL",
    "filled_amount": 1000,
    "direction": "buy",
    "creation_timestamp": _STARTED_MS,
    "average_price": 97004.5,
    "api": True,
    "amount": 1000,
}
_TRADE = {
    "trade_seq": 30289442,
    "trade_id": "48079254",
    "timestamp": _STARTED_MS,
    "tick_direction": 1,
    "state": "filled",
    "reduce_only": False,
    "price": 97004.5,
    "post_only": False,
    "order_type": "market",
    "order_id": "81634719325",
    "mark_price": 97003.87,
    "liquidity": "T",
    "label": "bw.01kbench.entry.1",
    "instrument_name": "BTC-PERPETUAL",
    "index_price": 97011.22,
    "fee_currency": "BTC",
    "fee": 0.00000361,
    "direction": "buy",
    "amount": 1000,
}
_TAIL = orjson.dumps({"result": {"order": _ORDER, "trades": [_TRADE]}, "testnet": False})[1:]


def reply(request_id: bytes) -> bytes:
    """The body sent to the request with this id."""
    return b'{"jsonrpc":"2.0","id":%b,%b' % (request_id, _TAIL)


def http_reply(request_id: bytes) -> bytes:
    """The whole HTTP answer."""
    body = reply(request_id)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


def frame(request_id: bytes) -> bytes:
    """The whole websocket frame of the answer."""
    body = reply(request_id)
    return struct.pack("!BBH", 0x81, 126, len(body)) + body


@contextmanager
def stub_venue() -> Generator[tuple[int, int]]:
    """Runs the stub in a fresh process; gives its HTTP and websocket ports."""
    with spawned(_serve) as ports:
        yield ports


def _serve(ready: Connection) -> None:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ready.send(tuple(each.getsockname()[1] for each in listeners))
    threads = [
        threading.Thread(target=_accept, args=(listener, talk))
        for listener, talk in zip(listeners, (_talk_http, _talk_websocket), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _accept(listener: socket.socket, talk: Callable[[socket.socket], None]) -> None:
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=talk, args=(connection,), daemon=True).start()


def _talk_http(connection: socket.socket) -> None:
    while (request := _http_request(connection)) is not None:
        found = _ID.search(request)
        connection.sendall(http_reply(found[1] if found else b"1"))


def _http_request(connection: socket.socket) -> bytes | None:
    """One request, head and body; None when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += (chunk := connection.recv(65536))
        if not chunk:
            return None
    head, _, body = data.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    while length and len(body) < int(length[1]):
        body += connection.recv(65536)
    return body


def _talk_websocket(connection: socket.socket) -> None:
    key = _KEY.search(connection.recv(65536))
    if key is None:
        return
    accept = base64.b64encode(hashlib.sha1(key[1] + _ACCEPT, usedforsecurity=False).digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept
    )
    while data := connection.recv(65536):
        found = _ID.search(_unmasked(data))
        if found is None:  # a close frame: the client says good-bye
            return
        connection.sendall(frame(found[1]))


def _unmasked(data: bytes) -> bytes:
    """The payload of one masked frame of at most 65 535 bytes, which came in one piece."""
    start = 4 if data[1] & 0x7F == 126 else 2
    mask, body = data[start : start + 4], data[start + 4 :]
    key = (mask * (len(body) // 4 + 1))[: len(body)]
    return (int.from_bytes(body, "big") ^ int.from_bytes(key, "big")).to_bytes(len(body), "big")
