"""Replies of the daemon on a terminal: tables where they fit, else one fact a line."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from rich.table import Table

from domain.content import shown

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)")
_FRAME = 3
"""What a column takes besides its text."""


def rendered(table: dict[str, Any], width: int) -> Table:
    """A table of a reply for so many characters a line. Nothing is ever cut off."""
    columns, rows = table["columns"], table["rows"]
    title = table["title"]
    if [column["key"] for column in columns] == ["key", "name", "value"]:
        facts = [(str(x["name"]), _cell(x["value"], None)) for x in rows]
        return _facts(title, [facts], width)
    if not rows:
        return _facts(title, [[("none", "")]], width)
    cells = [[_shown(row, column) for column in columns] for row in rows]
    titles = [str(column["title"]) for column in columns]
    if _width([titles, *cells]) > width:
        return _facts(title, [list(zip(titles, row, strict=True)) for row in cells], width)
    made = _table(title)
    for column in columns:
        is_figure = column["digits"] is not None
        made.add_column(column["title"], justify="right" if is_figure else "left")
    for row in cells:
        made.add_row(*row)
    return made


def _width(lines: list[list[str]]) -> int:
    return sum(max(map(len, column)) + _FRAME for column in zip(*lines, strict=True)) + 1


def _facts(title: str, blocks: list[list[tuple[str, str]]], width: int) -> Table:
    """Name and value in a line each, with a rule between the blocks.

    Where an id or a figure would be torn beside its name, it stands below it.
    """
    made = _table(title, show_header=False)
    facts = [fact for block in blocks for fact in block]
    word = max((len(word) for _, value in facts for word in value.split()), default=0)
    is_stacked = max((len(name) for name, _ in facts), default=0) + word + 2 * _FRAME + 1 > width
    is_single = is_stacked or not any(value for _, value in facts)
    for _ in range(1 if is_single else 2):
        made.add_column(overflow="fold")
    for block in blocks:
        for fact in block:
            made.add_row(*(("\n".join(filter(None, fact)),) if is_single else fact))
        made.add_section()
    return made


def _table(title: str, *, show_header: bool = True) -> Table:
    """At least as wide as its title, which would be broken else."""
    least = len(title) + _FRAME
    return Table(title=title, title_justify="left", show_header=show_header, min_width=least)


def _shown(row: dict[str, Any], column: dict[str, Any]) -> str:
    is_price = bool(column.get("is_price"))
    return _cell(row[column["key"]], column["digits"], is_price=is_price)


def _cell(value: Any, digits: int | None, *, is_price: bool = False) -> str:
    """Figures come as texts; a column with digits holds nothing else."""
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return value[:19].replace("T", " ")
    if digits is not None and isinstance(value, str):
        try:
            return shown(Decimal(value), digits, is_price=is_price)
        except InvalidOperation:
            return value
    return shown(value)
