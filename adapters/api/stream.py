"""Events as server-sent events: named, numbered, resumable, and without a secret."""

import asyncio
from collections.abc import AsyncIterator, Callable

import orjson
from anyio.lowlevel import checkpoint
from pydantic_core import to_jsonable_python
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from actors.messages.base import event_name
from adapters.api.hub import EventHub, Numbered

MOST_LISTENERS = 8


class EventStream(EventSourceResponse):
    """The stream as a response. It has its place from the moment it is made: of many that come at
    once, those that were counted are those that listen."""

    def __init__(self, hub: EventHub, last_id: str, redact: Callable[[str], str]) -> None:
        self._hub, self._bell = hub, hub.bell()
        super().__init__(events(hub, self._bell, last_id, redact))  # pyright: ignore[reportUnknownMemberType] (it says of a dict no more)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._hub.hand_back(self._bell)


async def events(
    hub: EventHub, bell: asyncio.Event, last_id: str, redact: Callable[[str], str]
) -> AsyncIterator[ServerSentEvent]:
    """The stream. Should events be lost in between, `events_missed` says so there."""
    number, has_missed = hub.resume(last_id)
    if has_missed:
        yield _missed(hub, number)
    while True:
        bell.clear()
        is_last = hub.has_ended
        for numbered in hub.after(number):
            if numbered.number != number + 1 and not has_missed:  # a reader that stood still
                yield _missed(hub, number)
            number, has_missed = numbered.number, False
            yield _sent(hub, numbered, redact)
            await checkpoint()  # else nobody sees that the reader went away meanwhile
        if is_last:
            return
        await bell.wait()


def _missed(hub: EventHub, after: int) -> ServerSentEvent:
    return ServerSentEvent(data="{}", event="events_missed", id=hub.id_of(after))


def _sent(hub: EventHub, numbered: Numbered, redact: Callable[[str], str]) -> ServerSentEvent:
    event = numbered.event
    name = event_name(type(event))
    body = {
        "at": event.at.isoformat(),
        "event": name,
        "level": event.log_level,
        **to_jsonable_python(event.to_log()),
    }
    text = redact(orjson.dumps(body, default=str).decode())
    return ServerSentEvent(data=text, event=name, id=hub.id_of(numbered.number))
