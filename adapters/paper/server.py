"""The paper exchange as a process: loopback sockets, a feed, and a folder.

This is the entry module of the exchange: the wall clock is read here and handed down.
"""

import asyncio
import contextlib
import ipaddress
import signal
import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from rich.console import Console
from structlog.typing import FilteringBoundLogger

from adapters.paper import lines
from adapters.paper.desk import Desk
from adapters.paper.errors import AccountNotSaved
from adapters.paper.exchange import Exchange
from adapters.paper.faults.courier import Courier
from adapters.paper.faults.plan import FaultPlan
from adapters.paper.faults.weather import Weather
from adapters.paper.feed import Feed, OpenArchive, Tick, open_feed
from adapters.paper.fees import STANDARD, Fees
from adapters.paper.market import INDEX_EVERY_MS, BookShape
from adapters.paper.patience import KEEP_ALIVE_SECONDS, allow_many_sockets
from adapters.paper.status import StatusScreen
from adapters.paper.store import AccountStore
from adapters.paper.switches import Switches
from adapters.paper.web import application
from adapters.uvicorn_log import spare_the_log

_log: FilteringBoundLogger = structlog.get_logger(actor="exchange")
_DEFAULT_BALANCES = {"BTC": Decimal(10), "ETH": Decimal(100), "USDC": Decimal(100_000)}
_FASTEST = 10_000
_LARGEST_BALANCE = 1_000_000_000
_SHUTDOWN_SECONDS = 2
# A window of a replay is drawn together over this much wall time at least.
_WALL_WINDOW_MS = 20
_LONGEST_LAG_SECONDS = 1.0
_LONGEST_SILENCE_SECONDS = 0.5
_SILENCE = Tick(0, {})
# From here on the first price of a feed is told to be far from the one the account stopped at.
_LEAP = Decimal("0.05")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSettings:
    """How to run a paper exchange. ``speed`` is market time over wall time; port 0 is any.

    ``balances`` count only for a new account. With ``idle_seconds`` it ends by itself after so
    long without a client; 0 means never. ``switches`` stand in ``docs/paper-exchange.md``.
    ``reset`` begins with a new account and keeps the old one aside under the date; ``status``
    shows a table on the terminal. ``faults`` is what goes wrong, see ``docs/faults.md``.
    """

    port: int
    folder: Path
    feed: str = "synthetic"
    seed: int = 1
    speed: Decimal = Decimal(1)
    client_id: str = "paper"
    client_secret: str = field(default="paper", repr=False)
    balances: Mapping[str, Decimal] = field(default_factory=_DEFAULT_BALANCES.copy)
    token_seconds: int = 900
    rate_limits: bool = True
    shape: BookShape = field(default_factory=BookShape)
    host: str = "127.0.0.1"
    idle_seconds: float = 0.0
    switches: Switches = field(default_factory=Switches)
    fees: Fees = STANDARD
    reset: bool = False
    status: bool = False
    archive: OpenArchive | None = field(default=None, repr=False)
    faults: FaultPlan = field(default_factory=FaultPlan)


class _Uvicorn(uvicorn.Server):
    """uvicorn without its signal handling: it would re-raise the signal after a clean stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class PaperServer:
    """A paper exchange on a port. `run` blocks; `stop` ends it from any thread."""

    def __init__(self, settings: PaperSettings) -> None:
        """Opens the folder, the recording and the port, so that what is wrong shows at once.

        Raises:
            ValueError: a setting, the recording or the account file is of no use.
            OSError: the folder or the port cannot be had; the text says which.
        """
        self._settings = settings
        _check(settings)
        self._store = AccountStore(settings.folder)
        self._kept_ms = 0
        with contextlib.ExitStack() as undone:
            undone.callback(self._store.close)
            exchange = self._exchange()
            self._feed = self._open_feed(exchange)
            self._socket = lines.listen(settings.host, settings.port)
            undone.callback(self._socket.close)
            if settings.reset:  # not before all the rest is known to be good
                self._set_aside()
            undone.pop_all()
        weather = Weather(exchange, settings.faults, seed=settings.seed, now_ms=_now_us() // 1000)
        courier = Courier(self._loop_time, self._loop_at)
        self._desk = Desk(
            exchange,
            self._store,
            _now_us,
            self._later,
            weather=weather,
            courier=courier,
            steady_ms=_steady_ms,
            kept_ms=self._kept_ms,
        )
        self._stop = threading.Event()
        self._failure: AccountNotSaved | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._socket.getsockname()[1])

    def _exchange(self) -> Exchange:
        settings, now_ms = self._settings, _now_us() // 1000
        kept = None if settings.reset else self._store.load()
        common: dict[str, Any] = {
            "client_id": settings.client_id,
            "client_secret": settings.client_secret,
            "token_seconds": settings.token_seconds,
            "rate_limits": settings.rate_limits,
            "shape": settings.shape,
            "switches": settings.switches,
            "fees": settings.fees,
            # A market that runs ten times as fast publishes ten times as often.
            "index_every_ms": max(1, int(INDEX_EVERY_MS / max(Decimal(1), settings.speed))),
        }
        if kept is None:
            balances = settings.balances
            return Exchange(seed=settings.seed, balances=balances, now_ms=now_ms, **common)
        if settings.balances != _DEFAULT_BALANCES:
            # Whoever asks for another balance would go on to trade with the old one.
            _log.warning("paper_balance_ignored", reason="the account exists; --reset begins anew")
        try:
            restored = Exchange.restore(kept, seed=settings.seed, **common)
            self._kept_ms = int(kept["now_ms"])
            return restored
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{settings.folder} holds no readable account: {error}") from error

    def _set_aside(self) -> None:
        aside = self._store.set_aside(time.strftime("account-%Y%m%dT%H%M%SZ", time.gmtime()))
        _log.info("paper_account_reset", old=str(aside) if aside else None)

    def _open_feed(self, exchange: Exchange) -> Feed:
        settings = self._settings
        return open_feed(
            settings.feed,
            seed=settings.seed,
            prices=exchange.prices(),
            count=exchange.steps,
            window_ms=max(100, int(_WALL_WINDOW_MS * settings.speed)),
            archive=settings.archive,
        )

    def run(self, on_ready: Callable[[int], None] | None = None) -> int:
        """Serves until stopped. Returns 0, or 1 when the account could not be saved.

        Raises:
            OSError: not even for the first time, or nobody can be served at the port.
        """
        allow_many_sockets()
        try:
            self._first_save()
            asyncio.run(self._serve(on_ready))
        finally:
            self._socket.close()
            self._store.close()
        if self._failure is not None:
            _log.error("paper_exchange_ended_unsaved", error=str(self._failure))
            return 1
        return 0

    def _first_save(self) -> None:
        """Raises OSError: an account that cannot be written is not worth a listening port."""
        tick = self._feed.next_tick()
        self._tell_of_leaps(tick)
        try:
            self._desk.tick(tick)
        except AccountNotSaved as error:
            raise OSError(f"{self._settings.folder} cannot be written: {error}") from error

    def _tell_of_leaps(self, tick: Tick) -> None:
        """A replay begins anew at every start, wherever the prices of a kept account stood."""
        saved = self._desk.exchange.prices() if self._desk.exchange.steps else {}
        for index, price in tick.prices.items():
            if index in saved and abs(price / saved[index] - 1) >= _LEAP:
                _log.warning("paper_price_leaps", index=index, saved=saved[index], first=price)

    def stop(self) -> None:
        """Asks the server to end; it saves first."""
        self._stop.set()

    def _later(self, run: Callable[[], None]) -> None:
        """Runs a save after what has come in by now; before there is a loop, at once."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            run()
        else:
            # One more look at the sockets: what has come in meanwhile shares the visit to the disk.
            loop.call_soon(loop.call_soon, self._guarded, run)

    @staticmethod
    def _loop_time() -> float:
        return asyncio.get_running_loop().time()

    def _loop_at(self, when: float, act: Callable[[], None]) -> object:
        return asyncio.get_running_loop().call_at(when, self._guarded, act)

    def _guarded(self, run: Callable[[], None]) -> None:
        try:
            run()
        except AccountNotSaved as error:
            self._fail(error)

    def _fail(self, error: AccountNotSaved) -> None:
        """Ends where nothing can help; a disk that is full is tried again."""
        if error.is_final:
            self._failure = self._failure or error
            self.stop()

    async def _serve(self, on_ready: Callable[[int], None] | None) -> None:
        self._catch_signals()
        server = self._uvicorn()
        serving = asyncio.create_task(server.serve(sockets=[self._socket]))
        while not server.started:
            if serving.done():
                await serving  # which says why
                raise OSError(f"port {self.port} cannot be served")
            await asyncio.sleep(0.005)
        settings = self._settings
        _log.info("paper_exchange_listening", port=self.port, feed=settings.feed)
        if on_ready is not None:
            on_ready(self.port)
        screen = self._screen()
        try:
            await self._run_feed(screen)
        finally:
            if screen is not None:
                screen.close()
        self._log_feed("paper_exchange_stopping")
        server.should_exit = True
        await serving
        self._save_last()

    def _screen(self) -> StatusScreen | None:
        if not self._settings.status:
            return None
        title = f"paper exchange http://{self._settings.host}:{self.port}/api/v2"
        return StatusScreen(self._desk.exchange, title, Console(stderr=True, emoji=False))

    def _uvicorn(self) -> _Uvicorn:
        spare_the_log()
        return _Uvicorn(
            uvicorn.Config(
                application(self._desk),
                log_config=None,
                access_log=False,
                lifespan="off",
                http=lines.BreakableHttp,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                ws="websockets-sansio",
                ws_ping_interval=None,
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
            )
        )

    def _catch_signals(self) -> None:
        if threading.current_thread() is threading.main_thread():
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self.stop)

    def _save_last(self) -> None:
        if self._failure is None:
            try:
                self._desk.close()
            except AccountNotSaved as error:
                self._failure = error

    async def _run_feed(self, screen: StatusScreen | None) -> None:
        """Plays the feed against the wall clock until stopped."""
        loop = asyncio.get_running_loop()
        due, was_over, drawn = loop.time(), False, 0.0
        while not self._stop.is_set():
            tick = self._feed.next_tick()
            due = max(due, loop.time() - _LONGEST_LAG_SECONDS)
            due += tick.wait_ms / 1000 / float(self._settings.speed)
            await self._pass_time(due)
            self._move(tick)
            self._end_if_idle()
            if screen is not None and loop.time() - drawn >= 1:
                drawn = loop.time()
                screen.draw(self._desk.clients)
            if self._feed.is_over and not was_over:
                was_over = True
                self._tell_of_end()

    def _end_if_idle(self) -> None:
        limit = self._settings.idle_seconds
        if limit and self._desk.idle_seconds() >= limit:
            _log.info("paper_exchange_idle", seconds=limit)
            self.stop()

    async def _pass_time(self, due: float) -> None:
        """Until ``due``; while the feed is silent the venue's clock goes on without it."""
        loop = asyncio.get_running_loop()
        while due - loop.time() > _LONGEST_SILENCE_SECONDS and not self._stop.is_set():
            await self._wait(loop.time() + _LONGEST_SILENCE_SECONDS)
            self._move(_SILENCE)
        await self._wait(due)

    async def _wait(self, due: float) -> None:
        """Until ``due`` on the loop's clock, but no longer than it takes to notice a stop."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)
        while (left := due - loop.time()) > 0 and not self._stop.is_set():
            await asyncio.sleep(min(left, 0.1))

    def _move(self, tick: Tick) -> None:
        try:
            self._desk.tick(tick)
        except AccountNotSaved as error:
            self._fail(error)

    def _tell_of_end(self) -> None:
        if not self._feed.failure:
            self._log_feed("paper_replay_ended")
            return
        name, reason = self._settings.feed, self._feed.failure
        _log.error("paper_replay_failed", feed=name, reason=reason, **self._feed.report())

    def _log_feed(self, event: str) -> None:
        _log.info(event, feed=self._settings.feed, **self._feed.report())


def serve(settings: PaperSettings, on_ready: Callable[[int], None] | None = None) -> int:
    """Runs a paper exchange until SIGTERM or SIGINT; ``on_ready`` gets the port.

    Returns 0, or 1 when the account could not be saved.

    Raises:
        ValueError: a setting, the recording or the account file is of no use.
        OSError: the folder or the port cannot be had; the text says which.
    """
    return PaperServer(settings).run(on_ready)


def _now_us() -> int:
    return time.time_ns() // 1000


def _steady_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _check(settings: PaperSettings) -> None:
    if settings.speed <= 0:
        raise ValueError(f"the speed of the market must be positive, not {settings.speed}")
    if settings.speed > _FASTEST:
        raise ValueError(f"the speed of the market is at most {_FASTEST}, not {settings.speed}")
    for currency, balance in settings.balances.items():
        if not 0 <= balance <= _LARGEST_BALANCE:
            raise ValueError(
                f"a balance is from 0 to {_LARGEST_BALANCE}, not {balance} ({currency})"
            )
    try:
        is_loopback = ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        is_loopback = settings.host == "localhost"
    if not is_loopback:
        raise ValueError(f"the paper exchange listens on loopback only, not on {settings.host}")
