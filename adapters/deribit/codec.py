"""JSON-RPC text in and out, with exact decimals both ways.

Replies: msgspec, which hands the text of every fraction to Decimal. On a 900-byte order reply it
takes a third of the standard decoder's time, and hardly more than orjson, which would pass every
figure through a binary double. Requests: orjson, with decimals passed as text fragments.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

import msgspec
import orjson

from actors.ports import NotSent
from adapters.deribit.errors import Unreadable, failure


class NotAnObject(ValueError):
    """JSON, but not what a reply or notification is made of."""


_REPLY = re.compile(rb'\{"jsonrpc": ?"2\.0", ?"id": ?(\d{1,18})[,}]').match
_DECODE = msgspec.json.Decoder(float_hook=Decimal).decode


def decode(data: bytes) -> dict[str, Any]:
    """One JSON object; its numbers are ``int`` or `Decimal`.

    Raises:
        ValueError: not UTF-8, not JSON, or not an object.
    """
    try:
        message = _DECODE(data)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    if not isinstance(message, dict):
        raise NotAnObject("not a JSON object")
    return cast(dict[str, Any], message)


def _fragment(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"{type(value).__name__} does not belong on the wire")


def encode(request_id: int, method: str, params: Mapping[str, Any]) -> bytes:
    """One request as JSON text.

    Raises:
        NotSent: a parameter has no exact JSON form.
    """
    request = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
    try:
        return orjson.dumps(request, default=_fragment)
    except orjson.JSONEncodeError as exc:
        raise NotSent(f"{method}: {exc}") from None


def reply_id(data: bytes) -> int | None:
    """The id of a reply, from its first bytes; None when it has to be decoded to know."""
    match = _REPLY(data)
    return int(match[1]) if match else None


def result(data: bytes, method: str) -> Any:
    """The ``result`` of a reply in its text form; see `result_of`."""
    try:
        reply = decode(data)
    except ValueError as exc:
        raise Unreadable(f"{method}: the reply is no JSON object") from exc
    return result_of(reply, method)


def result_of(reply: Mapping[str, Any], method: str) -> Any:
    """The ``result`` of a reply.

    Raises:
        Rejected: the error's code proves the refusal.
        OutcomeUnknown: any other error, or neither result nor error.
    """
    error = reply.get("error")
    if error is not None:
        raise failure(method, error)
    try:
        return reply["result"]
    except KeyError:
        raise Unreadable(f"{method}: a reply without result and error") from None
