"""Reading the settings, once, with every mistake reported together; and describing them."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

from pydantic import SecretStr, ValidationError

from config.conflicts import conflicts
from config.env_file import read_env_file
from config.invalid import HIDDEN, Problem, SettingsInvalid, shown
from config.model import Settings

__all__ = ["Problem", "Row", "Settings", "SettingsInvalid", "describe", "load"]

_NAMES = {name.upper(): name for name in Settings.model_fields}
_SECRET = frozenset({"DERIBIT_CLIENT_SECRET", "TELEGRAM_BOT_TOKEN", "HEARTBEAT_URL", "API_TOKEN"})
_WHEN_EMPTY = {"strategies": "none"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One setting for a table: texts only, secrets hidden, nothing is the empty text."""

    key: str
    value: str
    default: str
    meaning: str
    allowed: str
    group: str


def load(env_file: Path, environ: Mapping[str, str]) -> Settings:
    """The settings from ``env_file``, over which those in ``environ`` win.

    A name given an empty value counts as not given. Names in the environment that are no
    settings are other programs' business; in the file they are mistakes.

    Raises:
        SettingsInvalid: with every mistake found.
    """
    from_file, problems = read_env_file(env_file)
    given = {key: text for key, text in from_file.items() if key in _NAMES}
    for key in _NAMES:
        if text := environ.get(key, "").strip():
            given[key] = text
    problems += [_unknown(key) for key in from_file if key not in _NAMES]
    mistakes = {problem.key: problem for problem in _mistakes(given)}
    problems += mistakes.values()
    # What does not fit together is worth saying even when something else is wrong as well,
    # but not about a setting whose own value is already in doubt.
    settings = _validated({key: text for key, text in given.items() if key not in mistakes})
    if "DERIBIT_ENV" not in mistakes:
        problems += [p for p in conflicts(settings) if p.key not in mistakes]
    if problems:
        raise SettingsInvalid(tuple(problems), settings)
    return settings


def describe(settings: Settings) -> tuple[Row, ...]:
    """Every setting with its value, default and meaning, in the order of the documentation."""
    rows: list[Row] = []
    for name, field in Settings.model_fields.items():
        extra = cast("dict[str, str]", field.json_schema_extra)
        rows.append(
            Row(
                key=name.upper(),
                value=_text(getattr(settings, name)) or _WHEN_EMPTY.get(name, ""),
                default=_text(field.default),
                meaning=field.description or "",
                allowed=extra["allowed"],
                group=extra["group"] or rows[-1].group,
            )
        )
    return tuple(rows)


def _validated(given: Mapping[str, str]) -> Settings:
    return Settings.model_validate({_NAMES[key]: text for key, text in given.items()})


def _mistakes(given: Mapping[str, str]) -> Iterator[Problem]:
    """What is wrong with single values, each setting once."""
    try:
        _validated(given)
    except ValidationError as invalid:
        first = {str(error["loc"][0]): error for error in reversed(invalid.errors())}
    else:
        return
    secrets = [text for key, text in given.items() if key in _SECRET]
    for name, field in Settings.model_fields.items():
        if (error := first.get(name)) is None:
            continue
        key = name.upper()
        extra = cast("dict[str, str]", field.json_schema_extra)
        own = error["msg"].removeprefix("Value error, ")
        plain = error["type"] == "value_error" and shown(own, secrets) != HIDDEN
        yield Problem(
            key=key,
            given=HIDDEN if key in _SECRET else shown(given[key], secrets),
            explanation=own if plain else f"it must be {extra['allowed']}",
        )


def _unknown(key: str) -> Problem:
    near = difflib.get_close_matches(key, _NAMES, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return Problem(key=key, given=None, explanation=f"there is no such setting{hint}")


def _text(value: Any) -> str:
    """The text that, given as a setting, means ``value``; secrets stay hidden."""
    match value:
        case None:
            return ""
        case SecretStr():
            return HIDDEN
        case tuple():
            return ",".join(str(part) for part in cast("tuple[object, ...]", value))
        case time():
            return value.strftime("%H:%M")
        case ZoneInfo():
            return value.key
        case float():
            return f"{value:g}"
        case _:
            return str(value)
