"""`run.py logs`: the log for a person: filtered, followed, or what went wrong at a glance."""

import fnmatch
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from actors.kernel import ExitCode
from adapters.clock import SystemClock
from commands.common import fail, out, pour, read_settings
from commands.operate import understood
from config.console import Console, printable
from config.log_files import Follower, parse, rotated
from domain.commands import BY_NAME, parse_named

LOGS = ("bot", "exchange", "collector", "watchdog", "preflight")
LEVELS = ("debug", "info", "warning", "error", "critical")
LOOK_EVERY = 0.2
ALL = 10**9
DETAILS = ("text", "reason", "error", "exception")
FRAME = frozenset({"ts", "level", "event", "actor", "cause"})
LONGEST_DETAIL = 400


class Level(StrEnum):
    """The least level shown."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which lines are wanted. Without any condition also those that are no entries."""

    level: str = "debug"
    actor: str = ""
    trade: str = ""
    events: tuple[str, ...] = ()

    def takes(self, line: bytes) -> bool:
        entry = parse(line)
        return self._is_open if entry is None else self.matches(entry)

    def matches(self, entry: dict[str, Any]) -> bool:
        actor = str(entry.get("actor", ""))
        return (
            rank(entry["level"]) >= rank(self.level)
            and (not self.actor or actor == self.actor or actor.startswith(f"{self.actor}-"))
            and (not self.trade or _mentions(entry, self.trade))
            and (not self.events or any(fnmatch.fnmatch(entry["event"], x) for x in self.events))
        )

    @property
    def _is_open(self) -> bool:
        return not (rank(self.level) or self.actor or self.trade or self.events)


def logs(  # noqa: PLR0917 (Typer reads the options from the signature)
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[n] [level]", help="As at the other doors.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come.")] = False,
    number: Annotated[int, typer.Option("-n", min=0, help="How many of the last lines.")] = 50,
    level: Annotated[Level | None, typer.Option(help="The least level shown.")] = None,
    actor: Annotated[str, typer.Option(help="Only this actor; trade means every trade.")] = "",
    trade: Annotated[str, typer.Option(help="Only lines that mention this trade id.")] = "",
    event: Annotated[
        list[str] | None, typer.Option(help="Only this event; stop_* works. Repeatable.")
    ] = None,
    errors: Annotated[
        bool, typer.Option("--errors", help="What went wrong lately: counts and the last of each.")
    ] = False,
    source: Annotated[str, typer.Option("--log", help=f"Which log: {', '.join(LOGS)}.")] = "bot",
    as_json: Annotated[bool, typer.Option("--json", help="The lines as they are.")] = False,
) -> None:
    """The log, readable: the last lines, filtered, and followed with -f."""
    path = _path(source)
    if words:
        given = parse_named(BY_NAME["logs"], understood(BY_NAME["logs"], words))
        number, level = int(str(given["n"])), level or Level(str(given["level"]))
    least = level or (Level.WARNING if errors else Level.DEBUG)
    wanted = Filter(level=least, actor=actor, trade=trade, events=tuple(event or ()))
    if not follow and not rotated(path):
        fail(f"There is no {path} yet: nothing has run here.", ExitCode.FAILED)
    with suppress(KeyboardInterrupt):  # how a person stops watching
        if errors:
            _show_errors(path, wanted, as_json=as_json)
        else:
            _show(path, wanted, number, follow=follow, as_json=as_json)


def _path(source: str) -> Path:
    """The log of that name; one of another name only where it is there, as supervisord's is."""
    name = Path(source).name.removesuffix(".log")
    path = read_settings().log_dir / f"{name}.log"
    if name not in LOGS and not (name and rotated(path)):
        fail(f"--log is one of {', '.join(LOGS)}, not {source!a}.", 2)
    return path


def _show(path: Path, wanted: Filter, number: int, *, follow: bool, as_json: bool) -> None:
    show, clock = _as_it_is if as_json else readable(), SystemClock()
    with Follower(path) as follower:
        for line in follower.last(number, wanted.takes):
            show(line)
        while follow:
            clock.sleep(LOOK_EVERY)
            for line in filter(wanted.takes, follower.poll()):
                show(line)


def _as_it_is(line: bytes) -> None:
    pour(lambda: sys.stdout.buffer.write(line + b"\n"))


def readable() -> Callable[[bytes], None]:
    """Shows one line; one that is no entry, or has no form for a person, as it is, escaped."""
    console = Console(sys.stdout)
    encoding = sys.stdout.encoding or "ascii"

    def show(line: bytes) -> None:
        text = None if parse(line) is None else console.rendered(line)
        if text is None:
            text = f"? {line.decode('utf-8', 'backslashreplace')!a}\n"
        data = text.encode(encoding, "backslashreplace")
        pour(lambda: sys.stdout.buffer.write(data))

    return show


# -- errors at a glance ----------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Group:
    """One kind of trouble: how often, from when to when, and what the last one said."""

    level: str
    event: str
    actor: str
    count: int
    first: str
    last: str
    detail: str


def grouped(entries: Iterable[dict[str, Any]]) -> list[Group]:
    """Entries by event, actor and, of alerts, what they are about.

    The gravest first, then the most recent.
    """
    groups: dict[tuple[str, str, str], Group] = {}
    for entry in entries:
        key = (entry["event"], str(entry.get("actor", "")), _subject(entry))
        detail = _detail(entry)
        found = groups.get(key)
        if found is None:
            groups[key] = Group(
                level=entry["level"],
                event=key[0],
                actor=key[1],
                count=1,
                first=entry["ts"],
                last=entry["ts"],
                detail=detail,
            )
        else:
            found.count += 1
            found.last, found.detail = entry["ts"], detail
            found.level = max(found.level, entry["level"], key=rank)
    recent = sorted(groups.values(), key=lambda x: x.last, reverse=True)
    return sorted(recent, key=lambda x: -rank(x.level))


def _subject(entry: dict[str, Any]) -> str:
    """How an alert's headline begins, up to its first figure or colon: ``NOT FLAT YET``."""
    return re.split(r"[\d:\n]", str(entry.get("text", "")), maxsplit=1)[0].strip()


def _show_errors(path: Path, wanted: Filter, *, as_json: bool) -> None:
    with Follower(path) as follower:
        lines = follower.last(ALL, lambda _: True)
    entries = [entry for line in lines if (entry := parse(line)) is not None]
    groups = grouped(filter(wanted.matches, entries))
    unreadable = len(lines) - len(entries)
    since, until = (entries[0]["ts"], entries[-1]["ts"]) if entries else ("", "")
    if as_json:
        found = {"since": since, "until": until, "unreadable_lines": unreadable, "groups": groups}
        out(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    for group in groups:
        out(printable(_told(group)))
    if not groups:
        out(f"Nothing at {wanted.level} or above.")
    torn = f", {unreadable} of them unreadable" if unreadable else ""
    # Its end shows a log that takes no lines any more: what is wrong since then is not in it.
    when = f"from {_short(since)} to {_short(until)}" if entries else "since never"
    out(printable(f"{len(lines)} lines {when} in {path}{torn}."))


def _told(group: Group) -> str:
    """How grave, what, how often and when; below, what the last one said."""
    first, last = _short(group.first), _short(group.last)
    when = last if group.count == 1 else f"{group.count} times from {first} to {last}"
    head = f"{group.level:<8} {group.event} ({group.actor}) {when}"
    return f"{head}\n         {group.detail}" if group.detail else head


def _short(moment: str) -> str:
    return moment[:19].replace("T", " ")


def _detail(entry: dict[str, Any]) -> str:
    """What an entry says about itself, on one line: in words, then which trade, what price."""
    chosen = next((name for name in DETAILS if entry.get(name)), "")
    lines = [line.strip() for line in str(entry.get(chosen, "")).splitlines() if line.strip()]
    said = " / ".join(lines[-1:] if chosen == "exception" else lines)
    rest = [f"{key}={value}" for key, value in entry.items() if key not in {*FRAME, *DETAILS}]
    told = "  ".join(filter(None, (said, " ".join(rest))))
    return told if len(told) <= LONGEST_DETAIL else f"{told[:LONGEST_DETAIL]}..."


def rank(level: str) -> int:
    """Its place among the levels; unknown ones count as the lowest."""
    return LEVELS.index(level) if level in LEVELS else 0


def _mentions(entry: dict[str, Any], trade: str) -> bool:
    return any(isinstance(value, str) and trade in value for value in entry.values())
