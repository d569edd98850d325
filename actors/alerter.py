"""Alerter: turns events into words for a person, and delivers every one of them.

An alert is in the outbox on disk before it is sent and leaves it only when it was delivered, so
an outage or a restart loses none. Delivering never blocks: the next alert is on disk while the
one before is still on its way. What a limit holds back is said when its time is over: the last
of it, and how many there were. Critical ones know no limit, and are repeated until somebody has
acknowledged them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import ClassVar

from actors.alert_missed import look_back
from actors.alert_outbox import AlertOutbox
from actors.alert_texts import ALERTS, Kind, words_for
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
from actors.messages.book import DropAlert, GetBook, OutboxAlert, RecordAlert
from actors.messages.desk import CommandHandled
from actors.ports import Journal, Notice, Notifier
from domain.commands import Door
from domain.content import as_text
from domain.daily import (
    EVENTS,
    LONGEST_DAYS,
    daily_report,
    due_moment,
    first_moment,
    has_any,
    last_report,
    next_moment,
    window_before,
)

ASK_SECONDS = 2.0
RETRY_FIRST, RETRY_CAP = 1.0, 60.0
FINISH_SECONDS = 3.0
SILENCE_SECONDS = 120.0
"""A delivery of which nothing is heard for so long is given again."""
LATE_SECONDS = 60.0
"""Beyond this an alert says when it was raised."""
REPEAT = "repeat"
REPEAT_LINES = 8
REPORTED = event_name(DailyReported)
REPORT_AFTER_START, REPORT_LOOK = 10.0, 3600.0

_Subject = tuple[type[Event], str]


@dataclass(frozen=True, slots=True)
class _HeldBack:
    """How many of a kind were held back, the last of them, and until when (monotonic)."""

    number: int
    text: str
    event: Event
    until: float


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
        self._told_at: dict[_Subject, float] = {}
        self._held_back: dict[_Subject, _HeldBack] = {}
        self._in_flight: int | None = None
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
        known = [(alert.kind, alert.raised_at) for alert in outbox]
        past = look_back(self._journal.entries(days=2), known, now)
        for event in past.missed:
            # What its delivery came to may have been lost with the process.
            self._tell(event, is_doubtful=True)
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

    def _tell(self, event: Event, *, is_doubtful: bool = False) -> None:
        kind, subject = ALERTS[type(event)], (type(event), _about(event))
        text, problem = words_for(kind, event)
        if problem:
            self.log.warning("alert_text_failed", alert=event_name(type(event)), error=problem)
        if kind.is_critical:
            self._raise(kind, event, text, is_doubtful=is_doubtful)
        elif kind.every and self._is_too_soon(subject, kind.every):
            self._hold_back(subject, text, event)
        else:
            self._raise(kind, event, text)

    def _is_too_soon(self, subject: _Subject, every: float) -> bool:
        now = self.clock.monotonic()
        told_at = self._told_at.get(subject)
        if told_at is not None and now - told_at < every:
            return True
        self._told_at = {x: y for x, y in self._told_at.items() if now - y < ALERTS[x[0]].every}
        self._told_at[subject] = now
        return False

    def _hold_back(self, subject: _Subject, text: str, event: Event) -> None:
        held = self._held_back.get(subject)
        until = self._told_at[subject] + ALERTS[subject[0]].every
        number = held.number + 1 if held else 1
        self._held_back[subject] = _HeldBack(number, text, event, until)
        self._arm_flush()

    def _arm_flush(self) -> None:
        if self._held_back:
            soonest = min(held.until for held in self._held_back.values())
            self.after(max(0.0, soonest - self.clock.monotonic()), FlushDue)

    def on_flush_due(self, _: FlushDue) -> None:
        """Says the last of what was held back, and how many there were."""
        self._flush(self.clock.monotonic())
        self._arm_flush()

    def _flush(self, now: float) -> None:
        for subject, held in list(self._held_back.items()):
            if held.until <= now:
                del self._held_back[subject]
                self._told_at[subject] = now
                more = f"\n(the last of {held.number} such messages)" if held.number > 1 else ""
                self._raise(ALERTS[subject[0]], held.event, held.text + more)

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
            text=text,
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
        if alert.number == self._in_flight:
            self._in_flight = self._promise = None
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
        """Sends one of what waits. The next follows when it is known what became of it."""
        alert = self._outbox.head()
        if alert is None or self._in_flight is not None:
            return
        wait = self._quiet_until - self.clock.monotonic()
        if wait > 0:
            self.after(wait, DeliverDue)
            return
        self._in_flight = alert.number
        self.after(SILENCE_SECONDS, SilenceDue)
        self._promise = promise = self.system.runtime.future()
        address = self.to(self.name)

        def done(report: DeliveryReport) -> None:
            promise.set(report)
            address.tell(report)

        try:
            self._notifier.send(self._notice(alert), done)
        except OSError as error:
            self._failed(DeliveryReport(at=self.clock.now(), number=alert.number, error=str(error)))

    def _notice(self, alert: OutboxAlert) -> Notice:
        lines = [alert.text]
        late = (self.clock.now() - alert.raised_at).total_seconds()
        if late > LATE_SECONDS and alert.kind != REPEAT:
            lines.append(f"Raised at {self._local(alert.raised_at)}, {_ago(late)} ago.")
        if self._outbox.may_be_a_repeat(alert.number):
            lines.append("(Perhaps a repeat: an earlier delivery was not confirmed.)")
        return Notice(
            number=alert.number,
            text="\n".join(lines),
            is_critical=alert.is_critical,
            can_be_acknowledged=alert.is_critical and self._repeat > 0,
        )

    def _local(self, moment: datetime) -> str:
        return f"{moment.astimezone(self._timezone):%H:%M:%S %Z}"

    def on_delivery_report(self, message: DeliveryReport) -> None:
        if message.number == self._in_flight:
            self._promise = None
        if not message.error:
            self._delivered(message)
        elif message.number == self._in_flight:
            self._failed(message)

    def on_silence_due(self, _: SilenceDue) -> None:
        if self._in_flight is not None:
            number, error = self._in_flight, f"nothing heard for {SILENCE_SECONDS:g} s"
            report = DeliveryReport(
                at=self.clock.now(), number=number, error=error, is_unknown=True
            )
            self._failed(report)

    def _delivered(self, message: DeliveryReport) -> None:
        if message.number == self._in_flight:
            self._in_flight = None
            self.disarm(SilenceDue)
        alert = self._outbox.get(message.number)
        if alert is None:
            return
        self._failures, self._quiet_until = 0, 0.0
        self._outbox.drop(alert.number)
        self.emit(AlertDelivered, number=alert.number, alert=alert.kind, raised_at=alert.raised_at)
        self._settle(alert)
        if self._outbox.waiting:
            self.after(0.0, DeliverDue)

    def _settle(self, alert: OutboxAlert) -> None:
        """What is critical stays in the book until somebody has acknowledged it."""
        now = self.clock.now()
        registry = self.to("registry")
        if not (alert.is_critical and self._repeat) or alert.kind == REPEAT:
            registry.tell(DropAlert(at=now, number=alert.number))
        else:
            told = replace(alert, delivered_at=now)
            registry.tell(RecordAlert(at=now, alert=told))
            for surplus in self._outbox.keep_unseen(told):
                registry.tell(DropAlert(at=now, number=surplus.number))
        if alert.kind == REPEAT:
            for unseen in self._outbox.unseen:
                told = replace(unseen, delivered_at=now)
                self._outbox.keep_unseen(told)
                registry.tell(RecordAlert(at=now, alert=told))
        self._arm_repeat()

    def _failed(self, report: DeliveryReport) -> None:
        self._in_flight = self._promise = None
        self.disarm(SilenceDue)
        alert = self._outbox.get(report.number)
        if alert is None:
            self.after(0.0, DeliverDue)
            return
        self._failures += 1
        if self._failures == 1:
            waiting = self._outbox.waiting
            self.emit(AlertDelayed, number=alert.number, error=report.error, waiting=waiting)
        wait = min(RETRY_CAP, RETRY_FIRST * 2 ** min(self._failures - 1, 10))
        if report.retry_after_seconds:
            wait = report.retry_after_seconds
            self._quiet_until = self.clock.monotonic() + wait
        if self._outbox.failed(
            alert.number, is_unknown=report.is_unknown, is_refused=report.is_refused
        ):
            self._give_up(self._outbox.drop(alert.number), f"refused: {report.error}")
        self.after(wait, DeliverDue)

    # -- the day's report -----------------------------------------------------------------------

    def on_report_due(self, _: ReportDue) -> None:
        """Each moment is reported once, also when nobody was there: the journal knows the last."""
        if self._report_at is None:
            return
        now = self.clock.now()
        until = due_moment(now, self._report_at, self._timezone)
        entries = self._journal.find(events=(*EVENTS, REPORTED), days=LONGEST_DAYS + 2)
        last = last_report(x for x in entries if x.get("event") == REPORTED)
        since = window_before(until, last or first_moment(entries))
        if (last is None or last < until) and has_any(entries, since, until):
            report = daily_report(
                entries, since=since, until=until, zone=self._timezone, unsent=self._outbox.waiting
            )
            text = f"Daily report\n{as_text(report)}"
            self.emit(DailyReported, since=since, until=until, text=text)
        following = next_moment(now, self._report_at, self._timezone) - now
        # At least hourly, because the clock of the wall may be set in between.
        self.after(min(REPORT_LOOK, following.total_seconds() + 0.1), ReportDue)

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
        number = len(unseen)
        lines = [
            f"NOT ACKNOWLEDGED: {number} critical alert{'' if number == 1 else 's'}",
            *(
                f"{self._local(alert.raised_at)} {alert.text.partition(chr(10))[0]}"
                for alert in unseen[-REPEAT_LINES:]
            ),
        ]
        if number > REPEAT_LINES:
            lines.insert(1, f"the last {REPEAT_LINES}:")
        lines.append("Press the button, or give any command, to end this.")
        self._add(
            OutboxAlert(
                number=self._next_number,
                kind=REPEAT,
                text="\n".join(lines),
                is_critical=True,
                raised_at=self.clock.now(),
            )
        )


def _ago(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _about(event: Event) -> str:
    """Whom or what an event concerns: limits are per kind and subject."""
    names = ("instrument", "trade_id", "name", "what")
    return next((str(getattr(event, name)) for name in names if hasattr(event, name)), "")


Alerter.handlers = {
    DeliveryReport: Alerter.on_delivery_report,
    AcknowledgeAlerts: Alerter.on_acknowledge_alerts,
    DeliverDue: Alerter.on_deliver_due,
    SilenceDue: Alerter.on_silence_due,
    FlushDue: Alerter.on_flush_due,
    RepeatDue: Alerter.on_repeat_due,
    ReportDue: Alerter.on_report_due,
    CommandHandled: Alerter.on_command_handled,
    Event: Alerter.on_event,
}
