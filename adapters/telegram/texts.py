"""Messages for a phone: lines in three styles, parts that fit, and their HTML.

Lines are split into parts before they are formatted, so that no part ever ends inside a tag.
"""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

LONGEST = 4000
"""Of the 4096 units (UTF-16) a message may have; the rest is for the part's number."""
MOST_PARTS = 8
_OF_THE_CHAT = (
    *("chat not found", "rights", "chat_write_forbidden", "topic", "peer_id", "kicked"),
    *("upgraded", "deactivated"),
)


class Style(Enum):
    """How a line looks."""

    PLAIN = "plain"
    BOLD = "b"
    MONO = "pre"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a message."""

    text: str
    style: Style = Style.PLAIN


def cleaned(text: str) -> str:
    """What every server takes: no lone surrogates, no control characters but line breaks."""
    whole = text.encode("utf-8", "replace").decode()
    return "".join(x for x in whole.replace("\t", "  ") if x == "\n" or x.isprintable())


def lines_of(text: str, style: Style = Style.PLAIN) -> list[Line]:
    return [Line(line, style) for line in cleaned(text).split("\n")]


def size(text: str) -> int:
    """The length Telegram counts: UTF-16 code units."""
    return len(text) + sum(ord(x) > 0xFFFF for x in text)


def is_about_the_chat(refusal: str) -> bool:
    """Whether Telegram's 400 is about the chat, not about this text: no other would be taken."""
    return any(word in refusal.lower() for word in _OF_THE_CHAT)


def parts_of(lines: Iterable[Line], longest: int = LONGEST) -> list[tuple[Line, ...]]:
    """Parts that each fit into a message, broken between lines where that is possible.

    Beyond `MOST_PARTS` the rest is left out, and the last line says so.
    """
    parts: list[tuple[Line, ...]] = []
    current: list[Line] = []
    used = 0
    for line in (piece for whole in lines for piece in _pieces(whole, longest)):
        needed = size(line.text) + 1
        if current and used + needed > longest:
            parts.append(tuple(current))
            current, used = [], 0
        current.append(line)
        used += needed
    if any(line.text.strip() for line in current) or not parts:
        parts.append(tuple(current or [Line("(empty)")]))
    if len(parts) > MOST_PARTS:
        parts = [
            *parts[: MOST_PARTS - 1],
            (Line("... too long for a phone; the rest is left out."),),
        ]
    return parts


def _pieces(line: Line, longest: int) -> Iterable[Line]:
    """A line that does not fit, in pieces."""
    text = line.text
    limit = (longest - 1) // 2  # whatever it is made of, half as many characters fit
    if size(text) < longest:
        return [line]
    return [Line(text[at : at + limit], line.style) for at in range(0, len(text), limit)]


def numbered(part: Sequence[Line], number: int, of: int) -> tuple[Line, ...]:
    """The part with its number, when there are several."""
    return tuple(part) if of == 1 else (*part, Line(f"({number}/{of})"))


def as_plain(part: Iterable[Line]) -> str:
    return "\n".join(line.text for line in part).strip() or "(empty)"


def as_html(part: Iterable[Line]) -> str:
    """Telegram's HTML: neighbouring lines of one style share a tag."""
    out: list[str] = []
    style, block = Style.PLAIN, list[str]()

    def close() -> None:
        if block:
            text = html.escape("\n".join(block), quote=False)
            is_empty = not text.strip()
            wrapped = text if style is Style.PLAIN or is_empty else _tagged(style, text)
            out.append(wrapped)
            block.clear()

    for line in part:
        if line.style is not style:
            close()
            style = line.style
        block.append(line.text)
    close()
    return "\n".join(out).strip() or "(empty)"


def _tagged(style: Style, text: str) -> str:
    return f"<{style.value}>{text}</{style.value}>"
