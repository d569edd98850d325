"""JSON text with exact numbers: decimals are written as they are, and read back as decimals."""

import json
from decimal import Decimal
from typing import Any, cast

import msgspec
import orjson

_ENCODE = msgspec.json.Encoder(decimal_format="number").encode


def _plain(value: Any) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"{type(value).__name__} has no JSON form")


def encode(value: Any) -> bytes:
    """``value`` as compact JSON."""
    text = _ENCODE(value)
    # msgspec is quick, but writes very small and very round decimals with an exponent.
    return orjson.dumps(value, default=_plain) if b"E-" in text or b"E+" in text else text


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def decode(text: str | bytes) -> Any:
    """JSON with fractions as decimals.

    Raises:
        ValueError: it is not JSON, not UTF-8, or nested beyond sense.
    """
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def decode_object(text: str | bytes) -> dict[str, Any]:
    """JSON that must be an object.

    Raises:
        ValueError: it is not.
    """
    value = decode(text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - callers know one kind of bad text
    return cast("dict[str, Any]", value)
