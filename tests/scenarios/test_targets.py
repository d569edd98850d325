"""A take-profit that is refused or taken away comes back, and is told of when that takes long."""

from dataclasses import replace
from typing import Any

import pytest

from actors.messages.trading import (
    TargetFailed,
    TargetMissing,
    TargetPlaced,
    TradeClosed,
)
from adapters.paper.records import OrderRecord
from domain.labels import Role
from simulation.daemon import DEFAULT_LIMITS, default_plan
from simulation.venue import Refusal
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, PLACE, Once, Scene
from tests.scenarios.test_partial import THIN, dip, limit_entry, thin

SETTLEMENT, BUSY, ODD = 10041, 10047, 11054


def targets(scene: Scene, trade_id: str) -> list[OrderRecord]:
    return [x for x in scene.live(trade_id) if ".tp." in x.label]


def refuse_edits(scene: Scene, target: OrderRecord, code: int) -> None:
    """From now on, of this target, until the world is kind."""

    def refuse(method: str, params: object) -> Refusal | None:
        is_target = isinstance(params, dict) and params.get("order_id") == target.order_id
        return Refusal(code) if method == "private/edit" and is_target else None

    scene.market.faults = refuse


@pytest.mark.parametrize("code", [SETTLEMENT, BUSY, ODD])
def test_a_target_refused_again_and_again_is_placed_in_the_end(stage: Stage, code: int) -> None:
    """Three refusals within a second gave it up for the life of the trade, and nobody was told."""
    scene = stage().ready()
    scene.fault(Once(Refusal(code), *PLACE, role=Role.TARGET, times=3))
    trade_id = scene.bracket()
    scene.run(10)
    assert len(targets(scene, trade_id)) == 1
    assert not scene.events(TargetMissing)
    scene.market.move(btc_usd=101_500)
    assert scene.wait(TradeClosed).exit_reason == "take_profit"


def test_a_target_that_stays_refused_is_told_once_and_tried_every_minute(stage: Stage) -> None:
    """The stop stands meanwhile, and the budget is not spent on it."""
    scene = stage().ready()
    scene.fault(Once(Refusal(ODD), *PLACE, role=Role.TARGET, times=16))
    trade_id = scene.bracket()
    scene.rest(300)
    (missing,) = scene.events(TargetMissing)
    assert (missing.trade_id, missing.is_left_away) == (trade_id, False)
    sent = [x for x in scene.market.sent(*PLACE) if ".tp." in x["label"]]
    assert len(sent) <= 14
    assert len(scene.events(TargetFailed)) <= 4
    assert len(scene.trades()[trade_id].of(Role.TARGET)) == 1
    assert scene.cover(BTC) == scene.position()
    scene.rest(300)
    assert len(targets(scene, trade_id)) == 1
    assert len(scene.events(TargetMissing)) == 1


def test_a_target_cut_by_its_siblings_ends_comes_back_every_time(stage: Stage) -> None:
    """A sibling's stop fires, the venue cuts what may reduce, and this target goes with it."""
    limits = replace(DEFAULT_LIMITS, max_trades_per_instrument=2)
    scene = stage(plan=default_plan(limits=limits)).ready()
    stays = scene.bracket(BTC, "buy", "0.05", "90000", "108000")
    scene.run(2)
    for _ in range(5):
        goes = scene.bracket(BTC, "buy", "0.05", "99800", "101000")
        scene.run(2)
        scene.market.move(btc_usd=99_700)
        scene.run(5)
        assert scene.is_over(goes)
        scene.market.move(btc_usd=100_000)
        scene.run(5)
        (target,) = targets(scene, stays)
        assert target.remaining == scene.position()
    assert not scene.events(TargetMissing)
    assert len(scene.events(TargetPlaced)) < 40
    scene.settled()


def test_a_target_somebody_cancels_three_times_is_left_away_and_told(stage: Stage) -> None:
    """He has made his point; the stop is none of his business."""
    scene = stage().ready()
    trade_id = scene.bracket()
    for _ in range(3):
        scene.run(2)
        (target,) = targets(scene, trade_id)
        scene.market.ask("private/cancel", order_id=target.order_id)
    scene.rest(200)
    assert targets(scene, trade_id) == []
    (missing,) = scene.events(TargetMissing)
    assert (missing.trade_id, missing.is_left_away) == (trade_id, True)
    assert scene.cover(BTC) == scene.position()


@pytest.mark.parametrize("age", [5, 90])
@pytest.mark.parametrize("code", [SETTLEMENT, ODD])
def test_a_target_that_cannot_grow_for_long_is_tried_ever_more_rarely(
    stage: Stage, code: int, age: float
) -> None:
    """However long it had rested before: that it rests on is no end of the row of failures."""
    scene = thin(stage)
    trade_id = limit_entry(scene)
    scene.run(1)
    dip(scene, 0.2)
    scene.run(age)
    (target,) = targets(scene, trade_id)
    refuse_edits(scene, target, code)
    dip(scene, 0.2)
    scene.run(120)
    edits = [x for x in scene.market.sent("private/edit") if x["order_id"] == target.order_id]
    assert 6 <= len(edits) <= 12
    assert len(scene.events(TargetFailed)) <= 4
    assert len(scene.events(TargetMissing)) == 1


@pytest.mark.parametrize("bracket", ["sequential", "otoco"])
def test_a_target_that_loses_its_flag_by_somebodys_edit_gets_it_back(
    stage: Stage, bracket: str
) -> None:
    """Left so, it would open the opposite position once ours is gone, with no stop under it."""
    scene = stage(plan=default_plan(bracket=bracket)).ready()
    trade_id = scene.bracket()
    scene.run(2)
    (target,) = targets(scene, trade_id)
    change = {"order_id": target.order_id, "amount": target.contracts * 10, "price": target.price}
    scene.market.ask("private/edit", **change, reduce_only=False)
    scene.run(5)
    (target,) = targets(scene, trade_id)
    assert target.reduce_only
    assert target.contracts == scene.position() == scene.cover(BTC)
    assert not scene.events(TargetMissing)
    scene.settled()


def test_two_linked_targets_get_their_flags_back_and_keep_their_sizes(stage: Stage) -> None:
    """The first that is filled takes the stop of its own pair along, and no more."""
    scene = stage(1, shape=THIN, plan=default_plan(bracket="otoco")).ready()
    trade_id = limit_entry(scene)
    scene.run(1)
    for _ in range(2):
        dip(scene)
        scene.run(2)
    _, *made = targets(scene, trade_id)  # the first waits for what is left of the entry
    before = [x.contracts for x in made]
    assert len(before) == 2
    scene.crash()
    for target in made:
        change = {"amount": target.contracts * 10, "price": target.price, "reduce_only": False}
        scene.market.ask("private/edit", order_id=target.order_id, **change)
    scene.boot()
    scene.run(10)
    _, *found = targets(scene, trade_id)
    assert all(x.reduce_only for x in found)
    assert [x.contracts for x in found] == before
    assert scene.cover(BTC) == scene.position()


def test_a_linked_target_that_stays_without_its_flag_costs_no_stop(stage: Stage) -> None:
    """Cancelled, it would take the stop along: the edit is tried ever more rarely, and told of."""
    scene = stage(plan=default_plan(bracket="otoco")).ready()
    trade_id = scene.bracket()
    scene.run(2)
    (target,) = targets(scene, trade_id)
    stops = [x.order_id for x in scene.live(trade_id) if ".sl." in x.label]

    def lose_it(params: dict[str, Any]) -> dict[str, Any]:
        is_target = params.get("order_id") == target.order_id and "amount" in params
        return {**params, "reduce_only": False} if is_target else params

    scene.market.garble = lose_it
    change = {"amount": target.contracts * 10, "price": target.price, "reduce_only": False}
    scene.market.ask("private/edit", order_id=target.order_id, **change)
    scene.run(120)
    assert [x.order_id for x in scene.live(trade_id) if ".sl." in x.label] == stops
    edits = [x for x in scene.market.sent("private/edit") if x["order_id"] == target.order_id]
    assert len(edits) <= 14
    assert len(scene.events(TargetMissing)) == 1
    scene.market.garble = None
    scene.run(70)
    (target,) = targets(scene, trade_id)
    assert target.reduce_only


def test_somebody_who_takes_the_flag_away_again_and_again_has_not_cancelled_the_target(
    stage: Stage,
) -> None:
    """It is we who cancel it then."""
    scene = stage().ready()
    trade_id = scene.bracket()
    for _ in range(4):
        scene.run(10)
        (target,) = targets(scene, trade_id)
        change = {"amount": target.contracts * 10, "price": target.price, "reduce_only": False}
        scene.market.ask("private/edit", order_id=target.order_id, **change)
    scene.run(30)
    (target,) = targets(scene, trade_id)
    assert target.reduce_only
    assert not any(x.is_left_away for x in scene.events(TargetMissing))


def test_a_target_that_could_not_grow_grows_in_the_end(stage: Stage) -> None:
    """Its edits are refused for a while, then taken."""
    scene = thin(stage)
    trade_id = limit_entry(scene)
    scene.run(1)
    dip(scene, 0.2)
    scene.run(2)
    before = scene.position()
    (target,) = targets(scene, trade_id)
    refuse_edits(scene, target, SETTLEMENT)
    dip(scene, 0.2)
    scene.run(4)
    scene.kind()
    scene.run(10)
    assert scene.position() > before
    (target,) = targets(scene, trade_id)
    assert target.remaining == scene.position() == scene.cover(BTC)
