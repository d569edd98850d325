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


def logged_errors() -> Iterator[str]:
    """The name of each line that is logged as an error or worse without being an event."""
    for source in sources(*(x for x in PACKAGES if x != "simulation")):
        for node in ast.walk(source.tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr not in {"error", "critical", "exception"} or not node.args:
                continue
            name = node.args[0]
            if "log" in ast.unparse(node.func.value) and isinstance(name, ast.Constant):
                yield str(name.value)


def test_what_is_an_error_without_an_alert_is_explained() -> None:
    """`logs --errors` shows it, so a person must find it; and nothing that is gone stays."""
    told = {x for x in classes("actors.messages") if issubclass(x, Event)} - set(ALERTS)
    events = {event_name(x) for x in told if getattr(x, "level", "") in {"error", "critical"}}
    assert sorted(rows("Errors without an alert")) == sorted(
        (events | set(logged_errors())) - {"alert"}
    )


def test_every_reason_for_a_refused_entry_is_explained() -> None:
    """Once each, in the order of the code."""
    assert rows("Why an entry was refused") == [reason.value for reason in Reason]
