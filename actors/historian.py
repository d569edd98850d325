"""Historian: writes every published event into the journal.

Owns nothing but the way to the disk. A disk that refuses is reported once; what could not be
written waits (bounded) and is written when the disk is back. A trade leaves the book only when
its end is in here, so that no figure is lost between the two; an alert only when its delivery is,
so that nobody is told again. One that comes after a Historian that failed asks the Registry for
what may have been lost with it.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic_core import to_jsonable_python

from actors.kernel import Actor, Context, HandlerTable
from actors.messages.alerts import AlertDelivered
from actors.messages.base import Event, event_name
from actors.messages.book import (
    CloseBook,
    DiskFailed,
    DiskRecovered,
    DropAlert,
    HistoryLost,
    RepeatLastWords,
    RetryDue,
    WriteLastWords,
)
from actors.ports import Journal
from actors.rebuilding import ENDS, leaver

WAITING_LIMIT = 10_000
RETRY_SECONDS = 1.0
DELIVERED = event_name(AlertDelivered)


class Historian(Actor):
    """The only writer of the journal."""

    handlers: ClassVar[HandlerTable] = {}

    def __init__(self, context: Context, *, journal: Journal) -> None:
        super().__init__(context)
        self._journal = journal
        self._waiting: deque[tuple[Mapping[str, Any], bool]] = deque()
        self._lost = 0
        self._lost_money = 0
        self._had: set[str | int] = set()
        """What may leave the book by what this incarnation was told."""

    def recover(self) -> None:
        mine = self.context.incarnation
        if mine > 1:
            self.to("registry").tell(RepeatLastWords(at=self.clock.now(), incarnation=mine))

    def on_write_last_words(self, message: WriteLastWords) -> None:
        """What waited in the mailbox was handled before this: what was not told was lost."""
        if message.incarnation != self.context.incarnation:
            return  # my own answer is on its way, and knows what was written since
        for event in message.events:
            if leaver(event) not in self._had:
                self.on_event(event)

    def on_event(self, event: Event) -> None:
        leaves = leaver(event)
        if leaves is not None and leaves in self._had:
            self._end_again(leaves)
            return
        entry = {
            "ts": event.at.isoformat(),
            "event": event_name(type(event)),
            "level": event.log_level,
            **to_jsonable_python(event.to_log()),
        }
        if leaves is not None:
            self._had.add(leaves)
        if self._waiting:
            self._keep(entry, durable=event.money)
        elif not self._write(entry, durable=event.money):
            self._keep(entry, durable=event.money)
            self.every(RETRY_SECONDS, RetryDue)

    def _end_again(self, leaves: str | int) -> None:
        """A trade that failed at its end, and could not read the book in time, ends again: its
        result counts once (found by the simulation, seed 100308). So does a delivery.
        """
        if any(_leaver(entry) == leaves for entry, _ in self._waiting):
            return  # it leaves the book when it is in the journal
        if isinstance(leaves, str):
            self.log.warning("end_told_twice", trade_id=leaves)
        self._let_go(leaves)

    def on_retry_due(self, _: RetryDue) -> None:
        while self._waiting:
            entry, durable = self._waiting[0]
            if not self._write(entry, durable=durable):
                return
            self._waiting.popleft()
        self.disarm(RetryDue)
        lost, money = self._lost, self._lost_money
        self._lost = self._lost_money = 0
        self.emit(DiskRecovered, what="journal", lost=lost)
        if lost:
            self.emit(HistoryLost, entries=lost, money_facts=money)

    def finish(self) -> None:
        while self._waiting and self._write(self._waiting[0][0], durable=True):
            self._waiting.popleft()

    def _write(self, entry: Mapping[str, Any], *, durable: bool) -> bool:
        try:
            self._journal.append(entry, durable=durable)
        except OSError as error:
            if not self._waiting:
                self.emit(DiskFailed, what="journal", error=str(error))
            return False
        leaves = _leaver(entry)
        if leaves is not None:
            self._let_go(leaves)
        return True

    def _let_go(self, leaves: str | int) -> None:
        now, registry = self.clock.now(), self.to("registry")
        if not registry.is_open:  # the end of a stop: the next process finds it in the journal
            return
        if isinstance(leaves, str):
            registry.tell(CloseBook(at=now, trade_id=leaves))
        else:
            registry.tell(DropAlert(at=now, number=leaves))

    def _keep(self, entry: Mapping[str, Any], *, durable: bool) -> None:
        """When there is no room, the newest goes that is no fact about money."""
        self._waiting.append((entry, durable))
        if len(self._waiting) <= WAITING_LIMIT:
            return
        self._lost += 1
        waiting = enumerate(reversed(self._waiting))
        back = next((n for n, each in waiting if not _is_about_money(*each)), None)
        if back is None:
            self._lost_money += 1
            back = 0
        del self._waiting[len(self._waiting) - 1 - back]


def _is_about_money(entry: Mapping[str, Any], durable: bool) -> bool:
    """A delivery is durable so that nobody is told again, which is no loss."""
    return durable and entry["event"] != DELIVERED


def _leaver(entry: Mapping[str, Any]) -> str | int | None:
    """What leaves the book once this is in the journal, as `leaver` of its event."""
    if entry["event"] in ENDS:
        return str(entry["trade_id"])
    is_done = entry["event"] == DELIVERED and entry["is_done_with"]
    return int(entry["number"]) if is_done else None


Historian.handlers = {
    RetryDue: Historian.on_retry_due,
    WriteLastWords: Historian.on_write_last_words,
    Event: Historian.on_event,
}
