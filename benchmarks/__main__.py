"""Runs the benchmarks and prints one table: ``python -m benchmarks [--only NAME] [--json]``."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console

from benchmarks import (
    archive,
    asks,
    brackets,
    commit,
    entry,
    exchange_rate,
    kill,
    log_event,
    order_path,
    protection,
    simulated,
    startup,
)
from benchmarks.measuring import SWITCH_INTERVAL, Effort, now
from benchmarks.rows import Row, as_json, table

WIDE = 150
"""Columns when nobody says how wide the page is."""

BENCHES: Mapping[str, Callable[[Effort], list[Row]]] = {
    "order": order_path.run,
    "commit": commit.run,
    "protection": protection.run,
    "brackets": brackets.run,
    "entry": entry.run,
    "ask": asks.run,
    "log": log_event.run,
    "startup": startup.run,
    "kill": kill.run,
    "exchange": exchange_rate.run,
    "archive": archive.run,
    "simulate": simulated.run,
}


def main(
    only: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(BENCHES)}. Repeatable.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds of each.")] = 5,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Measures Bulwark against floors and peers, side by side in one run.

    Files are written below ./build, on the disk the data would be on. Example:
    python -m benchmarks --only order --only commit
    """
    names = only or list(BENCHES)
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: not one of {', '.join(BENCHES)}")
    console = Console(stderr=json, width=None if sys.stdout.isatty() else WIDE)
    began = now()
    results = {name: _measured(name, rounds, console) for name in names}
    if json:
        machine = _machine() | {"seconds": round(now() - began, 1)}
        rows = [row for name, found in results.items() for row in as_json(name, found)]
        typer.echo(orjson.dumps({"machine": machine, "rows": rows}, option=orjson.OPT_INDENT_2))
        return
    console.print(table(results.items()))
    about = ", ".join(f"{name} {value}" for name, value in _machine().items())
    console.print(f"{about}, took {now() - began:.0f} s", style="dim", highlight=False)


def _measured(name: str, rounds: int, console: Console) -> list[Row]:
    build = Path("build")
    build.mkdir(exist_ok=True)
    sys.setswitchinterval(SWITCH_INTERVAL)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=build))
    try:
        with console.status(f"measuring {name} ..."):
            return BENCHES[name](Effort(folder=folder, rounds=rounds))
    finally:
        shutil.rmtree(folder)


def _machine() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    typer.run(main)
