"""JSON-RPC over HTTP: the fallback, and the way to look things up after an unknown outcome."""

import itertools
import queue
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from actors.ports import NotSent, OutcomeUnknown
from adapters.clock import SystemClock
from adapters.deribit import codec, wire
from adapters.deribit.errors import Unreadable
from adapters.dialing import Race

SPEAKS_FOR_THE_VENUE = frozenset({200, 400})
"""Statuses under which the venue itself answers, whatever the body; under others an edge in front
of it may, unless the body is an error of the venue's own making (401 and 13009 were seen)."""
MAY_SPEAK = frozenset({*range(401, 500), 503})
NO_SUCH_DOOR = 405
"""What the edge answers, without asking the venue, to whatever is posted to the page that stands
in for it during maintenance."""


CLOCK = SystemClock()
LOG_IN = "public/auth"
LEAST_REACH, MOST_REACH = 0.5, 1.0
"""Seconds within which the venue has to be reached, however long its answer may take: whoever
waits for more cannot try the other way in time."""


class HttpRpc:
    """A few keep-alive connections, lent to one caller at a time.

    A `requests.Session` is not safe to share between threads; one per thread would leave a
    connection behind for every actor that ever ran. ``max_connections`` also keeps us far from
    the 32 connections per address the venue allows.
    """

    def __init__(self, base_url: str, *, max_connections: int = 4) -> None:
        self._template = requests.Request(
            "POST", base_url, headers={"Content-Type": "application/json"}
        ).prepare()
        self._authorization: str | None = None
        self._ids = itertools.count(1)
        self._idle: queue.LifoQueue[requests.Session] = queue.LifoQueue()
        for _ in range(max_connections):
            self._idle.put(_session())

    def authorize(self, access_token: str) -> None:
        """Sends this token with every request from now on."""
        self._authorization = f"Bearer {access_token}"

    def close(self) -> None:
        """Closes the connections nobody is using; a later call opens them again."""
        resting: list[requests.Session] = []
        with suppress(queue.Empty):
            while True:
                resting.append(self._idle.get_nowait())
        for session in resting:
            session.close()
            self._idle.put(session)

    def call(self, method: str, params: Mapping[str, Any], *, timeout: float) -> Any:
        """See `Rpc.call`; ``timeout`` bounds reaching the venue, and each wait for data."""
        request_id = next(self._ids)
        request = self._request(method, codec.encode(request_id, method, params))
        session, left = self._lent(method, timeout)
        limits = (reach_seconds(left), left)
        try:
            response = session.send(request, timeout=limits, allow_redirects=False)
        except requests.RequestException as exc:
            raise _failure(method, exc) from None
        finally:
            self._idle.put(session)
        return _result(method, request_id, response)

    def _lent(self, method: str, timeout: float) -> tuple[requests.Session, float]:
        """A connection, and the time that is left: whoever had to wait for one has half of it."""
        with suppress(queue.Empty):
            return self._idle.get_nowait(), timeout
        try:
            return self._idle.get(timeout=min(timeout / 2, MOST_REACH)), timeout / 2
        except queue.Empty:
            raise NotSent(f"{method}: every HTTP connection is busy") from None

    def _request(self, method: str, body: bytes) -> requests.PreparedRequest:
        request = self._template.copy()
        request.body = body
        request.headers["Content-Length"] = str(len(body))
        # An expired token beside a refresh token could refuse the very call that renews it.
        if self._authorization is not None and method != LOG_IN:
            request.headers["Authorization"] = self._authorization
        return request


def reach_seconds(timeout: float) -> float:
    """How much of the time for an answer may go into reaching the venue."""
    return min(timeout, max(LEAST_REACH, timeout / 2), MOST_REACH)


def _session() -> requests.Session:
    session = requests.Session()
    # No proxy, .netrc or CA bundle of the environment decides where orders go.
    session.trust_env = False
    session.mount("http://", _KeptAlive())
    session.mount("https://", _KeptAlive())
    return session


class _Dialled(HTTPConnection):
    """Reaches a host of several addresses as the websocket does; TLS has what is left of the time.

    urllib3 asks this method for its socket, and would give each address the whole of it.
    """

    def _new_conn(self) -> socket.socket:
        host, seconds = self._dns_host, float(self.timeout or MOST_REACH)
        try:
            with Race(host, self.port or 443, CLOCK, seconds=seconds) as race:
                return race.winner()
        except TimeoutError as error:
            raise ConnectTimeoutError(self, str(error)) from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error


class _DialledWithTls(_Dialled, HTTPSConnection):
    pass


# urllib3's own connections are not assignable to its protocols either.
class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Dialled  # pyright: ignore[reportAssignmentType] (see above)


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _DialledWithTls  # pyright: ignore[reportAssignmentType] (see above)


class _KeptAlive(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        super().init_poolmanager(*arguments, **more)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}


def _failure(method: str, error: requests.RequestException) -> Exception:
    """What a transport error proves. Its own text may quote addresses, so it is left out."""
    cause = getattr(error.args[0], "reason", None) if error.args else None
    name = type(error).__name__
    if isinstance(error, requests.ConnectTimeout) or isinstance(cause, NewConnectionError):
        return NotSent(f"{method}: no HTTP connection ({name})")
    return OutcomeUnknown(f"{method}: HTTP failed ({name})")


def _result(method: str, request_id: int, response: requests.Response) -> Any:
    """The body decides before the status does: the venue sends its errors with status 400."""
    status = response.status_code
    try:
        reply = codec.decode(response.content)
    except ValueError:
        raise _without_body(method, status) from None
    if status not in SPEAKS_FOR_THE_VENUE and not (status in MAY_SPEAK and _is_error(reply)):
        raise OutcomeUnknown(f"{method}: HTTP {status}")
    if reply.get("id") != request_id and reply.get("error") is None:
        raise Unreadable(f"{method}: the reply answers another request")
    return codec.result_of(reply, method)


def _is_error(reply: wire.Wire) -> bool:
    """Whether this is an error as the venue writes them; no edge does."""
    code = wire.as_object(reply.get("error")).get("code")
    return reply.get("jsonrpc") == "2.0" and type(code) is int


def _without_body(method: str, status: int) -> Exception:
    """What a status alone proves."""
    if status == NO_SUCH_DOOR:
        return NotSent(f"{method}: HTTP {status}, in maintenance, it seems")
    return Unreadable(f"{method}: HTTP {status} without a JSON-RPC body")
