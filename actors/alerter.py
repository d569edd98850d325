"""Alerter: turns events into words for a person, and delivers every one of them.

One table says what is worth a person's attention, how it reads, and how often. An alert is in
the outbox on disk before it is sent and leaves it only when it was delivered, so an outage or a
restart loses none. What a limit holds back is said when its time is over: the last of it, and
how many there were. Critical ones know no limit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from actors.kernel import Actor, AskFailed, Context, HandlerTable
from actors.messages import book, desk, lifecycle, risk, session, trading, watch
from actors.messages.alerts import AlertDelayed, AlertDelivered, DeliverDue, FlushDue
from actors.messages.base import Event, event_name
from actors.messages.book import DropAlert, GetBook, OutboxAlert, RecordAlert
from actors.ports import Notifier

ASK_SECONDS = 2.0
RETRY_FIRST, RETRY_CAP = 1.0, 60.0


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one kind of event is told. ``every`` is the limit in seconds, 0 for none."""

    text: Callable[[Any], str]
    every: float = 0.0
    is_critical: bool = False


_Subject = tuple[type[Event], str]


@dataclass(frozen=True, slots=True)
class _HeldBack:
    """How many of a kind were held back, the last of them, and until when (monotonic)."""

    number: int
    text: str
    event: Event
    until: float


ALERTS: dict[type[Event], _Kind] = {
    trading.Ready: _Kind(
        lambda e: f"Ready ({e.mode}): {e.trades} open trades, book and venue agree."
    ),
    trading.TradeOpened: _Kind(
        lambda e: (
            f"Opened {e.side} {e.instrument}, {e.contracts} contracts at "
            f"{e.entry_price:.2f}; stop {e.stop_loss}, target {e.take_profit or 'none'}. "
            f"Without stop for {e.unprotected_ms:.0f} ms."
        )
    ),
    trading.TradeClosed: _Kind(
        lambda e: (
            f"Closed {e.side} {e.instrument} ({e.exit_reason}): "
            f"{e.net_coin:+.8f} {e.currency} after fees, {e.pnl_usd:+.2f} USD before."
        )
    ),
    trading.EmergencyBegan: _Kind(
        lambda e: (
            f"EMERGENCY: trade {e.trade_id} cannot have its stop ({e.reason}). "
            f"Closing {e.contracts} contracts at market now."
        ),
        is_critical=True,
    ),
    trading.EmergencyClosed: _Kind(
        lambda e: (
            f"Emergency close done for trade {e.trade_id} ({e.reason}). "
            f"It was without a stop for {e.unprotected_ms:.0f} ms. Nothing is left to do."
        ),
        is_critical=True,
    ),
    trading.KillSwitchActivated: _Kind(
        lambda e: f"KILL by {e.by}: {e.reason}. No entries; closing everything.",
        is_critical=True,
    ),
    trading.FlatVerified: _Kind(
        lambda e: f"Verified flat after {e.seconds:.1f} s: no position, no order of ours.",
        is_critical=True,
    ),
    trading.NotFlatYet: _Kind(
        lambda e: (
            f"NOT FLAT YET: {', '.join(e.positions) or 'orders remain'} ({e.reason}). "
            "Still trying every second."
        ),
        is_critical=True,
    ),
    trading.KillSwitchReset: _Kind(lambda e: f"Kill ended by {e.reason}: entries are possible."),
    trading.TradeQuarantined: _Kind(
        lambda e: (
            f"Trade {e.trade_id} on {e.instrument} closed more than it held "
            f"({e.position:+d} contracts). Nothing is done by itself: please look."
        ),
        is_critical=True,
    ),
    trading.PnlDiffers: _Kind(
        lambda e: f"PnL of trade {e.trade_id}: ours {e.ours}, the venue's {e.venue}.", every=60
    ),
    trading.ProtectOnlyBegan: _Kind(
        lambda e: f"PROTECT-ONLY: {e.reason}. No entries; open positions stay guarded.",
        is_critical=True,
    ),
    trading.ProtectOnlyEnded: _Kind(lambda e: f"Protect-only ended: {e.reason}."),
    trading.StopFailed: _Kind(
        lambda e: f"Stop {e.label} refused ({e.code} {e.reason}), failure {e.failures}.", every=60
    ),
    trading.EntryRejected: _Kind(
        lambda e: f"The venue refused the entry of {e.trade_id}: {e.code} {e.reason}.", every=60
    ),
    watch.ProtectionMissing: _Kind(
        lambda e: (
            f"NO STOP: {e.instrument} {e.position:+d} contracts, only {e.cover} covered "
            f"for {e.seconds:.1f} s. Its trade has been told to repair it."
        ),
        is_critical=True,
    ),
    watch.ProtectionRestored: _Kind(
        lambda e: f"{e.instrument} is covered again, or flat, after {e.seconds:.1f} s."
    ),
    watch.PositionDrifted: _Kind(
        lambda e: (
            f"{e.instrument}: the venue has {e.venue:+d} contracts, our trades "
            f"{e.ledger:+d}. {e.residual:+d} are not ours."
        ),
        every=60,
    ),
    watch.PositionAgreed: _Kind(lambda e: f"{e.instrument}: venue and trades agree again."),
    watch.OrphanCancelled: _Kind(
        lambda e: f"Cancelled orphan {e.label} on {e.instrument}.", every=60
    ),
    watch.OrphanKept: _Kind(
        lambda e: f"Order {e.label} has no trade but is the last stop on {e.instrument}: kept."
    ),
    watch.GuardPlaced: _Kind(
        lambda e: (
            f"{e.instrument}: {e.contracts} contracts that are not ours now have a stop at "
            f"{e.trigger_price} ({e.label})."
        )
    ),
    watch.GuardRemoved: _Kind(lambda e: f"{e.instrument}: the stop {e.label} is not needed."),
    watch.GuardFailed: _Kind(
        lambda e: (
            f"{e.instrument}: a position that is not ours could not get its stop over "
            f"{e.contracts} contracts ({e.error})."
        ),
        every=60,
    ),
    watch.LookFailed: _Kind(
        lambda e: f"The account cannot be read (failure {e.failures}): {e.error}.", every=60
    ),
    session.SessionLost: _Kind(
        lambda e: f"No session with the venue: {e.reason}. Next try in {e.retry_in_seconds:.1f} s.",
        every=60,
    ),
    session.SessionRefused: _Kind(
        lambda e: f"The venue session is refused: {e.reason}.", is_critical=True
    ),
    lifecycle.ChildFailed: _Kind(
        lambda e: f"{e.name} failed ({e.error}) and is being restarted.", every=60
    ),
    lifecycle.GaveUp: _Kind(
        lambda e: (
            f"GIVING UP: {e.reason}. Stops stay on the venue; the process ends "
            f"with code {e.exit_code}."
        ),
        is_critical=True,
    ),
    lifecycle.Stopping: _Kind(
        lambda e: f"Stopping ({e.reason}). Stops and targets stay on the venue."
    ),
    book.RegistryRebuilt: _Kind(
        lambda e: (
            f"The registry was unreadable (kept as {e.kept_aside}); rebuilt {e.trades} "
            "open trades from the journal. Undelivered alerts of before are lost."
        ),
        is_critical=True,
    ),
    book.DiskFailed: _Kind(
        lambda e: (
            f"DISK: {e.what} cannot be written ({e.error}). No entries; protection goes on. "
            "Free some space."
        ),
        is_critical=True,
    ),
    book.DiskRecovered: _Kind(lambda e: f"Disk: {e.what} can be written again."),
    desk.AlertTestAsked: _Kind(
        lambda e: f"Test alert, asked for by {e.who} ({e.door}). Alerts arrive."
    ),
    desk.StrangerRefused: _Kind(
        lambda e: f"Somebody who is not listed tried {e.command!r} by {e.door} ({e.who}); refused.",
        every=60,
    ),
    book.EntriesPaused: _Kind(
        lambda e: f"Paused by {e.by}: no new entries; open trades keep their stops."
    ),
    book.EntriesResumed: _Kind(lambda e: f"Resumed by {e.by}: entries are possible."),
    risk.DayBegan: _Kind(lambda e: f"Trading day {e.day} begins with {e.equity_usd} USD."),
}
"""What a person hears, and how. Everything else is in the log."""


class Alerter(Actor):
    """Owner of the way to the person."""

    handlers: ClassVar[HandlerTable] = {}

    def __init__(self, context: Context, *, notifier: Notifier) -> None:
        super().__init__(context)
        self._notifier = notifier
        self._waiting: dict[int, OutboxAlert] = {}
        self._next_number = 1
        self._told_at: dict[_Subject, float] = {}
        self._held_back: dict[_Subject, _HeldBack] = {}
        self._failures = 0

    def recover(self) -> None:
        snapshot = self.to("registry").ask(GetBook(at=self.clock.now()), timeout=ASK_SECONDS)
        self._waiting = {alert.number: alert for alert in snapshot.outbox}
        # The clock makes numbers that no predecessor has used, without asking for a counter.
        by_clock = round(self.clock.now().timestamp() * 1000)
        self._next_number = max(by_clock, *self._waiting, 0) + 1
        if self._waiting:
            self.after(0.0, DeliverDue)

    # -- from events to alerts ----------------------------------------------------------------

    def on_event(self, event: Event) -> None:
        kind = ALERTS.get(type(event))
        if kind is None:
            return
        subject = (type(event), _about(event))
        text = self._text(kind, event)
        if kind.every and not kind.is_critical and self._is_too_soon(subject, kind.every):
            self._hold_back(subject, text, event)
        else:
            self._raise(kind, event, text)

    def _text(self, kind: _Kind, event: Event) -> str:
        """In words; should they not fit, in the event's own fields: the alert must not be lost."""
        try:
            return kind.text(event)
        except Exception as error:  # noqa: BLE001 (whatever is wrong with a text, it is only a text)
            self.log.warning("alert_text_failed", alert=event_name(type(event)), error=str(error))
            fields = ", ".join(f"{name}={value}" for name, value in event.to_log().items())
            return f"{event_name(type(event))}: {fields}"

    def _is_too_soon(self, subject: _Subject, every: float) -> bool:
        now = self.clock.monotonic()
        told_at = self._told_at.get(subject)
        if told_at is not None and now - told_at < every:
            return True
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
        now = self.clock.monotonic()
        for subject, held in list(self._held_back.items()):
            if held.until <= now:
                del self._held_back[subject]
                self._told_at[subject] = now
                more = f" (the last of {held.number} such messages)" if held.number > 1 else ""
                self._raise(ALERTS[subject[0]], held.event, held.text + more)
        self._arm_flush()

    def _raise(self, kind: _Kind, event: Event, text: str) -> None:
        alert = OutboxAlert(
            number=self._next_number,
            kind=event_name(type(event)),
            text=text,
            is_critical=kind.is_critical,
            raised_at=event.at,
        )
        self._next_number += 1
        self._waiting[alert.number] = alert
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

    # -- from alerts to the person --------------------------------------------------------------

    def on_deliver_due(self, _: DeliverDue) -> None:
        self._deliver()

    def _deliver(self) -> None:
        """Sends one of what waits, critical ones first, and comes back for the next.

        One at a time, so that a slow line and a long queue never look like a hang.
        """
        if not self._waiting:
            return
        alert = min(self._waiting.values(), key=lambda x: (not x.is_critical, x.number))
        try:
            self._notifier.send(alert.text, critical=alert.is_critical)
        except OSError as error:
            self._delay(alert, error)
            return
        self._failures = 0
        del self._waiting[alert.number]
        self.to("registry").tell(DropAlert(at=self.clock.now(), number=alert.number))
        self.emit(AlertDelivered, number=alert.number, alert=alert.kind)
        if self._waiting:
            self.after(0.0, DeliverDue)

    def _delay(self, alert: OutboxAlert, error: OSError) -> None:
        self._failures += 1
        if self._failures == 1:
            waiting = len(self._waiting)
            self.emit(AlertDelayed, number=alert.number, error=str(error), waiting=waiting)
        wait = min(RETRY_CAP, RETRY_FIRST * 2 ** min(self._failures - 1, 10))
        self.after(wait, DeliverDue)


def _about(event: Event) -> str:
    """Whom or what an event concerns: limits are per kind and subject."""
    names = ("instrument", "trade_id", "name", "what")
    return next((str(getattr(event, name)) for name in names if hasattr(event, name)), "")


Alerter.handlers = {
    DeliverDue: Alerter.on_deliver_due,
    FlushDue: Alerter.on_flush_due,
    Event: Alerter.on_event,
}
