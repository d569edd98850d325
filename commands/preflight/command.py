"""The command: runs every check, shows a table, keeps the result."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from actors.kernel import ExitCode
from adapters.clock import SystemClock, SystemEntropy
from adapters.storage.chain import days
from commands.common import ENV_FILE, aside, fail, tell, words
from commands.preflight import account, checks, drill, machine, phone, record
from commands.preflight.checks import Result, Verdict
from config.kinds import Env
from config.logs import configure, register_secret
from config.settings import Settings, SettingsInvalid, load

ROOT = Path(__file__).resolve().parents[2]
BUTTON_BYTES = 60
"""Telegram takes 64 with a button."""


def run_preflight(*, button_seconds: float, with_drill: bool, as_json: bool) -> int:
    """Every check; 0 when nothing is red, else 1."""
    try:
        settings = load(ENV_FILE, os.environ)
    except SettingsInvalid as error:
        _show(list(checks.settings_invalid(error)), as_json=as_json)
        return int(ExitCode.FAILED)
    for secret in settings.secrets():
        register_secret(secret)
    # What the client logs goes to a file of its own: the table is for the person.
    with configure(
        settings.log_dir, "INFO", terminal=False, clock=SystemClock(), file_name="preflight.log"
    ):
        results = _all(settings, button_seconds, with_drill=with_drill)
    _show(results, as_json=as_json)
    if any(x.check == machine.INSTANCE and x.verdict is Verdict.RED for x in results):
        # Beside a running bot it cannot be green, and what the bot started with still holds.
        aside("Not kept: without the place of the bot it is no preflight.")
        return int(ExitCode.FAILED)
    return _keep(settings, results)


def _all(settings: Settings, button_seconds: float, *, with_drill: bool) -> list[Result]:
    clock = SystemClock()
    steps: list[tuple[str, Callable[[], Iterable[Result]]]] = [
        ("settings", lambda: _settings(settings)),
        ("machine", lambda: _machine(settings, clock)),
        ("account", lambda: account.check(settings, clock)),
        ("Telegram", lambda: [_phone(settings, clock, button_seconds)]),
        ("drill", lambda: [_drill(settings, clock, with_drill=with_drill)]),
    ]
    console = Console(stderr=True, emoji=False)
    results: list[Result] = []
    for name, step in steps:
        with console.status(f"Checking: {name} ...") if sys.stderr.isatty() else _nothing():
            results += step()
    return results


class _nothing:  # noqa: N801 (stands where a context manager function would)
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


def _settings(settings: Settings) -> Iterator[Result]:
    yield checks.green("settings", "valid")
    yield checks.venue(settings)
    today = SystemClock().now().date().isoformat()
    before = [x for x in days(settings.data_folder / "journal") if x.stem < today]
    yield checks.limits(settings, len(before))


def _machine(settings: Settings, clock: SystemClock) -> Iterator[Result]:
    yield machine.env_file(ENV_FILE)
    yield machine.disk(settings.data_folder, clock)
    if settings.is_paper:
        yield checks.skipped("backup", "paper money")
    else:
        yield machine.backup(settings.backup_dir, settings.data_folder, clock.now())
    yield machine.instance(settings.data_folder / "bot.lock")
    yield machine.restarts(ROOT, os.environ)


def _phone(settings: Settings, clock: SystemClock, seconds: float) -> Result:
    button = f"preflight:{SystemEntropy().new_id()}"[:BUTTON_BYTES]
    if seconds and sys.stderr.isatty() and settings.telegram_bot_token is not None:
        aside("A message comes to your phone now: press its button.")
    return phone.check(settings, clock, button, seconds)


def _drill(settings: Settings, clock: SystemClock, *, with_drill: bool) -> Result:
    if with_drill:
        return drill.check(clock)
    if settings.deribit_env is Env.PROD:
        return checks.red("drill", "left out by --no-drill", "real money needs it: let it run")
    return checks.skipped("drill", "left out by --no-drill")


def _show(results: Sequence[Result], *, as_json: bool) -> None:
    reds = [result for result in results if result.verdict is Verdict.RED]
    if as_json:
        found = {"passed": not reds, "results": results}
        tell(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    colours = {Verdict.GREEN: "green", Verdict.RED: "bold red", Verdict.SKIPPED: "dim"}
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(overflow="fold")  # nothing is cut off, however narrow the terminal
    for result in results:
        found = f"{result.found}\nto do: {result.fix}" if result.fix else result.found
        row = (str(result.verdict), result.check, found)
        table.add_row(*row, style=colours[result.verdict])
    tell(table)
    tell(f"RED: {len(reds)} of {len(results)}." if reds else "All green.")


def _keep(settings: Settings, results: Sequence[Result]) -> int:
    try:
        passed = record.write(settings, results, SystemClock().now())
    except OSError as error:
        fail(f"The result could not be kept: {words(error)}.", ExitCode.FAILED)
    return 0 if passed else int(ExitCode.FAILED)
