"""One line of the result, and how it is printed."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was measured, against what, and whether the target is met.

    ``ours`` and ``theirs`` are in ``unit``; ``theirs`` is the peer or floor of the same run named
    by ``against``, ``ratio`` how ours relates to it. ``met`` is None where nothing is promised.
    """

    what: str
    ours: float
    unit: str
    against: str = ""
    theirs: float | None = None
    ratio: float | None = None
    target: str = ""
    met: bool | None = None
    note: str = ""


def as_json(bench: str, rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The rows as plain values, each with the name of its bench."""
    return [{"bench": bench} | asdict(row) for row in rows]


def table(results: Iterable[tuple[str, Iterable[Row]]]) -> Table:
    """All rows for people."""
    made = Table(title="Medians of interleaved rounds in one run", title_justify="left")
    made.add_column("bench")
    made.add_column("what", overflow="fold", ratio=5)
    made.add_column("ours", justify="right", no_wrap=True)
    made.add_column("floor or peer", overflow="fold", ratio=3)
    made.add_column("ratio", justify="right", no_wrap=True)
    made.add_column("target", overflow="fold", ratio=2)
    made.add_column("met", no_wrap=True)
    for bench, rows in results:
        for number, row in enumerate(rows):
            made.add_row("" if number else bench, *_cells(row))
        made.add_section()
    return made


def _cells(row: Row) -> tuple[str, ...]:
    theirs = "" if row.theirs is None else f"{_figure(row.theirs)} {row.unit}  "
    return (
        f"{row.what}\n[dim]{row.note}[/dim]" if row.note else row.what,
        f"{_figure(row.ours)} {row.unit}",
        f"{theirs}{row.against}",
        "" if row.ratio is None else _ratio(row.ratio),
        row.target,
        {True: "[green]yes[/green]", False: "[red]no[/red]", None: ""}[row.met],
    )


def _ratio(value: float) -> str:
    """``2.5x``, and ``1/2.5`` for what is smaller."""
    return f"{_figure(value)}x" if value >= 1 or value <= 0 else f"1/{_figure(1 / value)}"


def _figure(value: float) -> str:
    """Three digits that count, without an exponent."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}".replace(",", " ")
