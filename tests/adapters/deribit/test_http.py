"""JSON-RPC over a real local HTTP server: the body speaks first, and what failures prove."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests.adapters

from actors.ports import NotSent, OutcomeUnknown, Rejected
from adapters.deribit import http
from adapters.deribit.http import HttpRpc
from adapters.dialing import Found, Race
from tests.adapters.deribit.fakes import WAIT, HttpServer, error, reply
from tests.adapters.deribit.tls import certify

Answer = tuple[int, bytes, dict[str, str]]


def echo(request: dict[str, Any], headers: Mapping[str, str]) -> Answer:
    return 200, reply(request, request["params"]).encode(), {}


def call(server: HttpServer, method: str = "public/test", **params: Any) -> Any:
    rpc = HttpRpc(server.url)
    try:
        return rpc.call(method, params, timeout=WAIT)
    finally:
        rpc.close()


def test_figures_are_exact_both_ways() -> None:
    """Decimals leave as JSON numbers and come back as they were."""
    with HttpServer(echo) as server:
        assert call(server, amount=Decimal("0.000366076123")) == {
            "amount": Decimal("0.000366076123")
        }


def test_the_connection_is_kept() -> None:
    """Calls one after the other use one connection."""
    with HttpServer(echo) as server:
        rpc = HttpRpc(server.url)
        for number in range(5):
            assert rpc.call("m", {"n": number}, timeout=WAIT) == {"n": number}
        rpc.close()
        assert len(server.ports) == 1


def test_many_callers_share_a_few_connections() -> None:
    """Sixteen threads are served by at most four connections."""
    with HttpServer(echo) as server:
        rpc = HttpRpc(server.url, max_connections=4)
        with ThreadPoolExecutor(16) as pool:
            calls = [pool.submit(rpc.call, "m", {"n": n}, timeout=WAIT) for n in range(64)]
            assert [each.result() for each in calls] == [{"n": n} for n in range(64)]
        rpc.close()
        assert len(server.ports) <= 4


def test_no_free_connection_in_time_is_not_sent() -> None:
    """A call that found every connection busy proves that nothing left."""
    arrived, release = threading.Event(), threading.Event()

    def slow(request: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        arrived.set()
        release.wait(WAIT)
        return echo(request, headers)

    with HttpServer(slow) as server:
        rpc = HttpRpc(server.url, max_connections=1)
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(rpc.call, "m", {}, timeout=WAIT)
            arrived.wait(WAIT)
            with pytest.raises(NotSent, match="busy"):
                rpc.call("m", {}, timeout=0.01)
            release.set()
            assert first.result() == {}
        rpc.close()


def test_the_token_is_sent_except_to_log_in() -> None:
    """Once installed the token goes with every call; a log-in stands on its own."""
    with HttpServer(echo) as server:
        rpc = HttpRpc(server.url)
        rpc.call("public/test", {}, timeout=WAIT)
        rpc.authorize("token-1")
        rpc.call("private/test", {}, timeout=WAIT)
        rpc.call("public/auth", {}, timeout=WAIT)
        rpc.close()
        assert [each.get("Authorization") for each in server.headers] == [
            None,
            "Bearer token-1",
            None,
        ]


def test_an_error_body_speaks_before_the_status() -> None:
    """The venue sends its refusals with status 400."""
    with (
        HttpServer(
            lambda request, _: (400, error(request, 13009, "unauthorized").encode(), {})
        ) as server,
        pytest.raises(Rejected) as caught,
    ):
        call(server)
    assert caught.value.code == 13009


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_an_error_of_the_venues_own_making_speaks_under_any_status_of_refusal(status: int) -> None:
    """13009 came with 401: as an unknown outcome nobody would have logged in again."""
    body = b'{"jsonrpc":"2.0","error":{"code":13009,"message":"unauthorized"}}'
    with HttpServer(lambda *_: (status, body, {})) as server, pytest.raises(Rejected) as caught:
        call(server)
    assert caught.value.code == 13009


def test_a_page_that_takes_nothing_has_not_let_it_through() -> None:
    """The edge's own answer to a POST during maintenance: the stream may be tried instead."""
    page = b"<html><h1>405 Not Allowed</h1></html>"
    with (
        HttpServer(lambda *_: (405, page, {})) as server,
        pytest.raises(NotSent, match="maintenance"),
    ):
        call(server)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>ok</html>"),
        (502, b'{"jsonrpc":"2.0","error":{"code":10009,"message":"x"}}'),
        (401, b'{"jsonrpc":"2.0","error":{"code":"10009"}}'),
        (401, b'{"jsonrpc":"2.0","id":1,"result":1}'),
        (502, b"<html>bad gateway</html>"),
        (429, b""),
        (503, b'{"error":{"code":10009,"message":"x"}}'),
        (429, b'{"error":{"code":10009,"message":"x"}}'),
        (302, b'{"result":1}'),
        (200, b"{}"),
        (200, b'{"id":"another","result":1}'),
        (200, b'{"id":1,"error":{"code":10040,"message":"retry"}}'),
        (500, b'{"id":1,"result":1}'),
    ],
)
def test_everything_else_is_unknown(status: int, body: bytes) -> None:
    """Edges, gateways and other requests' answers prove nothing."""
    with (
        HttpServer(lambda *_: (status, body, {"Location": "http://127.0.0.1:1/"})) as server,
        pytest.raises(OutcomeUnknown),
    ):
        call(server)


def test_a_truncated_body_is_unknown() -> None:
    """Fewer bytes than announced: the request was taken, the answer is lost."""
    cut = {"Content-Length": "500", "Connection": "close"}
    with (
        HttpServer(lambda *_: (200, b'{"id":1,', dict(cut))) as server,
        pytest.raises(OutcomeUnknown),
    ):
        call(server)


def test_a_timeout_is_unknown() -> None:
    """No answer in time proves nothing."""
    release = threading.Event()

    def stuck(request: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        release.wait(WAIT)
        return echo(request, headers)

    with HttpServer(stuck) as server:
        rpc = HttpRpc(server.url)
        with pytest.raises(OutcomeUnknown, match="ReadTimeout"):
            rpc.call("m", {}, timeout=0.02)
        release.set()
        rpc.close()


def test_a_refused_connection_is_not_sent() -> None:
    """Nobody listens, so nothing was sent."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        rpc = HttpRpc(f"http://127.0.0.1:{unused.getsockname()[1]}/api/v2")
        with pytest.raises(NotSent):
            rpc.call("m", {}, timeout=WAIT)


def test_the_environment_does_not_choose_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy set in the environment is not asked."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with HttpServer(echo) as server:
        assert call(server, n=1) == {"n": 1}
        assert json.loads(json.dumps(server.requests[0]))["method"] == "public/test"


@contextmanager
def unreachable() -> Iterator[str]:
    """An address where connecting takes for ever: its queue is full, and nobody accepts."""
    with socket.socket() as server, ExitStack() as stack:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(3):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}/api/v2"


def test_a_venue_that_cannot_be_reached_leaves_time_for_the_other_way() -> None:
    """Half of the time there is goes into reaching it: nothing was sent by then."""
    with unreachable() as url:
        rpc = HttpRpc(url)
        began = time.monotonic()
        with pytest.raises(NotSent):
            rpc.call("m", {}, timeout=4.0)
        assert time.monotonic() - began < 3.0
        rpc.close()


def named(*ports: int) -> Callable[..., list[Found]]:
    """A resolver that knows one host, with these addresses."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)) for port in ports]
    return lambda *_, **__: found


def port_of(url: str) -> int:
    return urlsplit(url).port or 0


def test_an_address_that_swallows_packets_leaves_time_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Half a second is all there is to reach the venue, whichever of its addresses is dead."""
    with HttpServer(echo) as server, unreachable() as one, unreachable() as other:
        resolve = named(port_of(one), port_of(other), server.address[1])
        monkeypatch.setattr(http, "Race", partial(Race, resolve=resolve))
        rpc = HttpRpc("http://venue.test/api/v2")
        assert rpc.call("m", {"n": 1}, timeout=1.0) == {"n": 1}
        rpc.close()


def test_all_addresses_together_have_the_time_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits has to try the other way."""
    with unreachable() as one, unreachable() as other:
        resolve = named(*[port_of(one), port_of(other)] * 2)
        monkeypatch.setattr(http, "Race", partial(Race, resolve=resolve))
        rpc = HttpRpc("http://venue.test/api/v2")
        began = time.monotonic()
        with pytest.raises(NotSent):
            rpc.call("m", {}, timeout=1.0)
        assert time.monotonic() - began < 0.9
        rpc.close()


def test_a_host_without_an_address_is_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was sent."""
    monkeypatch.setattr(http, "Race", partial(Race, resolve=named()))
    rpc = HttpRpc("http://venue.test/api/v2")
    with pytest.raises(NotSent):
        rpc.call("m", {}, timeout=1.0)


def test_orders_go_to_whom_the_certificate_vouches_for_and_to_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's bundle decides; a stranger is hung up on."""
    made = certify(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(made)
    with HttpServer(echo) as server:
        server.behind(tls)
        rpc = HttpRpc(server.url.replace("http:", "https:"))
        with pytest.raises(OutcomeUnknown, match="SSLError"):
            rpc.call("m", {"n": 1}, timeout=WAIT)
        monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(made))
        assert rpc.call("m", {"n": 2}, timeout=WAIT) == {"n": 2}
        assert [x["params"] for x in server.requests] == [{"n": 2}]
        rpc.close()


def test_the_handshake_has_all_that_is_left_whatever_else_could_be_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Far away it takes some time, and no other address is tried after it."""
    made = certify(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(made)
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(made))
    with HttpServer(echo) as server, unreachable() as dead:
        server.behind(tls, after=0.3)
        resolve = named(server.address[1], *[port_of(dead)] * 3)
        monkeypatch.setattr(http, "Race", partial(Race, resolve=resolve))
        rpc = HttpRpc("https://127.0.0.1/api/v2")
        assert rpc.call("m", {"n": 1}, timeout=1.2) == {"n": 1}
        rpc.close()


def test_waiting_for_a_connection_counts() -> None:
    """All are lent out: whoever waits for one of them has less time for his answer, or none."""
    was_heard, release = threading.Event(), threading.Event()

    def mute(request: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        was_heard.set()
        release.wait(WAIT)
        return echo(request, headers)

    with HttpServer(mute) as server, ThreadPoolExecutor(1) as pool:
        rpc = HttpRpc(server.url, max_connections=1)
        first = pool.submit(rpc.call, "m", {"n": 1}, timeout=WAIT)
        assert was_heard.wait(WAIT)
        began = time.monotonic()
        with pytest.raises(NotSent):
            rpc.call("m", {"n": 2}, timeout=4.0)
        assert time.monotonic() - began < 3.0
        release.set()
        assert first.result() == {"n": 1}
        rpc.close()
