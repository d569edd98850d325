"""A websocket whose reads are buffered and whose socket has one user at a time.

websocket-client asks its socket three times per frame (header, length, payload) and spends 10 us
on framing one request and its reply. Here one read serves many frames, and the common frame
(whole, unfragmented, in the buffer) is cut out by hand in 2 us; everything else (fragments,
control frames, frames still arriving) goes the library's way.

OpenSSL forbids two threads inside one TLS connection, and CPython 3.11 does not guard it, so
reads and writes of the socket exclude each other: waiting for data happens outside that lock,
in ``poll``.
"""

# websocket-client annotates its own methods with bare lists and tuples.
# pyright: reportUnknownMemberType=false

import os
import select
import socket
import ssl
import struct
import threading
from contextlib import suppress
from typing import Any, cast

import websocket
from websocket import ABNF, WebSocketConnectionClosedException, WebSocketTimeoutException

from actors.ports import Clock
from adapters.dialing import dialled

READ_BYTES = 65536
WHOLE_TEXT = 0x81
"""First byte of an unfragmented text frame."""
SHORT, MEDIUM = 126, 0x10000
"""Payloads below these lengths have no, or a two-byte, extended length."""
MASKED = 0x80
_DATA = frozenset({ABNF.OPCODE_TEXT, ABNF.OPCODE_BINARY})


class Frames(websocket.WebSocket):
    """One reader thread, any number of writers."""

    def __init__(self, clock: Clock, *, tick_seconds: float) -> None:
        super().__init__(
            enable_multithread=True,
            skip_utf8_validation=True,  # the JSON decoder refuses what is not UTF-8
        )
        self._clock = clock
        self._tick_seconds = tick_seconds
        self._until = 0.0
        self._using_socket = threading.Lock()
        self._poll = select.poll()
        self._received: bytes = b""
        self._start: int = 0
        self._inside_message = False

    def open(self, url: str, *, connect_timeout: float, write_timeout: float) -> None:
        """Connects and shakes hands, past any proxy of the environment.

        Raises:
            OSError, WebSocketException, ValueError: no connection.
        """
        sock = dialled(url, self._clock, seconds=connect_timeout)
        sock.settimeout(connect_timeout)
        self.connect(url, socket=sock, redirect_limit=0)
        self.settimeout(write_timeout)
        self.attach()

    def attach(self) -> None:
        """Starts to watch the socket for data."""
        self._poll.register(self.fileno(), select.POLLIN)

    @property
    def holds_more(self) -> bool:
        """Whether something was taken off the socket already that `receive` has not given."""
        sock = self.sock
        ahead = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        return ahead or self._start < len(self._received)

    def receive(self, seconds: float | None = None) -> bytes | None:
        """The next message, or None when none came within ``seconds`` (a tick).

        Raises:
            OSError, WebSocketException: the connection is over.
        """
        patience = self._tick_seconds if seconds is None else seconds
        self._until = self._clock.monotonic() + patience
        try:
            if not self._inside_message:
                data = self._whole_frame()
                if data is not None:
                    return data
            self._inside_message = True
            opcode, data = cast(tuple[int, bytes], self.recv_data())
        except WebSocketTimeoutException:
            return None
        self._inside_message = False
        if opcode in _DATA:
            return data
        code = int.from_bytes(data[:2], "big") if data else 1005
        raise WebSocketConnectionClosedException(f"closed by the venue with code {code}")

    def send_whole(self, payload: bytes) -> None:
        """Sends one text message in one write.

        Raises:
            OSError, WebSocketException: part of it may have left.
        """
        length = len(payload)
        if length < SHORT:
            head = struct.pack("!BB", WHOLE_TEXT, MASKED | length)
        elif length < MEDIUM:
            head = struct.pack("!BBH", WHOLE_TEXT, MASKED | 126, length)
        else:
            head = struct.pack("!BBQ", WHOLE_TEXT, MASKED | 127, length)
        mask = os.urandom(4)
        key = int.from_bytes((mask * (length // 4 + 1))[:length], "big")
        masked = (int.from_bytes(payload, "big") ^ key).to_bytes(length, "big")
        data = b"".join((head, mask, masked))
        with self.lock:
            while data:
                data = data[self._send(data) :]

    def abort(self) -> None:
        """Ends the connection under whoever uses it.

        A TLS socket's own way forgets its keys first: a write that comes just then would leave in
        the clear.
        """
        with suppress(OSError, TypeError):  # closed by then, or never open
            socket.socket.shutdown(cast(socket.socket, self.sock), socket.SHUT_RDWR)

    def _whole_frame(self) -> bytes | None:
        """The payload of the next frame when it is plain text and all here."""
        if self._start == len(self._received):
            self._received, self._start = self._read(), 0
        buffer, start = self._received, self._start
        if buffer[start] != WHOLE_TEXT or len(buffer) < start + 4:
            return None
        length, body = buffer[start + 1], start + 2
        if length == 126:
            length, body = int.from_bytes(buffer[body : body + 2], "big"), body + 2
        elif length > 126:  # a masked or very long frame
            return None
        if len(buffer) < body + length:
            return None
        self._start = body + length
        return buffer[body : body + length]

    def _recv(self, bufsize: int) -> bytes:
        if self._start == len(self._received):
            self._received, self._start = self._read(), 0
        end = self._start + bufsize
        chunk = self._received[self._start : end]
        self._start += len(chunk)
        return chunk

    def _read(self) -> bytes:
        sock = self.sock
        if sock is None:
            raise WebSocketConnectionClosedException("socket is closed")
        data = None
        while data is None:
            left_ms = max(0.0, 1000 * (self._until - self._clock.monotonic()))
            buffered = isinstance(sock, ssl.SSLSocket) and sock.pending()
            if not buffered and not self._poll.poll(left_ms):
                raise WebSocketTimeoutException("nothing received")
            with self._using_socket:
                is_tls = isinstance(sock, ssl.SSLSocket)
                data = _decrypted(sock) if is_tls else sock.recv(READ_BYTES)
        if not data:
            raise WebSocketConnectionClosedException("connection ended")
        return data

    def _send(self, data: Any) -> int:
        sock = self.sock
        if sock is None:
            raise WebSocketConnectionClosedException("socket is closed")
        with self._using_socket:
            return sock.send(data)


def _decrypted(sock: ssl.SSLSocket) -> bytes | None:
    """What is there whole; None for a part of a record, whose rest is waited for in ``poll``.

    Waited for under the lock, a packet that is lost in the middle of a large reply would hold up
    every order until it is repeated.
    """
    usual = sock.gettimeout()
    sock.settimeout(0)
    try:
        return sock.recv(READ_BYTES)
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return None
    finally:
        sock.settimeout(usual)
