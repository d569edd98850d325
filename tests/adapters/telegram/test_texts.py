"""What a phone shows: parts that fit, tables for a narrow screen, whatever is in them."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.messages.desk import CommandReply, Confirmation, Status
from adapters.telegram.door import buttons_of
from adapters.telegram.incoming import Pressed, Typed, understood, update_id_of
from adapters.telegram.rendering import WIDTH, content_lines
from adapters.telegram.texts import (
    LONGEST,
    MOST_PARTS,
    Line,
    Style,
    as_html,
    as_plain,
    lines_of,
    parts_of,
    size,
)
from domain.content import Column, Content, Table, pairs
from tests.adapters.api.fakes import NOON
from tests.adapters.telegram.double import Tags

STYLES = st.sampled_from(Style)
LINES = st.lists(st.builds(Line, st.text(max_size=40), STYLES), max_size=12)


@given(LINES, st.integers(20, 200))
def test_parts_fit_and_are_well_formed(lines: list[Line], longest: int) -> None:
    """Every part is within the limit and its tags are balanced; nothing is empty."""
    parts = parts_of(lines, longest)
    assert 1 <= len(parts) <= MOST_PARTS
    for part in parts:
        plain, html = as_plain(part), as_html(part)
        assert size(plain) <= max(longest, 60)
        assert plain.strip()
        tags = Tags()
        tags.feed(html)
        tags.close()
        assert not tags.is_bad
        assert tags.open == []


@given(st.text())
def test_every_text_can_be_sent(text: str) -> None:
    """Encoded without trouble, within the limit."""
    for part in parts_of(lines_of(text)):
        assert size(as_plain(part).encode().decode()) <= LONGEST


def shown(*tables: Table) -> list[str]:
    return [line.text for line in content_lines(Content(tables=tables))]


def test_facts_stand_in_two_columns_and_long_ones_below() -> None:
    """Names to the left, values to the right edge."""
    rows = [
        ("a", "equity USD", Decimal("1.50")),
        ("b", "why", "a reason of very many words indeed"),
    ]
    lines = shown(pairs("k", "Facts", rows))
    assert lines[0] == "Facts"
    assert lines[1] == "equity USD" + "1.50".rjust(WIDTH - 10)
    assert lines[2:4] == ["why", "  a reason of very many words indeed"]


def test_a_small_price_is_shown_in_full() -> None:
    """A phone is no reason to round a stop onto its entry."""
    columns = (Column(key="a", title="trade"), Column(key="b", title="stop"))
    priced = (columns[0], replace(columns[1], digits=2, is_price=True))
    table = Table(
        key="t", title="", columns=(*priced, columns[0]), rows=(("x", Decimal("0.4873"), 1),)
    )
    assert shown(table)[1].split() == ["x", "0.4873", "1"]


def test_a_narrow_table_is_a_table_and_a_wide_one_is_cards() -> None:
    """Figures to the right; no line is wider than a phone unless a word is."""
    columns = (Column(key="a", title="a"), Column(key="b", title="b"), Column(key="c", title="c"))
    narrow = Table(key="t", title="", columns=columns, rows=(("x", 5, 10), ("yy", 12, 7)))
    assert shown(narrow) == ["a   b  c", "x   5 10", "yy 12  7"]
    wide = Table(key="t", title="", columns=columns, rows=(("x" * 20, "y" * 20, None),))
    assert shown(wide) == ["x" * 20, " b" + ("y" * 20).rjust(WIDTH - 2)]
    assert shown(Table(key="t", title="T", columns=columns, rows=())) == ["T", "none"]


def test_a_log_reads_as_a_log() -> None:
    """What happened in one line, its details below."""
    columns = tuple(Column(key=x, title=x) for x in ("at", "event", "details"))
    row = ("09:00:00", "stop_placed", "trade_id=x unprotected_ms=3.1 label=bw.x.sl.1")
    table = Table(key="log", title="", columns=columns, rows=(row,))
    lines = shown(table)
    assert lines[0] == "09:00:00 stop_placed"
    assert all(line.startswith("  ") and len(line) <= WIDTH for line in lines[1:])


SCALARS = st.sampled_from((None, True, 0, 7, -1, 1.5, "", "/kill", "yes:abc", "seen:5", [], {}))
KEYS = st.sampled_from(("update_id", "message", "callback_query", "chat", "from", "id", "text"))
JSON = st.recursive(SCALARS, lambda inner: st.dictionaries(KEYS, inner, max_size=4), max_leaves=8)


@given(JSON)
def test_no_update_breaks_the_reading(update: Any) -> None:
    """Whatever comes: it is understood or nothing, and has a number then."""
    meant = understood(update, "bot")
    if meant is not None:
        assert meant.update_id == update_id_of(update)


@given(st.text(max_size=60) | st.from_regex(r"/[a-z]{1,6}(@bot)?( .{0,9})?"))
def test_no_text_breaks_the_reading(text: str) -> None:
    """A command begins with a slash and a word; everything else is none."""
    update = {"update_id": 1, "message": {"text": text, "chat": {"id": 1}, "from": {"id": 2}}}
    meant = understood(update, "bot")
    assert meant is None or isinstance(meant, Typed)
    if isinstance(meant, Typed) and meant.name:
        assert text.strip().startswith("/")


@given(st.text(max_size=40))
def test_only_our_own_buttons_mean_something(data: str) -> None:
    """Callback data is what a client says it is."""
    update = {"update_id": 1, "callback_query": {"data": data, "from": {"id": 2}}}
    meant = understood(update, "bot")
    assert isinstance(meant, Pressed)
    assert not meant.what or data.startswith(f"{meant.what}:{meant.value}")


@given(st.integers(1, 2**52), st.from_regex(r"[0-9a-z]{19}", fullmatch=True))
def test_a_confirmations_button_says_who_may_press_it(asker: int, token: str) -> None:
    """In what Telegram lets a button carry."""
    confirmation = Confirmation(token=token, effect="all of it", expires_at=NOON)
    reply = CommandReply(
        at=NOON,
        request_id="1",
        command="open",
        status=Status.NEEDS_CONFIRMATION,
        content=Content(),
        confirmation=confirmation,
    )
    for (_, data), what in zip(buttons_of(reply, str(asker)), ("yes", "no"), strict=True):
        assert len(data.encode()) <= 64
        meant = understood({"update_id": 1, "callback_query": {"data": data}}, "bot")
        assert isinstance(meant, Pressed)
        assert (meant.what, meant.value, meant.asker) == (what, token, asker)
