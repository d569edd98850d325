"""The sockets: HTTP GET and POST, and the websocket, as one ASGI application."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from adapters.paper import rpc
from adapters.paper.desk import Desk
from adapters.paper.errors import VenueError, refusal
from adapters.paper.rpc import HttpProof, Request

PREFIX = "/api/v2"
_LONGEST_QUEUE = 2000


class Connection:
    """One websocket's way out: a bounded queue, so that a slow reader holds up nobody."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(_LONGEST_QUEUE)
        self.ending: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    def send(self, frame: bytes) -> None:
        """Queues a frame; a reader that is too slow is dropped."""
        try:
            self._queue.put_nowait(frame)
        except asyncio.QueueFull:
            self.hang_up(1013, "connection_too_slow")

    def hang_up(self, code: int, reason: str) -> None:
        """Ends the connection once what is queued has been written."""
        if not self.ending.done():
            self.ending.set_result((code, reason))

    async def write(self) -> None:
        """Writes what is queued, until hung up."""
        while True:
            if self._queue.empty() and self.ending.done():
                await self._socket.close(*self.ending.result())
                return
            frame = await self._next()
            if frame is not None:
                await self._socket.send_text(frame.decode())

    async def _next(self) -> bytes | None:
        """The next frame, or None when hung up instead."""
        if not self._queue.empty():
            return self._queue.get_nowait()
        waiting = asyncio.ensure_future(self._queue.get())
        await asyncio.wait({waiting, self.ending}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
        waiting.cancel()
        return None


def application(desk: Desk, on_disk_failure: Callable[[OSError], None]) -> Starlette:
    """The application; a disk that refuses the account is reported, and nobody gets an answer."""

    def answer(request: Request, proof: HttpProof | None) -> Response:
        try:
            status, body = desk.http(request, proof)
        except OSError as error:
            on_disk_failure(error)
            return Response(status_code=500)
        return _json(status, body)

    async def get(http: HttpRequest) -> Response:
        method = http.path_params["method"]
        request = rpc.from_query(method, http.url.query)
        return answer(request, _proof(http, ""))

    async def post(http: HttpRequest) -> Response:
        try:
            body = await _body(http)
            request = rpc.from_body(body, http.path_params.get("method"))
        except VenueError as error:
            return _json(400, desk.malformed(error))
        return answer(request, _proof(http, body))

    async def websocket(socket: WebSocket) -> None:
        await socket.accept()
        connection = Connection(socket)
        session = desk.connect(connection)
        writer = asyncio.create_task(connection.write())
        try:
            await _read(socket, lambda text: desk.frame(session, text), writer)
        except OSError as error:
            on_disk_failure(error)
        finally:
            writer.cancel()
            with suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await writer
            desk.disconnect(session)

    return Starlette(
        routes=[
            Route(PREFIX + "/{method:path}", get, methods=["GET"]),
            Route(PREFIX + "/{method:path}", post, methods=["POST"]),
            Route(PREFIX, post, methods=["POST"]),
            WebSocketRoute("/ws" + PREFIX, websocket),
        ]
    )


async def _read(
    socket: WebSocket, handle: Callable[[str | bytes], None], writer: asyncio.Task[None]
) -> None:
    """Reads frames until the other side leaves or the writer has hung up."""
    while not writer.done():
        reading = asyncio.create_task(socket.receive())
        await asyncio.wait({reading, writer}, return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            reading.cancel()
            return
        message = reading.result()
        if message["type"] == "websocket.disconnect":
            return
        handle(message.get("text") or message.get("bytes") or "")


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
