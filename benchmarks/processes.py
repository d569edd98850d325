"""The processes beside the daemon: a paper exchange, and a relay that puts it at a distance.

The exchange's account is of a high tier, so that a benchmark that trades without a pause is not
held up by rate limits a daemon that trades now and then never meets.
"""

import queue
import socket
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path

import orjson
import structlog

from adapters.paper.market import BookShape
from adapters.paper.server import PaperSettings, serve
from benchmarks.measuring import SWITCH_INTERVAL, now, pause
from benchmarks.spawning import spawned
from benchmarks.virtual import generous_limits

MID = Decimal(100_000)
SWING = Decimal(60)
"""The index price jumps between ``MID - SWING`` and ``MID + SWING``, four times a second."""
_SWING_MS = 250
_SWINGS = 4 * 300


@contextmanager
def paper_exchange(folder: Path) -> Generator[int]:
    """A paper exchange in a fresh process; gives its port."""
    folder.mkdir(parents=True)
    recording = folder / "swing.txt"
    recording.write_bytes(b"".join(_swing(number) for number in range(_SWINGS)))
    with spawned(_serve, folder / "exchange", f"replay:{recording}") as port:
        yield port


def _swing(number: int) -> bytes:
    price = MID + SWING if number % 2 else MID - SWING
    frame = {"stream": "btcusdt@trade", "data": {"p": str(price)}}
    return b"%d %b\n" % (number * _SWING_MS * 1_000_000, orjson.dumps(frame))


def _serve(ready: Connection, folder: Path, feed: str) -> None:
    settings = PaperSettings(port=0, folder=folder, feed=feed, shape=BookShape(premium_bps=0))
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    with generous_limits():
        serve(settings, on_ready=ready.send)


@contextmanager
def at_distance(port: int, one_way: float) -> Generator[int]:
    """A relay in its own process that holds every byte for ``one_way`` seconds; its port."""
    with spawned(_relay, port, one_way) as near:
        yield near


def _relay(ready: Connection, port: int, one_way: float) -> None:
    sys.setswitchinterval(SWITCH_INTERVAL)
    listener = socket.create_server(("127.0.0.1", 0))
    ready.send(listener.getsockname()[1])
    while True:
        near, _ = listener.accept()
        far = socket.create_connection(("127.0.0.1", port))
        for source, sink in ((near, far), (far, near)):
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _hold(source, sink, one_way)


def _hold(source: socket.socket, sink: socket.socket, seconds: float) -> None:
    """Starts two threads that carry bytes from ``source`` to ``sink``, late."""
    waiting: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

    def take() -> None:
        data = b"."
        while data:
            data = source.recv(65536)
            waiting.put((now() + seconds, data))

    def give() -> None:
        while True:
            due, data = waiting.get()
            pause(max(0.0, due - now()))
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            sink.sendall(data)

    for work in (take, give):
        threading.Thread(target=work, daemon=True).start()
