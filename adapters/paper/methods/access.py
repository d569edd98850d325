"""Log-in, log-out, heartbeats, cancel on disconnect, and the support methods."""

from typing import Any

from adapters.paper.errors import VenueError, invalid, refusal
from adapters.paper.methods.call import Call, Method

VERSION = "1.2.26"
_SCOPES = frozenset({"connection", "account"})
_MIN_HEARTBEAT_SECONDS = 10


def _auth(call: Call) -> dict[str, Any]:
    return call.sessions.log_in(call.session, call.params, call.now_ms)


def _fork(call: Call) -> dict[str, Any]:
    return call.sessions.fork(call.session, call.params, call.now_ms)


def _exchange(call: Call) -> dict[str, Any]:
    return call.sessions.exchange(call.session, call.params, call.now_ms)


def _logout(call: Call) -> None:
    """No reply: the venue hangs up, and cancel on disconnect does not fire."""
    if call.params.flag("invalidate_token", default=True) and call.session.access_token:
        call.sessions.revoke(call.session.access_token)
    call.session.cancel_on_disconnect = False
    call.session.closing = True


def _test(call: Call) -> dict[str, str]:
    if call.params.text("expected_result", "") == "exception":
        raise VenueError(11094, "internal_server_error")
    call.session.is_unanswered = False
    return {"version": VERSION}


def _hello(call: Call) -> dict[str, str]:
    call.params.text("client_name")
    call.params.text("client_version")
    return {"version": VERSION}


def _set_heartbeat(call: Call) -> str:
    seconds = call.params.whole("interval")
    if seconds < _MIN_HEARTBEAT_SECONDS:
        raise invalid("interval", "must be at least 10")
    session = call.session
    session.heartbeat_ms, session.asked_ms = seconds * 1000, call.now_ms
    session.is_unanswered = False
    return "ok"


def _disable_heartbeat(call: Call) -> str:
    call.session.heartbeat_ms = None
    return "ok"


def _cod_scope(call: Call) -> str:
    scope = call.params.one_of("scope", _SCOPES, "connection")
    if scope == "connection" and not call.session.is_websocket:
        raise refusal(10030)
    return scope


def _get_cod(call: Call) -> dict[str, Any]:
    scope = _cod_scope(call)
    is_account = scope == "account"
    account, session = call.engine.account, call.session
    enabled = account.cancel_on_disconnect if is_account else session.cancel_on_disconnect
    return {"enabled": enabled, "scope": scope}


def _set_cod(call: Call, *, enabled: bool) -> str:
    if _cod_scope(call) == "account":
        call.engine.account.cancel_on_disconnect = enabled
        call.engine.revision += 1
    else:
        call.session.cancel_on_disconnect = enabled
    return "ok"


def _enable_cod(call: Call) -> str:
    return _set_cod(call, enabled=True)


def _disable_cod(call: Call) -> str:
    return _set_cod(call, enabled=False)


def _get_time(call: Call) -> int:
    return call.now_ms


def _status(call: Call) -> dict[str, Any]:
    # The documentation has a boolean here; the venue sends a text.
    return {"locked": str(call.engine.is_in_maintenance).lower(), "locked_indices": []}


_CONNECTION = "account:read"
METHODS = {
    "public/auth": Method(run=_auth),
    "public/fork_token": Method(run=_fork),
    "public/exchange_token": Method(run=_exchange),
    "private/logout": Method(run=_logout, needs=_CONNECTION, websocket_only=True),
    "public/test": Method(run=_test),
    "public/hello": Method(run=_hello, websocket_only=True),
    "public/get_time": Method(run=_get_time),
    "public/status": Method(run=_status),
    "public/set_heartbeat": Method(run=_set_heartbeat, websocket_only=True),
    "public/disable_heartbeat": Method(run=_disable_heartbeat, websocket_only=True),
    "private/get_cancel_on_disconnect": Method(run=_get_cod, needs=_CONNECTION),
    "private/enable_cancel_on_disconnect": Method(run=_enable_cod, needs="account:read_write"),
    "private/disable_cancel_on_disconnect": Method(run=_disable_cod, needs="account:read_write"),
}
