"""Tables on a terminal: whatever its width, nothing that a person needs is cut or torn."""

import io
import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from commands.common import out
from commands.operate import show
from commands.showing import rendered

FRAME = "─━│┃┌┐└┘├┤┬┴┼┏┓┗┛┡┩╇╈┳┻┠┨┯┷╋ "
COLUMNS: list[dict[str, Any]] = [
    {"key": "trade", "title": "trade", "digits": None},
    {"key": "instrument", "title": "instrument", "digits": None},
    {"key": "mark", "title": "mark", "digits": 2},
    {"key": "pnl", "title": "PnL BTC", "digits": 8},
    {"key": "stop", "title": "stop at venue", "digits": None},
]
ROW: dict[str, Any] = {
    "trade": "1m8hsqcmxcytz2dbr55",
    "instrument": "BTC_USDC-PERPETUAL",
    "mark": "100203.456",
    "pnl": "-0.0000239257789",
    "stop": "100120.5",
}
SHOWN = ("1m8hsqcmxcytz2dbr55", "BTC_USDC-PERPETUAL", "100203.46", "-0.00002393", "100120.5")


def table(*rows: dict[str, Any], title: str = "Positions") -> dict[str, Any]:
    return {"key": "positions", "title": title, "columns": COLUMNS, "rows": list(rows)}


def lines(what: dict[str, Any], width: int) -> list[str]:
    """What a terminal so wide shows."""
    sink = io.StringIO()
    Console(file=sink, width=width, legacy_windows=False, emoji=False).print(
        rendered(what, width), markup=False, highlight=False
    )
    return sink.getvalue().splitlines()


@pytest.mark.parametrize("width", [36, 60, 80, 120, 220])
def test_ids_figures_and_their_units_stand_whole_on_one_line(width: int) -> None:
    """They can be read, compared and copied, on a phone's terminal and on a wide one."""
    found = lines(table(ROW, {**ROW, "trade": "other"}), width)
    assert max(map(len, found)) <= width
    for text in (*SHOWN, "other"):
        assert any(text in line for line in found), (text, found)
    for title in ("PnL BTC", "stop at venue"):
        assert any(title in line for line in found), (title, found)


def test_a_small_price_is_shown_in_full() -> None:
    """As the daemon says which columns are prices."""
    columns = [{**x, "is_price": x["key"] == "mark"} for x in COLUMNS]
    found = "\n".join(lines({**table({**ROW, "mark": "0.4873"}), "columns": columns}, 120))
    assert " 0.4873 " in found


def test_a_wide_terminal_has_a_row_a_line_and_a_narrow_one_a_fact_a_line() -> None:
    """Whichever fits: a row is never broken into two lines of a column each."""
    wide = [line for line in lines(table(ROW), 120) if "1m8hsqcmxcytz2dbr55" in line]
    assert all(text in wide[0] for text in SHOWN)
    narrow = [line for line in lines(table(ROW), 80) if "-0.00002393" in line]
    assert "PnL BTC" in narrow[0]
    assert "1m8hsqcmxcytz2dbr55" not in narrow[0]


@pytest.mark.parametrize("rows", [(), ({"key": "n", "name": "n", "value": 1},)])
def test_a_title_is_not_broken_by_a_small_table_below_it(rows: tuple[dict[str, Any], ...]) -> None:
    """It is wider than what stands there when that is ``none``."""
    names = ("key", "name", "value")
    columns = [{"key": x, "title": x, "digits": None} for x in names]
    small = {"key": "p", "title": "Positions of today", "columns": columns, "rows": list(rows)}
    assert lines(small, 80)[0].strip() == "Positions of today"
    assert lines(table(title="Positions of today"), 80)[0].strip() == "Positions of today"


words = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=50)


@given(st.lists(st.lists(words, min_size=3, max_size=3), max_size=4), st.integers(12, 200))
def test_no_character_is_ever_lost(cells: list[list[str]], width: int) -> None:
    """Also where a word is longer than the line: then it goes on below. Brackets are no markup."""
    columns = [{"key": x, "title": x, "digits": None} for x in "xyz"]
    rows = [dict(zip("xyz", row, strict=True)) for row in cells]
    found = lines({"key": "t", "title": "", "columns": columns, "rows": rows}, width)
    assert all(len(line) <= width for line in found)
    told = sorted(char for line in found for char in line if char not in FRAME)
    given_ = sorted(char for row in cells for cell in row for char in cell)
    titles = len(told) - len(given_)
    assert not cells or titles in {3, 3 * len(cells)}
    for char in set(given_):
        assert told.count(char) >= given_.count(char)


def test_a_name_between_colons_is_no_picture(capsys: pytest.CaptureFixture[str]) -> None:
    """The library makes pictures of some; a note or a label is shown as it is."""
    row = {**ROW, "trade": "bw:A:x"}
    show({"status": "done", "lines": ["note :fire:"], "tables": [table(row)]}, out, as_json=False)
    told = capsys.readouterr().out
    assert "note :fire:" in told
    assert "bw:A:x" in told


@pytest.mark.parametrize("columns", ["36", "200"])
def test_json_does_not_know_how_wide_the_terminal_is(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exact figures, whole texts."""
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    reply = {"status": "done", "lines": ["x" * 300], "tables": [table(ROW)]}
    show(reply, out, as_json=True)
    assert json.loads(capsys.readouterr().out) == reply
    show(reply, out, as_json=False)
    shown = capsys.readouterr().out
    assert "x" * 300 in shown  # the terminal breaks a sentence, we do not
    assert all(text in shown for text in SHOWN)
