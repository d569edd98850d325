"""Every alert has its runbook, every runbook its alert; every error in the log is explained."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from actors.alert_texts import ALERTS
from actors.messages.base import Event, event_name
from domain.risk import Reason
from tests.architecture.code import PACKAGES, classes, sources

PAGE = Path(__file__).parents[2] / "docs" / "runbooks.md"


def entries() -> dict[str, str]:
    """Each alert's section of the page."""
    parts = re.split(r"^### `(\w+)`$", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_page_has_exactly_the_alerts_of_the_table() -> None:
    """A person woken at night finds the name of what he was told."""
    assert set(entries()) == {event_name(kind) for kind in ALERTS}


def test_each_says_what_it_means_what_was_done_and_what_to_do() -> None:
    """In this order, each with words behind it."""
    for name, text in entries().items():
        said = re.search(r"\*\*Means:\*\* \S.*\n\*\*Did:\*\* \S.*\n\*\*Do:\*\* \S", text, re.DOTALL)
        assert said, name


def rows(title: str) -> list[str]:
    """The names in the first column of the table below this heading."""
    part = PAGE.read_text("utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return [
        name
        for line in part.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    ]


ERRORS = frozenset({"error", "critical", "exception"})
WARNINGS = frozenset({"warning"})
WARN_BY_NAME = frozenset({"Tally", "_read_failed"})
"""What logs a warning of the name it is given."""


def logged(levels: frozenset[str]) -> Iterator[str]:
    """The name of each line that is logged so without being an event."""
    for source in sources(*(x for x in PACKAGES if x != "simulation")):
        for node in ast.walk(source.tree):
            if not (isinstance(node, ast.Call) and node.args):
                continue
            owner, _, callee = ast.unparse(node.func).rpartition(".")
            name = node.args[0]
            is_said = callee in levels and "log" in owner
            is_named = callee in WARN_BY_NAME and levels == WARNINGS
            if (is_said or is_named) and isinstance(name, ast.Constant):
                yield str(name.value)


def own_errors() -> Iterator[str]:
    """The names of what the log itself says: of lines it lost, of what nobody has caught."""
    for source in sources("config"):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Dict):
                said = zip(map(ast.unparse, filter(None, node.keys)), node.values, strict=False)
                yield from (
                    str(value.value)
                    for key, value in said
                    if key == "'event'" and isinstance(value, ast.Constant)
                )


def untold(levels: frozenset[str]) -> set[str]:
    """The events of these levels that raise no alert."""
    told = {x for x in classes("actors.messages") if issubclass(x, Event)} - set(ALERTS)
    return {event_name(x) for x in told if getattr(x, "level", "") in levels}


def test_what_is_an_error_without_an_alert_is_explained() -> None:
    """`logs --errors` shows it, so a person must find it; and nothing that is gone stays."""
    found = untold(ERRORS) | {*logged(ERRORS), *own_errors()}
    assert sorted(rows("Errors without an alert")) == sorted(found - {"alert"})


def test_what_is_a_warning_without_an_alert_is_explained() -> None:
    """`logs --errors` shows these too. A watchdog's alert is a warning, or worse."""
    found = untold(WARNINGS) | {*logged(WARNINGS), "watchdog_alert"}
    assert sorted(rows("Warnings without an alert")) == sorted(found)


def test_every_reason_for_a_refused_entry_is_explained() -> None:
    """Once each, in the order of the code."""
    assert rows("Why an entry was refused") == [reason.value for reason in Reason]
