"""What a method gets, and what is known about it before it runs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adapters.paper.engine import Engine
from adapters.paper.hub import Hub
from adapters.paper.limits import Bucket
from adapters.paper.params import Params
from adapters.paper.sessions import Sessions, SessionState


@dataclass(slots=True, kw_only=True)
class Call:
    """One request with everything it may touch."""

    engine: Engine
    hub: Hub
    sessions: Sessions
    session: SessionState
    params: Params
    now_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method: ``needs`` is the right it takes (None for public ones)."""

    run: Callable[[Call], Any]
    needs: str | None = None
    bucket: Bucket = Bucket.NON_MATCHING
    websocket_only: bool = False
