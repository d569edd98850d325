"""Channel names: what a subscription text means, or that it means nothing."""

import re
from dataclasses import dataclass
from enum import Enum

from adapters.paper.candles import SPANS_MS
from adapters.paper.catalogue import CURRENCIES, INDEX_OF, INSTRUMENTS, OTHER_CURRENCIES


class Family(Enum):
    """The kinds of channel that say something."""

    BOOK = "book"
    DEPTH = "depth"
    TICKER = "ticker"
    QUOTE = "quote"
    TRADES = "trades"
    PERPETUAL = "perpetual"
    INDEX = "index"
    PLATFORM = "platform"
    STATE = "state"
    ORDERS = "orders"
    FILLS = "fills"
    CHANGES = "changes"
    PORTFOLIO = "portfolio"
    TICKER_STEPS = "ticker steps"
    CANDLES = "candles"
    PUBLIC_METHODS = "public methods"
    OWN_QUIET = "own quiet"

    # Looked up at every event: the name's hash, that Python works out anew each time, is slow.
    __hash__ = object.__hash__


PRIVATE = frozenset(
    {Family.ORDERS, Family.FILLS, Family.CHANGES, Family.PORTFOLIO, Family.OWN_QUIET}
)
RAW = "raw"
_INTERVAL_MS = {RAW: 0, "100ms": 100, "agg2": 1000}
_INSTRUMENT = r"(?P<instrument>[A-Z_]+-PERPETUAL)"
_GROUP = r"(?P<kind>future|option|spot|future_combo|option_combo|any)\.(?P<currency>\w+)"
_EVERY = r"\.(?P<interval>raw|100ms|agg2)"
_SLOW = r"\.(?P<interval>100ms|agg2)"
_WINDOW = r"\.(?:none|1|2|5|10|25|100|250)\.(?P<depth>1|10|20)"
_FORMS = [
    (re.compile(text), family)
    for text, family in (
        (rf"book\.{_INSTRUMENT}{_EVERY}", Family.BOOK),
        (rf"book\.{_INSTRUMENT}{_WINDOW}{_SLOW}", Family.DEPTH),
        (rf"ticker\.{_INSTRUMENT}{_EVERY}", Family.TICKER),
        (rf"incremental_ticker\.{_INSTRUMENT}", Family.TICKER_STEPS),
        (rf"chart\.trades\.{_INSTRUMENT}\.(?P<span>\w+)", Family.CANDLES),
        (rf"quote\.{_INSTRUMENT}", Family.QUOTE),
        (rf"trades\.{_INSTRUMENT}{_EVERY}", Family.TRADES),
        (rf"trades\.{_GROUP}{_EVERY}", Family.TRADES),
        (rf"perpetual\.{_INSTRUMENT}{_EVERY}", Family.PERPETUAL),
        (r"deribit_price_index\.(?P<index>\w+)", Family.INDEX),
        (r"platform_state", Family.PLATFORM),
        (r"platform_state\.public_methods_state", Family.PUBLIC_METHODS),
        (rf"instrument\.state\.{_GROUP}", Family.STATE),
        (rf"user\.orders\.{_INSTRUMENT}{_EVERY}", Family.ORDERS),
        (rf"user\.orders\.{_GROUP}{_EVERY}", Family.ORDERS),
        (rf"user\.trades\.{_INSTRUMENT}{_EVERY}", Family.FILLS),
        (rf"user\.trades\.{_GROUP}{_EVERY}", Family.FILLS),
        (rf"user\.changes\.{_INSTRUMENT}{_EVERY}", Family.CHANGES),
        (rf"user\.changes\.{_GROUP}{_EVERY}", Family.CHANGES),
        (r"user\.portfolio\.(?P<currency>\w+)", Family.PORTFOLIO),
        (r"user\.(?:access_log|lock)", Family.OWN_QUIET),
        (r"user\.mmp_trigger\.(?P<index>\w+)", Family.OWN_QUIET),
        (rf"user\.combo_trades\.{_GROUP}{_EVERY}", Family.OWN_QUIET),
    )
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One channel: what of, how often (0 is at every event), and for private data only."""

    text: str
    family: Family
    instruments: frozenset[str]
    currencies: tuple[str, ...] = ()
    index: str = ""
    interval_ms: int = 0
    is_raw: bool = False
    depth: int = 0
    span_ms: int = 0

    @property
    def is_private(self) -> bool:
        return self.family in PRIVATE


def parse(text: str) -> Topic | None:
    """The channel of that name; None when there is none."""
    for form, family in _FORMS:
        if match := form.fullmatch(text):
            return _topic(text, family, match.groupdict())
    return None


def _topic(text: str, family: Family, parts: dict[str, str | None]) -> Topic | None:
    currencies, instruments = _currencies(parts), _instruments(parts)
    index = parts.get("index") or ""
    span = parts.get("span")
    if instruments is None or currencies is None or (index and index not in INDEX_OF):
        return None
    if span is not None and span not in SPANS_MS:
        return None
    interval = parts.get("interval")
    return Topic(
        text=text,
        family=family,
        instruments=instruments,
        currencies=currencies,
        index=index,
        interval_ms=_pace(family, interval),
        is_raw=interval == RAW,
        depth=int(parts.get("depth") or 0),
        span_ms=SPANS_MS.get(span or "", 0),
    )


def _pace(family: Family, interval: str | None) -> int:
    if family in {Family.INDEX, Family.PLATFORM}:
        return 1000
    if family in {Family.TICKER_STEPS, Family.CANDLES}:
        return 100
    return _INTERVAL_MS[interval or RAW]


def _currencies(parts: dict[str, str | None]) -> tuple[str, ...] | None:
    currency = (parts.get("currency") or "any").upper()
    if currency == "ANY":
        return CURRENCIES
    return (currency,) if currency in CURRENCIES or currency in OTHER_CURRENCIES else None


def _instruments(parts: dict[str, str | None]) -> frozenset[str] | None:
    name = parts.get("instrument")
    if name:
        return frozenset({name}) if name in INSTRUMENTS else None
    if parts.get("kind") not in {None, "future", "any"}:
        return frozenset()
    currencies = _currencies(parts) or ()
    return frozenset(
        each.name for each in INSTRUMENTS.values() if each.settlement_currency in currencies
    )
