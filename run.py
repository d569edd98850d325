"""Bulwark's composition root and command line.

`python run.py` is the bot; `python run.py exchange` the paper exchange alone. This is the only
file that sees everything: it reads the settings, builds the adapters, hands them to the actors
and waits for the end.
"""

import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import structlog
import typer

from actors import tree
from actors.kernel import Context, ExitCode, Supervisor, SupervisorPolicy, System, run
from actors.kernel.runtime import ThreadRuntime
from actors.strategist import Sizing
from adapters.clock import SystemClock, SystemEntropy, ThreadTimers
from adapters.deribit.catalogue import Catalogue
from adapters.deribit.channels import Channels, account_channels, ticker_channel
from adapters.deribit.http import HttpRpc
from adapters.deribit.limits import Limiter
from adapters.deribit.server_clock import ServerClock
from adapters.deribit.session import DeribitSession
from adapters.deribit.venue import DeribitVenue
from adapters.deribit.websocket import WebSocketRpc
from adapters.notify import LogNotifier
from adapters.paper.embedded import CannotStart, EmbeddedExchange, PortTaken, answers
from adapters.paper.server import PaperSettings, serve
from adapters.storage.book import BookTooNew, open_book
from adapters.storage.journal import DayJournal
from adapters.storage.lock import AlreadyRunning, InstanceLock
from config.kinds import Env
from config.logs import Log, configure, register_secret
from config.script import ScriptInvalid, read_script
from config.settings import Settings, SettingsInvalid, load
from domain.bracket import BracketPolicy
from domain.risk import Limits
from domain.strategies import BreakoutSettings, ScriptLine

VERSION = "0.1.0"
ENV_FILE = Path(".env")
SWITCH_INTERVAL = 0.0001
"""Seconds a thread may hold the interpreter: with Python's 5 ms an ask can take 10 ms."""
EXCHANGE_IDLE_SECONDS = 120
LATER = ("telegram_", "daily_report_", "heartbeat_", "api_", "binance_", "collect_")
"""Settings of parts that do not exist yet."""
PAPER_BAR_MS = 2_000
LEAST_BAR_MS = 200

app = typer.Typer(
    add_completion=False,
    help="Runs bracketed trades on Deribit perpetual futures, and proves that every open "
    "position has a stop resting on the venue.",
    epilog="Example: python run.py   (settings come from .env and the environment)",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def bot(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """The bot, when no command is given."""
    if version:
        typer.echo(f"bulwark {VERSION}")
    elif context.invoked_subcommand is None:
        raise typer.Exit(_bot(_settings()))


@app.command(
    epilog="Example: python run.py exchange --speed 10 --balance BTC=1",
)
def exchange(  # noqa: PLR0917 (Typer reads the options from the signature)
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes any.")] = -1,
    feed: Annotated[str, typer.Option(help="synthetic, or replay:<file>.")] = "",
    speed: Annotated[str, typer.Option(help="Market time over wall time.")] = "",
    seed: Annotated[int | None, typer.Option(help="Seed of synthetic prices.")] = None,
    balance: Annotated[
        list[str] | None, typer.Option(help="Balance of a new account, such as BTC=1. Repeatable.")
    ] = None,
    idle_exit: Annotated[
        float, typer.Option(help="End after so many seconds without clients; 0 never.")
    ] = 0.0,
) -> None:
    """The paper exchange alone: a Deribit on 127.0.0.1 for any client. Log-in: paper / paper."""
    settings = _settings()
    log = configure(
        settings.log_dir,
        settings.log_level,
        terminal=True,
        clock=SystemClock(),
        file_name="exchange.log",
    )
    try:
        paper = PaperSettings(
            port=settings.paper_port if port < 0 else port,
            folder=settings.data_dir / "paper" / "exchange",
            feed=feed or settings.paper_feed,
            speed=_number("--speed", speed or str(settings.paper_speed)),
            seed=settings.paper_seed if seed is None else seed,
            idle_seconds=idle_exit,
        )
        if balance:
            paper = replace(paper, balances=_balances(balance))
        code = serve(paper)
    except (ValueError, OSError) as error:
        _fail(str(error), ExitCode.SETTINGS_INVALID)
        raise
    log.close()
    raise typer.Exit(code)


def main() -> None:
    """The command line."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    app()


# -- settings ------------------------------------------------------------------------------------


def _fail(text: str, code: int) -> None:
    """One clear error on the terminal, whatever it can encode, and the exit code."""
    encoding = sys.stderr.encoding or "ascii"
    sys.stderr.write(f"{text}\n".encode(encoding, "backslashreplace").decode(encoding))
    raise typer.Exit(int(code))


def _settings() -> Settings:
    try:
        return load(ENV_FILE, os.environ)
    except SettingsInvalid as error:
        _fail(str(error), ExitCode.SETTINGS_INVALID)
        raise


def _number(name: str, text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{name} is a number, not {text!r}") from None


def _balances(given: list[str]) -> dict[str, Decimal]:
    pairs = [text.partition("=") for text in given]
    return {name.upper(): _number("--balance", amount) for name, _, amount in pairs}


def _script(settings: Settings) -> tuple[ScriptLine, ...]:
    files = [x.partition(":")[2] for x in settings.strategies if x.startswith("script:")]
    return tuple(line for file in files for line in read_script(Path(file)))


def _breakout(settings: Settings) -> BreakoutSettings | None:
    """One-minute bars; on paper much shorter ones, so that trades happen within a minute."""
    if "breakout" not in settings.strategies:
        return None
    if not settings.is_paper:
        return BreakoutSettings()
    return BreakoutSettings(
        bar_ms=max(LEAST_BAR_MS, round(PAPER_BAR_MS / settings.paper_speed)),
        lookback=5,
        atr_period=4,
        stop_atr=Decimal(1),
        target_atr=Decimal("1.5"),
    )


def _plan(settings: Settings, script: tuple[ScriptLine, ...]) -> tree.Plan:
    names = settings.instruments
    return tree.Plan(
        instruments=names,
        channels=(*account_channels(), *(ticker_channel(name) for name in names)),
        limits=Limits(
            max_daily_loss_pct=settings.max_daily_loss_pct,
            max_open_trades=settings.max_open_trades,
            max_trades_per_instrument=settings.max_trades_per_instrument,
            max_notional_usd=settings.max_notional_usd,
            initial_equity_usd=settings.initial_equity,
        ),
        sizing=Sizing(
            risk_per_trade_pct=settings.risk_per_trade_pct,
            max_notional_usd=settings.max_notional_usd,
        ),
        timezone=settings.timezone,
        policy=BracketPolicy(
            stop_retries=settings.stop_retries,
            protection_deadline=settings.protection_deadline_seconds,
        ),
        stop_trigger=settings.stop_trigger,
        breakout=_breakout(settings),
        script=script,
        position_poll=settings.position_poll_seconds,
        orphan_sweep=settings.orphan_sweep_seconds,
        forbid_wallet_write=settings.deribit_env is Env.PROD,
    )


# -- the bot -------------------------------------------------------------------------------------


def _bot(settings: Settings) -> int:
    """Runs the bot until it is told to stop or gives up; returns the exit code."""
    try:
        script = _script(settings)
    except ScriptInvalid as error:
        _fail(str(error), ExitCode.SETTINGS_INVALID)
        raise
    with ExitStack() as stack:
        try:
            stack.enter_context(InstanceLock(settings.data_folder / "bot.lock"))
        except AlreadyRunning as error:
            _fail(f"Not started: {error}.", ExitCode.ALREADY_RUNNING)
        stack.enter_context(_log(settings))
        _warn_of_later_settings(settings)
        try:
            _start_exchange(settings, stack)
            return _run(settings, script, stack)
        except (CannotStart, PortTaken, BookTooNew) as error:
            _fail(str(error), ExitCode.FAILED)
            raise


def _log(settings: Settings) -> Log:
    for secret in settings.secrets():
        register_secret(secret)
    return configure(settings.log_dir, settings.log_level, terminal=True, clock=SystemClock())


def _warn_of_later_settings(settings: Settings) -> None:
    """A person who sets up alerts must not believe in them before they exist."""
    given = sorted(name.upper() for name in settings.model_fields_set if name.startswith(LATER))
    if given:
        structlog.get_logger(actor="run").warning("settings_without_effect_yet", keys=given)


def _start_exchange(settings: Settings, stack: ExitStack) -> None:
    """On paper, starts the exchange as its own process unless one answers already."""
    if not settings.embeds_exchange or answers(settings.http_url):
        return
    command = (
        sys.executable,
        str(Path(__file__).resolve()),
        "exchange",
        "--idle-exit",
        str(EXCHANGE_IDLE_SECONDS),
    )
    started = EmbeddedExchange(
        command, settings.http_url, settings.log_dir / "exchange.out", SystemClock()
    )
    stack.callback(started.stop)
    structlog.get_logger(actor="run").info("paper_exchange_started", pid=started.pid)


def _run(settings: Settings, script: tuple[ScriptLine, ...], stack: ExitStack) -> int:
    clock, entropy = SystemClock(), SystemEntropy()
    timers = ThreadTimers()
    stack.callback(timers.close)
    runtime = ThreadRuntime()
    system = System(
        runtime=runtime, clock=clock, timers=timers, entropy=entropy, routes=tree.routes()
    )
    venue, session = _venue(settings, system, clock)
    book, aside = open_book(settings.data_folder / "registry.json", clock.now())
    journal = DayJournal(settings.data_folder / "journal", clock)
    stack.callback(journal.close)
    notifier = LogNotifier()

    def escalate(reason: str) -> None:
        venue.lock_entries(reason)
        notifier.send(f"GIVING UP: {reason}. Stops stay on the venue.", critical=True)

    ports = tree.Ports(
        venue=venue,
        session=session,
        book=book,
        journal=journal,
        notifier=notifier,
        kept_aside=str(aside) if aside else "",
    )
    finished = runtime.future()
    Supervisor.start(
        Context(tree.SUPERVISOR, 1, system),
        children=tree.children(_plan(settings, script), ports),
        policy=SupervisorPolicy(),
        escalate=escalate,
        finished=finished,
    )

    def abandon(code: int) -> None:
        escalate("the supervisor itself is gone or hangs")
        os._exit(code)

    code = run(system, finished, abandon=abandon)
    runtime.join(1.0)
    return code


def _venue(
    settings: Settings, system: System, clock: SystemClock
) -> tuple[DeribitVenue, DeribitSession]:
    """The venue client: a websocket and HTTP behind one typed venue."""
    catalogue, server_clock = Catalogue(), ServerClock(clock)
    channels = Channels(catalogue, clock, system.route, settings.instruments)
    stream = WebSocketRpc(
        settings.ws_url,
        clock,
        on_notification=channels.on_notification,
        on_lost=channels.on_lost,
    )
    plain = HttpRpc(settings.http_url)
    secret = settings.deribit_client_secret
    venue = DeribitVenue(stream, plain, catalogue, clock, Limiter(clock), server_clock=server_clock)
    session = DeribitSession(
        stream,
        plain,
        server_clock,
        settings.deribit_client_id or "",
        secret.get_secret_value() if secret else "",
        session_name=f"bulwark-{settings.deribit_env}",
    )
    return venue, session


if __name__ == "__main__":
    main()
