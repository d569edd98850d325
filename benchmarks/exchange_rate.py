"""How many orders a second the paper exchange takes: its engine alone, and its server.

The engine runs in this process, on one core; its floor is the JSON of the same requests and
replies, which any server pays. The server is a process of its own with its account on disk,
driven by a client that costs next to nothing; beside it stands a stub on the same sockets
(uvicorn, starlette, the same frames) that answers every request with one fixed reply and keeps
nothing. Orders in flight together are saved together, so one at a time shows what a save costs.
"""

import itertools
import socket
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from adapters.paper import jsontext, rpc
from adapters.paper.exchange import Exchange
from adapters.paper.server import PaperSettings, serve
from benchmarks import stub_venue
from benchmarks.commit import synced_file
from benchmarks.measuring import Effort, Timings, interleaved
from benchmarks.raw_clients import LOG_IN, HttpClients, WebSocketClient, order, side
from benchmarks.rows import Row
from benchmarks.spawning import spawned

ENGINE_CALLS, SERVER_CALLS = 1500, 25
IN_FLIGHT, CONNECTIONS = 32, 8
_ENTRY_BYTES = 3_000
"""About what an order adds to the account's log."""
_NOON = 1_795_176_000_000
_BALANCES = {"BTC": Decimal(10), "ETH": Decimal(100), "USDC": Decimal(100_000)}


def run(effort: Effort) -> list[Row]:
    """Orders a second: engine, one websocket, HTTP; and one order at a time."""
    return [*_engine(effort), *_server(effort)]


def _engine(effort: Effort) -> list[Row]:
    taking, resting = _Engine(), _Engine()
    actions = {"taking": taking.take, "resting": resting.rest, "json": taking.json}
    taken = interleaved(actions, rounds=effort.rounds, calls=effort.calls(ENGINE_CALLS))
    floor = taken["json"]
    return [
        _rate(
            f"engine in process: {what}",
            taken[name],
            floor,
            against="JSON of the same",
            target=10_000,
        )
        for name, what in (
            ("taking", "market orders, filled"),
            ("resting", "limit orders, every hundred cancelled"),
        )
    ]


class _Engine:
    """An exchange in this process, its market standing still."""

    def __init__(self) -> None:
        self._exchange = Exchange(seed=1, balances=_BALANCES, now_ms=_NOON, rate_limits=False)
        self._session = self._exchange.open_session()
        self._ask("public/auth", LOG_IN)
        self._numbers = itertools.count(1)
        self._text = jsontext.encode({"id": 1, "method": side(1), "params": order(1)})
        self._reply = self._ask(side(1), order(1))
        self._ask(side(2), order(2))

    def _ask(self, method: str, params: dict[str, Any]) -> Any:
        return self._exchange.request(self._session, method, params, _NOON)

    def take(self) -> None:
        number = next(self._numbers)
        self._ask(side(number), order(number))
        if number % 100 == 0:
            self._exchange.advance(_NOON, {})  # the book is laid out anew before it is empty

    def rest(self) -> None:
        number = next(self._numbers)
        if number % 100:
            self._ask("private/buy", order(number) | {"type": "limit", "price": 99_000})
        else:
            self._ask("private/cancel_all", {})

    def json(self) -> None:
        rpc.from_body(self._text)
        rpc.result(1, self._reply, 0, 0)


def _server(effort: Effort) -> list[Row]:
    with ExitStack() as stack:
        ours = stack.enter_context(_exchange(effort.folder / "rate"))
        stub = stack.enter_context(spawned(_serve_stub))
        actions: dict[str, Callable[[], object]] = {
            f"{name} {what}": stack.enter_context(closing(made))
            for name, port in (("ours", ours), ("stub", stub))
            for what, made in (
                ("ws", WebSocketClient(port, IN_FLIGHT)),
                ("http", HttpClients(port, CONNECTIONS)),
                ("one", WebSocketClient(port, 1)),
            )
        }
        actions["disk"] = stack.enter_context(synced_file(effort.folder / "disk", _ENTRY_BYTES))
        calls, rounds = effort.calls(SERVER_CALLS), 2 * effort.rounds if effort.is_full else 1
        taken = interleaved(actions, rounds=rounds, calls=calls)
    stubs = "stub on the same sockets, nothing kept"
    return [
        _rate(
            f"server: market orders on one websocket, {IN_FLIGHT} in flight",
            taken["ours ws"],
            taken["stub ws"],
            each=IN_FLIGHT,
            against=stubs,
            target=1_500,
        ),
        _rate(
            f"server: market orders over HTTP, {CONNECTIONS} connections",
            taken["ours http"],
            taken["stub http"],
            each=CONNECTIONS,
            against=stubs,
            target=600,
        ),
        Row(
            what="server: one market order at a time, sent to reply",
            ours=taken["ours one"].median,
            unit="us",
            against="the stub's reply and one sync of the disk",
            theirs=taken["stub one"].median + taken["disk"].median,
            ratio=taken["ours one"].median / (taken["stub one"].median + taken["disk"].median),
            note="an order is on disk before its reply",
        ),
    ]


def _rate(
    what: str, ours: Timings, floor: Timings, *, against: str, target: int, each: int = 1
) -> Row:
    """Orders a second when ``each`` of them take the time of one call."""
    rate = each * 1_000_000 / ours.median
    return Row(
        what=what,
        ours=rate,
        unit="/s",
        against=against,
        theirs=each * 1_000_000 / floor.median,
        ratio=1 / ours.times(floor),
        target=f">= {target:,}/s".replace(",", " "),
        met=rate >= target,
    )


@contextmanager
def _exchange(folder: Path) -> Generator[int]:
    folder.mkdir(parents=True)
    with spawned(_serve_exchange, folder) as port:
        yield port


def _serve_exchange(ready: Connection, folder: Path) -> None:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    serve(PaperSettings(port=0, folder=folder, rate_limits=False), on_ready=ready.send)


def _serve_stub(ready: Connection) -> None:
    """The exchange's sockets without the exchange."""

    async def http(_: Request) -> Response:
        return Response(stub_venue.reply(b"1"), media_type="application/json")

    async def websocket(line: WebSocket) -> None:
        await line.accept()
        while (await line.receive())["type"] != "websocket.disconnect":
            await line.send_text(stub_venue.reply(b"1").decode())

    routes = [Route("/api/v2/{method:path}", http), WebSocketRoute("/ws/api/v2", websocket)]
    config = uvicorn.Config(
        Starlette(routes=routes),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="websockets-sansio",
        ws_ping_interval=None,
    )
    # Named as TCP, as the exchange does it, or small frames wait for more.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    ready.send(listening.getsockname()[1])
    uvicorn.Server(config).run(sockets=[listening])
