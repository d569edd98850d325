"""Records back from plain JSON values, exactly: decimals travel as text."""

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def unpack(cls: type[T], packed: Mapping[str, Any]) -> T:
    """The record whose fields these are.

    Raises:
        KeyError, TypeError, ValueError: it is not one, or one of another version.
    """
    hints = _hints(cls)
    return cls(**{name: _restore(hints[name], value) for name, value in packed.items()})


def _restore(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if get_origin(hint) is tuple:
        return tuple(_restore(get_args(hint)[0], each) for each in value)
    kind: type[Any] = get_args(hint)[0] if get_origin(hint) is UnionType else hint
    if kind is Decimal or issubclass(kind, Enum):
        return kind(value)
    if isinstance(value, dict):
        return unpack(kind, cast("dict[str, Any]", value))
    return value
