"""One bracketed trade against a venue, a network and a human who do their worst.

Random histories of requests that succeed, are refused, get lost, are taken unnoticed or arrive
late; of notifications that come late, twice, out of order or never; of thin books, stops that
fire, duds, hands that close and cancel, crashes that forget the last writes. Whatever happens,
the invariants hold after each event, and when the venue is kind again the trade ends.
"""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from domain import targets
from domain.exact import exact
from domain.labels import Role
from domain.orders import OrderState, Side
from domain.trade import ExitReason, LineStatus, Trade, TradePlan
from domain.trade_result import result_of
from tests.domain.builders import limit_plan, plan
from tests.domain.catalogue import BTC, D
from tests.domain.model_owner import Owner
from tests.domain.model_venue import ModelVenue, Quirks
from tests.domain.model_wire import Fate, Outcome, Wire

NEVER_LATER_MS = 30_000
"""With everything kind, a trade asked to close is over within this."""
BURST, STEADY_PER_SECOND = 14, 6
"""Requests a trade may make when nothing happens but time."""

_codes = st.sampled_from([10041, 10047, 11030, 11035, 11036, 11044, 10010, 10004, 11051, -32602])
_outcomes = st.builds(
    Outcome,
    fate=st.sampled_from([*Fate, Fate.FINE, Fate.FINE]),
    code=_codes,
    liquidity=st.integers(0, 12),
    delay_ms=st.sampled_from([800, 1_600, 4_000]),
)
_scripts = st.lists(_outcomes, max_size=5)
_quirks = st.builds(
    Quirks,
    keeps_id=st.booleans(),
    child_has_label=st.booleans(),
    lag_ms=st.sampled_from([0, 0, 400]),
    ticks=st.sampled_from([1, 0]),
    checks_stops=st.booleans(),
)


def _plan(
    side: Side, contracts: int, is_limit: bool, has_target: bool, moves: tuple[int, int]
) -> TradePlan:
    low, high = D(98_000), D(104_000)
    stop_price, target_price = (low, high) if side is Side.BUY else (high, low)
    make = limit_plan if is_limit else plan
    return make(
        side=side,
        contracts=contracts,
        stop_price=stop_price,
        target_price=target_price if has_target else None,
        break_even_at=D(100_000) + side.sign * moves[0] if moves[0] else None,
        trail=D(moves[1]) if moves[1] else None,
    )


_plans = st.builds(
    _plan,
    side=st.sampled_from(Side),
    contracts=st.integers(1, 12),
    is_limit=st.booleans(),
    has_target=st.booleans(),
    moves=st.tuples(st.sampled_from([0, 0, 500]), st.sampled_from([0, 0, 100, 3_000])),
)


class TradeMachine(RuleBasedStateMachine):
    """Events around one `Owner` and one `ModelVenue`."""

    owner: Owner
    venue: ModelVenue
    drift: int = 0

    @initialize(quirks=_quirks, wanted=_plans, script=_scripts)
    def begin(self, quirks: Quirks, wanted: TradePlan, script: list[Outcome]) -> None:
        """A trade is intended, and its entry goes out."""
        trade = Trade(plan=wanted)
        self.venue = ModelVenue(BTC, wanted.side, quirks)
        wire = Wire(self.venue, script=script)
        self.owner = Owner(trade, self.venue, wire, saved=[trade])
        self.owner.advance()

    @property
    def trade(self) -> Trade:
        return self.owner.trade

    # -- events ------------------------------------------------------------

    @rule(script=_scripts, index=st.integers(0, 5), keep=st.booleans())
    def deliver(self, script: list[Outcome], index: int, keep: bool) -> None:
        """Some notification arrives, perhaps not the oldest, perhaps not for the last time."""
        queue = self.venue.queue
        if queue and not self.trade.is_finished:
            self.owner.wire.script = script
            notice = queue[index % len(queue)]
            if not keep:
                queue.remove(notice)
            self.owner.hear(notice)

    @precondition(lambda self: self.trade.rests_on_guesses and not self.trade.is_finished)
    @rule(script=_scripts)
    def tell_story(self, script: list[Outcome]) -> None:
        """Execution has read what the hands did that the trade has heard of."""
        self.owner.wire.script = script
        self.owner.hear_story()

    @rule(script=_scripts, milliseconds=st.sampled_from([1, 50, 600, 2_100, 6_000]))
    def wait(self, script: list[Outcome], milliseconds: int) -> None:
        """Time goes by, and requests may fail meanwhile."""
        if not self.trade.is_finished:
            self.owner.wire.script = script
            self._quietly(milliseconds)

    @rule(script=_scripts, price=st.integers(96_000, 106_000))
    def move_price(self, script: list[Outcome], price: int) -> None:
        """The market moves; what rests nearer is never put back (the venue sees to that)."""
        if not self.trade.is_finished:
            self.owner.wire.script = script
            self.owner.follow(Decimal(price))

    @rule(contracts=st.integers(1, 12), index=st.integers(0, 3))
    def trade_resting(self, contracts: int, index: int) -> None:
        """The book trades with something of ours that rests."""
        hanging = self.venue.hanging()
        if hanging:
            self.venue.execute(hanging[index % len(hanging)].order_id, contracts)

    @rule(
        liquidity=st.integers(0, 12),
        index=st.integers(0, 3),
        dud=st.sampled_from(
            [None, None, OrderState.REJECTED, OrderState.CANCELLED, OrderState.TRIGGERED]
        ),
    )
    def fire_stop(self, liquidity: int, index: int, dud: OrderState | None) -> None:
        """A stop is triggered; the engine may refuse what it becomes."""
        stops = self.venue.stops()
        if stops:
            self.venue.fire(stops[index % len(stops)].order_id, liquidity=liquidity, dud=dud)

    @rule(contracts=st.integers(1, 12), is_liquidation=st.booleans())
    def close_by_hand(self, contracts: int, is_liquidation: bool) -> None:
        """A person or the liquidation closes a part of what is known to be the trade's."""
        most = min(self.venue.position, self.trade.position, contracts)
        if most > 0:
            self.venue.close_by_hand(most, is_liquidation=is_liquidation)

    @rule(index=st.integers(0, 3), reason=st.sampled_from(["user_request", None]))
    def cancel_by_hand(self, index: int, reason: str | None) -> None:
        """Somebody or the venue cancels an order of ours."""
        live = [x for x in self.venue.orders.values() if x.state.is_live]
        if live:
            self.venue.cancel(live[index % len(live)].order_id, reason)

    @rule(contracts=st.integers(1, 14), index=st.integers(0, 2))
    def resize_by_hand(self, contracts: int, index: int) -> None:
        """A person gives a stop another size."""
        stops = self.venue.stops()
        if stops:
            self.venue.edit(stops[index % len(stops)].order_id, contracts)

    @rule(script=_scripts, reason=st.sampled_from([ExitReason.REQUESTED, ExitReason.KILL]))
    def ask_to_close(self, script: list[Outcome], reason: ExitReason) -> None:
        """The operator wants the trade closed."""
        if not self.trade.is_finished:
            self.owner.wire.script = script
            self.owner.end(reason)

    @rule(milliseconds=st.sampled_from([-90_000, -700, 700]))
    def set_clock(self, milliseconds: int) -> None:
        """Our clock is set, back or forward."""
        self.owner.wire.skew_ms -= milliseconds

    @rule(script=_scripts)
    def reconnect(self, script: list[Outcome]) -> None:
        """The connection was down: what it would have said is lost."""
        self.venue.queue[:] = []
        if not self.trade.is_finished:
            self.owner.wire.script = script
            self.owner.verify()

    @precondition(lambda self: not self.trade.is_finished)
    @rule(script=_scripts, lost=st.integers(0, 2), downtime=st.sampled_from([0, 500, 8_000]))
    def crash(self, script: list[Outcome], lost: int, downtime: int) -> None:
        """The process dies and comes back with a record that misses its last writes.

        Should the order of a fired stop carry no label, a forgotten stop's order is nobody's.
        """
        lost = lost if self.venue.quirks.child_has_label else 0
        self.venue.queue[:] = []
        self.owner.wire.script = script
        self.owner.wake_ms = None
        self.owner.pass_time(downtime)
        self.owner.restart(lost)

    # -- what must hold ------------------------------------------------------------

    @invariant()
    def never_more_out_than_in(self) -> None:
        """The record never believes in fills that the venue does not have."""
        assert self.trade.entered <= self.venue.entered
        assert self.trade.exited <= self.venue.entered - self.venue.position

    @invariant()
    def exposure_has_a_deadline(self) -> None:
        """What has been exposed for longer than the deadline is being closed."""
        since = self.trade.exposed_since
        limit = timedelta(seconds=self.owner.policy.protection_deadline + 3.5)
        if since is not None and not self.trade.is_finished and self.owner.now - since > limit:
            assert self.trade.exit_reason is not None

    @invariant()
    def the_end_is_clean(self) -> None:
        """A finished trade is flat, nothing of it rests, and its figures are the venue's."""
        if self.trade.is_finished:
            self._check_the_end()

    def _check_the_end(self) -> None:
        assert self.venue.position == 0
        resting = [x for x in self.venue.orders.values() if x.state.is_live]
        assert not resting, "something of a finished trade still rests"
        assert {x.trade_id for x in self.trade.fills} == {x.trade_id for x in self.venue.fills}
        result = result_of(self.trade, BTC)
        assert_equal(result.pnl_coin, self.venue.pnl())
        assert result.fees_coin == sum((x.fee for x in self.venue.fills), Decimal(0))
        assert result.contracts == self.venue.entered

    def _quietly(self, milliseconds: int) -> None:
        """Lets time pass and counts what the trade asks of the venue meanwhile."""
        before = len(self.owner.wire.requests)
        began = self.owner.wire.now_ms
        self.owner.pass_time(milliseconds)
        seconds = (self.owner.wire.now_ms - began) / 1000
        made = len(self.owner.wire.requests) - before
        assert made <= BURST + STEADY_PER_SECOND * seconds, f"{made} requests in {seconds} s"

    # -- the kind ending ------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "owner"):
            return
        self.owner.wire.script = []
        if not self.trade.is_finished:
            self._settle()
        if not self.trade.is_finished:
            self._is_as_it_should_be()
            self.owner.end(ExitReason.REQUESTED)
            self._settle()
        assert self.trade.is_finished, f"still open: {self.trade}"
        self._check_the_end()

    def _settle(self) -> None:
        """Everything is delivered in order, requests succeed, and time goes by."""
        for _ in range(NEVER_LATER_MS // 1_000):
            while self.venue.queue and not self.trade.is_finished:
                self.owner.hear(self.venue.queue.pop(0))
            if self.trade.is_finished:
                return
            self._quietly(1_000)
            self._watch()

    def _watch(self) -> None:
        """A guess, or a drift that the watcher sees: the story is told, and after a drift the
        owner looks again. Once for each drift.
        """
        drift = self.venue.position - self.trade.position
        is_news = drift not in {0, self.drift}
        if is_news or self.trade.rests_on_guesses:
            self.owner.hear_story()
        if is_news and not self.trade.is_finished:
            self.owner.verify()
        self.drift = drift

    def _is_as_it_should_be(self) -> None:
        """With nobody disturbing it, the record is true and the position under its stop."""
        trade = self.trade
        assert trade.exit_reason is None, f"does not end: {trade}"
        assert not trade.needs_sync
        assert trade.position == self.venue.position
        assert not any(x.status is LineStatus.UNKNOWN for x in trade.lines)
        assert sum(x.contracts for x in self.venue.stops()) >= self.venue.position
        believed = {y for x in trade.lines if not x.status.is_over for y in x.order_ids}
        resting = {x.order_id for x in self.venue.orders.values() if x.state.is_live}
        assert resting <= believed, "something rests that the record has forgotten"
        is_due = trade.target_after is None or trade.target_after <= self.owner.now
        is_wanted = trade.plan.target_price and not targets.is_left_away(trade)
        if trade.position and is_wanted and is_due:
            assert any(x.status is LineStatus.LIVE for x in trade.of(Role.TARGET))


@exact
def assert_equal(ours: Decimal, venues: Decimal) -> None:
    """To a billionth of a billionth of a coin."""
    assert abs(ours - venues) < D("1e-18")


@pytest.mark.no_cover
def test_a_trade_survives_whatever_happens() -> None:
    """No history of failures breaks an invariant, and a kind venue always ends the trade."""
    run_state_machine_as_test(
        TradeMachine,
        settings=settings(
            max_examples=250,
            stateful_step_count=25,
            suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
        ),
    )
