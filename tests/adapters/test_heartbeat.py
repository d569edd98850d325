"""The dead man's switch: pinged while all is well, silent otherwise, and discreet."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import structlog
from structlog.testing import capture_logs

from adapters.heartbeat import Heartbeat

SECRET = "canary-ping-77aa"


class Watcher:
    """Who listens outside. ``status`` is what it answers."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.status = 200
        watcher = self

        class Call(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None: ...

            def do_GET(self) -> None:
                watcher.paths.append(self.path)
                self.send_response(watcher.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.server = HTTPServer(("127.0.0.1", 0), Call)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/{SECRET}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    structlog.reset_defaults()
    made = Watcher()
    yield made
    made.close()


def test_it_pings_while_all_is_well_and_only_then(watcher: Watcher) -> None:
    """A complaint keeps it silent, and is logged once; so is its end."""
    complaints = ["", "no session", "no session", ""]
    heart = Heartbeat(watcher.url, lambda: complaints.pop(0))
    with capture_logs() as lines:
        beats = [heart.beat() for _ in range(4)]
    assert beats == [True, False, False, True]
    assert watcher.paths == [f"/{SECRET}"] * 2
    assert [x["event"] for x in lines] == ["heartbeat_withheld", "heartbeat_resumed"]


def test_what_cannot_be_judged_is_not_well(watcher: Watcher) -> None:
    """A Desk that does not answer must not look like a healthy daemon."""

    def complaint() -> str:
        raise TimeoutError

    with capture_logs() as lines:
        assert not Heartbeat(watcher.url, complaint).beat()
    assert watcher.paths == []
    assert lines[0]["why"] == "no verdict: TimeoutError"


def test_the_address_is_in_no_log_line(watcher: Watcher) -> None:
    """Refused, unreachable, nonsense: said once each, without the address."""
    watcher.status = 500
    with capture_logs() as lines:
        for url in (watcher.url, f"http://127.0.0.1:9/{SECRET}", f"nonsense://{SECRET}"):
            heart = Heartbeat(url, str)
            assert not heart.beat()
            assert not heart.beat()
    assert [x["event"] for x in lines] == ["heartbeat_failed"] * 3
    assert SECRET not in str(lines)


def test_it_beats_by_itself_until_it_is_closed(watcher: Watcher) -> None:
    """Its own thread, its own period."""
    judged = threading.Event()

    def complaint() -> str:
        judged.set()
        return ""

    heart = Heartbeat(watcher.url, complaint, period=0.01)
    heart.start()
    assert judged.wait(10)
    heart.close()
