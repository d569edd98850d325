"""Moments and spans as people write them: ``2026-11-19T08:00`` and ``2h``. All times are UTC."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SPAN = re.compile(r"(\d{1,6})([smhd])")
_REPLAY = re.compile(r"archive:((?:spot:)?[A-Z0-9]{4,20})@([^/]+)/(\w+)")
REPLAY_FORM = "archive:BTCUSDT@2026-11-19T08:00/2h"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of a symbol's archive: from ``start_ms`` on, ``end_ms`` left out (Unix milliseconds)."""

    symbol: str
    start_ms: int
    end_ms: int


def moment_ms(text: str) -> int:
    """A day or a moment, as Unix milliseconds.

    Raises:
        ValueError: it is neither; the text says what is needed.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no moment; write 2026-11-19 or 2026-11-19T08:00 (UTC)"
        ) from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def moment_of(value: object) -> datetime | None:
    """A moment as the journal writes it, with its zone; None when it is none, or has no zone."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def span_ms(text: str) -> int:
    """A span such as ``90s``, ``30m``, ``2h`` or ``7d``, in milliseconds.

    Raises:
        ValueError: it is none, or nothing long.
    """
    found = _SPAN.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise ValueError(f"{text!r} is no span of time; write 90s, 30m, 2h or 7d")
    return int(found[1]) * _UNITS_MS[found[2]]


def parse_stretch(text: str) -> Stretch:
    """What ``archive:BTCUSDT@2026-11-19T08:00/2h`` means.

    Raises:
        ValueError: it means nothing; the text says why.
    """
    found = _REPLAY.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not of the form {REPLAY_FORM}")
    start = moment_ms(found[2])
    return Stretch(found[1], start, start + span_ms(found[3]))
