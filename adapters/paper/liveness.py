"""Whether a websocket still lives: heartbeats, and sockets that never say a word."""

from typing import Protocol

import structlog
from structlog.typing import FilteringBoundLogger

from adapters.paper import rpc
from adapters.paper.sessions import SessionState

_log: FilteringBoundLogger = structlog.get_logger(actor="exchange")
_ANSWER_MS = 10_000
# A socket on which nothing was ever said is dropped, and so is one that asked for cancel on
# disconnect and then fell silent.
_NEVER_HEARD_MS = 60_500
_SILENT_MS = 600_000


class Listener(Protocol):
    """A connection that can be sent to. No call may block; `drop` ends it without a word."""

    def send(self, frame: bytes) -> None: ...
    def hang_up(self, code: int, reason: str) -> None: ...
    def drop(self) -> None: ...


def drop_silent(session: SessionState, listener: Listener, now_ms: int) -> bool:
    """Drops a socket that never said a word, or that asked for cancels and then fell silent."""
    heard_ms = session.heard_ms
    if heard_ms is None:
        is_over = now_ms - session.opened_ms >= _NEVER_HEARD_MS
    else:
        is_over = session.cancel_on_disconnect and now_ms - heard_ms >= _SILENT_MS
    if is_over:
        listener.drop()
    return is_over


def beat(session: SessionState, listener: Listener, now_ms: int) -> None:
    """Asks a connection with a heartbeat whether it lives, and hangs up when it does not say."""
    if session.heartbeat_ms is None:
        return
    if session.is_unanswered and now_ms - session.asked_ms >= _ANSWER_MS:
        session.heartbeat_ms = None
        _log.info("heartbeat_unanswered", session=session.session_id)
        listener.hang_up(4000, "heartbeat close")
    elif not session.is_unanswered and now_ms - session.asked_ms >= session.heartbeat_ms:
        session.asked_ms, session.is_unanswered = now_ms, True
        if session.is_quiet:
            listener.send(rpc.heartbeat("heartbeat"))
        listener.send(rpc.heartbeat("test_request"))
        session.is_quiet = True
