"""Trade: one bracket, from intent to closed.

The actor is the shell around `domain.bracket`: it asks `next_step` what to do, does exactly that
at the venue, puts the outcome into the record, and repeats until there is nothing to do but
wait. Reports of its own orders wake it at once; a timer wakes it when a step has a deadline.

Protective orders never wait for the disk; the entry does (its intent is durable before this
actor exists).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

from actors import trade_truth
from actors.kernel import Actor, AskFailed, Context, HandlerTable
from actors.messages import trading as say
from actors.messages.book import GetTrade, RecordTrade, TradeSnapshot
from actors.messages.session import RenewSession
from actors.messages.trading import (
    BeginTrade,
    CloseTrade,
    FillReport,
    OrderReport,
    StepDue,
    VerifyTrade,
)
from actors.ports import NotSent, OutcomeUnknown, Rejected, Venue
from actors.trade_log import Announcer
from actors.trade_orders import differences, request_of
from domain import bracket, outcomes, venue_codes
from domain.labels import Role
from domain.orders import Order, OrderRequest, Placement, TriggerBy
from domain.reports import apply_fills, apply_order
from domain.steps import BracketPolicy, Do, Step
from domain.trade import (
    ExitReason,
    Line,
    LineStatus,
    Trade,
    measured,
    measured_anew,
    with_line,
)

ASK_SECONDS = 2.0
LOG_IN_SECONDS = 3.0
STEP_LIMIT = 60
STEP_SECONDS = 5.0
"""Steps taken for one message, and seconds spent on it, before others get their turn."""
SOON = 0.05
FILLS_SECONDS = 1.0
"""How long fills an order tells of may be on their way before they are fetched."""
PROTECT_VALID_MS = 1_500


class TradeActor(Actor):
    """The only sender of this trade's orders, except Execution when it flattens."""

    handlers: ClassVar[HandlerTable] = {}

    def __init__(
        self,
        context: Context,
        *,
        argument: BeginTrade,
        venue: Venue,
        policy: BracketPolicy,
        stop_trigger: TriggerBy,
    ) -> None:
        super().__init__(context)
        self._trade = argument.trade
        self._instrument = argument.instrument
        self._is_new = argument.is_new and context.incarnation == 1
        self._venue = venue
        self._policy = policy
        self._stop_trigger = stop_trigger
        self._saved: Trade | None = None
        self._gone: set[str] = set()
        self._next_look: float | None = None
        self._logged_in_at: float | None = None
        self._announce = Announcer(self.emit, argument.instrument)
        self._steps: Mapping[Do, Callable[[Step], bool]] = {
            Do.SYNC: self._sync,
            Do.LOOK_UP: self._look_up,
            Do.PLACE: self._place,
            Do.RESIZE: self._resize,
            Do.CANCEL: self._cancel,
            Do.GIVE_UP_STOP: self._give_up_stop,
            Do.QUARANTINE: self._wait,
            Do.WAIT: self._wait,
            Do.FINISH: self._finish,
        }

    def recover(self) -> None:
        if not self._is_new:
            record = self._last_record()
            if record is None:
                # Over already: what still waits in the mailbox must find it so.
                self._trade = self._saved = replace(self._trade, is_finished=True)
                self.retire()
                return
            now = self.clock.now()
            self._trade = measured_anew(outcomes.resumed(record), now)
        self._advance()

    def _last_record(self) -> Trade | None:
        """The book's record; None when the trade is over.

        While the Registry cannot answer, what this actor was born with will do: protection must
        not wait, and the venue knows the rest by label.
        """
        try:
            snapshot: TradeSnapshot = self.to("registry").ask(
                GetTrade(at=self.clock.now(), trade_id=self._trade.id), timeout=ASK_SECONDS
            )
        except AskFailed as error:
            self.log.warning("book_unreadable", error=str(error))
            return self._trade
        return snapshot.trade

    # -- what it hears ------------------------------------------------------------

    def on_order_report(self, message: OrderReport) -> None:
        self._change(apply_order(self._trade, message.order, self.clock.now()))
        self._advance()

    def on_fill_report(self, message: FillReport) -> None:
        fills = (message.fill,)
        foreign = message.is_foreign
        now = self.clock.now()
        self._change(apply_fills(self._trade, fills, now, foreign=foreign))
        self._advance()

    def on_close_trade(self, message: CloseTrade) -> None:
        self._change(outcomes.ending(self._trade, ExitReason(message.reason)))
        self._advance()

    def on_verify_trade(self, _: VerifyTrade) -> None:
        if self._trade.is_finished:
            return
        self._change(replace(self._trade, needs_sync=True))
        self._advance()
        self.to("execution").tell(
            say.TradeRecovered(
                at=self.clock.now(), trade_id=self._trade.id, is_synced=not self._trade.needs_sync
            )
        )

    def on_step_due(self, _: StepDue) -> None:
        if self._trade.lacks_fills:
            self._change(replace(self._trade, needs_sync=True))
        self._advance()

    # -- the loop ------------------------------------------------------------

    def _advance(self) -> None:
        """Takes steps until one says to wait; saves after each, and arms the next look."""
        self.disarm(StepDue)
        self._next_look = None
        began = self.clock.monotonic()
        for _ in range(STEP_LIMIT):
            step = bracket.next_step(self._trade, self._policy, self.clock.now())
            goes_on = step is not None and self._steps[step.do](step)
            self._save()
            if not goes_on:
                break
            if self.clock.monotonic() - began > STEP_SECONDS:
                self._wake_by(0.0)
                break
        else:
            self._wake_by(SOON)
        if self._trade.lacks_fills:
            self._wake_by(FILLS_SECONDS)
        self._arm_deadline()

    def _change(self, trade: Trade) -> None:
        """Adopts a new record and announces what changed."""
        before, self._trade = self._trade, measured(trade, self.clock.now())
        self._trade = self._announce.changed(before, self._trade)

    def _save(self) -> None:
        if self._trade == self._saved:
            return
        now = self.clock.now()
        self._saved = self._trade
        self.to("registry").tell(RecordTrade(at=now, trade=self._trade))
        self.to("execution").tell(say.TradeUpdated(at=now, trade=self._trade))

    def _arm_deadline(self) -> None:
        """An exposed position is looked at again when its deadline strikes, whatever happens."""
        since = self._trade.exposed_since
        if since is None or self._trade.exit_reason is not None:
            return
        deadline = since + timedelta(seconds=self._policy.protection_deadline)
        self._wake_by(max(SOON, (deadline - self.clock.now()).total_seconds()))

    def _wake_by(self, seconds: float) -> None:
        when = self.clock.monotonic() + seconds
        if self._next_look is None or when < self._next_look:
            self._next_look = when
            self.after(seconds, StepDue)

    # -- steps: each returns whether to go on at once -------------------------------------------

    def _wait(self, step: Step) -> bool:
        if step.until is not None:
            self._wake_by(max(0.0, (step.until - self.clock.now()).total_seconds()))
        return False

    def _place(self, step: Step) -> bool:
        role = step.role or Role.CLOSE
        is_entry = role is Role.ENTRY
        valid_until = self._trade.plan.valid_until_ms
        if not is_entry:
            valid_until = self._venue.server_now_ms() + PROTECT_VALID_MS
        line = Line(
            role=role,
            attempt=self._trade.next_attempt(role),
            contracts=step.contracts,
            status=LineStatus.UNKNOWN,
            sent_at=self.clock.now(),
            valid_until_ms=valid_until,
        )
        request = request_of(self._trade, line, self._instrument, self._stop_trigger)
        self._change(outcomes.about_to_send(self._trade, line))
        self._save()
        if is_entry:
            self._announce.entry_sent(self._trade, request)
        try:
            placement = self._venue.place(request)
        except Rejected as error:
            self._was_rejected(line, error)
        except NotSent as error:
            self.log.warning("order_not_sent", label=request.label, reason=str(error))
            self._change(outcomes.not_sent(self._trade, line, self._policy, self.clock.now()))
        except OutcomeUnknown as error:
            self._outcome_unknown(line, "place", error)
        else:
            self._was_placed(line, request, placement)
        return True

    def _was_placed(self, line: Line, request: OrderRequest, placement: Placement) -> None:
        now = self.clock.now()
        trade = apply_order(self._trade, placement.order, now)
        trade = apply_fills(trade, placement.fills, now)
        wrong = differences(request, placement.order)
        if wrong:
            self._change(trade)
            self._accepted_something_else(line, placement.order, wrong)
            return
        if line.role is Role.STOP:
            trade = replace(trade, stop_failures=0)
        trade = measured(trade, now)
        self._announce.placed(trade, placement.order, line.role)
        self._change(trade)

    def _accepted_something_else(self, line: Line, order: Order, wrong: str) -> None:
        """The venue took an order that is not the one we meant: away with it, and count it."""
        self.log.error("order_not_as_asked", label=order.label, differs=wrong)
        failed = Rejected(0, f"the venue accepted another order than asked: {wrong}")
        if order.state.is_live:
            current = self._trade.line(line.role, line.attempt) or line
            self._cancel(Step(do=Do.CANCEL, line=current))
        current = self._trade.line(line.role, line.attempt) or line
        if current.status is not LineStatus.FILLED:
            self._was_rejected(current, failed)

    def _was_rejected(self, line: Line, error: Rejected) -> None:
        now = self.clock.now()
        if self._needs_login(error) and line.role is not Role.ENTRY:
            # Refused for the token's sake alone: the same order goes out again afterwards.
            self._change(outcomes.not_sent(self._trade, line, self._policy, now))
            self._log_in_again()
            return
        self._change(outcomes.rejected(self._trade, line, error.code, self._policy, now))
        self._announce.rejected(self._trade, line.role, self._trade.label(line), error)
        if error.code in venue_codes.STALE_CONTRACT_DATA:
            self.to("execution").tell(say.CatalogueDue(at=now, cause="contract data refused"))

    def _needs_login(self, error: Exception) -> bool:
        return isinstance(error, Rejected) and error.code in venue_codes.NEEDS_LOGIN

    def _log_in_again(self) -> None:
        """Has the session renewed and goes on at once; a second time only after the pause."""
        now = self.clock.monotonic()
        is_again = self._logged_in_at is not None and now - self._logged_in_at < STEP_SECONDS
        try:
            is_open = self.to("auth").ask(
                RenewSession(at=self.clock.now(), reason="token refused"), timeout=LOG_IN_SECONDS
            )
        except AskFailed as error:
            self.log.warning("log_in_failed", error=str(error))
            return
        if is_open and not is_again:
            self._logged_in_at = self.clock.monotonic()
            self._change(replace(self._trade, not_before=None))

    def _outcome_unknown(self, line: Line, what: str, error: Exception) -> None:
        self.emit(
            say.OutcomeUnknown,
            trade_id=self._trade.id,
            label=self._trade.label(line),
            what=what,
            error=str(error),
        )

    def _resize(self, step: Step) -> bool:
        line = self._line_of(step)
        try:
            placement = self._venue.edit(
                line.order_ids[0],
                self._instrument,
                contracts=step.contracts,
                price=self._trade.plan.target_price if line.role is Role.TARGET else None,
                trigger_price=self._trade.plan.stop_price if line.role is Role.STOP else None,
            )
        except Rejected as error:
            self._resize_refused(line, error)
        except (NotSent, OutcomeUnknown) as error:
            self._outcome_unknown(line, "edit", error)
            self._change(outcomes.refused(self._trade, self._policy, self.clock.now()))
        else:
            self._was_resized(step, line, placement)
        return True

    def _was_resized(self, step: Step, line: Line, placement: Placement) -> None:
        now = self.clock.now()
        trade = apply_order(self._trade, placement.order, now)
        self._change(apply_fills(trade, placement.fills, now))
        if placement.order.state.is_live and placement.order.contracts < step.contracts:
            # The venue holds less than we think: asking again at once would only repeat it.
            self._resize_refused(line, Rejected(0, f"only {placement.order.contracts} granted"))
            return
        self._announce.placed(self._trade, placement.order, line.role)

    def _resize_refused(self, line: Line, error: Rejected) -> None:
        trade = outcomes.refused(self._trade, self._policy, self.clock.now())
        if self._needs_login(error):
            self._change(trade)
            self._log_in_again()
            return
        if line.role is Role.STOP:
            trade = replace(trade, stop_failures=trade.stop_failures + 1)
        else:
            trade = replace(trade, target_failures=trade.target_failures + 1)
        self._change(trade)
        self._announce.rejected(self._trade, line.role, self._trade.label(line), error)

    def _cancel(self, step: Step) -> bool:
        line = self._line_of(step)
        try:
            order = self._venue.cancel(line.order_ids[-1])
        except Rejected as error:
            self._cancel_refused(line, error)
        except (NotSent, OutcomeUnknown) as error:
            self._outcome_unknown(line, "cancel", error)
            self._change(outcomes.refused(self._trade, self._policy, self.clock.now()))
        else:
            trade = apply_order(self._trade, order, self.clock.now())
            gone = trade.line(line.role, line.attempt) or line
            if not gone.status.is_over:
                # The documented reply to cancelling a trigger still shows it untriggered.
                trade = with_line(trade, replace(gone, status=LineStatus.CANCELLED))
            self._change(trade)
        return True

    def _cancel_refused(self, line: Line, error: Rejected) -> None:
        label = self._trade.label(line)
        if error.code in venue_codes.GONE_ALREADY and label not in self._gone:
            # The venue was faster (a fill, or its own clipping): read how it ended, at once;
            # but only once, should its reads lag behind.
            self._gone.add(label)
            self._change(replace(self._trade, needs_sync=True))
            return
        self.log.warning("cancel_refused", label=label, error=str(error))
        self._change(outcomes.refused(self._trade, self._policy, self.clock.now()))
        if self._needs_login(error):
            self._log_in_again()

    def _give_up_stop(self, step: Step) -> bool:
        self._change(outcomes.ending(self._trade, step.reason or ExitReason.STOP_REFUSED))
        return True

    # -- looking up ------------------------------------------------------------

    def _look_up(self, step: Step) -> bool:
        line = self._line_of(step)
        label = self._trade.label(line)
        try:
            truth = trade_truth.of_line(self._venue, self._trade, line, self._instrument)
        except (Rejected, NotSent, OutcomeUnknown) as error:
            self.log.warning("look_up_failed", label=label, error=str(error))
            self._look_again(line)
            return self._read_failed(error)
        now, server_ms = self.clock.now(), self._venue.server_now_ms()
        trade = outcomes.looked_up(
            self._trade, line, truth.orders, self._policy, now, server_ms=server_ms
        )
        self._change(apply_fills(trade, truth.fills, now))
        found = self._trade.line(line.role, line.attempt)
        if line.status is LineStatus.UNKNOWN and found and found.status is not LineStatus.UNKNOWN:
            outcome = found.status.value
            self.emit(say.OutcomeResolved, trade_id=self._trade.id, label=label, outcome=outcome)
        return True

    def _read_failed(self, error: Exception) -> bool:
        """Whether it makes sense to read again at once."""
        if self._needs_login(error):
            self._log_in_again()
        return False

    def _look_again(self, line: Line) -> None:
        at = self.clock.now() + timedelta(seconds=self._policy.look_interval)
        self._change(with_line(self._trade, replace(line, look_at=at)))
        self._wake_by(self._policy.look_interval)

    def _sync(self, step: Step) -> bool:
        """Reads everything the venue knows of this trade: what rests, what was, what filled."""
        del step
        try:
            truth = trade_truth.of_trade(self._venue, self._trade, self._instrument)
        except (Rejected, NotSent, OutcomeUnknown) as error:
            self.log.warning("sync_failed", trade_id=self._trade.id, error=str(error))
            self._change(outcomes.refused(self._trade, self._policy, self.clock.now()))
            self._wake_by(self._policy.retry_interval)
            return self._read_failed(error)
        now = self.clock.now()
        trade = self._trade
        for order in truth.orders:
            trade = apply_order(trade, order, now)
        trade = apply_fills(trade, truth.fills, now)
        trade = outcomes.vanished(trade, {order.order_id for order in truth.orders})
        self._change(outcomes.synced(trade))
        return True

    # -- the end ------------------------------------------------------------

    def _finish(self, step: Step) -> bool:
        del step
        self._trade = replace(self._trade, is_finished=True)
        self._save()
        # The last words close the book, once they are in the journal.
        self._announce.finished(self._trade, self.clock.now())
        self.retire()
        return False

    # -- helpers ------------------------------------------------------------

    def _line_of(self, step: Step) -> Line:
        if step.line is None:
            raise ValueError(f"{step.do} without an order")
        return step.line


TradeActor.handlers = {
    OrderReport: TradeActor.on_order_report,
    FillReport: TradeActor.on_fill_report,
    CloseTrade: TradeActor.on_close_trade,
    VerifyTrade: TradeActor.on_verify_trade,
    StepDue: TradeActor.on_step_due,
}
