"""Unmodified ccxt pro on the paper exchange: its websocket beside its HTTP, only the address
differs.

It logs in by ``client_signature`` without a scope, subscribes without a token, never sets a
heartbeat, and would not answer one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.paper.serving import Running, running

pro: Any = pytest.importorskip("ccxt.pro")
INVERSE, LINEAR = "BTC/USD:BTC", "ETH/USDC:USDC"
# ccxt asks aiohttp for something that newer Pythons do by themselves, and aiohttp says so.
pytestmark = pytest.mark.filterwarnings("ignore:enable_cleanup_closed:DeprecationWarning")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(Path(tmp_path_factory.mktemp("pro")), rate_limits=False) as started:
        yield started


def _played(server: Running, script: Callable[[Any], Awaitable[None]]) -> None:
    async def play() -> None:
        client = pro.deribit({"apiKey": "paper", "secret": "paper", "enableRateLimit": False})
        client.urls["api"] = {"rest": f"http://127.0.0.1:{server.port}", "ws": server.ws}
        try:
            await asyncio.wait_for(script(client), 20)
        finally:
            await client.close()

    asyncio.run(play())


@pytest.fixture
def play(server: Running) -> Callable[..., None]:
    """Runs a script with a client of its own."""
    return lambda script: _played(server, script)


def test_market_streams(play: Callable[..., None]) -> None:
    """Ticker, quotes, trades and candles of both kinds of perpetual."""

    async def script(client: Any) -> None:
        for symbol in (INVERSE, LINEAR):
            ticker = await client.watch_ticker(symbol)
            assert ticker["bid"] < ticker["ask"]
            assert symbol in await client.watch_tickers([symbol])
            assert symbol in await client.watch_bids_asks([symbol])
            assert (await client.watch_trades(symbol))[0]["symbol"] == symbol
            (*_, candle) = await client.watch_ohlcv(symbol, "1m")
            assert candle[3] <= candle[4] <= candle[2]

    play(script)


def test_a_book_kept_from_its_changes(play: Callable[..., None]) -> None:
    """After a run of changes it is ordered, uncrossed, and as deep as the first snapshot."""

    async def script(client: Any) -> None:
        for _ in range(8):
            book = await client.watch_order_book(INVERSE)
            bids, asks = ([row[0] for row in book[side]] for side in ("bids", "asks"))
            assert bids == sorted(bids, reverse=True)
            assert asks == sorted(asks)
            assert bids[0] < asks[0]
            assert (len(bids), len(asks)) == (24, 24)

    play(script)


def test_raw_streams_log_in_first(play: Callable[..., None]) -> None:
    """Raw market data is for those who are logged in."""

    async def script(client: Any) -> None:
        book = await client.watch_order_book(INVERSE, params={"interval": "raw"})
        assert book["bids"]

    play(script)


def test_many_symbols_at_once(play: Callable[..., None]) -> None:
    """One subscription for several symbols."""

    async def script(client: Any) -> None:
        both = [INVERSE, LINEAR]
        assert (await client.watch_order_book_for_symbols(both))["symbol"] in both
        assert (await client.watch_trades_for_symbols(both))[0]["symbol"] in both
        assert await client.watch_ohlcv_for_symbols([[INVERSE, "1m"], [LINEAR, "5m"]])

    play(script)


async def _started(client: Any, *watches: Any) -> list[asyncio.Task[Any]]:
    """Watches that the venue has heard of before anything happens."""
    await client.authenticate()
    tasks = [asyncio.create_task(each) for each in watches]
    await asyncio.sleep(0.1)
    # Over the same line, so what was asked for before it has been taken when it comes.
    await client.watch_ticker(INVERSE)
    return tasks


def test_own_orders_and_trades(play: Callable[..., None]) -> None:
    """A fill is heard as an order and as trades; a stop is heard as an open order."""

    async def script(client: Any) -> None:
        await client.load_markets()
        watches = await _started(client, client.watch_orders(), client.watch_my_trades())
        placed = await client.create_order(INVERSE, "market", "buy", 100)
        (order,), (trade, *_) = await asyncio.gather(*watches)
        assert (order["id"], order["status"], order["filled"]) == (placed["id"], "closed", 100)
        assert trade["order"] == placed["id"]
        (watch,) = await _started(client, client.watch_orders(INVERSE))
        terms = {"stopLossPrice": round(trade["price"] * 0.99), "reduceOnly": True}
        stop = await client.create_order(INVERSE, "market", "sell", 100, None, terms)
        assert stop["id"] in {each["id"] for each in await watch}
        (watch,) = await _started(client, client.watch_orders(INVERSE))
        await client.cancel_order(stop["id"], INVERSE)
        assert "canceled" in {each["status"] for each in await watch}
        await client.create_order(INVERSE, "market", "sell", 100, None, {"reduceOnly": True})
        assert (await client.fetch_positions([INVERSE]))[0]["contracts"] == 0

    play(script)


def test_balances(play: Callable[..., None]) -> None:
    """Each currency is told on subscribing, and again when something happens in it."""

    async def script(client: Any) -> None:
        await client.load_markets()
        await asyncio.gather(*await _started(client, client.watch_balance()))
        await asyncio.sleep(0.1)  # the first frames of all three currencies are in
        (watch,) = await _started(client, client.watch_balance())
        await client.create_order(LINEAR, "market", "buy", 0.01)
        heard = await watch
        # This client files each currency's balance under its code, whole.
        free = {code: heard[code][code]["free"] for code in ("BTC", "ETH", "USDC")}
        assert 9 < free["BTC"] < 11  # another test's position may earn a little meanwhile
        assert free["ETH"] == 100
        assert 90_000 < free["USDC"] < 100_000

    play(script)
