"""Faults of the transport over real sockets; our client, ccxt and plain requests are witnesses."""

import queue
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from actors.ports import NotSent, OutcomeUnknown, Rejected
from adapters.clock import SystemClock
from adapters.deribit.errors import Throttled, Unreadable
from adapters.deribit.http import HttpRpc
from adapters.deribit.websocket import WebSocketRpc
from adapters.paper.faults.reading import parse_plan
from tests.adapters.paper.serving import Running, running

WAIT = 10.0
SOON = 0.3
BUY = {"instrument_name": "BTC-PERPETUAL", "amount": 10, "type": "market"}
LOGIN = {"grant_type": "client_credentials", "client_id": "paper", "client_secret": "paper"}
CHANGES = "user.changes.any.any.raw"


class Line:
    """One websocket of our own client, logged in, and what it hears."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.heard: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.lost: queue.Queue[str] = queue.Queue()
        self.rpc = WebSocketRpc(
            url,
            SystemClock(),
            on_notification=lambda channel, data: self.heard.put((channel, data)),
            on_lost=self.lost.put,
        )
        stack.callback(self.rpc.close)
        self.open()

    def open(self) -> None:
        self.rpc.connect()
        self.rpc.call("public/auth", LOGIN, timeout=WAIT)
        self.rpc.authorize()

    def call(self, method: str, timeout: float = WAIT, **params: Any) -> Any:
        return self.rpc.call(method, params, timeout=timeout)

    def buy(self, label: str, timeout: float = WAIT, **more: Any) -> Any:
        return self.call("private/buy", timeout, **BUY, label=label, **more)

    def told(self) -> list[str]:
        """The labels of the next changes of orders heard of."""
        _, data = self.heard.get(timeout=WAIT)
        return [order["label"] for order in data["orders"]]


class Stage:
    """A server in bad weather and its witnesses."""

    def __init__(self, server: Running, stack: ExitStack) -> None:
        self.server = server
        self._stack = stack
        self._quiet = requests.Session()
        self._quiet.trust_env = False
        self._quiet.auth = ("paper", "paper")
        stack.callback(self._quiet.close)

    def line(self) -> Line:
        return Line(self.server.ws, self._stack)

    def http(self) -> HttpRpc:
        """Our own client over HTTP, logged in."""
        rpc = HttpRpc(self.server.http)
        self._stack.callback(rpc.close)
        rpc.authorize(rpc.call("public/auth", LOGIN, timeout=WAIT)["access_token"])
        return rpc

    def get(self, method: str, **params: Any) -> requests.Response:
        return self._quiet.get(f"{self.server.http}/{method}", params=params, timeout=WAIT)

    def strike(self, kind: str, **more: Any) -> None:
        """Puts a fault in force now, by the control endpoint."""
        url = f"http://127.0.0.1:{self.server.port}/control/faults"
        assert self._quiet.post(url, json={"kind": kind, **more}, timeout=WAIT).ok

    def bought(self) -> set[str]:
        """The labels of what was really bought."""
        terms = {"instrument_name": "BTC-PERPETUAL"}
        rows = self.get("private/get_user_trades_by_instrument", **terms).json()["result"]
        return {row["label"] for row in rows["trades"]}


@contextmanager
def weather(folder: Path, *faults: str) -> Iterator[Stage]:
    text = "".join(f"[[fault]]\n{each}\n" for each in faults)
    with ExitStack() as stack:
        server = stack.enter_context(
            running(folder, faults=parse_plan(text), rate_limits=False, speed=1)
        )
        yield Stage(server, stack)


def lost(kind: str, *more: str) -> str:
    return "\n".join([f'kind = "{kind}"', 'methods = "private/buy"', "most = 1", *more])


def test_a_lost_request_is_never_carried_out(tmp_path: Path) -> None:
    """Nobody answers; the next one is answered, over either way."""
    with weather(tmp_path, lost("request_lost")) as stage:
        line = stage.line()
        with pytest.raises(OutcomeUnknown, match="no reply within"):
            line.buy("a", SOON)
        line.buy("b")
        assert stage.bought() == {"b"}


def test_a_lost_reply_leaves_the_order_there(tmp_path: Path) -> None:
    """And its notification comes all the same: who hears of it does not miss the reply."""
    with weather(tmp_path, lost("reply_lost", "labels = 'a'"), lost("reply_lost")) as stage:
        line, other = stage.line(), stage.line()
        other.call("private/subscribe", channels=[CHANGES])
        with pytest.raises(OutcomeUnknown, match="no reply within"):
            line.buy("a", SOON)
        assert other.told() == ["a"]
        assert other.buy("b")["order"]["label"] == "b"
        assert stage.bought() == {"a", "b"}


def test_a_lost_reply_over_http_leaves_the_client_waiting(tmp_path: Path) -> None:
    """Until it gives up; its next request is answered."""
    with weather(tmp_path, lost("reply_lost")) as stage:
        rpc = stage.http()
        with pytest.raises(OutcomeUnknown, match="HTTP failed"):
            rpc.call("private/buy", {**BUY, "label": "a"}, timeout=SOON)
        rpc.call("private/buy", {**BUY, "label": "b"}, timeout=WAIT)
        assert stage.bought() == {"a", "b"}


@pytest.mark.parametrize("applied", ["true", "false"])
def test_a_connection_breaks_in_the_middle_of_a_request(tmp_path: Path, applied: str) -> None:
    """Before it arrived, or after it was carried out."""
    with weather(tmp_path, lost("broken_off", f"applied = {applied}")) as stage:
        line = stage.line()
        with pytest.raises(OutcomeUnknown, match="connection lost"):
            line.buy("a")
        assert line.lost.get(timeout=WAIT)
        assert stage.bought() == ({"a"} if applied == "true" else set())
        line.open()
        line.buy("b")


@pytest.mark.parametrize("applied", ["true", "false"])
def test_a_connection_of_http_breaks_off_without_an_answer(tmp_path: Path, applied: str) -> None:
    """No status, no headers: an unknown outcome for our client and a network error for ccxt."""
    ccxt: Any = pytest.importorskip("ccxt")
    broken = f'kind = "broken_off"\nmethods = "private/buy"\nmost = 2\napplied = {applied}'
    with weather(tmp_path, broken) as stage:
        rpc = stage.http()
        with pytest.raises(OutcomeUnknown, match=r"HTTP failed \(ConnectionError\)"):
            rpc.call("private/buy", {**BUY, "label": "a"}, timeout=WAIT)
        client = ccxt.deribit({"apiKey": "paper", "secret": "paper", "maxRetriesOnFailure": 0})
        client.urls["api"] = {"rest": f"http://127.0.0.1:{stage.server.port}"}
        client.session.trust_env = False
        with pytest.raises(ccxt.NetworkError):
            client.create_order("BTC/USD:BTC", "market", "buy", 10, None, {"label": "b"})
        client.session.close()
        assert stage.bought() == ({"a", "b"} if applied == "true" else set())


@pytest.mark.parametrize("code", [10040, 10041, 10047, 11051, 13009, 13888, 11094])
def test_a_code_is_answered_as_the_venue_would(tmp_path: Path, code: int) -> None:
    """Proven refusals are rejections, the others leave the outcome open."""
    with weather(tmp_path, lost("error", f"code = {code}")) as stage:
        proven = code in {10041, 10047, 11051, 13009}
        with pytest.raises(Rejected if proven else OutcomeUnknown, match=str(code)):
            stage.line().buy("a")
        assert stage.bought() == set()


def test_too_many_requests_ends_the_session(tmp_path: Path) -> None:
    """10028 may come after the deed; the line is hung up behind it."""
    with weather(tmp_path, lost("error", "code = 10028", "applied = true")) as stage:
        line = stage.line()
        with pytest.raises(Throttled, match="too_many_requests"):
            line.buy("a")
        assert "1008" in line.lost.get(timeout=WAIT)
        assert stage.bought() == {"a"}


@pytest.mark.parametrize("applied", ["true", "false"])
def test_the_edge_answers_http_with_a_page(tmp_path: Path, applied: str) -> None:
    """A status above 500 and HTML; the websocket goes on."""
    page = lost("http_error", "status = 503", f"applied = {applied}")
    with weather(tmp_path, page) as stage:
        stage.line().buy("websocket")
        with pytest.raises(Unreadable, match="HTTP 503"):
            stage.http().call("private/buy", {**BUY, "label": "http"}, timeout=WAIT)
        assert ("http" in stage.bought()) == (applied == "true")


def test_a_page_is_html(tmp_path: Path) -> None:
    """As an edge writes it."""
    with weather(tmp_path, 'kind = "http_error"\nmost = 1') as stage:
        page = stage.get("public/get_time")
        assert page.status_code == 502
        assert page.headers["content-type"].startswith("text/html")
        assert page.text.startswith("<html>")


def test_a_truncated_reply_is_no_json(tmp_path: Path) -> None:
    """The deed is done; over a websocket too."""
    with weather(tmp_path, 'kind = "truncated"\nmethods = "private/buy"\nmost = 2') as stage:
        with pytest.raises(Unreadable, match="no JSON"):
            stage.line().buy("a")
        with pytest.raises(Unreadable, match="without a JSON-RPC body"):
            stage.http().call("private/buy", {**BUY, "label": "b"}, timeout=WAIT)
        assert stage.bought() == {"a", "b"}


def test_latency_keeps_the_order_of_a_connection(tmp_path: Path) -> None:
    """A slow request holds up those behind it; the reply takes its time as well."""
    slow = 'kind = "latency"\nlabels = "slow"\nway = "out"\ndelay = { constant = "150ms" }'
    with weather(tmp_path, slow) as stage:
        line, clock = stage.line(), SystemClock()
        line.call("private/subscribe", channels=[CHANGES])
        began = clock.monotonic()
        with pytest.raises(OutcomeUnknown):
            line.buy("slow", 0.01)
        line.buy("quick")
        assert clock.monotonic() - began >= 0.15
        assert [line.told(), line.told()] == [["slow"], ["quick"]]


def test_latency_over_http_takes_its_time_both_ways(tmp_path: Path) -> None:
    """Each request alone."""
    slow = lost("latency", 'delay = { constant = "60ms" }')
    with weather(tmp_path, slow) as stage:
        rpc, clock = stage.http(), SystemClock()
        began = clock.monotonic()
        rpc.call("private/buy", {**BUY, "label": "a"}, timeout=WAIT)
        assert clock.monotonic() - began >= 0.12


def notified(folder: Path, fault: str) -> list[list[str]]:
    """Which changes are heard of, of three orders at rest, until a fourth (over HTTP) is."""
    with weather(folder, f'{fault}\nchannels = "user.*"') as stage:
        line = stage.line()
        line.call("private/subscribe", channels=[CHANGES])
        for label in ("a", "b", "c", "d"):
            line.call(
                "private/buy",
                instrument_name="BTC-PERPETUAL",
                amount=10,
                price=90_000,
                label=label,
            )
        heard = [line.told()]
        while heard[-1] != ["d"]:
            heard.append(line.told())
        return heard


@pytest.mark.parametrize(
    ("fault", "heard"),
    [
        ('kind = "notification_lost"\nnth = 2\nmost = 1', "acd"),
        ('kind = "notification_duplicated"\nnth = 2\nmost = 1', "abbcd"),
        ('kind = "notification_reordered"\nnth = 2\nmost = 1', "acbd"),
    ],
)
def test_notifications_are_lost_doubled_and_reordered(
    tmp_path: Path, fault: str, heard: str
) -> None:
    """Once each."""
    assert "".join(label for (label,) in notified(tmp_path, fault)) == heard


def test_a_delayed_notification_comes_after_those_behind_it(tmp_path: Path) -> None:
    """Long after its reply."""
    late = 'kind = "notification_delayed"\nmost = 1\ndelay = { constant = "100ms" }'
    with weather(tmp_path, f'{late}\nchannels = "user.*"') as stage:
        line = stage.line()
        line.call("private/subscribe", channels=[CHANGES])
        line.buy("a")
        line.buy("b")
        assert [line.told(), line.told()] == [["b"], ["a"]]


def test_every_websocket_breaks_at_its_moment(tmp_path: Path) -> None:
    """Without a word; a new connection is taken in."""
    with weather(tmp_path) as stage:
        line, other = stage.line(), stage.line()
        stage.strike("disconnect")
        assert line.lost.get(timeout=WAIT)
        assert other.lost.get(timeout=WAIT)
        line.open()
        assert line.call("private/get_positions", currency="any") == []


def test_a_new_connection_is_turned_away(tmp_path: Path) -> None:
    """With a status; HTTP works meanwhile."""
    with weather(tmp_path, 'kind = "connection_refused"\nstatus = 503\nmost = 1') as stage:
        with pytest.raises(NotSent, match="503"):
            stage.line()
        assert stage.get("public/test").ok
        stage.line()


def test_maintenance_is_told_and_hangs_up_and_refuses(tmp_path: Path) -> None:
    """Told on ``platform_state`` first; 11051 over HTTP until it is over."""
    with weather(tmp_path) as stage:
        line = stage.line()
        line.call("private/subscribe", channels=["platform_state"])
        stage.strike("maintenance")
        while (heard := line.heard.get(timeout=WAIT)[1]) != {"maintenance": True}:
            assert "price_index" in heard
        assert line.lost.get(timeout=WAIT)
        assert stage.get("private/get_positions").json()["error"]["code"] == 11051
        assert stage.get("public/status").json()["result"]["locked"] == "true"


def test_a_wrong_clock_dates_replies_wrong(tmp_path: Path) -> None:
    """``usIn``, the time and what is signed with it."""
    with weather(tmp_path, 'kind = "clock_skew"\nby = "30s"') as stage:
        reply = stage.get("public/get_time").json()
        now_ms = SystemClock().now().timestamp() * 1000
        assert 25_000 < reply["result"] - now_ms < 31_000
        assert 25_000 < reply["usIn"] / 1000 - now_ms < 31_000
