"""Brackets sent as one linked order: the venue places stop and target as the entry fills."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from actors.messages.trading import (
    EmergencyBegan,
    EntryRejected,
    FlatVerified,
    OutcomeResolved,
    Ready,
    StopFailed,
    StopPlaced,
    TargetPlaced,
    TradeAbandoned,
    TradeAccepted,
    TradeClosed,
    TradeOpened,
)
from domain.labels import Role
from domain.orders import OrderState
from simulation.daemon import default_plan
from simulation.venue import Fate, Refusal
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, PLACE, Once, Scene, switched
from tests.scenarios.test_crash import crash_after, wish
from tests.scenarios.test_partial import THIN, dip, limit_entry

SEEDS = range(4)
FILLS = "private/get_user_trades_by_instrument_and_time"
LATE_MS = switched().child_delay_ms
BARE_MS = LATE_MS + 1_000 if LATE_MS else 0
"""How long a linked position may be bare: not at all where its children come at once, else until
the market's next tick after they are due."""


def linked(stage: Stage, seed: int = 1, **more: Any) -> Scene:
    """A scene whose daemon sends linked orders."""
    return stage(seed, plan=default_plan(bracket="otoco"), **more)


def switch(scene: Scene, **changes: Any) -> None:
    """From now on the venue has these ways."""
    scene.engine.switches = replace(scene.engine.switches, **changes)


def orders_sent(scene: Scene) -> list[str]:
    """The roles and attempts of the orders that were sent, in order."""
    return [params["label"].split(".", 2)[2] for params in scene.market.sent(*PLACE)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("price", "reason"), [(101_500, "take_profit"), (98_500, "stop_loss")])
def test_one_request_brings_entry_stop_and_target(
    stage: Stage, seed: int, price: int, reason: str
) -> None:
    """Protected from the first moment on; the partner goes with the exit."""
    scene = linked(stage, seed).ready()
    trade_id = scene.bracket()
    scene.run(1)
    assert orders_sent(scene) == ["entry.1"]
    assert scene.naked.longest() <= BARE_MS / 1000
    assert [x.label for x in scene.stops(trade_id)] == [f"bw.{trade_id}.sl.1"]
    assert len(scene.events(StopPlaced)) == len(scene.events(TargetPlaced)) == 1
    scene.market.move(btc_usd=price)
    closed = scene.wait(TradeClosed)
    assert closed.exit_reason == reason
    assert closed.unprotected_ms <= BARE_MS
    scene.run(3)
    assert scene.is_over(trade_id)
    scene.settled()
    assert orders_sent(scene) == ["entry.1"]


def test_a_bracket_without_a_target_is_linked_too(stage: Stage) -> None:
    """Only the stop hangs on the entry."""
    scene = linked(stage).ready()
    trade_id = scene.bracket(target=None)
    (sent,) = scene.market.sent(*PLACE)
    assert sent["linked_order_type"] == "one_triggers_other"
    assert scene.naked.longest() <= BARE_MS / 1000
    assert scene.close_trade(trade_id)
    scene.wait(TradeClosed)
    scene.run(3)
    scene.settled()


def test_a_close_by_hand_leaves_the_pair_until_it_is_flat(stage: Stage) -> None:
    """Cancelling the target would take the stop along: the close comes first."""
    scene = linked(stage).ready()
    trade_id = scene.bracket()
    assert scene.close_trade(trade_id)
    scene.wait(TradeClosed)
    scene.run(3)
    assert scene.naked.longest() <= BARE_MS / 1000
    assert scene.is_over(trade_id)
    scene.settled()


def test_a_close_the_venue_refuses_because_of_the_target_costs_the_target(stage: Stage) -> None:
    """If it counts the resting target as the close, the target has to go after all."""
    scene = linked(stage).ready()
    trade_id = scene.bracket()
    scene.run(1)
    scene.fault(Once(Refusal(11030), *PLACE, role=Role.CLOSE))
    assert scene.close_trade(trade_id)
    scene.wait(TradeClosed)
    scene.run(3)
    assert scene.is_over(trade_id)
    scene.settled()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_kill_never_uncovers_what_it_cannot_close(stage: Stage, seed: int) -> None:
    """While the venue refuses the closing orders the stop keeps resting."""
    scene = linked(stage, seed).ready()
    scene.bracket()
    scene.run(1)
    scene.fault(Once(Refusal(10009), *PLACE, times=50))
    scene.kill()
    scene.run(20)
    assert scene.naked.longest() <= BARE_MS / 1000
    assert scene.cover(BTC) == scene.position()
    scene.kind()
    scene.wait(FlatVerified)
    assert scene.live() == []


def test_a_kill_takes_waiting_children_along(stage: Stage) -> None:
    """The entry rests, its children wait: all of it goes."""
    scene = linked(stage).ready()
    scene.open(entry_type="limit", price=Decimal(99500))
    scene.until(lambda: len(scene.live()) == 3)
    scene.kill()
    scene.wait(FlatVerified)
    scene.wait(TradeAbandoned)
    scene.run(3)
    assert scene.live() == []
    scene.settled()


@pytest.mark.parametrize("code", [13901, 11035, -32602])
def test_a_link_the_venue_refuses_falls_back_to_one_after_another(stage: Stage, code: int) -> None:
    """A proven refusal: the plain entry goes out under the next label, and is protected."""
    scene = linked(stage).ready()
    scene.fault(Once(Refusal(code), *PLACE, role=Role.ENTRY))
    trade_id = scene.bracket()
    scene.run(1)
    assert orders_sent(scene) == ["entry.1", "entry.2", "sl.1", "tp.1"]
    assert len(scene.stops(trade_id)) == 1
    scene.market.move(btc_usd=101_500)
    scene.wait(TradeClosed)
    scene.run(3)
    scene.settled()


@pytest.mark.parametrize("fate", [None, Refusal(10041), Fate.REQUEST_LOST])
def test_an_entry_taken_larger_than_asked_is_not_followed_by_a_plain_one(
    stage: Stage, fate: Fate | Refusal | None
) -> None:
    """It is cancelled, or lives on where that fails: either way it was the one entry."""
    scene = linked(stage).ready()

    def twice_as_large(params: dict[str, Any]) -> dict[str, Any]:
        scene.market.garble = None
        return {**params, "amount": params["amount"] * 2}

    scene.market.garble = twice_as_large
    if fate is not None:
        scene.fault(Once(fate, "private/cancel", times=8))
    scene.open(entry_type="limit", price=Decimal(99_990), stop="98000", target="102000")
    scene.run(8)
    scene.kind()
    scene.run(5)
    assert orders_sent(scene) == ["entry.1"]
    scene.market.move(btc_usd=99_000)
    scene.run(3)
    assert scene.cover(BTC) == scene.position()
    scene.settled()


@pytest.mark.parametrize("code", [10009, 10041])
def test_an_entry_refused_for_itself_is_not_tried_plainly(stage: Stage, code: int) -> None:
    """No funds, or the settlement: a plain entry would meet the same."""
    scene = linked(stage).ready()
    scene.fault(Once(Refusal(code), *PLACE, role=Role.ENTRY))
    scene.open()
    scene.wait(EntryRejected)
    scene.wait(TradeAbandoned)
    assert orders_sent(scene) == ["entry.1"]


def test_two_refusals_are_the_end(stage: Stage) -> None:
    """The plain entry has no second try either."""
    scene = linked(stage).ready()
    scene.fault(Once(Refusal(13901), *PLACE, role=Role.ENTRY, times=9))
    scene.open()
    scene.wait(TradeAbandoned)
    assert orders_sent(scene) == ["entry.1", "entry.2"]
    scene.run(3)
    scene.settled()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fate", [Fate.REPLY_LOST, Fate.REQUEST_LOST, Fate.NOT_SENT])
def test_an_entry_without_an_answer_is_looked_up_with_its_children(
    stage: Stage, seed: int, fate: Fate
) -> None:
    """Found, its children are adopted by label; not found, nothing is sent again."""
    scene = linked(stage, seed).ready()
    scene.fault(Once(fate, *PLACE, role=Role.ENTRY))
    answer = scene.open()
    assert isinstance(answer, TradeAccepted)
    scene.run(20)
    arrived = fate is not Fate.REQUEST_LOST
    assert bool(scene.position()) is arrived
    assert scene.naked.longest() <= BARE_MS / 1000
    assert len(scene.stops(answer.trade_id)) == (1 if arrived else 0)
    assert [x for x in orders_sent(scene) if x != "entry.1"] == []
    if not arrived:
        assert scene.events(OutcomeResolved)
        scene.wait(TradeAbandoned)
    scene.run(3)
    scene.settled()


@pytest.mark.parametrize("delay_ms", [100, 600])
def test_children_that_come_late_are_waited_for_a_moment(stage: Stage, delay_ms: int) -> None:
    """Placing them is the venue's work, and it may take a while."""
    scene = linked(stage, tick=0.05)
    switch(scene, child_delay_ms=delay_ms)
    trade_id = scene.ready().bracket()
    scene.run(2)
    assert orders_sent(scene) == ["entry.1"]
    assert scene.naked.longest() == pytest.approx(delay_ms / 1000, abs=0.15)
    assert len(scene.stops(trade_id)) == 1
    scene.settled()


def test_children_that_do_not_come_are_placed_by_ourselves(stage: Stage) -> None:
    """Well before the deadline; when they come after all, what is too much goes."""
    scene = linked(stage, tick=0.05)
    switch(scene, child_delay_ms=4_000)
    trade_id = scene.ready().bracket()
    assert "sl.2" in orders_sent(scene)
    assert scene.naked.longest() < 1.3
    scene.run(12)
    assert not scene.events(EmergencyBegan)
    assert scene.cover(BTC) == scene.position() > 0
    assert len(scene.stops(trade_id)) == 1
    scene.market.move(btc_usd=98_500)
    scene.wait(TradeClosed)
    scene.run(3)
    assert scene.is_over(trade_id)
    scene.settled()


def test_a_child_that_cannot_be_placed_is_placed_by_ourselves_or_closed(stage: Stage) -> None:
    """No slot for a trigger, neither for the venue's nor for ours: closed at market."""
    scene = linked(stage)
    switch(scene, most_triggers=0)
    scene.ready().open()
    closed = scene.wait(TradeClosed)
    assert closed.exit_reason == "stop_refused"
    assert [x.code for x in scene.events(StopFailed)] == [11035, 11035, 11035]
    scene.run(3)
    scene.settled()


def test_a_child_other_than_asked_is_replaced(stage: Stage) -> None:
    """Its trigger is not where it was asked for: away with it, and one of our own."""
    scene = linked(stage).ready()
    scene.open(entry_type="limit", price=Decimal(99900))
    scene.until(lambda: len(scene.live()) == 3)
    for child in scene.engine.ledger.children.values():
        if child.trigger_price is not None:
            child.trigger_price = Decimal(95_000)
    scene.market.move(btc_usd=99_800)
    scene.wait(TradeOpened)
    scene.run(1)
    assert scene.events(StopFailed)[0].code == 0
    (stop,) = scene.stops(next(iter(scene.trades())))
    assert (stop.trigger_price, stop.label.split(".")[-1]) == (Decimal(99_000), "2")
    assert scene.naked.longest() < 0.1 + BARE_MS / 1000
    scene.run(5)
    scene.settled()


@pytest.mark.parametrize("growing", ["several", "one"])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_stop_follows_every_part_that_fills(stage: Stage, seed: int, growing: Any) -> None:
    """One order that grows or several under one label: their sum is the position."""
    scene = linked(stage, seed, shape=THIN)
    switch(scene, incremental_children=growing)
    scene.ready()
    limit_entry(scene)
    scene.run(1)
    for _ in range(3):
        dip(scene)
        scene.run(2)
        assert scene.cover(BTC) == scene.position() > 0
    assert scene.naked.longest() <= BARE_MS / 1000
    trade_id = next(iter(scene.trades()))
    trade = scene.trades()[trade_id]
    assert trade.cover == trade.position == scene.position()
    assert not [x for x in orders_sent(scene) if x.startswith("sl")]
    assert scene.close_trade(trade_id)
    scene.wait(TradeClosed)
    scene.run(3)
    assert scene.naked.longest() < 0.1 + BARE_MS / 1000
    assert scene.is_over(trade_id)
    scene.settled()


WAYS: list[dict[str, Any]] = [
    {"oco_closes_on": "fill"},
    {"oco_cancel": "leaves_other"},
    {"fired_stop_of_a_pair": "vanishes"},
    {"fired_label": "dropped"},
    {"fired_id": "same"},
    {"passed_trigger": "fire"},
    {"cut_is_told": False},
    {"incremental_children": "one"},
]


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("price", [101_500, 98_500])
def test_a_pair_ends_whatever_way_the_venue_has(
    stage: Stage, way: dict[str, Any], price: int
) -> None:
    """The partner gone or not, both gone at once: flat, booked, nothing left over."""
    scene = linked(stage)
    switch(scene, **way)
    trade_id = scene.ready().bracket()
    scene.run(1)
    scene.market.move(btc_usd=price)
    scene.wait(TradeClosed)
    scene.run(5)
    assert scene.is_over(trade_id)
    scene.settled()


@pytest.mark.parametrize("steps", range(0, 160, 8))
def test_killed_at_any_moment_the_children_are_adopted(stage: Stage, steps: int) -> None:
    """The next process finds entry and children by label, and places nothing twice."""
    scene = linked(stage, steps).ready()
    wish(scene)
    crash_after(scene, steps)
    scene.run(2)
    scene.boot()
    scene.wait(Ready)
    scene.run(10)
    assert scene.cover(BTC) == scene.position()
    assert scene.naked.longest() <= BARE_MS / 1000
    assert len([x for x in scene.live() if x.order_type.value == "stop_market"]) <= 1
    scene.settled()
    scene.market.move(btc_usd=101_500)
    scene.run(5)
    assert scene.positions() == {}
    scene.settled()


def test_waiting_children_of_a_lost_trade_are_reaped(stage: Stage) -> None:
    """Nobody knows the trade any more: its entry goes, and what waits for it."""
    scene = linked(stage).ready()
    scene.open(entry_type="limit", price=Decimal(99500))
    scene.until(lambda: len(scene.live()) == 3)
    scene.run(1)
    scene.crash()
    scene.disk.tables["trades"].clear()
    scene.boot()
    scene.wait(Ready)
    scene.run(40)
    assert scene.live() == []


def test_a_target_of_a_lost_trade_stays_while_the_last_stop_hangs_on_it(stage: Stage) -> None:
    """Cancelling it would take the stop of a position along."""
    scene = linked(stage).ready()
    scene.bracket()
    scene.run(1)
    scene.crash()
    scene.disk.tables["trades"].clear()
    scene.boot()
    scene.wait(Ready)
    scene.run(60)
    assert scene.cover(BTC) == scene.position() > 0
    assert scene.naked.longest() <= BARE_MS / 1000
    for state in (x.state for x in scene.live()):
        assert state in {OrderState.OPEN, OrderState.UNTRIGGERED}


LOOK = "private/get_order_state_by_label"


def test_a_linked_stop_that_cannot_be_looked_up_closes_nothing(stage: Stage) -> None:
    """The replies of the look-up are lost for longer than the deadline: the news of the child, or a
    stop of our own, come first. (Found by the simulation, seed 320012.)"""
    scene = linked(stage).ready()
    scene.fault(Once(Fate.REPLY_LOST, LOOK, times=4))
    trade_id = scene.bracket(target=None)
    scene.run(10)
    assert not scene.events(EmergencyBegan)
    assert [x.contracts for x in scene.stops(trade_id)] == [500]
    assert scene.naked.longest() <= BARE_MS / 1000
    scene.settled()


@pytest.mark.parametrize("nth", [0, 1])
def test_a_second_stop_is_not_taken_away_while_news_of_the_first_ones_end_wait(
    stage: Stage, nth: int
) -> None:
    """Whoever reads does not hear: a person cancels the target, and its stop goes with it, while
    the fills are read that make the second stop a surplus (found by seed 1408688).
    """
    scene = linked(stage).ready()
    scene.fault(Once(Refusal(13028), "private/get_order_state_by_label", times=100))
    scene.market.lost_notifications = True
    answer = scene.open()
    scene.until(lambda: len(scene.stops(answer.trade_id)) == 2)
    (target,) = (x for x in scene.live(answer.trade_id) if ".tp." in x.label)
    reads: list[int] = []

    def cancel_the_target(method: str, _: Mapping[str, Any]) -> None:
        if method == FILLS:
            reads.append(len(scene.stops(answer.trade_id)))
            if len(reads) == nth + 1:
                scene.market.ask("private/cancel", order_id=target.order_id)

    scene.market.lost_notifications = False
    scene.kind()
    scene.run(3)
    first = scene.stops(answer.trade_id)[0]
    scene.market.hearers.append(cancel_the_target)
    scene.market.ask(
        "private/edit",
        order_id=first.order_id,
        amount=first.instrument.amount(first.contracts),
        trigger_price=first.trigger_price,
        reduce_only=True,
    )
    scene.run(10)
    assert len(reads) > nth
    assert scene.naked.longest() < 0.1
    assert len(scene.stops(answer.trade_id)) == 1


@pytest.mark.parametrize("when", ["open", "flat"])
def test_a_trade_ends_though_the_clock_was_set_back(stage: Stage, when: str) -> None:
    """By an hour, while it was open or as it became flat; it does not wait for that hour."""
    scene = linked(stage)
    back, usual = [0.0], scene.world.now
    scene.world.now = lambda: usual() - timedelta(seconds=back[0])
    trade_id = scene.ready().bracket()
    scene.run(10)
    back[0] = 3_600.0 if when == "open" else 0.0
    assert scene.close_trade(trade_id)
    scene.until(lambda: not scene.position())
    back[0] = 3_600.0
    scene.wait(TradeClosed)
    scene.run(3)
    assert scene.is_over(trade_id)
    assert len(scene.market.sent(LOOK)) < 20
    scene.settled()
