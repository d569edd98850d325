"""Whatever the exchange answers or tells in these tests is held against the venue's schemas."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from adapters.paper.exchange import Exchange
from adapters.paper.hub import Notification
from adapters.paper.sessions import SessionState
from tests.adapters.paper import schema

_found: list[str] = []
_answer, _tell = Exchange.request, Exchange.drain


def _request(
    self: Exchange, session: SessionState, method: str, params: Mapping[str, Any], now_ms: int
) -> Any:
    result = _answer(self, session, method, params, now_ms)
    _found.extend(schema.reply_problems(method, result))
    return result


def _drain(self: Exchange) -> list[Notification]:
    notes = _tell(self)
    for note in notes:
        _found.extend(schema.frame_problems(note.channel, note.data))
    return notes


@pytest.fixture(autouse=True, scope="session")
def _watch_the_exchange() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Exchange, "request", _request)
        patch.setattr(Exchange, "drain", _drain)
        yield


@pytest.fixture(autouse=True)
def _as_the_venue_describes_it() -> Iterator[None]:
    """Fails the test whose replies or frames were not."""
    _found.clear()
    yield
    assert sorted(set(_found)) == []
