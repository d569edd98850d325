"""What the venue pushes: orders, fills, positions, money, prices, and the end of a connection.

A report may come before, after or instead of the reply to the request that caused it, and may
come twice. Fills are counted once by their ``trade_id``.
"""

from dataclasses import dataclass
from typing import ClassVar

from actors.messages.base import Report
from domain.orders import Account, Fill, MarketTrade, Order, Position, Ticker


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesReport(Report):
    """What one event of the matching engine changed for us on one instrument.

    A flat position is reported by absence: the venue's size 0 is left out of ``positions``, and
    ``is_flat`` tells it from a report that says nothing about the position.
    """

    instrument_name: str
    orders: tuple[Order, ...]
    fills: tuple[Fill, ...]
    positions: tuple[Position, ...]
    is_flat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountReport(Report):
    """One currency of the account."""

    account: Account


@dataclass(frozen=True, slots=True, kw_only=True)
class TickerReport(Report):
    """Prices of one instrument."""

    perishable: ClassVar[bool] = True

    ticker: Ticker


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketTradesReport(Report):
    """Public trades, oldest first."""

    trades: tuple[MarketTrade, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformReport(Report):
    """The platform's state changed. ``locked``: the index of an instrument of ours is."""

    locked: bool
    maintenance: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLost(Report):
    """The connection ended without our asking: fills may have been missed since."""

    reason: str
