"""The README's table of log events is complete: an operator looks there first."""

from pathlib import Path

from actors.messages.base import Event, event_name
from tests.architecture.code import classes

README = Path(__file__).parents[2] / "README.md"


def test_every_event_is_explained_in_the_readme() -> None:
    """Whatever name the log can show stands in the table."""
    text = README.read_text(encoding="utf-8")
    events = [x for x in classes("actors.messages") if issubclass(x, Event) and x is not Event]
    assert events
    assert [event_name(x) for x in events if f"`{event_name(x)}`" not in text] == []
