"""The conversation with Risk."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from actors.messages.base import Due, Event, Message, Query
from actors.messages.book import CurrencyEquity, DayBaseline
from domain.orders import Ticker
from domain.risk import Candidate, Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class MayOpen(Query):
    """Asks whether a new position may be opened now; the asker says what it alone knows.

    ``external`` names instruments with a position that is not ours.
    """

    candidate: Candidate
    is_reconciled: bool
    is_protect_only: bool
    has_session: bool
    external: tuple[str, ...]
    requests_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MayTrade(Query):
    """Asks whether Risk knows enough to let anything in at all; answered as `MayOpen` is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRisk(Query):
    """Asks for Risk's view: limits, the day, prices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskSnapshot(Message):
    """What Risk judges by. ``result_usd`` is the day's, ``loss_limit_usd`` where trading ends.

    ``seen_at`` is when each ticker came, in the order of ``tickers``; ``index`` is USD per
    currency. None: not known yet.
    """

    limits: Limits
    day: DayBaseline | None
    equity: tuple[CurrencyEquity, ...]
    equity_usd: Decimal | None
    result_usd: Decimal | None
    loss_limit_usd: Decimal | None
    index: tuple[tuple[str, Decimal], ...]
    tickers: tuple[Ticker, ...]
    seen_at: tuple[datetime, ...]
    venue_is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed(Message):
    """Nothing speaks against it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied(Message):
    """Refused by us before anything was sent. Stable reason codes of `domain.risk.Reason`."""

    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KillRequested(Event):
    """The day's loss limit is reached; Execution makes the kill durable and flattens."""

    level: ClassVar[str] = "critical"
    reason: str
    result_usd: Decimal
    limit_usd: Decimal
    day: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DayBegan(Event):
    """A trading day begins with this equity: USD, and per currency as ``BTC=1.5``."""

    money: ClassVar[bool] = True
    day: str
    equity_usd: Decimal
    equity: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayMeasured(Event):
    """The account's value now and the day's result so far, said every few minutes."""

    level: ClassVar[str] = "debug"
    day: str
    equity_usd: Decimal
    result_usd: Decimal
    limit_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskDue(Due):
    """Time to look at the day: its loss, its end."""
