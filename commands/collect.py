"""`run.py collect`: the collector, as a process of its own.

What does the work is imported when it runs: DuckDB and numpy cost a tenth of a second and
50 MiB, which the bot and the other commands do not pay.
"""

from typing import Annotated

import typer

from actors.kernel import ExitCode
from commands.common import fail, read_settings
from config import values


def collect(
    symbol: Annotated[
        list[str] | None,
        typer.Option(help="A symbol, such as BTCUSDT or spot:BTCUSDT. Repeatable."),
    ] = None,
    duration: Annotated[
        float, typer.Option(min=0, help="End after so many seconds; 0 runs until stopped.")
    ] = 0.0,
    positioning: Annotated[
        bool, typer.Option(help="Archive Deribit's open interest, funding and prices as well.")
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON, for programs.")
    ] = False,
) -> None:
    """Archives ticks without holes, and positioning each minute, until it is stopped."""
    from commands.collecting import Wish, run_collector  # noqa: PLC0415 - heavy, see above

    settings = read_settings()
    try:
        symbols = values.symbols(tuple(symbol)) if symbol else settings.collect_symbols
    except ValueError as error:
        fail(f"--symbol: {error}", ExitCode.SETTINGS_INVALID)
    wish = Wish(symbols=symbols, duration=duration, positioning=positioning, as_json=as_json)
    raise typer.Exit(run_collector(settings, wish))
