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

from actors.kernel import Actor, Context, HandlerTable
from actors.messages import trading as say
from actors.messages.book import CloseBook, GetTrade, RecordTrade, TradeSnapshot
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
from domain import bracket, venue_codes
from domain.bracket import BracketPolicy, Do, Step
from domain.labels import Role
from domain.orders import Order, OrderRequest, OrderType, Placement, TriggerBy
from domain.trade import (
    ExitReason,
    Line,
    LineStatus,
    Trade,
    apply_fills,
    apply_order,
    measured,
    with_line,
)

ASK_SECONDS = 2.0
STEP_LIMIT = 60
"""Steps taken for one message before others get their turn."""
PROTECT_VALID_MS = 1_500
FILLS_MARGIN_MS = 60_000
"""How far before the trade's beginning fills are looked for (clocks differ)."""


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
        if self._is_new:
            self._advance()
            return
        if self.context.incarnation > 1:
            snapshot: TradeSnapshot = self.to("registry").ask(
                GetTrade(at=self.clock.now(), trade_id=self._trade.id), timeout=ASK_SECONDS
            )
            if snapshot.trade is None:
                self.retire()
                return
            self._trade = snapshot.trade
        self._trade = measured(bracket.resumed(self._trade), self.clock.now())
        self._advance()

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
        self._change(bracket.ending(self._trade, ExitReason(message.reason)))
        self._advance()

    def on_verify_trade(self, _: VerifyTrade) -> None:
        self._change(replace(self._trade, needs_sync=True))
        self._advance()
        self.to("execution").tell(
            say.TradeRecovered(
                at=self.clock.now(), trade_id=self._trade.id, is_synced=not self._trade.needs_sync
            )
        )

    def on_step_due(self, _: StepDue) -> None:
        self._advance()

    # -- the loop ------------------------------------------------------------

    def _advance(self) -> None:
        """Takes steps until one says to wait; then saves, and arms the next look."""
        self.disarm(StepDue)
        self._next_look = None
        for _ in range(STEP_LIMIT):
            step = bracket.next_step(self._trade, self._policy, self.clock.now())
            if step is None or not self._steps[step.do](step):
                break
        else:
            self._wake_by(0.05)
        if self._trade != self._saved and not self._trade.is_finished:
            self._save()
        self._arm_deadline()

    def _change(self, trade: Trade) -> None:
        """Adopts a new record and announces what changed."""
        before, self._trade = self._trade, measured(trade, self.clock.now())
        self._trade = self._announce.changed(before, self._trade)

    def _save(self) -> None:
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
        self._wake_by(max(0.0, (deadline - self.clock.now()).total_seconds()))

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
        request = self._request(line)
        self._change(bracket.about_to_send(self._trade, line))
        if is_entry:
            self._announce.entry_sent(self._trade, request)
        else:
            self.to("registry").tell(RecordTrade(at=self.clock.now(), trade=self._trade))
        try:
            placement = self._venue.place(request)
        except Rejected as error:
            self._was_rejected(line, error)
        except NotSent as error:
            self.log.warning("order_not_sent", label=request.label, reason=str(error))
            self._change(bracket.not_sent(self._trade, line, self._policy, self.clock.now()))
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
        self._change(bracket.rejected(self._trade, line, error.code, self._policy, now))
        self._announce.rejected(self._trade, line.role, self._trade.label(line), error)
        if error.code in venue_codes.STALE_CONTRACT_DATA:
            self.to("execution").tell(say.CatalogueDue(at=now, cause="contract data refused"))

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
            self._change(bracket.refused(self._trade, self._policy, self.clock.now()))
        else:
            now = self.clock.now()
            trade = apply_order(self._trade, placement.order, now)
            trade = measured(apply_fills(trade, placement.fills, now), now)
            self._announce.placed(trade, placement.order, line.role)
            self._change(trade)
        return True

    def _resize_refused(self, line: Line, error: Rejected) -> None:
        trade = bracket.refused(self._trade, self._policy, self.clock.now())
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
            label = self._trade.label(line)
            if error.code in venue_codes.GONE_ALREADY and label not in self._gone:
                # The venue was faster (a fill, or its own clipping): read how it ended, at once;
                # but only once, should its reads lag behind.
                self._gone.add(label)
                self._change(replace(self._trade, needs_sync=True))
            else:
                self.log.warning("cancel_refused", label=label, error=str(error))
                self._change(bracket.refused(self._trade, self._policy, self.clock.now()))
        except (NotSent, OutcomeUnknown) as error:
            self._outcome_unknown(line, "cancel", error)
            self._change(bracket.refused(self._trade, self._policy, self.clock.now()))
        else:
            trade = apply_order(self._trade, order, self.clock.now())
            gone = trade.line(line.role, line.attempt) or line
            if not gone.status.is_over:
                # The documented reply to cancelling a trigger still shows it untriggered.
                trade = with_line(trade, replace(gone, status=LineStatus.CANCELLED))
            self._change(trade)
        return True

    def _give_up_stop(self, step: Step) -> bool:
        self._change(bracket.ending(self._trade, step.reason or ExitReason.STOP_REFUSED))
        return True

    # -- looking up ------------------------------------------------------------

    def _look_up(self, step: Step) -> bool:
        line = self._line_of(step)
        label = self._trade.label(line)
        try:
            orders = self._venue.orders_by_label(label, self._instrument.settlement_currency)
            fills = self._venue.fills(self._instrument.name, self._since_ms())
        except (Rejected, NotSent, OutcomeUnknown) as error:
            self.log.warning("look_up_failed", label=label, error=str(error))
            self._look_again(line)
            return False
        now = self.clock.now()
        trade = bracket.looked_up(
            self._trade, line, orders, self._policy, now, server_ms=self._venue.server_now_ms()
        )
        self._change(apply_fills(trade, fills, now))
        found = self._trade.line(line.role, line.attempt)
        if line.status is LineStatus.UNKNOWN and found and found.status is not LineStatus.UNKNOWN:
            self.emit(
                say.OutcomeResolved,
                trade_id=self._trade.id,
                label=label,
                outcome=found.status.value,
            )
        return True

    def _look_again(self, line: Line) -> None:
        at = self.clock.now() + timedelta(seconds=self._policy.look_interval)
        self._change(with_line(self._trade, replace(line, look_at=at)))
        self._wake_by(self._policy.look_interval)

    def _sync(self, step: Step) -> bool:
        """Reads everything the venue knows of this trade: what rests, what was, what filled."""
        del step
        try:
            resting = self._venue.open_orders()
            mine = [order for order in resting if self._is_mine(order)]
            looked = [x for line in self._doubtful(mine) for x in self._orders_of(line)]
            fills = self._venue.fills(self._instrument.name, self._since_ms())
        except (Rejected, NotSent, OutcomeUnknown) as error:
            self.log.warning("sync_failed", trade_id=self._trade.id, error=str(error))
            self._change(bracket.refused(self._trade, self._policy, self.clock.now()))
            self._wake_by(self._policy.retry_interval)
            return False
        now = self.clock.now()
        trade = self._trade
        for order in (*looked, *mine):
            trade = apply_order(trade, order, now)
        trade = apply_fills(trade, fills, now)
        trade = bracket.vanished(trade, {order.order_id for order in (*mine, *looked)})
        self._change(bracket.synced(trade))
        return True

    def _is_mine(self, order: Order) -> bool:
        known = {x for line in self._trade.lines for x in line.order_ids}
        ours = order.label.startswith(f"bw.{self._trade.id}.")
        return ours or order.order_id in known or order.trigger_order_id in known

    def _doubtful(self, resting: list[Order]) -> list[Line]:
        """Orders believed to live that are not among those that rest."""
        ids = {order.order_id for order in resting}
        return [
            line
            for line in self._trade.lines
            if not line.status.is_over and not ids.intersection(line.order_ids)
        ]

    def _orders_of(self, line: Line) -> tuple[Order, ...]:
        label = self._trade.label(line)
        return self._venue.orders_by_label(label, self._instrument.settlement_currency)

    # -- the end ------------------------------------------------------------

    def _finish(self, step: Step) -> bool:
        del step
        self._trade = replace(self._trade, is_finished=True)
        self._announce.finished(self._trade, self.clock.now())
        now = self.clock.now()
        self.to("registry").tell(CloseBook(at=now, trade=self._trade))
        self.to("execution").tell(say.TradeUpdated(at=now, trade=self._trade))
        self.retire()
        return False

    # -- helpers ------------------------------------------------------------

    def _line_of(self, step: Step) -> Line:
        if step.line is None:
            raise ValueError(f"{step.do} without an order")
        return step.line

    def _since_ms(self) -> int:
        return round(self._trade.plan.created_at.timestamp() * 1000) - FILLS_MARGIN_MS

    def _request(self, line: Line) -> OrderRequest:
        plan = self._trade.plan
        is_entry = line.role is Role.ENTRY
        types = {Role.ENTRY: plan.entry_type, Role.STOP: OrderType.STOP_MARKET}
        order_type = types.get(line.role, OrderType.MARKET)
        prices = {Role.ENTRY: plan.entry_price, Role.TARGET: plan.target_price}
        return OrderRequest(
            instrument=self._instrument,
            side=plan.side if is_entry else plan.side.opposite,
            contracts=line.contracts,
            order_type=OrderType.LIMIT if line.role is Role.TARGET else order_type,
            label=self._trade.label(line),
            price=prices.get(line.role),
            trigger_price=plan.stop_price if line.role is Role.STOP else None,
            trigger=self._stop_trigger if line.role is Role.STOP else None,
            reduce_only=not is_entry,
            valid_until_ms=line.valid_until_ms,
        )


def differences(request: OrderRequest, order: Order) -> str:
    """How an accepted order differs from the one asked for; empty when it is the same.

    A wrapper or an engine that drops an unknown parameter turns a stop into a market order
    (ccxt issue 16315), so nothing of a reply is taken for granted. A market order may be shown
    as a limit at the price band.
    """
    wrong: list[str] = []
    if order.label != request.label:
        wrong.append(f"label {order.label!r}")
    if order.side is not request.side:
        wrong.append(f"direction {order.side}")
    if order.instrument_name != request.instrument.name:
        wrong.append(f"instrument {order.instrument_name}")
    if request.reduce_only and not order.reduce_only:
        wrong.append("not reduce-only")
    if order.contracts > request.contracts:
        wrong.append(f"{order.contracts} contracts instead of {request.contracts}")
    if request.order_type is OrderType.STOP_MARKET:
        if order.order_type is not OrderType.STOP_MARKET and order.trigger_order_id is None:
            wrong.append(f"type {order.order_type}")
        if order.trigger is not None and order.trigger is not request.trigger:
            wrong.append(f"trigger {order.trigger}")
        if order.trigger_price is not None and order.trigger_price != request.trigger_price:
            wrong.append(f"trigger price {order.trigger_price}")
    return ", ".join(wrong)


TradeActor.handlers = {
    OrderReport: TradeActor.on_order_report,
    FillReport: TradeActor.on_fill_report,
    CloseTrade: TradeActor.on_close_trade,
    VerifyTrade: TradeActor.on_verify_trade,
    StepDue: TradeActor.on_step_due,
}
