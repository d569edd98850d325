"""Trade: one bracket, from intent to closed.

The actor is the shell around `domain.bracket`: it asks `next_step` what to do, has exactly that
done (`actors.trade_steps`), and repeats until there is nothing to do but wait. Reports of its own
orders wake it at once; a timer wakes it when a step has a deadline.

Protective orders never wait for the disk; the entry does (its intent is durable before this
actor exists).
"""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import ClassVar

from actors.kernel import Actor, AskFailed, Context, HandlerTable
from actors.messages.book import GetTrade, TradeSnapshot
from actors.messages.trading import (
    BeginTrade,
    CloseTrade,
    FillReport,
    InstrumentRead,
    OrderReport,
    PriceReport,
    StepDue,
    StoryReport,
    TradeRecovered,
    VerifyTrade,
)
from actors.ports import Venue
from actors.trade_around import Surroundings
from actors.trade_log import Announcer
from actors.trade_quarantine import Quarantine
from actors.trade_record import RecordKeeper
from actors.trade_steps import StepTaker
from domain import bracket, outcomes
from domain.contract_sizes import rescaled
from domain.exposure import measured_anew
from domain.reports import apply_fills, apply_order, retold
from domain.steps import BracketPolicy
from domain.trade import ExitReason, Trade
from domain.trailing import followed
from domain.winding_up import fills_wait

ASK_SECONDS = 2.0
STEP_LIMIT = 60
STEP_SECONDS = 5.0
"""Steps taken for one message, and seconds spent on it, before others get their turn."""
SOON = 0.05


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
        is_alone: bool,
    ) -> None:
        super().__init__(context)
        self._is_new = argument.is_new and context.incarnation == 1
        self._policy = policy
        self._next_look: float | None = None
        self._hears_first = False
        self._asked_for: Decimal | None = None
        self._keeper = RecordKeeper(
            argument.trade,
            announce=Announcer(
                self.emit,
                argument.instrument,
                protection_deadline=policy.protection_deadline,
                is_alone=is_alone,
            ),
            clock=self.clock,
            server_now_ms=venue.server_now_ms,
            registry=self.to("registry"),
            execution=self.to("execution"),
        )
        self._around = Surroundings(
            venue=venue,
            instrument=argument.instrument,
            policy=policy,
            clock=self.clock,
            log=self.log,
            emit=self.emit,
            execution=self.to("execution"),
            wake_by=self._wake_by,
        )
        self._quarantine = Quarantine(self._keeper.announce, self.clock, wake_by=self._wake_by)
        self._steps = StepTaker(
            self._keeper, self._around, auth=self.to("auth"), is_new=self._is_new
        )

    @property
    def _trade(self) -> Trade:
        return self._keeper.trade

    def recover(self) -> None:
        if not self._is_new:
            record = self._last_record()
            if record is None:
                self._keeper.is_over_already()
                self.retire()
                return
            taken = measured_anew(outcomes.resumed(record), self.clock.now())
            self._keeper.take_over(record, taken)
            if self.context.incarnation == 1:
                self._count_anew()  # a successor has what its trade was born with
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
        self._keeper.change(apply_order(self._trade, message.order, self.clock.now()))
        self._steps.tell_resolved()
        self._advance()

    def on_fill_report(self, message: FillReport) -> None:
        now, foreign = self.clock.now(), message.is_foreign
        self._keeper.change(apply_fills(self._trade, (message.fill,), now, foreign=foreign))
        self._advance()

    def on_story_report(self, message: StoryReport) -> None:
        now, until_seq = self.clock.now(), message.until_seq
        told = retold(self._trade, message.fills, message.told, now, until_seq=until_seq)
        self._keeper.change(told)
        self._advance()

    def on_price_report(self, message: PriceReport) -> None:
        self._keeper.change(followed(self._trade, message.price, self._around.instrument))
        self._advance()

    def on_instrument_read(self, message: InstrumentRead) -> None:
        """What is sent from now on lies on its tick; what rests off it is left where it is."""
        self._around.instrument = message.instrument
        was_unfit = self._around.is_unfit
        self._count_anew()
        self._keeper.save()
        if was_unfit and not self._around.is_unfit:
            self._advance()

    def _count_anew(self) -> None:
        """Counts in the venue's contracts as they were read; says so when that cannot be."""
        around = self._around
        size = around.instrument.contract_size
        counted = rescaled(self._trade, size)
        if counted is not self._trade:
            self._keeper.change(counted)
        was_unfit, around.is_unfit = around.is_unfit, self._trade.plan.contract_size != size
        if around.is_unfit and not was_unfit:
            self._keeper.announce.unfit(self._trade, around.instrument)

    def _compare_sizes(self) -> None:
        """Has the contract data read when a report counts otherwise than what was read last.

        Once for each size: who reads them is told as soon as they can be read.
        """
        size = self._trade.plan.contract_size
        if size not in {self._around.instrument.contract_size, self._asked_for}:
            self._asked_for = size
            self._around.read_contracts("contract size changed")

    def on_close_trade(self, message: CloseTrade) -> None:
        if self._around.is_unfit and message.reason != ExitReason.KILL:
            # It would not be done, and a trade that is to end gets no stop any more.
            self._keeper.announce.unfit(self._trade, self._around.instrument)
            return
        self._keeper.change(outcomes.ending(self._trade, ExitReason(message.reason)))
        self._advance()

    def on_verify_trade(self, _: VerifyTrade) -> None:
        self._keeper.change(replace(self._trade, needs_sync=True))
        self._advance()
        is_synced = not self._trade.needs_sync
        recovered = TradeRecovered(
            at=self.clock.now(), trade_id=self._trade.id, is_synced=is_synced
        )
        self.to("execution").tell(recovered)

    def on_step_due(self, _: StepDue) -> None:
        has_heard = self._hears_first
        if self._trade.lacks_fills and self._fills_wait <= 0 and not has_heard:
            self._keeper.change(replace(self._trade, needs_sync=True))
        self._advance(has_heard=has_heard)

    # -- the loop ------------------------------------------------------------

    def _advance(self, *, has_heard: bool = False) -> None:
        """Takes steps until one says to wait; saves after each, and arms the next look.

        One that wants all news handled before waits for a wake-up behind them: its turn is the
        first step then (``has_heard``).
        """
        if self._trade.is_finished:
            return
        self._compare_sizes()
        self.disarm(StepDue)
        self._next_look = None
        self._hears_first = False
        began, step = self.clock.monotonic(), None
        for _ in range(STEP_LIMIT):
            step = bracket.next_step(self._trade, self._policy, self.clock.now())
            self._hears_first = step is not None and step.after_news and not has_heard
            has_heard = False
            goes_on = step is not None and not self._hears_first and self._steps.take(step)
            self._keeper.save()
            if not goes_on:
                break
            if self.clock.monotonic() - began > STEP_SECONDS:
                self._wake_by(0.0)
                break
        else:
            self._wake_by(SOON)
        if self._hears_first:
            self._wake_by(0.0)
        if self._trade.is_finished:
            self.disarm(StepDue)
            self.retire()
        else:
            self._quarantine.look(self._trade, step)
            self._arm_next_look()

    def _arm_next_look(self) -> None:
        """Makes sure of a next look: for fills still missing, and when the deadline strikes."""
        if self._trade.lacks_fills and not self._trade.needs_sync:  # else that has its own pause
            self._wake_by(max(SOON, self._fills_wait))
        since = self._trade.exposed_since
        may_act = self._trade.exit_reason is None and not self._around.is_unfit
        if since is not None and may_act:
            deadline = since + timedelta(seconds=self._policy.protection_deadline)
            self._wake_by(max(SOON, (deadline - self.clock.now()).total_seconds()))

    @property
    def _fills_wait(self) -> float:
        return fills_wait(self._trade, self._policy, self.clock.now())

    def _wake_by(self, seconds: float) -> None:
        when = self.clock.monotonic() + seconds
        if self._next_look is None or when < self._next_look:
            self._next_look = when
            self.after(seconds, StepDue)


TradeActor.handlers = {
    OrderReport: TradeActor.on_order_report,
    FillReport: TradeActor.on_fill_report,
    StoryReport: TradeActor.on_story_report,
    PriceReport: TradeActor.on_price_report,
    InstrumentRead: TradeActor.on_instrument_read,
    CloseTrade: TradeActor.on_close_trade,
    VerifyTrade: TradeActor.on_verify_trade,
    StepDue: TradeActor.on_step_due,
}
