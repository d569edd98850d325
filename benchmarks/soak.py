"""Whether the paper exchange's memory stays flat: ``python -m benchmarks.soak --minutes 60``.

Clients listen to everything a bot and a chart would, at a market ten times as fast, and one of
them trades. At first it fills all that is kept of the past to its bounds (closed orders, fills,
log lines), so that what grows after that grows for ever. Exit code 1 when it did.
"""

import asyncio
import itertools
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from multiprocessing.connection import Connection
from os import getpid
from pathlib import Path
from typing import Annotated

import structlog
import typer
from websockets.asyncio.client import ClientConnection, connect

from adapters.paper.server import PaperSettings, serve
from benchmarks.measuring import now
from benchmarks.raw_clients import LOG_IN, WebSocketClient, order, side
from benchmarks.spawning import spawned

_NAMES = ("BTC-PERPETUAL", "ETH-PERPETUAL", "BTC_USDC-PERPETUAL", "ETH_USDC-PERPETUAL")
CHANNELS = [
    *(f"book.{name}.100ms" for name in _NAMES),
    *(f"ticker.{name}.100ms" for name in _NAMES),
    *(f"trades.{name}.raw" for name in _NAMES),
    *(f"chart.trades.{name}.1" for name in _NAMES),
    "incremental_ticker.BTC-PERPETUAL",
    "quote.BTC-PERPETUAL",
    "deribit_price_index.btc_usd",
    "user.changes.any.any.raw",
    "user.portfolio.any",
]
_FILLING_BURSTS, _BURST = 220, 32
_SAMPLES = 60
FLAT = 1.03
"""The last third of the samples within this factor of the second one."""


def main(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long, on the wall.")] = 60.0,
    clients: Annotated[int, typer.Option(min=1, max=31, help="Websockets that listen.")] = 10,
    speed: Annotated[float, typer.Option(min=0.1, help="Market time over wall time.")] = 10.0,
) -> None:
    """Soaks a paper exchange and prints its memory over time. Example:
    python -m benchmarks.soak --minutes 6 --clients 10 --speed 10
    """
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        sizes = soak(Path(folder), minutes=minutes, clients=clients, speed=Decimal(str(speed)))
    growth = grown(sizes)
    typer.echo(f"last third over the second: {growth:.4f}x, flat means <= {FLAT}x")
    raise typer.Exit(growth > FLAT)


def grown(sizes: Sequence[float]) -> float:
    """The median of the last third over that of the one before; the first warms up."""
    third = max(1, len(sizes) // 3)
    return statistics.median(sizes[-third:]) / statistics.median(sizes[-2 * third : -third])


def soak(
    folder: Path,
    *,
    minutes: float,
    clients: int,
    speed: Decimal,
    samples: int = _SAMPLES,
    bursts: int = _FILLING_BURSTS,
) -> list[float]:
    """Runs the exchange and its clients; returns its resident megabytes at even moments."""
    with spawned(_serve, folder / "exchange", speed) as (port, pid):
        filling = WebSocketClient(port, _BURST)
        for _ in range(bursts):
            filling()
        filling.close()
        return asyncio.run(_listen(port, pid, minutes * 60 / samples, clients, samples))


async def _listen(port: int, pid: int, pause: float, clients: int, samples: int) -> list[float]:
    """The clients, and a look at the exchange's memory after each pause."""
    heard = itertools.count()
    listening = [asyncio.create_task(_client(port, heard, trades=not n)) for n in range(clients)]
    began, sizes = now(), list[float]()
    try:
        for _ in range(samples):
            await asyncio.sleep(pause)
            if ended := next((each for each in listening if each.done()), None):
                raise RuntimeError(f"a client ended: {ended.exception()}")
            sizes.append(_resident_mb(pid))
            frames = next(heard)
            sys.stdout.write(
                f"{now() - began:7.0f} s  {sizes[-1]:7.1f} MiB  {frames:>10,} frames\n"
            )
            sys.stdout.flush()
    finally:
        for each in listening:
            each.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
    return sizes


async def _client(port: int, heard: "itertools.count[int]", *, trades: bool) -> None:
    async with connect(f"ws://127.0.0.1:{port}/ws/api/v2", max_size=None, compression=None) as line:
        await _say(line, "public/auth", LOG_IN)
        await _say(line, "private/subscribe", {"channels": CHANNELS})
        trading = asyncio.create_task(_trade(line)) if trades else None
        try:
            async for _ in line:
                next(heard)
        finally:
            if trading is not None:
                trading.cancel()
                with suppress(asyncio.CancelledError):
                    await trading


async def _trade(line: ClientConnection) -> None:
    """Four orders a second: two that fill, one that rests, and a cancel of all."""
    resting = {"type": "limit", "price": 60_000, "instrument_name": _NAMES[0], "amount": 10}
    for number in itertools.count():
        await _say(line, side(number), order(number))
        if number % 2:
            await _say(line, "private/buy", resting)
            await _say(line, "private/cancel_all", {})
        await asyncio.sleep(0.5)


async def _say(line: ClientConnection, method: str, params: object) -> None:
    await line.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    kilobytes = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(kilobytes.split()[1]) / 1024


def _serve(ready: Connection, folder: Path, speed: Decimal) -> None:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    settings = PaperSettings(port=0, folder=folder, speed=speed, rate_limits=False)
    serve(settings, on_ready=lambda port: ready.send((port, getpid())))


if __name__ == "__main__":
    typer.run(main)
