"""Log-in, tokens, scopes, limits, and cancel on disconnect."""

import hashlib
import hmac
from typing import Any

import pytest

from adapters.paper.errors import VenueError
from tests.adapters.paper.harness import INVERSE, NOON, Bench


def _auth(bench: Bench, **params: Any) -> Any:
    return bench.call("public/auth", **params)


def _credentials(bench: Bench, **params: Any) -> Any:
    terms = {"grant_type": "client_credentials", "client_id": "paper", "client_secret": "paper"}
    return _auth(bench, **(terms | params))


def test_a_log_in_states_life_and_scope() -> None:
    """expires_in is in seconds, the scope says what was granted, the state comes back."""
    bench = Bench(token_seconds=900)
    reply = _credentials(bench, state="s1")
    assert (reply["expires_in"], reply["token_type"], reply["state"]) == (900, "bearer", "s1")
    assert {"connection", "account:read_write", "trade:read_write", "wallet:read"} <= set(
        reply["scope"].split()
    )
    assert _credentials(bench, scope="expires:30 session:x")["expires_in"] == 30


@pytest.mark.parametrize(
    "params",
    [{"client_secret": "wrong"}, {"client_id": "other"}],
)
def test_wrong_credentials_are_refused(params: dict[str, str]) -> None:
    """13004, whichever half is wrong."""
    bench = Bench()
    with pytest.raises(VenueError) as caught:
        _credentials(bench, **params)
    assert (caught.value.code, caught.value.message) == (13004, "invalid_credentials")


def test_an_unknown_grant_is_refused() -> None:
    """-32602 naming the parameter."""
    assert Bench().refused("public/auth", grant_type="password").data["param"] == "grant_type"


def _signature(secret: str, stamp: int, nonce: str) -> str:
    return hmac.new(secret.encode(), f"{stamp}\n{nonce}\n".encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("secret", "late_ms", "is_right"),
    [("paper", 0, True), ("other", 0, False), ("paper", 61_000, False)],
)
def test_a_signed_log_in(secret: str, late_ms: int, is_right: bool) -> None:
    """The signature covers time, nonce and data, and is good for a minute."""
    bench = Bench()
    stamp = NOON - late_ms
    terms = {
        "grant_type": "client_signature",
        "client_id": "paper",
        "timestamp": stamp,
        "nonce": "n1",
        "data": "",
        "signature": _signature(secret, stamp, "n1"),
    }
    if is_right:
        assert _auth(bench, **terms)["access_token"]
    else:
        assert bench.refused("public/auth", **terms).code == 13004


def test_a_refresh_token_works_once_and_kills_the_old_token() -> None:
    """The second use is 13009, and so is the access token it replaced."""
    bench = Bench()
    first = _credentials(bench)
    again = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = _auth(bench, **again)
    assert second["access_token"] != first["access_token"]
    assert second["scope"] == first["scope"]
    assert bench.refused("public/auth", **again).code == 13009
    old = bench.refused("get_positions", access_token=first["access_token"])
    assert (old.code, old.data) == (13009, {"reason": "invalid_token"})
    assert bench.call("get_positions") == []


def test_a_token_expires() -> None:
    """After expires_in seconds every private call is 13009."""
    bench = Bench(token_seconds=900)
    bench.now_ms += 899_000
    assert bench.call("get_positions") == []
    bench.now_ms += 1_000
    assert bench.refused("get_positions").code == 13009


def test_a_connection_token_works_on_no_other_connection() -> None:
    """Only a session scope lets a token be used elsewhere, and outlive its connection."""
    bench = Bench()
    bound, named = _credentials(bench), _credentials(bench, scope="session:desk")
    other = bench.exchange.open_session(is_websocket=False)

    def positions(token: str) -> Any:
        params = {"access_token": token}
        return bench.exchange.request(other, "private/get_positions", params, bench.now_ms)

    with pytest.raises(VenueError):
        positions(bound["access_token"])
    bench.exchange.close_session(bench.session, bench.now_ms)
    assert positions(named["access_token"]) == []
    assert "session:desk" in named["scope"]


def test_without_a_log_in_private_methods_are_closed() -> None:
    """13009, and public methods are open."""
    bench = Bench()
    bench.session = bench.exchange.open_session()
    assert bench.refused("get_positions").code == 13009
    assert bench.call("public/get_time") == bench.now_ms


def test_a_narrow_scope_cannot_trade() -> None:
    """trade:read reads and is forbidden to order; nothing grants more than the key has."""
    bench = Bench()
    reply = _credentials(bench, scope="trade:read wallet:read_write")
    assert "wallet:read" in reply["scope"].split()
    assert bench.call("get_open_orders") == []
    assert bench.refused("buy", instrument_name=INVERSE, amount=10, price=99_000).code == 13021


def test_log_out_ends_token_and_connection_without_cancelling() -> None:
    """No reply, the server hangs up; cancel on disconnect does not fire."""
    bench = Bench()
    bench.call("enable_cancel_on_disconnect")
    order = bench.buy(10, price=99_000)["order"]
    session = bench.session
    assert bench.call("logout") is None
    assert session.closing
    bench.exchange.close_session(session, bench.now_ms)
    bench.session = bench.logged_in()
    assert bench.state(order["order_id"])["order_state"] == "open"


def test_cancel_on_disconnect_cancels_what_the_connection_made() -> None:
    """Triggers too; orders of another connection stay."""
    bench = Bench()
    first = bench.session
    assert bench.call("get_cancel_on_disconnect") == {"enabled": False, "scope": "connection"}
    bench.call("enable_cancel_on_disconnect")
    mine = [bench.buy(10, price=99_000)["order"]["order_id"], bench.stop(10, 99_000)["order_id"]]
    bench.session = bench.logged_in()
    other = bench.buy(10, price=99_000)["order"]["order_id"]
    bench.exchange.close_session(first, bench.now_ms)
    assert {bench.state(each)["cancel_reason"] for each in mine} == {"cancel_on_disconnect"}
    assert bench.state(other)["order_state"] == "open"


def test_without_it_a_drop_leaves_the_orders() -> None:
    """A lost connection alone cancels nothing."""
    bench = Bench()
    order = bench.stop(10, 99_000)
    bench.exchange.close_session(bench.session, bench.now_ms)
    bench.session = bench.logged_in()
    assert bench.state(order["order_id"])["order_state"] == "untriggered"


def test_account_scope_is_the_default_of_new_connections() -> None:
    """Enabled for the account, it is on for whoever connects later, until disabled."""
    bench = Bench()
    bench.call("enable_cancel_on_disconnect", scope="account")
    assert bench.call("get_cancel_on_disconnect", scope="account")["enabled"] is True
    assert bench.exchange.open_session().cancel_on_disconnect
    bench.call("disable_cancel_on_disconnect", scope="account")
    assert not bench.exchange.open_session().cancel_on_disconnect
    assert bench.refused("enable_cancel_on_disconnect", scope="house").code == -32602


def test_the_lowest_tier_allows_twenty_orders_at_once_and_five_a_second() -> None:
    """The twenty-first request is 10028 and ends the session; a second later five pass."""
    bench = Bench(rate_limits=True)
    for _ in range(20):
        assert bench.refused("cancel", order_id="1").code == 10004
    error = bench.refused("cancel", order_id="1")
    assert (error.code, error.message, error.ends_session) == (10028, "too_many_requests", True)
    assert bench.call("cancel_all") == 0
    bench.now_ms += 1000
    codes = [bench.refused("cancel", order_id="1").code for _ in range(6)]
    assert codes == [10004] * 5 + [10028]


def test_the_catalogue_is_dear_over_a_websocket_and_cheaper_over_http() -> None:
    """Five at once and one in ten seconds; fifty and one a second. Each from a pool of its own."""
    bench = Bench(rate_limits=True)
    asks = "public/get_instruments"
    for _ in range(5):
        assert bench.call(asks, currency="any")
    assert bench.refused(asks, currency="any").code == 10028
    bench.now_ms += 9_999
    assert bench.refused(asks, currency="any").code == 10028
    bench.now_ms += 1
    assert bench.call(asks, currency="any")
    bench.session = bench.exchange.open_session(is_websocket=False)
    for _ in range(50):
        assert bench.call(asks, currency="any")
    assert bench.refused(asks, currency="any").code == 10028


def test_websocket_methods_over_http_are_refused() -> None:
    """Heartbeats, greetings and subscriptions need a websocket: 10030."""
    bench = Bench()
    bench.session = bench.exchange.open_session(is_websocket=False)
    _credentials(bench)
    methods = ["public/set_heartbeat", "public/hello", "public/subscribe", "private/logout"]
    assert {bench.refused(method).code for method in methods} == {10030}
    assert bench.refused("enable_cancel_on_disconnect").code == 10030
    assert bench.refused("public/nonsense").code == -32601


def test_support_methods() -> None:
    """Version, status in the venue's odd text, greetings and provoked errors."""
    bench = Bench()
    assert bench.call("public/test") == {"version": "1.2.26"}
    assert bench.refused("public/test", expected_result="exception").code == 11094
    assert bench.call("public/status")["locked"] == "false"
    greeting = {"client_name": "a", "client_version": "1"}
    assert bench.call("public/hello", **greeting) == {"version": "1.2.26"}
    assert bench.refused("public/set_heartbeat", interval=5).code == -32602
    assert bench.call("public/set_heartbeat", interval=10) == "ok"
    assert bench.call("public/disable_heartbeat") == "ok"
    assert bench.session.heartbeat_ms is None


def test_old_tokens_are_forgotten() -> None:
    """A day after it expired even the refresh token of a token is gone."""
    bench = Bench(token_seconds=900)
    first = _credentials(bench)
    bench.now_ms += 25 * 3_600_000
    _credentials(bench)
    again = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    assert bench.refused("public/auth", **again).code == 13009


@pytest.mark.parametrize("asked", ["expires:99999999999999999999999999", "expires:²"])
def test_a_life_that_is_no_number_or_too_long(asked: str) -> None:
    """A year is the longest; what is no number is as if it had not been asked for."""
    bench = Bench(token_seconds=900)
    session = bench.exchange.open_session()
    login = {"grant_type": "client_credentials", "client_id": "paper", "client_secret": "paper"}
    reply = bench.exchange.request(session, "public/auth", login | {"scope": asked}, bench.now_ms)
    assert reply["expires_in"] == (365 * 24 * 3600 if "9" in asked else 900)
