"""What a preflight found, kept beside the data, and whether it clears a start with real money."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import orjson

from actors.rebuilding import open_intents, what_counts
from adapters.storage.chain import days, read
from commands.backup import BOOK
from commands.facts import VERSION
from commands.plan import scripts
from commands.preflight.account import NoBook, open_trades
from commands.preflight.checks import Result, Verdict
from config.kinds import Env
from config.settings import Settings, describe
from domain.moments import moment_of

ROOT = Path(__file__).resolve().parents[2]
CODE = ("run.py", *(f"{x}/**/*.py" for x in ("actors", "adapters", "commands", "config", "domain")))
"""What a bot is made of."""
FILE = "preflight.json"
GOOD_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearance:
    """Whether the bot may start. ``reason`` says why not, or why in spite of it.

    ``is_exception``: it may, but a person should know that preflight has not passed.
    """

    may_start: bool
    reason: str = ""
    is_exception: bool = False


def fingerprint(settings: Settings, root: Path = ROOT) -> str:
    """Of what was checked: settings that are no secret, their scripts, the code below ``root``."""
    digest = hashlib.sha256()
    for path in sorted(path for part in CODE for path in root.glob(part)):
        digest.update(path.read_bytes())
    for path in scripts(settings):
        digest.update(path.read_bytes() if path.is_file() else b"missing")
    for row in describe(settings):
        digest.update(f"\n{row.key}={row.value}".encode())
    return digest.hexdigest()


def write(settings: Settings, results: Sequence[Result], now: datetime) -> bool:
    """Keeps the result, on disk; whether it passed.

    Raises:
        OSError: it could not be kept.
    """
    passed = all(result.verdict is not Verdict.RED for result in results)
    found = {
        "at": now.isoformat(),
        "passed": passed,
        "version": VERSION,
        "fingerprint": fingerprint(settings),
        "results": results,
    }
    path = settings.data_folder / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{FILE}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return passed


def clearance(settings: Settings, now: datetime, override: str = "") -> Clearance:
    """Only real money needs one. A restart of what was cleared goes on being cleared."""
    if settings.deribit_env is not Env.PROD:
        return Clearance(may_start=True)
    refusal = _refusal(settings, now)
    if not refusal:
        return Clearance(may_start=True)
    if why := override.strip():  # a blank is no reason
        return Clearance(may_start=True, reason=f"{refusal}: {why}", is_exception=True)
    if found := _open_trades(settings):
        reason = f"{refusal}, but {found} and somebody must look after them"
        return Clearance(may_start=True, reason=reason, is_exception=True)
    return Clearance(may_start=False, reason=refusal)


def _open_trades(settings: Settings) -> str:
    """That trades are open, in words; empty where there are none.

    Where the book does not say, the journal does, from which the start rebuilds it. Where that
    cannot be read either nothing rules them out; such a start fails before it takes an entry.
    """
    try:
        return "trades are open" if open_trades(settings.data_folder / BOOK) else ""
    except NoBook:
        pass
    try:
        known = open_intents(what_counts(read(settings.data_folder / "journal")))
    except OSError:
        return "trades may be open (neither book nor journal can be read)"
    return "trades are open by the journal" if known else ""


def _refusal(settings: Settings, now: datetime) -> str:
    found = _read(settings.data_folder / FILE)
    if found is None:
        return "preflight has never run here"
    if not found.get("passed"):
        return "the last preflight was red"
    if found.get("fingerprint") != fingerprint(settings):
        return "settings or code have changed since the last preflight"
    at = moment_of(found.get("at"))
    ran_at = _last_run(settings.data_folder / "journal")
    if not any(x is not None and timedelta(0) <= now - x <= GOOD_FOR for x in (at, ran_at)):
        return "the last preflight is older than a day"
    return ""


def _last_run(journal: Path) -> datetime | None:
    """When the bot last wrote its journal: while it ran within a day, this is a restart."""
    files = days(journal)
    return datetime.fromtimestamp(files[-1].stat().st_mtime).astimezone() if files else None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None
