"""Garbage over real sockets: the venue's error codes, an exchange that lives, an account intact."""

import json
import random
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import websocket

from tests.adapters.paper.harness import INVERSE
from tests.adapters.paper.serving import Running, running

BASIC = ("paper", "paper")
KNOWN = {-32600, -32601, -32602, 10000, 10002, 10004, 10030, 11030, 11050, 13004, 13009, 13778}
VALUES: list[Any] = [
    None,
    True,
    -1,
    10**40,
    1e308,
    5e-324,
    "NaN",
    "1e999",
    "\u0661\u0662\u0663",
    "1_0",
    "\u0000",
    "a\nb",
    "🂡" * 200,
    [],
    [[]],
    {},
    {"$": 1},
    "'; DROP TABLE orders --",
    "../../etc/passwd",
]
METHODS = [
    "private/buy",
    "private/edit",
    "private/get_order_history_by_currency",
    "private/get_user_trades_by_currency",
    "private/subscribe",
    "private/get_transaction_log",
    "public/auth",
    "public/get_order_book",
    "public/get_tradingview_chart_data",
    "public/set_heartbeat",
    "no/such",
    "",
]
NAMES = ["instrument_name", "amount", "price", "type", "currency", "count", "order_id", "channels"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("garbage"), rate_limits=False) as started:
        yield started


def _equity(server: Running) -> Any:
    url = f"{server.http}/private/get_account_summary"
    return requests.get(url, {"currency": "BTC"}, auth=BASIC, timeout=5).json()["result"]["equity"]


def _calls(chance: random.Random, count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    for _ in range(count):
        picked = {name: chance.choice(VALUES) for name in chance.sample(NAMES, 3)}
        right = {"instrument_name": INVERSE, "currency": "BTC", "type": "limit"}
        yield chance.choice(METHODS), picked | (right if chance.random() < 0.3 else {})


def test_garbage_in_frames(server: Running) -> None:
    """Every frame gets an answer, every error has a code of the venue's, the socket stays."""
    before, client = _equity(server), websocket.create_connection(server.ws, timeout=5)
    log_in = {"grant_type": "client_credentials", "client_id": "paper", "client_secret": "paper"}
    client.send(json.dumps({"id": 0, "method": "public/auth", "params": log_in}))
    assert "result" in json.loads(client.recv())
    broken = ['{"a":' * 2000, "[" * 5000, '{"id":1e400}', '"\ud83c"', "nul", "{}", '{"method":1}']
    for text in [*broken, '{"id": 1, "method": "private/buy", "params": {"amount": NaN}}']:
        client.send(text.encode("utf-8", "surrogatepass"), websocket.ABNF.OPCODE_BINARY)
        assert json.loads(client.recv())["error"]["code"] == 11050
    for method, params in _calls(random.Random(5), 300):  # noqa: S311 - seeded on purpose
        client.send(json.dumps({"id": 7, "method": method, "params": params}))
        while (reply := json.loads(client.recv())).get("id") != 7:
            if reply.get("method") == "subscription":
                continue
            assert reply["error"]["code"] == 11050
            break
        assert reply.get("error", {}).get("code", -32602) in KNOWN, (method, params, reply)
    client.shutdown()
    assert _equity(server) == before


def test_garbage_in_queries(server: Running) -> None:
    """Raw bytes, percent signs and repeated names; all of it 200 or 400 with the envelope."""
    before, chance = _equity(server), random.Random(6)  # noqa: S311 - seeded on purpose
    with requests.Session() as session:
        for method, params in _calls(chance, 200):
            text = {name: str(value) for name, value in params.items()}
            url = f"{server.http}/{method or 'x'}"
            reply = session.get(url, params=text, auth=BASIC, timeout=5)
            assert reply.status_code in {200, 400}
            assert ("result" in reply.json()) is (reply.status_code == 200)
        for query in ("%", "%ff%fe", "amount=%00", "a=1&a=2", "&&&", "=" * 500, "x" * 20_000):
            reply = session.get(f"{server.http}/private/buy?{query}", auth=BASIC, timeout=5)
            assert reply.json()["error"]["code"] in KNOWN
    assert _equity(server) == before


@pytest.mark.parametrize(
    "text",
    [
        b"\x00\xff" * 50,
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/v2 HTTP/1.1\r\ncontent-length: 9\r\n\r\n",
    ],
)
def test_what_is_no_request_hurts_nobody_else(server: Running, text: bytes) -> None:
    """Half a request, or none at all: the next client is served."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
        raw.sendall(text)
        assert requests.get(f"{server.http}/public/test", timeout=5).ok


@pytest.mark.parametrize("amount", ["\u0661\u0660\u0660", "1_0", "0x10", " ", "\uff11\uff10"])
def test_only_plain_digits_are_a_number(server: Running, amount: str) -> None:
    """Digits of other scripts and Python's own spellings are none."""
    terms = {"instrument_name": INVERSE, "amount": amount, "price": "50000"}
    reply = requests.get(f"{server.http}/private/buy", terms, auth=BASIC, timeout=5).json()
    assert reply["error"]["data"] == {"reason": "invalid number", "param": "amount"}


def test_what_clients_do_wrong_is_not_in_the_log(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a body, bytes that are no HTTP, frames that are no text: a traceback each would be."""
    texts = (
        b"POST /api/v2 HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{",
        b"\x00\xff" * 50,
        (
            b"GET /ws/api/v2 HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: MDAwMDAwMDAwMDAwMDAwMA==\r\n\r\n"
            b"\x81\x82\x00\x00\x00\x00\xff\xfe"
        ),
    )
    for text in texts:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
            raw.sendall(text)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(4096):
                pass
    assert requests.get(f"{server.http}/public/test", timeout=5).ok
    assert [each.getMessage() for each in caplog.records if each.name.startswith("uvicorn")] == []
