"""What a command answers, as values: lines and tables, which every door renders its own way.

Cells are values, never prepared text, so that a program gets exact figures and a person rounded
ones. A column says how many decimals a person needs to see.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

Cell = str | int | bool | Decimal | datetime | None
"""One value. None is "not known" or "there is none"; doors show it as a dash."""

NOTHING = "-"
MOST_DIGITS = 12
"""Decimals of the smallest price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """``key`` is what programs call it, ``title`` what people read; ``digits`` are decimals.

    With ``is_price`` they are the least: a small price has more.
    """

    key: str
    title: str
    digits: int | None = None
    is_price: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of equal length under their columns. ``key`` names the table for programs."""

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.key}: {len(row)} cells under {len(self.columns)} columns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Lines of text, then tables."""

    lines: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


def shown(cell: Cell, digits: int | None = None, *, is_price: bool = False) -> str:
    """A cell for a person: figures rounded to ``digits``, times to the second (UTC)."""
    match cell:
        case None:
            return NOTHING
        case bool():
            return "yes" if cell else "no"
        case Decimal():
            return price_text(cell, digits or 0) if is_price else _figure(cell, digits)
        case datetime():
            return cell.strftime("%Y-%m-%d %H:%M:%S")
        case _:
            return str(cell)


def _figure(value: Decimal, digits: int | None) -> str:
    if not value.is_finite():
        return NOTHING
    if digits is None or value.adjusted() > 20:
        return f"{value:f}"
    return f"{value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN):f}"


def price_text(price: Decimal, digits: int) -> str:
    """Rounded to ``digits``; below 100 to five significant figures, without zeros they do not need.

    With two decimals the stop of a coin that costs half a dollar cannot be told from its entry.
    """
    if not price.is_finite() or price.adjusted() >= 2:
        return _figure(price, digits)
    whole, _, decimals = _figure(price, min(4 - price.adjusted(), MOST_DIGITS)).partition(".")
    decimals = decimals.rstrip("0").ljust(digits, "0")
    return f"{whole}.{decimals}" if decimals else whole


def pairs(key: str, title: str, rows: Iterable[tuple[str, str, Cell]]) -> Table:
    """A table of facts, one a row: (key for programs, name for people, value)."""
    return Table(
        key=key,
        title=title,
        columns=(
            Column(key="key", title="key"),
            Column(key="name", title="what"),
            Column(key="value", title="value"),
        ),
        rows=tuple(rows),
    )


def as_text(content: Content) -> str:
    """Plain text for a narrow screen: each row as ``title value`` pairs, one fact a line."""
    parts = list(content.lines)
    for table in content.tables:
        parts += ["", table.title] if parts else [table.title]
        if not table.rows:
            parts.append("none")
        parts += [_row_text(table, row) for row in table.rows]
    return "\n".join(parts)


def _row_text(table: Table, row: tuple[Cell, ...]) -> str:
    if [column.key for column in table.columns] == ["key", "name", "value"]:
        return f"{shown(row[1])}: {shown(row[2])}"
    return ", ".join(
        f"{column.title} {shown(cell, column.digits, is_price=column.is_price)}"
        for column, cell in zip(table.columns, row, strict=True)
        if cell is not None and cell != ""
    )
