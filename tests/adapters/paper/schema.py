"""What the venue's replies and notifications look like, and whether ours do.

The tables in ``schemas/`` restate the published description: field names, types, what is
required. ``number``, ``integer``, ``string``, ``boolean`` and ``any`` are types, ``=a|b`` the
words allowed, ``x/y`` either, ``x?`` also null, ``[x]`` a list, ``@name`` an object of the
table, ``@a+b`` both together, ``{"{}": x}`` an object of any names; ``*`` marks a required
field. ``errata.json`` holds where the description is known to be wrong, with the evidence; a
field that stands in neither is a mistake of ours.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "schemas"


def _table(name: str) -> Any:
    return json.loads((_FOLDER / f"{name}.json").read_text())


OBJECTS: dict[str, Any] = _table("objects")
REPLIES: dict[str, Any] = _table("replies")
CHANNELS: dict[str, Any] = _table("channels")
ERRATA: list[dict[str, Any]] = _table("errata")


def _apply_errata() -> None:
    """Rewrites the tables; an erratum that does not fit what is published is out of date."""
    for row in ERRATA:
        where, _, field = row["at"].partition(" ")
        if not field:
            table = REPLIES if where in REPLIES else CHANNELS
            assert table.get(where) == row["published"], row
            table[where] = row["here"]
            continue
        fields = OBJECTS[where]
        starred = field + "*"
        found = next((name for name in (starred, field) if name in fields), None)
        assert (found and fields[found]) == row["published"], row
        is_required = row.get("required", found == starred)
        if found is not None:
            del fields[found]
        fields[starred if is_required else field] = row["here"]


_apply_errata()


def _is(kind: str, value: Any) -> bool:
    match kind:
        case "any":
            return True
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "string":
            return isinstance(value, str)
        case "integer":
            return _is_number(value) and value == int(value)
        case "number":
            return _is_number(value)
        case _:
            raise ValueError(f"no such type: {kind}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal | float) and not isinstance(value, bool)


def _is_one_of(kinds: str, value: Any) -> bool:
    if kinds.endswith("?"):
        return value is None or _is_one_of(kinds[:-1], value)
    for kind in kinds.split("/"):
        if kind.startswith("="):
            word = value.value if isinstance(value, StrEnum) else value
            if isinstance(word, str) and word in kind[1:].split("|"):
                return True
        elif _is(kind, value):
            return True
    return False


def problems(schema: Any, value: Any, at: str = "") -> Iterator[str]:
    """Where a value is not what its schema says."""
    if isinstance(schema, list):
        if isinstance(value, list | tuple):
            for each in value:
                yield from problems(schema[0], each, f"{at}[]")
        else:
            yield f"{at} is no list: {value!r}"
    elif isinstance(schema, dict):
        yield from _object(schema, value, at)
    elif schema.startswith("@"):
        names = schema[1:].rstrip("?").split("+")
        merged = {key: part for name in names for key, part in OBJECTS[name].items()}
        if value is not None or not schema.endswith("?"):
            yield from _object(merged, value, names[0])
    elif not _is_one_of(schema, value):
        yield f"{at} is no {schema}: {value!r}"


def _object(fields: dict[str, Any], value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at} is no object: {value!r}"
        return
    for name, given in value.items():
        schema = fields.get(name, fields.get(f"{name}*", fields.get("{}")))
        if schema is None:
            yield f"{at}.{name} is in no table: {given!r}"
        else:
            yield from problems(schema, given, f"{at}.{name}")
    for name in fields:
        if name.endswith("*") and name[:-1] not in value:
            yield f"{at}.{name[:-1]} is missing"


def _kind_of(channel: str) -> str:
    """The row of the channel table that a channel belongs to."""
    parts = channel.split(".")
    if parts[0] == "book" and len(parts) > 3:
        return "book_window"
    if channel.startswith("user.orders.") and channel.endswith(".raw"):
        return "user.orders.raw"
    for length in (3, 2, 1):
        name = ".".join(parts[:length])
        if name in CHANNELS:
            return name
    return channel


def reply_problems(method: str, result: Any) -> Iterator[str]:
    """Where the result of a method is not as described; ``private/logout`` has none."""
    if method in REPLIES:
        yield from problems(REPLIES[method], result, method)
    elif method != "private/logout":
        yield f"{method} is in no table"


def frame_problems(channel: str, data: Any) -> Iterator[str]:
    """Where the data of a notification is not as described."""
    kind = _kind_of(channel)
    if kind in CHANNELS:
        yield from problems(CHANNELS[kind], data, kind)
    else:
        yield f"{channel} is in no table"
