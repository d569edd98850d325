"""The bot: reads the settings, builds the adapters, hands them to the actors, waits for the end."""

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import structlog

from actors import tree
from actors.kernel import (
    Context,
    ExitCode,
    Supervisor,
    SupervisorPolicy,
    System,
    bounded,
    run,
)
from actors.kernel.runtime import ThreadRuntime
from actors.messages.book import JournalUnreadable
from actors.messages.lifecycle import PreflightPassedOver, ProcessStarted
from actors.ports import Notifier
from actors.registry import check_book
from adapters.api.hub import EventHub
from adapters.clock import SystemClock, SystemEntropy, ThreadTimers
from adapters.deribit.connect import Login, connect
from adapters.deribit.round_trips import RoundTrips
from adapters.notify import LogNotifier
from adapters.paper.embedded import CannotStart, EmbeddedExchange, PortTaken, answers
from adapters.paper.store import is_held
from adapters.storage.book import BookTooNew, open_book
from adapters.storage.collector_process import CollectorProcess
from adapters.storage.giving_up import GivingUp
from adapters.storage.journal import DayJournal
from adapters.storage.lock import AlreadyRunning, InstanceLock
from adapters.storage.pulse import Pulse
from commands.api import serve
from commands.common import fail, not_started, open_log, refused, words
from commands.ending import ending
from commands.facts import VERSION, restarted_by
from commands.heart import start_heartbeat
from commands.log_tail import FileTail
from commands.phone import notifier_of
from commands.plan import plan_of, script_of
from commands.preflight.record import Clearance, clearance
from commands.supervised import START_SECONDS, linger
from config import logs
from config.kinds import Collector
from config.script import ScriptInvalid
from config.settings import Settings
from domain.strategies import ScriptLine

RUN_FILE = Path(__file__).resolve().parent.parent / "run.py"
EXCHANGE_IDLE_SECONDS = 120
EXCHANGE_START_SECONDS = 5.0
TERMINAL_SECONDS = 0.1
"""The terminal's copy of the last words is written by a thread of its own."""
END_SECONDS = 20.0
"""More than all that is closed at the end waits for by itself."""
ORDERED = frozenset({int(ExitCode.OK), int(ExitCode.RESTART)})
GIVEN_UP = frozenset({int(ExitCode.GAVE_UP), int(ExitCode.HUNG)})


def run_bot(
    settings: Settings,
    *,
    starts_exchange: bool = True,
    without_preflight: str = "",
    began: float | None = None,
) -> int:
    """Runs the bot until it is told to stop or gives up; returns the exit code.

    ``began`` is when the process did (monotonic), where that is known.
    """
    try:
        script = script_of(settings)
    except ScriptInvalid as error:
        fail(str(error), ExitCode.SETTINGS_INVALID)
    giving_up = GivingUp(settings.data_folder / "giving_up", SystemClock(), began)
    beat = _beat_of(settings)
    with ending(END_SECONDS) as bound, ExitStack() as stack:
        try:
            stack.enter_context(InstanceLock(settings.data_folder / "bot.lock"))
        except AlreadyRunning as error:
            fail(f"Not started: {error}.", ExitCode.ALREADY_RUNNING)
        except OSError as error:
            fail(f"Not started: {refused(error, settings)}.", ExitCode.FAILED)
        stack.enter_context(open_log(settings))
        cleared = clearance(settings, SystemClock().now(), without_preflight)
        if not cleared.may_start:
            return _not_cleared(cleared.reason)
        try:
            if starts_exchange:
                _start_exchange(settings, stack)
            else:
                _await_exchange(settings)
            code = _run(settings, script, stack, cleared, giving_up, beat=beat, bound=bound)
        except CannotStart as error:
            code = _without_exchange(error)
        except (PortTaken, BookTooNew) as error:
            code = not_started(str(error))
        except OSError as error:
            code = not_started(refused(error, settings))
        delay = _delay(code, giving_up)
    linger(delay, beat)  # with nothing held: a person may start it meanwhile
    return code


def _delay(code: int, giving_up: GivingUp) -> float:
    """How many seconds the end waits: longer each time where somebody starts the bot again.

    An end soon after the start is left to supervisord, whose wait grows as well.
    """
    if code in ORDERED:
        giving_up.reset()
        return 0.0
    had_started = code in GIVEN_UP or giving_up.lived_seconds >= START_SECONDS
    if not restarted_by() or code not in GIVEN_UP | {int(ExitCode.FAILED)} or not had_started:
        return 0.0
    delay = giving_up.delay()
    if delay:
        structlog.get_logger(actor="run").warning("end_delayed", seconds=delay, exit_code=code)
    return delay


def _beat_of(settings: Settings) -> Callable[[], None]:
    """Writes the pulse whenever it is called."""
    pulse, clock = Pulse(settings.data_folder / "pulse"), SystemClock()
    return lambda: pulse.beat(clock.monotonic())


def _start_exchange(settings: Settings, stack: ExitStack) -> None:
    """On paper, starts the exchange as its own process unless one answers already."""
    if not settings.embeds_exchange:
        return
    if answers(settings.http_url):
        _tell_joined(settings)
        return
    idle = str(EXCHANGE_IDLE_SECONDS)
    command = (sys.executable, str(RUN_FILE), "exchange", "--idle-exit", idle)
    started = EmbeddedExchange(
        command, settings.http_url, settings.log_dir / "exchange.out", SystemClock()
    )
    stack.callback(started.stop)
    structlog.get_logger(actor="run").info("paper_exchange_started", pid=started.pid)


def _tell_joined(settings: Settings) -> None:
    """An exchange of another folder has an account of its own: of a second clone, by mistake."""
    log = structlog.get_logger(actor="run")
    if is_held(settings.data_dir / "paper" / "exchange"):
        log.info("paper_exchange_joined", address=settings.http_url)
        return
    why = "its account is not in this DATA_DIR; another PAPER_PORT gives this bot its own"
    log.warning("paper_exchange_joined", address=settings.http_url, reason=why)


def _without_exchange(error: CannotStart) -> int:
    """What it does not take in its settings is ours as well: no new start cures it."""
    if error.code != ExitCode.SETTINGS_INVALID:
        return not_started(str(error))
    what = "PAPER_FEED, PAPER_FAULTS or the paper account is of no use"
    return not_started(f"{what}: {error}", error.code)


def _await_exchange(settings: Settings) -> None:
    """Supervisord starts both at once: a log-in that comes too early would be told as an outage."""
    if not settings.embeds_exchange:
        return
    clock = SystemClock()
    until = clock.monotonic() + EXCHANGE_START_SECONDS
    with suppress(PortTaken):  # whoever is there instead is told by the log-in
        while not answers(settings.http_url):
            if clock.monotonic() > until:
                return
            clock.sleep(0.05)
        _tell_joined(settings)


def _not_cleared(reason: str) -> int:
    log = structlog.get_logger(actor="run")
    log.critical("not_started", reason=reason, fix="python run.py preflight")
    return int(ExitCode.NOT_CLEARED)


def _run(
    settings: Settings,
    script: tuple[ScriptLine, ...],
    stack: ExitStack,
    cleared: Clearance,
    giving_up: GivingUp,
    *,
    beat: Callable[[], None],
    bound: Callable[[int], None],
) -> int:
    clock, entropy = SystemClock(), SystemEntropy()
    timers = ThreadTimers()
    stack.callback(timers.close)
    runtime = ThreadRuntime()
    system = System(
        runtime=runtime, clock=clock, timers=timers, entropy=entropy, routes=tree.routes()
    )
    trips = RoundTrips()
    venue, session = connect(login_of(settings), clock, system.route, settings.instruments, trips)
    hub = EventHub(round(clock.now().timestamp() * 1000))
    book = open_book(settings.data_folder / "registry.json", clock.now(), check=check_book)
    journal = DayJournal(settings.data_folder / "journal", clock)
    stack.callback(_let_go, journal)
    notifier = notifier_of(settings, system, stack)

    def escalate(reason: str) -> None:
        venue.lock_entries(reason)
        shout(f"GIVING UP: {reason}\nStops stay on the venue.", notifier, giving_up, clock)

    ports = tree.Ports(
        venue=venue,
        session=session,
        book=book,
        journal=journal,
        notifier=notifier,
        audience=(hub,),
        log_tail=FileTail(settings.log_dir / logs.FILE),
        archive=_archive(settings, clock),
    )
    finished = runtime.future()
    Supervisor.start(
        Context(tree.SUPERVISOR, 1, system),
        children=tree.children(plan_of(settings, script), ports),
        policy=SupervisorPolicy(),
        escalate=escalate,
        finished=finished,
    )
    system.publish("run", _started(settings, clock))
    journal.tell_unreadable(
        lambda file, error: system.publish(
            "journal", JournalUnreadable(at=clock.now(), file=file, error=error)
        )
    )
    if cleared.is_exception:
        system.publish("run", PreflightPassedOver(at=clock.now(), reason=cleared.reason))

    def abandon(code: int) -> None:
        bounded(lambda: escalate("the supervisor itself is gone or hangs"))
        # The actors may not be silent: the lock stays. A hang was long enough to make no storm.
        if code != ExitCode.HUNG:
            linger(_delay(code, giving_up), beat)
        clock.sleep(TERMINAL_SECONDS)
        os._exit(code)

    start_heartbeat(settings, system, stack)
    stack.callback(serve(settings, system, hub, clock, trips))
    code = run(system, finished, abandon=abandon, beat=beat)
    if runtime.join(1.0):  # whoever is left may hold for ever what is closed next
        bound(code)
    return code


def _let_go(journal: DayJournal) -> None:
    """A disk that refuses at the very end changes neither the exit code nor what else is closed."""
    try:
        journal.close()
    except OSError as error:
        structlog.get_logger(actor="run").warning("journal_not_synced", error=words(error))


def shout(text: str, notifier: Notifier, giving_up: GivingUp, clock: SystemClock) -> None:
    """Last words: always in the log, and to a person once in ten minutes, over processes."""
    kept_back = giving_up.tell()
    if kept_back is None:
        LogNotifier(clock).shout(text)
    else:
        more = f"\n{kept_back} more like it since the last were not told." if kept_back else ""
        notifier.shout(text + more)


def _archive(settings: Settings, clock: SystemClock) -> CollectorProcess:
    """The collector's process: followed, and with COLLECTOR=bot kept running."""
    keeps = settings.collector is Collector.BOT
    command = (sys.executable, str(RUN_FILE), "collect") if keeps else None
    output = settings.log_dir / "collector.out"
    return CollectorProcess(settings.data_dir / "raw", command, output, clock)


def _started(settings: Settings, clock: SystemClock) -> ProcessStarted:
    env = str(settings.deribit_env)
    return ProcessStarted(at=clock.now(), version=VERSION, env=env, pid=os.getpid())


def login_of(settings: Settings) -> Login:
    """Where the venue is, and who we are there."""
    secret = settings.deribit_client_secret
    return Login(
        http_url=settings.http_url,
        ws_url=settings.ws_url,
        client_id=settings.deribit_client_id or "",
        client_secret=secret.get_secret_value() if secret else "",
        session_name=f"bulwark-{settings.deribit_env}",
    )
