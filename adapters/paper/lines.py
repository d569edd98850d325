"""The port, and the TCP connections behind requests: one can be broken off without an answer."""

import asyncio
import errno
import socket

from starlette.datastructures import Address

from adapters.paper.patience import PatientHttp

_living: dict[tuple[str, int], asyncio.Transport] = {}


class BreakableHttp(PatientHttp):
    """HTTP that also remembers its connection by the address of its client."""

    _mine: tuple[str, int] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._mine = self.client
        if self._mine is not None:
            _living[self._mine] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._mine is not None:
            _living.pop(self._mine, None)
        super().connection_lost(exc)


def break_off(client: Address | None) -> None:
    """Ends the connection of this client at once; nothing when it is gone."""
    transport = forget(client)
    if transport is not None:
        transport.abort()


def forget(client: Address | None) -> asyncio.Transport | None:
    """The connection of this client, which is not remembered any more."""
    return _living.pop((client.host, client.port), None) if client is not None else None


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        OSError: the port cannot be had; the text says why.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, or asyncio leaves Nagle's algorithm on and small frames wait 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()  # only then the port is ours: two may bind to it that do not listen yet
    except OSError as error:
        listening.close()
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror}"
        raise OSError(error.errno, f"port {port} on {host} {why}") from error
    listening.setblocking(False)
    return listening
