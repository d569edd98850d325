"""Bulwark's composition root and command line.

`python run.py` is the bot; every other job is a command. Each command lives in `commands/`; only
there, and here, everything is seen: settings, adapters, actors.
"""

import signal
import sys
from typing import Annotated

import typer

from adapters.clock import SystemClock
from commands.archive import archive
from commands.backup import backup
from commands.bot import run_bot
from commands.collect import collect
from commands.common import VERSION, read_settings
from commands.exchange import exchange
from commands.journal import journal
from commands.kill import kill
from commands.logs import logs
from commands.operate import add_to
from commands.simulate import simulate
from commands.supervised import linger

SWITCH_INTERVAL = 0.0001
"""Seconds a thread may hold the interpreter: with Python's 5 ms an ask can take 10 ms."""
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
        typer.echo(f"bulwark {VERSION}")
    elif context.invoked_subcommand is None:
        settings = read_settings()
        code = run_bot(
            settings,
            starts_exchange=not exchange_elsewhere,
            without_preflight=without_preflight,
        )
        raise typer.Exit(code)


app.command(epilog="Example: python run.py exchange --speed 10 --balance BTC=1")(exchange)
app.command(epilog="Example: python run.py logs -f --level warning")(logs)
app.add_typer(journal, name="journal")
app.command(epilog="Example: python run.py collect --symbol BTCUSDT --symbol spot:BTCUSDT")(collect)
app.add_typer(archive, name="archive")
app.command(epilog="Example: python run.py simulate --seeds 100 --hours 6")(simulate)


def preflight(
    button: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for the Telegram button; 0: do not.")
    ] = 60.0,
    no_drill: Annotated[bool, typer.Option("--no-drill", help="Leave the drill out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Everything that must be right before real money trades, green or red, each with its fix."""
    from commands.preflight.command import run_preflight  # noqa: PLC0415 (only this needs it)

    code = run_preflight(button_seconds=button, with_drill=not no_drill, as_json=as_json)
    raise typer.Exit(code)


app.command(epilog="Example: python run.py preflight")(preflight)
add_to(app)
app.command(epilog="Example: python run.py kill --direct")(kill)
app.command(epilog="Example: python run.py backup --to /mnt/elsewhere")(backup)


def healthcheck() -> None:
    """Asks the running bot how it is; exit 1 unless it says it is well. For containers."""
    from commands.health_probe import healthcheck as check  # noqa: PLC0415 (only this needs it)

    raise typer.Exit(check())


app.command(epilog="Example: HEALTHCHECK CMD python run.py healthcheck", hidden=True)(healthcheck)


def watchdog() -> None:
    """Watches the bot under supervisord, and tells Telegram itself. Started by supervisord."""
    from commands.watchdog import run_watchdog  # noqa: PLC0415 (it alone needs supervisor's client)

    run_watchdog()


app.command(epilog="Example: command=python run.py watchdog   (in supervisor.conf)")(watchdog)


def main() -> None:
    """The command line."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    # Until whoever runs takes the signal over, SIGTERM unwinds like Ctrl-C: nothing is left behind.
    signal.signal(signal.SIGTERM, _stopped_early)
    clock = SystemClock()
    began = clock.monotonic()
    try:
        app()
    except SystemExit as ending:
        linger(ending.code, clock.monotonic() - began)
        raise


def _stopped_early(*_: object) -> None:
    raise SystemExit(TERMINATED)


if __name__ == "__main__":
    main()
