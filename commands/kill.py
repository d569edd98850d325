"""`run.py kill`: through the daemon, or, with `--direct`, without it.

`--direct` is for the night when the daemon cannot be reached: a session of its own, the kill made
durable when no daemon holds the data, everything closed and verified by the very rounds Execution
uses.
"""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer
from pydantic import TypeAdapter

from actors.flattening import Flattening, RoundOutcome
from actors.kernel import ExitCode
from actors.messages.book import KillState
from actors.messages.trading import DIRECT
from actors.opening import ENTRY_VALID
from actors.ports import Clock, NotSent, OutcomeUnknown, Rejected, Venue
from actors.registry import check_book
from adapters.clock import SystemClock, SystemEntropy
from adapters.deribit.connect import connect
from adapters.deribit.session import DeribitSession
from adapters.storage.book import open_book, read_book
from adapters.storage.journal import DayJournal
from adapters.storage.lock import AlreadyRunning, InstanceLock
from commands.backup import BOOK
from commands.bot import login_of
from commands.client import Client
from commands.common import ENV_FILE, aside, fail, tell, words
from commands.operate import WAIT_SECONDS, give
from commands.preflight.account import NoBook, open_trades
from config.logs import register_secret, silence, without_secrets
from config.settings import Settings, SettingsInvalid, load
from domain.commands import BY_NAME
from domain.trade import LATE_MS, Trade, may_still_enter

REASON = "run.py kill --direct"
DISK_SECONDS = 3.0
"""How long the record is waited for before anything is closed."""
LATE_SECONDS = 15.0
"""And after everything is closed."""
ENTRY_SECONDS = ENTRY_VALID.total_seconds() + LATE_MS / 1000
"""How long an entry may still arrive that a daemon sent before we began."""
NO_ANSWER = (
    "The kill is NOT durable so far: the disk does not answer. Closing does not wait for it; "
    "without it the next start trades again."
)
NEEDED = frozenset(
    {
        "DERIBIT_ENV",
        "DERIBIT_CLIENT_ID",
        "DERIBIT_CLIENT_SECRET",
        "DERIBIT_HTTP_URL",
        "DERIBIT_WS_URL",
        "INSTRUMENTS",
        "API_HOST",
        "API_PORT",
        "API_TOKEN",
        "PAPER_PORT",
        "DATA_DIR",
        "TIMEZONE",
    }
)
"""Which account, which daemon, whose data."""
UNCONCERNED = frozenset(x.upper() for x in Settings.model_fields) - NEEDED
"""The other settings. A name that is none may be one of those above, misspelt."""
NOT_IN_FORCE = "The account is flat, but the kill is NOT in force: a daemon may trade again."


def kill(
    direct: Annotated[
        bool, typer.Option("--direct", help="Without the daemon: its own venue session.")
    ] = False,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for verified flat.")
    ] = WAIT_SECONDS,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """No entries any more; everything is closed and verified flat. Lasts until resume."""
    settings = _settings()
    if not direct:
        give(Client(settings), BY_NAME["kill"], {}, as_json=as_json, yes=True, wait=wait)
        return
    for secret in settings.secrets():
        register_secret(secret)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal that goes away ends no closing
    silence()  # a line that cannot be printed would be an error in the midst of the closing
    told: list[str] = []

    def say(line: str) -> None:
        told.append(line)
        if not as_json:
            tell(line)

    with ExitStack() as stack:
        say(_account(settings))
        record = _Record(settings, SystemClock(), stack)
        say(first := record.line(DISK_SECONDS))
        is_flat = _directly(settings, wait, say, record)
        if first == NO_ANSWER:  # nothing else is urgent now, and our end would be its end too
            say(record.line(LATE_SECONDS))
        is_durable = record.is_durable
        if is_flat and not is_durable:
            say(NOT_IN_FORCE)
        if as_json:
            outcome = {"is_flat": is_flat, "is_durable": is_durable, "lines": told}
            tell(orjson.dumps(outcome).decode())
        if record.is_open:
            stack.pop_all()  # to let go of the lock would wait for the same disk; our end does it
    if not (is_flat and is_durable):
        raise typer.Exit(int(ExitCode.FAILED))


def _settings() -> Settings:
    """A mistake in a setting that concerns no kill holds up none."""
    try:
        return load(ENV_FILE, os.environ)
    except SettingsInvalid as error:
        concerns = {x.key for x in error.problems} - UNCONCERNED
        if concerns:
            fail(str(error), ExitCode.SETTINGS_INVALID)
        aside(f"{error}\nNone of it concerns a kill, which goes on.")
        return error.rest


def _directly(
    settings: Settings, wait: float, say: Callable[[str], None], record: "_Record"
) -> bool:
    """Whether the account was verified flat; a person hears at once what there is to know."""
    clock = SystemClock()
    with ExitStack() as stack:
        venue, session = connect(login_of(settings), clock, lambda _: None, settings.instruments)
        stack.callback(session.close)
        try:
            for line in _opened(session):
                say(line)
            catalogue = venue.instruments()
        except (NotSent, Rejected, OutcomeUnknown, OSError) as error:
            say(f"NOTHING IS CLOSED: no session with the venue: {without_secrets(str(error))}")
            return False
        work = Flattening(venue, SystemEntropy().new_id(), clock, _Silent())
        late = _Late(record, venue, clock)
        return _flattened(lambda: work.round(catalogue), late, clock, wait, say)


class _Late:
    """The entries that a daemon which is gone may have sent, and that nobody has seen yet."""

    def __init__(self, record: "_Record", venue: Venue, clock: Clock) -> None:
        self._record = record
        self._venue = venue
        self._clock = clock
        self._until = clock.monotonic() + ENTRY_SECONDS

    def reason(self) -> str:
        """Why flat is not believed yet; empty when none can arrive any more."""
        trades = self._record.trades
        if trades is None:
            is_possible = self._clock.monotonic() <= self._until
            return "no book says whether an entry may still arrive" if is_possible else ""
        server_ms = self._venue.server_now_ms()
        coming = (x.id for x in trades if may_still_enter(x, server_ms))
        return next((f"the entry of {each} may still arrive" for each in coming), "")


def _flattened(
    look: Callable[[], RoundOutcome],
    late: _Late,
    clock: Clock,
    wait: float,
    say: Callable[[str], None],
) -> bool:
    """Rounds until the account is verified flat or the time is over; says how it stands then."""
    until = clock.monotonic() + max(wait, 1.0)
    is_told = False
    while True:
        why = late.reason()  # before the look: what could arrive until then shows in it
        outcome = look()
        if outcome.is_flat and not why:
            say(f"Verified flat after {outcome.seconds:.1f} s: no position, no order of ours.")
            return True
        if outcome.is_flat and not is_told:
            say(f"Flat, but {why}: looking on.")
            is_told = True
        if clock.monotonic() >= until:
            left = f"FLAT: {', '.join(outcome.positions)}" if outcome.positions else ""
            reason = why if outcome.is_flat else without_secrets(outcome.reason)
            say(f"NOT {left or 'VERIFIED FLAT'} ({reason}). Run it again.")
            return False
        clock.sleep(Flattening.pause)


def _account(settings: Settings) -> str:
    """Which account this is about: settings of another folder or terminal mean another one."""
    source = "" if ENV_FILE.exists() else "; there is no .env in this folder"
    return f"Killing {settings.deribit_env} at {settings.http_url}{source}."


def _opened(session: DeribitSession) -> list[str]:
    """Over the websocket, and where that is not to be had over HTTP alone: no news is needed."""
    try:
        session.open(())
    except (NotSent, OutcomeUnknown) as error:
        session.open_over_http()
        return [f"Over HTTP, without the websocket: {without_secrets(str(error))}."]
    return []


class _Record:
    """The kill on its way to disk. Closing does not wait for a disk that does not answer."""

    def __init__(self, settings: Settings, clock: SystemClock, stack: ExitStack) -> None:
        self.trades: Sequence[Trade] | None = None
        """Those of the book; None where it does not tell, or not yet."""
        self._line = ""
        self.is_durable = False
        self._is_done = threading.Event()
        self._thread = threading.Thread(
            target=self._make, args=(settings, clock, stack), name="record", daemon=True
        )
        self._thread.start()

    @property
    def is_open(self) -> bool:
        """Whether the disk has not answered yet."""
        return not self._is_done.is_set()

    def line(self, seconds: float) -> str:
        """How the record stands after so many seconds at most."""
        self._is_done.wait(seconds)
        return self._line or NO_ANSWER

    def _make(self, settings: Settings, clock: SystemClock, stack: ExitStack) -> None:
        try:
            self.is_durable, self._line = _recorded(settings, clock, stack)
        finally:
            self._is_done.set()
        with suppress(NoBook):
            self.trades = open_trades(settings.data_folder / BOOK)


def _recorded(settings: Settings, clock: SystemClock, stack: ExitStack) -> tuple[bool, str]:
    """Makes the kill durable, if nobody else owns the data; whether it is, and how that stands."""
    try:
        stack.enter_context(InstanceLock(settings.data_folder / "bot.lock"))
    except AlreadyRunning as error:
        return False, (
            f"A daemon holds the data (process {error.pid or 'unknown'}): the kill is NOT durable "
            "and it may open trades again. Kill through it, or stop it."
        )
    except OSError as error:
        return False, f"The kill is NOT durable: {words(error)}."
    return _write(settings, clock)


def _write(settings: Settings, clock: SystemClock) -> tuple[bool, str]:
    """Puts the kill into journal and book, whatever the other says; tells what that is worth.

    A start reads the book; the journal counts where the book is rebuilt from it.
    """
    now = clock.now()
    day = now.astimezone(settings.timezone).date().isoformat()
    state = KillState(reason=REASON, by=DIRECT, day=day, until_midnight=False)
    path = settings.data_folder / BOOK
    folder = settings.data_folder / "journal"
    no_journal = _failure(lambda: _into_journal(folder, state, now, clock))
    no_book = _failure(lambda: _into_book(path, state, now))
    if no_book is None and no_journal is None:
        return True, "The kill is on disk: the next start opens nothing until resume."
    if no_book is None:
        return True, (
            f"The kill is in the book; the journal did not take it: {_why(no_journal)}. "
            "The next start opens nothing until resume."
        )
    is_unreadable = isinstance(no_book, ValueError)
    why = f"{path} is unreadable" if is_unreadable else _why(no_book)
    if no_journal is not None:
        return False, f"The kill is NOT durable. Journal: {_why(no_journal)}. Book: {why}."
    if is_unreadable:
        return True, f"The kill is in the journal; {why}: the next start rebuilds it."
    return False, (
        f"The kill is NOT durable: the journal has it, the book, which a start reads, not: {why}."
    )


def _failure(act: Callable[[], None]) -> Exception | None:
    try:
        act()
    except Exception as error:  # noqa: BLE001 - whatever it is, closing must not wait for it
        return error
    return None


def _why(error: Exception | None) -> str:
    return words(error) if isinstance(error, OSError) else str(error)


def _into_journal(folder: Path, state: KillState, now: datetime, clock: SystemClock) -> None:
    journal = DayJournal(folder, clock)
    try:
        entry = {
            "ts": now.isoformat(),
            "event": "kill_switch_activated",
            "level": "critical",
            "reason": state.reason,
            "by": state.by,
            "until_midnight": state.until_midnight,
            "day": state.day,
        }
        journal.append(entry, durable=True)
    finally:
        journal.close()


def _into_book(path: Path, state: KillState, now: datetime) -> None:
    """Raises `ValueError` where an unreadable book is: the next start puts it aside and tells."""
    with suppress(FileNotFoundError):
        check_book(read_book(path))
    book = open_book(path, now, check=check_book)
    book.put("state", "kill", TypeAdapter(KillState).dump_python(state, mode="json"))


class _Silent:
    """The rounds' log: what matters is in their outcome."""

    def warning(self, *_: object, **__: object) -> None:
        """Is not needed."""
