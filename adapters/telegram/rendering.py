"""The Desk's answers on a phone: tables as wide as a narrow screen, or one fact a line."""

from collections.abc import Iterator, Sequence

from actors.messages.desk import CommandReply, Status
from actors.ports import Notice
from adapters.telegram.texts import Line, Style, lines_of
from domain.content import Cell, Column, Content, Table, shown

WIDTH = 36
"""Monospace characters that fit into a line on a small phone held upright."""

_PAIRS = ("key", "name", "value")
_MARKS = {
    Status.DONE: "",
    Status.ACCEPTED: "\u23f3 ",
    Status.REFUSED: "\u2716 ",
    Status.NEEDS_CONFIRMATION: "\u2753 ",
}


def notice_lines(notice: Notice, env: str) -> list[Line]:
    """An alert: its headline stands out, and says which venue it is about."""
    headline, _, rest = notice.text.partition("\n")
    mark = "\U0001f6a8 " if notice.is_critical else ""
    lines = lines_of(f"{mark}{headline} [{env}]", Style.BOLD)
    return lines + (lines_of(rest) if rest else [])


def reply_lines(reply: CommandReply) -> list[Line]:
    """An answer: what became of the command first."""
    lines = content_lines(reply.content)
    mark = _MARKS[reply.status]
    if mark and lines:
        lines[0] = Line(mark + lines[0].text, Style.BOLD)
    return lines


def content_lines(content: Content) -> list[Line]:
    lines = [line for text in content.lines for line in lines_of(text)]
    for table in content.tables:
        if lines:
            lines.append(Line(""))
        if table.title:
            lines += lines_of(table.title, Style.BOLD)
        lines += _table(table)
    return lines or [Line("Nothing to say.")]


def _table(table: Table) -> list[Line]:
    if not table.rows:
        return [Line("none", Style.MONO)]
    keys = tuple(column.key for column in table.columns)
    if keys == _PAIRS:
        return [Line(x, Style.MONO) for row in table.rows for x in _pair(row[1], row[2])]
    if keys[:2] == ("usage", "help"):
        return [line for row in table.rows for line in _command(row)]
    if len(keys) == 2:
        return [Line(x, Style.MONO) for row in table.rows for x in _pair(row[0], row[1])]
    texts = [_cells(table.columns, row) for row in table.rows]
    if keys[-1] == "details":
        return [Line(x, Style.MONO) for row in texts for x in _told(row)]
    grid = [tuple(column.title for column in table.columns), *texts]
    widths = [max(len(row[at]) for row in grid) for at in range(len(keys))]
    if sum(widths) + len(widths) - 1 <= WIDTH and not any("\n" in x for row in texts for x in row):
        return [Line(x, Style.MONO) for x in _aligned(grid, widths, table)]
    return [Line(x, Style.MONO) for x in _cards(table, texts)]


def _cells(columns: Sequence[Column], row: Sequence[Cell]) -> tuple[str, ...]:
    return tuple(_cell(cell, column) for cell, column in zip(row, columns, strict=True))


def _cell(cell: Cell, column: Column) -> str:
    text = shown(cell, column.digits, is_price=column.is_price)
    return "\n".join(line.text for line in lines_of(text))


def _command(row: Sequence[Cell]) -> Iterator[Line]:
    """A command of the list of all: outside the monospace block, where it can be tapped."""
    usage, text = str(row[0]), str(row[1])
    yield from lines_of(f"/{usage}")
    yield from lines_of(f"    {text}")


def _told(row: Sequence[str]) -> Iterator[str]:
    """A line of a log or of a story: what happened, when; its details below, indented."""
    yield from _folded(" ".join(x for x in row[:-1] if x not in {"", "-"}), "")
    if row[-1] not in {"", "-"}:
        yield from _folded(row[-1], "  ")


def _pair(name: Cell, value: Cell) -> Iterator[str]:
    """``name   value`` in a line; a value that does not fit goes below, indented."""
    left, right = shown(name), " ".join(shown(value).split())
    if len(left) + 2 + len(right) <= WIDTH:
        yield f"{left}{right:>{WIDTH - len(left)}}"
        return
    yield left
    yield from _folded(right, "  ")


def _folded(text: str, indent: str) -> Iterator[str]:
    """Words over several lines; a word longer than a line is left whole, to be copied."""
    line = indent
    for word in text.split():
        if line.strip() and len(line) + len(word) > WIDTH:
            yield line.rstrip()
            line = indent
        line += f"{word} "
    yield line.rstrip()


def _aligned(grid: Sequence[Sequence[str]], widths: Sequence[int], table: Table) -> Iterator[str]:
    """Columns; figures to the right, words to the left."""
    is_figure = [
        all(not isinstance(row[at], str) for row in table.rows) for at in range(len(widths))
    ]
    for row in grid:
        cells = (
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, is_figure, strict=True)
        )
        yield " ".join(cells).rstrip()


def _cards(table: Table, texts: Sequence[Sequence[str]]) -> Iterator[str]:
    """Each row as a block: its first cell as a head, then one fact a line; nothing is left out
    but what is empty."""
    for number, row in enumerate(texts):
        if number:
            yield ""
        yield from _folded(row[0] or "-", "")
        for column, cell in zip(table.columns[1:], row[1:], strict=True):
            if cell not in {"", "-"}:
                yield from _pair(f" {column.title}", cell)
