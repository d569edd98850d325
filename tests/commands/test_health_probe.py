"""Asking a bot how it is: only its own verdict counts."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from commands.common import api_root
from commands.health_probe import Health, ask
from config.settings import load
from tests.adapters.api.fakes import FakeDesk, Running
from tests.commands.running import run
from tests.endtoend.bulwark import free_port

FAULT = {"code": "unprotected", "text": "BTC-PERPETUAL has no stop", "is_fault": True}
NOTE = {"code": "paused", "text": "paused by api", "is_fault": False}


@contextmanager
def answering(status: int, body: Any) -> Iterator[int]:
    """Something that answers every request like this; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status if self.path == "/healthz" else 404)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(5)


def asked(port: int) -> Health:
    return ask(load(Path("/nonexistent/.env"), {"API_PORT": str(port)}))


@pytest.mark.parametrize(
    ("status", "body", "health"),
    [
        (200, {"is_well": True, "reasons": []}, Health(answers=True, is_well=True)),
        (
            503,
            {"is_well": False, "reasons": [NOTE, FAULT]},
            Health(answers=True, is_well=False, faults="BTC-PERPETUAL has no stop"),
        ),
        (200, {"ok": True}, Health(answers=False, is_well=False)),
        (200, b"<html>somebody else</html>", Health(answers=False, is_well=False)),
        (200, [], Health(answers=False, is_well=False)),
    ],
)
def test_the_verdict_is_the_bots_own(status: int, body: Any, health: Health) -> None:
    """Another program on the port is no healthy bot; notes are no faults."""
    with answering(status, body) as port:
        assert asked(port) == health


def test_nobody_there_is_no_answer() -> None:
    """A dead API says nothing about the bot: the pulse decides."""
    assert asked(free_port()) == Health(answers=False, is_well=False)


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_an_address_of_ipv6_stands_in_brackets() -> None:
    """In every address of the API's, whoever asks there."""
    found = load(Path("/nonexistent/.env"), {"API_HOST": "::1", "API_PORT": "8580"})
    assert api_root(found) == "http://[::1]:8580"


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_a_bot_is_asked_over_ipv6() -> None:
    """Its verdict comes, and the address it says itself can be used as it is."""
    api = Running(FakeDesk(), host="::1")
    port = api.address.removeprefix("http://[::1]:")
    settings = load(Path("/nonexistent/.env"), {"API_HOST": "::1", "API_PORT": port})
    assert ask(settings) == Health(answers=True, is_well=True)
    assert api.get("/v1/ping").status_code == 200
    api.close()


def test_a_container_is_healthy_only_when_the_bot_says_so(tmp_path: Path) -> None:
    """Exit 0 and 1, with the reason where an engine shows it."""
    with answering(200, {"is_well": True, "reasons": []}) as port:
        assert run(tmp_path, "healthcheck", settings={"API_PORT": port}).code == 0
    with answering(503, {"is_well": False, "reasons": [FAULT]}) as port:
        ran = run(tmp_path, "healthcheck", settings={"API_PORT": port})
        assert (ran.code, ran.errors) == (1, "BTC-PERPETUAL has no stop\n")
    ran = run(tmp_path, "healthcheck", settings={"API_PORT": free_port()})
    assert (ran.code, ran.errors) == (1, "it does not answer\n")
