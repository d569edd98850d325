"""The sockets: HTTP GET and POST, and the websocket, as one ASGI application."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from adapters.paper import control, lines, rpc
from adapters.paper.desk import Desk
from adapters.paper.errors import VenueError, refusal
from adapters.paper.faults.fates import Answer, Fate
from adapters.paper.rpc import HttpProof, Request

PREFIX = "/api/v2"
_LONGEST_QUEUE = 2000
PAGE = """<html>
<head><title>{status}</title></head>
<body><center><h1>{status}</h1></center><hr><center>gateway</center></body>
</html>
"""
"""What an edge in front of a venue says of its own."""


class Connection:
    """One websocket's way out: a bounded queue, so that a slow reader holds up nobody."""

    last_seconds = 2.0
    """How long the rest of the queue may take after a hang-up."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._queue: deque[bytes] = deque()
        self._ending: tuple[int, str] | None = None
        self._news = asyncio.Event()
        self._dropped = asyncio.Event()

    def send(self, frame: bytes) -> None:
        """Queues a frame; a reader that is too slow is dropped, with what it did not read."""
        if len(self._queue) >= _LONGEST_QUEUE:
            self._queue.clear()
            self.hang_up(1013, "connection_too_slow")
        if self._ending is None:
            self._queue.append(frame)
            self._news.set()

    def hang_up(self, code: int, reason: str) -> None:
        """Ends the connection once what is queued has been written, or two seconds later."""
        if self._ending is None:
            self._ending = code, reason
            self._news.set()
            # A reader that stands still holds the writer in the middle of a frame.
            asyncio.get_running_loop().call_later(self.last_seconds, self.drop)

    def drop(self) -> None:
        """Ends the connection at once, without a closing handshake."""
        self._dropped.set()

    @property
    def is_dropped(self) -> bool:
        """Whether it ends without the rest of the queue."""
        return self._dropped.is_set()

    async def wait_for_drop(self) -> None:
        """Until the connection is dropped."""
        await self._dropped.wait()

    async def write(self) -> None:
        """Writes what is queued, until hung up."""
        with suppress(RuntimeError):  # the peer has left first, and there is nobody to tell
            while self._queue or self._ending is None:
                if self._queue:
                    await self._socket.send_text(self._queue.popleft().decode())
                else:
                    self._news.clear()
                    await self._news.wait()
            await self._socket.close(*self._ending)


class _Door:
    """The handlers of the application, around one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def _answer(
        self, http: HttpRequest, request: Request, proof: HttpProof | None
    ) -> Response:
        fate = self._desk.fate(request)
        await self._pause(fate.out_ms)
        status, body = self._desk.http(request, proof, fate)
        is_saved = await self._saved()
        await self._pause(fate.back_ms)
        if not is_saved:
            return Response(status_code=500)
        return await _as_fated(http, fate, status, body)

    async def _saved(self) -> bool:
        """Whether what was done up to now is on disk; waits until that is known."""
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._desk.when_saved(partial(_tell, told))
        return await told

    async def _pause(self, ms: float) -> None:
        """What a request or a reply takes on its way."""
        if ms:
            told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            self._desk.courier.send("", ms, partial(_tell, told, True))
            await told

    async def get(self, http: HttpRequest) -> Response:
        """A method in the path, its parameters in the query (or, unusually, in a body)."""
        if http.headers.get("content-length", "0") != "0":
            return await self.post(http)
        request = rpc.from_query(http.path_params["method"], http.url.query)
        return await self._answer(http, request, _proof(http, ""))

    async def post(self, http: HttpRequest) -> Response:
        """A JSON-RPC body, with or without the method in the path."""
        try:
            body = await _body(http)
            request = rpc.from_body(body, http.path_params.get("method"))
        except VenueError as error:
            return _json(400, self._desk.malformed(error))
        except ClientDisconnect:
            return Response(status_code=400)  # it left in the middle: nobody reads this
        return await self._answer(http, request, _proof(http, body))

    async def websocket(self, socket: WebSocket) -> None:
        """One connection from its greeting to its end; a 33rd is refused at the door."""
        status = self._desk.refuses()
        if status is not None:
            await socket.send_denial_response(Response("no connection now", status))
            return
        await socket.accept()
        connection = Connection(socket)
        session = self._desk.connect(connection)
        reading = _read(socket, lambda text: self._desk.frame(session, text))
        try:
            await _until_one_ends(reading, connection.write(), connection.wait_for_drop())
        finally:
            self._desk.disconnect(session)
            # One that is only closed would stay until its reader has taken what is under way.
            (lines.break_off if connection.is_dropped else lines.forget)(socket.client)


def application(desk: Desk) -> Starlette:
    """The application around one desk."""
    door = _Door(desk)
    return Starlette(
        routes=[
            Route(PREFIX + "/{method:path}", door.get, methods=["GET"]),
            Route(PREFIX + "/{method:path}", door.post, methods=["POST"]),
            Route(PREFIX, door.post, methods=["POST", "GET"]),
            WebSocketRoute("/ws" + PREFIX, door.websocket),
            *control.routes(desk),
        ]
    )


def _tell(told: asyncio.Future[bool], is_saved: bool) -> None:
    if not told.done():  # the client may have left, and its request with it
        told.set_result(is_saved)


async def _as_fated(http: HttpRequest, fate: Fate, status: int, body: bytes) -> Response:
    """The reply as it leaves: whole unless a fault had it otherwise."""
    match fate.answer:
        case Answer.PAGE:
            return HTMLResponse(PAGE.format(status=fate.status), fate.status)
        case Answer.NOTHING:
            while (await http.receive())["type"] != "http.disconnect":
                pass
            return Response()  # to nobody
        case Answer.BREAK:
            lines.break_off(http.client)
            return Response()  # to nobody
        case _:
            return _json(status, fate.spoiled(body))


async def _read(socket: WebSocket, handle: Callable[[str | bytes], None]) -> None:
    """Reads frames until the other side leaves."""
    while (message := await socket.receive())["type"] != "websocket.disconnect":
        handle(message.get("text") or message.get("bytes") or "")


async def _until_one_ends(*ways: Coroutine[None, None, None]) -> None:
    """Runs the ways of a connection until one ends; a peer that left is no error."""
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception) and not isinstance(end, WebSocketDisconnect):
            raise end


async def _body(http: HttpRequest) -> str:
    """The text of a POST.

    Raises:
        VenueError: 13018 another content type, -32600 too large, 11050 not UTF-8.
    """
    if not http.headers.get("content-type", "application/json").startswith("application/json"):
        raise refusal(13018)
    body = bytearray()
    async for chunk in http.stream():
        body += chunk
        if len(body) > rpc.LARGEST_BODY:
            raise rpc.too_large()
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise refusal(11050, data="invalid json") from None


def _proof(http: HttpRequest, body: str) -> HttpProof | None:
    header = http.headers.get("authorization")
    if header is None:
        return None
    path = http.scope["raw_path"].decode("latin-1")
    query = http.scope["query_string"].decode("latin-1")
    uri = f"{path}?{query}" if query else path
    return HttpProof(header=header, verb=http.method, uri=uri, body=body)


def _json(status: int, body: bytes) -> Response:
    headers = {"cache-control": "no-store"}
    return Response(body, status, media_type="application/json", headers=headers)
