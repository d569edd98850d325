"""Alerter: turns events into words for a person, and delivers every one of them.

An alert is in the outbox on disk before it is sent, and leaves it only when its delivery is in the
journal, so an outage or a restart loses none and tells none twice without need. Delivering never
blocks: the next alert is on disk while the one before is still on its way. What a limit holds back
is said when its time is over: the last of it, and how many there were. Critical ones know no limit,
but come together when many have waited, and are repeated until somebody has acknowledged them.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, time, timedelta, tzinfo
from typing import ClassVar

from actors.alert_daily import report_due, seconds_to_next
from actors.alert_limits import AlertLimits
from actors.alert_missed import look_back
from actors.alert_outbox import AlertOutbox
from actors.alert_texts import ALERTS, Kind, words_for
from actors.alert_words import REPEAT, notice_text, repeat_text
from actors.kernel import Actor, AskFailed, Context, Future, HandlerTable, Timeout
from actors.messages.alerts import (
    AcknowledgeAlerts,
    AlertDelayed,
    AlertDelivered,
    AlertDropped,
    AlertsAcknowledged,
    CrashFound,
    DailyReported,
    DeliverDue,
    DeliveryReport,
    FlushDue,
    RepeatDue,
    ReportDue,
    SilenceDue,
)
from actors.messages.base import Event, event_name
from actors.messages.book import DropAlert, GetBook, KeepLastWords, OutboxAlert, RecordAlert
from actors.messages.desk import CommandHandled
from actors.messages.lifecycle import ChildRestarted
from actors.messages.trading import DIRECT
from actors.ports import Journal, Notice, Notifier
from domain import plain
from domain.commands import Door

ASK_SECONDS = 2.0
RETRY_FIRST, RETRY_CAP = 1.0, 60.0
FINISH_SECONDS = 3.0
SILENCE_SECONDS = 120.0
"""A delivery of which nothing is heard for so long is given again."""
REPORT_AFTER_START = 10.0


class Alerter(Actor):
    """Owner of the way to the person. ``repeat`` is in seconds; 0: nobody can acknowledge."""

    handlers: ClassVar[HandlerTable] = {}

    def __init__(
        self,
        context: Context,
        *,
        notifier: Notifier,
        journal: Journal,
        timezone: tzinfo = UTC,
        repeat: float = 0.0,
        report_at: time | None = None,
    ) -> None:
        super().__init__(context)
        self._notifier = notifier
        self._journal = journal
        self._timezone = timezone
        self._repeat = repeat
        self._report_at = report_at
        self._outbox = AlertOutbox()
        self._found: set[Event] = set()
        self._next_number = 1
        self._limits = AlertLimits()
        self._in_flight: tuple[OutboxAlert, ...] = ()
        self._promise: Future[DeliveryReport] | None = None
        self._failures = 0
        self._quiet_until = 0.0

    def recover(self) -> None:
        snapshot = self.to("registry").ask(GetBook(at=self.clock.now()), timeout=ASK_SECONDS)
        self._outbox = AlertOutbox(snapshot.outbox)
        # The clock makes numbers that no predecessor has used, without asking for a counter.
        by_clock = round(self.clock.now().timestamp() * 1000)
        self._next_number = max(by_clock, self._outbox.last_number) + 1
        self._take_up(snapshot.outbox)
        if self._outbox.waiting:
            self.after(0.0, DeliverDue)
        self._arm_repeat()
        if self._report_at is not None:
            self.after(REPORT_AFTER_START, ReportDue)

    def _take_up(self, outbox: Sequence[OutboxAlert]) -> None:
        """Raises what a predecessor had no time for."""
        now = self.clock.now()
        known = [(alert.number, (alert.kind, alert.raised_at)) for alert in outbox]
        past = look_back(self._journal.entries(days=2), known, now)
        for alert in outbox:
            if alert.delivered_at is None and alert.number in past.delivered:
                self._settle(self._outbox.drop(alert.number))
        for event in past.missed:
            # What its delivery came to may have been lost with the process, where there was one.
            self._tell(event, is_doubtful=getattr(event, "by", "") != DIRECT)
            self._found.add(event)
        if past.crashed_at is not None and self.context.incarnation == 1:
            silent = (now - past.crashed_at).total_seconds()
            self.emit(CrashFound, silent_seconds=round(silent, 3))

    # -- from events to alerts ----------------------------------------------------------------

    def on_event(self, event: Event) -> None:
        if event in self._found:  # it was in the journal, and still waited in the mailbox
            self._found.discard(event)
        elif type(event) in ALERTS:
            self._tell(event)

    def on_child_restarted(self, event: ChildRestarted) -> None:
        """What a Registry died of, or had not written yet, may be a word of this actor."""
        self.on_event(event)
        if event.name == "registry":
            self._bring_into_step()

    def _bring_into_step(self) -> None:
        """A delivery may be lost to book and journal both: whose only witness this actor is."""
        now = self.clock.now()
        try:
            snapshot = self.to("registry").ask(GetBook(at=now), timeout=ASK_SECONDS)
        except AskFailed as error:  # it has failed again, and its restart is told of again
            self.log.warning("outbox_not_compared", error=str(error))
            return
        lacking, over = self._outbox.compare(snapshot.outbox)
        for alert in lacking:
            self.to("registry").tell(RecordAlert(at=now, alert=alert))
        for alert in over:
            self._say_delivered(alert, is_done_with=True)

    def _tell(self, event: Event, *, is_doubtful: bool = False) -> None:
        kind = ALERTS[type(event)]
        text, problem = words_for(kind, event)
        if problem:
            self.log.warning("alert_text_failed", alert=event_name(type(event)), error=problem)
        self._limits.withdraw(event)
        is_limited = kind.every and not kind.is_critical
        if is_limited and not self._limits.passes(event, text, self.clock.monotonic()):
            self._arm_flush()
        else:
            self._raise(kind, event, text, is_doubtful=is_doubtful)

    def _arm_flush(self) -> None:
        due = self._limits.next_due()
        if due is not None:
            self.after(max(0.0, due - self.clock.monotonic()), FlushDue)

    def on_flush_due(self, _: FlushDue) -> None:
        """Says the last of what was held back, and how many there were."""
        self._flush(self.clock.monotonic())
        self._arm_flush()

    def _flush(self, now: float) -> None:
        for held in self._limits.due(now):
            self._raise(ALERTS[type(held.event)], held.event, held.words())

    def finish(self) -> None:
        """What limits hold back goes into the outbox, and what waits gets a last moment to arrive;
        the rest is delivered by the next process.
        """
        self._flush(float("inf"))
        until = self.clock.monotonic() + FINISH_SECONDS
        self._deliver()
        while self._promise is not None:
            try:
                report = self._promise.get(timeout=max(0.0, until - self.clock.monotonic()))
            except Timeout:
                return
            self._promise = None
            self.on_delivery_report(report)
            if not report.error:
                self._deliver()

    def _raise(self, kind: Kind, event: Event, text: str, *, is_doubtful: bool = False) -> None:
        alert = OutboxAlert(
            number=self._next_number,
            kind=event_name(type(event)),
            text=plain.text(text),  # an error's own words may be what no file takes
            is_critical=kind.is_critical,
            raised_at=event.at,
        )
        if is_doubtful:
            self._outbox.doubt(alert.number)
        self._add(alert)

    def _add(self, alert: OutboxAlert) -> None:
        self._next_number = alert.number + 1
        for surplus in self._outbox.add(alert):
            self._give_up(surplus, "too many wait")
        record = RecordAlert(at=self.clock.now(), alert=alert)
        try:
            self.to("registry").ask(record, timeout=ASK_SECONDS)
        except AskFailed as error:
            self.log.warning("alert_not_durable_yet", alert=alert.kind, error=str(error))
            self.to("registry").tell(record)
        if self._failures == 0:
            self._deliver()
        elif alert.is_critical:
            self.after(RETRY_FIRST, DeliverDue)

    def _give_up(self, alert: OutboxAlert, reason: str) -> None:
        if alert in self._in_flight:
            self._in_flight, self._promise = (), None
        self.to("registry").tell(DropAlert(at=self.clock.now(), number=alert.number))
        self.emit(
            AlertDropped,
            number=alert.number,
            alert=alert.kind,
            raised_at=alert.raised_at,
            reason=reason,
        )

    # -- from alerts to the person --------------------------------------------------------------

    def on_deliver_due(self, _: DeliverDue) -> None:
        self._deliver()

    def _deliver(self) -> None:
        """Sends what comes next. The rest follows when it is known what became of it."""
        batch = self._outbox.batch()
        if not batch or self._in_flight:
            return
        wait = self._quiet_until - self.clock.monotonic()
        if wait > 0:
            self.after(wait, DeliverDue)
            return
        self._in_flight = batch
        self.after(SILENCE_SECONDS, SilenceDue)
        self._promise = promise = self.system.runtime.future()
        address = self.to(self.name)

        def done(report: DeliveryReport) -> None:
            promise.set(report)
            address.tell(report)

        try:
            self._notifier.send(self._notice(batch), done)
        except OSError as error:
            number = batch[-1].number
            self._failed(DeliveryReport(at=self.clock.now(), number=number, error=str(error)))

    def _notice(self, batch: tuple[OutboxAlert, ...]) -> Notice:
        is_doubtful = any(self._outbox.may_be_a_repeat(alert.number) for alert in batch)
        is_critical = batch[-1].is_critical
        return Notice(
            number=batch[-1].number,
            text=notice_text(batch, self.clock.now(), self._timezone, is_doubtful=is_doubtful),
            is_critical=is_critical,
            can_be_acknowledged=is_critical and self._repeat > 0,
            numbers=tuple(alert.number for alert in batch),
        )

    def on_delivery_report(self, message: DeliveryReport) -> None:
        is_awaited = bool(self._in_flight) and message.number == self._in_flight[-1].number
        if is_awaited:
            self._promise = None
        if message.error:
            if is_awaited:
                self._failed(message)
        elif is_awaited:
            batch, self._in_flight = self._in_flight, ()
            self.disarm(SilenceDue)
            self._delivered(batch)
        elif alert := self._outbox.get(message.number):
            self._delivered((alert,))  # word of it comes late: it has been given again

    def on_silence_due(self, _: SilenceDue) -> None:
        if self._in_flight:
            number, error = self._in_flight[-1].number, f"nothing heard for {SILENCE_SECONDS:g} s"
            report = DeliveryReport(
                at=self.clock.now(), number=number, error=error, is_unknown=True
            )
            self._failed(report)

    def _delivered(self, batch: Sequence[OutboxAlert]) -> None:
        self._failures, self._quiet_until = 0, 0.0
        for alert in batch:
            if self._outbox.get(alert.number):
                self._settle(self._outbox.drop(alert.number))
        if self._outbox.waiting:
            self.after(0.0, DeliverDue)

    def _settle(self, alert: OutboxAlert) -> None:
        """It was delivered: the book forgets it as soon as the journal knows that. What is
        critical stays there until somebody has acknowledged it.
        """
        now, registry = self.clock.now(), self.to("registry")
        is_owed_a_word = alert.is_critical and self._repeat > 0 and alert.kind != REPEAT
        self._say_delivered(alert, is_done_with=not is_owed_a_word)
        told = [alert] if is_owed_a_word else []
        if alert.kind == REPEAT:
            told += self._outbox.unseen
        for each in told:
            seen_at = replace(each, delivered_at=now)
            registry.tell(RecordAlert(at=now, alert=seen_at))
            for surplus in self._outbox.keep_unseen(seen_at):
                registry.tell(DropAlert(at=now, number=surplus.number))
        self._arm_repeat()

    def _say_delivered(self, alert: OutboxAlert, *, is_done_with: bool) -> None:
        delivered = self.emit(
            AlertDelivered,
            number=alert.number,
            alert=alert.kind,
            raised_at=alert.raised_at,
            is_done_with=is_done_with,
        )
        self.to("registry").tell(KeepLastWords(at=self.clock.now(), event=delivered))

    def _failed(self, report: DeliveryReport) -> None:
        batch, self._in_flight, self._promise = self._in_flight, (), None
        self.disarm(SilenceDue)
        left = [alert for alert in batch if self._outbox.get(alert.number)]
        if not left:
            self.after(0.0, DeliverDue)
            return
        self._failures += 1
        if self._failures == 1:
            waiting = self._outbox.waiting
            self.emit(AlertDelayed, number=report.number, error=report.error, waiting=waiting)
        wait = min(RETRY_CAP, RETRY_FIRST * 2 ** min(self._failures - 1, 10))
        if report.retry_after_seconds:
            wait = report.retry_after_seconds
            self._quiet_until = self.clock.monotonic() + wait
        for alert in left:
            if self._outbox.failed(
                alert.number, is_unknown=report.is_unknown, is_refused=report.is_refused
            ):
                self._give_up(self._outbox.drop(alert.number), f"refused: {report.error}")
        self.after(wait, DeliverDue)

    # -- the day's report -----------------------------------------------------------------------

    def on_report_due(self, _: ReportDue) -> None:
        """Makes the day's report, if it is time."""
        at, zone = self._report_at, self._timezone
        if at is None:
            return
        now = self.clock.now()
        report = report_due(self._journal, now, at, zone, unsent=self._outbox.waiting)
        if report is not None:
            self.emit(DailyReported, since=report.since, until=report.until, text=report.text)
        self.after(seconds_to_next(now, at, zone), ReportDue)

    # -- from the person back -------------------------------------------------------------------

    def on_acknowledge_alerts(self, message: AcknowledgeAlerts) -> None:
        self._acknowledge(message.by, message.up_to)

    def on_command_handled(self, event: CommandHandled) -> None:
        """Who gives a command is there, and has seen what there was to see; a program is not."""
        if event.door is not Door.API:
            self._acknowledge(f"{event.door}:{event.who}")

    def _acknowledge(self, by: str, up_to: int = 0) -> None:
        seen = self._outbox.acknowledge(up_to)
        for alert in seen:
            self.to("registry").tell(DropAlert(at=self.clock.now(), number=alert.number))
        if seen:
            self.emit(AlertsAcknowledged, by=by, alerts=len(seen))
        self._arm_repeat()

    def _arm_repeat(self) -> None:
        told_at = self._outbox.last_told_at()
        if told_at is None or not self._repeat:
            self.disarm(RepeatDue)
            return
        due = told_at + timedelta(seconds=self._repeat) - self.clock.now()
        self.after(min(self._repeat, max(1.0, due.total_seconds())), RepeatDue)

    def on_repeat_due(self, _: RepeatDue) -> None:
        unseen = self._outbox.unseen
        if not unseen or self._outbox.is_waiting(REPEAT):
            return
        self._add(
            OutboxAlert(
                number=self._next_number,
                kind=REPEAT,
                text=repeat_text(unseen, self._timezone),
                is_critical=True,
                raised_at=self.clock.now(),
            )
        )


Alerter.handlers = {
    DeliveryReport: Alerter.on_delivery_report,
    AcknowledgeAlerts: Alerter.on_acknowledge_alerts,
    DeliverDue: Alerter.on_deliver_due,
    SilenceDue: Alerter.on_silence_due,
    FlushDue: Alerter.on_flush_due,
    RepeatDue: Alerter.on_repeat_due,
    ReportDue: Alerter.on_report_due,
    CommandHandled: Alerter.on_command_handled,
    ChildRestarted: Alerter.on_child_restarted,
    Event: Alerter.on_event,
}
