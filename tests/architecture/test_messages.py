"""The grammar of messages, by reflection over every class in `actors.messages`."""

import dataclasses
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from actors.messages import base
from actors.messages.base import Command, Due, Event, Message, Query, Report
from tests.architecture.code import classes

VALUES: list[type[Any]] = [cls for cls in classes("actors.messages") if not issubclass(cls, Enum)]
MESSAGES: list[type[Any]] = [
    cls for cls in VALUES if issubclass(cls, Message) and cls.__module__ != base.__name__
]

SAMPLES: dict[object, Any] = {
    int: 7,
    str: "text",
    bool: True,
    float: 0.5,
    bytes: b"raw",
    NoneType: None,
    Decimal: Decimal("1.5"),
    date: date(2026, 1, 5),
    time: time(9, 30),
    timedelta: timedelta(seconds=1),
    datetime: datetime(2026, 1, 5, 9, 0, tzinfo=UTC),
}

DURATION = re.compile(r"(^|_)(seconds|ms|monotonic)$")
TAKEN = {
    "event",
    "level",
    "ts",
    "timestamp",
    "actor",
    "logger",
    "exception",
    "exc_info",
    "stack_info",
}
"""Keys the log line, the journal entry or structlog give a meaning of their own."""

NAMED_OTHERWISE = {"ConnectionLost": "the end of what reports come through"}


def sample(kind: Any) -> Any:
    """A value of a field's type, built from its parts.

    Raises:
        TypeError: the type is no value: a dict, a list, a callback, a client.
    """
    if kind in SAMPLES:
        return SAMPLES[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        alternatives = [sample(each) for each in arguments]  # each must be a value
        return alternatives[0]
    if origin in {tuple, frozenset}:
        inside = [sample(each) for each in arguments if each is not Ellipsis]
        return tuple(inside) if origin is tuple else frozenset(inside)
    if origin is Literal:
        return arguments[0]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return construct(kind)
    raise TypeError(f"{kind} is not a value")


def construct(cls: type) -> Any:
    """An instance with a sample in every field."""
    hints = get_type_hints(cls)
    return cls(**{f.name: sample(hints[f.name]) for f in dataclasses.fields(cls) if f.init})


def ids(cls: type) -> str:
    """A readable test id."""
    return cls.__name__


def test_there_is_something_to_look_at() -> None:
    """The walk finds the messages; an empty one would prove nothing."""
    assert len(MESSAGES) > 30


@pytest.mark.parametrize("cls", VALUES, ids=ids)
def test_messages_are_frozen_slotted_and_named_by_keyword(cls: type) -> None:
    """Nobody can change what another actor holds, nor swap two arguments."""
    assert dataclasses.is_dataclass(cls)
    assert cls.__dataclass_params__.frozen  # pyright: ignore[reportUnknownMemberType,reportAttributeAccessIssue] (set by the decorator)
    assert "__slots__" in vars(cls)
    assert all(field.kw_only for field in dataclasses.fields(cls))


@pytest.mark.parametrize("cls", VALUES, ids=ids)
def test_messages_are_values_through_and_through(cls: type) -> None:
    """Every field is a value down to its last part, so equal messages are equal and hash alike."""
    one, other = construct(cls), construct(cls)
    assert one == other
    assert hash(one) == hash(other)
    assert not hasattr(one, "__dict__")


@pytest.mark.parametrize("cls", VALUES, ids=ids)
def test_floats_are_durations_only(cls: type) -> None:
    """Money, prices and sizes are decimals and whole contracts."""
    hints = get_type_hints(cls)
    floats = [
        f.name
        for f in dataclasses.fields(cls)
        if float in {hints[f.name], *get_args(hints[f.name])}
    ]
    assert [name for name in floats if not DURATION.search(name)] == []


@pytest.mark.parametrize("cls", MESSAGES, ids=ids)
def test_names_tell_the_kind(cls: type[Message]) -> None:
    """`...Report` is the venue's word, `...Due` a timer, `Get...` or `May...` a question,
    `...Snapshot` an answer; events and commands bear none of these.
    """
    name = cls.__name__
    if name in NAMED_OTHERWISE:
        return
    assert name.endswith("Report") == issubclass(cls, Report)
    assert name.endswith("Due") == issubclass(cls, Due)
    assert bool(re.match(r"(Get|May)[A-Z]", name)) == issubclass(cls, Query)
    if name.endswith("Snapshot"):
        assert not issubclass(cls, Command | Query | Report | Due | Event)
    if issubclass(cls, Command):
        assert not name.endswith(("ed", "ing"))


@pytest.mark.parametrize("cls", [cls for cls in MESSAGES if issubclass(cls, Event)], ids=ids)
def test_events_can_be_logged(cls: type[Event]) -> None:
    """A known level, and no field that clashes with a key of the log line or the journal."""
    assert cls.level in {"debug", "info", "warning", "error", "critical"}
    assert {field.name for field in dataclasses.fields(cls)} & TAKEN == set()


@pytest.mark.parametrize("cls", [cls for cls in MESSAGES if not issubclass(cls, Report)], ids=ids)
def test_only_reports_perish(cls: type[Message]) -> None:
    """Commands and events are never dropped because a mailbox is full."""
    assert not hasattr(cls, "perishable")


def test_names_are_used_once() -> None:
    """Log names come from class names: two classes of one name could not be told apart."""
    names = [cls.__name__ for cls in VALUES]
    assert sorted(names) == sorted(set(names))


def test_the_exceptions_exist() -> None:
    """An exception from the grammar that is gone is taken off the list."""
    assert set(NAMED_OTHERWISE) <= {cls.__name__ for cls in MESSAGES}


@pytest.mark.parametrize(
    "kind", [dict[str, int], list[int], Any, object, type, tuple[list[int], ...]]
)
def test_what_is_no_value_is_found(kind: Any) -> None:
    """The check itself refuses containers that change, and anything of no certain type."""
    with pytest.raises(TypeError):
        sample(kind)
