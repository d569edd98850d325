"""A relay that puts a server at a distance: it holds every byte for a while, both ways."""

import queue
import socket
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from benchmarks.measuring import SWITCH_INTERVAL, now, pause
from benchmarks.spawning import spawned


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
