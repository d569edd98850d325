"""`run.py positions`, `kill`, `open` ...: the operator's commands at the command line.

The same table and the same grammar as at every other door; a running daemon carries them out.
"""

import sys
from collections.abc import Callable
from typing import Annotated, Any

import orjson
import typer
from rich.console import RenderableType

from actors.kernel import ExitCode
from actors.messages.desk import Refusal
from commands.client import Client, NotFollowed
from commands.common import aside, fail, out, read_settings, tell, width
from commands.facts import VERSION
from commands.showing import rendered
from domain.arguments import BadArguments, words_of
from domain.commands import BY_NAME, CommandSpec, Effect, parse_named

USAGE_ERROR = 2
WAIT_SECONDS = 60.0
WITHOUT_DAEMON = "To close everything without the daemon: python run.py kill --direct"


def add_to(app: typer.Typer, name: str) -> None:
    """Registers one command of the table."""
    spec = BY_NAME[name]
    make = _reading if spec.effect is Effect.READS else _acting
    register = app.command(name, help=spec.help, epilog=f"Example: python run.py {spec.example}")
    register(make(spec))


def _words(spec: CommandSpec) -> Any:
    usage = " ".join(argument.usage for argument in spec.arguments)
    about = "; ".join(f"{argument.name}: {argument.help}" for argument in spec.arguments)
    return typer.Argument(metavar=usage or "", help=about, hidden=not spec.arguments)


def _reading(spec: CommandSpec) -> Callable[..., None]:
    def command(
        words: Annotated[list[str] | None, _words(spec)] = None,
        as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    ) -> None:
        arguments = understood(spec, words or [])
        if spec.name == "version" and not as_json:
            out(f"The code here is bulwark {VERSION}.")
        reply = Client(read_settings()).read(spec.name, arguments)
        show(reply, out, as_json=as_json)
        finish(reply)

    return command


def _acting(spec: CommandSpec) -> Callable[..., None]:
    def command(
        words: Annotated[list[str] | None, _words(spec)] = None,
        as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
        yes: Annotated[bool, typer.Option("--yes", "-y", help="Confirm without asking.")] = False,
        wait: Annotated[
            float, typer.Option(min=0, help="Seconds to wait for how it ends; 0: do not.")
        ] = WAIT_SECONDS,
    ) -> None:
        arguments = understood(spec, words or [])
        client = Client(read_settings())
        give(client, spec, arguments, as_json=as_json, yes=yes, wait=wait)

    return command


def understood(spec: CommandSpec, words: list[str]) -> dict[str, str]:
    """The words by argument, checked before anything is sent."""
    try:
        named = dict(words_of(spec.arguments, " ".join(words)))
        parse_named(spec, named)
    except BadArguments as error:
        fail(
            f"{error}\nUsage: python run.py {spec.usage}\nExample: python run.py {spec.example}",
            USAGE_ERROR,
        )
    return named


def give(
    client: Client,
    spec: CommandSpec,
    arguments: dict[str, str],
    *,
    as_json: bool,
    yes: bool,
    wait: float,
) -> None:
    """Gives a command that acts, asks where it must be confirmed, and waits for how it ends."""
    reply, since = client.act(spec.name, arguments)
    asked = reply.get("confirmation")
    if asked is not None:
        if not yes and not _is_sure(asked["effect"], as_json=as_json):
            client.act("dismiss", {"token": asked["token"]})
            fail(
                "Nothing was done: not confirmed (--yes confirms without asking).", ExitCode.FAILED
            )
        request_id = reply["request_id"]
        reply, since = client.act("confirm", {"token": asked["token"]})
        reply["request_id"] = request_id  # how it goes on is reported under the first one
    if reply.get("status") != "accepted" or not wait:
        show(reply, tell, as_json=as_json)
        if "status" not in reply and spec.is_urgent and not (as_json or _is_misunderstood(reply)):
            tell(WITHOUT_DAEMON)
        finish(reply)
        return
    if not as_json:
        show(reply, tell, as_json=False)
    reports, trouble = follow(client, reply["request_id"], since, wait, is_quiet=as_json)
    if as_json:
        show({**reply, "reports": reports}, tell, as_json=True)
    if not reports or not reports[-1]["is_final"]:
        late = f"It has not ended within {wait:g} s; it goes on. See status."
        fail(_unheard(spec, trouble) if trouble else late, ExitCode.FAILED)
    finish(reply)


def _unheard(spec: CommandSpec, trouble: str) -> str:
    what = f"The daemon cannot be followed ({trouble}). How it goes on: python run.py status"
    return f"{what}\n{WITHOUT_DAEMON}" if spec.is_urgent else what


def _is_sure(effect: str, *, as_json: bool) -> bool:
    if as_json or not sys.stdin.isatty():
        aside(effect)
        return False
    return typer.confirm(f"{effect}\nDo it?", err=True)


def follow(
    client: Client, request_id: str, since: str, wait: float, *, is_quiet: bool
) -> tuple[list[dict[str, Any]], str]:
    """What is reported of a request until it ends, at most for ``wait`` seconds; and, where nothing
    more can be heard, why.
    """
    import threading  # noqa: PLC0415 (only commands that wait need it)

    found: list[dict[str, Any]] = []
    trouble: list[str] = []

    def listen() -> None:
        try:
            for report in client.reports(request_id, since):
                found.append(report)
                if not is_quiet:
                    tell(report["text"])
        except NotFollowed as error:
            trouble.append(str(error))

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    listener.join(min(threading.TIMEOUT_MAX, wait))  # beyond it, inf too, Python refuses to wait
    return list(found), next(iter(trouble), "")


def _is_misunderstood(reply: dict[str, Any]) -> bool:
    """Whether the daemon answers, and knows no such arguments (of another version, for one)."""
    return reply.get("reason") == Refusal.BAD_ARGUMENTS


def finish(reply: dict[str, Any]) -> None:
    """Ends with 1 when the command was refused, with 2 when it was not understood."""
    if _is_misunderstood(reply):
        raise typer.Exit(USAGE_ERROR)
    if reply.get("status", "refused") == "refused":
        raise typer.Exit(int(ExitCode.FAILED))


# -- showing ---------------------------------------------------------------------------------------


def show(reply: dict[str, Any], say: Callable[[RenderableType], object], *, as_json: bool) -> None:
    """The whole reply for programs; lines and tables for people."""
    if as_json:
        say(orjson.dumps(reply, option=orjson.OPT_INDENT_2).decode())
        return
    for line in reply["lines"]:
        say(line)
    for table in reply.get("tables", []):
        say(rendered(table, width()))
