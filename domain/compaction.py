"""Which segments are merged: small ones of today by size, all of a day that is over.

Merging by tiers (eight of a size become one of the next) writes a tick about as often as there
are tiers, four or five times in its life, however many segments a day brings.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import log

DAY_MS = 86_400_000
TIER_ROWS = 1_000
FANOUT = 8


@dataclass(frozen=True, slots=True)
class Piece:
    """What the plan needs to know of a segment. ``key`` stands for it; ``is_young`` rests."""

    key: str
    symbol: str
    day: int
    rows: int
    is_young: bool = field(default=False)


def plan(pieces: Iterable[Piece], today: int, *, everything: bool = False) -> list[list[Piece]]:
    """Groups of segments to merge, each of one symbol and one UTC day (since 1970).

    With ``everything`` each day ends as one segment, today included.
    """
    days: dict[tuple[str, int], list[Piece]] = {}
    for piece in pieces:
        days.setdefault((piece.symbol, piece.day), []).append(piece)
    groups: list[list[Piece]] = []
    for (_, day), found in sorted(days.items()):
        is_quiet = not any(piece.is_young for piece in found)
        if everything or (day < today and is_quiet):
            groups += [found] if len(found) > 1 else []
        else:
            groups += _tiers(found)
    return groups


def _tiers(pieces: Sequence[Piece]) -> list[list[Piece]]:
    tiers: dict[int, list[Piece]] = {}
    for piece in pieces:
        tiers.setdefault(tier(piece.rows), []).append(piece)
    return [found for _, found in sorted(tiers.items()) if len(found) >= FANOUT]


def tier(rows: int) -> int:
    """0 below a thousand rows, and one more for each factor of eight."""
    return 0 if rows < TIER_ROWS else 1 + int(log(rows / TIER_ROWS, FANOUT) + 1e-9)
