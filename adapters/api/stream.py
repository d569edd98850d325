"""Events as server-sent events: named, numbered, resumable, and without a secret."""

from collections.abc import AsyncIterator, Callable

import orjson
from anyio.lowlevel import checkpoint
from pydantic_core import to_jsonable_python
from sse_starlette import ServerSentEvent

from actors.messages.base import event_name
from adapters.api.hub import EventHub, Numbered

MOST_LISTENERS = 8


async def events(
    hub: EventHub, last_id: str, redact: Callable[[str], str]
) -> AsyncIterator[ServerSentEvent]:
    """The stream. Should events be lost in between, `events_missed` says so there."""
    number, has_missed = hub.resume(last_id)
    bell = hub.bell()
    try:
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
    finally:
        hub.hand_back(bell)


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
