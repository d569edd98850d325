"""Reaching a host that has several addresses, of which some may be dead.

One that lets packets disappear (a server of several that is down, IPv6 on a line that only claims
to carry it) keeps websocket-client away from the venue until the resolver names them in another
order, and urllib3 for the whole of its timeout each. websocket-client also asks the environment for
a proxy, and follows it.
"""

import itertools
import math
import os
import selectors
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Self, cast
from urllib.parse import urlsplit

import structlog

from actors.ports import Clock

KEPT_ALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)  # not every system has them
    ),
)
"""A router forgets connections that rest, and drops what comes on them afterwards."""
OPTIONS = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), *KEPT_ALIVE)
LEAST_SECONDS = 0.001
"""A timeout of 0 would mean not to wait at all."""
MOST_TRIED = 4
HEAD_START = 0.2
"""Seconds an address has to itself before the next one is tried beside it: enough to answer from
anywhere, little enough for whoever waits."""
PORTS = {"ws": 80, "wss": 443}

Found = tuple[Any, Any, int, str, Any]
"""A line of `socket.getaddrinfo`: family, type, protocol, canonical name, address."""
Resolve = Callable[..., Iterable[Found]]

_log = structlog.get_logger(__name__)


def dialled(
    url: str, clock: Clock, *, seconds: float, resolve: Resolve = socket.getaddrinfo
) -> socket.socket:
    """A connection to an address of the URL's host that answers, TLS included for ``wss``.

    All addresses together have ``seconds``. Looking up the name is not counted.

    Raises:
        OSError: no address could be reached, or none is vouched for; the last one's reason.
        ValueError: no address of a websocket.
    """
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port or PORTS.get(parts.scheme)
    if not host or not port:
        raise ValueError("a websocket's address starts with ws:// or wss:// and names a host")
    context = ssl.create_default_context() if parts.scheme == "wss" else None
    with Race(host, port, clock, seconds=seconds, resolve=resolve) as race:
        while True:
            sock = race.winner()
            if context is None:
                return sock
            sock.settimeout(race.share)
            try:
                return context.wrap_socket(sock, server_hostname=host)
            except OSError as error:
                sock.close()
                race.failed(error)


class Race:
    """Who of a host's addresses answers first; see RFC 8305, happy eyeballs.

    One after the other is begun, families in turn, and those before it go on meanwhile: a dead
    one costs `HEAD_START`, a slow one nothing. ``seconds`` is what all have together.
    """

    def __init__(
        self,
        host: str,
        port: int,
        clock: Clock,
        *,
        seconds: float,
        resolve: Resolve = socket.getaddrinfo,
    ) -> None:
        found = _mixed(resolve(host, port, type=socket.SOCK_STREAM))
        self._host = host
        self._clock = clock
        self._waiting = deque(found[:MOST_TRIED])
        self._begun = selectors.DefaultSelector()
        self._begin_at = -math.inf
        self._until = clock.monotonic() + seconds
        self._failure = OSError("the name has no address")
        self._failures = self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for key in list(self._begun.get_map().values()):
            self._given_up(key.fileobj)
        self._begun.close()

    def winner(self) -> socket.socket:
        """The next connection that stands. Its timeout is the time that is left.

        Raises:
            OSError: nobody answers; the last reason.
        """
        while True:
            now = self._clock.monotonic()
            if self._waiting and now >= self._begin_at:
                self._begin(self._waiting.popleft())
                self._begin_at = now + HEAD_START
            elif not self._waiting and not self._running:
                raise self._failure
            elif now >= self._until:
                raise TimeoutError("timed out")
            elif sock := self._answered(now):
                return sock

    def failed(self, error: OSError) -> None:
        """An address is out of the race, for this reason: the next one need not wait."""
        self._failure = error
        self._failures += 1
        self._begin_at = -math.inf

    def _begin(self, found: Found) -> None:
        family, kind, protocol, _, address = found
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # a family this machine does not know
            self.failed(error)
            return
        self._count += 1
        self._begun.register(sock, selectors.EVENT_WRITE, self._count)
        try:
            for option in OPTIONS:
                sock.setsockopt(*option)
            sock.setblocking(False)
            sock.connect(address)
        except BlockingIOError:
            pass
        except OSError as error:
            self._given_up(sock)
            self.failed(error)

    def _answered(self, now: float) -> socket.socket | None:
        """Waits for the next thing to happen, or to be done."""
        until = min(self._until, self._begin_at) if self._waiting else self._until
        for key, _ in self._begun.select(max(0.0, until - now)):
            sock = cast("socket.socket", key.fileobj)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self._given_up(sock)
                self.failed(OSError(code, os.strerror(code)))
                continue
            self._begun.unregister(sock)
            self._stands(sock, key.data)
            return sock
        return None

    @property
    def share(self) -> float:
        """What one connection may take of the time that is left, if others are to have a turn."""
        return max(LEAST_SECONDS, self._left / (1 + len(self._waiting) + self._running))

    @property
    def _left(self) -> float:
        return max(LEAST_SECONDS, self._until - self._clock.monotonic())

    @property
    def _running(self) -> int:
        return len(self._begun.get_map())

    def _stands(self, sock: socket.socket, number: int) -> None:
        sock.settimeout(self._left)
        is_overtaken = any(key.data < number for key in self._begun.get_map().values())
        if self._failures or is_overtaken:
            reason = str(self._failure)[:120] if self._failures else "no answer yet"
            _log.warning("address_passed_over", host=self._host, reason=reason)

    def _given_up(self, sock: Any) -> None:
        self._begun.unregister(sock)
        sock.close()


def _mixed(found: Iterable[Found]) -> list[Found]:
    """Families take turns, in the resolver's order: when one is dead the second try is alive."""
    families: dict[Any, list[Found]] = {}
    for each in found:
        families.setdefault(each[0], []).append(each)
    turns = itertools.zip_longest(*families.values())
    return [each for turn in turns for each in turn if each is not None]
