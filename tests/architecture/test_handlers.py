"""Handler tables: named after their messages, and no message without a sender or a reader."""

import ast
from collections import defaultdict
from typing import Any, get_type_hints

import pytest

from actors.kernel import Actor
from actors.kernel.actor import Actor as Base
from actors.messages import base
from actors.messages.base import Due, Event, Message, Query, Report, event_name
from tests.architecture.code import Source, classes, modules, sources

modules("actors")
ACTORS: list[type[Actor]] = [
    cls for cls in classes("actors") if issubclass(cls, Actor) and cls is not Base
]
MESSAGES: list[type[Any]] = [
    cls
    for cls in classes("actors.messages")
    if issubclass(cls, Message) and cls.__module__ != base.__name__
]
SENDERS = ("emit", "_emit", "after", "every")
"""Methods that take a message class and make the message."""

ONE_ENDED = {
    "MarketTradesReport": "pushed by the venue adapter to whoever routes it",
}
"""Messages with only one end inside the actors, and why they exist all the same."""


def ids(cls: type) -> str:
    """A readable test id."""
    return cls.__name__


@pytest.mark.parametrize("actor", ACTORS, ids=ids)
def test_handlers_are_named_after_their_messages(actor: type[Actor]) -> None:
    """A method for one message is `on_` and its name; one for several begins with `on_`."""
    handled: dict[Any, list[type[Message]]] = defaultdict(list)
    for message, method in actor.handlers.items():
        handled[method].append(message)
    for method, kinds in handled.items():
        assert method.__name__.startswith("on_")
        if len(kinds) == 1:
            assert method.__name__ == f"on_{event_name(kinds[0])}"


@pytest.mark.parametrize("actor", ACTORS, ids=ids)
def test_every_handler_stands_in_the_table(actor: type[Actor]) -> None:
    """A method named like a handler that nobody calls would be a message lost in silence."""
    hooks = {name for name in vars(Actor) if name.startswith("on_")}
    methods = {name for name in vars(actor) if name.startswith("on_")} - hooks
    assert methods == {method.__name__ for method in actor.handlers.values()}


@pytest.mark.parametrize("actor", ACTORS, ids=ids)
def test_tables_hold_this_actors_own_methods(actor: type[Actor]) -> None:
    """A table of another class's functions would run with the wrong `self`."""
    for method in actor.handlers.values():
        assert getattr(actor, method.__name__) is method


def used() -> tuple[dict[str, int], dict[str, int]]:
    """How often each class name is made into a message, and how often it is looked at."""
    made: dict[str, int] = defaultdict(int)
    seen: dict[str, int] = defaultdict(int)
    for source in sources("actors", "adapters", "commands", "run.py"):
        if source.path.startswith("actors/messages/"):
            continue
        _count(source, made, seen)
    return made, seen


def _count(source: Source, made: dict[str, int], seen: dict[str, int]) -> None:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            made[_last(node.func)] += 1
            if _last(node.func) in SENDERS:
                for argument in node.args:
                    made[_last(argument)] += 1
        elif isinstance(node, ast.Name | ast.Attribute):
            seen[_last(node)] += 1


def _last(node: ast.expr) -> str:
    """The last name of a chain: `say.Ready` is `Ready`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


MADE, SEEN = used()
HANDLED = {message for actor in ACTORS for message in actor.handlers}
BORN_WITH = {get_type_hints(actor.__init__).get("argument") for actor in ACTORS}


@pytest.mark.parametrize("cls", MESSAGES, ids=ids)
def test_every_message_is_sent_by_somebody(cls: type[Message]) -> None:
    """A class nobody makes is dead."""
    assert MADE[cls.__name__] > 0 or cls.__name__ in ONE_ENDED


@pytest.mark.parametrize("cls", MESSAGES, ids=ids)
def test_every_message_is_read_by_somebody(cls: type[Message]) -> None:
    """By a handler of itself or of a base, by who is born with it, or, for an answer, its asker."""
    if cls in BORN_WITH or any(kind in HANDLED for kind in cls.__mro__):
        return
    is_answer = not issubclass(cls, base.Command | Due | Event | Query | Report)
    assert cls.__name__ in ONE_ENDED or (is_answer and SEEN[cls.__name__] > MADE[cls.__name__])


@pytest.mark.parametrize("name", ONE_ENDED)
def test_every_exception_is_still_needed(name: str) -> None:
    """One that has both its ends is taken off the list."""
    (cls,) = [cls for cls in MESSAGES if cls.__name__ == name]
    assert MADE[name] == 0 or not any(kind in HANDLED for kind in cls.__mro__)
