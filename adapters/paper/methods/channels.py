"""Subscribing and unsubscribing. A channel that does not exist is left out of the reply."""

from adapters.paper.errors import invalid
from adapters.paper.limits import Bucket
from adapters.paper.methods.call import Call, Method

_MOST_CHANNELS = 500


def _subscribe(call: Call, *, is_logged_in: bool) -> list[str]:
    channels = call.params.texts("channels")
    if len(channels) > _MOST_CHANNELS:
        raise invalid("channels", "too many channels")
    label = call.params.text("label", "", longest=16)
    return call.hub.subscribe(call.session, channels, label=label, is_logged_in=is_logged_in)


def _subscribe_public(call: Call) -> list[str]:
    """Private channels too, once logged in; a log-in that has run out is none."""
    return _subscribe(call, is_logged_in=call.sessions.knows(call.session, call.now_ms))


def _subscribe_private(call: Call) -> list[str]:
    return _subscribe(call, is_logged_in=True)


def _unsubscribe(call: Call) -> list[str]:
    return call.hub.unsubscribe(call.session, call.params.texts("channels"))


def _unsubscribe_all(call: Call) -> str:
    call.hub.unsubscribe(call.session, list(call.session.channels))
    return "ok"


_READ = "account:read"
METHODS = {
    "public/subscribe": Method(run=_subscribe_public, bucket=Bucket.SUBSCRIBE, websocket_only=True),
    "private/subscribe": Method(
        run=_subscribe_private, needs=_READ, bucket=Bucket.SUBSCRIBE, websocket_only=True
    ),
    "public/unsubscribe": Method(run=_unsubscribe, websocket_only=True),
    "private/unsubscribe": Method(run=_unsubscribe, needs=_READ, websocket_only=True),
    "public/unsubscribe_all": Method(run=_unsubscribe_all, websocket_only=True),
    "private/unsubscribe_all": Method(run=_unsubscribe_all, needs=_READ, websocket_only=True),
}
