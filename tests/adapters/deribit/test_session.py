"""The session on real sockets: log-in, refresh, subscriptions, and secrets that stay inside."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import structlog

from actors.ports import Credentials, NotSent, OutcomeUnknown, Rejected, Session
from adapters.deribit.errors import Throttled
from adapters.deribit.http import HttpRpc
from adapters.deribit.server_clock import ServerClock
from adapters.deribit.session import DeribitSession
from adapters.deribit.websocket import WebSocketRpc
from tests.adapters.deribit.fakes import HttpServer, ManualClock, SocketServer, drop, error, reply

SECRET = "canary-secret-7f3a"
TOKENS = ("canary-access", "canary-refresh")
CHANNELS = ("user.changes.any.any.raw", "user.portfolio.any")


class Exchange:
    """Answers the session's methods over both transports; ``answers`` overrides."""

    def __init__(self) -> None:
        self.log: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {}
        self.logins = 0
        self.lost: list[str] = []
        self.server = SocketServer(lambda request: [self.respond(request)])
        self.http_server = HttpServer(lambda request, _: (200, self.respond(request).encode(), {}))
        self.clock = ManualClock()
        self.server_clock = ServerClock(self.clock)
        self.stream = WebSocketRpc(
            self.server.url,
            self.clock,
            on_notification=lambda *_: None,
            on_lost=self.lost.append,
            tick_seconds=0.01,
        )
        self.http = HttpRpc(self.http_server.url)
        self.session = DeribitSession(
            self.stream, self.http, self.server_clock, "client-id", SECRET
        )

    def respond(self, request: dict[str, Any]) -> str:
        method, params = request["method"], request["params"]
        self.log.append((method, params))
        answer = self.answers.get(method, self.default(method, params))
        if isinstance(answer, tuple):
            return error(request, *answer)
        return reply(request, answer)

    def default(self, method: str, params: dict[str, Any]) -> Any:
        if method == "public/auth":
            self.logins += 1
            access, refresh = (f"{token}-{self.logins}" for token in TOKENS)
            return {
                "access_token": access,
                "refresh_token": refresh,
                "expires_in": 900,
                "scope": "trade:read_write session:bulwark",
            }
        if method == "private/subscribe":
            return [name.upper() for name in reversed(params["channels"])]
        if method == "private/get_cancel_on_disconnect":
            return {"scope": params["scope"], "enabled": params["scope"] == "connection"}
        return {"public/get_time": 1767225600000}.get(method, "ok")

    def methods(self) -> list[str]:
        return [method for method, _ in self.log]


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    made = Exchange()
    with made.server, made.http_server:
        yield made
        made.session.close()


def test_opening_logs_in_sets_the_heartbeat_and_subscribes(exchange: Exchange) -> None:
    """In that order, with a session scope; HTTP then carries the token."""
    session: Session = exchange.session
    credentials = session.open(CHANNELS)
    assert exchange.methods() == [
        "public/auth",
        "public/set_heartbeat",
        "private/subscribe",
        "public/get_time",
    ]
    assert exchange.log[0][1]["grant_type"] == "client_credentials"
    assert exchange.log[0][1]["scope"] == "session:bulwark"
    assert exchange.log[1][1] == {"interval": 30}
    assert exchange.log[2][1] == {"channels": list(CHANNELS)}
    assert (credentials.expires_in, credentials.access_token) == (900, "canary-access-1")
    assert "trade:read_write" in credentials.scope
    exchange.http.call("private/x", {}, timeout=5)
    assert exchange.http_server.headers[-1]["Authorization"] == "Bearer canary-access-1"


def test_before_it_takes_orders_a_connection_answers_whether_they_outlive_it(
    exchange: Exchange,
) -> None:
    """An order that goes meanwhile is told to go elsewhere."""
    told: list[object] = []

    def check() -> None:
        told.append(exchange.session.cancel_on_disconnect())
        with pytest.raises(NotSent, match="not logged in yet"):
            exchange.stream.call("private/buy", {}, timeout=5)

    exchange.session.open(CHANNELS, check)
    asked = ["private/get_cancel_on_disconnect"] * 2
    assert exchange.methods()[:4] == ["public/auth", *asked, "public/set_heartbeat"]
    assert told == [True]
    exchange.stream.call("private/buy", {}, timeout=5)


def test_what_is_raised_before_orders_ends_the_connection(exchange: Exchange) -> None:
    def check() -> None:
        raise OutcomeUnknown("no answer")

    with pytest.raises(OutcomeUnknown, match="no answer"):
        exchange.session.open(CHANNELS, check)
    assert not exchange.stream.is_connected
    assert exchange.methods() == ["public/auth"]


@pytest.mark.parametrize("accepted", [[CHANNELS[0]], [], None, "ok"])
def test_a_channel_left_out_is_an_error(exchange: Exchange, accepted: Any) -> None:
    """The venue drops unknown channels without a word; we do not go on without them."""
    exchange.answers["private/subscribe"] = accepted
    with pytest.raises(OutcomeUnknown, match=r"user\.portfolio\.any"):
        exchange.session.open(CHANNELS)
    assert not exchange.stream.is_connected
    assert exchange.lost == []


def test_prices_left_out_take_no_news_away(exchange: Exchange) -> None:
    """An instrument that is listed no more has no ticker; the account's news go on."""
    exchange.answers["private/subscribe"] = list(CHANNELS)
    gone, closed = (f"ticker.{name}-PERPETUAL.100ms" for name in ("GONE", "CLOSED"))
    exchange.session.open((*CHANNELS, gone, closed))
    assert exchange.stream.is_connected
    assert exchange.session.prices_left_out() == (gone, closed)
    exchange.answers["private/subscribe"] = [closed.lower()]
    exchange.session.subscribe_prices()
    assert exchange.log[-1] == ("private/subscribe", {"channels": [gone, closed]})
    assert exchange.session.prices_left_out() == (gone,)


def test_without_channels_nothing_is_subscribed(exchange: Exchange) -> None:
    """What the venue makes of an empty list is nowhere written."""
    exchange.session.open(())
    assert "private/subscribe" not in exchange.methods()


def test_http_alone_is_a_session_too(exchange: Exchange) -> None:
    """For who closes everything while no websocket is to be had: a token, and the venue's time."""
    exchange.stream._url = "ws://127.0.0.1:1/"
    with pytest.raises(NotSent):
        exchange.session.open(())
    exchange.log.clear()
    exchange.session.open_over_http()
    assert exchange.methods() == ["public/auth", "public/get_time"]
    assert exchange.server_clock.now_ms() == 1767225600000
    exchange.http.call("private/x", {}, timeout=5)
    assert exchange.http_server.headers[-1]["Authorization"].startswith("Bearer canary-access-")


def test_a_lost_reply_does_not_put_the_clock_wrong(exchange: Exchange) -> None:
    """The venue's time is compared with when the request left that was answered."""
    exchange.session.open(())
    exchange.answers["public/get_time"] = (10040, "retry")
    before, told = exchange.server_clock.now_ms(), exchange.respond

    def respond(request: dict[str, Any]) -> str:
        answer = told(request)
        exchange.clock.seconds += 2.0  # so long the first was waited for
        exchange.answers["public/get_time"] = before + 2_000
        return answer

    exchange.respond = respond  # type: ignore[method-assign]
    exchange.session.server_time_ms()
    assert abs(exchange.server_clock.now_ms() - (before + 2_000)) <= 1_000


def test_refreshing_spends_the_token_over_the_stream(exchange: Exchange) -> None:
    """While connected the renewal goes over the websocket, and HTTP gets the new token."""
    first = exchange.session.open(())
    second = exchange.session.refresh(first)
    assert exchange.log[-2] == (
        "public/auth",
        {"grant_type": "refresh_token", "refresh_token": first.refresh_token},
    )
    assert second.access_token == "canary-access-2"
    exchange.answers["public/get_time"] = "noon"
    assert exchange.session.refresh(second).access_token == "canary-access-3"
    exchange.http.call("private/x", {}, timeout=5)
    assert exchange.http_server.headers[-1]["Authorization"] == "Bearer canary-access-3"


def test_refreshing_without_a_stream_goes_over_http(exchange: Exchange) -> None:
    """A connection that is down does not let the token expire."""
    first = exchange.session.open(())
    drop(exchange.server.connection())
    exchange.server.closed.wait(5)
    exchange.stream.close()
    assert exchange.session.refresh(first).access_token == "canary-access-2"
    assert "Authorization" not in exchange.http_server.headers[-1]


def test_an_outage_of_the_stream_does_not_let_the_http_token_expire(exchange: Exchange) -> None:
    """While the websocket cannot be had, HTTP logs in by itself, but only when it is time."""
    exchange.session.open(())
    exchange.stream._url = "ws://127.0.0.1:1/"
    for seconds in (100.0, 620.0, 100.0):
        exchange.clock.seconds += seconds
        with pytest.raises(NotSent):
            exchange.session.open(())
    assert exchange.logins == 2
    exchange.http.call("private/x", {}, timeout=5)
    assert exchange.http_server.headers[-1]["Authorization"] == "Bearer canary-access-2"
    exchange.clock.seconds += 900.0
    exchange.answers["public/auth"] = (13004, "invalid_credentials")
    with pytest.raises(Rejected):
        exchange.session.open(())


def test_a_refresh_of_unknown_outcome_is_not_repeated(exchange: Exchange) -> None:
    """The token works once: whoever does not know whether it was spent logs in anew."""
    first = exchange.session.open(())
    exchange.answers["public/auth"] = (10040, "retry")
    with pytest.raises(OutcomeUnknown):
        exchange.session.refresh(first)
    assert exchange.methods().count("public/auth") == 2


def test_cancel_on_disconnect_in_either_scope_counts(exchange: Exchange) -> None:
    """On for the connection or for the account is on, and is switched off only where it is."""
    exchange.session.open(())
    assert exchange.session.cancel_on_disconnect()
    exchange.session.disable_cancel_on_disconnect()
    exchange.answers["private/get_cancel_on_disconnect"] = {"enabled": False}
    assert not exchange.session.cancel_on_disconnect()
    exchange.session.disable_cancel_on_disconnect()
    exchange.answers["private/get_cancel_on_disconnect"] = {"enabled": "no"}
    with pytest.raises(OutcomeUnknown):
        exchange.session.cancel_on_disconnect()
    scopes = [
        params["scope"]
        for method, params in exchange.log
        if method == "private/disable_cancel_on_disconnect"
    ]
    assert scopes == ["connection"]


def test_the_servers_time(exchange: Exchange) -> None:
    """Milliseconds, or unknown; the shared clock runs on from the last one."""
    exchange.session.open(())
    assert exchange.session.server_time_ms() == 1767225600000
    exchange.clock.seconds += 1.5
    assert exchange.server_clock.now_ms() == 1767225601500
    exchange.answers["public/get_time"] = "noon"
    with pytest.raises(OutcomeUnknown):
        exchange.session.server_time_ms()


def test_the_time_of_a_reply_is_that_of_the_middle_of_its_way(exchange: Exchange) -> None:
    """On a slow line the bounds of orders would be off by the whole way back."""
    clock = ServerClock(exchange.clock)
    here = clock.local_ms()
    clock.measured(here + 5_000, here - 400, here)
    assert clock.now_ms() == here + 5_200


def test_a_machines_clock_that_is_set_changes_nothing_of_the_venues(exchange: Exchange) -> None:
    """What was measured before would be wrong by as much."""
    clock = ServerClock(exchange.clock)
    clock.measured(1767225600000, clock.local_ms(), clock.local_ms())
    usual = exchange.clock.now
    exchange.clock.now = lambda: usual() + timedelta(hours=1)
    exchange.clock.seconds += 2
    assert clock.now_ms() == 1767225602000


def test_a_heartbeat_the_venue_refuses_is_refused_here() -> None:
    """Shorter than ten seconds is a mistake in the settings."""
    clock = ManualClock()
    stream = WebSocketRpc("ws://x", clock, on_notification=print, on_lost=print)
    with pytest.raises(ValueError, match="heartbeat"):
        DeribitSession(
            stream, HttpRpc("http://x"), ServerClock(clock), "id", "s", heartbeat_seconds=9
        )


BAD_REPLIES = [
    (13004, f"invalid_credentials {SECRET}", {"reason": f"secret {SECRET} is wrong"}),
    (10040, f"retry {SECRET}"),
    {"access_token": "canary-access-1"},
    {"access_token": "canary-access\r\nX: y", "refresh_token": "canary-refresh", "expires_in": 1},
    {"access_token": "canary-access", "refresh_token": "canary-refresh", "expires_in": "soon"},
    ["canary-access"],
    "canary-access",
    None,
]


@pytest.mark.parametrize("answer", BAD_REPLIES)
def test_no_secret_in_any_failure(exchange: Exchange, answer: Any) -> None:
    """Whatever the venue answers, neither the error nor the log shows a secret or a token."""
    exchange.answers["public/auth"] = answer
    with (
        structlog.testing.capture_logs() as logs,
        pytest.raises((Rejected, OutcomeUnknown)) as caught,
    ):
        exchange.session.open(())
    shown = json.dumps(logs) + str(caught.value) + repr(caught.value) + repr(vars(caught.value))
    assert "canary" not in shown
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_no_secret_in_any_repr(exchange: Exchange) -> None:
    """Printing the parts shows nothing."""
    credentials = exchange.session.open(())
    shown = f"{exchange.session!r} {exchange.stream!r} {exchange.http!r} {credentials!r}"
    assert "canary" not in shown


def test_no_connection_is_not_sent(exchange: Exchange) -> None:
    """Neither opening nor refreshing hides that nobody answered."""
    session = DeribitSession(
        WebSocketRpc(
            "ws://127.0.0.1:1/", ManualClock(), on_notification=print, on_lost=exchange.lost.append
        ),
        HttpRpc("http://127.0.0.1:1/"),
        exchange.server_clock,
        "id",
        SECRET,
    )
    tokens = Credentials(
        access_token=TOKENS[0], refresh_token=TOKENS[1], expires_in=1, scope="trade:read"
    )
    with pytest.raises(NotSent) as opening:
        session.open(())
    with pytest.raises(NotSent) as refreshing:
        session.refresh(tokens)
    assert "canary" not in f"{opening.value} {refreshing.value}"


def test_a_throttled_log_in_is_not_repeated_at_once(exchange: Exchange) -> None:
    """The venue has just said that it was asked too often."""
    exchange.answers["public/auth"] = (10028, "too_many_requests")
    with pytest.raises(Throttled):
        exchange.session.open(())
    assert exchange.methods().count("public/auth") == 1
