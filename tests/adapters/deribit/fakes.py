"""Hand-written stand-ins: a clock moved by hand, a scripted Rpc, and two small local servers."""

import json
import queue
import ssl
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

WAIT = 5.0


class ManualClock:
    """Time stands still until moved; sleeping moves it."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


class ScriptedRpc:
    """Answers from a script: method -> value, exception, function, or a deque of those."""

    def __init__(self, **script: Any) -> None:
        self.script: dict[str, Any] = {}
        for name, answer in script.items():
            self.answer(name.replace("__", "/"), answer)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.timeouts: list[float] = []

    def answer(self, method: str, answer: Any) -> None:
        self.script[method] = answer

    def call(self, method: str, params: Mapping[str, Any], *, timeout: float) -> Any:
        self.calls.append((method, dict(params)))
        self.timeouts.append(timeout)
        answer = self.script[method]
        if isinstance(answer, deque):
            answer = answer.popleft()
        if callable(answer):
            answer = answer(params)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]


class GatedScriptedRpc(ScriptedRpc):
    """A scripted Rpc that holds the gate while it 'writes'."""

    def call_through(
        self,
        gate: AbstractContextManager[None],
        method: str,
        params: Mapping[str, Any],
        *,
        timeout: float,
    ) -> Any:
        with gate:
            return self.call(method, params, timeout=timeout)


class SocketServer:
    """A websocket server. ``script(request)`` returns the frames to send; None says nothing."""

    def __init__(self, script: Callable[[dict[str, Any]], list[str | bytes] | None]) -> None:
        self.script = script
        self.requests: queue.Queue[dict[str, Any]] = queue.Queue()
        self.closed = threading.Event()
        self._connections: queue.Queue[ServerConnection] = queue.Queue()
        self._server = serve(self._handle, "127.0.0.1", 0, compression=None)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._open: list[ServerConnection] = []

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/ws/api/v2"

    def connection(self) -> ServerConnection:
        """The next connection a client makes."""
        return self._connections.get(timeout=WAIT)

    def next_request(self) -> dict[str, Any]:
        return self.requests.get(timeout=WAIT)

    def _handle(self, connection: ServerConnection) -> None:
        self._open.append(connection)
        self._connections.put(connection)
        try:
            for message in connection:
                request = json.loads(message)
                self.requests.put(request)
                for frame in self.script(request) or ():
                    connection.send(frame)
        except ConnectionClosed:
            pass
        finally:
            self.closed.set()

    def __enter__(self) -> "SocketServer":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for connection in self._open:
            connection.close()
        self._server.shutdown()
        self._thread.join(WAIT)


def drop(connection: ServerConnection) -> None:
    """Ends the TCP connection without a closing handshake."""
    connection.socket.shutdown(2)


class HttpServer:
    """An HTTP server. ``script(request, headers)`` returns status, body and extra headers."""

    def __init__(
        self,
        script: Callable[[dict[str, Any], Mapping[str, str]], tuple[int, bytes, dict[str, str]]],
    ) -> None:
        self.script = script
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.ports: set[int] = set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append(request)
                outer.headers.append(dict(self.headers))
                outer.ports.add(self.client_address[1])
                status, body, extra = outer.script(request, dict(self.headers))
                self.send_response(status)
                self.send_header("Content-Length", extra.pop("Content-Length", str(len(body))))
                for name, value in extra.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = self.close_connection or "Connection" in extra

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.address[1]}/api/v2"

    def behind(self, tls: ssl.SSLContext, *, after: float = 0.0) -> None:
        """From now on it speaks TLS, and greets so many seconds after it was connected to."""
        usual = self._server.get_request

        def greet() -> Any:
            threading.Event().wait(after)
            return usual()

        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._server.get_request = greet

    def __enter__(self) -> "HttpServer":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(WAIT)


def reply(request: Mapping[str, Any], result: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result})


def error(request: Mapping[str, Any], code: int, message: str, data: Any = None) -> str:
    fault = {"code": code, "message": message, "data": data}
    return json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": fault})
