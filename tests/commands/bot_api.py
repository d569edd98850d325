"""A Bot API on loopback that takes messages, or refuses them as told."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class BotApi:
    """What arrived, and the answers that wait (status and body); without one it is taken."""

    url: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    paths: list[str] = field(default_factory=list[str])
    answers: list[tuple[int, Any]] = field(default_factory=list[tuple[int, Any]])

    def texts(self) -> list[str]:
        return [str(message.get("text")) for message in self.messages]

    def handle(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        self.paths.append(path)
        if self.answers:
            return self.answers.pop(0)
        self.messages.append(body)
        return 200, {"ok": True, "result": {"message_id": len(self.messages)}}


@contextmanager
def bot_api() -> Iterator[BotApi]:
    """The double, answering until the block ends."""
    api = BotApi()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(length) or b"{}"
            if body.startswith(b"{"):
                status, reply = api.handle(self.path, json.loads(body))
            else:  # the bot's own library speaks in forms; here only the watchdog is listened to
                status, reply = 503, {"ok": False, "description": "not here"}
            content = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    with serving(Handler) as port:
        api.url = f"http://127.0.0.1:{port}"
        yield api


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """A server on a free port of this machine; the port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(5)
