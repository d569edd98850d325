"""What a trade's steps do at the venue, and what their outcomes mean for its record.

Every venue call ends in exactly one of four ways: done, refused for certain, not sent, or nobody
knows; each has its place in the record (`domain.outcomes`). A step says whether to go on at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

from actors import trade_truth
from actors.kernel import Address, AskFailed
from actors.messages import trading as say
from actors.messages.session import RenewSession
from actors.ports import NotSent, OutcomeUnknown, Rejected
from actors.trade_around import Surroundings, line_of, needs_login
from actors.trade_edits import Edits
from actors.trade_orders import differences, request_of
from actors.trade_patience import Patience
from actors.trade_record import RecordKeeper
from domain import outcomes, venue_codes
from domain.bracket import next_step
from domain.exposure import measured
from domain.instruments import Instrument
from domain.labels import Role
from domain.orders import Order, OrderRequest, Placement
from domain.reports import apply_fills, apply_history, apply_order
from domain.steps import Do, Step
from domain.trade import ExitReason, Line, LineStatus, Trade, with_line

LISTEN_SECONDS = 0.05
"""How long news of an order with unknown outcome is given before the venue is asked."""
LOG_IN_SECONDS = 3.0
LOG_IN_AGAIN_SECONDS = 5.0
ACTS = frozenset({Do.PLACE, Do.RESIZE, Do.MOVE, Do.CANCEL, Do.GIVE_UP_STOP})
"""Steps that change something at the venue, or lead to it; the others read, wait and book."""


class StepTaker:
    """Takes one step at a time on the record in ``keeper``; ``is_new``: nobody had it before."""

    def __init__(
        self, keeper: RecordKeeper, around: Surroundings, *, auth: Address, is_new: bool
    ) -> None:
        self._keeper = keeper
        self._around = around
        self._auth = auth
        self._venue = around.venue
        self._policy = around.policy
        self._clock = around.clock
        self._log = around.log
        self._patience = Patience(around.venue, around.policy, around.clock)
        self._gone: set[str] = set()
        self._doubted: set[str] = set()
        self._listens_until = float("-inf")
        self._logged_in_at: float | None = None
        self._reads_in_vain = 0
        self._knows_its_orders = is_new
        edits = Edits(
            keeper,
            around,
            self._patience,
            unknown=self._outcome_unknown,
            not_as_asked=self._accepted_something_else,
            log_in=self._log_in_again,
        )
        self._steps: Mapping[Do, Callable[[Step], bool]] = {
            Do.SYNC: self._sync,
            Do.LOOK_UP: self._look_up,
            Do.PLACE: self._place,
            Do.RESIZE: edits.resize,
            Do.MOVE: edits.move,
            Do.CANCEL: self._cancel,
            Do.GIVE_UP_STOP: self._give_up_stop,
            Do.QUARANTINE: self._wait,
            Do.WAIT: self._wait,
            Do.FINISH: self._finish,
        }

    @property
    def _instrument(self) -> Instrument:
        return self._around.instrument

    def take(self, step: Step) -> bool:
        """Does it; returns whether to go on with the next at once.

        In contracts that do not fit the trade goes on reading, and ends when all is gone. Of what
        acts only a missing stop is placed: it can but reduce.
        """
        is_new_stop = step.do is Do.PLACE and step.role is Role.STOP
        if self._around.is_unfit and step.do in ACTS and not is_new_stop:
            return False
        return self._steps[step.do](step)

    def _wait(self, step: Step) -> bool:
        if step.until is not None:
            left = (step.until - self._clock.now()).total_seconds()
            self._around.wake_by(max(0.0, left))
        return False

    def _finish(self, step: Step) -> bool:
        del step
        self._keeper.finish()
        return False

    # -- sending ------------------------------------------------------------

    def _place(self, step: Step) -> bool:
        role = step.role or Role.CLOSE
        is_entry = role is Role.ENTRY
        valid_until = self._keeper.trade.plan.valid_until_ms
        if not is_entry:
            valid_until = self._around.valid_until_ms()
        line = Line(
            role=role,
            attempt=self._keeper.trade.next_attempt(role),
            contracts=step.contracts,
            status=LineStatus.UNKNOWN,
            sent_at=self._clock.now(),
            valid_until_ms=valid_until,
        )
        self._keeper.change(outcomes.about_to_send(self._keeper.trade, line))
        request = request_of(self._keeper.trade, line, self._instrument)
        venue, on_sent = self._patience.for_orders(self._keeper.trade), None
        if is_entry:
            # Its intent is on disk. The rest is said while the venue works on it.
            on_sent = partial(self._entry_left, request)
        else:
            self._keeper.save()
        try:
            placement = venue.place(request, on_sent)
        except Rejected as error:
            self._was_rejected(line, error)
        except NotSent as error:
            self._log.warning("order_not_sent", label=request.label, reason=str(error))
            self._keeper.change(
                outcomes.not_sent(self._keeper.trade, line, self._policy, self._clock.now())
            )
        except OutcomeUnknown as error:
            self._doubted.add(request.label)
            self._outcome_unknown(line, "place", error)
            return self._hear_the_news()
        else:
            self._was_placed(line, request, placement)
        return True

    def _entry_left(self, request: OrderRequest) -> None:
        self._keeper.save()
        self._keeper.announce.entry_sent(self._keeper.trade, request)

    def _hear_the_news(self) -> bool:
        """Lets what waits in the mailbox come first: it may say what the lost reply would have."""
        self._listens_until = self._clock.monotonic() + LISTEN_SECONDS
        self._around.wake_by(LISTEN_SECONDS)
        return False

    def tell_resolved(self) -> None:
        """Announces doubts that are none any more, whoever settled them."""
        trade = self._keeper.trade
        for line in trade.lines:
            label = trade.label(line)
            if label in self._doubted and line.status is not LineStatus.UNKNOWN:
                self._doubted.discard(label)
                self._around.emit(
                    say.OutcomeResolved,
                    trade_id=trade.id,
                    label=label,
                    outcome=line.status.value,
                )

    def _was_placed(self, line: Line, request: OrderRequest, placement: Placement) -> None:
        now = self._clock.now()
        trade = apply_order(self._keeper.trade, placement.order, now)
        trade = apply_fills(trade, placement.fills, now)
        wrong = differences(request, placement.order)
        if wrong:
            self._keeper.change(trade)
            self._accepted_something_else(line, placement.order, wrong)
            return
        if line.role is Role.STOP:
            trade = replace(trade, stop_failures=0)
        trade = measured(trade, now)
        self._keeper.announce.placed(trade, placement.order, line.role)
        self._keeper.change(trade)

    def _accepted_something_else(self, line: Line, order: Order, wrong: str) -> None:
        """The venue took an order that is not the one we meant: away with it, and count it."""
        self._log.error("order_not_as_asked", label=order.label, differs=wrong)
        failed = Rejected(0, f"the venue accepted another order than asked: {wrong}")
        if order.state.is_live:
            current = self._keeper.trade.now_of(line)
            self._cancel(Step(do=Do.CANCEL, line=current))
        current = self._keeper.trade.now_of(line)
        if current.status is not LineStatus.FILLED:
            self._was_rejected(current, failed)

    def _was_rejected(self, line: Line, error: Rejected) -> None:
        now = self._clock.now()
        if needs_login(error) and line.role is not Role.ENTRY:
            # Refused for the token's sake alone: the same order goes out again afterwards.
            self._keeper.change(outcomes.not_sent(self._keeper.trade, line, self._policy, now))
            self._log_in_again()
            return
        before = self._keeper.trade
        trade = outcomes.rejected(before, line, error.code, self._policy, now)
        # A target that waits beyond the price band is told of once; no try of it is a failure.
        is_counted = trade.target_failures != before.target_failures
        waits_on = before.target_after and trade.target_after and trade.target_after > now
        # Told first: what the change leads to is announced with it.
        if not (line.role is Role.TARGET and waits_on and not is_counted):
            self._keeper.announce.rejected(trade, line.role, trade.label(line), error)
        self._keeper.change(trade)
        self._around.refused(error.code)

    def _log_in_again(self) -> None:
        """Has the session renewed and goes on at once; a second time only after the pause."""
        now = self._clock.monotonic()
        is_again = (
            self._logged_in_at is not None and now - self._logged_in_at < LOG_IN_AGAIN_SECONDS
        )
        try:
            is_open = self._auth.ask(
                RenewSession(at=self._clock.now(), reason="token refused"), timeout=LOG_IN_SECONDS
            )
        except AskFailed as error:
            self._log.warning("log_in_failed", error=str(error))
            return
        if is_open and not is_again:
            self._logged_in_at = self._clock.monotonic()
            self._keeper.change(replace(self._keeper.trade, not_before=None))

    def _outcome_unknown(self, line: Line, what: str, error: Exception) -> None:
        self._around.emit(
            say.OutcomeUnknown,
            trade_id=self._keeper.trade.id,
            label=self._keeper.trade.label(line),
            what=what,
            error=str(error),
        )

    def _cancel(self, step: Step) -> bool:
        line = line_of(step)
        try:
            order = self._patience.for_orders(self._keeper.trade).cancel(line.order_ids[-1])
        except Rejected as error:
            self._cancel_refused(line, error)
        except (NotSent, OutcomeUnknown) as error:
            self._outcome_unknown(line, "cancel", error)
            self._keeper.change(
                outcomes.refused(self._keeper.trade, self._policy, self._clock.now())
            )
        else:
            trade = apply_order(self._keeper.trade, order, self._clock.now())
            gone = trade.now_of(line)
            if not gone.status.is_over:
                # The documented reply to cancelling a trigger still shows it untriggered.
                trade = with_line(trade, replace(gone, status=LineStatus.CANCELLED))
            self._keeper.change(trade)
        return True

    def _cancel_refused(self, line: Line, error: Rejected) -> None:
        label = self._keeper.trade.label(line)
        if error.code in venue_codes.GONE_ALREADY and label not in self._gone:
            # The venue was faster (a fill, or its own clipping): read how it ended, at once;
            # but only once, should its reads lag behind.
            self._gone.add(label)
            self._keeper.change(replace(self._keeper.trade, needs_sync=True))
            return
        self._log.warning("cancel_refused", label=label, error=str(error))
        self._keeper.change(outcomes.refused(self._keeper.trade, self._policy, self._clock.now()))
        if needs_login(error):
            self._log_in_again()

    def _give_up_stop(self, step: Step) -> bool:
        reason = step.reason or ExitReason.STOP_REFUSED
        self._keeper.change(outcomes.ending(self._keeper.trade, reason))
        return True

    # -- looking up ------------------------------------------------------------

    def _look_up(self, step: Step) -> bool:
        line = line_of(step)
        label = self._keeper.trade.label(line)
        left = self._listens_until - self._clock.monotonic()
        if left > 0:
            self._around.wake_by(left)
            return False
        if line.status is LineStatus.UNKNOWN:
            self._doubted.add(label)
        venue, trade = self._patience.for_reads(self._keeper.trade, line), self._keeper.trade
        try:
            orders = trade_truth.orders_under(venue, trade, line, self._instrument)
            if not self._found(orders):
                return False
            fills = trade_truth.fills_of(venue, trade, self._instrument)
        except (Rejected, NotSent, OutcomeUnknown) as error:
            self._look_again(self._keeper.trade.now_of(line))
            return self._read_failed("look_up_failed", error, label=label)
        self._reads_in_vain = 0
        now, server_ms = self._clock.now(), self._venue.server_now_ms()
        trade = outcomes.looked_up(
            self._keeper.trade, line, orders, self._policy, now, server_ms=server_ms
        )
        self._keeper.change(apply_history(trade, fills, now))
        self.tell_resolved()
        return True

    def _found(self, orders: Sequence[Order]) -> bool:
        """Takes in what orders say of themselves, and protects what that shows to be bare.

        Protection does not wait for the fills, which say what others did: a stop too many only
        reduces. A record that was taken over may lack orders, so there it does. Returns whether
        to go on at once.
        """
        trade = self._with(orders)
        self._keeper.change(trade)
        step = next_step(replace(trade, needs_sync=False), self._policy, self._clock.now())
        is_stop = step is not None and step.do is Do.PLACE and step.role is Role.STOP
        return self._place(step) if step and is_stop and self._knows_its_orders else True

    def _with(self, orders: Sequence[Order]) -> Trade:
        """The record with what orders say of themselves."""
        trade = self._keeper.trade
        for order in orders:
            trade = apply_order(trade, order, self._clock.now())
        return trade

    def _read_failed(self, event: str, error: Exception, **fields: str) -> bool:
        """Whether it makes sense to read again at once.

        Said at the first failure in a row, the second, the fourth, ...: through a long outage
        the log keeps what else it has to say.
        """
        self._reads_in_vain += 1
        if self._reads_in_vain.bit_count() == 1:
            self._log.warning(event, **fields, error=str(error), failures=self._reads_in_vain)
        if needs_login(error):
            self._log_in_again()
        return False

    def _look_again(self, line: Line) -> None:
        at = self._clock.now() + timedelta(seconds=self._policy.look_interval)
        self._keeper.change(with_line(self._keeper.trade, replace(line, look_at=at)))
        self._around.wake_by(self._policy.look_interval)

    def _sync(self, step: Step) -> bool:
        """Reads everything the venue knows of this trade: what rests, what was, what filled."""
        del step
        venue, trade = self._patience.for_reads(self._keeper.trade), self._keeper.trade
        orders: tuple[Order, ...] = ()
        try:
            orders = trade_truth.orders_of(venue, trade, self._instrument)
            if self._knows_its_orders and not self._found(orders):
                return False
            fills = trade_truth.fills_of(venue, trade, self._instrument)
            is_flat = trade_truth.is_flattened(venue, fills, self._instrument)
        except (Rejected, NotSent, OutcomeUnknown) as error:
            self._keeper.change(self._with(orders))
            self._keeper.change(
                outcomes.refused(self._keeper.trade, self._policy, self._clock.now())
            )
            self._around.wake_by(self._policy.retry_interval)
            return self._read_failed("sync_failed", error, trade_id=self._keeper.trade.id)
        self._reads_in_vain = 0
        now = self._clock.now()
        known, seen = {x.key for x in trade.lines}, {order.order_id for order in orders}
        # Of a record that was taken over nothing is said before the fills say what happened.
        trade = self._keeper.trade if self._knows_its_orders else self._with(orders)
        trade = apply_history(trade, fills, now, is_flat=is_flat)
        # What was placed since the orders were read could not be among them.
        seen.update(x for line in trade.lines if line.key not in known for x in line.order_ids)
        self._keeper.change(outcomes.synced(outcomes.vanished(trade, seen), now))
        self._knows_its_orders = True
        return True
