"""Which file holds which command; it is opened when the command is asked for.

To import all of them would cost every start half a second, and every process 20 MiB.
"""

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_command

OPERATING = (
    "status",
    "health",
    "positions",
    "orders",
    "trades",
    "trade",
    "pnl",
    "risk",
    "balance",
    "funding",
    "daily",
    "settings",
    "open",
    "close",
    "pause",
    "resume",
    "restart",
    "test",
    "ping",
    "version",
)
"""The commands that a running daemon carries out; `kill` has a file of its own, `logs` and `help`
do without a daemon."""


class Room(NamedTuple):
    """The module with a function, or a group of commands, of the command's name."""

    module: str
    example: str = ""


ROOMS = {
    "exchange": Room("commands.exchange", "exchange --speed 10 --balance BTC=1"),
    "collect": Room("commands.collect", "collect --symbol BTCUSDT --symbol spot:BTCUSDT"),
    "simulate": Room("commands.simulate", "simulate --seeds 100 --hours 6"),
    "logs": Room("commands.logs", "logs -f --level warning"),
    "kill": Room("commands.kill", "kill --direct"),
    "backup": Room("commands.backup", "backup --to /mnt/elsewhere --keep 14"),
    "restore": Room("commands.restore", "restore backups/bulwark-prod-20260301T031500Z.tar.gz"),
    "journal": Room("commands.journal"),
    "archive": Room("commands.archive"),
    **dict.fromkeys(OPERATING, Room("commands.operate")),
}


class Rooms(TyperGroup):
    """The command line: what `run.py` registers, and every room."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*ROOMS, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in ROOMS:
            return _opened(cmd_name, ROOMS[cmd_name])
        return super().get_command(ctx, cmd_name)


def _opened(name: str, room: Room) -> Any:
    module: Any = import_module(room.module)
    app = typer.Typer(add_completion=False)
    if name in OPERATING:
        module.add_to(app, name)
    elif isinstance(found := getattr(module, name), typer.Typer):
        app = found
    else:
        app.command(name, epilog=f"Example: python run.py {room.example}")(found)
    command = get_command(app)
    command.name = name
    return command
