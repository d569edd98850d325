"""The API over real sockets: who gets in, what commands become, health, metrics, events."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import pytest
import requests

from actors.messages.trading import EmergencyClosed, FlatVerified, Ready, TradeClosed
from adapters.api import connections
from adapters.api.stream import MOST_LISTENERS
from adapters.clock import SystemClock
from domain.commands import BY_NAME, COMMANDS, Door, Effect
from domain.health import Uncovered
from tests.adapters.api.fakes import CANARY, NOON, TOKEN, WELL, FakeDesk, Running


@pytest.fixture
def api() -> Iterator[Running]:
    running = Running(FakeDesk())
    yield running
    running.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Running]:
    """For tests that change nothing."""
    running = Running(FakeDesk())
    yield running
    running.close()


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"bearer x{TOKEN}", TOKEN]
)
def test_without_the_token_nothing_is_told(shared: Running, authorization: str) -> None:
    """Neither what exists nor what does not."""
    for path in ("/v1/positions", "/metrics", "/events", "/openapi.json", "/nowhere"):
        answer = shared.get(path, headers={"Authorization": authorization})
        assert answer.status_code in {401, 429}
        assert TOKEN not in answer.text


def test_a_page_that_points_its_own_name_here_gets_nothing(shared: Running) -> None:
    """The Host header must name this machine; also for health."""
    for host in ("evil.example", "evil.example:8580", "127.0.0.1.evil.example", ""):
        answer = shared.get("/healthz", headers={"Host": host})
        assert answer.status_code in {400, 421}
    assert shared.get("/v1/ping", headers={"Host": "localhost:1"}).status_code == 200


def test_every_command_of_the_table_has_its_route(shared: Running) -> None:
    """Reading by GET, acting by POST, and not the other way round."""
    given = {
        "trade": {"id": "abc"},
        "close": {"what": "BTC-PERPETUAL"},
        "open": {"instrument": "BTC-PERPETUAL", "side": "buy", "qty": "0.05", "sl": "1"},
    }
    for spec in COMMANDS:
        arguments = given.get(spec.name, {})
        if spec.effect is Effect.READS:
            answer = shared.get(f"/v1/{spec.name}", params=arguments)
            assert shared.post(f"/v1/{spec.name}", json=arguments).status_code == 405
        else:
            answer = shared.post(f"/v1/{spec.name}", json=arguments)
            assert shared.get(f"/v1/{spec.name}", params=arguments).status_code == 405
        assert answer.status_code == (202 if spec.is_urgent else 200), (spec.name, answer.text)
        assert shared.desk.calls[-1][2] == spec.name


def test_figures_are_exact_texts_and_rows_are_objects(shared: Running) -> None:
    """No figure passes a binary double."""
    body = shared.get("/v1/positions").json()
    assert body["tables"][0]["rows"] == [{"price": "1.10", "n": 3}, {"price": None, "n": 0}]
    column = {"key": "price", "title": "price", "digits": 2, "is_price": False}
    assert body["tables"][0]["columns"][0] == column


def test_headers_say_who_asks_by_which_door(shared: Running) -> None:
    """For the audit; what is odd is the plain operator."""
    headers = {"X-Bulwark-Door": "cli", "X-Bulwark-Who": "alice", "Idempotency-Key": "k-1"}
    shared.post("/v1/pause", headers=headers)
    assert shared.desk.calls[-1] == (Door.CLI, "alice", "pause", {}, "k-1")
    shared.get("/v1/ping", headers={"X-Bulwark-Door": "telegram", "X-Bulwark-Who": "a b\t"})
    assert shared.desk.calls[-1] == (Door.API, "operator", "ping", {}, "")


@pytest.mark.parametrize("key", ["9f1c2f9e-0b5e-4c0a-8a3e-3f0c7d1e2b4a", "order 7/a", "x" * 128])
def test_a_key_of_the_callers_own_reaches_the_desk_as_it_is(shared: Running, key: str) -> None:
    """A UUID with its dashes, too: without its key a repeated request is carried out twice."""
    shared.post("/v1/test", headers={"Idempotency-Key": key})
    assert shared.desk.calls[-1][-1] == key
    shared.post("/v1/kill", headers={"Idempotency-Key": key})
    assert shared.desk.calls[-1][-1] == key


@pytest.mark.parametrize("key", ["x" * 129, "caf\u00e9".encode("latin-1"), ""])
def test_a_key_that_is_none_is_refused_where_it_matters(shared: Running, key: str | bytes) -> None:
    """Who gives one relies on it; what reduces risk is done all the same, without."""
    calls = len(shared.desk.calls)
    headers = {"Idempotency-Key": key}
    for path, body in (("/v1/test", None), ("/v1/confirm", {"token": "tok1"})):
        answer = shared.post(path, headers=headers, json=body)
        assert answer.status_code == 422
        assert answer.json()["lines"][0].startswith("header.idempotency-key: ")
    assert len(shared.desk.calls) == calls
    for name, given in (("kill", {}), ("pause", {}), ("close", {"what": "BTC-PERPETUAL"})):
        assert shared.post(f"/v1/{name}", headers=headers, json=given).status_code == 202
        assert shared.desk.calls[-1][-1] == ""


def test_a_confirmation_goes_there_and_back(shared: Running) -> None:
    """The token of the reply, once shown, confirms."""
    asked = shared.post("/v1/restart").json()
    assert asked["status"] == "needs_confirmation"
    token = asked["confirmation"]["token"]
    assert shared.post("/v1/confirm", json={"token": token}).status_code == 202
    assert shared.post("/v1/confirm", json={"token": "other"}).status_code == 409
    assert shared.post("/v1/dismiss", json={"token": token}).json()["status"] == "done"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/open", b"{"),
        ("/v1/open", b"[]"),
        ("/v1/open", b'{"instrument": "BTC-PERPETUAL"}'),
        ("/v1/open", b'{"instrument":"X","side":"buy","qty":"1","sl":"1"}'),
        ("/v1/close", b'{"what":"BTC-PERPETUAL","more":1}'),
        ("/v1/kill", b'{"now":true}'),
        ("/v1/confirm", b'{"token":"../../x"}'),
    ],
)
def test_what_cannot_be_meant_never_reaches_the_desk(
    shared: Running, path: str, body: bytes
) -> None:
    """Refused with what is wrong."""
    calls = len(shared.desk.calls)
    answer = shared.post(path, data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["lines"]
    assert len(shared.desk.calls) == calls


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("close", {"what": "Btc-Perpetual"}),
        ("close", {"what": "btc_usdc-perpetual"}),
        (
            "open",
            {"instrument": "btc-perpetual", "side": "LONG", "qty": "100USD", "sl": "099000"},
        ),
        (
            "open",
            {"instrument": "BTC-PERPETUAL", "side": "buy", "qty": "1", "sl": "1", "tp": ""},
        ),
        ("pnl", {"period": "WEEK"}),
        ("help", {"command": "/Kill"}),
    ],
)
def test_what_is_understood_at_one_door_is_at_this_one(
    shared: Running, name: str, given: dict[str, str]
) -> None:
    """One grammar: the table's. The Desk gets it as it was given."""
    spec = BY_NAME[name]
    if spec.effect is Effect.READS:
        answer = shared.get(f"/v1/{name}", params=given)
    else:
        answer = shared.post(f"/v1/{name}", json=given)
    assert answer.status_code in {200, 202}, answer.text
    assert shared.desk.calls[-1][2:4] == (name, given)


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("btc perp", "body.what: not a trade's id, or an instrument such as BTC-PERPETUAL"),
        ("", "body.what: what is missing: a trade's id, or an instrument"),
    ],
)
def test_what_is_not_understood_is_said_in_words(shared: Running, what: str, why: str) -> None:
    """A pattern is for programs; what was sent is not repeated."""
    answer = shared.post("/v1/close", json={"what": what})
    assert (answer.status_code, answer.json()["lines"]) == (422, [why])


def test_an_argument_given_twice_is_refused(shared: Running) -> None:
    """Which of the two is meant, nobody knows."""
    calls = len(shared.desk.calls)
    answer = shared.get("/v1/help?command=kill&command=close")
    assert answer.status_code == 422
    assert answer.json()["lines"] == ["query.command: given more than once"]
    kind = {"Content-Type": "application/json"}
    answer = shared.post("/v1/close", data=b'{"what": "a", "what": "all"}', headers=kind)
    assert answer.status_code == 422
    assert answer.json()["lines"] == ["body.what: given more than once"]
    assert len(shared.desk.calls) == calls


def test_a_body_has_a_limit_with_and_without_a_length(shared: Running) -> None:
    """Nobody fills the memory."""
    big = b'{"what":"' + b"x" * 20_000 + b'"}'
    assert shared.post("/v1/close", data=big).status_code == 413

    def pieces() -> Iterator[bytes]:
        yield from (big[:10_000], big[10_000:])

    kind = {"Content-Type": "application/json"}
    assert shared.post("/v1/close", data=pieces(), headers=kind).status_code == 413


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", None])
def test_a_kill_is_not_refused_for_what_its_body_is_called(
    shared: Running, kind: str | None
) -> None:
    """`curl -d '{}'` calls it a form."""
    headers = {"Content-Type": kind}
    for path, body in (
        ("/v1/kill", b"{}"),
        ("/v1/close", b'{"what":"BTC-PERPETUAL"}'),
        ("/v1/pause", b""),
    ):
        assert shared.post(path, data=body, headers=headers).status_code == 202
    assert shared.post("/v1/close", data=b"what=BTC-PERPETUAL", headers=headers).status_code == 422


def test_wrong_tokens_are_slowed_down_and_shut_nobody_out(api: Running) -> None:
    """The holder of the token still gets in while somebody guesses."""
    wrong = {"Authorization": "Bearer guess"}
    codes = [api.get("/v1/ping", headers=wrong).status_code for _ in range(40)]
    assert codes[0] == 401
    assert 429 in codes
    assert api.post("/v1/kill").status_code == 202
    health = [requests.get(f"{api.address}/healthz", timeout=20).status_code for _ in range(9)]
    assert set(health) == {200}


def test_health_has_a_rate_that_the_holder_of_the_token_does_not_share(api: Running) -> None:
    """Whoever needs no token can ask too often; who shows one is not held to that."""
    address = f"{api.address}/healthz"
    assert 429 in [requests.get(address, timeout=20).status_code for _ in range(40)]
    assert api.get("/healthz").status_code == 200
    wrong = api.get("/v1/ping", headers={"Authorization": "Bearer guess"})
    assert wrong.status_code == 401


@pytest.mark.parametrize(("command", "workers"), [("trades", 3), ("test", 4)])
def test_a_kill_waits_behind_nothing(api: Running, command: str, workers: int) -> None:
    """Every worker for reading, or for acting, is stuck; the kill has its own."""
    api.desk.gate = threading.Event()
    ask = api.get if command == "trades" else api.post
    others = [threading.Thread(target=ask, args=(f"/v1/{command}",)) for _ in range(8)]
    for other in others:
        other.start()
    while len(api.desk.calls) < workers:
        pass
    assert api.post("/v1/kill").status_code == 202
    assert not api.desk.gate.is_set()
    api.desk.gate.set()
    for other in others:
        other.join()


def test_a_silent_desk_is_said_to_be_silent(api: Running) -> None:
    """And health is not well."""
    api.desk.is_silent = True
    answer = api.post("/v1/pause")
    assert (answer.status_code, answer.json()["reason"]) == (504, "desk_silent")
    health = api.get("/healthz", headers={"Authorization": ""})
    assert health.status_code == 503
    assert health.json()["reasons"][0]["code"] == "desk_silent"
    assert "bulwark_desk_up 0.0" in api.get("/metrics").text


def test_health_needs_no_token_and_gives_its_reasons(api: Running) -> None:
    """200 when well; 503 with every reason when not."""
    assert requests.get(f"{api.address}/healthz", timeout=20).json() == {
        "is_well": True,
        "reasons": [],
    }
    naked = Uncovered(instrument="BTC-PERPETUAL", missing=500, foreign=0, seconds=2.0)
    other = Running(FakeDesk(vital=replace(WELL, uncovered=(naked,), paused_by=f"x {CANARY}")))
    answer = requests.get(f"{other.address}/healthz", timeout=20)
    other.close()
    assert answer.status_code == 503
    assert [x["code"] for x in answer.json()["reasons"]] == ["unprotected", "paused"]
    assert CANARY not in answer.text


def test_metrics_count_events_from_the_first_on(api: Running) -> None:
    """Also those that came before anybody asked; and states at the moment of asking."""
    api.hub.hear(FlatVerified(at=NOON, seconds=1.0))
    text = api.get("/metrics").text
    assert 'bulwark_events_total{event="flat_verified"} 1.0' in text
    assert "_created" not in text
    for line in (
        "bulwark_healthy 1.0",
        "bulwark_equity_usd 1000.5",
        "bulwark_loss_left_usd 14.75",
        "bulwark_requests_left 17.0",
        "bulwark_open_trades_left 2.0",
        'bulwark_mailbox_depth{actor="execution"} 0.0',
    ):
        assert line in text


def test_metrics_tell_the_longest_gap_that_is_open_now(api: Running) -> None:
    """Of what is ours; a person's own position is no gap."""
    uncovered = tuple(
        Uncovered(instrument=f"{name}-PERPETUAL", missing=missing, foreign=foreign, seconds=seconds)
        for name, missing, foreign, seconds in (
            ("BTC", 500, 0, 2.0),
            ("ETH", 10, 0, 7.5),
            ("SOL", 0, 500, 90.0),
        )
    )
    api.desk.vital = replace(WELL, uncovered=uncovered)
    lines = api.get("/metrics").text.splitlines()
    assert "bulwark_unprotected_seconds 7.5" in lines
    assert "bulwark_healthy 0.0" in lines


def test_an_emergency_is_one_trade_and_its_reason_is_counted_apart(api: Running) -> None:
    """Both events are of the same trade: a sum over the reasons is the number of trades."""
    api.hub.hear(EMERGENCY)
    api.hub.hear(CLOSED)
    lines = api.get("/metrics").text.splitlines()
    assert [x for x in lines if x.startswith("bulwark_trades_closed_total")] == [
        'bulwark_trades_closed_total{reason="stop_refused"} 1.0'
    ]
    assert 'bulwark_emergencies_total{reason="stop_refused"} 1.0' in lines


def test_no_secret_is_in_a_reply(api: Running) -> None:
    """Whatever text comes along is redacted on the way out."""
    said = f"the venue said {CANARY}"
    api.desk.lines, api.desk.effect, api.desk.more_rows = (said,), said, ((said, 1),)
    logs, asked = api.get("/v1/logs"), api.post("/v1/restart")
    assert CANARY not in logs.text + asked.text
    assert logs.json()["tables"][0]["rows"][-1]["price"] == "the venue said (hidden)"
    assert asked.json()["confirmation"]["effect"] == "the venue said (hidden)"


EMERGENCY = EmergencyClosed(at=NOON, trade_id="t1", reason="stop_refused", unprotected_ms=80.0)
CLOSED = TradeClosed(
    at=NOON,
    trade_id="t1",
    instrument="BTC-PERPETUAL",
    side="buy",
    contracts=5,
    entry_price=Decimal(100_000),
    exit_price=Decimal(99_990),
    exit_reason="stop_refused",
    pnl_coin=Decimal("-0.00000005"),
    pnl_usd=Decimal(0),
    fees_coin=Decimal(0),
    net_coin=Decimal("-0.00000005"),
    currency="BTC",
    unprotected_ms=80.0,
    seconds=0.1,
)


class Listening:
    """A client of /events."""

    def __init__(self, api: Running, last_id: str = "") -> None:
        self._answer = api.get("/events", headers={"Last-Event-ID": last_id}, stream=True)
        self._lines = self._answer.iter_lines(decode_unicode=True)

    def next(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for line in self._lines:
            if not line and found:
                return found
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                found[name] = value
        raise AssertionError("the stream ended")

    def close(self) -> None:
        self._answer.close()


def test_events_are_resumed_where_they_were_left(api: Running) -> None:
    """Nothing twice, nothing lost; what is lost is said to be."""
    for seconds in (1.0, 2.0, 3.0):
        api.hub.hear(FlatVerified(at=NOON, seconds=seconds))
    first = Listening(api, "1-1")
    got = [first.next(), first.next()]
    first.close()
    assert [json.loads(x["data"])["seconds"] for x in got] == [2.0, 3.0]
    assert got[-1]["id"] == api.hub.last_id == "1-3"
    again = Listening(api, got[0]["id"])
    assert json.loads(again.next()["data"])["seconds"] == 3.0
    api.hub.hear(Ready(at=NOON, trades=0, seconds=0.1, mode=f"x {CANARY}"))
    live = again.next()
    assert (live["event"], live["id"]) == ("ready", "1-4")
    assert CANARY not in live["data"]
    again.close()
    restarted = Listening(api, "999-7")
    assert restarted.next()["event"] == "events_missed"
    assert json.loads(restarted.next()["data"])["seconds"] == 1.0
    restarted.close()


def test_a_stream_ends_in_order_when_the_daemon_does(
    api: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """What was heard until then is sent, and nobody has to be cut off: that was a traceback in the
    log of every stop beside a command that waited for its end."""
    api.hub.hear(FlatVerified(at=NOON, seconds=1.0))
    listening = Listening(api, "1-0")
    assert listening.next()["event"] == "flat_verified"
    api.hub.hear(FlatVerified(at=NOON, seconds=2.0))
    api.close()
    assert json.loads(listening.next()["data"])["seconds"] == 2.0
    with pytest.raises(AssertionError, match="the stream ended"):
        listening.next()
    assert [x.getMessage() for x in caplog.records if x.levelname == "ERROR"] == []


def test_of_many_that_come_at_once_only_so_many_listen(api: Running) -> None:
    """A place is taken before it is counted by the next; who leaves gives it back."""
    request = f"GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    lines = silent(api, 20)
    for line in lines:
        line.sendall(request.encode())
    answers = sorted(line.recv(12) for line in lines)
    assert answers == [b"HTTP/1.1 200"] * MOST_LISTENERS + [b"HTTP/1.1 429"] * 12
    for line in lines:
        line.close()
    until_nobody_listens(api)


def test_a_reader_that_leaves_amid_the_replay_is_written_to_no_more(
    api: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """asyncio warned of each event after it: a hundred lines in the log for one `| head`."""
    for number in range(2000):
        api.hub.hear(Ready(at=NOON, trades=0, seconds=float(number), mode="x" * 200))
    for _ in range(3):
        (line,) = silent(api, 1)
        request = f"GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        line.sendall(f"{request}Last-Event-ID: 1-1\r\n\r\n".encode())
        assert line.recv(100)
        line.close()
    until_nobody_listens(api)
    assert [x.getMessage() for x in caplog.records if x.name == "asyncio"] == []


def until_nobody_listens(api: Running) -> None:
    clock = SystemClock()
    until = clock.monotonic() + 10
    while api.hub.listeners and clock.monotonic() < until:
        clock.sleep(0.01)
    assert api.hub.listeners == 0


def silent(api: Running, count: int) -> list[socket.socket]:
    """Connections that send nothing."""
    host, port = api.address.removeprefix("http://").split(":")
    return [socket.create_connection((host, int(port)), 20) for _ in range(count)]


def closed(line: socket.socket, within: float) -> bool:
    """Whether the other side ends the connection within so many seconds."""
    line.settimeout(within)
    try:
        return line.recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def test_silent_connections_neither_pile_up_nor_keep_a_kill_out(api: Running) -> None:
    """No token is needed to connect: the oldest silent ones make room; event streams stay."""
    api.hub.hear(FlatVerified(at=NOON, seconds=1.0))
    stream = Listening(api, "1-0")
    assert stream.next()["id"] == "1-1"
    for count in (70, 400):
        lines = silent(api, count)
        assert api.post("/v1/kill").status_code == 202
        assert sum(not closed(line, 0.01) for line in lines) <= 64
        for line in lines:
            line.close()
    api.hub.hear(FlatVerified(at=NOON, seconds=2.0))
    assert stream.next()["id"] == "1-2"
    stream.close()


def test_a_request_that_does_not_come_is_not_waited_for(
    api: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing, a part of the headers, a part of the body, bytes between two requests."""
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.2)
    head = b"POST /v1/kill HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + TOKEN.encode()
    ping = head.replace(b"POST /v1/kill", b"GET /v1/ping") + b"\r\n\r\n"
    for part in (b"", head, head + b"\r\nContent-Length: 9\r\n\r\n{", ping + b"\r\n"):
        (line,) = silent(api, 1)
        line.sendall(part)
        line.settimeout(20)
        got = b""
        with suppress(ConnectionError):
            while more := line.recv(4096):
                got += more
        assert (b"200 OK" in got) == part.startswith(ping)
        line.close()
    assert api.post("/v1/kill").status_code == 202


@pytest.mark.parametrize("said", [b"\x00\r\n\r\n", b"Connection: upgrade\r\nUpgrade: h2c\r\n"])
def test_a_stranger_does_not_write_our_log(
    api: Running, caplog: pytest.LogCaptureFixture, said: bytes
) -> None:
    """No token is needed to talk nonsense; a thousand lines of it would push out all others."""
    (line,) = silent(api, 1)
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    line.sendall(head + said + b"\r\n" if said.startswith(b"C") else said)
    assert line.recv(12).startswith(b"HTTP/1.1 ")
    line.close()
    assert [x.getMessage() for x in caplog.records if x.name.startswith("uvicorn")] == []


def test_a_taken_port_is_said_and_nothing_else_happens() -> None:
    """The daemon trades on without its API."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = Running(FakeDesk(), port=port)
        assert running.address == ""
        assert running.failures == [f"127.0.0.1:{port}: Address already in use"]
        running.close()
