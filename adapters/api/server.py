"""The API's thread: waits until the daemon is ready, loads what it needs, serves until closed.

Whatever goes wrong here is said and stays here: a daemon whose API cannot start trades on.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Generator

import structlog

from actors.ports import Clock, Desk
from adapters.api.hub import EventHub
from adapters.uvicorn_log import spare_the_log

WAIT_SECONDS = 3.0
"""How long the thread waits for the daemon to be ready before it starts all the same."""
CLOSE_SECONDS = 3.0


class ApiServer:
    """Serves the API. ``said`` is told the address once it answers, ``failed`` why it cannot."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        token: str,
        version: str,
        desk: Desk,
        hub: EventHub,
        clock: Clock,
        redact: Callable[[str], str],
        said: Callable[[str], None],
        failed: Callable[[str], None],
        round_trips: object = None,
    ) -> None:
        self._host, self._port = host, port
        self._token = token
        self._version = version
        self._desk = desk
        self._hub = hub
        self._clock = clock
        self._redact = redact
        self._said, self._failed = said, failed
        self._round_trips = round_trips
        self._stop: Callable[[], None] | None = None
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._live, name="api", daemon=True)

    def start(self) -> None:
        """Begins; returns at once."""
        self._thread.start()

    def close(self) -> None:
        """Lets running requests end, for a while."""
        self._is_closing.set()
        self._hub.end()
        if self._stop is not None:
            self._stop()
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)

    def _live(self) -> None:
        try:
            self._hub.has_begun.wait(WAIT_SECONDS)
            if not self._is_closing.is_set():
                self._serve()
        except OSError as error:
            self._failed(f"{self._host}:{self._port}: {error.strerror or error}")
        except Exception as error:  # noqa: BLE001 (an API that cannot start must not take the daemon along)
            structlog.get_logger(actor="api").exception("api_failed")
            self._failed(f"{type(error).__name__}: {error}")

    def _serve(self) -> None:
        # Here and not above: half a second and some 25 MB that a daemon starts without.
        import uvicorn  # noqa: PLC0415

        from adapters.api.app import Api, application  # noqa: PLC0415
        from adapters.api.connections import (  # noqa: PLC0415
            MOST_CONNECTIONS,
            ImpatientProtocol,
        )
        from adapters.api.guard import Guard  # noqa: PLC0415
        from adapters.api.metrics import Metrics  # noqa: PLC0415

        class Server(uvicorn.Server):
            """uvicorn without its signal handling: signals are the daemon's."""

            @contextlib.contextmanager
            def capture_signals(self) -> Generator[None]:
                yield

        spare_the_log()
        listener = _bound(self._host, self._port)
        with listener:
            metrics = Metrics(self._desk, self._round_trips)  # pyright: ignore[reportArgumentType] (None, or what the venue client keeps)
            self._hub.follow(metrics.hear)
            app = application(
                Api(self._desk, self._hub, metrics, self._clock, self._redact), self._version
            )
            hosts = frozenset({"127.0.0.1", "localhost", "[::1]", self._host})
            guard = Guard(app, token=self._token, hosts=hosts, clock=self._clock)
            config = uvicorn.Config(
                guard,  # pyright: ignore[reportArgumentType] (an ASGI application, typed by its protocol)
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                timeout_graceful_shutdown=1,
                http=ImpatientProtocol,
                backlog=MOST_CONNECTIONS,  # so many are taken at once before any is looked at
            )
            server = Server(config)

            def stop() -> None:
                server.should_exit = True

            self._stop = stop
            if self._is_closing.is_set():
                return
            host, port = listener.getsockname()[:2]
            name = f"[{host}]" if ":" in host else host
            self._said(f"http://{name}:{port}")
            server.run(sockets=[listener])


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(64)
    except OSError:
        listener.close()
        raise
    return listener
