"""Unmodified ccxt trades on the paper exchange over HTTP: only the address differs.

Every private call is signed (``deri-hmac-sha256``) and everything goes as GET with a query.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.paper.serving import running

ccxt: Any = pytest.importorskip("ccxt")
INVERSE, LINEAR = "BTC/USD:BTC", "ETH/USDC:USDC"
SYMBOLS = {INVERSE: 100, LINEAR: 0.5}
MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with running(Path(tmp_path_factory.mktemp("ccxt")), rate_limits=False) as started:
        made = ccxt.deribit({"apiKey": "paper", "secret": "paper", "enableRateLimit": False})
        made.urls["api"] = {"rest": f"http://127.0.0.1:{started.port}"}
        made.load_markets()
        yield made
        made.session.close()


@pytest.fixture(params=SYMBOLS, name="symbol")
def clean_symbol(client: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    """A symbol without orders or position, before and after."""
    symbol = request.param
    yield symbol
    client.cancel_all_orders(symbol)
    for held in client.fetch_positions([symbol]):
        if held["contracts"]:
            terms = {"instrument_name": client.market_id(symbol), "type": "market"}
            client.private_get_close_position(terms)


def _bid(client: Any, symbol: str) -> float:
    return client.fetch_ticker(symbol)["bid"]


def _away(client: Any, symbol: str, percent: float) -> float:
    """A price so far from the bid, on the tick."""
    return float(client.price_to_precision(symbol, _bid(client, symbol) * (1 + percent / 100)))


def test_markets(client: Any) -> None:
    """The four perpetuals with their units: contract size, ticks, what they settle in."""
    markets = client.load_markets(reload=True)
    assert set(markets) == {INVERSE, LINEAR, "ETH/USD:ETH", "BTC/USDC:USDC"}
    shown = {name: markets[INVERSE][name] for name in ("contractSize", "inverse", "settle", "swap")}
    assert shown == {"contractSize": 10, "inverse": True, "settle": "BTC", "swap": True}
    assert markets[LINEAR]["linear"]
    assert markets[LINEAR]["precision"] == {"amount": 0.001, "price": 0.05}
    assert {"BTC", "ETH", "USDC"} <= set(client.fetch_currencies())


def test_status_and_time(client: Any) -> None:
    """It is up, and its clock is this machine's."""
    assert client.fetch_status()["status"] == "ok"
    assert abs(client.fetch_time() - client.milliseconds()) < MINUTE_MS


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_prices(client: Any, symbol: str) -> None:
    """Ticker, tickers by currency, book and open interest agree with one another."""
    ticker = client.fetch_ticker(symbol)
    assert ticker["bid"] < ticker["ask"]
    book = client.fetch_order_book(symbol, 5)
    assert len(book["bids"]) == len(book["asks"]) == 5
    assert book["bids"][0][0] < book["asks"][0][0]
    code = client.market(symbol)["settle"]
    assert symbol in client.fetch_tickers(params={"code": code})
    assert client.fetch_open_interest(symbol)["openInterestValue"] > 0


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_trades_and_candles(client: Any, symbol: str) -> None:
    """Public trades, with and without a time to start from, and candles of any length."""
    start = client.milliseconds() - 10 * MINUTE_MS
    latest = client.fetch_trades(symbol)
    assert latest
    assert {each["id"] for each in client.fetch_trades(symbol, start, 100)} >= {latest[0]["id"]}
    (minute, *_) = client.fetch_ohlcv(symbol, "1m", start, 20)
    assert minute[3] <= minute[4] <= minute[2]
    assert len(client.fetch_ohlcv(symbol, "1d")) == 1


def test_funding(client: Any) -> None:
    """Rate and history."""
    assert client.fetch_funding_rate(INVERSE)["symbol"] == INVERSE
    assert client.fetch_funding_rate_history(INVERSE) == []


def test_balances_and_accounts(client: Any) -> None:
    """One account with three currencies."""
    balance = client.fetch_balance()
    assert balance["BTC"]["total"] > 9
    assert balance["USDC"]["free"] > 90_000
    assert client.fetch_balance({"code": "ETH"})["ETH"]["total"] == 100
    assert client.fetch_accounts()[0]["id"] == "1000"
    assert client.fetch_deposits("BTC") == client.fetch_withdrawals("BTC") == []


def test_a_limit_order_from_placing_to_cancelling(client: Any, symbol: str) -> None:
    """Placed, edited, found by id and among the open ones, cancelled, kept as closed."""
    amount, price = SYMBOLS[symbol], _away(client, symbol, -1)
    placed = client.create_order(symbol, "limit", "buy", amount, price, {"label": "mine"})
    assert (placed["status"], placed["price"], placed["amount"]) == ("open", price, amount)
    lower = _away(client, symbol, -1.2)
    edited = client.edit_order(placed["id"], symbol, "limit", "buy", amount * 2, lower)
    assert (edited["id"], edited["amount"], edited["price"]) == (placed["id"], amount * 2, lower)
    assert client.fetch_order(placed["id"], symbol)["info"]["label"] == "mine"
    assert [each["id"] for each in client.fetch_open_orders(symbol)] == [placed["id"]]
    assert client.cancel_order(placed["id"], symbol)["status"] == "canceled"
    assert client.fetch_open_orders(symbol) == []
    unfilled = {"include_unfilled": True}
    assert placed["id"] in {
        each["id"] for each in client.fetch_closed_orders(symbol, params=unfilled)
    }


def test_a_market_order_and_its_trades(client: Any, symbol: str) -> None:
    """Filled at once: the position, my trades, the order's trades and the closed order agree."""
    amount, start = SYMBOLS[symbol], client.milliseconds() - MINUTE_MS
    order = client.create_order(symbol, "market", "buy", amount)
    assert (order["status"], order["filled"]) == ("closed", amount)
    (held,) = client.fetch_positions([symbol])
    assert (held["side"], held["contracts"]) == ("long", amount)
    assert client.fetch_position(symbol)["entryPrice"] == pytest.approx(order["average"])
    trades = client.fetch_order_trades(order["id"], symbol)
    assert sum(each["amount"] for each in trades) == pytest.approx(amount)
    for mine in (client.fetch_my_trades(symbol), client.fetch_my_trades(symbol, start, 100)):
        assert {each["id"] for each in trades} <= {each["id"] for each in mine}
    assert order["id"] in {each["id"] for each in client.fetch_closed_orders(symbol)}


# Type, price as percent off the bid (and so every number in the terms), and the state it has then:
# a trailing distance of a hundredth of the price is 99 percent below it.
SELLS: dict[str, tuple[str, float | None, dict[str, Any], str]] = {
    "post only": ("limit", 1, {"postOnly": True}, "open"),
    "post only as a time in force": ("limit", 1, {"timeInForce": "PO"}, "open"),
    "reduce only": ("limit", 1, {"reduceOnly": True}, "open"),
    "fill or kill": ("limit", 1, {"timeInForce": "FOK"}, "cancelled"),
    "immediate or cancel": ("limit", -0.2, {"timeInForce": "IOC"}, "filled"),
    "stop": ("market", None, {"stopLossPrice": -1, "reduceOnly": True}, "untriggered"),
    "stop on the mark": (
        "market",
        None,
        {"stopLossPrice": -1, "trigger": "mark_price"},
        "untriggered",
    ),
    "stop with a limit": ("limit", -1.2, {"stopLossPrice": -1}, "untriggered"),
    "take": ("market", None, {"takeProfitPrice": 1, "reduceOnly": True}, "untriggered"),
    "take with a limit": ("limit", 1, {"takeProfitPrice": 1}, "untriggered"),
    "trailing": ("market", None, {"trailingAmount": -99, "reduceOnly": True}, "untriggered"),
    "close": ("market", None, {"reduceOnly": True}, "filled"),
}


@pytest.mark.parametrize("name", SELLS)
def test_every_kind_of_order(client: Any, symbol: str, name: str) -> None:
    """Limit, stop, take and trailing orders in the words ccxt has for them."""
    kind, away, terms, state = SELLS[name]
    client.create_order(symbol, "market", "buy", SYMBOLS[symbol])
    prices = {
        key: _away(client, symbol, value) if type(value) is int else value
        for key, value in terms.items()
    }
    price = None if away is None else _away(client, symbol, away)
    order = client.create_order(symbol, kind, "sell", SYMBOLS[symbol], price, prices)
    assert order["info"]["order_state"] == state
    listed = order["id"] in {each["id"] for each in client.fetch_open_orders(symbol)}
    assert listed is (state in {"open", "untriggered"})


def test_closing_a_position(client: Any, symbol: str) -> None:
    """Whole, by the venue's own method; afterwards it is flat."""
    client.create_order(symbol, "market", "buy", SYMBOLS[symbol])
    terms = {"instrument_name": client.market_id(symbol), "type": "market"}
    closed = client.private_get_close_position(terms)["result"]["order"]
    assert (closed["direction"], closed["reduce_only"]) == ("sell", True)
    assert client.fetch_position(symbol)["contracts"] == 0


def test_cancelling_all(client: Any, symbol: str) -> None:
    """All of a symbol, triggers too; then all there are."""
    price = _away(client, symbol, -1)
    client.create_order(symbol, "limit", "buy", SYMBOLS[symbol], price)
    client.create_order(symbol, "market", "sell", SYMBOLS[symbol], None, {"stopLossPrice": price})
    client.cancel_all_orders(symbol)
    assert client.fetch_open_orders(symbol) == []
    client.create_order(symbol, "limit", "buy", SYMBOLS[symbol], price)
    client.cancel_all_orders()
    assert client.fetch_open_orders(symbol) == []


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        (("market", "buy", 10**9), "InsufficientFunds"),
        (("limit", "buy", 10, 1_000_000), "InvalidOrder"),
        (("limit", "sell", 10, 1, {"postOnly": True}), "InvalidOrder"),
    ],
)
def test_refusals_reach_it_as_its_own_errors(
    client: Any, terms: tuple[Any, ...], error: str
) -> None:
    """The codes are the venue's, so ccxt maps them."""
    with pytest.raises(getattr(ccxt, error)):
        client.create_order(INVERSE, *terms)


def test_an_order_nobody_knows(client: Any) -> None:
    """10004 is OrderNotFound."""
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order("80000099999", INVERSE)


def test_the_example_of_the_documentation(client: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The five lines run as they stand; only the port is another."""
    text = (Path(__file__).parents[3] / "docs/paper-exchange.md").read_text("utf-8")
    example = text.partition("```python\n")[2].partition("```")[0]
    assert len([line for line in example.splitlines() if line]) == 4
    port = client.urls["api"]["rest"].rpartition(":")[2]
    names: dict[str, Any] = {}
    exec(example.replace("8581", port), names)  # noqa: S102 - our own documentation
    names["venue"].session.close()
    assert float(capsys.readouterr().out) > 0
    client.private_get_close_position({"instrument_name": "BTC-PERPETUAL", "type": "market"})


def test_a_wrong_secret(client: Any) -> None:
    """13004 is AuthenticationError."""
    stranger = ccxt.deribit({"apiKey": "paper", "secret": "wrong", "enableRateLimit": False})
    stranger.urls["api"] = client.urls["api"]
    try:
        with pytest.raises(ccxt.AuthenticationError):
            stranger.fetch_balance()
    finally:
        stranger.session.close()
