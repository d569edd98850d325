"""From the text of a setting to its value. Every `ValueError` is a sentence for a trader."""

import ipaddress
import re
from collections.abc import Callable
from datetime import time
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from pydantic_core import PydanticCustomError

from domain.moments import parse_stretch

_PERPETUAL = re.compile(r"[A-Z0-9]{2,12}(_[A-Z]{3,5})?-PERPETUAL")
_SYMBOL = re.compile(r"(spot:)?[A-Z0-9]{4,20}")
_AMOUNT = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")
_WHOLE = re.compile(r"-?[0-9]+")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


def split_list(value: object) -> object:
    """``"a, b"`` as ``("a", "b")``; empty parts are left out."""
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def perpetuals(names: tuple[str, ...]) -> tuple[str, ...]:
    """Instrument names, upper case, each once."""
    return _names(names, _PERPETUAL, "a perpetual such as BTC-PERPETUAL or ETH_USDC-PERPETUAL")


def symbols(names: tuple[str, ...]) -> tuple[str, ...]:
    """Binance symbols, upper case behind their market, each once."""
    found = tuple(symbol(name) for name in names)
    return _names(found, _SYMBOL, "a Binance symbol such as BTCUSDT or spot:BTCUSDT", str)


def symbol(name: str) -> str:
    """A Binance symbol in the archive's spelling; spot symbols carry ``spot:``."""
    market, colon, rest = name.strip().rpartition(":")
    return f"{market.lower()}{colon}{rest.upper()}"


def _names(
    names: tuple[str, ...],
    grammar: re.Pattern[str],
    what: str,
    spell: Callable[[str], str] = str.upper,
) -> tuple[str, ...]:
    found = tuple(spell(name) for name in names)
    if not found:
        raise ValueError(f"at least one is needed, {what}")
    for name in found:
        if not grammar.fullmatch(name):
            raise ValueError(f"{name} is not {what}")
    if len(set(found)) != len(found):
        raise ValueError("a name stands there twice")
    return found


def digits(value: object) -> object:
    """The text of an amount, without what a person does not mean as one (``1e4``, ``1_000``)."""
    if isinstance(value, str) and not _AMOUNT.fullmatch(value):
        raise ValueError("digits and a point only, such as 2500 or 99.50")
    return value


def number(value: object) -> object:
    """The same for other numbers, whose limits say enough of what is right."""
    return _of_grammar(value, _AMOUNT)


def whole(value: object) -> object:
    return _of_grammar(value, _WHOLE)


def _of_grammar(value: object, grammar: re.Pattern[str]) -> object:
    if isinstance(value, str) and not grammar.fullmatch(value.strip()):
        raise PydanticCustomError("number", "no number as a person writes it")
    return value


def clock_time(value: object) -> object:
    """``"23:50"`` as a time of day."""
    if not isinstance(value, str):
        return value
    match = _TIME.fullmatch(value)
    if match is None:
        raise ValueError("hours and minutes are needed, such as 23:50")
    return time(int(match[1]), int(match[2]))


def http_url(value: str) -> str:
    return _url(value, "http", "https")


def ws_url(value: str) -> str:
    return _url(value, "ws", "wss")


def heartbeat_url(value: str) -> str:
    """An address to ping, secret as a whole; unlike the others it may carry a query."""
    _parsed(value, "http", "https")
    return value


def _url(value: str, *schemes: str) -> str:
    parts = _parsed(value, *schemes)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("the address must carry no user, password, ? or #")
    return value.rstrip("/")


def _parsed(value: str, *schemes: str) -> SplitResult:
    allowed = " or ".join(f"{scheme}://" for scheme in schemes)
    try:
        parts = urlsplit(value)
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable, parts = False, SplitResult("", "", "", "", "")
    if not usable or re.search(r"\s", value):
        raise ValueError(f"an address is needed that starts with {allowed} and names a host")
    return parts


def loopback(value: str) -> str:
    """A host name or address only this machine can reach."""
    host = value.strip("[]")
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise ValueError("the API gives orders, so it answers on this machine only: 127.0.0.1")
    return host


def one_word(value: str) -> str:
    """Text without blanks inside: what a credential is."""
    if re.search(r"\s", value):
        raise ValueError("it must not contain blanks or line breaks")
    return value


def header_word(value: str) -> str:
    """A word that every HTTP client can put into a header, and that arrives as it was sent."""
    if not re.fullmatch(r"[!-~]+", value):
        raise ValueError("only printable ASCII characters are possible, and no blanks")
    return value


def feed(value: str) -> str:
    """``synthetic``, or ``replay:`` and a file that is there or a stretch of the archive."""
    if value == "synthetic":
        return value
    if value.startswith("replay:archive:"):
        parse_stretch(value.removeprefix("replay:"))
        return value
    return _with_file(value, "replay", "synthetic, or replay:<file>")


def strategies(names: tuple[str, ...]) -> tuple[str, ...]:
    """The strategies to host; ``none`` gives none."""
    if names == ("none",):
        return ()
    allowed = "breakout, script:<file>, several of them, or none alone"
    for name in names:
        if name != "breakout":
            _with_file(name, "script", allowed)
    if not names or len(set(names)) != len(names):
        raise ValueError(f"{allowed} is needed, nothing twice")
    return names


def _with_file(value: str, kind: str, allowed: str) -> str:
    found, _, name = value.partition(":")
    if found != kind or not name:
        raise ValueError(f"{allowed} is needed")
    if not Path(name).is_file():
        raise ValueError(f"there is no file {name}")
    return value


def folder(path: Path) -> Path:
    """A folder by its own name: what a shell would make of ``~`` is not guessed."""
    if path.parts[:1] and path.parts[0].startswith("~"):
        raise ValueError("~ is not read here; write the whole path")
    return path


def existing_file(path: Path) -> Path:
    """A file that is there."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path
