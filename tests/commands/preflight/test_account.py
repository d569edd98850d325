"""What preflight reads of the account, from a venue over real sockets."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import pytest
import requests

from adapters.clock import SystemClock
from commands.preflight.account import check
from commands.preflight.checks import Result, Verdict
from config.settings import load
from tests.adapters.paper.serving import Running, running

LOG_IN = ("paper", "paper")
BALANCES = {"BTC": Decimal(2), "ETH": Decimal(100), "USDC": Decimal(1_000_000)}


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "venue", balances=BALANCES) as server:
        yield server


def checked(venue: Running, folder: Path, **environ: str) -> Mapping[str, Result]:
    """The checks of the account there, by name; the paper exchange stands for Deribit."""
    given = {
        "DERIBIT_ENV": "testnet",
        "DERIBIT_HTTP_URL": venue.http,
        "DERIBIT_CLIENT_ID": "paper",
        "DERIBIT_CLIENT_SECRET": "paper",
        "INSTRUMENTS": "BTC-PERPETUAL",
        "INITIAL_EQUITY": "200000",
        "DATA_DIR": str(folder / "data"),
    }
    found = check(load(Path("/nonexistent/.env"), {**given, **environ}), SystemClock())
    return {each.check: each for each in found}


def ask(venue: Running, method: str, **params: object) -> None:
    """A person at the venue's own interface."""
    url = f"{venue.http}/private/{method}"
    given = {name: str(value) for name, value in params.items()}
    assert requests.get(url, params=given, auth=LOG_IN, timeout=5).status_code == 200


def test_an_account_of_its_own_is_green(venue: Running, tmp_path: Path) -> None:
    """Of the equity that counts which is traded with, as Risk counts it."""
    found = checked(venue, tmp_path)
    assert {name for name, x in found.items() if x.verdict is not Verdict.GREEN} == set()
    skew, equity = found["clock"].found.split()[0], found["equity"].found.split()[0]
    assert abs(float(skew)) < 500
    index = requests.get(
        f"{venue.http}/public/ticker", params={"instrument_name": "BTC-PERPETUAL"}, timeout=5
    ).json()["result"]["index_price"]
    assert float(equity) == pytest.approx(2 * index, rel=0.05)


def test_what_is_not_ours_is_found(venue: Running, tmp_path: Path) -> None:
    """A position, an order that waits for its trigger, a name that is not listed, a switch."""
    stop = {"trigger": "mark_price", "trigger_price": 50_000, "reduce_only": "true"}
    ask(venue, "buy", instrument_name="BTC-PERPETUAL", amount=100, type="market")
    ask(venue, "sell", instrument_name="BTC-PERPETUAL", amount=100, type="stop_market", **stop)
    ask(venue, "enable_cancel_on_disconnect", scope="account")
    found = checked(venue, tmp_path, INSTRUMENTS="BTC-PERPETUAL,XYZ-PERPETUAL")
    reds = {name for name, x in found.items() if x.verdict is Verdict.RED}
    assert reds == {"instruments", "cancel on disconnect", "foreign orders and positions"}
    foreign = found["foreign orders and positions"].found
    assert "+10 contracts of BTC-PERPETUAL" in foreign
    assert "stop_market order " in foreign
    assert "XYZ-PERPETUAL" in found["instruments"].found


def test_keys_the_venue_refuses_leave_the_rest_unknown(venue: Running, tmp_path: Path) -> None:
    """Red with the environment they must be of; nothing else is called green."""
    found = checked(venue, tmp_path, DERIBIT_CLIENT_SECRET="another-canary")
    key = found.pop("key")
    assert key.verdict is Verdict.RED
    assert "they must be of testnet" in key.fix
    assert "canary" not in repr(key)
    assert {x.verdict for x in found.values()} == {Verdict.SKIPPED}
