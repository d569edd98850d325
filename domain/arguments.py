"""The grammar of operator commands' arguments: kinds, and how their texts become values."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from domain.intake import LARGEST, SIDES
from domain.orders import Side


class Kind(StrEnum):
    """What an argument is."""

    INSTRUMENT = "instrument"
    SIDE = "buy|sell"
    QUANTITY = "quantity"
    PRICE = "price"
    COUNT = "count"
    TRADE_ID = "trade id"
    TARGET = "trade id|instrument"
    CHOICE = "choice"
    WORD = "word"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A quantity as asked for. ``unit`` is ``coin``, ``usd`` or ``contracts``."""

    value: Decimal
    unit: str

    def __str__(self) -> str:
        return f"{self.value:f} {self.unit}"


Value = str | int | Decimal | Side | Amount | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One argument. ``default`` None means it must be given; empty, that it may be missing.

    ``is_named`` ones are written ``name=value``; the others stand in order.
    """

    name: str
    kind: Kind
    help: str
    default: str | None = None
    is_named: bool = False
    choices: tuple[str, ...] = ()
    most: int = 0

    @property
    def is_required(self) -> bool:
        return self.default is None

    @property
    def usage(self) -> str:
        what = "|".join(self.choices) or (self.kind if self.kind is Kind.SIDE else self.name)
        if self.is_named:
            text = f"{self.name}=<{self.kind}>"
            return text if self.is_required else f"[{text}]"
        return f"<{what}>" if self.is_required else f"[{what}]"


class BadArguments(ValueError):
    """What is wrong with the arguments, in words a person understands.

    ``should`` is how it has to be, without what was given; empty where that is not the trouble.
    """

    def __init__(self, why: str, should: str = "") -> None:
        super().__init__(why)
        self.should = should


def words_of(arguments: Sequence[Argument], text: str) -> Mapping[str, str]:
    """The words of a typed text, each under its argument's name.

    Raises:
        BadArguments: too many words, or one given twice.
    """
    found: dict[str, str] = {}
    named = {argument.name for argument in arguments if argument.is_named}
    waiting = [argument.name for argument in arguments if not argument.is_named]
    for word in text.split():
        name, is_named, value = word.partition("=")
        name = name.lower()
        if is_named and name in named:
            if name in found:
                raise BadArguments(f"{name} is given twice")
            found[name] = value
        elif waiting:
            found[waiting.pop(0)] = word
        else:
            raise BadArguments(f"too much: {word[:40]!r}")
    return found


def values_of(arguments: Sequence[Argument], given: Mapping[str, str]) -> Mapping[str, Value]:
    """The values behind the texts, defaults filled in; None for what may be missing and is.

    Raises:
        BadArguments: one is missing or cannot be read.
    """
    values: dict[str, Value] = {}
    for argument in arguments:
        text = given.get(argument.name, "").strip()
        if not text and argument.default is None:
            raise BadArguments(f"{argument.name} is missing: {argument.help}")
        text = text or argument.default or ""
        values[argument.name] = _READERS[argument.kind](argument, text) if text else None
    return values


# -- one reader per kind ---------------------------------------------------------------------------

_INSTRUMENT = re.compile(r"[A-Z0-9]{1,16}(_[A-Z]{3,5})?-PERPETUAL")
_TRADE_ID = re.compile(r"[a-z0-9-]{1,40}")
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
_AMOUNT = re.compile(r"(?P<number>[0-9.]+)(?P<unit>[a-z]*)")
_WORD = re.compile(r"/?[a-zA-Z_]{1,32}")
_UNITS = {
    "": "coin",
    "coin": "coin",
    "usd": "usd",
    "contracts": "contracts",
}


def _wrong(argument: Argument, text: str, should: str) -> BadArguments:
    return BadArguments(f"{argument.name}: {text[:40]!r} is not {should}", should)


def _number(argument: Argument, text: str) -> Decimal:
    """Digits and a point only: no comma, sign, exponent or NaN can be meant by a person."""
    try:
        value = Decimal(text) if _NUMBER.fullmatch(text) else Decimal(0)
    except InvalidOperation:
        value = Decimal(0)
    if not 0 < value <= LARGEST:
        raise _wrong(argument, text, "a number above 0, such as 0.05 or 99000")
    return value


def _instrument(argument: Argument, text: str) -> Value:
    if not _INSTRUMENT.fullmatch(text.upper()):
        raise _wrong(argument, text, "a perpetual, such as BTC-PERPETUAL")
    return text.upper()


def _side(argument: Argument, text: str) -> Value:
    side = SIDES.get(text.lower())
    if side is None:
        raise _wrong(argument, text, "buy or sell")
    return side


def _quantity(argument: Argument, text: str) -> Value:
    match = _AMOUNT.fullmatch(text.lower())
    unit = _UNITS.get(match["unit"]) if match else None
    if match is None or unit is None:
        raise _wrong(argument, text, "a quantity, such as 0.05, 5000usd or 500contracts")
    return Amount(value=_number(argument, match["number"]), unit=unit)


def _count(argument: Argument, text: str) -> Value:
    is_number = text.isascii() and text.isdigit() and len(text) <= 9
    if not is_number or not 1 <= int(text) <= argument.most:
        raise _wrong(argument, text, f"a whole number from 1 to {argument.most}")
    return int(text)


def _trade_id(argument: Argument, text: str) -> Value:
    if not _TRADE_ID.fullmatch(text):
        raise _wrong(argument, text, "a trade's id: small letters and digits")
    return text


def _target(argument: Argument, text: str) -> Value:
    if _INSTRUMENT.fullmatch(text.upper()):
        return text.upper()
    if not _TRADE_ID.fullmatch(text):
        raise _wrong(argument, text, "a trade's id, or an instrument such as BTC-PERPETUAL")
    return text


def _choice(argument: Argument, text: str) -> Value:
    if text.lower() not in argument.choices:
        raise _wrong(argument, text, f"one of {', '.join(argument.choices)}")
    return text.lower()


def _word(argument: Argument, text: str) -> Value:
    if not _WORD.fullmatch(text):
        raise _wrong(argument, text, "one word of letters")
    return text.removeprefix("/").lower()


_READERS: Mapping[Kind, Callable[[Argument, str], Value]] = {
    Kind.INSTRUMENT: _instrument,
    Kind.SIDE: _side,
    Kind.QUANTITY: _quantity,
    Kind.PRICE: _number,
    Kind.COUNT: _count,
    Kind.TRADE_ID: _trade_id,
    Kind.TARGET: _target,
    Kind.CHOICE: _choice,
    Kind.WORD: _word,
}
