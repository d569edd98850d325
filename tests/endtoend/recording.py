"""A small recording in the format of the real ones, made from a random walk."""

import gzip
import json
import random
from decimal import Decimal
from pathlib import Path

START_NS = 1_723_075_200_000_000_000
MILLISECOND = 1_000_000
TICK = Decimal("0.1")
PER_ROOT_SECOND = 0.0001
"""0.01 % a root second: a usual day of the real thing."""

BAD_LINES = (
    b"\n",
    b"not a line\n",
    b'1723075200000000000 {"stream":"btcusdt@trade","data":{"p":"NaN"}}\n',
    b'1723075200000000000 {"stream":"btcusdt@trade","data":{}}\n',
    b'1723075200000000000 {"stream":"btcusdt@bookTicker","data":{"b":"1","a"\n',
)
"""What a recorder that was killed, a disk that was full and a venue that hiccups leave behind."""


def write_recording(path: Path, *, seconds: int, seed: int = 1) -> int:
    """Trades and best prices of BTCUSDT every 100 ms, gzip; returns the number of lines.

    The lines of `BAD_LINES` stand among them, and a stream that moves no price here.
    """
    chance = random.Random(seed)  # noqa: S311 - a pretend market
    price, lines = Decimal(61_000), 0
    with gzip.open(path, "wb", compresslevel=1) as file:
        for step in range(seconds * 10):
            at = START_NS + step * 100 * MILLISECOND + chance.randrange(50) * MILLISECOND
            move = Decimal(chance.gauss(0, PER_ROOT_SECOND * 0.1**0.5)).quantize(Decimal("1e-9"))
            price = (price * (1 + move)).quantize(TICK)
            frames = [_trade(price), _book(price), _depth()]
            file.writelines(f"{at} {json.dumps(frame)}\n".encode() for frame in frames)
            lines += len(frames)
            if step % 100 == 50 and step // 100 < len(BAD_LINES):
                file.write(BAD_LINES[step // 100])
                lines += 1
    return lines


def _trade(price: Decimal) -> dict[str, object]:
    data = {"e": "trade", "s": "BTCUSDT", "p": str(price), "q": "0.010"}
    return {"stream": "btcusdt@trade", "data": data}


def _book(price: Decimal) -> dict[str, object]:
    data = {"s": "BTCUSDT", "b": str(price - TICK), "B": "1", "a": str(price), "A": "1"}
    return {"stream": "btcusdt@bookTicker", "data": data}


def _depth() -> dict[str, object]:
    return {"stream": "btcusdt@depth@0ms", "data": {"b": [], "a": []}}
