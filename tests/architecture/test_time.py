"""Nobody reads the time, sleeps or draws chance but the clock, simulation and paper server."""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.code import Source, dotted, imports, lines, parse, sources

FORBIDDEN = (
    "time",
    "random",
    "secrets",
    "uuid",
    "threading.Timer",
    "sched",
    "asyncio.sleep",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
)
ALLOWED = {
    "adapters/clock.py": "the one place",
    "adapters/paper/server.py": "a process of its own, with its own clock",
}


def readings(source: Source) -> Iterator[tuple[Source, ast.AST, str]]:
    """Every use of a forbidden name, called or handed on. A seeded generator is no chance."""
    known = imports(source.tree)
    seeded = {
        id(node.func)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and node.args and dotted(node.func, known) == "random.Random"
    }
    inner = {id(node.value) for node in ast.walk(source.tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name | ast.Attribute) and id(node) not in seeded | inner:
            name = dotted(node, known)
            if name.startswith(tuple(f"{each}." for each in FORBIDDEN)) or name in FORBIDDEN:
                yield source, node, name


def test_time_and_chance_come_from_the_ports() -> None:
    """A walk over the code finds no reading of a clock and no draw outside the allowed places."""
    found = [
        each
        for source in sources("domain", "actors", "adapters", "config")
        if source.path not in ALLOWED
        for each in readings(source)
    ]
    assert lines(found) == []


def test_every_exception_is_still_needed() -> None:
    """A file that reads no clock any more is taken off the list."""
    needed = {source.path for source in sources("adapters") if any(readings(source))}
    assert set(ALLOWED) <= needed


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import time\ntime.sleep(1)", ["time.sleep"]),
        ("import time as t\nnow = t.monotonic", ["time.monotonic"]),
        ("from time import time as clock\nclock()", ["time.time"]),
        ("from datetime import datetime\ndatetime.now(None)", ["datetime.datetime.now"]),
        ("import datetime as d\nd.datetime.utcnow()", ["datetime.datetime.utcnow"]),
        ("from datetime import date\ndate.today()", ["datetime.date.today"]),
        ("import random\nrandom.random()", ["random.random"]),
        ("from random import Random\nRandom()", ["random.Random"]),
        ("from random import Random\nRandom(7).random()", []),
        ("import random\nr: random.Random\nr = random.Random(seed)", ["random.Random"]),
        ("import uuid\nuuid.uuid4()", ["uuid.uuid4"]),
        ("import threading\nthreading.Timer(1, f)", ["threading.Timer"]),
        ("import asyncio\nasyncio.sleep(1)", ["asyncio.sleep"]),
        ("import asyncio.tasks\nasyncio.sleep(1)", ["asyncio.sleep"]),
        ("from datetime import datetime\ndatetime.fromtimestamp(0)", []),
        ("import threading\nthreading.Lock()\nself.clock.now()\nclock.sleep(1)", []),
    ],
)
def test_the_walk_finds_what_it_must(text: str, found: list[str]) -> None:
    """Aliases, bare references and annotations included; the ports and pure functions not."""
    assert [name for _, _, name in readings(parse(text, "x.py"))] == found
