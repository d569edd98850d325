"""One log event with seven fields, from the call to the line in the file.

Ours is what the actors call, as `config.logs` sets it up, secrets looked for included. The peer
is structlog over the standard library the way structlog's own documentation sets it up for JSON,
into a `RotatingFileHandler` with the same limits; it looks for no secrets. The floor is orjson
and one unbuffered write.
"""

import logging
import logging.handlers
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import structlog

from adapters.clock import SystemClock
from benchmarks.measuring import Effort, interleaved
from benchmarks.rows import Row
from config.logs import configure, register_secret

CALLS = 2_000
TARGET_US = 15.0
MEGABYTES = 5_000_000
FIELDS: Mapping[str, Any] = {
    "trade_id": "01kbench00000000001",
    "instrument": "BTC-PERPETUAL",
    "side": "buy",
    "contracts": 100,
    "entry_price": "97000.5",
    "stop_loss": "96000.0",
    "unprotected_ms": 11.25,
}
Action = Callable[[], object]


def run(effort: Effort) -> list[Row]:
    """Ours, the peer and the floor."""
    folder = effort.folder / "log"
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        actions = {
            "ours": stack.enter_context(_ours(folder)),
            "peer": stack.enter_context(_peer(folder / "peer.log")),
            "floor": stack.enter_context(_floor(folder / "floor.log")),
        }
        taken = interleaved(actions, rounds=effort.rounds, calls=effort.calls(CALLS))
    ours, peer = taken["ours"], taken["peer"]
    return [
        Row(
            what="one log event",
            ours=ours.median,
            unit="us",
            against="structlog + logging, JSON",
            theirs=peer.median,
            ratio=ours.times(peer),
            target=f"<= {TARGET_US:g} us",
            met=ours.median <= TARGET_US,
            note=f"floor (orjson + write) {taken['floor'].median:.1f} us; p99 {ours.p99:.0f} us",
        )
    ]


@contextmanager
def _ours(folder: Path) -> Generator[Action]:
    with configure(folder, "INFO", terminal=False, clock=SystemClock()):
        register_secret("a-client-secret-of-the-benchmark")
        register_secret("123456:a-bot-token-of-the-benchmark")
        try:
            log: Any = structlog.get_logger().bind(actor="trade-01kbench")
            yield lambda: log.info("trade_opened", **FIELDS)
        finally:
            structlog.reset_defaults()


@contextmanager
def _peer(path: Path) -> Generator[Action]:
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=MEGABYTES, backupCount=5)
    logger = logging.getLogger("benchmarks.peer")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    log: Any = structlog.wrap_logger(
        logger,
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            structlog.processors.UnicodeDecoder(),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    ).bind(actor="trade-01kbench")
    try:
        yield lambda: log.info("trade_opened", **FIELDS)
    finally:
        logger.removeHandler(handler)
        handler.close()


@contextmanager
def _floor(path: Path) -> Generator[Action]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write() -> None:
        event = {"ts": datetime.now(UTC).isoformat(), "event": "trade_opened", **FIELDS}
        os.write(descriptor, orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))

    try:
        yield write
    finally:
        os.close(descriptor)
