"""The exchange over real sockets: HTTP in all its forms, the websocket, restarts and stops."""

import base64
import hashlib
import hmac
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from socket import create_connection
from typing import Any

import pytest
import requests
import websocket
from structlog.testing import capture_logs

from adapters.paper import lines
from adapters.paper.feed import Recorded
from adapters.paper.patience import PatientHttp
from adapters.paper.server import PaperServer, PaperSettings
from adapters.paper.web import Connection
from tests.adapters.paper.harness import INVERSE
from tests.adapters.paper.serving import Running, fill_up, running

BASIC = ("paper", "paper")
LOG_IN = {"grant_type": "client_credentials", "client_id": "paper", "client_secret": "paper"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("paper"), rate_limits=False) as started:
        yield started


class Socket:
    """A websocket client that keeps notifications apart from replies."""

    def __init__(self, url: str) -> None:
        self.raw = websocket.create_connection(url, timeout=10)
        self.frames: list[Any] = []
        self._count = 0

    def receive(self) -> Any:
        return json.loads(self.raw.recv())

    def call(self, method: str, **params: Any) -> Any:
        self._count += 1
        body = {"jsonrpc": "2.0", "id": self._count, "method": method, "params": params}
        self.raw.send(json.dumps(body))
        while (message := self.receive()).get("id") != self._count:
            self.frames.append(message)
        return message

    def await_frame(self, channel: str) -> Any:
        """The next frame of a channel, heard already or still to come."""
        while True:
            for frame in self.frames:
                if frame["params"]["channel"] == channel:
                    self.frames.remove(frame)
                    return frame["params"]["data"]
            self.frames.append(self.receive())


@pytest.fixture
def socket(server: Running) -> Iterator[Socket]:
    connected = Socket(server.ws)
    yield connected
    connected.raw.shutdown()


def test_get_with_a_query(server: Running) -> None:
    """Text from a query is coerced; the reply is JSON that nobody may cache."""
    params = {"instrument_name": INVERSE, "depth": "5"}
    reply = requests.get(f"{server.http}/public/get_order_book", params=params, timeout=5)
    assert (reply.status_code, reply.headers["cache-control"]) == (200, "no-store")
    assert len(reply.json()["result"]["bids"]) == 5
    assert "id" not in reply.json()


def test_post_with_and_without_a_method_in_the_path(server: Running) -> None:
    """Both forms answer with the id they were given, number or text."""
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": "a", "method": "public/get_time", "params": {}}
    whole = requests.post(server.http, json=body, timeout=5).json()
    pathed = requests.post(f"{server.http}/public/get_time", json={"id": 7}, timeout=5).json()
    assert (whole["id"], pathed["id"]) == ("a", 7)
    assert whole["result"] <= pathed["result"]


def test_numbers_are_written_exactly(server: Running) -> None:
    """Fees and prices are plain decimals, never binary fractions."""
    text = requests.get(
        f"{server.http}/public/get_instrument", params={"instrument_name": INVERSE}, timeout=5
    ).text
    assert '"taker_commission":0.00035,' in text
    assert '"tick_size":0.5,' in text


def test_errors_are_400_with_the_usual_body(server: Running) -> None:
    """Unknown methods, missing tokens and bad parameters, each by its code."""
    codes = {
        "public/nonsense": -32601,
        "private/get_positions": 13009,
        "public/ticker": -32602,
        "public/set_heartbeat?interval=10": 10030,
    }
    for path, code in codes.items():
        reply = requests.get(f"{server.http}/{path}", timeout=5)
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, code)


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b"{", "application/json", 11050),
        (b"\xff", "application/json", 11050),
        (b'{"params": {"a": "' + b"x" * 40_000 + b'"}}', "application/json", -32600),
        (b"{}", "text/plain", 13018),
    ],
)
def test_bad_posts(server: Running, body: bytes, content_type: str, code: int) -> None:
    """Not JSON, not text, too large, or of another type."""
    headers = {"content-type": content_type}
    reply = requests.post(f"{server.http}/public/test", data=body, headers=headers, timeout=5)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, code)


def test_a_get_may_carry_a_body(server: Running) -> None:
    """Documented, though nobody was seen doing it."""
    body = {"jsonrpc": "2.0", "id": 3, "method": "public/test", "params": {}}
    assert requests.get(server.http, json=body, timeout=5).json()["id"] == 3
    assert requests.get(f"{server.http}/public/test?id=4", timeout=5).json()["id"] == 4


def test_a_megabyte_is_too_much_for_anybody(server: Running, socket: Socket) -> None:
    """-32600 over HTTP as over the websocket, which stays open."""
    big = b'{"id": 1, "method": "' + b"x" * 1_000_000 + b'"}'
    headers = {"content-type": "application/json"}
    reply = requests.post(server.http, data=big, headers=headers, timeout=5)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, -32600)
    socket.raw.send(big.decode())
    assert socket.receive()["error"]["code"] == -32600
    assert socket.call("public/test")["result"]


def test_many_half_open_sockets_and_no_more_than_the_limit(tmp_path: Path) -> None:
    """The thirty-third is refused with 429; those inside are served; a place freed is given."""
    with running(tmp_path) as started:
        held = [Socket(started.ws) for _ in range(32)]
        with pytest.raises(websocket.WebSocketBadStatusException) as caught:
            Socket(started.ws)
        assert caught.value.status_code == 429
        assert held[0].call("public/test")["result"]
        for each in held:
            each.raw.sock.close()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                again = Socket(started.ws)
                break
            except websocket.WebSocketBadStatusException:
                continue
        assert again.call("public/test")["result"]
        again.raw.shutdown()


def test_a_reader_that_stands_still_gives_its_place_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It logs out and reads nothing of megabytes before that: another is let in soon."""
    monkeypatch.setattr(Connection, "last_seconds", 0.1)
    with running(tmp_path, rate_limits=False) as started:
        held = [Socket(started.ws) for _ in range(32)]
        held[0].call("public/auth", **LOG_IN)
        asked = {"id": 1, "method": "public/get_instruments", "params": {"currency": "any"}}
        for _ in range(1500):
            held[0].raw.send(json.dumps(asked))
        held[0].raw.send(json.dumps({"id": 2, "method": "private/logout"}))
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                again = Socket(started.ws)
                break
            except websocket.WebSocketBadStatusException:
                time.sleep(0.02)
        assert again.call("public/test")["result"]
        for each in (again, *held):
            each.raw.shutdown()


@pytest.mark.parametrize(
    "said", [b"", b"GET / HT", b"POST /api/v2 HTTP/1.1\r\ncontent-length: 9\r\n\r\n{"]
)
def test_a_connection_that_only_stands_there_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    """Nothing, half a line or half a body, for too long; others are served all the while."""
    monkeypatch.setattr(PatientHttp, "seconds", 0.2)
    with running(tmp_path) as started, create_connection(("127.0.0.1", started.port), 5) as raw:
        raw.sendall(said)
        with requests.Session() as session:
            url = f"{started.http}/public/test"
            assert session.get(url, timeout=5).ok
            with suppress(ConnectionResetError):
                assert raw.recv(1) == b""
            # One that asks and then waits is no such connection.
            assert session.get(url, timeout=5).ok


def test_hundreds_of_half_open_sockets_keep_nobody_out(server: Running) -> None:
    """They hold their places, and the next client is served as before."""
    standing = [create_connection(("127.0.0.1", server.port), 5) for _ in range(300)]
    for each in standing[::2]:
        each.sendall(b"GET /api")
    assert requests.get(f"{server.http}/public/test", timeout=5).ok
    for each in standing:
        each.close()
    assert requests.get(f"{server.http}/public/test", timeout=5).ok


def test_orders_sent_in_one_go_are_all_answered(socket: Socket) -> None:
    """A pipeline of requests is answered to the last, whatever is saved together."""
    socket.call("public/auth", **LOG_IN)
    order = {"instrument_name": INVERSE, "amount": 10, "price": 60_000, "label": "pipe"}
    for each in range(100, 150):
        body = {"id": each, "method": "private/buy", "params": order}
        socket.raw.send(json.dumps(body))
    replies = {reply["id"] for _ in range(50) if "result" in (reply := socket.receive())}
    assert replies == set(range(100, 150))
    assert socket.call("private/cancel_by_label", label="pipe")["result"] == 50


def test_basic_and_bearer(server: Running) -> None:
    """Either header opens private methods; a token has to come from a log-in."""
    url = f"{server.http}/private/get_positions"
    assert requests.get(url, auth=BASIC, timeout=5).json()["result"] == []
    token = requests.get(f"{server.http}/public/auth", params=LOG_IN, timeout=5).json()["result"]
    bearer = {"authorization": f"Bearer {token['access_token']}"}
    assert requests.get(url, headers=bearer, timeout=5).json()["result"] == []


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Basic " + base64.b64encode(b"paper:wrong").decode(), 13004),
        ("Basic ###", 10000),
        ("Bearer nobody", 13009),
        ("Digest x", 13009),
        ("deri-hmac-sha256 id=paper,ts=1", 10000),
        ("deri-hmac-sha256 id=paper,ts=1,nonce=a,sig=00", 13004),
    ],
)
def test_bad_headers(server: Running, header: str, code: int) -> None:
    """Wrong, malformed and unknown proofs are refused."""
    url = f"{server.http}/private/get_positions"
    reply = requests.get(url, headers={"authorization": header}, timeout=5)
    assert reply.json()["error"]["code"] == code


def test_a_signed_request(server: Running) -> None:
    """The signature covers verb, path with query, and body."""
    uri = "/api/v2/private/get_open_orders_by_currency?currency=BTC"
    stamp = str(int(time.time() * 1000))
    signed = f"{stamp}\nn\nGET\n{uri}\n\n"
    signature = hmac.new(b"paper", signed.encode(), hashlib.sha256).hexdigest()
    header = {"authorization": f"deri-hmac-sha256 id=paper, ts={stamp}, nonce=n, sig={signature}"}
    base = server.http.removesuffix("/api/v2")
    assert requests.get(base + uri, headers=header, timeout=5).json()["result"] == []
    other = requests.get(f"{base}{uri}&type=limit", headers=header, timeout=5)
    assert other.json()["error"]["code"] == 13004


def test_a_trade_over_the_websocket(socket: Socket) -> None:
    """Log in, subscribe, buy: the fill is in the reply and on the channel."""
    assert socket.call("public/auth", **LOG_IN)["result"]["token_type"] == "bearer"
    channels = ["user.changes.any.any.raw", f"ticker.{INVERSE}.100ms", "nonsense"]
    assert socket.call("private/subscribe", channels=channels)["result"] == channels[:2]
    order = {"instrument_name": INVERSE, "amount": 10, "type": "market", "label": "ws"}
    reply = socket.call("private/buy", **order)["result"]
    frame = socket.await_frame("user.changes.any.any.raw")
    assert frame["trades"][0]["trade_id"] == reply["trades"][0]["trade_id"]
    assert socket.await_frame(f"ticker.{INVERSE}.100ms")["mark_price"] > 0
    closed = socket.call("private/close_position", instrument_name=INVERSE, type="market")
    assert closed["result"]["order"]["order_state"] == "filled"


def test_a_frame_that_is_not_json_leaves_the_socket_open(socket: Socket) -> None:
    """11050 without an id, and the next request is answered; bytes count as text."""
    socket.raw.send("hello")
    reply = socket.receive()
    assert (reply["error"]["code"], "id" in reply) == (11050, False)
    socket.raw.send_binary(b'{"id": 5, "method": "public/test"}')
    assert socket.receive()["id"] == 5


def test_log_out_closes_the_socket(socket: Socket) -> None:
    """No reply comes; the server closes with 1000."""
    socket.call("public/auth", **LOG_IN)
    socket.raw.send(json.dumps({"id": 99, "method": "private/logout"}))
    opcode, data = socket.raw.recv_data()
    assert (opcode, int.from_bytes(data[:2], "big")) == (websocket.ABNF.OPCODE_CLOSE, 1000)


def test_a_dropped_socket_cancels_if_it_asked_for_it(server: Running, socket: Socket) -> None:
    """The TCP connection ends without a word; the order is gone, a listener hears it."""
    socket.call("public/auth", **LOG_IN)
    socket.call("private/subscribe", channels=["user.orders.any.any.raw"])
    doomed = Socket(server.ws)
    doomed.call("public/auth", **LOG_IN)
    doomed.call("private/enable_cancel_on_disconnect")
    order = {"instrument_name": INVERSE, "amount": 10, "price": 50_000}
    placed = doomed.call("private/buy", **order)["result"]["order"]["order_id"]
    doomed.raw.sock.close()
    states: list[str] = []
    while "cancelled" not in states:
        heard = socket.await_frame("user.orders.any.any.raw")
        assert heard["order_id"] == placed
        states.append(heard["order_state"])


def test_too_many_orders_close_the_socket(tmp_path: Path) -> None:
    """With the limits on, 10028 is the last thing a client hears."""
    with running(tmp_path) as started:
        socket = Socket(started.ws)
        socket.call("public/auth", **LOG_IN)
        codes = [socket.call("private/cancel", order_id="1")["error"]["code"] for _ in range(20)]
        assert set(codes) == {10004}
        while socket.call("private/cancel", order_id="1")["error"]["code"] != 10028:
            pass
        opcode, _ = socket.raw.recv_data()
        assert opcode == websocket.ABNF.OPCODE_CLOSE
        socket.raw.shutdown()


def test_the_account_survives_a_restart(tmp_path: Path) -> None:
    """Orders, position and prices are there again; ids go on."""
    order = {"instrument_name": INVERSE, "amount": "10", "type": "market"}
    resting = {"instrument_name": INVERSE, "amount": "10", "price": "50000", "label": "kept"}
    with running(tmp_path) as started:
        first = requests.get(f"{started.http}/private/buy", order, auth=BASIC, timeout=5).json()
        requests.get(f"{started.http}/private/buy", resting, auth=BASIC, timeout=5)
    assert started.code == 0
    with running(tmp_path) as started:
        look_up = {"currency": "BTC", "label": "kept"}
        url = f"{started.http}/private/get_order_state_by_label"
        (kept,) = requests.get(url, look_up, auth=BASIC, timeout=5).json()["result"]
        assert kept["order_state"] == "open"
        (held,) = requests.get(
            f"{started.http}/private/get_positions", auth=BASIC, timeout=5
        ).json()["result"]
        assert held["size"] == 10
        again = requests.get(f"{started.http}/private/buy", order, auth=BASIC, timeout=5).json()
        ids = [int(reply["result"]["order"]["order_id"]) for reply in (first, again)]
        assert ids[0] < int(kept["order_id"]) < ids[1]


def test_a_replay_sets_the_prices(tmp_path: Path) -> None:
    """BTC follows the recording from the first request on, ETH the walk."""
    frame = '{"stream":"btcusdt@trade","data":{"p":"61800.30"}}'
    path = tmp_path / "ticks"
    path.write_text(f"1723161255088169167 {frame}\nbroken\n1723161255188169167 {frame}\n")
    with running(tmp_path / "account", feed=f"replay:{path}", speed=Decimal(50)) as started:
        url = f"{started.http}/public/get_index_price"
        shown = requests.get(url, {"index_name": "btc_usd"}, timeout=5).json()["result"]
        other = requests.get(url, {"index_name": "eth_usd"}, timeout=5).json()["result"]
        assert shown["index_price"] == 61800.30
        assert abs(other["index_price"] / 3200 - 1) < 0.05


def test_a_replay_that_begins_far_from_the_kept_prices_says_so(tmp_path: Path) -> None:
    """It begins anew at every start; a new account has no price to leap from."""
    path, leaps = tmp_path / "ticks", list[list[Any]]()
    for price in (60_000, 61_000, 90_000):
        frame = json.dumps({"stream": "btcusdt@trade", "data": {"p": str(price)}})
        path.write_text(f"1723161255088169167 {frame}\n")
        with capture_logs() as logged, running(tmp_path / "account", feed=f"replay:{path}"):
            pass
        leaps.append([x for x in logged if x["event"] == "paper_price_leaps"])
    assert leaps[:2] == [[], []]
    (told,) = leaps[2]
    assert (told["index"], told["saved"], told["first"]) == ("btc_usd", 61_000, 90_000)


def test_a_replay_that_breaks_off_ends_the_replay_alone(tmp_path: Path) -> None:
    """The archive is moved away under it: said once, and the venue goes on with the last price."""

    def prices() -> Iterator[tuple[int, Decimal]]:
        yield 0, Decimal(61_800)
        yield 1_000, Decimal(61_900)
        raise ValueError("there is no archive")

    terms: dict[str, Any] = {
        "feed": "replay:archive:BTCUSDT",
        "archive": lambda name: Recorded(name, "BTCUSDT", prices()),
        "speed": Decimal(50),
    }
    asked = {"index_name": "btc_usd"}
    with capture_logs() as logged, running(tmp_path, **terms) as started:
        url, deadline = f"{started.http}/public/get_index_price", time.monotonic() + 10
        while not (told := [x for x in logged if x["event"] == "paper_replay_failed"]):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert (told[0]["log_level"], told[0]["reason"]) == ("error", "there is no archive")
        while requests.get(url, asked, timeout=5).json()["result"]["index_price"] != 61_900:
            assert time.monotonic() < deadline
    assert started.code == 0


def test_the_venues_clock_does_not_wait_for_the_feed(tmp_path: Path) -> None:
    """The feed is silent for minutes: index, mark, heartbeats and the rest go on."""
    with running(tmp_path, speed=Decimal("0.001"), rate_limits=False) as started:
        url, asked = f"{started.http}/public/ticker", {"instrument_name": INVERSE}
        first = requests.get(url, asked, timeout=5).json()["result"]["timestamp"]
        deadline = time.monotonic() + 10
        while requests.get(url, asked, timeout=5).json()["result"]["timestamp"] == first:
            assert time.monotonic() < deadline


def test_a_disk_that_fills_up_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests get no answer that proves anything; with room again the account is whole."""
    order = {"instrument_name": INVERSE, "amount": "10", "type": "limit", "price": "1000"}
    with running(tmp_path, rate_limits=False) as started:
        url, held = f"{started.http}/private/get_open_orders", {"currency": "BTC"}
        line = Socket(started.ws)
        with monkeypatch.context() as full:
            fill_up(full)
            reply = requests.get(f"{started.http}/private/buy", order, auth=BASIC, timeout=5)
            assert (reply.status_code, reply.content) == (500, b"")
            with pytest.raises(websocket.WebSocketException):
                line.receive()
        deadline = time.monotonic() + 10
        while (reply := requests.get(url, held, auth=BASIC, timeout=5)).status_code != 200:
            assert time.monotonic() < deadline
        assert len(reply.json()["result"]) == 1
        started.server.stop()
        assert started.join() == 0


def test_an_account_that_cannot_be_begun_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens at a port behind which nothing can be answered."""
    fill_up(monkeypatch)
    server = PaperServer(PaperSettings(port=0, folder=tmp_path))
    with pytest.raises(OSError, match=f"{tmp_path} cannot be written: .*No space left"):
        server.run()


def test_an_account_that_is_removed_stops_the_exchange(tmp_path: Path) -> None:
    """An order that cannot be saved is not answered for; the exchange ends with code 1."""
    folder = tmp_path / "account"
    with running(folder) as started:
        shutil.rmtree(folder)
        order = {"instrument_name": INVERSE, "amount": "10", "type": "market"}
        reply = requests.get(f"{started.http}/private/buy", order, auth=BASIC, timeout=5)
        assert reply.status_code == 500
        assert started.join() == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"host": "0.0.0.0"}, "loopback only"),  # noqa: S104 - what must be refused
        ({"host": "venue.example"}, "loopback only"),
        ({"speed": Decimal(0)}, "speed"),
        ({"speed": Decimal(10_001)}, "at most 10000"),
        ({"balances": {"BTC": Decimal(-1)}}, "a balance is from 0"),
        ({"balances": {"BTC": Decimal("1e400")}}, "a balance is from 0"),
        ({"feed": "replay:/nowhere/ticks"}, "/nowhere/ticks"),
        ({"balances": {"DOGE": Decimal(1)}}, "DOGE"),
    ],
)
def test_bad_settings_show_at_once(tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    """One clear error before a socket opens, and the folder is free again."""
    terms: dict[str, Any] = {"port": 0, "folder": tmp_path} | settings
    for _ in range(2):
        with pytest.raises(ValueError, match=words):
            PaperServer(PaperSettings(**terms))


def test_an_account_of_another_kind_is_an_error(tmp_path: Path) -> None:
    """A file that can be read but not understood is not taken for a new account."""
    (tmp_path / "account.json").write_text('{"version": 99, "now_ms": 1, "history_bytes": 0}')
    with pytest.raises(ValueError, match="no readable account"):
        PaperServer(PaperSettings(port=0, folder=tmp_path))


def test_a_port_in_use_is_one_clear_error(tmp_path: Path, server: Running) -> None:
    """It names the port."""
    with pytest.raises(OSError, match=f"port {server.port} on 127.0.0.1 is in use"):
        PaperServer(PaperSettings(port=server.port, folder=tmp_path))


def test_of_two_that_start_together_one_has_the_port(tmp_path: Path) -> None:
    """The second is told at once, although the first serves nobody yet."""
    first = PaperServer(PaperSettings(port=0, folder=tmp_path / "first"))
    with pytest.raises(OSError, match=f"port {first.port} on 127.0.0.1 is in use"):
        PaperServer(PaperSettings(port=first.port, folder=tmp_path / "second"))
    assert first.run(lambda _: first.stop()) == 0


def test_a_port_that_cannot_be_served_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Running
) -> None:
    """It does not say that it listens, and does not live on without a door."""
    line = create_connection(("127.0.0.1", server.port), 5)
    monkeypatch.setattr(lines, "listen", lambda *_: line)
    doomed, told = PaperServer(PaperSettings(port=0, folder=tmp_path)), list[int]()

    def on_ready(port: int) -> None:
        told.append(port)
        doomed.stop()

    with pytest.raises(OSError, match="Invalid argument"):
        doomed.run(on_ready)
    assert told == []
