"""Bulwark's composition root and command line.

`python run.py` is the bot; every other job is a command. Each command lives in `commands/`; only
there, and here, everything is seen: settings, adapters, actors. Nothing is imported before it is
known which command it is for.
"""

# ruff: noqa: PLC0415 (imports where they are needed)

import signal
import sys
from typing import Annotated

if __name__ == "__main__":
    from commands.first_moments import begin

    _began: float | None = begin()
else:
    _began = None

import typer

from commands.facts import VERSION, is_supervised
from commands.rooms import Rooms
from commands.unheard import unheard

SWITCH_INTERVAL = 0.0001
"""Seconds a thread may hold the interpreter: with Python's 5 ms an ask can take 10 ms."""
TERMINATED = 128 + signal.SIGTERM

app = typer.Typer(
    cls=Rooms,
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
    exchange_elsewhere: Annotated[
        bool,
        typer.Option(
            "--exchange-elsewhere", help="On paper: do not start the exchange, somebody else does."
        ),
    ] = False,
    without_preflight: Annotated[
        str,
        typer.Option(
            metavar="WHY", help="Trade real money without a green preflight; kept in the journal."
        ),
    ] = "",
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """The bot, when no command is given."""
    if version:
        from commands.common import out

        out(f"bulwark {VERSION}")
    elif context.invoked_subcommand is None:
        from commands.bot import run_bot
        from commands.common import read_settings

        settings = read_settings()
        code = run_bot(
            settings,
            starts_exchange=not exchange_elsewhere,
            without_preflight=without_preflight,
            began=_began,
        )
        raise typer.Exit(code)


def preflight(
    button: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for the Telegram button; 0: do not.")
    ] = 60.0,
    no_drill: Annotated[bool, typer.Option("--no-drill", help="Leave the drill out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Everything that must be right before real money trades, green or red, each with its fix."""
    from commands.preflight.command import run_preflight

    code = run_preflight(button_seconds=button, with_drill=not no_drill, as_json=as_json)
    raise typer.Exit(code)


app.command(epilog="Example: python run.py preflight")(preflight)


def healthcheck() -> None:
    """Asks the running bot how it is; exit 1 unless it says it is well. For containers."""
    from commands.health_probe import healthcheck as check

    raise typer.Exit(check())


app.command(epilog="Example: HEALTHCHECK CMD python run.py healthcheck", hidden=True)(healthcheck)


def watchdog() -> None:
    """Watches the bot under supervisord, and tells Telegram itself. Started by supervisord."""
    from commands.watchdog import run_watchdog

    run_watchdog()


app.command(epilog="Example: command=python run.py watchdog   (in supervisor.conf)")(watchdog)


def main() -> None:
    """The command line."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    # Until whoever runs takes the signal over, SIGTERM unwinds like Ctrl-C: nothing is left behind.
    signal.signal(signal.SIGTERM, _stopped_early)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if is_supervised():
        from commands.supervised import lingering

        with lingering(), unheard(sys.argv[1:]):
            app()
    else:
        with unheard(sys.argv[1:]):
            app()


def _stopped_early(*_: object) -> None:
    raise SystemExit(TERMINATED)


if __name__ == "__main__":
    main()
