"""Which transport a request takes, and how often it may be sent.

Orders and edits: once, over the stream when it is connected, else over HTTP. Reads and cancels:
the stream, then HTTP, then a pause and both again. After a reply that did not come the stream is
suspect: it may take bytes and be dead for a minute. Until it has had time to prove itself, what
reads or protects starts over HTTP; only entries wait for the stream.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from actors.ports import Clock, NotSent, OutcomeUnknown, Rejected
from adapters.deribit.errors import Throttled
from adapters.deribit.gate import Gate
from adapters.deribit.limits import Limiter
from adapters.deribit.round_trips import RoundTrips
from adapters.deribit.rpc import GatedRpc, Rpc
from domain.venue_codes import TOO_BUSY

Params = Mapping[str, Any]

SUSPECT_SECONDS = 5.0
BRISK_SECONDS = 0.5
"""What the first tries of a read in a hurry may take: a lost reply costs little. Those after them
take what time there is, so that a slow line is waited for all the same."""


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
        for _ in range(2):  # what the gate announces at the first may take its time
            with gate:
                pass
        return self.call(method, params, timeout=timeout)


def _gated(rpc: Rpc) -> GatedRpc:
    if isinstance(rpc, _CheckedRpc):  # asked at every read; a protocol's check is slow
        return rpc
    return rpc if isinstance(rpc, GatedRpc) else _CheckedRpc(rpc)


class _Doubt:
    """Whether the stream is suspect: ``until`` a moment, or until HTTP is no better."""

    until = -math.inf


@dataclass(frozen=True, slots=True)
class _Hurry:
    """No answer is waited for beyond ``until``; first tries of a read take ``brisk`` seconds."""

    until: float
    brisk: float


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
        hurry: _Hurry | None = None,
        doubt: _Doubt | None = None,
        round_trips: RoundTrips | None = None,
    ) -> None:
        self._stream = _gated(stream)
        self._fallback = _gated(fallback)
        self._clock = clock
        self._limiter = limiter
        self._timeout = timeout
        self._attempts = attempts
        self._pause = pause
        self._round_trips = round_trips or RoundTrips()
        self._doubt = doubt or _Doubt()
        self._hurry = hurry or _Hurry(math.inf, math.inf)

    def within(self, seconds: float) -> "Router":
        """The same two transports, whose answers are waited for no longer than this in all."""
        return Router(
            self._stream,
            self._fallback,
            self._clock,
            self._limiter,
            timeout=self._timeout,
            attempts=self._attempts,
            pause=self._pause,
            hurry=_Hurry(self._clock.monotonic() + seconds, min(BRISK_SECONDS, seconds / 3)),
            doubt=self._doubt,
            round_trips=self._round_trips,
        )

    def once(self, method: str, params: Params, gate: Gate | None = None) -> Any:
        """Sends a write exactly once; the other way only when the first proved that nothing left.

        What passes a ``gate`` adds risk.
        """
        first, second = self._ways() if gate is None else (self._stream, self._fallback)
        try:
            return self._heard(first, method, params, gate)
        except NotSent:
            return self._heard(second, method, params, gate)

    def repeat(
        self, method: str, params: Params, admit: Callable[[], None], *, by_http: bool = False
    ) -> Any:
        """Sends a read or a cancel until it is answered, ``attempts`` times over both ways.

        ``admit`` takes rate budget for each time it is sent. ``by_http``: HTTP comes first.
        """
        most = self._hurry.brisk
        for _ in range(self._attempts - 1):
            try:
                return self._either(method, params, admit, most, by_http=by_http)
            except (Rejected, OutcomeUnknown, NotSent) as error:
                if not self._may_pass(error):
                    raise
            self._clock.sleep(self._pause)
            most = math.inf
        return self._either(method, params, admit, most, by_http=by_http)

    def _either(
        self,
        method: str,
        params: Params,
        admit: Callable[[], None],
        most: float,
        *,
        by_http: bool,
    ) -> Any:
        first, second = (self._fallback, self._stream) if by_http else self._ways()
        admit()
        try:
            return self._heard(first, method, params, most=most)
        except Throttled:
            raise
        except (OutcomeUnknown, NotSent):
            if self._clock.monotonic() >= self._hurry.until:
                raise
            admit()
            return self._heard(second, method, params, most=most)

    def _ways(self) -> tuple[GatedRpc, GatedRpc]:
        """The transport to try first, and the other."""
        if self._clock.monotonic() < self._doubt.until:
            return self._fallback, self._stream
        return self._stream, self._fallback

    def _heard(
        self,
        rpc: GatedRpc,
        method: str,
        params: Params,
        gate: Gate | None = None,
        most: float = math.inf,
    ) -> Any:
        """As `_call`; remembers which way did not answer.

        The stream is not suspect beside an HTTP that cannot be reached at all.
        """
        try:
            return self._call(rpc, method, params, gate, most)
        except Throttled:
            raise
        except NotSent:
            if rpc is self._fallback:
                self._doubt.until = -math.inf
            raise
        except OutcomeUnknown:
            until = self._clock.monotonic() + SUSPECT_SECONDS
            self._doubt.until = until if rpc is self._stream else -math.inf
            raise

    def _call(
        self,
        rpc: GatedRpc,
        method: str,
        params: Params,
        gate: Gate | None = None,
        most: float = math.inf,
    ) -> Any:
        began = self._clock.monotonic()
        timeout = min(self._timeout, most, self._hurry.until - began)
        if timeout <= 0:
            raise NotSent(f"{method}: no time left for it")
        try:
            if gate is None:
                reply = rpc.call(method, params, timeout=timeout)
            else:
                reply = rpc.call_through(gate, method, params, timeout=timeout)
        except NotSent:
            raise
        except Exception as error:
            self._round_trips.note(method, self._clock.monotonic() - began)
            if isinstance(error, Throttled):
                self._limiter.drain()
            raise
        self._round_trips.note(method, self._clock.monotonic() - began)
        return reply

    def _may_pass(self, error: Exception) -> bool:
        """Whether the same read or cancel may succeed in a moment, and there is time for it."""
        if self._clock.monotonic() + self._pause >= self._hurry.until:
            return False
        return not isinstance(error, Rejected) or error.code in TOO_BUSY
