"""Kinds of values in a fault plan: durations, percent, patterns. Read and written the same way.

A duration is written ``"250ms"``, ``"20s"``, ``"5m"``, ``"1.5h"``, or as a number of seconds;
inside it is whole milliseconds.
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_LONGEST_MS = 366 * 24 * 3_600_000
_DURATION = re.compile(r"(-?[0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|s|m|h)", re.ASCII)


def _to_ms(value: Any) -> int:
    """A duration in milliseconds. Raises ValueError."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    try:
        if match:
            ms = Decimal(match[1]) * _UNITS_MS[match[2]]
        elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            ms = Decimal(str(value)) * 1000
        else:
            raise ValueError("a duration is text such as '250ms', '20s', '5m' or '1h'")
    except InvalidOperation:
        raise ValueError("not a duration") from None
    if not ms.is_finite() or abs(ms) > _LONGEST_MS:
        raise ValueError("a duration is at most a year")
    return round(ms)


def _to_text(ms: int) -> str:
    """The shortest exact way to write a duration."""
    for unit in ("h", "m", "s"):
        if ms and ms % _UNITS_MS[unit] == 0:
            return f"{ms // _UNITS_MS[unit]}{unit}"
    return f"{ms}ms"


def _to_list(value: Any) -> Any:
    """One value stands for a list of one."""
    return value if isinstance(value, list | tuple) else [value]  # pyright: ignore[reportUnknownVariableType] (judged by what comes next)


def _to_number(value: Decimal) -> int | float:
    return int(value) if value == int(value) else float(value)


_written = PlainSerializer(_to_text, return_type=str)
_number = PlainSerializer(_to_number)

Duration = Annotated[int, BeforeValidator(_to_ms), Field(ge=0), _written]
Positive = Annotated[int, BeforeValidator(_to_ms), Field(gt=0), _written]
Shift = Annotated[int, BeforeValidator(_to_ms), _written]
Moments = Annotated[tuple[Duration, ...], BeforeValidator(_to_list)]
Texts = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_to_list)]
Probability = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, le=3_600_000, allow_inf_nan=False)]
Percent = Annotated[Decimal, Field(gt=-100, le=1000, allow_inf_nan=False), _number]
Distance = Annotated[Decimal, Field(gt=0, lt=100, allow_inf_nan=False), _number]
Usd = Annotated[Decimal, Field(gt=0, le=10**9, allow_inf_nan=False), _number]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(max_length=80)]
Sigma = Annotated[float, Field(gt=0, le=5, allow_inf_nan=False)]
ServerError = Annotated[int, Field(ge=500, le=599)]
Denial = Annotated[int, Field(ge=400, le=599)]
SizePercent = Annotated[int, Field(ge=1, le=1000)]
