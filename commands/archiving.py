"""What the archive's commands do; only they load this, and with it DuckDB and numpy."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from actors.kernel import ExitCode
from adapters.archive import reader
from adapters.archive.files import read_json
from adapters.archive.importing import NotAggTrades, import_file
from adapters.archive.layout import BANS, NEWS
from adapters.archive.reader import NothingThere
from adapters.archive.segments import open_engine, read_segments
from adapters.archive.store import Archive
from adapters.archive.verify import Findings
from adapters.archive.verify import verify as verify_segments
from adapters.binance.bans import Bans
from adapters.binance.fetch import fetch_stretch
from adapters.binance.rest import BinanceRest, Malformed, Refused, Unavailable, market_of
from adapters.binance.source import addresses, stream_setting
from adapters.clock import SystemClock
from adapters.storage.lock import AlreadyRunning
from commands.common import aside, fail, out, read_settings, tell, words
from domain.compaction import DAY_MS
from domain.moments import Stretch

FRESH_SECONDS = 30.0
"""News older than this are those of a collector that is gone, or stuck."""


def _root() -> Path:
    return (read_settings().data_dir / "raw").absolute()


@contextmanager
def _failing_clearly() -> Generator[None]:
    """One sentence instead of a traceback, and the exit code that belongs to it."""
    try:
        yield
    except AlreadyRunning as error:
        fail(
            f"The archive is being written: {error}. Stop the collector, or try again later.",
            ExitCode.ALREADY_RUNNING,
        )
    except (NothingThere, NotAggTrades, Refused) as error:
        fail(f"{error}.", ExitCode.FAILED)
    except (Unavailable, Malformed) as error:
        fail(f"Binance: {error}. What came is stored; the same command goes on.", ExitCode.FAILED)
    except OSError as error:
        fail(words(error), ExitCode.FAILED)
    except (duckdb.Error, ValueError) as error:
        fail(str(error).splitlines()[0], ExitCode.FAILED)


@contextmanager
def _written() -> Generator[Archive]:
    """The archive for writing, and a clear error when it cannot be."""
    with _failing_clearly(), Archive(_root(), SystemClock()) as archive:
        yield archive


@contextmanager
def _progress(what: str) -> Generator[Callable[[int, int], None]]:
    """A bar on a terminal; ``told(done, total)``."""
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    console = Console(stderr=True, emoji=False)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None)

        def told(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield told


# -- looking -----------------------------------------------------------------------------------


def status(*, as_json: bool) -> int:
    root = _root()
    with _failing_clearly():
        rows = reader.overview(root)
        with reader.connect(root) as archive:
            found = archive.execute("SELECT count(*), max(timestamp_ms) FROM positioning")
            positioning = found.fetchone() or (0, None)
    collector = _collector(root)
    if as_json:
        told = {"symbols": rows, "positioning_rows": positioning[0], "collector": collector}
        out(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        return int(ExitCode.OK)
    out(f"archive in {root}")
    for row in rows:
        out(_status_words(row))
    last = f", the last {_when(positioning[1])}" if positioning[1] else ""
    out(f"\n{positioning[0]} positioning rows{last}")
    out(_collector_words(collector))
    return int(ExitCode.OK)


def _status_words(row: dict[str, Any]) -> str:
    """A symbol in three lines that fit a narrow terminal."""
    days, files = (_many(row[name], name[:-1]) for name in ("days", "files"))
    size = f"{row['bytes'] / 1e6:.1f} MB, {row['bytes_per_tick']:.2f} bytes a tick"
    holes = f"{_many(row['missing'], 'tick')} missing in {_many(row['holes'], 'hole')}"
    lost = f", {_many(row['unfillable'], 'tick')} lost for good" if row["unfillable"] else ""
    lines = [
        f"\n{row['symbol']}: {_many(row['ticks'], 'tick')}, {days}, {files}",
        f"    {holes if row['missing'] else 'no holes'}{lost}",
    ]
    if row["files"]:  # else all there was has been set aside
        lines.insert(1, f"    {_when(row['first_ms'])} to {_when(row['last_ms'])}, {size}")
    return "\n".join(lines)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}".replace(",", " ")


def _when(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _collector(root: Path) -> dict[str, Any]:
    """What the collector last said, and whether it still does."""
    news: dict[str, Any] = read_json(root / NEWS, {})
    if not news:
        return {"running": False}
    age = SystemClock().now().timestamp() - float(news["at"])
    is_running = 0 <= age < FRESH_SECONDS and not news.get("has_ended")
    return {"running": is_running, "age_seconds": round(age, 1), **news}


def _collector_words(collector: dict[str, Any]) -> str:
    if not collector["running"]:
        return "no collector is running"
    rate = sum(x["rate"] for x in collector["symbols"].values())
    disk = f", DISK: {collector['disk_error']}" if collector["disk_error"] else ""
    line = "" if collector["source"].get("connected") else ", NOT CONNECTED"
    silent = "".join(map(_silent_words, collector["source"].get("silent", ())))
    return f"collector {collector['pid']} is running: {rate:.0f} ticks/s{line}{disk}{silent}"


def _silent_words(symbol: str) -> str:
    return (
        f"\n    STREAM SILENT: it brings no tick of {symbol}, which come over REST"
        f" ({stream_setting(symbol)})"
    )


def verify(*, repair: bool, as_json: bool) -> int:
    if repair:
        with _written() as archive:
            found = _verified(archive.engine, [x.path for x in archive.segments()])
            for path in found.damaged_paths:
                archive.quarantine(path, found.damaged[path.name])
            found.damaged |= dict(archive.set_aside)
            archive.publish()
    else:
        with _failing_clearly():
            root = _root()
            files = reader.files_of(root)
            with open_engine(root) as engine:
                found = _verified(engine, files)
    _tell_findings(found, repair=repair, as_json=as_json)
    return int(ExitCode.FAILED if found.damaged else ExitCode.OK)


def _verified(engine: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> Findings:
    segments, unreadable = read_segments(files, engine)
    with _progress("reading") as told:
        done = 0

        def one_more() -> None:
            nonlocal done
            done += 1
            told(done, len(segments))

        found = verify_segments(segments, engine, one_more)
    for path in unreadable:
        found.damaged[path.name] = "it is not readable" if path.exists() else "the file is gone"
        found.damaged_paths.append(path)
    return found


def _tell_findings(found: Findings, *, repair: bool, as_json: bool) -> None:
    if as_json:
        told = {"segments": found.segments, "rows": found.rows, "damaged": found.damaged}
        out(orjson.dumps(told).decode())
        return
    out(f"{found.segments} files, {found.rows} ticks, {found.size / 1e6:.1f} MB are whole.")
    for name, wrong in found.damaged.items():
        out(f"DAMAGED {name}: {wrong}")
    if found.damaged and repair:
        out("Set aside in quarantine/; the collector, or archive fetch, fills what is gone.")
    elif found.damaged:
        out("Stop the collector and say: archive verify --repair")


# -- changing ----------------------------------------------------------------------------------


def compact(*, now: bool) -> int:
    with _written() as archive, _progress("merging") as told:
        groups = archive.plan(everything=True)
        before = len(archive.segments())
        for number, group in enumerate(groups):
            archive.merge(group)
            told(number + 1, len(groups))
        archive.publish()
        removed = archive.sweep(now=now)
        after, size = len(archive.segments()), sum(x.size for x in archive.segments())
    tell(f"{before} files became {after}, {size / 1e6:.1f} MB. {removed} old ones removed.")
    return int(ExitCode.OK)


def prune(age_ms: int, *, now: bool) -> int:
    now_ms = int(SystemClock().now().timestamp() * 1000)
    with _written() as archive:
        gone = archive.prune((now_ms - age_ms) // DAY_MS, now=now)
        archive.publish()
        archive.sweep(now=now)
    days = len({(x.symbol, x.day) for x in gone})
    size = sum(x.size for x in gone) / 1e6
    tell(f"{days} days, {sum(x.rows for x in gone)} ticks, {size:.1f} MB left the archive.")
    return int(ExitCode.OK)


def import_files(files: Sequence[Path], symbol: str | None) -> int:
    with _written() as archive:
        for path in files:
            with _progress(path.name) as told:
                name, rows, stored = import_file(archive, path, symbol, told)
            tell(f"{path.name}: {rows} ticks of {name}, {stored} of them new.")
        for group in archive.plan(everything=True):
            archive.merge(group)
        archive.publish()
    return int(ExitCode.OK)


def fetch(stretch: Stretch) -> int:
    settings = read_settings()
    clock = SystemClock()
    market = market_of(stretch.symbol)

    def pause(seconds: float) -> bool:
        clock.sleep(seconds)
        return False

    with _written() as archive, _progress(stretch.symbol) as told:
        bans = Bans(clock, archive.root / BANS)
        rest = BinanceRest(addresses(settings)[market], market, clock, pause, bans)
        archive.try_again(stretch)
        stored = fetch_stretch(archive, rest, stretch, clock, progress=told, waiting=_say_waiting)
        rest.close()
    tell(f"{stored} ticks of {stretch.symbol} are new.")
    return int(ExitCode.OK)


def _say_waiting(reason: str, seconds: float) -> None:
    aside(f"Binance: {reason}. Asked again in {seconds:.0f} s.")


# -- handing on --------------------------------------------------------------------------------


def export(stretch: Stretch, target: Path, kind: str) -> int:
    with _failing_clearly():
        rows = reader.export(_root(), stretch, target, kind)
    tell(f"{rows} ticks in {target}, {target.stat().st_size / 1e6:.1f} MB.")
    return int(ExitCode.OK)


def plot(stretch: Stretch, target: Path) -> int:
    from adapters.archive.plot import plot as draw  # noqa: PLC0415 - half a second of matplotlib

    with _failing_clearly():
        ticks = draw(_root(), stretch, target)
    tell(f"{ticks} ticks drawn into {target}.")
    return int(ExitCode.OK)
