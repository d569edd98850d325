"""The bot: reads the settings, builds the adapters, hands them to the actors, waits for the end."""

import os
import sys
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import structlog

from actors import tree
from actors.desk_sources import DeskFacts
from actors.kernel import Context, ExitCode, Supervisor, SupervisorPolicy, System, run
from actors.kernel.runtime import ThreadRuntime
from actors.strategist import Sizing
from adapters.clock import SystemClock, SystemEntropy, ThreadTimers
from adapters.deribit.channels import account_channels, ticker_channel
from adapters.deribit.connect import Login, connect
from adapters.notify import LogNotifier
from adapters.paper.embedded import CannotStart, EmbeddedExchange, PortTaken, answers
from adapters.storage.book import BookTooNew, open_book
from adapters.storage.journal import DayJournal
from adapters.storage.lock import AlreadyRunning, InstanceLock
from commands.common import VERSION, fail, not_started, open_log, words
from config.kinds import Env
from config.script import ScriptInvalid, read_script
from config.settings import Settings, describe
from domain.bracket import BracketPolicy
from domain.risk import Limits
from domain.strategies import BreakoutSettings, ScriptLine

RUN_FILE = Path(__file__).resolve().parent.parent / "run.py"
EXCHANGE_IDLE_SECONDS = 120
LATER = ("telegram_", "daily_report_", "heartbeat_", "api_", "binance_", "collect_")
"""Settings of parts that do not exist yet."""
PAPER_BAR_MS = 2_000
LEAST_BAR_MS = 200


def run_bot(settings: Settings) -> int:
    """Runs the bot until it is told to stop or gives up; returns the exit code."""
    try:
        script = _script(settings)
    except ScriptInvalid as error:
        fail(str(error), ExitCode.SETTINGS_INVALID)
    with ExitStack() as stack:
        try:
            stack.enter_context(InstanceLock(settings.data_folder / "bot.lock"))
        except AlreadyRunning as error:
            fail(f"Not started: {error}.", ExitCode.ALREADY_RUNNING)
        except OSError as error:
            fail(f"Not started: {words(error)}.", ExitCode.FAILED)
        stack.enter_context(open_log(settings))
        _warn_of_later_settings(settings)
        try:
            _start_exchange(settings, stack)
            return _run(settings, script, stack)
        except (CannotStart, PortTaken, BookTooNew) as error:
            return not_started(str(error))
        except OSError as error:
            return not_started(words(error))


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
    command = (sys.executable, str(RUN_FILE), "exchange", "--idle-exit", idle)
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


# -- the plan --------------------------------------------------------------------------------------


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
        desk=_desk_facts(settings),
    )


def _desk_facts(settings: Settings) -> DeskFacts:
    return DeskFacts(
        version=VERSION,
        env=str(settings.deribit_env),
        timezone=settings.timezone,
        poll_seconds=settings.position_poll_seconds,
        settings=tuple((row.key, row.value) for row in describe(settings)),
        telegram_users=frozenset(str(x) for x in settings.telegram_user_ids),
        is_supervised="SUPERVISOR_ENABLED" in os.environ,
    )
