"""A Bot API of our own: a real HTTP server that misbehaves when told to.

It keeps what a person's phone would show, hands out updates as Telegram does (unconfirmed ones
again and again), and answers the next calls of a method with the misbehaviours put in line.
"""

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

from adapters.clock import SystemClock

TOKEN = "424242:canary-of-the-double-5d3f1c"
CHAT, USER = 1001, 7001
BOT_NAME = "bulwark_test_bot"
LONGEST = 4096
LONGEST_POLL = 0.5
"""Seconds a poll waits here for something new, whatever it asks for."""

Odd = Callable[["Request"], None]


@dataclass
class Shown:
    """A message as the phone shows it."""

    message_id: int
    chat_id: int
    text: str
    mode: str
    buttons: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    markup: str = ""


class Tags(HTMLParser):
    """What Telegram takes: balanced tags it knows."""

    KNOWN = frozenset({"b", "i", "code", "pre"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.is_bad = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.is_bad |= tag not in self.KNOWN or bool(attrs)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.is_bad |= not self.open or self.open.pop() != tag

    def handle_data(self, data: str) -> None:
        self.text += data


class Request(BaseHTTPRequestHandler):
    """One call. Answers are Telegram's: ``ok`` and ``result``, or an error's description."""

    protocol_version = "HTTP/1.1"
    double: "BotApi"

    def log_message(self, *_: Any) -> None: ...

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        self.params = {name: values[-1] for name, values in parse_qs(body).items()}
        _, _, rest = self.path.partition("/bot")
        token, _, self.method = rest.partition("/")
        if token != TOKEN:
            self.fail(401, "Unauthorized")
            return
        self.double.take(self)

    def reply(self, result: object) -> None:
        self.raw(200, json.dumps({"ok": True, "result": result}).encode())

    def fail(self, code: int, description: str, **parameters: object) -> None:
        answer: dict[str, object] = {
            "ok": False,
            "error_code": code,
            "description": description,
        }
        if parameters:
            answer["parameters"] = parameters
        self.raw(code, json.dumps(answer).encode())

    def raw(self, code: int, body: bytes, claimed: int | None = None) -> None:
        """An answer of these bytes; ``claimed`` is the length it pretends to have."""
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) if claimed is None else claimed))
        with suppress(ConnectionError):  # a bot that was killed does not wait for its answer
            self.end_headers()
            self.wfile.write(body)

    def hang_up(self) -> None:
        """The connection ends without an answer."""
        self.close_connection = True


# -- misbehaviours ---------------------------------------------------------------------------------


def flood(seconds: int) -> Odd:
    """429 with retry_after."""
    return lambda call: call.fail(
        429, f"Too Many Requests: retry after {seconds}", retry_after=seconds
    )


def refuse(code: int, description: str) -> Odd:
    """An error of Telegram's; nothing was done."""
    return lambda call: call.fail(code, description)


def broken(body: bytes, code: int = 200) -> Odd:
    """The message is taken; the answer is nonsense."""

    def answer(call: Request) -> None:
        call.double.show(call)
        call.raw(code, body)

    return answer


def cut_off(call: Request) -> None:
    """The message is taken; the answer ends half way."""
    call.double.show(call)
    call.raw(200, b'{"ok": true, "resu', claimed=500)
    call.close_connection = True


def hang_up(call: Request) -> None:
    """The connection ends before anything was done."""
    call.hang_up()


def refuse_formatting(call: Request) -> None:
    """400 for what is formatted."""
    if "parse_mode" in call.params:
        call.fail(400, "Bad Request: can't parse entities: unexpected end tag at byte offset 3")
    else:
        call.double.serve(call)


class Server(ThreadingHTTPServer):
    """A bot that is killed leaves its connections as they are: that is no error here."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None: ...


class BotApi:
    """The server, and the phone behind it."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._odd: dict[str, list[Odd]] = defaultdict(list)
        self._always: dict[str, Odd] = {}
        self._updates: dict[int, dict[str, Any]] = {}
        self._next = 900_000
        self._clock = SystemClock()
        self._poll = 0
        self.shown: list[Shown] = []
        self.calls: list[tuple[str, Mapping[str, str]]] = []
        self.menu: list[Mapping[str, str]] = []
        self.answered: list[str] = []
        handler = type("Call", (Request,), {"double": self})
        self._server = Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._poll = -1
            self._lock.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # -- the drill's side ----------------------------------------------------------------------

    def next(self, method: str, *odd: Odd) -> None:
        """The next calls of ``method`` are answered so, one each."""
        with self._lock:
            self._odd[method] += odd

    def always(self, method: str, odd: Odd | None) -> None:
        """Every call of ``method`` is answered so, until told otherwise (None)."""
        with self._lock:
            self._always.pop(method, None)
            if odd is not None:
                self._always[method] = odd

    def write(self, text: str, *, user: int = USER, chat: int = CHAT, **more: Any) -> int:
        """Somebody types into a chat."""
        message = {
            "message_id": 1,
            "date": int(self._clock.now().timestamp()),
            "chat": {"id": chat, "type": "private"},
            "from": {"id": user, "is_bot": False, "first_name": "x"},
            "text": text,
        }
        return self.update(message={**message, **more})

    def press(self, data: str, *, user: int = USER, chat: int = CHAT, message: int = 1) -> int:
        """Somebody presses a button under a message."""
        query = {
            "id": "q1",
            "from": {"id": user, "is_bot": False, "first_name": "x"},
            "message": {"message_id": message, "date": 1, "chat": {"id": chat, "type": "private"}},
            "chat_instance": "1",
            "data": data,
        }
        return self.update(callback_query=query)

    def update(self, **content: Any) -> int:
        """Any update."""
        with self._lock:
            self._next += 1
            self._updates[self._next] = {"update_id": self._next, **content}
            self._lock.notify_all()
            return self._next

    @property
    def pending(self) -> int:
        """Updates nobody has confirmed."""
        return len(self._updates)

    def texts(self, chat: int = CHAT) -> list[str]:
        """What a person in that chat has read so far."""
        return [x.text for x in self.shown if x.chat_id == chat]

    def count(self, method: str) -> int:
        return sum(name == method for name, _ in self.calls)

    # -- the server's side ---------------------------------------------------------------------

    def take(self, call: Request) -> None:
        """One call, as it is to be answered."""
        with self._lock:
            self.calls.append((call.method, call.params))
            line = self._odd[call.method]
            odd = line.pop(0) if line else self._always.get(call.method)
        if odd is not None:
            odd(call)
        else:
            self.serve(call)

    def serve(self, call: Request) -> None:
        """The well-behaved answer."""
        match call.method:
            case "getMe":
                call.reply({"id": 42, "is_bot": True, "first_name": "b", "username": BOT_NAME})
            case "getUpdates":
                call.reply(self._fetch(call.params))
            case "sendMessage":
                self._send(call)
            case "setMyCommands":
                self.menu = json.loads(call.params["commands"])
                call.reply(True)
            case "answerCallbackQuery":
                self.answered.append(call.params["callback_query_id"])
                call.reply(True)
            case "editMessageReplyMarkup":
                self._unmark(int(call.params["message_id"]))
                call.reply(True)
            case _:
                call.fail(404, "Not Found: method not found")

    def _fetch(self, params: Mapping[str, str]) -> list[dict[str, Any]]:
        """Confirms and returns what is there; a newer poll ends an older one."""
        with self._lock:
            self._poll += 1
            mine = self._poll
            self._lock.notify_all()
            offset = int(params.get("offset", 0))
            if offset:
                self._updates = {x: y for x, y in self._updates.items() if x >= offset}
            if int(params.get("timeout", 0)):
                self._lock.wait_for(lambda: self._updates or self._poll != mine, LONGEST_POLL)
            return [self._updates[x] for x in sorted(self._updates)][:100]

    def _send(self, call: Request) -> None:
        text, mode = call.params.get("text", ""), call.params.get("parse_mode", "")
        tags = Tags()
        if mode == "HTML":
            tags.feed(text)
            tags.close()
            if tags.is_bad or tags.open:
                call.fail(400, "Bad Request: can't parse entities")
                return
            text = tags.text
        if int(call.params["chat_id"]) != CHAT:
            call.fail(400, "Bad Request: chat not found")
        elif not text.strip():
            call.fail(400, "Bad Request: message text is empty")
        elif len(text.encode("utf-16-le")) // 2 > LONGEST:
            call.fail(400, "Bad Request: message is too long")
        else:
            shown = self.show(call, text)
            chat = {"id": shown.chat_id, "type": "private"}
            call.reply({"message_id": shown.message_id, "date": 1, "chat": chat, "text": text})

    def show(self, call: Request, text: str | None = None) -> Shown:
        """The phone shows a message."""
        markup = json.loads(call.params.get("reply_markup", "{}"))
        rows = markup.get("inline_keyboard", [])
        with self._lock:
            shown = Shown(
                message_id=len(self.shown) + 1,
                chat_id=int(call.params["chat_id"]),
                text=call.params.get("text", "") if text is None else text,
                mode=call.params.get("parse_mode", ""),
                buttons=[(x["text"], x["callback_data"]) for row in rows for x in row],
                markup=call.params.get("text", ""),
            )
            self.shown.append(shown)
            self._lock.notify_all()
        return shown

    def _unmark(self, message_id: int) -> None:
        for shown in self.shown:
            if shown.message_id == message_id:
                shown.buttons = []

    def wait_for(self, look: Callable[[], object], seconds: float = 10.0) -> None:
        """Until ``look`` is true of what was shown or called.

        Raises:
            AssertionError: not in time.
        """
        until = self._clock.monotonic() + seconds
        while not look():
            assert self._clock.monotonic() < until, (self.texts()[-5:], self.calls[-5:])
            with self._lock:
                self._lock.wait(0.02)

    def wait_text(self, word: str, number: int = 1, seconds: float = 10.0) -> str:
        """The latest text with ``word``, once there are so many of them."""
        self.wait_for(lambda: sum(word in x for x in self.texts()) >= number, seconds)
        return [x for x in self.texts() if word in x][-1]
