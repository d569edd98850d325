"""The seam to the venue: one call in, one result out, or one of three failures."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable


class Rpc(Protocol):
    """A JSON-RPC transport. Safe to call from any thread."""

    def call(self, method: str, params: Mapping[str, Any], *, timeout: float) -> Any:
        """The ``result`` of one request; ``timeout`` is in seconds.

        Params hold text, whole numbers, booleans, lists and `Decimal`; numbers in the result
        are ``int`` or `Decimal`.

        Raises:
            NotSent: no byte left: not connected, or the connection was refused.
            Rejected: the venue proved that it refused.
            OutcomeUnknown: everything else.
        """
        ...


@runtime_checkable
class GatedRpc(Rpc, Protocol):
    """A transport that can hold a gate while the bytes of one request leave."""

    def call_through(
        self,
        gate: AbstractContextManager[None],
        method: str,
        params: Mapping[str, Any],
        *,
        timeout: float,
    ) -> Any:
        """As `Rpc.call`, entering ``gate`` just before and leaving it just after the write."""
        ...
