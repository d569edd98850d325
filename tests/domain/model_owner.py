"""The owner of one trade, as a pure model: takes the steps the record asks for, and only those.

Like the real one it takes steps until one says to wait, is deaf while a request is under way,
saves its record before an order is on the wire and after every step, and wakes up by itself
when a step told it to. It checks each step before it takes it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from domain import bracket, outcomes, targets
from domain.exposure import measured, measured_anew
from domain.labels import Role
from domain.orders import Fill, Order, OrderState
from domain.reports import apply_fills, apply_history, apply_order, retold
from domain.steps import BracketPolicy, Do, Step
from domain.story import shared_out_again
from domain.trade import ExitReason, Line, LineStatus, Trade, with_line
from domain.trade_states import TRANSITIONS, state_of
from domain.trailing import followed
from domain.venue_codes import GONE_ALREADY, TRIGGER_ALREADY_PASSED
from tests.domain.model_venue import ModelVenue, Notice, Refused
from tests.domain.model_wire import Fate, NotSent, Unknown, Wire

PROTECT_VALID_MS = 1_500
STEP_LIMIT = 40


@dataclass(slots=True)
class Owner:
    """Owns the record and the only wire to the venue."""

    trade: Trade
    venue: ModelVenue
    wire: Wire
    saved: list[Trade]
    policy: BracketPolicy = field(default_factory=BracketPolicy)
    wake_ms: int | None = None
    entries_placed: int = 0
    gone: set[str] = field(default_factory=set[str])
    taken: list[str] = field(default_factory=list[str])

    @property
    def now(self) -> datetime:
        return self.wire.now

    def advance(self) -> None:
        """Takes steps until one says to wait; saves after each, and notes when to wake."""
        self.wake_ms = None
        step: Step | None = None
        for _ in range(STEP_LIMIT):
            step = bracket.next_step(self.trade, self.policy, self.now)
            goes_on = step is not None and self._perform(step)
            self._save()
            if not goes_on:
                break
        else:
            raise AssertionError(f"{STEP_LIMIT} steps at once, the last {step}")
        since = self.trade.exposed_since
        if since is not None and self.trade.exit_reason is None:
            self._wake_at(since + timedelta(seconds=self.policy.protection_deadline))

    def hear(self, notice: Notice) -> None:
        """One notification, as Execution routes it."""
        what = notice.what
        if isinstance(what, Order):
            self._change(apply_order(self.trade, what, self.now))
        else:
            self._change(apply_fills(self.trade, (what,), self.now, foreign=notice.is_foreign))
        self.advance()

    def hear_story(self) -> None:
        """The whole story, as Execution reads and tells it once a hand's fill was guessed."""
        position = self.venue.position * self.trade.plan.side.sign
        story = shared_out_again(self.venue.history(), [self.trade], position)
        told, until = story.told, story.until_seq
        mine = story.of(self.trade.id)
        self._change(retold(self.trade, mine, told, self.now, until_seq=until))
        self.advance()

    def end(self, reason: ExitReason) -> None:
        self._change(outcomes.ending(self.trade, reason))
        self.advance()

    def follow(self, price: Decimal) -> None:
        """The price a stop watches, as Execution tells of it."""
        self._change(followed(self.trade, price, self.venue.instrument))
        self.advance()

    def verify(self) -> None:
        """As after a reconnect: the venue's truth is to be read afresh."""
        self._change(replace(self.trade, needs_sync=True))
        self.advance()

    def restart(self, lost: int) -> None:
        """A new incarnation, on a record that misses the last few writes."""
        kept = self.saved[: max(1, len(self.saved) - lost)]
        self.saved, self.trade = kept, kept[-1]
        self.trade = measured_anew(outcomes.resumed(self.trade), self.now)
        self.advance()

    def pass_time(self, milliseconds: int) -> None:
        """Time goes by; the owner wakes when it said it would."""
        until, wakes = self.wire.now_ms + milliseconds, 0
        while self.wake_ms is not None and self.wake_ms <= until:
            self.wire.travel(max(1, self.wake_ms - self.wire.now_ms))
            self.advance()
            wakes += 1
            assert wakes <= 20 + milliseconds / 50, "wakes up again and again"
        self.wire.travel(max(0, until - self.wire.now_ms))

    # -- steps: each returns whether to go on at once -------------------------------------------

    def _perform(self, step: Step) -> bool:
        if step.do is not Do.WAIT:
            about = step.role or (step.line.role if step.line else "")
            self.taken.append(f"{step.do} {about}".strip())
        steps: dict[Do, Callable[[Step], bool]] = {
            Do.SYNC: self._sync,
            Do.LOOK_UP: self._look_up,
            Do.PLACE: self._place,
            Do.RESIZE: self._resize,
            Do.MOVE: self._move,
            Do.CANCEL: self._cancel,
            Do.GIVE_UP_STOP: self._give_up_stop,
            Do.QUARANTINE: self._wait,
            Do.WAIT: self._wait,
            Do.FINISH: self._finish,
        }
        return steps[step.do](step)

    def _wait(self, step: Step) -> bool:
        if step.until is not None:
            assert step.until > self.now, f"waits for the past: {step}"
            self._wake_at(step.until)
        return False

    def _place(self, step: Step) -> bool:
        role = step.role
        assert role is not None
        self._must_be_allowed(step, role)
        is_entry = role is Role.ENTRY
        soon = self.wire.now_ms + PROTECT_VALID_MS
        line = Line(
            role=role,
            attempt=self.trade.next_attempt(role),
            contracts=step.contracts,
            status=LineStatus.UNKNOWN,
            sent_at=self.now,
            valid_until_ms=self.trade.plan.valid_until_ms if is_entry else soon,
        )
        self._change(outcomes.about_to_send(self.trade, line))
        self._save()
        self._send_order(line)
        return True

    def _must_be_allowed(self, step: Step, role: Role) -> None:
        trade = self.trade
        if role is Role.ENTRY:
            self.entries_placed += 1
            assert self.entries_placed == 1, "the entry was placed twice"
            return
        assert 0 < step.contracts <= trade.position, f"more than the position: {step}"
        if role is Role.TARGET:
            assert trade.cover >= trade.position, "a target before the stop"
        if role in {Role.CLOSE, Role.EMERGENCY}:
            active = {LineStatus.LIVE, LineStatus.UNKNOWN}
            closers = [x for x in trade.of(Role.CLOSE, Role.EMERGENCY) if x.status in active]
            assert not closers, "two closing orders at once"

    def _send_order(self, line: Line) -> None:
        label = self.trade.label(line)
        outcome = self.wire.outcome()
        is_thin = outcome.fate in {Fate.THIN, Fate.TAKEN, Fate.LATE}
        rests = line.role is Role.ENTRY and self.trade.plan.entry_price is not None
        liquidity = outcome.liquidity if is_thin or rests else line.contracts
        try:
            order, fills = self.wire.send(
                outcome,
                line.valid_until_ms,
                lambda: self.venue.place(
                    label,
                    line.contracts,
                    liquidity=liquidity,
                    is_twisted=outcome.fate is Fate.TWISTED,
                    trigger_price=self.trade.stop_price,
                ),
            )
        except Refused as error:
            self._change(outcomes.rejected(self.trade, line, error.code, self.policy, self.now))
        except NotSent:
            self._change(outcomes.not_sent(self.trade, line, self.policy, self.now))
        except Unknown:
            pass
        else:
            self._was_placed(line, order, fills)

    def _was_placed(self, line: Line, order: Order, fills: Sequence[Fill]) -> None:
        """A reply that is not what was asked for is cancelled and counted as refused."""
        trade = apply_fills(apply_order(self.trade, order, self.now), fills, self.now)
        if order.reduce_only or line.role is Role.ENTRY:
            is_stop = line.role is Role.STOP
            self._change(replace(trade, stop_failures=0) if is_stop else trade)
            return
        self._change(trade)
        current = self.trade.line(line.role, line.attempt) or line
        self._cancel(Step(do=Do.CANCEL, line=current))
        current = self.trade.line(line.role, line.attempt) or line
        self._change(outcomes.rejected(self.trade, current, 0, self.policy, self.now))

    def _resize(self, step: Step) -> bool:
        line = step.line
        assert line is not None
        filled = self.trade.line_filled(line)
        assert 0 < step.contracts <= self.trade.position + filled, f"too large: {step}"
        try:
            order = self.wire.send(
                self.wire.outcome(),
                self.wire.now_ms + PROTECT_VALID_MS,
                lambda: self._edited(line, step.contracts),
            )
        except (Refused, NotSent, Unknown) as error:
            if isinstance(error, Refused):
                self._resize_refused(line, error.code)
            else:
                self._change(outcomes.refused(self.trade, self.policy, self.now))
            return True
        self._change(apply_order(self.trade, order, self.now))
        if order.state.is_live and order.contracts < step.contracts:
            self._resize_refused(line, 0)
        elif order.contracts == step.contracts and line.role is Role.TARGET:
            self._change(targets.granted(self.trade))
        return True

    def _edited(self, line: Line, contracts: int) -> Order:
        trigger = self.trade.stop_price if line.role is Role.STOP else None
        return self.venue.edit(line.order_ids[0], contracts, trigger)

    def _move(self, step: Step) -> bool:
        line = step.line
        assert line is not None
        assert step.contracts == line.contracts, "a move that changes the size"
        assert 0 < self.trade.position <= self.trade.cover, (
            "a move of a stop that covers too little"
        )
        self._change(outcomes.about_to_move(self.trade, self.now))
        try:
            order = self.wire.send(
                self.wire.outcome(),
                self.wire.now_ms + PROTECT_VALID_MS,
                lambda: self._edited(line, step.contracts),
            )
        except (Refused, NotSent, Unknown) as error:
            if isinstance(error, Refused) and error.code in TRIGGER_ALREADY_PASSED:
                self._change(outcomes.ending(self.trade, ExitReason.STOP_LOSS))
            else:
                self._change(outcomes.refused(self.trade, self.policy, self.now))
            return True
        self._change(apply_order(self.trade, order, self.now))
        self._change(outcomes.moved(self.trade, line))
        return True

    def _resize_refused(self, line: Line, code: int) -> None:
        self._change(outcomes.resize_refused(self.trade, line, code, self.policy, self.now))

    def _cancel(self, step: Step) -> bool:
        line = step.line
        assert line is not None
        try:
            order = self.wire.send(
                self.wire.outcome(),
                self.wire.now_ms + PROTECT_VALID_MS,
                lambda: self.venue.cancel(line.order_ids[-1]),
            )
        except (Refused, NotSent, Unknown) as error:
            self._cancel_failed(self.trade.label(line), error)
            return True
        trade = apply_order(self.trade, order, self.now)
        gone = trade.line(line.role, line.attempt) or line
        if not gone.status.is_over:
            trade = with_line(trade, replace(gone, status=LineStatus.CANCELLED))
        self._change(trade)
        return True

    def _cancel_failed(self, label: str, error: Exception) -> None:
        is_gone = isinstance(error, Refused) and error.code in GONE_ALREADY
        if is_gone and label not in self.gone:
            self.gone.add(label)
            self._change(replace(self.trade, needs_sync=True))
        else:
            self._change(outcomes.refused(self.trade, self.policy, self.now))

    def _give_up_stop(self, step: Step) -> bool:
        assert step.reason is not None
        self._change(outcomes.ending(self.trade, step.reason))
        return True

    def _look_up(self, step: Step) -> bool:
        line = step.line
        assert line is not None
        if not self.wire.reads():
            look_at = self.now + timedelta(seconds=self.policy.look_interval)
            self._change(with_line(self.trade, replace(line, look_at=look_at)))
            self._wake_at(look_at)
            return False
        found = self._of_label(line)
        trade = outcomes.looked_up(
            self.trade, line, found, self.policy, self.now, server_ms=self.wire.now_ms
        )
        self._change(apply_history(trade, self.venue.history(), self.now))
        return True

    def _sync(self, step: Step) -> bool:
        del step
        if not self.wire.reads():
            self._change(outcomes.refused(self.trade, self.policy, self.now))
            self._wake_at(self.now + timedelta(seconds=self.policy.retry_interval))
            return False
        mine = self.venue.resting()
        ids = {x.order_id for x in mine}
        doubtful = [
            x
            for x in self.trade.lines
            if not x.status.is_over and not ids.intersection(x.order_ids)
        ]
        looked = [x for line in doubtful for x in self._of_label(line)]
        trade = self.trade
        for order in (*looked, *mine):
            trade = apply_order(trade, order, self.now)
        trade = apply_history(trade, self.venue.history(), self.now)
        trade = outcomes.vanished(trade, {x.order_id for x in (*mine, *looked)})
        self._change(outcomes.synced(trade, self.now))
        return True

    def _of_label(self, line: Line) -> list[Order]:
        """By label, and what a fired stop became by its parent."""
        found = self.venue.by_label(self.trade.label(line))
        fired = {x.order_id for x in found if x.state is OrderState.TRIGGERED}
        known = {x.order_id for x in found}
        children = (x for x in self.venue.order_history() if x.trigger_order_id in fired)
        return [*found, *(x for x in children if x.order_id not in known)]

    def _finish(self, step: Step) -> bool:
        del step
        self._change(replace(self.trade, is_finished=True))
        return False

    # -- the record ------------------------------------------------------------

    def _wake_at(self, when: datetime) -> None:
        at = self.wire.now_ms + max(0, round((when - self.now).total_seconds() * 1000))
        if self.wake_ms is None or at < self.wake_ms:
            self.wake_ms = at

    def _change(self, trade: Trade) -> None:
        was = state_of(self.trade)
        self.trade = measured(trade, self.now)
        now = state_of(self.trade)
        assert was is now or now in TRANSITIONS[was], f"{was} -> {now}"

    def _save(self) -> None:
        if self.trade != self.saved[-1]:
            self.saved.append(self.trade)
