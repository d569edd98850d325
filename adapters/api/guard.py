"""Who gets in: Host header, bearer token, rates and body size, before any code of the API runs.

The Host header must name this machine, so that no web page can reach the API through a name it
has pointed here. Wrong tokens have a budget of their own, and so has what needs none: guessing
shuts nobody else out, nor does an old script that shows a token of yesterday.
"""

import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException

from actors.ports import Clock

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN_PATHS = frozenset({"/healthz"})
NEVER_LIMITED = frozenset({"/v1/kill", "/v1/close", "/v1/pause"})
MOST_BODY = 16 * 1024
PER_SECOND, BURST = 50.0, 100.0
STRANGERS_PER_SECOND, STRANGERS_BURST = 5.0, 20.0


class Bucket:
    """So many a second, and so many at once."""

    def __init__(self, clock: Clock, per_second: float, burst: float) -> None:
        self._clock = clock
        self._per_second = per_second
        self._burst = burst
        self._left = burst
        self._at = clock.monotonic()

    def take(self) -> bool:
        now = self._clock.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Guard:
    """Wraps the application. ``hosts`` are the names this machine may be called by."""

    def __init__(self, app: App, *, token: str, hosts: frozenset[str], clock: Clock) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = hosts
        self._known = Bucket(clock, PER_SECOND, BURST)
        self._strangers = Bucket(clock, STRANGERS_PER_SECOND, STRANGERS_BURST)
        self._open = Bucket(clock, STRANGERS_PER_SECOND, STRANGERS_BURST)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await _refuse(send, *refusal)
            return
        await self._app(scope, _bounded(receive), send)

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        headers = _headers(scope)
        if _host(headers.get(b"host", b"")) not in self._hosts:
            return 421, "wrong_host", "This API answers to this machine's own names only."
        path = str(scope["path"])
        is_known = self._is_known(headers.get(b"authorization", b""))
        if path in OPEN_PATHS and not is_known:
            return None if self._open.take() else _TOO_MANY
        if not is_known:
            if not self._strangers.take():
                return _TOO_MANY
            return 401, "no_token", "Authorization: Bearer <token> is needed."
        if path not in NEVER_LIMITED and not self._known.take():
            return _TOO_MANY
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MOST_BODY:
            return 413, "body_too_large", f"A body has at most {MOST_BODY} bytes."
        return None

    def _is_known(self, authorization: bytes) -> bool:
        scheme, _, token = authorization.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token)


_TOO_MANY = (429, "too_many_requests", "Too many requests; try again in a second.")


def _headers(scope: Scope) -> dict[bytes, bytes]:
    """By name; of a header given twice the last counts, so no first one can hide behind it."""
    return {bytes(name).lower(): bytes(value) for name, value in scope["headers"]}


def _host(value: bytes) -> str:
    """The name in a Host header, without its port."""
    text = value.decode("latin-1").strip().lower()
    if text.startswith("["):
        return text.partition("]")[0] + "]"
    return text.partition(":")[0]


class BodyTooLarge(HTTPException):
    """A body without a length went on for too long. Any other kind passes for one that is torn."""

    def __init__(self) -> None:
        super().__init__(413)


def _bounded(receive: Receive) -> Receive:
    taken = 0

    async def inner() -> MutableMapping[str, Any]:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MOST_BODY:
            raise BodyTooLarge
        return message

    return inner


async def _refuse(send: Send, status: int, code: str, text: str) -> None:
    body = json.dumps({"reason": code, "lines": [text]}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if status == 429:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
