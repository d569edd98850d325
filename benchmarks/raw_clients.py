"""Clients that cost next to nothing, so that what is measured is the server.

Requests are bytes made beforehand; replies are counted, not parsed. What is in flight at a time
is sent in one go and then waited for.
"""

import base64
import itertools
import json
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any

LOG_IN = {"grant_type": "client_credentials", "client_id": "paper", "client_secret": "paper"}
_BASIC = base64.b64encode(b"paper:paper").decode()
_LARGE = 65_536


def order(number: int) -> dict[str, Any]:
    """A small market order, buys and sells in turn, so that no position grows."""
    return {
        "instrument_name": "BTC-PERPETUAL",
        "amount": 10,
        "type": "market",
        "label": f"{number}",
    }


def side(number: int) -> str:
    return "private/buy" if number % 2 else "private/sell"


class WebSocketClient:
    """One websocket that sends ``burst`` orders at once and waits for the replies."""

    def __init__(self, port: int, burst: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._left, self._burst = b"", burst
        self._greet()
        self._socket.sendall(_frame("public/auth", LOG_IN, 0))
        self._read(1)
        self._numbers = itertools.count(1)

    def _greet(self) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET /ws/api/v2 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self._left:
            self._left += self._socket.recv(_LARGE)
        self._left = self._left.partition(b"\r\n\r\n")[2]

    def __call__(self) -> None:
        numbers = itertools.islice(self._numbers, self._burst)
        self._socket.sendall(b"".join(_frame(side(each), order(each), each) for each in numbers))
        self._read(self._burst)

    def _read(self, frames: int) -> None:
        for _ in range(frames):
            if b'"error"' in self._one():
                raise RuntimeError("the server refused an order of the benchmark")

    def _one(self) -> bytes:
        while (frame := _split(self._left)) is None:
            chunk = self._socket.recv(_LARGE)
            if not chunk:
                raise ConnectionError("the server hung up")
            self._left += chunk
        payload, self._left = frame
        return payload

    def close(self) -> None:
        self._socket.close()


def _split(data: bytes) -> tuple[bytes, bytes] | None:
    """The payload of the first whole frame of a server, and what follows it."""
    if len(data) < 2:
        return None
    length, start = data[1], 2
    if length == 126 and len(data) >= 4:
        length, start = struct.unpack_from("!H", data, 2)[0], 4
    if length == 126 and start == 2:
        return None
    end = start + length
    return (data[start:end], data[end:]) if len(data) >= end else None


def _frame(method: str, params: Mapping[str, Any], number: int) -> bytes:
    """A client's frame; its mask is zero, which is allowed and costs nobody anything."""
    body = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()
    return struct.pack("!BBH", 0x81, 0x80 | 126, len(body)) + bytes(4) + body


class HttpClients:
    """Kept-alive connections, each with one order in flight."""

    def __init__(self, port: int, connections: int) -> None:
        self._sockets = [
            socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(connections)
        ]
        for each in self._sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._numbers = itertools.count(1)

    def __call__(self) -> None:
        for connection in self._sockets:
            number = next(self._numbers)
            query = "&".join(f"{name}={value}" for name, value in order(number).items())
            connection.sendall(
                f"GET /api/v2/{side(number)}?{query} HTTP/1.1\r\nHost: localhost\r\n"
                f"Authorization: Basic {_BASIC}\r\n\r\n".encode()
            )
        for connection in self._sockets:
            if not _http_reply(connection).startswith(b"HTTP/1.1 200"):
                raise RuntimeError("the server refused an order of the benchmark")

    def close(self) -> None:
        for each in self._sockets:
            each.close()


def _http_reply(connection: socket.socket) -> bytes:
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0 or len(data) < end + 4 + _length(data[:end]):
        chunk = connection.recv(_LARGE)
        if not chunk:
            raise ConnectionError("the server hung up")
        data += chunk
    return data


def _length(head: bytes) -> int:
    lines: Sequence[bytes] = head.lower().split(b"\r\n")
    found = next(line for line in lines if line.startswith(b"content-length:"))
    return int(found.partition(b":")[2])
