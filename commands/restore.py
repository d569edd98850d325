"""`run.py restore`: the data of a venue as a backup has them, beside what was there before."""

import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from pydantic import TypeAdapter

from actors.kernel import ExitCode
from actors.messages.book import DayBaseline, KillState, PauseState
from actors.ports import REBUILDING
from actors.rebuilding import last_day, last_kill, last_pause, what_counts
from actors.registry import check_book
from adapters.clock import SystemClock
from adapters.paper.store import AccountStore
from adapters.storage.book import BookTooNew, read_book
from adapters.storage.chain import Flaw, read, verify
from adapters.storage.lock import AlreadyRunning, InstanceLock
from commands.backup import BOOK, has_run, newest
from commands.common import fail, read_settings, tell, words

LOCK = "bot.lock"
JOURNAL = "journal"
_T = TypeVar("_T")
EXCHANGE = "exchange"
"""The paper exchange's account, beside the bot's data."""


def restore(
    archive: Annotated[
        Path | None, typer.Argument(help="Another one than the newest of this venue in BACKUP_DIR.")
    ] = None,
    broken_journal: Annotated[
        bool, typer.Option("--broken-journal", help="Also one whose journal is broken, as it is.")
    ] = False,
) -> None:
    """Puts a backup in the place of this venue's data; what was there before is kept beside it."""
    settings = read_settings()
    env = str(settings.deribit_env)
    source = archive or newest(settings.backup_dir, env)
    if source is None:
        _refuse(f"there is no backup of {env} in {settings.backup_dir}")
    moment = SystemClock().now().strftime("%Y%m%dT%H%M%S.%fZ")
    place = settings.data_folder
    before = place.with_name(f"{env}.before-{moment}")
    fresh = place.with_name(f"{env}.restoring-{moment}")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, fresh, ignore_errors=True)
        try:
            # Held on: a bot that lives would go on with the data that are moved away.
            stack.enter_context(InstanceLock(place / LOCK))
            _hold_exchange(place / EXCHANGE, stack)
            unpack(source, fresh, env)
            flaw = _judge(fresh / env, source, may_be_broken=broken_journal)
            _change(place, before, fresh / env)
        except AlreadyRunning as error:
            _refuse(f"{error} on {place}: stop it first (supervisorctl stop bot, or Ctrl-C)")
        except (tarfile.TarError, EOFError, zlib.error) as error:
            _refuse(f"{source} is no whole archive ({error})")
        except ValueError as error:
            _refuse(str(error))
        except OSError as error:
            _refuse(words(error))
    was_empty = not has_run(before) and [path.name for path in before.iterdir()] == [LOCK]
    kept = "" if was_empty else f"; what was there is {before}"
    tell(f"restored: {source} is {place} now{kept}.")
    for line in (*_broken(flaw, place), *_forgotten(before, place)):
        tell(line)
    if was_empty:
        shutil.rmtree(before)


def unpack(source: Path, target: Path, env: str) -> None:
    """Puts the files of ``env`` out of the archive into ``target``, each on disk.

    Raises:
        ValueError: it holds something else than a venue's plain files.
        OSError, tarfile.TarError, EOFError, zlib.error: it cannot be read, or not be written.
    """
    with tarfile.open(source, "r:gz") as archive:
        for entry in archive:
            path = PurePosixPath(entry.name)
            content = archive.extractfile(entry) if entry.isreg() else None
            if content is None or path.parts[:1] != (env,) or ".." in path.parts:
                raise ValueError(f"{source} is no backup of {env}: it holds {entry.name!r}")
            made = target / path
            made.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                shutil.copyfileobj(content, file)
                file.flush()
                os.fsync(file.fileno())
            os.utime(made, (entry.mtime, entry.mtime))
    if not (target / env).is_dir():
        raise ValueError(f"{source} is empty")


def _hold_exchange(folder: Path, stack: ExitStack) -> None:
    """A paper exchange that lives would go on writing its account into the moved folder."""
    if not folder.is_dir():
        return
    try:
        stack.callback(AccountStore(folder).close)
    except OSError as error:
        if error.errno is not None:
            raise
        raise ValueError(
            f"{error}: stop it first (supervisorctl stop exchange, or Ctrl-C; one whose bot was "
            "killed ends by itself)"
        ) from None


def _change(place: Path, before: Path, fresh: Path) -> None:
    place.rename(before)
    try:
        fresh.rename(place)
    except OSError as error:
        raise ValueError(f"{words(error)}. The data are in {before}: move them back") from error


def _judge(fresh: Path, source: Path, *, may_be_broken: bool) -> Flaw | None:
    """Where the journal is broken, should that not keep it from being taken."""
    flaw = verify(fresh / JOURNAL).first_bad
    if flaw is not None and not may_be_broken:
        raise ValueError(
            f"the journal in {source} is broken at {flaw}: take another archive, or this one as "
            "it is, with --broken-journal"
        )
    return flaw


def _broken(flaw: Flaw | None, place: Path) -> Iterator[str]:
    """What that means for the next start: nothing, as long as there is a book to go by."""
    if flaw is None:
        return
    if _is_made_from_journal(_state(place)):
        yield (
            f"BROKEN: the journal, at {flaw}, and a start makes the book from it: a trade, a kill "
            "or a pause may be missing. To be safe, before the start: python run.py kill --direct"
        )
    else:
        yield f"BROKEN: the journal, at {flaw}. Trades, kill and pause are in the book."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """What goes on until it is ended, as one witness has it."""

    kill: KillState | None = None
    pause: PauseState | None = None
    day: DayBaseline | None = None


def _forgotten(before: Path, after: Path) -> Iterator[str]:
    """What was decided, and a start from the restored data does not know.

    The archive's journal is a witness too: it was read after the book, and a kill may lie between.
    """
    was, has = _Decided(), _journalled(after)
    try:
        was = _journalled(before)
    except OSError as error:
        yield f"Whether there was a kill or a pause is not known: {words(error)}."
    witnesses = (_at_a_start(before, was), was, has)
    known = _at_a_start(after, has)
    kills = [x.kill for x in witnesses if x.kill is not None and _is_more(x.kill, known.kill)]
    if kills:
        yield (
            f"FORGOTTEN: the kill ({kills[0].reason}). Entries begin again, unless you say before "
            "the start: python run.py kill --direct"
        )
    if known.pause is None and any(x.pause is not None for x in witnesses):
        yield "FORGOTTEN: the pause. After the start: python run.py pause"
    days = [x.day for x in witnesses if x.day is not None]
    day = max(days, key=lambda each: each.day, default=None)
    if day is not None and (known.day is None or known.day.day < day.day):
        yield (
            f"FORGOTTEN: the equity {day.day} began with, {day.usd:.2f} USD. On that day its loss "
            "would be measured from the start of the bot on."
        )


def _journalled(folder: Path) -> _Decided:
    entries = what_counts(read(folder / JOURNAL))
    return _Decided(kill=last_kill(entries), pause=last_pause(entries), day=last_day(entries))


def _at_a_start(folder: Path, journalled: _Decided) -> _Decided:
    """What a start goes by: the book, and the journal only where the book is made from it."""
    state = _state(folder)
    rest = journalled if _is_made_from_journal(state) else _Decided()
    state = state or {}
    return _Decided(
        kill=_read(KillState, state.get("kill")) or rest.kill,
        pause=_read(PauseState, state.get("pause")) or rest.pause,
        day=_read(DayBaseline, state.get("day")) or rest.day,
    )


def _state(folder: Path) -> Mapping[str, Any] | None:
    """What the book has besides trades and alerts; None where a start cannot live from it."""
    try:
        tables = read_book(folder / BOOK)
        check_book(tables)
    except (BookTooNew, OSError, ValueError):
        return None
    return tables.get(REBUILDING[0], {})


def _is_made_from_journal(state: Mapping[str, Any] | None) -> bool:
    return state is None or REBUILDING[1] in state


def _read(kind: type[_T], document: object) -> _T | None:
    return None if document is None else TypeAdapter(kind).validate_python(document)


def _is_more(kill: KillState, known: KillState | None) -> bool:
    """Whether it lasts longer than the one the archive knows."""
    if known is None:
        return True
    return known.until_midnight and (not kill.until_midnight or known.day < kill.day)


def _refuse(why: str) -> NoReturn:
    fail(f"Not restored: {why}.", ExitCode.FAILED)
