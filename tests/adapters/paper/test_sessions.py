"""Named sessions, forks, refreshes, and who a log-in counts for."""

from typing import Any

import pytest

from adapters.paper.errors import VenueError
from tests.adapters.paper.harness import INVERSE, Bench

LOG_IN = {"grant_type": "client_credentials", "client_id": "paper", "client_secret": "paper"}


def _log_in(bench: Bench, scope: str = "") -> Any:
    return bench.call("public/auth", **LOG_IN, scope=scope)


def _refresh(token: str) -> dict[str, str]:
    return {"grant_type": "refresh_token", "refresh_token": token}


def test_a_named_session_has_an_id_and_outlives_its_refresh() -> None:
    """Its old access token works on after a refresh; that of a connection does not."""
    bench = Bench()
    named, bound = _log_in(bench, "session:desk"), _log_in(bench)
    assert (named["sid"], "sid" in bound) == ("desk", False)
    for token in (named, bound):
        bench.call("public/auth", **_refresh(token["refresh_token"]))
    assert bench.call("get_positions", access_token=named["access_token"]) == []
    assert bench.refused("get_positions", access_token=bound["access_token"]).code == 13009


def test_a_refresh_token_of_another_connection_is_none() -> None:
    """Tokens of the connection scope die with it and work on no other."""
    bench = Bench()
    token = _log_in(bench)["refresh_token"]
    bench.session = bench.exchange.open_session()
    assert bench.refused("public/auth", **_refresh(token)).code == 13009


def test_a_session_forks_and_a_connection_does_not() -> None:
    """The fork has its own name and tokens; the token it came from stays good."""
    bench = Bench()
    named, bound = _log_in(bench, "session:desk"), _log_in(bench)
    terms = {"refresh_token": named["refresh_token"], "session_name": "other"}
    forked = bench.call("public/fork_token", **terms)
    assert (forked["sid"], "session:other" in forked["scope"]) == ("other", True)
    assert bench.call("get_positions", access_token=forked["access_token"]) == []
    assert bench.call("public/auth", **_refresh(named["refresh_token"]))["sid"] == "desk"
    terms["refresh_token"] = bound["refresh_token"]
    assert bench.refused("public/fork_token", **terms).code == 13021
    terms["refresh_token"] = "nobody"
    assert bench.refused("public/fork_token", **terms).code == 13009


def test_a_token_is_exchanged_for_the_one_account_there_is() -> None:
    """Another subject is forbidden."""
    bench = Bench()
    terms = {"refresh_token": _log_in(bench, "session:desk")["refresh_token"], "subject_id": 1000}
    assert bench.call("public/exchange_token", **terms)["access_token"]
    assert bench.refused("public/exchange_token", **(terms | {"subject_id": 7})).code == 13021


def test_a_seventeenth_session_ends_the_one_refreshed_longest_ago() -> None:
    """Sixteen names a key."""
    bench = Bench()
    tokens = [_log_in(bench, f"session:n{each}")["access_token"] for each in range(16)]
    _log_in(bench, "session:n0")
    _log_in(bench, "session:n16")
    assert bench.call("get_positions", access_token=tokens[0]) == []
    assert bench.refused("get_positions", access_token=tokens[1]).code == 13009
    assert bench.call("get_positions", access_token=tokens[2]) == []


@pytest.mark.parametrize("missing", ["timestamp", "signature"])
def test_a_signature_that_is_not_there(missing: str) -> None:
    """10000 authorization_required, not a bad parameter."""
    terms = {"grant_type": "client_signature", "client_id": "paper", "timestamp": 1, "nonce": "n"}
    given = {
        name: value for name, value in (terms | {"signature": "00"}).items() if name != missing
    }
    assert Bench().refused("public/auth", **given).code == 10000


def test_a_log_in_that_ran_out_leaves_public_channels_open() -> None:
    """What is raw or private is closed, the rest is not."""
    bench = Bench(token_seconds=900)
    bench.now_ms += 900_000
    ticker = f"ticker.{INVERSE}.100ms"
    assert bench.call("public/subscribe", channels=[ticker]) == [ticker]
    assert bench.refused("public/subscribe", channels=[f"ticker.{INVERSE}.raw"]).code == 13778
    assert bench.refused("public/subscribe", channels=["user.lock"]).code == 13009


def test_a_token_in_the_parameters_opens_private_channels() -> None:
    """A socket that never logged in may name a session in the call."""
    bench = Bench()
    token = _log_in(bench, "session:desk")["access_token"]
    bench.session = bench.exchange.open_session()
    channels = ["user.orders.any.any.raw"]
    assert bench.call("subscribe", channels=channels, access_token=token) == channels


def test_strangers_do_not_use_up_the_limits_of_the_account() -> None:
    """Who has not logged in draws from a pool apart; subscribing has its own."""
    bench = Bench(rate_limits=True)
    known = bench.session
    bench.session = bench.exchange.open_session()
    codes = [_code(bench, "public/get_time") for _ in range(101)]
    assert (codes[98], codes[99]) == (0, 10028)  # the log-in before was one
    bench.session = known
    assert _code(bench, "public/get_time") == 0
    codes = [_code(bench, "subscribe", channels=["user.lock"]) for _ in range(11)]
    assert (codes[9], codes[10]) == (0, 10028)


def _code(bench: Bench, method: str, **params: Any) -> int:
    name = method if "/" in method else f"private/{method}"
    try:
        bench.exchange.request(bench.session, name, params, bench.now_ms)
    except VenueError as error:
        return error.code
    return 0
