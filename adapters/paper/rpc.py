"""The JSON-RPC envelope, and the proof of identity in HTTP headers.

Source: the venue's JSON-RPC overview and authentication articles.
"""

import base64
import binascii
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast
from urllib.parse import parse_qsl

from adapters.paper import jsontext
from adapters.paper.errors import VenueError, refusal, unauthorized
from adapters.paper.sessions import Sessions, SessionState

LARGEST_BODY = 32 * 1024


class Request:
    """One call as it came in. ``request_id`` is echoed as it was; None when there was none.

    A wrapper in daily use begins its methods with a slash, and the venue answers it.
    """

    __slots__ = ("method", "params", "request_id")

    def __init__(self, method: str, params: Mapping[str, Any], request_id: Any) -> None:
        self.method = method.removeprefix("/")
        self.params = params
        self.request_id = request_id


def from_query(method: str, query: str) -> Request:
    """A GET: every value is text."""
    params = dict(parse_qsl(query, keep_blank_values=True))
    given = params.pop("id", None)
    is_number = given is not None and given.isascii() and given.isdigit() and len(given) < 16
    return Request(method, params, int(given) if is_number and given else _echoable(given))


def from_body(text: str | bytes, method: str | None = None) -> Request:
    """A JSON-RPC body or frame; a method in the path wins over the one in the body.

    Raises:
        VenueError: too large, not JSON, or not a request.
    """
    if len(text) > LARGEST_BODY:
        raise too_large()
    try:
        body = jsontext.decode_object(text)
    except ValueError:
        raise refusal(11050, data="invalid json") from None
    name, params = method or body.get("method"), cast("Any", body.get("params")) or cast("Any", {})
    if not isinstance(name, str) or not isinstance(params, dict):
        raise refusal(11050, data="invalid request")
    return Request(name, cast("dict[str, Any]", params), _echoable(body.get("id")))


def too_large() -> VenueError:
    """-32600: more than 32 kB."""
    return VenueError(-32600, "request entity too large")


def _echoable(request_id: Any) -> int | str | Decimal | None:
    """An id that can be written back; anything that is no number and no clean text is dropped."""
    match request_id:
        case int():
            # Written as a decimal: an id may be larger than the encoder's integers.
            return request_id if abs(request_id) < 1 << 53 else Decimal(request_id)
        case str() if request_id.isprintable():
            return request_id
        case Decimal():
            return request_id
        case _:
            return None


def result(request_id: Any, value: Any, started_us: int, now_us: int) -> bytes:
    """A reply."""
    return _envelope({"result": value}, request_id, started_us, now_us)


def failure(request_id: Any, error: VenueError, started_us: int, now_us: int) -> bytes:
    """A refusal."""
    told: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        told["data"] = error.data
    return _envelope({"error": told}, request_id, started_us, now_us)


def _envelope(content: dict[str, Any], request_id: Any, started_us: int, now_us: int) -> bytes:
    head = {"jsonrpc": "2.0"} if request_id is None else {"jsonrpc": "2.0", "id": request_id}
    clock = {"usIn": started_us, "usOut": now_us, "usDiff": now_us - started_us}
    return jsontext.encode({**head, **content, **clock, "testnet": True})


def notification(channel: str, data: Any, label: str) -> bytes:
    """A frame of a channel."""
    params = {"channel": channel, "data": data} | ({"label": label} if label else {})
    return jsontext.encode({"jsonrpc": "2.0", "method": "subscription", "params": params})


def heartbeat(kind: str) -> bytes:
    """A heartbeat frame: ``heartbeat`` or ``test_request``."""
    return jsontext.encode({"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": kind}})


class HttpProof:
    """What an HTTP signature covers."""

    __slots__ = ("body", "header", "uri", "verb")

    def __init__(self, *, header: str, verb: str, uri: str, body: str) -> None:
        self.header = header
        self.verb = verb
        self.uri = uri
        self.body = body


def authorize(sessions: Sessions, session: SessionState, proof: HttpProof, now_ms: int) -> None:
    """Takes the identity of an ``Authorization`` header over into the session.

    Raises:
        VenueError: 10000 malformed, 13004 wrong.
    """
    scheme, _, rest = proof.header.partition(" ")
    match scheme.lower():
        case "bearer":
            session.access_token = rest.strip()
        case "basic":
            sessions.check_secret(*_basic(rest))
            session.is_trusted = True
        case "deri-hmac-sha256":
            _check_hmac(sessions, rest, proof, now_ms)
            session.is_trusted = True
        case _:
            raise unauthorized()


def _basic(text: str) -> tuple[str, str]:
    try:
        client_id, _, secret = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise refusal(10000) from None
    return client_id, secret


def _check_hmac(sessions: Sessions, text: str, proof: HttpProof, now_ms: int) -> None:
    pairs = (part.strip().partition("=") for part in text.split(","))
    fields = {name: value for name, _, value in pairs}
    try:
        client_id, stamp = fields["id"], fields["ts"]
        signature, nonce = fields["sig"], fields["nonce"]
    except KeyError:
        raise refusal(10000) from None
    signed = f"{stamp}\n{nonce}\n{proof.verb}\n{proof.uri}\n{proof.body}\n"
    sessions.check_signature(client_id, stamp, signed, signature)
    sessions.check_stamp(stamp, now_ms)
