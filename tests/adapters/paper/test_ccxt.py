"""Unmodified ccxt trades on the paper exchange: only the address differs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.paper.serving import running

ccxt: Any = pytest.importorskip("ccxt")
SYMBOL = "BTC/USD:BTC"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with running(Path(tmp_path_factory.mktemp("ccxt")), rate_limits=False) as started:
        made = ccxt.deribit({"apiKey": "paper", "secret": "paper", "enableRateLimit": False})
        made.urls["api"] = {"rest": f"http://127.0.0.1:{started.port}"}
        yield made
        made.session.close()


def test_markets_and_prices(client: Any) -> None:
    """It lists the four perpetuals, with a ticker, a book and candles."""
    assert {"BTC/USD:BTC", "ETH/USDC:USDC"} <= set(client.load_markets())
    ticker = client.fetch_ticker(SYMBOL)
    assert ticker["bid"] < ticker["ask"]
    assert client.fetch_order_book(SYMBOL)["asks"]
    assert client.fetch_status()["status"] == "ok"
    assert client.fetch_time() > 0
    assert client.fetch_funding_rate(SYMBOL)["symbol"] == SYMBOL


def test_orders_positions_and_money(client: Any) -> None:
    """Limit, market and stop orders, cancels, fills, positions and balances."""
    bid = client.fetch_ticker(SYMBOL)["bid"]
    resting = client.create_order(SYMBOL, "limit", "buy", 50, round(bid * 0.99))
    assert resting["status"] == "open"
    assert client.cancel_order(resting["id"])["status"] == "canceled"
    assert client.create_order(SYMBOL, "market", "buy", 100)["status"] == "closed"
    (held,) = client.fetch_positions([SYMBOL])
    assert (held["side"], held["contracts"]) == ("long", 100)
    terms = {"stopLossPrice": round(bid * 0.99), "reduceOnly": True}
    stop = client.create_order(SYMBOL, "market", "sell", 100, None, terms)
    assert stop["id"] in {order["id"] for order in client.fetch_open_orders(SYMBOL)}
    client.cancel_all_orders(SYMBOL)
    assert client.fetch_open_orders(SYMBOL) == []
    assert client.fetch_my_trades(SYMBOL)[0]["amount"] == 100
    assert client.fetch_balance()["BTC"]["total"] > 9


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        (("market", "buy", 10**9), "InsufficientFunds"),
        (("limit", "buy", 10, 1_000_000), "InvalidOrder"),
    ],
)
def test_refusals_reach_it_as_its_own_errors(
    client: Any, terms: tuple[Any, ...], error: str
) -> None:
    """The codes are the venue's, so ccxt maps them."""
    with pytest.raises(getattr(ccxt, error)):
        client.create_order(SYMBOL, *terms)
