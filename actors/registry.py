"""Registry: the durable book of open trades, the kill, the day and the alert outbox.

Single writer. The answer to an ask means it is on disk. What is only told (a trade's newest
record) is kept and tried again while the disk refuses, because protecting must go on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import TypeAdapter

from actors.kernel import Actor, Context, HandlerTable
from actors.messages.base import Event
from actors.messages.book import (
    BookSnapshot,
    CancelIntent,
    ClearKill,
    ClearPause,
    CloseBook,
    DayBaseline,
    DiskFailed,
    DiskRecovered,
    DropAlert,
    EntriesPaused,
    EntriesResumed,
    GetBook,
    GetTrade,
    IntentRecorded,
    KeepLastWords,
    KillState,
    OutboxAlert,
    PauseState,
    RecordAlert,
    RecordDay,
    Recorded,
    RecordIntent,
    RecordKill,
    RecordPause,
    RecordTrade,
    RegistryRebuilt,
    RepeatLastWords,
    RetryDue,
    TradeSnapshot,
    WriteLastWords,
)
from actors.messages.trading import TradeAbandoned
from actors.ports import REBUILDING, Book, Journal
from actors.rebuilding import (
    ENDS,
    INTENT,
    done_alerts,
    last_day,
    last_kill,
    last_pause,
    leaver,
    open_intents,
    what_counts,
)
from domain.trade import ExitReason, Trade
from domain.trade_check import flaws

TRADES, STATE, OUTBOX = "trades", "state", "outbox"
KILL, PAUSE, DAY, PROBE = "kill", "pause", "day", "probe"
REBUILT = REBUILDING[1]
RETRY_SECONDS = 1.0

_TRADE = TypeAdapter(Trade)
_KILL = TypeAdapter(KillState)
_PAUSE = TypeAdapter(PauseState)
_DAY = TypeAdapter(DayBaseline)
_ALERT = TypeAdapter(OutboxAlert)


def check_book(tables: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Whether a Registry could live from these tables: for whoever opens the book.

    Raises:
        ValueError: a record is not what a Registry writes.
    """
    for key, document in tables.get(TRADES, {}).items():
        trade = _TRADE.validate_python(document)
        found = flaws(trade)
        if found or trade.id != key:
            raise ValueError(f"trade {key}: {', '.join(found) or 'it is another one'}")
    state = tables.get(STATE, {})
    for key, kind in ((KILL, _KILL), (PAUSE, _PAUSE), (DAY, _DAY)):
        if key in state:
            kind.validate_python(state[key])
    for document in tables.get(OUTBOX, {}).values():
        _ALERT.validate_python(document)


class Registry(Actor):
    """The single writer of the book. Asks nobody."""

    handlers: ClassVar[HandlerTable] = {}

    def __init__(self, context: Context, *, book: Book, journal: Journal) -> None:
        super().__init__(context)
        self._book = book
        self._journal = journal
        self._trades: dict[str, Trade] = {}
        self._kill: KillState | None = None
        self._pause: PauseState | None = None
        self._day: DayBaseline | None = None
        self._outbox: dict[int, OutboxAlert] = {}
        self._last_words: dict[str | int, Event] = {}
        self._unwritten: dict[tuple[str, str], Mapping[str, Any] | None] = {}
        self._has_failed = False

    def recover(self) -> None:
        tables = self._book.load()
        trades = [_TRADE.validate_python(x) for x in tables.get(TRADES, {}).values()]
        alerts = [_ALERT.validate_python(x) for x in tables.get(OUTBOX, {}).values()]
        latest = list(self._journal.entries(days=2)) if trades or alerts else []
        self._trades = {trade.id: trade for trade in self._without_ended(trades, latest)}
        self._outbox = {alert.number: alert for alert in alerts}
        for number in done_alerts(latest) & self._outbox.keys():  # one may have died of its drop
            self._forget(number)
        state = tables.get(STATE, {})
        self._kill = _KILL.validate_python(state[KILL]) if KILL in state else None
        self._pause = _PAUSE.validate_python(state[PAUSE]) if PAUSE in state else None
        self._day = _DAY.validate_python(state[DAY]) if DAY in state else None
        if REBUILT in state:
            self._rebuild(str(state[REBUILT].get("kept_aside", "")))

    def _without_ended(
        self, trades: Sequence[Trade], latest: Sequence[Mapping[str, Any]]
    ) -> list[Trade]:
        """What a predecessor left open, made whole where it died between book and journal.

        A trade whose end is in the journal is dropped. One that was finished but whose last
        words were lost says them again; so does the Registry for a beginning that was lost.
        """
        ended = {x.get("trade_id") for x in latest if x.get("event") in ENDS}
        begun = {x.get("trade_id") for x in latest if x.get("event") == INTENT}
        since = self.clock.now() - timedelta(days=1)
        for trade in trades:
            if trade.id in ended:
                self._put_or_keep(TRADES, trade.id, None)
            elif trade.id not in begun and trade.plan.created_at > since:
                self._tell_intent(trade)
        return [replace(x, is_finished=False) for x in trades if x.id not in ended]

    # -- asks: on disk before the answer ----------------------------------------------------

    def on_record_intent(self, message: RecordIntent) -> Recorded:
        if self._kill is not None:
            return self._answer_with("killed")
        if self._pause is not None:
            return self._answer_with("paused")
        trade = message.trade
        if not self._write(TRADES, trade.id, _TRADE.dump_python(trade, mode="json")):
            return self._answer_with("disk_failed")
        self._trades[trade.id] = trade
        self.afterwards(lambda: self._tell_intent(trade))
        return self._answer_with("")

    def _tell_intent(self, trade: Trade) -> None:
        plan = trade.plan
        self.emit(
            IntentRecorded,
            trade_id=trade.id,
            instrument=plan.instrument_name,
            side=plan.side,
            contracts=plan.contracts,
            entry_type=plan.entry_type,
            entry_price=plan.entry_price,
            stop_loss=plan.stop_price,
            take_profit=plan.target_price,
            notional_usd=plan.notional_usd,
            valid_until_ms=plan.valid_until_ms,
            is_linked=plan.is_linked,
            stop_trigger=plan.stop_trigger.value,
            break_even_at=plan.break_even_at,
            trail=plan.trail,
            contract_size=plan.contract_size,
            note=plan.note,
        )

    def on_record_kill(self, message: RecordKill) -> Recorded:
        day = message.day or (self._day.day if self._day else message.at.date().isoformat())
        kill = KillState(
            reason=message.reason, by=message.by, day=day, until_midnight=message.until_midnight
        )
        # In force even if the disk refuses; it is written as soon as the disk allows.
        self._kill = kill
        written = self._keep_state(KILL, _KILL, kill)
        return self._answer_with("" if written else "disk_failed")

    def on_clear_kill(self, message: ClearKill) -> Recorded:
        del message
        if not self._write(STATE, KILL, None):
            self._keep_state(KILL, _KILL, self._kill)  # what failed may show in the file
            return self._answer_with("disk_failed")
        self._kill = None
        return self._answer_with("")

    def on_record_pause(self, message: RecordPause) -> Recorded:
        if self._pause is None:
            # In force even if the disk refuses, as a kill is.
            self._pause = PauseState(by=message.by, since=message.at)
            self.emit(EntriesPaused, by=message.by)
        written = self._keep_state(PAUSE, _PAUSE, self._pause)
        return self._answer_with("" if written else "disk_failed")

    def on_clear_pause(self, message: ClearPause) -> Recorded:
        if self._pause is None:
            return self._answer_with("")
        if not self._write(STATE, PAUSE, None):
            self._keep_state(PAUSE, _PAUSE, self._pause)  # as with a kill
            return self._answer_with("disk_failed")
        self._pause = None
        self.emit(EntriesResumed, by=message.by)
        return self._answer_with("")

    def on_record_day(self, message: RecordDay) -> Recorded:
        self._day = message.baseline
        written = self._keep_state(DAY, _DAY, message.baseline)
        return self._answer_with("" if written else "disk_failed")

    def on_record_alert(self, message: RecordAlert) -> Recorded:
        alert = message.alert
        self._outbox[alert.number] = alert
        document = _ALERT.dump_python(alert, mode="json")
        if not self._write(OUTBOX, str(alert.number), document):
            self._later(OUTBOX, str(alert.number), document)
            return self._answer_with("disk_failed")
        return self._answer_with("")

    def on_get_book(self, _: GetBook) -> BookSnapshot:
        return BookSnapshot(
            at=self.clock.now(),
            trades=tuple(x for x in self._trades.values() if not x.is_finished),
            kill=self._kill,
            day=self._day,
            outbox=tuple(self._outbox[number] for number in sorted(self._outbox)),
            pause=self._pause,
        )

    def on_get_trade(self, message: GetTrade) -> TradeSnapshot:
        trade = self._trades.get(message.trade_id)
        is_open = trade is not None and not trade.is_finished
        return TradeSnapshot(at=self.clock.now(), trade=trade if is_open else None)

    # -- tells: written now, or as soon as the disk allows -------------------------------------

    def on_record_trade(self, message: RecordTrade) -> None:
        if message.trade.id in self._trades:
            self._trades[message.trade.id] = message.trade
            document = _TRADE.dump_python(message.trade, mode="json")
            self._put_or_keep(TRADES, message.trade.id, document)

    def on_cancel_intent(self, message: CancelIntent) -> None:
        trade = self._trades.get(message.trade_id)
        if trade is not None:
            self._last_words[trade.id] = self.emit(
                TradeAbandoned,
                trade_id=trade.id,
                instrument=trade.plan.instrument_name,
                reason=ExitReason.ENTRY_NOT_SENT.value,
            )

    def on_keep_last_words(self, message: KeepLastWords) -> None:
        key = leaver(message.event)
        if key is not None and (key in self._trades or key in self._outbox):
            self._last_words[key] = message.event

    def on_repeat_last_words(self, message: RepeatLastWords) -> None:
        words = WriteLastWords(
            at=self.clock.now(),
            incarnation=message.incarnation,
            events=tuple(self._last_words.values()),
        )
        self.to("historian").tell(words)

    def on_close_book(self, message: CloseBook) -> None:
        self._last_words.pop(message.trade_id, None)
        if self._trades.pop(message.trade_id, None) is not None:
            self._put_or_keep(TRADES, message.trade_id, None)

    def on_drop_alert(self, message: DropAlert) -> None:
        self._forget(message.number)

    def _forget(self, number: int) -> None:
        self._outbox.pop(number, None)
        self._last_words.pop(number, None)
        self._put_or_keep(OUTBOX, str(number), None)

    def on_retry_due(self, _: RetryDue) -> None:
        if not self._write_what_waits():
            return
        if self._write(STATE, PROBE, {"at": self.clock.now().isoformat()}):
            self._has_failed = False
            self.disarm(RetryDue)
            self.emit(DiskRecovered, what="registry")

    def finish(self) -> None:
        self._write_what_waits()

    # -- inside ------------------------------------------------------------

    def _answer_with(self, refusal: str) -> Recorded:
        return Recorded(at=self.clock.now(), ok=not refusal, refusal=refusal)

    def _put_or_keep(self, table: str, key: str, document: Mapping[str, Any] | None) -> None:
        if self._unwritten or not self._write(table, key, document):
            self._later(table, key, document)

    def _keep_state(self, key: str, kind: TypeAdapter[Any], state: object | None) -> bool:
        """Whether it is on disk at once: it rests on nothing, and so goes before what waits."""
        if state is None:
            return True
        document = kind.dump_python(state, mode="json")
        if self._write(STATE, key, document):
            return True
        self._later(STATE, key, document)
        return False

    def _later(self, table: str, key: str, document: Mapping[str, Any] | None) -> None:
        self._unwritten[table, key] = document

    def _write_what_waits(self) -> bool:
        """In the order it came, up to the first that fails: what comes later may rest on it."""
        waiting = list(self._unwritten.items())
        return all(self._write(table, key, document) for (table, key), document in waiting)

    def _write(self, table: str, key: str, document: Mapping[str, Any] | None) -> bool:
        try:
            if document is None:
                self._book.remove(table, key)
            else:
                self._book.put(table, key, document)
        except OSError as error:
            self._disk_failed(error)
            return False
        self._unwritten.pop((table, key), None)  # what waited for this place is older
        return True

    def _disk_failed(self, error: OSError) -> None:
        if not self._has_failed:
            self._has_failed = True
            self.every(RETRY_SECONDS, RetryDue)
            self.emit(DiskFailed, what="registry", error=str(error))

    # -- rebuilding from the journal ------------------------------------------------------------

    def _rebuild(self, kept_aside: str) -> None:
        """Adds to the book what only the journal knows; that this is owed is taken off it last.

        So a start that dies on the way begins again, and what it had written stays. In a journal
        without anything for a book there was none to lose: that is a first start.
        """
        entries = what_counts(self._journal.entries())
        self._kill = self._kill or last_kill(entries)
        self._keep_state(KILL, _KILL, self._kill)
        self._pause = self._pause or last_pause(entries)
        self._keep_state(PAUSE, _PAUSE, self._pause)
        self._day = self._day or last_day(entries)
        self._keep_state(DAY, _DAY, self._day)
        for trade in open_intents(entries):
            if trade.id not in self._trades:
                self._trades[trade.id] = trade
                self._put_or_keep(TRADES, trade.id, _TRADE.dump_python(trade, mode="json"))
        if entries or kept_aside:
            self.emit(RegistryRebuilt, kept_aside=kept_aside, trades=len(self._trades))
        self._put_or_keep(*REBUILDING, None)


Registry.handlers = {
    RecordIntent: Registry.on_record_intent,
    RecordTrade: Registry.on_record_trade,
    CancelIntent: Registry.on_cancel_intent,
    CloseBook: Registry.on_close_book,
    KeepLastWords: Registry.on_keep_last_words,
    RepeatLastWords: Registry.on_repeat_last_words,
    RecordKill: Registry.on_record_kill,
    ClearKill: Registry.on_clear_kill,
    RecordPause: Registry.on_record_pause,
    ClearPause: Registry.on_clear_pause,
    RecordDay: Registry.on_record_day,
    RecordAlert: Registry.on_record_alert,
    DropAlert: Registry.on_drop_alert,
    GetBook: Registry.on_get_book,
    GetTrade: Registry.on_get_trade,
    RetryDue: Registry.on_retry_due,
}
