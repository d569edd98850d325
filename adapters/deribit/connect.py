"""The venue client put together: a websocket and HTTP behind one typed venue and its session."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from actors.messages.base import Report
from actors.ports import Clock
from adapters.deribit.catalogue import Catalogue
from adapters.deribit.channels import Channels
from adapters.deribit.http import HttpRpc
from adapters.deribit.limits import Limiter
from adapters.deribit.round_trips import RoundTrips
from adapters.deribit.server_clock import ServerClock
from adapters.deribit.session import DeribitSession
from adapters.deribit.venue import DeribitVenue
from adapters.deribit.websocket import WebSocketRpc


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Where the venue is and who we are there. ``session_name`` is part of the token's scope."""

    http_url: str
    ws_url: str
    client_id: str
    client_secret: str = field(repr=False)
    session_name: str


def connect(
    login: Login,
    clock: Clock,
    publish: Callable[[Report], None],
    instruments: Collection[str],
    round_trips: RoundTrips | None = None,
) -> tuple[DeribitVenue, DeribitSession]:
    """A venue and its session; nothing is sent before the session is opened.

    ``publish`` hears what the venue pushes, in the reader's thread.
    """
    catalogue, server_clock = Catalogue(), ServerClock(clock)
    channels = Channels(catalogue, clock, publish, instruments)
    stream = WebSocketRpc(
        login.ws_url,
        clock,
        on_notification=channels.on_notification,
        on_lost=channels.on_lost,
    )
    plain = HttpRpc(login.http_url)
    venue = DeribitVenue(
        stream,
        plain,
        catalogue,
        clock,
        Limiter(clock),
        server_clock=server_clock,
        round_trips=round_trips,
    )
    session = DeribitSession(
        stream,
        plain,
        server_clock,
        login.client_id,
        login.client_secret,
        session_name=login.session_name,
    )
    return venue, session
