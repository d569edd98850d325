"""The tick archive: how fast frames become durable segments, how small, how fast to ask.

The ticks are drawn after BTCUSDT (USD-M) as recorded for six minutes on 2024-08-08. There an order
took 2 ticks on average and 182 at most, all in one millisecond and on one side, each some steps
of 0.1 USD further; between orders 65 ms times a chi-square of one, and in 38 of 100 cases the other
side, one step away. At the recording's own length and pace, 10 447 ticks, the drawn take 3.73
bytes each and the recorded 3.47 (entropy of the columns 2.25 and 2.27), so drawn ones are rather
the harder. A million of them are stretched over a day. No recording of the spot market was at
hand: its prices have ten times the steps and its quantities two decimals more, and are drawn so
that the entropy is the 2.9 bytes that issue 6 names for it.
"""

import gc
import gzip
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import duckdb
import numpy as np
import orjson

from adapters.archive.reader import bars
from adapters.archive.store import Archive
from adapters.binance.frames import collect_garbage_rarely, names_of, parse
from adapters.clock import SystemClock
from benchmarks import collecting
from benchmarks.measuring import Effort, now
from benchmarks.rows import Row
from domain.compaction import DAY_MS
from domain.moments import Stretch
from domain.ticks import Bools, Ints, Ticks, is_spot, venue_name

DAY_START_MS = 20_776 * DAY_MS
MILLION = 1_000_000
FRAMES = 200_000
STEP = 50_000
"""Frames stored at once, as the collector does when it is pressed."""
A_DAY = 30.4 * 86_400
"""Ticks of BTCUSDT in a day as busy as the recording."""
THE_ORIGINAL = 50.0
"""Megabytes a day, as its users were told."""
TARGET_RATE = 500_000.0
TARGET_BYTES = {"BTCUSDT": 4.3, "spot:BTCUSDT": 4.8}
TARGET_QUERY = 0.3


def run(effort: Effort) -> list[Row]:
    """Rate, bytes, query, and what ten times the peak costs the collector's process."""
    folder = effort.folder / "archive"
    folder.mkdir()
    count = effort.calls(MILLION)
    rows = [_rate(folder, effort)]
    for symbol in TARGET_BYTES:
        rows += _sizes(folder / symbol.replace(":", "-"), symbol, count)
    return [*rows, _query(folder / "BTCUSDT", count), *_live(folder / "live", effort)]


def drawn(symbol: str, count: int, seed: int = 1) -> Ticks:
    """Ticks of one day, as described above."""
    chance = np.random.default_rng(seed)
    is_first, switch = _sweeps(chance, count)
    side = np.where(np.cumsum(switch) % 2 == 1, -1, 1)
    calm = is_first & (chance.random(count) < 0.87)
    tail = (1.45, 4_000) if is_spot(symbol) else (1.8, 260)
    change = np.where(calm, switch.astype(np.int64), _rare(chance, count, *tail)) * side
    wait = np.where(is_first, np.ceil(170 * chance.chisquare(1, count)), 0).astype(np.int64)
    fills = _rare(chance, count, 2.2, 400)
    first = 5_266_583_935 + np.concatenate(([0], np.cumsum(fills)[:-1]))
    times = np.cumsum(wait)
    price_scale, quantity_scale = (2, 5) if is_spot(symbol) else (1, 3)
    return Ticks(
        symbol=symbol,
        agg_id=np.arange(count, dtype=np.int64) + 2_345_678_901,
        price=np.maximum(618_003 * 10 ** (price_scale - 1) + np.cumsum(change), 1),
        quantity=_quantities(chance, symbol, count),
        first_id=first,
        last_id=first + fills - 1,
        timestamp_ms=DAY_START_MS + (times * (DAY_MS - 1) // max(1, int(times[-1]))),
        is_buyer_maker=side < 0,
        price_scale=price_scale,
        quantity_scale=quantity_scale,
    )


def _sweeps(chance: np.random.Generator, count: int) -> tuple[Bools, Bools]:
    """Which ticks begin an order's way through the book, and which begin it on the other side."""
    lengths = np.where(chance.random(count) < 0.864, 1, 1 + _rare(chance, count, 1.65, 180))
    starts = np.concatenate(([0], np.cumsum(lengths)))
    is_first = np.zeros(count, dtype=np.bool_)
    is_first[starts[starts < count]] = True
    return is_first, is_first & (chance.random(count) < 0.38)


def _rare(chance: np.random.Generator, count: int, power: float, most: int) -> Ints:
    """Whole numbers from one up, each as likely as its negative power."""
    weights = np.arange(1, most + 1, dtype=np.float64) ** -power
    return 1 + chance.choice(most, size=count, p=weights / weights.sum())


def _quantities(chance: np.random.Generator, symbol: str, count: int) -> Ints:
    """Log-normal; of the futures' one in eight is the least the venue takes."""
    if is_spot(symbol):
        return np.maximum(1, chance.lognormal(5.5, 2.3, count)).astype(np.int64)
    drawn = np.maximum(1, chance.lognormal(3.5, 2.0, count)).astype(np.int64)
    return np.where(chance.random(count) < 0.12, 2, drawn)


def frames_of(ticks: Ticks) -> list[bytes]:
    """The ticks as the venue streams them."""
    name = venue_name(ticks.symbol)
    price, quantity = 10**ticks.price_scale, 10**ticks.quantity_scale
    columns = (
        ticks.agg_id,
        ticks.price,
        ticks.quantity,
        ticks.first_id,
        ticks.last_id,
        ticks.timestamp_ms,
        ticks.is_buyer_maker,
    )
    return [
        f'{{"stream":"{name.lower()}@aggTrade","data":{{"e":"aggTrade","E":{t + 3},"a":{a},'
        f'"s":"{name}","p":"{p // price}.{p % price:0{ticks.price_scale}d}",'
        f'"q":"{q // quantity}.{q % quantity:0{ticks.quantity_scale}d}","f":{f},"l":{last},'
        f'"T":{t},"m":{"true" if m else "false"}}}}}'.encode()
        for a, p, q, f, last, t, m in zip(*(x.tolist() for x in columns), strict=True)
    ]


def _rate(folder: Path, effort: Effort) -> Row:
    """One process, one thread: parsed, checked, ordered, written, fsynced, published."""
    frames = frames_of(drawn("BTCUSDT", effort.calls(FRAMES)))
    names = names_of(["BTCUSDT"])

    def store(number: int) -> None:
        with Archive(folder / f"rate-{number}", SystemClock()) as archive:
            for start in range(0, len(frames), STEP):
                archive.add(parse(frames[start : start + STEP], names).ticks)
                archive.publish()

    def decode(_: int) -> None:
        for frame in frames:
            orjson.loads(frame)

    rounds = range(effort.rounds)
    usual = gc.get_threshold()
    collect_garbage_rarely()  # as the collector's process does
    ours = [len(frames) / _seconds(store, number) for number in rounds]
    theirs = [len(frames) / _seconds(decode, number) for number in rounds]
    gc.unfreeze()
    gc.set_threshold(*usual)
    return Row(
        what="frames in memory to durable segments, a second of one core's time",
        ours=median(ours) / 1000,
        unit="k/s",
        against="orjson alone, frame by frame",
        theirs=median(theirs) / 1000,
        ratio=median(ours) / median(theirs),
        target=f">= {TARGET_RATE / 1000:g} k/s",
        met=median(ours) >= TARGET_RATE if effort.is_full else None,
    )


def _seconds(action: Callable[[int], None], number: int) -> float:
    """CPU seconds: what one core needs when nobody shares it."""
    began = os.times()
    action(number)
    ended = os.times()
    return max(0.01, ended.user + ended.system - began.user - began.system)


def _sizes(root: Path, symbol: str, count: int) -> list[Row]:
    """Bytes a tick of the merged day, beside the usual ways to keep the same rows."""
    with Archive(root, SystemClock()) as archive:
        archive.add([drawn(symbol, count)])
        archive.publish()
        segments = archive.segments()
        ours = sum(x.size for x in segments) / count
        catalogue = archive.catalogue
    peers = _peers(root, catalogue, count)
    entropy = _entropy(drawn(symbol, count)) / 8
    target = TARGET_BYTES[symbol]
    rows = [
        Row(
            what=f"bytes per tick, {symbol}, {count} ticks",
            ours=ours,
            unit="B",
            against="entropy of the columns",
            theirs=entropy,
            ratio=ours / entropy,
            target=f"<= {target:g} B, <= 1.7x",
            met=ours <= target and ours <= 1.7 * entropy if count == MILLION else None,
        )
    ]
    if not is_spot(symbol):
        megabytes = ours * A_DAY / 1e6
        rows.append(
            Row(
                what=f"megabytes a day, {symbol}, {A_DAY / 1e6:.1f} million ticks",
                ours=megabytes,
                unit="MB",
                against="the original",
                theirs=THE_ORIGINAL,
                ratio=megabytes / THE_ORIGINAL,
            )
        )
    return rows + [
        Row(
            what=f"the same, {symbol}",
            ours=ours,
            unit="B",
            against=name,
            theirs=size / count,
            ratio=ours * count / size,
        )
        for name, size in peers.items()
    ]


def _peers(root: Path, catalogue: Path, count: int) -> dict[str, int]:
    table, plain, packed = root / "peer.duckdb", root / "peer.parquet", root / "peer.csv.gz"
    columns = "agg_id, price, quantity, first_id, last_id, timestamp_ms, is_buyer_maker"
    with duckdb.connect(str(table)) as engine:
        engine.execute(f"ATTACH '{catalogue}' AS archive (READ_ONLY)")
        source = f"SELECT {columns} FROM archive.agg_trades ORDER BY agg_id"  # noqa: S608 (ours)
        engine.execute(f"CREATE TABLE ticks AS {source}")
        engine.execute(f"COPY ticks TO '{plain}' (FORMAT parquet, COMPRESSION zstd)")
        lines = engine.execute(f"SELECT {columns} FROM ticks LIMIT {min(count, FRAMES)}").fetchall()  # noqa: S608 (ours)
    text = "\n".join(",".join(map(str, line)) for line in lines).encode()
    packed.write_bytes(gzip.compress(text, 6))
    return {
        "DuckDB table": table.stat().st_size,
        "Parquet, zstd, as it comes": plain.stat().st_size,
        "CSV, gzip -6": packed.stat().st_size * count // len(lines),
    }


def _entropy(ticks: Ticks) -> float:
    """Bits a tick, were each column coded as well as its frequencies allow, each for itself."""
    columns = (
        np.diff(ticks.price),
        ticks.quantity,
        ticks.last_id - ticks.first_id,
        np.diff(ticks.timestamp_ms),
        ticks.is_buyer_maker,
    )
    return sum(_bits(column) for column in columns)


def _bits(column: "np.ndarray[tuple[int], np.dtype[np.generic]]") -> float:
    counts = np.unique(column, return_counts=True)[1]
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def _query(root: Path, count: int) -> Row:
    stretch = Stretch("BTCUSDT", DAY_START_MS, DAY_START_MS + DAY_MS)
    found = bars(root, stretch, 60_000)
    taken: list[float] = []
    for _ in range(3):
        began = now()
        bars(root, stretch, 60_000)
        taken.append(now() - began)
    return Row(
        what=f"one-minute bars of a day: {len(found)} bars of {count} ticks",
        ours=median(taken),
        unit="s",
        target=f"<= {TARGET_QUERY:g} s",
        met=median(taken) <= TARGET_QUERY,
    )


def _live(folder: Path, effort: Effort) -> list[Row]:
    """Ticks of this minute, as fast as they come at ten times the peak."""
    count = collecting.PACE * effort.calls(collecting.SECONDS)
    start_ms = int(SystemClock().now().timestamp() * 1000)
    times = start_ms + np.arange(count, dtype=np.int64) * 1000 // collecting.PACE
    ticks = replace(drawn("BTCUSDT", count), timestamp_ms=times)
    return collecting.run(folder, frames_of(ticks), effort)
