"""Bulwark's composition root and command line.

`python run.py` is the bot; `python run.py exchange` the paper exchange alone. This is the only
file that sees everything: it reads the settings, builds the adapters, hands them to the actors
and waits for the end.
"""

import os
import signal
import sys
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, NoReturn

import structlog
import typer

from actors import tree
from actors.kernel import Context, ExitCode, Supervisor, SupervisorPolicy, System, run
from actors.kernel.runtime import ThreadRuntime
from actors.strategist import Sizing
from adapters.clock import SystemClock, SystemEntropy, ThreadTimers
from adapters.deribit.channels import account_channels, ticker_channel
from adapters.deribit.connect import Login, connect
from adapters.notify import LogNotifier
from adapters.paper.embedded import CannotStart, EmbeddedExchange, PortTaken, answers
from adapters.paper.server import PaperSettings, serve
from adapters.storage.book import BookTooNew, open_book
from adapters.storage.journal import DayJournal
from adapters.storage.lock import AlreadyRunning, InstanceLock
from config import logs
from config.kinds import Env
from config.logs import Log, configure, register_secret
from config.model import PAPER_LOGIN
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
TERMINATED = 128 + signal.SIGTERM

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


@app.command(epilog="Example: python run.py exchange --speed 10 --balance BTC=1")
def exchange(  # noqa: PLR0917 (Typer reads the options from the signature)
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes any.")
    ] = None,
    feed: Annotated[str, typer.Option(help="synthetic, or replay:<file>.")] = "",
    speed: Annotated[str, typer.Option(help="Market time over wall time.")] = "",
    seed: Annotated[int | None, typer.Option(help="Seed of synthetic prices.")] = None,
    balance: Annotated[
        list[str] | None, typer.Option(help="Balance of a new account, such as BTC=1. Repeatable.")
    ] = None,
    client_id: Annotated[str, typer.Option(help="What clients log in with: paper.")] = "",
    client_secret: Annotated[
        str, typer.Option(help="Its secret (DERIBIT_CLIENT_SECRET keeps it out of ps).")
    ] = "",
    token_seconds: Annotated[int, typer.Option(min=1, help="Life of an access token.")] = 900,
    reset: Annotated[bool, typer.Option("--reset", help="New account; keeps the old.")] = False,
    idle_exit: Annotated[
        float, typer.Option(min=0, help="End after so many seconds without clients; 0 never.")
    ] = 0.0,
) -> None:
    """The paper exchange alone, for any client; what is not given is in the settings (PAPER_*)."""
    settings = _settings()
    known_id, known_secret = settings.paper_login
    try:
        paper = PaperSettings(
            port=settings.paper_port if port is None else port,
            folder=settings.data_dir / "paper" / "exchange",
            feed=feed or settings.paper_feed,
            speed=_number("--speed", speed or str(settings.paper_speed)),
            seed=settings.paper_seed if seed is None else seed,
            client_id=client_id or known_id,
            client_secret=client_secret or known_secret,
            idle_seconds=idle_exit,
            token_seconds=token_seconds,
            reset=reset,
            status=sys.stderr.isatty(),
        )
        paper = replace(paper, balances=_balances(balance)) if balance else paper
    except ValueError as error:
        _fail(str(error), ExitCode.SETTINGS_INVALID)
    raise typer.Exit(_serve(settings, paper))


def _serve(settings: Settings, paper: PaperSettings) -> int:
    """Runs the paper exchange until it is told to stop; returns the exit code."""
    with _log(settings, "exchange.log"):
        if paper.client_secret != PAPER_LOGIN:
            register_secret(paper.client_secret)
        try:
            return serve(paper)
        except ValueError as error:
            _fail(str(error), ExitCode.SETTINGS_INVALID)
        except OSError as error:
            return _not_started(_words(error))


def main() -> None:
    """The command line."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    # Until whoever runs takes the signal over, SIGTERM unwinds like Ctrl-C: nothing is left behind.
    signal.signal(signal.SIGTERM, _stopped_early)
    app()


def _stopped_early(*_: object) -> None:
    raise SystemExit(TERMINATED)


# -- settings ------------------------------------------------------------------------------------


def _fail(text: str, code: int) -> NoReturn:
    """One clear error on the terminal, whatever it can encode, and the exit code."""
    encoding = sys.stderr.encoding or "ascii"
    sys.stderr.write(f"{text}\n".encode(encoding, "backslashreplace").decode(encoding))
    raise typer.Exit(int(code))


def _words(error: OSError) -> str:
    """What the system refused, for a person: the file and why, without Python's ``[Errno]``."""
    what = f"{error.filename}: " if error.filename else ""
    return f"{what}{error.strerror or error}"


def _settings() -> Settings:
    try:
        return load(ENV_FILE, os.environ)
    except SettingsInvalid as error:
        _fail(str(error), ExitCode.SETTINGS_INVALID)


def _number(name: str, text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ValueError(f"{name} is a number, not {text!r}")
    return number


def _balances(given: list[str]) -> dict[str, Decimal]:
    if wrong := [text for text in given if "=" not in text]:
        raise ValueError(f"--balance is a currency and an amount, such as BTC=1, not {wrong[0]!r}")
    pairs = (text.partition("=") for text in given)
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
    with ExitStack() as stack:
        try:
            stack.enter_context(InstanceLock(settings.data_folder / "bot.lock"))
        except AlreadyRunning as error:
            _fail(f"Not started: {error}.", ExitCode.ALREADY_RUNNING)
        except OSError as error:
            _fail(f"Not started: {_words(error)}.", ExitCode.FAILED)
        stack.enter_context(_log(settings))
        _warn_of_later_settings(settings)
        try:
            _start_exchange(settings, stack)
            return _run(settings, script, stack)
        except (CannotStart, PortTaken, BookTooNew) as error:
            return _not_started(str(error))
        except OSError as error:
            return _not_started(_words(error))


def _not_started(reason: str) -> int:
    structlog.get_logger(actor="run").critical("not_started", reason=reason)
    return int(ExitCode.FAILED)


def _log(settings: Settings, name: str = logs.FILE) -> Log:
    for secret in settings.secrets():
        register_secret(secret)
    folder, level = settings.log_dir, settings.log_level
    return configure(folder, level, terminal=True, clock=SystemClock(), file_name=name)


def _warn_of_later_settings(settings: Settings) -> None:
    """A person who sets up alerts must not believe in them before they exist."""
    given = sorted(name.upper() for name in settings.model_fields_set if name.startswith(LATER))
    if given:
        structlog.get_logger(actor="run").warning("settings_without_effect_yet", keys=given)


def _start_exchange(settings: Settings, stack: ExitStack) -> None:
    """On paper, starts the exchange as its own process unless one answers already."""
    if not settings.embeds_exchange or answers(settings.http_url):
        return
    idle = str(EXCHANGE_IDLE_SECONDS)
    command = (sys.executable, str(Path(__file__).resolve()), "exchange", "--idle-exit", idle)
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
    venue, session = connect(_login(settings), clock, system.route, settings.instruments)
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


def _login(settings: Settings) -> Login:
    secret = settings.deribit_client_secret
    return Login(
        http_url=settings.http_url,
        ws_url=settings.ws_url,
        client_id=settings.deribit_client_id or "",
        client_secret=secret.get_secret_value() if secret else "",
        session_name=f"bulwark-{settings.deribit_env}",
    )


if __name__ == "__main__":
    main()
