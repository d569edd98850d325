"""JSON-RPC over a real local websocket: who gets which reply, and what a lost one means."""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from actors.ports import NotSent, OutcomeUnknown, Rejected
from adapters.deribit.gate import EntryGate
from adapters.deribit.link import DEAD_AFTER_SECONDS
from adapters.deribit.websocket import WebSocketRpc
from tests.adapters.deribit.fakes import WAIT, ManualClock, SocketServer, drop, error, reply
from tests.commands.bot_api import serving

ROOT = Path(__file__).parents[3]


class Listener:
    """Keeps what the reader thread reports."""

    def __init__(self) -> None:
        self.notes: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.lost: queue.Queue[str] = queue.Queue()
        self.fails = False

    def on_notification(self, channel: str, data: Any) -> None:
        self.notes.put((channel, data))
        if self.fails:
            raise RuntimeError("listener")


def echo(request: dict[str, Any]) -> list[str | bytes] | None:
    return [reply(request, request["params"])]


def silent(request: dict[str, Any]) -> list[str | bytes] | None:
    return None


class Bench:
    """One client against one scripted server."""

    def __init__(self, script: Callable[[dict[str, Any]], list[str | bytes] | None]) -> None:
        self.clock = ManualClock()
        self.listener = Listener()
        self.server = SocketServer(script)
        self.rpc = WebSocketRpc(
            self.server.url,
            self.clock,
            on_notification=self.listener.on_notification,
            on_lost=self.listener.lost.put,
            tick_seconds=0.01,
        )

    def in_background(
        self, method: str = "m", timeout: float = WAIT, **params: Any
    ) -> "queue.Queue[Any]":
        """Starts a call in a thread; its result or exception comes out of the queue."""
        outcome: queue.Queue[Any] = queue.Queue()

        def run() -> None:
            try:
                outcome.put(self.rpc.call(method, params, timeout=timeout))
            except (NotSent, OutcomeUnknown, Rejected) as exc:
                outcome.put(exc)

        threading.Thread(target=run, daemon=True).start()
        return outcome


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    """Starts benches and stops them after the test, with no thread left."""
    benches: list[Bench] = []

    def start(script: Callable[[dict[str, Any]], list[str | bytes] | None] = echo) -> Bench:
        made = Bench(script)
        made.server.__enter__()
        benches.append(made)
        made.rpc.connect()
        return made

    yield start
    for made in benches:
        made.rpc.close()
        made.server.__exit__(None, None, None)
    assert not [one for one in threading.enumerate() if one.name == "venue-reader"]


def test_replies_out_of_order_reach_their_callers(bench: Callable[..., Bench]) -> None:
    """Replies are matched by id, not by order."""
    held: list[dict[str, Any]] = []

    def backwards(request: dict[str, Any]) -> list[str | bytes] | None:
        held.append(request)
        if len(held) < 3:
            return None
        return [reply(each, each["method"]) for each in reversed(held)]

    made = bench(backwards)
    outcomes = [made.in_background(f"m{number}") for number in range(3)]
    assert [outcome.get(timeout=WAIT) for outcome in outcomes] == ["m0", "m1", "m2"]


def test_many_callers_at_once(bench: Callable[..., Bench]) -> None:
    """Forty threads share the connection and each gets its own answer."""
    made = bench()
    with ThreadPoolExecutor(40) as pool:
        calls = [pool.submit(made.rpc.call, "m", {"n": n}, timeout=WAIT) for n in range(200)]
        assert [call.result() for call in calls] == [{"n": n} for n in range(200)]


def test_a_long_message_both_ways(bench: Callable[..., Bench]) -> None:
    """Frames with the two longer length forms, and frames split over many reads."""
    made = bench()
    for size in (100, 1000, 300_000):
        text = "x" * size
        assert made.rpc.call("m", {"text": text}, timeout=WAIT) == {"text": text}


def test_a_fragmented_reply_is_put_together(bench: Callable[..., Bench]) -> None:
    """A reply split into several frames arrives whole, and so does the one after it."""
    made = bench(silent)
    connection = made.server.connection()
    for text in ("first", "second"):
        outcome = made.in_background()
        body = reply(made.server.next_request(), text)
        connection.send([body[:10], body[10:20], body[20:]])
        assert outcome.get(timeout=WAIT) == text


def test_a_refusal_is_raised_with_its_code(bench: Callable[..., Bench]) -> None:
    """A proven refusal comes out as such."""
    made = bench(lambda request: [error(request, 10009, "not_enough_funds")])
    with pytest.raises(Rejected) as caught:
        made.rpc.call("m", {}, timeout=WAIT)
    assert caught.value.code == 10009


def test_private_methods_wait_for_the_log_in(bench: Callable[..., Bench]) -> None:
    """Before the log-in they are not sent, so they can go another way; each connection anew."""
    made = bench()
    for _ in range(2):
        with pytest.raises(NotSent, match="logged in"):
            made.rpc.call("private/buy", {}, timeout=WAIT)
        made.rpc.authorize()
        assert made.rpc.call("private/buy", {"n": 1}, timeout=WAIT) == {"n": 1}
        made.rpc.connect()


def test_no_reply_in_time_is_unknown_and_a_late_one_is_ignored(
    bench: Callable[..., Bench],
) -> None:
    """A timed-out call fails once; its late reply does not reach the next caller."""
    made = bench(silent)
    connection = made.server.connection()
    with pytest.raises(OutcomeUnknown, match="no reply"):
        made.rpc.call("slow", {}, timeout=0.02)
    late = made.server.next_request()
    outcome = made.in_background()
    connection.send(reply(late, "late"))
    connection.send(reply(made.server.next_request(), "fresh"))
    assert outcome.get(timeout=WAIT) == "fresh"
    assert made.rpc.oddities.counts == {"late_reply": 1}


def test_a_connection_that_owes_a_reply_and_is_silent_is_over(bench: Callable[..., Bench]) -> None:
    """Half open, it would take every order and answer none; a slow answer alone is no sign."""
    made = bench(silent)
    with pytest.raises(OutcomeUnknown, match="no reply"):
        made.rpc.call("slow", {}, timeout=0.02)
    assert made.rpc.is_connected
    made.clock.seconds += DEAD_AFTER_SECONDS + 1
    with pytest.raises(OutcomeUnknown, match="no reply"):
        made.rpc.call("dead", {}, timeout=0.02)
    assert "nothing received for 6 s" in made.listener.lost.get(timeout=WAIT)
    with pytest.raises(NotSent):
        made.rpc.call("m", {}, timeout=WAIT)


CHANGES = "user.changes.any.any.raw"
OURS = {"label": "bw.t1.entry.1", "order_id": "1", "order_state": "filled"}
FILL = {"order_id": "1", "trade_id": "t"}


@pytest.mark.parametrize("callers", [1, 2], ids=["its own reader", "read for by another"])
def test_news_of_an_order_end_the_wait_for_a_lost_reply(
    bench: Callable[..., Bench], callers: int
) -> None:
    """What the venue tells of the order is what its reply would have said."""
    made = bench(silent)
    made.rpc.authorize()
    connection = made.server.connection()
    if callers == 2:
        made.in_background("public/slow")
        made.server.next_request()
    outcome = made.in_background("private/buy", label="bw.t1.entry.1")
    made.server.next_request()
    other = OURS | {"label": "bw.t2.sl.1", "order_id": "2"}
    data = {"orders": [other, OURS], "trades": [FILL, FILL | {"order_id": "2"}]}
    note = {"method": "subscription", "params": {"channel": CHANGES, "data": data}}
    connection.send(json.dumps({"jsonrpc": "2.0"} | note))
    assert outcome.get(timeout=WAIT) == {"order": OURS, "trades": [FILL]}
    assert made.listener.notes.get(timeout=WAIT) == (CHANGES, data)


def test_a_reply_counts_more_than_the_news_before_it(bench: Callable[..., Bench]) -> None:
    """Both come over one line, so the reply is a moment behind its news."""
    made = bench(silent)
    made.rpc.authorize()
    connection = made.server.connection()
    outcome = made.in_background("private/sell", label="bw.t1.entry.1")
    request = made.server.next_request()
    note = {"method": "subscription", "params": {"channel": CHANGES, "data": {"orders": [OURS]}}}
    connection.send(json.dumps({"jsonrpc": "2.0"} | note))
    connection.send(reply(request, "the reply"))
    assert outcome.get(timeout=WAIT) == "the reply"


def test_a_reply_that_comes_twice_counts_once(bench: Callable[..., Bench]) -> None:
    """The second copy is nobody's; the reader goes on."""
    made = bench(lambda request: [reply(request, 1)] * 2)
    for _ in range(3):
        assert made.rpc.call("m", {}, timeout=WAIT) == 1
    assert made.rpc.is_connected


@pytest.mark.parametrize("end", [drop, lambda connection: connection.close(4000, "heartbeat")])
def test_a_lost_connection_fails_every_call_at_once(
    bench: Callable[..., Bench], end: Callable[[Any], None]
) -> None:
    """Outstanding calls are unknown, the loss is told once, and new calls are not sent."""
    made = bench(silent)
    connection = made.server.connection()
    outcomes = [made.in_background(timeout=60.0) for _ in range(3)]
    for _ in outcomes:
        made.server.next_request()
    end(connection)
    assert all(isinstance(each.get(timeout=WAIT), OutcomeUnknown) for each in outcomes)
    assert made.listener.lost.get(timeout=WAIT)
    with pytest.raises(NotSent):
        made.rpc.call("m", {}, timeout=WAIT)
    assert not made.rpc.is_connected
    assert made.listener.lost.empty()


def test_it_can_connect_again_after_a_loss(bench: Callable[..., Bench]) -> None:
    """A new connection works, and its own loss is told again."""
    made = bench()
    for _ in range(2):
        drop(made.server.connection())
        made.listener.lost.get(timeout=WAIT)
        made.rpc.connect()
        assert made.rpc.call("m", {"n": 1}, timeout=WAIT) == {"n": 1}


def test_closing_is_no_loss(bench: Callable[..., Bench]) -> None:
    """On our own close outstanding calls fail, the loss callback stays silent, the reader ends."""
    made = bench(silent)
    outcome = made.in_background(timeout=60.0)
    made.server.next_request()
    made.rpc.close()
    assert isinstance(outcome.get(timeout=WAIT), OutcomeUnknown)
    assert made.listener.lost.empty()
    with pytest.raises(NotSent):
        made.rpc.call("m", {}, timeout=WAIT)


def test_no_server_means_not_sent() -> None:
    """A refused connection proves that nothing was sent."""
    with SocketServer(echo) as gone:
        url = gone.url
    rpc = WebSocketRpc(url, ManualClock(), on_notification=lambda *_: None, on_lost=pytest.fail)
    with pytest.raises(NotSent) as caught:
        rpc.connect()
    assert str(caught.value) == "websocket cannot connect to 127.0.0.1: Connection refused"
    with pytest.raises(NotSent):
        rpc.call("m", {}, timeout=1)


class Unavailable(BaseHTTPRequestHandler):
    """A door that is closed for maintenance."""

    def do_GET(self) -> None:
        self.send_response(503)
        self.send_header("set-cookie", "canary=1")
        self.end_headers()
        self.wfile.write(b"<html>canary</html>")

    def log_message(self, *_: object) -> None: ...


def test_a_refused_handshake_is_told_without_the_answers_headers() -> None:
    """An alert has room for what happened, not for a dump that is cut off."""
    with serving(Unavailable) as port:
        url = f"ws://127.0.0.1:{port}/ws/api/v2"
        rpc = WebSocketRpc(url, ManualClock(), on_notification=lambda *_: None, on_lost=pytest.fail)
        with pytest.raises(NotSent) as caught:
            rpc.connect()
    assert str(caught.value) == (
        "websocket cannot connect to 127.0.0.1: WebSocketBadStatusException: "
        "Handshake status 503 Service Unavailable"
    )


NO_THREAD = """
import sys, threading
from actors.ports import NotSent
from adapters.clock import SystemClock
from adapters.deribit.websocket import WebSocketRpc
ignore = lambda *_: None
rpc = WebSocketRpc(sys.argv[1], SystemClock(), on_notification=ignore, on_lost=ignore)
usual = threading.stack_size(1 << 45)  # more than there is: no thread can be made
for _ in range(2):
    try:
        rpc.connect()
    except NotSent as error:
        print(error)
threading.stack_size(usual)
rpc.connect()
print(rpc.call("m", {"n": 1}, timeout=9))
rpc.close()
"""


def test_a_process_without_threads_left_has_no_connection_and_goes_on() -> None:
    """At the limit of the system nobody can read the socket: the other way is open all the same."""
    with SocketServer(echo) as server:
        ran = subprocess.run(
            [sys.executable, "-c", NO_THREAD, server.url],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    assert ran.stdout.splitlines() == [
        "websocket cannot connect: RuntimeError: can't start new thread",
        "websocket cannot connect: RuntimeError: can't start new thread",
        "{'n': 1}",
    ]


def test_no_proxy_of_the_environment_stands_in_between(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where orders go is decided by the settings alone, as over HTTP."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert bench().rpc.call("m", {"a": 1}, timeout=WAIT) == {"a": 1}


def test_a_test_request_is_answered(bench: Callable[..., Bench]) -> None:
    """The reader answers the heartbeat itself; the reply to that is nobody's and no oddity."""
    made = bench()
    connection = made.server.connection()
    connection.send('{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}}')
    connection.send('{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}')
    assert made.server.next_request()["method"] == "public/test"
    assert made.rpc.call("m", {"n": 1}, timeout=WAIT) == {"n": 1}
    assert made.rpc.oddities.counts == {}


def test_a_ping_is_answered(bench: Callable[..., Bench]) -> None:
    """The protocol's own ping gets its pong."""
    made = bench()
    assert made.server.connection().ping().wait(WAIT)


def test_silence_ends_the_connection(bench: Callable[..., Bench]) -> None:
    """Nothing for more than two heartbeat intervals counts as lost, though TCP says nothing."""
    made = bench()
    made.server.connection()
    made.rpc.call("m", {}, timeout=WAIT)
    made.clock.seconds += 61.0
    assert "nothing received" in made.listener.lost.get(timeout=WAIT)


def test_notifications_reach_the_listener_whatever_it_does(bench: Callable[..., Bench]) -> None:
    """A listener that raises is counted; the reader goes on."""
    made = bench()
    connection = made.server.connection()
    note = {"method": "subscription", "params": {"channel": "ticker.x.100ms", "data": [1]}}
    made.listener.fails = True
    for _ in range(2):
        connection.send(json.dumps({"jsonrpc": "2.0"} | note))
        assert made.listener.notes.get(timeout=WAIT) == ("ticker.x.100ms", [1])
    assert made.rpc.call("m", {"n": 1}, timeout=WAIT) == {"n": 1}
    assert made.rpc.oddities.counts == {"listener_failed": 2}


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        ("not json", "not_json"),
        ("[]", "not_json"),
        (b"\xff\xfe", "not_json"),
        ("[" * 50_000, "not_json"),
        ('{"id":999,"jsonrpc":"2.0","result":1}', "late_reply"),
        ('{"method":"subscription","params":7}', "bad_notification"),
        ('{"error":{"code":11050,"data":"invalid json"}}', "unknown_message"),
        ("{}", "unknown_message"),
    ],
)
def test_garbage_is_counted_and_survived(
    bench: Callable[..., Bench], frame: str | bytes, kind: str
) -> None:
    """An odd frame never ends the reader."""
    made = bench()
    made.server.connection().send(frame)
    assert made.rpc.call("m", {"n": 1}, timeout=WAIT) == {"n": 1}
    assert made.rpc.oddities.counts == {kind: 1}


@pytest.mark.parametrize(
    ("code", "message"), [(11051, "system_maintenance"), (10028, "too_many_requests")]
)
def test_an_error_about_all_requests_ends_the_connection(
    bench: Callable[..., Bench], code: int, message: str
) -> None:
    """Without the id of a request every caller would wait out its time."""
    made = bench(silent)
    outcome = made.in_background(timeout=60.0)
    made.server.next_request()
    told = {"jsonrpc": "2.0", "error": {"message": message, "code": code}}
    made.server.connection().send(json.dumps(told))
    assert isinstance(outcome.get(timeout=WAIT), OutcomeUnknown)
    assert made.listener.lost.get(timeout=WAIT) == f"{code} {message}"


def test_a_garbled_reply_is_unknown(bench: Callable[..., Bench]) -> None:
    """A reply that has our id and no readable body leaves the outcome open."""
    made = bench(lambda request: [f'{{"jsonrpc":"2.0","id":{request["id"]},"result":'])
    with pytest.raises(OutcomeUnknown, match="JSON"):
        made.rpc.call("m", {}, timeout=WAIT)


def test_a_locked_gate_keeps_the_bytes_back(bench: Callable[..., Bench]) -> None:
    """Through a locked gate nothing is written; through an open one the call goes on."""
    made = bench()
    gate = EntryGate()
    assert made.rpc.call_through(gate, "m", {"n": 1}, timeout=WAIT) == {"n": 1}
    made.server.next_request()
    gate.lock("kill")
    with pytest.raises(NotSent, match="kill"):
        made.rpc.call_through(gate, "m", {"n": 2}, timeout=WAIT)
    assert made.rpc.call("m", {"n": 3}, timeout=WAIT) == {"n": 3}
    assert made.server.next_request()["params"] == {"n": 3}
