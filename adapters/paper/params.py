"""Parameters of a call: coerced from query text or taken as JSON, and refused by name."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeVar, cast

from adapters.paper import catalogue, jsontext
from adapters.paper.errors import invalid
from domain.instruments import Instrument

E = TypeVar("E", bound=StrEnum)
# Prices, amounts and times stay well within; what does not would only overflow somewhere.
_MOST_DIGITS = 20
_BOOLEANS = {"true": True, "false": False}


def _is_sane(number: Decimal) -> bool:
    return number == 0 or abs(number.adjusted()) <= _MOST_DIGITS


class Params:
    """Named parameters; every getter raises -32602 with the parameter's name and a reason."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = {name: value for name, value in values.items() if value is not None}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str, default: str | None = None, *, longest: int = 1000) -> str:
        """A text without control characters."""
        value = self._values.get(name, default)
        if value is None:
            raise invalid(name, "value is required")
        text = str(value)
        if len(text) > longest or not text.isprintable():
            raise invalid(name, "invalid format")
        return text

    def number(self, name: str) -> Decimal | None:
        """A finite number, None when it was not given."""
        value = self._values.get(name)
        if value is None:
            return None
        text = str(value)
        try:
            number = Decimal(text)
        except InvalidOperation:
            raise invalid(name, "invalid number") from None
        # Digits of other scripts and underscores are Python's idea of a number.
        if not text.isascii() or "_" in text:
            raise invalid(name, "invalid number")
        if isinstance(value, bool) or not number.is_finite() or not _is_sane(number):
            raise invalid(name, "invalid number")
        return number

    def whole(self, name: str, default: int | None = None, *, most: int = 1 << 62) -> int:
        """A whole number from 0, cut to ``most``; required unless there is a default."""
        number = self.number(name)
        if number is None:
            if default is None:
                raise invalid(name, "value is required")
            return default
        if number != number.to_integral_value() or number < 0:
            raise invalid(name, "must be an integer")
        return min(int(number), most)

    def count(self, default: int, *, most: int) -> int:
        """How many rows a page has: at least one."""
        count = self.whole("count", default, most=most)
        if count == 0:
            raise invalid("count", "must be at least 1")
        return count

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean, or the words true and false."""
        value = self._values.get(name, default)
        if isinstance(value, bool):
            return value
        try:
            return _BOOLEANS[str(value).lower()]
        except KeyError:
            raise invalid(name, "must be a boolean") from None

    def choice(self, name: str, options: type[E], default: E | None = None) -> E:
        """One of the members of an enumeration, by value."""
        try:
            return options(self.text(name, default))
        except ValueError:
            raise invalid(name, "invalid value") from None

    def one_of(self, name: str, options: frozenset[str], default: str | None = None) -> str:
        """One of a set of words."""
        word = self.text(name, default)
        if word not in options:
            raise invalid(name, "invalid value")
        return word

    def texts(self, name: str) -> list[str]:
        """A list of texts; one text, or a JSON-like list in a query, counts as a list."""
        value = self._values.get(name)
        if value is None:
            raise invalid(name, "value is required")
        if isinstance(value, list):
            return [str(each) for each in cast("list[object]", value)]
        words = str(value).strip("[]").split(",")
        return [stripped for word in words if (stripped := word.strip().strip('"'))]

    def records(self, name: str) -> list["Params"]:
        """A list of objects; JSON text in a query counts as one. Empty when not given."""
        value = self._values.get(name, [])
        if isinstance(value, str):
            try:
                value = jsontext.decode(value)
            except ValueError:
                raise invalid(name, "invalid format") from None
        rows = cast("list[Any]", value) if isinstance(value, list) else [None]
        if not all(isinstance(row, dict) for row in rows):
            raise invalid(name, "must be a list of objects")
        return [Params(cast("dict[str, Any]", row)) for row in rows]

    def instrument(self) -> Instrument:
        """The listed instrument ``instrument_name``."""
        return catalogue.listed(self.text("instrument_name"))

    def currency(self, name: str = "currency", *, default: str | None = None) -> str:
        """A currency of the venue in capitals, or ``any``."""
        text = self.text(name, default).upper()
        if text == "ANY":
            return "any"
        if text not in catalogue.CURRENCIES and text not in catalogue.OTHER_CURRENCIES:
            raise invalid(name, "invalid currency")
        return text
