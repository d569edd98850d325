"""A local Binance: real sockets, websocket streams and REST, and troubles drawn from a seed.

It plays tapes at any speed. What it may do to a client: end the connection, leave frames out,
send them twice, swap neighbours, send garbage, answer 429 with ``Retry-After``, 418, or 500.
"""

import asyncio
import random
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from adapters.clock import SystemClock
from domain.ticks import is_spot
from tests.adapters.binance.tape import FIRST_ID, Tape

WEIGHT, SPOT_WEIGHT = 20, 4
LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Trouble:
    """How likely each trouble is: per frame, per look (50 a second), or per request."""

    drop: float = 0.0
    twice: float = 0.0
    swap: float = 0.0
    garbage: float = 0.0
    disconnect: float = 0.0
    refuse: float = 0.0
    banned_seconds: float = 1.0


@dataclass(slots=True)
class Seen:
    """What clients did."""

    connections: int = 0
    requests: int = 0
    banned: int = 0
    too_early: int = 0
    queries: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]], repr=False)


class Double:
    """Serves tapes on a free port from `__enter__` to `__exit__`.

    ``speed`` is the tape's time over ours; with ``begin`` of the tape's ticks already past. Its
    time begins with the first who listens to a stream, however long a busy machine takes for that.
    ``absent`` are ids it does not have any more, over REST, which is ``behind`` so many ticks.
    ``broken`` are ids whose rows it sends, but not so that they can be understood.
    A stream below ``retired`` connects and brings nothing, as all do while it ``is_silent``.
    """

    def __init__(
        self,
        tapes: Iterable[Tape],
        *,
        speed: float = 1.0,
        begin: int = 0,
        trouble: Trouble | None = None,
        seed: int = 1,
        absent: frozenset[int] = frozenset(),
    ) -> None:
        self.tapes = {tape.ticks.symbol: tape for tape in tapes}
        self.trouble = trouble or Trouble()
        self.seen = Seen()
        self.weight = {"": 0, "spot:": 0}
        self._minute = 0
        self.base_weight = 0
        self.absent = absent
        self.behind = 0
        self.is_silent = False
        self.broken: frozenset[int] = frozenset()
        self._speed = speed
        self._begin = begin
        self._chance = random.Random(seed)  # noqa: S311 - troubles must repeat
        self._clock = SystemClock()
        self._began: float | None = None
        self._banned_until = {"": 0.0, "spot:": 0.0}
        routes = [
            WebSocketRoute("/market/stream", self._usdm_stream),
            WebSocketRoute("/stream", self._spot_stream),
            WebSocketRoute("/retired/stream", self._no_stream),
            Route("/fapi/v1/aggTrades", self._usdm),
            Route("/api/v3/aggTrades", self._spot),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes),
            host="127.0.0.1",
            port=0,
            log_config=None,  # else its handlers stay, and no later test hears what it says
            log_level="critical",
            lifespan="off",
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            self._clock.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(10)

    @property
    def port(self) -> int:
        return int(self._server.servers[0].sockets[0].getsockname()[1])

    @property
    def retired(self) -> str:
        """The root of a stream that is no more, though it connects."""
        return f"ws://127.0.0.1:{self.port}/retired"

    @property
    def settings(self) -> dict[str, str]:
        """The settings that lead a collector here."""
        http, ws = f"http://127.0.0.1:{self.port}", f"ws://127.0.0.1:{self.port}"
        return {
            "BINANCE_WS_URL": f"{ws}/market",
            "BINANCE_HTTP_URL": http,
            "BINANCE_SPOT_WS_URL": ws,
            "BINANCE_SPOT_HTTP_URL": http,
        }

    def reached(self, symbol: str) -> int:
        """How many of a tape's ticks have happened."""
        times = self.tapes[symbol].ticks.timestamp_ms
        first = int(times[min(self._begin, len(times) - 1)])
        passed = 0.0 if self._began is None else self._clock.monotonic() - self._began
        now = first + passed * 1000 * self._speed
        return int(times.searchsorted(now, side="right"))

    @property
    def is_over(self) -> bool:
        return all(self.reached(symbol) == len(tape) for symbol, tape in self.tapes.items())

    # -- streams ------------------------------------------------------------------------------

    async def _usdm_stream(self, socket: WebSocket) -> None:
        await self._stream(socket, "")

    async def _spot_stream(self, socket: WebSocket) -> None:
        await self._stream(socket, "spot:")

    async def _no_stream(self, socket: WebSocket) -> None:
        await self._stream(socket, "nowhere:")

    async def _stream(self, socket: WebSocket, market: str) -> None:
        await socket.accept()
        if self._began is None:
            self._began = self._clock.monotonic()
        self.seen.connections += 1
        names = [x.partition("@")[0].upper() for x in socket.query_params["streams"].split("/")]
        mine = [market + name for name in names if market + name in self.tapes]
        at = {symbol: self.reached(symbol) for symbol in mine}
        try:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                for symbol in mine:
                    end = self.reached(symbol)
                    start = end if self.is_silent else at[symbol]
                    for frame in self._troubled(self.tapes[symbol], start, end):
                        await socket.send_text(frame)
                    at[symbol] = end
                if self._happens(self.trouble.disconnect):
                    await socket.close(1001)
                    return
        except (WebSocketDisconnect, RuntimeError):
            return

    def _troubled(self, tape: Tape, start: int, end: int) -> list[str]:
        frames: list[str] = []
        for at in range(start, end):
            frame = orjson.dumps(tape.frame(at)).decode()
            if self._happens(self.trouble.drop):
                continue
            frames.append(frame)
            if self._happens(self.trouble.twice):
                frames.append(frame)
            if self._happens(self.trouble.garbage):
                frames.append(self._chance.choice(("{", "[]", frame[: len(frame) // 2], "null")))
            if len(frames) > 1 and self._happens(self.trouble.swap):
                frames[-1], frames[-2] = frames[-2], frames[-1]
        return frames

    def _happens(self, chance: float) -> bool:
        return chance > 0 and self._chance.random() < chance

    # -- REST ---------------------------------------------------------------------------------

    async def _usdm(self, request: Request) -> Response:
        return self._answer(request, "", WEIGHT)

    async def _spot(self, request: Request) -> Response:
        return self._answer(request, "spot:", SPOT_WEIGHT)

    def _answer(self, request: Request, market: str, weight: int) -> Response:
        query = dict(request.query_params)
        self.seen.requests += 1
        self.seen.queries.append(query)
        now = self._clock.monotonic()
        if now < self._banned_until[market]:
            self.seen.too_early += 1
        if self._happens(self.trouble.refuse):
            return self._trouble(market)
        if now < self._banned_until[market]:
            return self._ban(418, self._banned_until[market] - now)
        headers = {"X-MBX-USED-WEIGHT-1M": str(self._weigh(market, weight))}
        tape = self.tapes.get(market + query.get("symbol", ""))
        if tape is None or is_spot(tape.ticks.symbol) is not bool(market):
            body: Any = {"code": -1121, "msg": "Invalid symbol."}
            return Response(orjson.dumps(body), 400, headers, "application/json")
        return Response(orjson.dumps(self._rows(tape, query)), 200, headers, "application/json")

    def _weigh(self, market: str, weight: int) -> int:
        """What a market's requests weighed in this minute of the clock."""
        minute = int(self._clock.now().timestamp() // 60)
        if minute != self._minute:
            self._minute, self.weight = minute, dict.fromkeys(self.weight, self.base_weight)
        self.weight[market] += weight
        return self.weight[market]

    def _trouble(self, market: str) -> Response:
        kind = self._chance.choice((429, 418, 500, 200))
        if kind in {429, 418}:
            self.seen.banned += 1
            self.ban(market, self.trouble.banned_seconds)
            return self._ban(kind, self.trouble.banned_seconds)
        return Response(b"<html>oops", kind)

    def ban(self, market: str, seconds: float) -> None:
        """From now on who asks on a market is refused for so long."""
        self._banned_until[market] = self._clock.monotonic() + seconds

    def _ban(self, status: int, seconds: float) -> Response:
        headers = {"Retry-After": str(seconds)}
        return Response(b'{"code":-1003,"msg":"Too many requests."}', status, headers)

    def _rows(self, tape: Tape, query: Mapping[str, str]) -> list[dict[str, Any]]:
        limit, end = int(query.get("limit", "500")), self.reached(tape.ticks.symbol) - self.behind
        if "fromId" in query:
            start = max(0, int(query["fromId"]) - FIRST_ID)
        elif "startTime" in query:
            times = tape.ticks.timestamp_ms
            start = int(times.searchsorted(int(query["startTime"])))
            end = min(end, int(times.searchsorted(int(query["endTime"]), side="right")))
        else:
            start = max(0, end - limit)
        found = (tape.row(at) for at in range(start, end) if at + FIRST_ID not in self.absent)
        return [
            row | {"p": "?"} if row["a"] in self.broken else row
            for _, row in zip(range(limit), found, strict=False)
        ]
