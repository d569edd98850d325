"""The TCP connections behind HTTP requests, so that one can be broken off without an answer."""

import asyncio

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
    transport = _living.get((client.host, client.port)) if client is not None else None
    if transport is not None:
        transport.abort()
