"""Reaching a host that has several addresses, of which some may be dead.

websocket-client goes on to the next address only when the first one refuses. One that lets packets
disappear (a server of several that is down, IPv6 on a line that only claims to carry it) keeps it
away from the venue until the resolver names them in another order. It also asks the environment
for a proxy, and follows it.
"""

import itertools
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
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
MOST_TRIED = 4
"""So many addresses share the time: each keeps long enough for a packet that was lost once."""
LEAST_SECONDS = 0.001
"""A timeout of 0 would mean not to wait at all."""
PORTS = {"ws": 80, "wss": 443}

Found = tuple[Any, Any, int, str, Any]
"""A line of `socket.getaddrinfo`: family, type, protocol, canonical name, address."""

_log = structlog.get_logger(__name__)


def dialled(
    url: str,
    clock: Clock,
    *,
    seconds: float,
    resolve: Callable[..., Iterable[Found]] = socket.getaddrinfo,
) -> socket.socket:
    """A connection to the first address of the URL's host that answers, TLS included for ``wss``.

    All addresses together have ``seconds``: each an equal part of what those before it left.
    Looking up the name is not counted.

    Raises:
        OSError: no address could be reached, or none is vouched for; the last one's reason.
        ValueError: no address of a websocket.
    """
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port or PORTS.get(parts.scheme)
    if not host or not port:
        raise ValueError("a websocket's address starts with ws:// or wss:// and names a host")
    context = ssl.create_default_context() if parts.scheme == "wss" else None
    addresses = _mixed(resolve(host, port, type=socket.SOCK_STREAM))[:MOST_TRIED]
    failure = OSError("the name has no address")
    until = clock.monotonic() + seconds
    for passed, tried in enumerate(addresses):
        now = clock.monotonic()
        share = _Share(clock, now + (until - now) / (len(addresses) - passed))
        try:
            sock = _reached(tried, host, context, share)
        except OSError as error:
            failure = error
        else:
            if passed:
                _log.warning("address_passed_over", host=host, reason=str(failure)[:120])
            return sock
    raise failure


def _mixed(found: Iterable[Found]) -> list[Found]:
    """Families take turns, in the resolver's order: when one is dead the second try is alive."""
    families: dict[Any, list[Found]] = {}
    for each in found:
        families.setdefault(each[0], []).append(each)
    turns = itertools.zip_longest(*families.values())
    return [each for turn in turns for each in turn if each is not None]


class _Share(NamedTuple):
    """The time one address has, connecting and TLS together."""

    clock: Clock
    until: float

    @property
    def left(self) -> float:
        return max(LEAST_SECONDS, self.until - self.clock.monotonic())


def _reached(
    found: Found, host: str, context: ssl.SSLContext | None, share: _Share
) -> socket.socket:
    family, kind, protocol, _, address = found
    sock = socket.socket(family, kind, protocol)
    try:
        for option in OPTIONS:
            sock.setsockopt(*option)
        sock.settimeout(share.left)
        sock.connect(address)
        sock.settimeout(share.left)
        return sock if context is None else context.wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise
