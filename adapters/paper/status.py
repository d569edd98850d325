"""What a person at the terminal sees of a running exchange: one small table."""

from decimal import Decimal

from rich.console import Console
from rich.live import Live
from rich.table import Table

from adapters.paper.exchange import Exchange

_PLACES = {"USDC": 2}


def table(exchange: Exchange, title: str, clients: int) -> Table:
    """Prices, positions and orders by instrument; below, the equity in each currency."""
    shown = Table(title=title, title_justify="left")
    shown.add_column("instrument")
    for name in ("index", "mark", "position", "orders"):
        shown.add_column(name, justify="right")
    for row in exchange.overview():
        shown.add_row(
            row.instrument,
            f"{row.index:,.2f}",
            f"{row.mark:,.2f}",
            f"{row.position:f}",
            str(row.orders),
        )
    equities = exchange.equities().items()
    money = "  ".join(f"{code} {_rounded(code, value)}" for code, value in equities)
    shown.caption = f"equity {money}\nconnected {clients}"
    return shown


def _rounded(currency: str, value: Decimal) -> str:
    return f"{value:,.{_PLACES.get(currency, 6)}f}"


class StatusScreen:
    """The table on a terminal, redrawn where it stands. ``title`` says where the exchange is."""

    def __init__(self, exchange: Exchange, title: str, console: Console) -> None:
        self._exchange = exchange
        self._title = title
        self._live = Live(
            console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._live.start()

    def draw(self, clients: int) -> None:
        """Shows how things stand now."""
        self._live.update(table(self._exchange, self._title, clients), refresh=True)

    def close(self) -> None:
        """Leaves the last table standing."""
        self._live.stop()
