"""`run.py archive`: what is in the tick archive, and what may be done with it.

What does the work is imported when it runs: DuckDB, numpy and matplotlib cost up to half a
second, which the other commands do not pay.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from commands.common import fail
from config import values
from domain.moments import Stretch, moment_ms, span_ms

archive = typer.Typer(
    add_completion=False,
    help="The tick and positioning archive: look, check, merge, export, fill, draw.",
    no_args_is_help=True,
)

Symbol = Annotated[str, typer.Option(help="Such as BTCUSDT, or spot:BTCUSDT.")]
From = Annotated[str, typer.Option("--from", help="A UTC day or moment: 2026-11-19[T08:00].")]
To = Annotated[
    str, typer.Option("--to", help="Its end, left out itself; a span such as 2h; empty: a day.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def _stretch(symbol: str, start: str, end: str) -> Stretch:
    try:
        (name,) = values.symbols((symbol,))
        start_ms = moment_ms(start)
        end_ms = _end(start_ms, end)
    except ValueError as error:
        fail(str(error), 2)
    if end_ms <= start_ms:
        fail("--to lies before --from.", 2)
    return Stretch(name, start_ms, end_ms)


def _end(start_ms: int, text: str) -> int:
    if not text:
        return start_ms + int(timedelta(days=1).total_seconds()) * 1000
    return moment_ms(text) if "-" in text else start_ms + span_ms(text)


@archive.command(epilog="Example: python run.py archive status")
def status(as_json: Json = False) -> None:
    """What is there of each symbol, what is missing, and how the collector is."""
    from commands import archiving  # noqa: PLC0415 - heavy, see above

    raise typer.Exit(archiving.status(as_json=as_json))


@archive.command(epilog="Example: python run.py archive verify")
def verify(
    repair: Annotated[
        bool,
        typer.Option(help="Set damaged files aside, so that their ticks are fetched again."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Reads every file: checksums, row counts, ids. Ends with 1 when something is damaged."""
    from commands import archiving  # noqa: PLC0415 - heavy, see above

    raise typer.Exit(archiving.verify(repair=repair, as_json=as_json))


@archive.command(epilog="Example: python run.py archive compact")
def compact(
    now: Annotated[
        bool, typer.Option("--now", help="Remove the old files at once; readers may be refused.")
    ] = False,
) -> None:
    """Merges each day into one file. The collector does that by itself, by and by."""
    from commands import archiving  # noqa: PLC0415 - heavy, see above

    raise typer.Exit(archiving.compact(now=now))


@archive.command(epilog="Example: python run.py archive prune --older-than 90d")
def prune(
    older_than: Annotated[str, typer.Option(help="Days that ended so long ago go, such as 90d.")],
    now: Annotated[
        bool, typer.Option("--now", help="Remove the files at once; readers may be refused.")
    ] = False,
) -> None:
    """Takes old days out of the archive; their files are removed ten minutes later."""
    from commands import archiving  # noqa: PLC0415 - heavy, see above

    try:
        age_ms = span_ms(older_than)
    except ValueError as error:
        fail(f"--older-than: {error}", 2)
    raise typer.Exit(archiving.prune(age_ms, now=now))


@archive.command(
    epilog="Example: python run.py archive export --symbol BTCUSDT --from 2026-11-19 --csv day.csv"
)
def export(
    symbol: Symbol,
    start: From,
    end: To = "",
    csv: Annotated[Path | None, typer.Option(help="A CSV in the form of Binance's own.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="A Parquet file.")] = None,
) -> None:
    """Writes a stretch of ticks to a file, exact to the last digit."""
    from commands import archiving  # noqa: PLC0415 - heavy, see above

    target = csv or parquet
    if target is None or (csv and parquet):
        fail("Say --csv FILE or --parquet FILE, one of them.", 2)
    kind = "csv" if csv else "parquet"
    raise typer.Exit(archiving.export(_stretch(symbol, start, end), target, kind))


@archive.command(
    epilog="Example: python run.py archive fetch --symbol BTCUSDT --from 2026-11-19 --to 6h"
)
def fetch(symbol: Symbol, start: From, end: To = "") -> None:
    """Fetches a stretch from Binance, by id; what is there already is left out, so it resumes."""
    from commands import archiving  # noqa: PLC0415 - heavy, see above

    raise typer.Exit(archiving.fetch(_stretch(symbol, start, end)))


@archive.command(
    "import",
    epilog="Example: python run.py archive import BTCUSDT-aggTrades-2026-11-19.zip",
)
def import_(
    files: Annotated[list[Path], typer.Argument(help="Binance's daily aggTrades, zip or CSV.")],
    symbol: Annotated[
        str, typer.Option(help="Where the file's name does not say it, such as spot:BTCUSDT.")
    ] = "",
) -> None:
    """Takes Binance's published files in; what is there already is not doubled."""
    from commands import archiving  # noqa: PLC0415 - heavy, see above

    try:
        name = values.symbols((symbol,))[0] if symbol else None
    except ValueError as error:
        fail(f"--symbol: {error}", 2)
    raise typer.Exit(archiving.import_files(files, name))


@archive.command(
    epilog="Example: python run.py archive plot --symbol BTCUSDT --from 2026-11-19 --out day.png"
)
def plot(
    symbol: Symbol,
    start: From,
    out: Annotated[Path, typer.Option(help="The picture: .png, .svg or .pdf.")],
    end: To = "",
) -> None:
    """Draws price, volume, trade rate and holes."""
    from commands import archiving  # noqa: PLC0415 - heavy, see above

    raise typer.Exit(archiving.plot(_stretch(symbol, start, end), out))
