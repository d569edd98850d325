"""The collector as a process, from a websocket to the disk, at ten times the most Binance sends."""

import os
import signal
import socket
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha1
from pathlib import Path

import orjson

from benchmarks.measuring import Effort, now, pause
from benchmarks.rows import Row

PACE = 5_000
"""Ticks a second: ten times the most Binance sends for a symbol."""
SECONDS = 40
SLICES = 50
"""Pieces a second in which they come."""
PATIENCE = 30.0
_RUN = Path(__file__).parents[1] / "run.py"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SHORT = 126


def run(folder: Path, frames: Sequence[bytes], effort: Effort) -> list[Row]:
    """Share of a core, memory, and whether every tick was stored. ``frames`` are played once."""
    folder.mkdir()
    seconds = len(frames) // PACE
    with Stream(frames) as stream:
        process = _start(folder, stream.port)
        try:
            stream.began.wait(PATIENCE)
            before, began = _cpu_seconds(process.pid), now()
            stream.over.wait(seconds + PATIENCE)
            share = (_cpu_seconds(process.pid) - before) / (now() - began)
            peak = _peak_mib(process.pid)
            process.send_signal(signal.SIGINT)
            told, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    stored = orjson.loads(told.splitlines()[-1])["stored"]
    sent = len(frames)
    what = f"collector at {PACE} ticks a second, {seconds} s"
    return [
        Row(what=f"{what}: share of a core", ours=share * 100, unit="%"),
        Row(what=f"{what}: most resident memory", ours=peak, unit="MiB"),
        Row(
            what=f"{what}: stored of what was sent",
            ours=stored / sent * 100,
            unit="%",
            target="all",
            met=stored == sent if effort.is_full else None,
        ),
    ]


def _start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    environment = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(folder / "data"),
        "LOG_DIR": str(folder / "logs"),
        "BINANCE_WS_URL": f"ws://127.0.0.1:{port}",
        "BINANCE_HTTP_URL": "http://127.0.0.1:9",
    }
    command = (sys.executable, str(_RUN), "collect", "--symbol", "BTCUSDT")
    return subprocess.Popen(
        (*command, "--no-positioning", "--json"),
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    return int(next(x for x in status.splitlines() if x.startswith("VmHWM")).split()[1]) / 1024


class Stream:
    """Sends frames to the first who comes, `PACE` a second, then holds the line."""

    def __init__(self, frames: Sequence[bytes]) -> None:
        size = PACE // SLICES
        packed = [_packed(frame) for frame in frames]
        self._slices = [b"".join(packed[at : at + size]) for at in range(0, len(packed), size)]
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.began, self.over, self._closed = (threading.Event() for _ in range(3))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "Stream":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._listening.close()

    def _serve(self) -> None:
        with suppress(OSError):
            line, _ = self._listening.accept()
            with line:
                self._greet(line)
                self.began.set()
                began = now()
                for number, piece in enumerate(self._slices):
                    wait = began + number / SLICES - now()
                    if wait > 0:
                        pause(wait)
                    line.sendall(piece)
                self.over.set()
                self._closed.wait()

    @staticmethod
    def _greet(line: socket.socket) -> None:
        asked = b""
        while b"\r\n\r\n" not in asked:
            asked += line.recv(4096)
        key = next(x for x in asked.split(b"\r\n") if x.lower().startswith(b"sec-websocket-key"))
        accept = b64encode(sha1(key.partition(b":")[2].strip() + _GUID).digest())  # noqa: S324 (RFC 6455)
        line.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )


def _packed(frame: bytes) -> bytes:
    """A text frame as servers send it."""
    if len(frame) < _SHORT:
        return bytes((0x81, len(frame))) + frame
    return b"\x81\x7e" + len(frame).to_bytes(2, "big") + frame
