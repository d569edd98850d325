"""Any value as one that JSON has a form for: the last resort of whoever must not fail to write."""

from collections.abc import Mapping
from datetime import date
from enum import Enum
from typing import cast

_DEEPEST = 20
_LARGEST = 2**63


def plain(value: object, depth: int = 0) -> object:
    """``value`` made of str, int, float, bool, None, list and dict only. Never raises.

    Numbers JSON readers disagree on (beyond 64 bits) become text, as do decimals, times (ISO)
    and everything unknown; text that is no valid Unicode keeps a ``?`` for what is broken.
    """
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, Enum):
        return plain(value.value, depth + 1)
    if isinstance(value, int):
        return int(value) if -_LARGEST <= value < _LARGEST else str(value)
    if isinstance(value, str):
        return text(value)
    if isinstance(value, date):
        return value.isoformat()
    if depth < _DEEPEST:
        if isinstance(value, Mapping):
            pairs = cast("Mapping[object, object]", value).items()
            return {text(key): plain(inner, depth + 1) for key, inner in pairs}
        if isinstance(value, list | tuple | set | frozenset):
            return [plain(inner, depth + 1) for inner in cast("list[object]", value)]
    return text(value)


def text(value: object) -> str:
    """``value`` as text that UTF-8 can write, with a ``?`` for what is broken. Never raises."""
    try:
        return str(value).encode("utf-8", "replace").decode()
    except Exception:  # noqa: BLE001 - a value whose own __str__ fails is still worth a name
        return f"<{type(value).__name__}>"
