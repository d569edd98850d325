"""The sockets: HTTP GET and POST, and the websocket, as one ASGI application."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from adapters.paper import rpc
from adapters.paper.desk import Desk
from adapters.paper.errors import AccountNotSaved, VenueError, refusal
from adapters.paper.rpc import HttpProof, Request
from adapters.paper.sessions import SessionState

PREFIX = "/api/v2"
_LONGEST_QUEUE = 2000


class Connection:
    """One websocket's way out: a bounded queue, so that a slow reader holds up nobody."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._queue: deque[bytes] = deque()
        self._ending: tuple[int, str] | None = None
        self._news = asyncio.Event()

    def send(self, frame: bytes) -> None:
        """Queues a frame; a reader that is too slow is dropped."""
        if len(self._queue) >= _LONGEST_QUEUE:
            self.hang_up(1013, "connection_too_slow")
        if self._ending is None:
            self._queue.append(frame)
            self._news.set()

    def hang_up(self, code: int, reason: str) -> None:
        """Ends the connection once what is queued has been written."""
        if self._ending is None:
            self._ending = code, reason
            self._news.set()

    async def write(self) -> None:
        """Writes what is queued, until hung up."""
        while self._queue or self._ending is None:
            if self._queue:
                await self._socket.send_text(self._queue.popleft().decode())
            else:
                self._news.clear()
                await self._news.wait()
        with suppress(RuntimeError):  # the peer has left first, and there is nobody to close on
            await self._socket.close(*self._ending)


class _Door:
    """The handlers of the application, around one desk."""

    def __init__(self, desk: Desk, on_disk_failure: Callable[[AccountNotSaved], None]) -> None:
        self._desk = desk
        self._on_disk_failure = on_disk_failure

    def _answer(self, request: Request, proof: HttpProof | None) -> Response:
        try:
            status, body = self._desk.http(request, proof)
        except AccountNotSaved as error:
            self._on_disk_failure(error)
            return Response(status_code=500)
        return _json(status, body)

    async def get(self, http: HttpRequest) -> Response:
        """A method in the path, its parameters in the query."""
        request = rpc.from_query(http.path_params["method"], http.url.query)
        return self._answer(request, _proof(http, ""))

    async def post(self, http: HttpRequest) -> Response:
        """A JSON-RPC body, with or without the method in the path."""
        try:
            body = await _body(http)
            request = rpc.from_body(body, http.path_params.get("method"))
        except VenueError as error:
            return _json(400, self._desk.malformed(error))
        return self._answer(request, _proof(http, body))

    async def websocket(self, socket: WebSocket) -> None:
        """One connection from its greeting to its end."""
        await socket.accept()
        connection = Connection(socket)
        session = self._desk.connect(connection)
        try:
            await self._talk(socket, connection, session)
        except AccountNotSaved as error:
            self._on_disk_failure(error)

    async def _talk(self, socket: WebSocket, connection: Connection, session: SessionState) -> None:
        reading = _read(socket, lambda text: self._desk.frame(session, text))
        try:
            await _until_either(reading, connection.write())
        finally:
            self._desk.disconnect(session)


def application(desk: Desk, on_disk_failure: Callable[[AccountNotSaved], None]) -> Starlette:
    """The application; a disk that refuses the account is reported, and nobody gets an answer."""
    door = _Door(desk, on_disk_failure)
    return Starlette(
        routes=[
            Route(PREFIX + "/{method:path}", door.get, methods=["GET"]),
            Route(PREFIX + "/{method:path}", door.post, methods=["POST"]),
            Route(PREFIX, door.post, methods=["POST"]),
            WebSocketRoute("/ws" + PREFIX, door.websocket),
        ]
    )


async def _read(socket: WebSocket, handle: Callable[[str | bytes], None]) -> None:
    """Reads frames until the other side leaves."""
    while (message := await socket.receive())["type"] != "websocket.disconnect":
        handle(message.get("text") or message.get("bytes") or "")


async def _until_either(*ways: Coroutine[None, None, None]) -> None:
    """Runs both ways of a connection until one ends; a peer that left is no error.

    Raises:
        AccountNotSaved: nobody may be answered any more.
    """
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
        VenueError: 13018 another content type, 11050 not UTF-8.
    """
    if not http.headers.get("content-type", "application/json").startswith("application/json"):
        raise refusal(13018)
    try:
        return (await http.body()).decode()
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
