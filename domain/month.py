"""What a month amounted to, folded from the journal's entries (plain mappings, oldest first).

Coin figures are in the settlement currency; ``pnl`` is before fees, as the venue books it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

from domain.daily import percentile

Entry = Mapping[str, Any]


@dataclass(slots=True)
class Money:
    """The result of closed trades in one currency, and the funding booked besides."""

    pnl: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    net: Decimal = Decimal(0)
    funding: Decimal = Decimal(0)


@dataclass(slots=True)
class Equity:
    """Equity of one currency at the first and the last day's start that the month has."""

    first: Decimal
    last: Decimal


@dataclass(slots=True)
class Month:
    """One month. ``other`` of a currency is what its equity changed beside closed trades."""

    month: str
    trades: int = 0
    won: int = 0
    lost: int = 0
    pnl_usd: Decimal = Decimal(0)
    by_currency: dict[str, Money] = field(default_factory=dict[str, Money])
    by_instrument: Counter[str] = field(default_factory=Counter[str])
    by_exit: Counter[str] = field(default_factory=Counter[str])
    equity: dict[str, Equity] = field(default_factory=dict[str, Equity])
    net_between: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    unprotected_ms: dict[str, float] = field(default_factory=dict[str, float])
    denied: Counter[str] = field(default_factory=Counter[str])
    events: Counter[str] = field(default_factory=Counter[str])
    entries: int = 0

    @property
    def worst_unprotected_trade(self) -> str:
        """The trade that was longest without its stop; empty when none ever was."""
        bare = {name: ms for name, ms in self.unprotected_ms.items() if ms > 0}
        return max(bare, key=lambda name: bare[name], default="")

    @property
    def worst_unprotected_ms(self) -> float:
        return self.unprotected(1)

    def unprotected(self, share: float) -> float:
        """The milliseconds without a stop that so large a share of trades did not exceed."""
        times = sorted(self.unprotected_ms.values())
        return percentile(times, share) if times else 0.0

    @property
    def win_rate(self) -> float | None:
        """Trades that won after fees, as a fraction; None without a trade."""
        return self.won / self.trades if self.trades else None

    def other(self, currency: str) -> Decimal | None:
        """Transfers and open positions together; None before a second day began."""
        equity = self.equity.get(currency)
        if equity is None or currency not in self.net_between:
            return None
        return equity.last - equity.first - self.net_between[currency]


COUNTED = {
    "emergency_closed": "emergency closes",
    "protection_deadline_missed": "times without a stop for longer than allowed",
    "kill_switch_activated": "kills",
    "protection_missing": "positions found without a stop",
    "protect_only_began": "times in protect-only",
    "trade_quarantined": "trades quarantined",
    "pnl_differs": "PnL differences to the venue",
    "outcome_unknown": "unknown outcomes",
    "stop_failed": "failed tries to place a stop",
    "entry_rejected": "entries the venue refused",
    "entry_denied": "entries we refused",
    "orphan_cancelled": "orphans cancelled",
    "position_drifted": "drifts from the ledger",
    "session_lost": "sessions lost",
    "child_restarted": "actors restarted",
    "process_started": "starts of the process",
    "gave_up": "times the process gave up",
    "stopping": "ordered stops",
    "alert_delivered": "alerts delivered",
    "alert_delayed": "alerts delayed",
}
"""What a report counts, and in which words."""

ONCE = {"trade_closed": "trade_id", "funding_booked": "log_id"}
"""What is counted once however often it is told, and the field that says which it is.

Who failed before it was certain that the words are on disk says them again, perhaps next month.
"""


def report(entries: Iterable[Entry], month: str, zone: tzinfo) -> Month:
    """The month ``YYYY-MM``, its days as ``zone`` has them."""
    found = Month(month)
    since_day_began: dict[str, Decimal] = {}
    told: set[tuple[str, str]] = set()
    for entry in entries:
        when = _month_of(entry, zone)
        is_repeat = bool(when) and _is_repeat(entry, told)
        if when != month:
            continue
        found.entries += 1
        event = str(entry.get("event", ""))
        if event in COUNTED:
            found.events[event] += 1
        if event == "trade_closed" and not is_repeat:
            _add_trade(found, entry, since_day_began)
        elif event == "funding_booked" and not is_repeat:
            _add_funding(found, entry, since_day_began)
        elif event == "day_began":
            _add_day(found, entry, since_day_began)
        elif event == "entry_denied":
            found.denied.update(str(x) for x in entry.get("reasons", ()))
        _add_exposure(found, entry)
    return found


def _month_of(entry: Entry, zone: tzinfo) -> str:
    try:
        return datetime.fromisoformat(str(entry.get("ts"))).astimezone(zone).strftime("%Y-%m")
    except ValueError:
        return ""


def _is_repeat(entry: Entry, told: set[tuple[str, str]]) -> bool:
    """Whether this trade's end, or this booking, stands further up as well; adds it to ``told``."""
    event = str(entry.get("event", ""))
    if event not in ONCE:
        return False
    key = event, str(entry.get(ONCE[event]))
    is_repeat = key in told
    told.add(key)
    return is_repeat


def _add_trade(found: Month, entry: Entry, since_day_began: dict[str, Decimal]) -> None:
    currency, net = str(entry.get("currency", "")), _number(entry, "net_coin")
    money = found.by_currency.setdefault(currency, Money())
    money.pnl += _number(entry, "pnl_coin")
    money.fees += _number(entry, "fees_coin")
    money.net += net
    since_day_began[currency] = since_day_began.get(currency, Decimal(0)) + net
    found.trades += 1
    found.won += net > 0
    found.lost += net < 0
    found.pnl_usd += _number(entry, "pnl_usd")
    found.by_instrument[str(entry.get("instrument", ""))] += 1
    found.by_exit[str(entry.get("exit_reason", ""))] += 1


def _add_funding(found: Month, entry: Entry, since_day_began: dict[str, Decimal]) -> None:
    currency, amount = str(entry.get("currency", "")), _number(entry, "amount")
    found.by_currency.setdefault(currency, Money()).funding += amount
    since_day_began[currency] = since_day_began.get(currency, Decimal(0)) + amount


def _add_day(found: Month, entry: Entry, since_day_began: dict[str, Decimal]) -> None:
    """A day's start gives the equity; between the first and the last one trades are counted."""
    for text in entry.get("equity", ()):
        currency, _, amount = str(text).partition("=")
        equity = _decimal(amount)
        known = found.equity.get(currency)
        if known is None:
            found.equity[currency] = Equity(equity, equity)
        else:
            known.last = equity
            net = since_day_began.get(currency, Decimal(0))
            found.net_between[currency] = found.net_between.get(currency, Decimal(0)) + net
        since_day_began.pop(currency, None)


def _add_exposure(found: Month, entry: Entry) -> None:
    exposed = entry.get("unprotected_ms")
    if isinstance(exposed, int | float):
        trade_id = str(entry.get("trade_id", ""))
        found.unprotected_ms[trade_id] = max(
            float(exposed), found.unprotected_ms.get(trade_id, 0.0)
        )


def _number(entry: Entry, name: str) -> Decimal:
    return _decimal(entry.get(name, "0"))


def _decimal(value: object) -> Decimal:
    """A figure of the journal; what is none counts as nothing rather than hide the rest."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return Decimal(0)
    return number if number.is_finite() else Decimal(0)
