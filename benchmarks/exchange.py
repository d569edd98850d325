"""A paper exchange in a process of its own, as the bot finds it.

Its account is of a high tier, so that a benchmark that trades without a pause is not held up by
rate limits a daemon that trades now and then never meets.
"""

from collections.abc import Generator
from contextlib import contextmanager
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path

import orjson
import structlog

from adapters.paper import limits
from adapters.paper.market import BookShape
from adapters.paper.server import PaperSettings, serve
from benchmarks.spawning import spawned

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
def generous_limits() -> Generator[None]:
    """An account of a high tier: the exchange states these limits, and the client adopts them."""
    before = dict(limits.RATES)
    rate = limits.Rate(cost=1, most=100_000)
    limits.RATES.update(dict.fromkeys(before, rate))
    try:
        yield
    finally:
        limits.RATES.update(before)
