"""The table at the terminal, and a new account beside the old one."""

import io
from pathlib import Path
from typing import Any

import pytest
import requests
from rich.console import Console

from adapters.paper.server import PaperServer, PaperSettings
from adapters.paper.status import StatusScreen
from tests.adapters.paper.harness import INVERSE, Bench
from tests.adapters.paper.serving import running

BASIC = ("paper", "paper")


def test_the_table_shows_prices_positions_orders_and_money() -> None:
    """One row an instrument, the equity and the connections below."""
    bench = Bench()
    bench.buy(100)
    bench.buy(10, price=99_000)
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100)
    screen = StatusScreen(bench.exchange, "paper exchange at 1", console)
    screen.draw(3)
    screen.close()
    text = out.getvalue()
    row = next(line for line in text.splitlines() if INVERSE in line)
    assert "100" in row
    assert "100,000" in row or "99,999" in row
    assert all(word in text for word in ("paper exchange at 1", "USDC 1,000,000.00", "connected 3"))


def test_a_reset_keeps_the_old_account_aside(tmp_path: Path) -> None:
    """Under the date; with nothing there yet it is no more than a start."""
    order = {"instrument_name": INVERSE, "amount": "10", "price": "50000"}
    with running(tmp_path, reset=True) as started:
        requests.get(f"{started.http}/private/buy", order, auth=BASIC, timeout=5)
    assert list(tmp_path.glob("account-*")) == []
    with running(tmp_path, reset=True, status=True) as started:
        url = f"{started.http}/private/get_open_orders"
        assert requests.get(url, auth=BASIC, timeout=5).json()["result"] == []
    (aside,) = tmp_path.glob("account-*Z")
    with running(aside) as started:
        url = f"{started.http}/private/get_open_orders"
        (kept,) = requests.get(url, auth=BASIC, timeout=5).json()["result"]
        assert kept["price"] == 50_000


def test_a_reset_that_cannot_begin_leaves_the_account_where_it_is(tmp_path: Path) -> None:
    """A feed that is no feed, a port that is taken: the next start without it goes on."""
    with running(tmp_path) as started:
        taken: dict[str, Any] = {"port": started.port, "folder": tmp_path / "other"}
        with running(tmp_path / "other"):
            pass
        with pytest.raises(OSError, match="is in use"):
            PaperServer(PaperSettings(reset=True, **taken))
    typo: dict[str, Any] = {"port": 0, "folder": tmp_path, "feed": "replay:/nowhere/ticks"}
    with pytest.raises(ValueError, match="/nowhere/ticks"):
        PaperServer(PaperSettings(reset=True, **typo))
    assert not list(tmp_path.rglob("account-*"))
    assert len(list(tmp_path.rglob("account.log"))) == 2
