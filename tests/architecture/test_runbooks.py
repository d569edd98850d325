"""Every alert has its runbook, and every runbook its alert."""

import re
from pathlib import Path

from actors.alert_texts import ALERTS
from actors.messages.base import event_name

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
