"""The collector's process: builds its parts, steps until told to stop, shows a live counter."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from io import StringIO
from typing import Any

import orjson
import structlog
from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from structlog.typing import FilteringBoundLogger

from actors.kernel import ExitCode
from adapters.archive.collector import Collector
from adapters.archive.layout import BANS
from adapters.archive.news import State
from adapters.archive.store import FAILURES, Archive
from adapters.binance.bans import Bans
from adapters.binance.frames import collect_garbage_rarely
from adapters.binance.refill import checked
from adapters.binance.rest import Refused
from adapters.binance.source import BinanceSource, addresses, streams
from adapters.clock import SystemClock
from adapters.deribit.positioning import PositioningPoller, PositioningReader
from adapters.storage.lock import AlreadyRunning
from commands.common import fail, not_started, open_log, refused, tell
from config.settings import Settings

LOG_FILE = "collector.log"
SAY_EVERY_SECONDS = 60.0
LOOK_SECONDS = 0.25
"""How often the wait between two steps looks whether too much has come already."""
_LOUD = frozenset({"archive_disk_failed", "segment_quarantined", "hole_recorded"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person asked for. ``duration`` in seconds, 0 for no end."""

    symbols: tuple[str, ...]
    duration: float
    positioning: bool
    as_json: bool


def run_collector(settings: Settings, wish: Wish) -> int:
    """Collects until the time is over or a signal comes; returns the exit code."""
    collect_garbage_rarely()
    with ExitStack() as stack:
        stack.enter_context(open_log(settings, LOG_FILE, stream=_Terminal()))
        try:
            archive = stack.enter_context(Archive(settings.data_dir / "raw", SystemClock()))
        except AlreadyRunning as error:
            fail(f"Not started: {error}; one collector a folder.", ExitCode.ALREADY_RUNNING)
        except FAILURES as error:
            why = refused(error, settings) if isinstance(error, OSError) else str(error)
            return not_started(why)
        return _collect(settings, wish, archive, stack)


def _collect(settings: Settings, wish: Wish, archive: Archive, stack: ExitStack) -> int:
    log: FilteringBoundLogger = structlog.get_logger(actor="collector")
    bans = Bans(SystemClock(), archive.root / BANS)
    source = _source(settings, wish.symbols, bans, log)
    source.start()
    stack.callback(source.stop)
    poller = _poller(settings) if wish.positioning else None
    if poller is not None:
        poller.start()
        stack.callback(poller.stop)

    def say(event: str, **fields: Any) -> None:
        (log.error if event in _LOUD else log.info)(event, **fields)

    collector = Collector(
        archive, source, wish.symbols, SystemClock(), pid=os.getpid(), say=say, poller=poller
    )
    found = archive.found
    log.info(
        "collector_started",
        symbols=wish.symbols,
        folder=str(archive.root),
        pid=os.getpid(),
        segments=found.segments,
        half_written=found.leftovers,
        superseded=found.superseded,
    )
    _Runner(collector, source, wish.duration).run(log)
    _summary(collector.state, as_json=wish.as_json)
    log.info("collector_stopped", stored=collector.state.stored)
    return int(ExitCode.OK)


def _source(
    settings: Settings, symbols: tuple[str, ...], bans: Bans, log: FilteringBoundLogger
) -> BinanceSource:
    clock = SystemClock()
    try:
        unasked = checked(symbols, addresses(settings), clock, bans)
    except Refused as error:
        fail(f"Not started: {error}.", ExitCode.SETTINGS_INVALID)
    if unasked:
        log.warning(
            "symbols_unchecked", symbols=tuple(unasked), reason=next(iter(unasked.values()))
        )
    return BinanceSource(symbols, streams(settings), addresses(settings), clock, bans)


def _poller(settings: Settings) -> PositioningPoller:
    venue = settings.deribit_env.value
    reader = PositioningReader(settings.http_url, venue, settings.instruments)
    return PositioningPoller(reader, SystemClock())


class _Runner:
    """Steps until the time is over or a signal comes; the last step stores what has come."""

    def __init__(self, collector: Collector, source: BinanceSource, duration: float) -> None:
        self._collector = collector
        self._source = source
        self._clock = SystemClock()
        self._end = self._clock.monotonic() + duration if duration else None
        self._over = threading.Event()
        self._said_at = self._clock.monotonic()
        self._said = 0

    def run(self, log: FilteringBoundLogger) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        with _counter(self._collector.state) as show:
            while not self._is_over():
                self._wait()
                self._collector.step()
                show()
                self._say(log)
            self._source.stop()
            self._collector.finish()
            show()
            self._say(log, always=True)

    def _stop(self, *_: object) -> None:
        self._over.set()

    def _is_over(self) -> bool:
        return self._over.is_set() or self._left() <= 0

    def _left(self) -> float:
        return float("inf") if self._end is None else self._end - self._clock.monotonic()

    def _wait(self) -> None:
        until = self._clock.monotonic() + min(self._collector.pause, self._left())
        while (left := until - self._clock.monotonic()) > 0 and not self._collector.is_pressed:
            if self._over.wait(min(left, LOOK_SECONDS)):
                return

    def _say(self, log: FilteringBoundLogger, *, always: bool = False) -> None:
        """What was stored, once a minute."""
        now = self._clock.monotonic()
        if not always and now - self._said_at < SAY_EVERY_SECONDS:
            return
        state = self._collector.state
        log.info(
            "ticks_stored",
            ticks=state.stored - self._said,
            seconds=round(now - self._said_at, 1),
            holes=sum(x.holes for x in state.symbols.values()),
            bytes_per_tick=round(state.bytes_per_tick, 2),
        )
        self._said_at, self._said = now, state.stored


# -- for people --------------------------------------------------------------------------------


def _counter(state: State) -> "_Screen | _Silent":
    """The live counter on a terminal; nothing elsewhere."""
    return _Screen(state) if sys.stdout.isatty() else _Silent()


class _Terminal(StringIO):
    """Standard error as it is at the moment: the counter puts what is written above itself."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()

    def isatty(self) -> bool:
        return sys.stderr.isatty()


class _Silent:
    def __enter__(self) -> Callable[[], None]:
        return lambda: None

    def __exit__(self, *_: object) -> None: ...


class _Screen:
    def __init__(self, state: State) -> None:
        self._state = state
        self._live = Live(state_table(state), console=Console(emoji=False), auto_refresh=False)

    def __enter__(self) -> Callable[[], None]:
        self._live.__enter__()
        return lambda: self._live.update(state_table(self._state), refresh=True)

    def __exit__(self, *error: Any) -> None:
        self._live.__exit__(*error)


def state_table(state: State) -> Table:
    """Rate, lag, holes and sizes of each symbol."""
    table = Table(title="collector", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.title_justify = "left"
    names = ("symbol", "ticks/s", "lag", "stored", "holes", "missing", "lost", "B/tick", "MB/day")
    for name in names:
        table.add_column(name, justify="left" if name == "symbol" else "right", no_wrap=True)
    for symbol, x in sorted(state.symbols.items()):
        size = f"{x.size / x.rows:.2f}" if x.rows else "-"
        counts = (x.stored, x.holes, x.missing, x.unfillable)
        figures = [f"{each:,}".replace(",", " ") for each in counts]
        day = f"{x.bytes_a_day / 1e6:.1f}"
        table.add_row(symbol, f"{x.rate:.0f}", _lag(x.lag_ms), *figures, size, day)
    caption = [
        f"{state.gaps_filled} gaps filled",
        f"{state.positioning_rows} positioning rows",
        "" if state.has_ended or state.source.get("connected") else "NOT CONNECTED",
        f"DISK: {state.disk_error}" if state.disk_error else "",
        f"STREAM SILENT: {', '.join(silent)}" if (silent := state.source.get("silent")) else "",
    ]
    table.caption = ", ".join(filter(None, caption))
    return table


def _lag(lag_ms: int | None) -> str:
    """How old the newest tick was when it was stored, short enough for a column."""
    if lag_ms is None:
        return "-"
    return f"{lag_ms} ms" if lag_ms < 10_000 else f"{lag_ms // 1000} s"


def _summary(state: State, *, as_json: bool) -> None:
    """What a run came to."""
    if as_json:
        total = {
            "stored": state.stored,
            "gaps_filled": state.gaps_filled,
            "holes": sum(x.holes for x in state.symbols.values()),
            "missing": sum(x.missing for x in state.symbols.values()),
            "unfillable": sum(x.unfillable for x in state.symbols.values()),
            "bytes_per_tick": round(state.bytes_per_tick, 2),
            "positioning_rows": state.positioning_rows,
        }
        tell(orjson.dumps(total).decode())
    elif not sys.stdout.isatty():  # on a terminal the counter has shown it
        tell(state_table(state))
