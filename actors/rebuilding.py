"""The book from the journal: open trades, the kill and the day, when the book itself is lost.

Only what was intended is taken from the journal; what was sent and filled, the venue knows better.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from actors.messages.alerts import AlertDelivered, AlertDropped
from actors.messages.base import Event, event_name
from actors.messages.book import (
    CurrencyEquity,
    DayBaseline,
    EntriesPaused,
    EntriesResumed,
    IntentRecorded,
    KillState,
    PauseState,
)
from actors.messages.risk import DayBegan
from actors.messages.trading import (
    KillSwitchActivated,
    KillSwitchReset,
    TradeAbandoned,
    TradeClosed,
)
from domain.orders import OrderType, Side, TriggerBy
from domain.trade import Trade, TradePlan
from domain.trade_check import flaws

INTENT = event_name(IntentRecorded)
ENDS = frozenset({event_name(TradeClosed), event_name(TradeAbandoned)})
"""The first and the last words of a trade, as the journal names them."""


def leaver(event: Event) -> str | int | None:
    """The trade (its id) or alert (its number) that leaves the book once this is in the journal."""
    match event:
        case TradeClosed() | TradeAbandoned():
            return event.trade_id
        case AlertDelivered(is_done_with=True):
            return event.number
        case _:
            return None


DELIVERED, DROPPED = event_name(AlertDelivered), event_name(AlertDropped)


def done_alerts(entries: Iterable[Mapping[str, Any]]) -> frozenset[int]:
    """The numbers of alerts that have left the book: nobody has to be told, or to acknowledge."""
    done = (
        x.get("number")
        for x in entries
        if x.get("event") == DROPPED or (x.get("event") == DELIVERED and x.get("is_done_with"))
    )
    return frozenset(x for x in done if isinstance(x, int))


KILLED, RESET = event_name(KillSwitchActivated), event_name(KillSwitchReset)
PAUSED, RESUMED = event_name(EntriesPaused), event_name(EntriesResumed)
DAY = event_name(DayBegan)
_SWITCHES = frozenset({KILLED, RESET, PAUSED, RESUMED, DAY})


def what_counts(entries: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of a whole journal, in one pass, the few entries a book is made of.

    Intents without an end, then kills, pauses and days in their order: a year of history needs no
    more memory than these.
    """
    intents: dict[str, Mapping[str, Any]] = {}
    switches: list[Mapping[str, Any]] = []
    for entry in entries:
        event = entry.get("event")
        if event == INTENT:
            intents[str(entry.get("trade_id"))] = entry
        elif event in ENDS:
            intents.pop(str(entry.get("trade_id")), None)
        elif event in _SWITCHES:
            switches.append(entry)
    return [*intents.values(), *switches]


def open_intents(entries: Iterable[Mapping[str, Any]]) -> list[Trade]:
    """Trades whose intent the journal has and whose end it has not."""
    found: dict[str, Trade] = {}
    for entry in entries:
        event = entry.get("event")
        if event == INTENT:
            trade = _intent(entry)
            if trade is not None:
                found[trade.id] = trade
        elif event in ENDS:
            found.pop(str(entry.get("trade_id")), None)
    return list(found.values())


def _intent(entry: Mapping[str, Any]) -> Trade | None:
    def price(name: str) -> Decimal | None:
        return Decimal(entry[name]) if entry.get(name) is not None else None

    try:
        plan = TradePlan(
            trade_id=entry["trade_id"],
            instrument_name=entry["instrument"],
            side=Side(entry["side"]),
            contracts=int(entry["contracts"]),
            entry_type=OrderType(entry["entry_type"]),
            entry_price=price("entry_price"),
            stop_price=Decimal(entry["stop_loss"]),
            target_price=price("take_profit"),
            notional_usd=Decimal(entry["notional_usd"]),
            note=entry.get("note", ""),
            created_at=datetime.fromisoformat(entry["ts"]),
            valid_until_ms=int(entry["valid_until_ms"]),
            is_linked=entry.get("is_linked") is True,
            stop_trigger=TriggerBy(entry.get("stop_trigger", TriggerBy.MARK_PRICE)),
            break_even_at=price("break_even_at"),
            trail=price("trail"),
            contract_size=price("contract_size"),
        )
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None
    trade = Trade(plan=plan)
    return None if flaws(trade) else trade


def last_kill(entries: Iterable[Mapping[str, Any]]) -> KillState | None:
    """The kill still in force at the end of the journal.

    One that does not name its day was made in the last one that began before it: its moment is
    in UTC, and so its date may be another.
    """
    kill: KillState | None = None
    began = ""
    for entry in entries:
        if entry.get("event") == DAY:
            began = str(entry.get("day", ""))
        elif entry.get("event") == KILLED:
            kill = KillState(
                reason=str(entry.get("reason", "")),
                by=str(entry.get("by", "")),
                day=str(entry.get("day") or began or str(entry.get("ts", ""))[:10]),
                until_midnight=bool(entry.get("until_midnight", False)),
            )
        elif entry.get("event") == RESET:
            kill = None
    return kill


def last_pause(entries: Iterable[Mapping[str, Any]]) -> PauseState | None:
    """The pause still in force at the end of the journal."""
    pause: PauseState | None = None
    for entry in entries:
        if entry.get("event") == PAUSED:
            try:
                since = datetime.fromisoformat(str(entry.get("ts")))
            except ValueError:
                since = datetime.fromtimestamp(0, UTC)  # that it is in force counts, not since when
            pause = PauseState(by=str(entry.get("by", "")), since=since)
        elif entry.get("event") == RESUMED:
            pause = None
    return pause


def last_day(entries: Iterable[Mapping[str, Any]]) -> DayBaseline | None:
    """The last trading day's baseline the journal has."""
    day: DayBaseline | None = None
    for entry in entries:
        if entry.get("event") == DAY:
            try:
                day = _baseline(entry)
            except (KeyError, TypeError, ValueError, ArithmeticError, ValidationError):
                continue
    return day


def _baseline(entry: Mapping[str, Any]) -> DayBaseline:
    pairs = (str(text).split("=", 1) for text in entry["equity"])
    return DayBaseline(
        day=entry["day"],
        usd=Decimal(entry["equity_usd"]),
        equity=tuple(CurrencyEquity(currency=x, equity=Decimal(y)) for x, y in pairs),
    )
