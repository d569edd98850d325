"""Which transport a request takes, and how often it may be sent.

Orders and edits: once, over the stream when it is connected, else over HTTP. Reads and cancels:
the stream, then HTTP, then a pause and both again. After a write whose outcome is unknown the
stream is suspect, and look-ups start over HTTP until it has had time to prove itself.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_fixed

from actors.ports import Clock, NotSent, OutcomeUnknown, Rejected
from adapters.deribit.errors import Throttled
from adapters.deribit.gate import EntryGate
from adapters.deribit.limits import Limiter
from adapters.deribit.rpc import GatedRpc, Rpc
from domain.venue_codes import TOO_BUSY

Params = Mapping[str, Any]

SUSPECT_SECONDS = 5.0


class _CheckedRpc:
    """A transport that cannot hold a gate: it is checked just before the call."""

    def __init__(self, rpc: Rpc) -> None:
        self.call = rpc.call

    def call_through(
        self,
        gate: AbstractContextManager[None],
        method: str,
        params: Params,
        *,
        timeout: float,
    ) -> Any:
        with gate:
            pass
        return self.call(method, params, timeout=timeout)


def _gated(rpc: Rpc) -> GatedRpc:
    return rpc if isinstance(rpc, GatedRpc) else _CheckedRpc(rpc)


class Router:
    """Two transports as one. ``timeout`` is in seconds and per attempt."""

    def __init__(
        self,
        stream: Rpc,
        fallback: Rpc,
        clock: Clock,
        limiter: Limiter,
        *,
        timeout: float = 2.0,
        attempts: int = 2,
        pause: float = 0.25,
    ) -> None:
        self._stream = _gated(stream)
        self._fallback = _gated(fallback)
        self._clock = clock
        self._limiter = limiter
        self._timeout = timeout
        self._attempts = attempts
        self._pause = pause
        self._suspect_until = float("-inf")

    def once(self, method: str, params: Params, gate: EntryGate | None = None) -> Any:
        """Sends a write exactly once; HTTP only when the stream proved that nothing left."""
        try:
            return self._call(self._stream, method, params, gate)
        except NotSent:
            return self._call(self._fallback, method, params, gate)
        except OutcomeUnknown:
            self._suspect_until = self._clock.monotonic() + SUSPECT_SECONDS
            raise

    def repeat(self, method: str, params: Params, admit: Callable[[], None]) -> Any:
        """Sends a read or a cancel until it is answered, ``attempts`` times over both ways.

        ``admit`` takes rate budget for each time it is sent.
        """

        def attempt() -> Any:
            return self._either(method, params, admit)

        return self._retrying()(attempt)

    def _retrying(self) -> Retrying:
        # Built per call: tenacity keeps the state of a run in the thread, and in simulation
        # many actors share one.
        return Retrying(
            stop=stop_after_attempt(self._attempts),
            wait=wait_fixed(self._pause),
            retry=retry_if_exception(_may_pass),
            sleep=self._clock.sleep,
            reraise=True,
        )

    def _either(self, method: str, params: Params, admit: Callable[[], None]) -> Any:
        first, second = self._stream, self._fallback
        if self._clock.monotonic() < self._suspect_until:
            first, second = second, first
        admit()
        try:
            return self._call(first, method, params)
        except Throttled:
            raise
        except (OutcomeUnknown, NotSent):
            admit()
            return self._call(second, method, params)

    def _call(
        self, rpc: GatedRpc, method: str, params: Params, gate: EntryGate | None = None
    ) -> Any:
        try:
            if gate is None:
                return rpc.call(method, params, timeout=self._timeout)
            return rpc.call_through(gate, method, params, timeout=self._timeout)
        except Throttled:
            self._limiter.drain()
            raise


def _may_pass(error: BaseException) -> bool:
    """Whether the same read or cancel may succeed in a moment."""
    if isinstance(error, Rejected):
        return error.code in TOO_BUSY
    return isinstance(error, OutcomeUnknown | NotSent)
