"""How one field of a wire object becomes a value, and how a bad one becomes `Unreadable`."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from adapters.deribit.errors import Unreadable
from domain.instruments import Instrument
from domain.orders import ZERO, Side

Wire = Mapping[str, Any]
_P = ParamSpec("_P")
_T = TypeVar("_T")
_E = TypeVar("_E", bound=StrEnum)

MARKET_PRICE = "market_price"
MAX_AMOUNT = Decimal(10) ** 15
"""Above this an amount is nonsense, and turning it into an int could take all memory."""

SIDES: Mapping[str, Side] = {side.value: side for side in Side}


def readable(
    parser: Callable[Concatenate[Wire, _P], _T],
) -> Callable[Concatenate[Any, _P], _T]:
    """Turns every way a wire object can disappoint into `Unreadable`."""

    @wraps(parser)
    def parse(wire: Any, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return parser(wire, *args, **kwargs)
        except KeyError as exc:
            raise Unreadable(f"{parser.__name__}: {exc.args[0]!r} is missing") from exc
        except (TypeError, ValueError, AttributeError, ArithmeticError) as exc:
            raise Unreadable(f"{parser.__name__}: {type(exc).__name__}: {exc}") from exc

    return parse


def as_object(value: object) -> Wire:
    """A JSON object, or an empty one in place of anything else."""
    return cast(Wire, value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any] | None:
    """A JSON list, or None in place of anything else."""
    return cast(list[Any], value) if isinstance(value, list) else None


def number(value: object) -> Decimal:
    """A JSON number as Decimal.

    Raises:
        ValueError: not a number.
    """
    if isinstance(value, Decimal):
        return value
    if type(value) is int:
        return Decimal(value)
    raise ValueError(f"{_short(value)} is no number")


def integer(value: object) -> int:
    """A whole JSON number; the venue may write ``100.0``.

    Raises:
        ValueError: not a number, or not whole.
    """
    if type(value) is int:
        return value
    figure = number(value)
    if abs(figure) > MAX_AMOUNT or figure != figure.to_integral_value():
        raise ValueError(f"{_short(value)} is no whole number")
    return int(figure)


def optional(value: object) -> Decimal | None:
    return None if value is None else number(value)


def or_zero(value: object) -> Decimal:
    return ZERO if value is None else number(value)


def price(value: object) -> Decimal | None:
    """None for the text ``market_price``, and for the 0 the venue writes where there is none."""
    if value is None or (isinstance(value, str) and value == MARKET_PRICE):
        return None
    return number(value) or None


def one_of(table: Mapping[str, _E], value: object) -> _E:
    """The enum member behind a text.

    Raises:
        ValueError: a text the table does not know.
    """
    if isinstance(value, str) and value in table:
        return table[value]
    raise ValueError(f"unknown value {_short(value)}")


def text(value: object) -> str | None:
    return None if value is None else str(value)


def contracts(instrument: Instrument, value: object) -> int:
    """The wire's ``amount`` as whole contracts.

    Raises:
        ValueError: negative, absurd, or no multiple of the contract size.
    """
    amount = number(value)
    if not ZERO <= amount <= MAX_AMOUNT:
        raise ValueError(f"amount {amount} is out of range")
    return instrument.contracts(amount)


def _short(value: object) -> str:
    return repr(value)[:60]
