"""The exchange as a process of its own: found, started, ended; and what else answers there."""

import http.server
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.clock import SystemClock
from adapters.paper import embedded
from adapters.paper.embedded import CannotStart, EmbeddedExchange, PortTaken, answers
from adapters.paper.faults.reading import parse_plan
from tests.adapters.paper.serving import running

SERVE = """
import sys
from pathlib import Path
from adapters.paper.server import PaperSettings, serve
sys.exit(serve(PaperSettings(port=int(sys.argv[1]), folder=Path(sys.argv[2]))))
"""


@pytest.fixture
def port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def stranger() -> Iterator[int]:
    """A web server that is no exchange."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (ditto)
            del format, args

    server = http.server.HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join(5)


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}/api/v2"


def test_it_is_started_answers_and_is_ended(port: int, tmp_path: Path) -> None:
    """Construction returns when it answers; stop ends the process and is harmless twice."""
    assert not answers(_url(port))
    command = (sys.executable, "-c", SERVE, str(port), str(tmp_path / "account"))
    exchange = EmbeddedExchange(command, _url(port), tmp_path / "out.txt", SystemClock())
    assert exchange.pid > 0
    assert answers(_url(port))
    exchange.stop()
    assert not answers(_url(port))
    exchange.stop()


def test_one_that_listens_before_it_serves_is_waited_for(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow disk at the first save: its port is silent meanwhile, and nobody else's."""
    monkeypatch.setattr(embedded, "TRIES", 1)
    silent = "import socket, sys, time\nwith socket.create_server(('127.0.0.1', int(sys.argv[1]))):"
    code = f"{silent} time.sleep(3)\n{SERVE}"
    command = (sys.executable, "-c", code, str(port), str(tmp_path / "account"))
    exchange = EmbeddedExchange(command, _url(port), tmp_path / "out.txt", SystemClock())
    assert answers(_url(port))
    exchange.stop()


def test_one_that_ends_at_once_is_reported_with_its_code(port: int, tmp_path: Path) -> None:
    """The person learns the exit code and which file holds the reason."""
    command = (sys.executable, "-c", "print('no room'); raise SystemExit(9)")
    with pytest.raises(CannotStart, match=r"code 9: see .*out\.txt"):
        EmbeddedExchange(command, _url(port), tmp_path / "out.txt", SystemClock())
    assert "no room" in (tmp_path / "out.txt").read_text()


@pytest.mark.parametrize(("size", "is_kept"), [(5_000_000, True), (5_000_001, False)])
def test_what_it_printed_does_not_grow_for_ever(
    port: int, tmp_path: Path, size: int, is_kept: bool
) -> None:
    """A start begins a long file anew: what counts is in its log."""
    output = tmp_path / "out.txt"
    output.write_bytes(b"x" * size)
    with pytest.raises(CannotStart, match="no room"):
        EmbeddedExchange(
            (sys.executable, "-c", "raise SystemExit('no room')"),
            _url(port),
            output,
            SystemClock(),
        )
    assert output.read_bytes().startswith(b"x") is is_kept


def test_a_stranger_at_the_port_is_not_taken_for_an_exchange(stranger: int) -> None:
    """Something else that answers there is an error that names the setting."""
    with pytest.raises(PortTaken, match="PAPER_PORT"):
        answers(_url(stranger))


def test_an_exchange_whose_edge_is_ill_for_a_moment_is_asked_again(tmp_path: Path) -> None:
    """A page with status 502 says nothing about who answers; three of them do."""
    page = '[[fault]]\nkind = "http_error"\nmost = {}'
    with running(tmp_path / "twice", faults=parse_plan(page.format(2))) as server:
        assert answers(server.http)
    with (
        running(tmp_path / "always", faults=parse_plan(page.format(9))) as server,
        pytest.raises(PortTaken, match="not an exchange"),
    ):
        answers(server.http)


@pytest.mark.parametrize("fault", ['kind = "error"\ncode = 10040', 'kind = "reply_lost"'])
def test_an_exchange_that_refuses_or_hangs_up_once_is_asked_again(
    fault: str, tmp_path: Path
) -> None:
    """An error in the venue's own words, or a line that breaks, is no sign of a stranger."""
    plan = parse_plan(f"[[fault]]\n{fault}\nmost = 1")
    with running(tmp_path, faults=plan) as server:
        assert answers(server.http)


def test_an_exchange_that_always_refuses_is_one(tmp_path: Path) -> None:
    """Its errors say who it is; what they mean is for its clients to find out."""
    plan = parse_plan('[[fault]]\nkind = "error"\ncode = 13888')
    with running(tmp_path, faults=plan) as server:
        assert answers(server.http)
