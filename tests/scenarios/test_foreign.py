"""Positions that are not ours, when the operator wants them protected."""

from decimal import Decimal
from typing import Any

import pytest

from actors.messages.trading import FlatVerified, Ready, TradeClosed
from actors.messages.watch import GuardFailed, GuardPlaced, GuardRemoved, PortfolioObserved
from adapters.paper.records import OrderRecord
from domain.orders import OrderType
from domain.watch import Drift
from simulation.daemon import default_plan
from simulation.venue import Fate, Refusal
from tests.domain.builders import position
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, ETH, PLACE, Once, Scene

SEEDS = range(3)


def protecting(stage: Stage, seed: int = 1) -> Scene:
    plan = default_plan(foreign_positions="protect", foreign_stop_pct=Decimal("0.02"))
    return stage(seed, plan=plan).ready()


def trade(scene: Scene, dollars: int, name: str = BTC) -> None:
    """A person buys (or sells, if negative) so many dollars."""
    method = "private/buy" if dollars > 0 else "private/sell"
    scene.market.ask(method, instrument_name=name, amount=abs(dollars), type="market")


def guards(scene: Scene) -> list[OrderRecord]:
    return [x for x in scene.live("ext-") if x.order_type is OrderType.STOP_MARKET]


@pytest.mark.parametrize("dollars", [10, -10])
def test_a_foreign_position_that_grows_with_every_look_is_guarded_meanwhile(
    stage: Stage, dollars: int
) -> None:
    """Two looks never agree on all of it; on what the first one saw they do."""
    scene = protecting(stage, 1)
    for _ in range(60):
        trade(scene, dollars)
        scene.run(0.5)
        if scene.world.monotonic() > 10:
            assert sum(x.contracts for x in guards(scene)) >= abs(scene.position()) - 5
    scene.run(5)
    assert sum(x.contracts for x in guards(scene)) == abs(scene.position()) == 60


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dollars", [3000, -3000])
def test_a_foreign_position_gets_a_stop_that_follows_its_size(
    stage: Stage, seed: int, dollars: int
) -> None:
    """Placed, grown, shrunk and removed as the position changes; never closed by us."""
    scene = protecting(stage, seed)
    trade(scene, dollars)
    scene.wait(GuardPlaced)
    (guard,) = guards(scene)
    assert guard.contracts == 300
    assert guard.reduce_only
    distance = Decimal(100_000) * Decimal("0.02") * (1 if dollars > 0 else -1)
    assert abs(guard.trigger_price - (100_000 - distance)) < 60
    trade(scene, dollars)
    scene.wait(GuardPlaced, 2)
    trade(scene, -dollars // 3 // 10 * 10)
    scene.wait(GuardPlaced, 3)
    (same,) = guards(scene)
    assert (same.order_id, same.contracts) == (guard.order_id, 500)
    trade(scene, -dollars // 3 * 5)
    scene.wait(GuardRemoved)
    assert guards(scene) == []
    assert scene.positions() == {}
    scene.run(3)
    assert any("now have a stop" in text for text in scene.phone.heard)


def test_without_the_setting_a_foreign_position_is_only_told(stage: Stage) -> None:
    """The default: alerted, and nothing is sent."""
    scene = stage().ready()
    trade(scene, 3000)
    scene.run(10)
    assert not scene.market.sent(*PLACE)


def test_protecting_needs_to_know_the_distance(stage: Stage) -> None:
    """The setting without a distance is refused when the tree is built."""
    scene = stage(plan=default_plan(foreign_positions="protect"))
    with pytest.raises(ValueError, match="at which distance"):
        scene.boot()


def test_a_position_turned_round_gets_a_stop_on_its_other_side(stage: Stage) -> None:
    """The new guard rests before the old one goes."""
    scene = protecting(stage)
    trade(scene, 3000)
    scene.wait(GuardPlaced)
    trade(scene, -5000)
    scene.wait(GuardPlaced, 2)
    assert len(guards(scene)) == 2
    scene.run(1)
    (guard,) = guards(scene)
    assert guard.side.value == "buy"
    assert guard.contracts == 200


@pytest.mark.parametrize("seed", SEEDS)
def test_beside_a_trade_only_what_is_not_ours_is_guarded(stage: Stage, seed: int) -> None:
    """The trade has its own stop; the guard covers the rest, and stays when the trade ends."""
    scene = protecting(stage, seed)
    trade_id = scene.bracket()
    scene.run(1)
    trade(scene, 3000)
    scene.wait(GuardPlaced)
    (guard,) = guards(scene)
    assert guard.contracts == 300
    scene.run(10)
    assert len(scene.stops(trade_id)) == 1
    scene.close_trade(trade_id)
    scene.wait(TradeClosed)
    scene.run(6)
    assert [x.contracts for x in guards(scene)] == [300]
    assert scene.cover(BTC) == scene.position() == 300


@pytest.mark.parametrize("seed", SEEDS)
def test_our_own_trades_never_get_a_guard(stage: Stage, seed: int) -> None:
    """A look between a fill and its record is no finding: trades come and go without a guard."""
    scene = protecting(stage, seed)
    for _ in range(12):
        trade_id = scene.bracket()
        scene.run(scene.world.uniform(0.1, 1.5))
        scene.close_trade(trade_id)
        scene.run(scene.world.uniform(0.2, 1.5))
    assert not [p for p in scene.market.sent(*PLACE) if p["label"].startswith("bw.ext-")]


def test_one_look_alone_is_no_finding(stage: Stage) -> None:
    """A position seen once and not again is nobody's: nothing is sent."""
    scene = protecting(stage)
    scene.run(1)
    look = PortfolioObserved(
        at=scene.world.now(),
        positions=(position(10),),
        orders=(),
        accounts=(),
        drifts=(Drift(instrument_name=BTC, venue=10, ledger=0),),
        began_monotonic=scene.world.monotonic(),
    )
    scene.daemon.system.address("guardian").tell(look)
    scene.run(10)
    assert not scene.market.sent(*PLACE)
    assert not scene.events(GuardFailed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_slow_line_does_not_double_the_guard(stage: Stage, seed: int) -> None:
    """A look that began before the guard was placed does not know it yet, and is not believed."""
    scene = protecting(stage, seed)
    scene.market.slow_down(0.45)
    trade(scene, 3000)
    scene.wait(GuardPlaced)
    scene.run(30)
    assert len([p for p in scene.market.sent(*PLACE) if "ext-" in p["label"]]) == 1


def test_a_stop_of_the_persons_own_is_enough(stage: Stage) -> None:
    """What is covered already gets no second stop."""
    scene = protecting(stage)
    trade(scene, 3000)
    scene.market.ask(
        "private/sell",
        instrument_name=BTC,
        amount=3000,
        type="stop_market",
        trigger="mark_price",
        trigger_price=Decimal(99000),
        reduce_only=True,
    )
    scene.run(10)
    assert guards(scene) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_guards_survive_restarts_sweeps_and_their_own_removal(stage: Stage, seed: int) -> None:
    """After a crash it is known by its label, never doubled, never reaped, restored if lost."""
    scene = protecting(stage, seed)
    trade(scene, 3000, ETH)
    scene.wait(GuardPlaced)
    (guard,) = guards(scene)
    scene.crash()
    scene.boot()
    scene.wait(Ready)
    scene.run(80)
    assert [x.order_id for x in guards(scene)] == [guard.order_id]
    scene.market.ask("private/cancel", order_id=guard.order_id)
    scene.wait(GuardPlaced)
    assert len(guards(scene)) == 1
    scene.market.move(eth_usd=3_000)
    scene.run(10)
    assert scene.positions() == {}
    assert guards(scene) == []


@pytest.mark.parametrize("fate", [Fate.REQUEST_LOST, Refusal(11036)])
def test_a_guard_that_fails_is_tried_again_after_a_look(stage: Stage, fate: Any) -> None:
    """Whatever happened to the request, in the end exactly one guard hangs."""
    scene = protecting(stage)
    scene.fault(Once(fate, *PLACE))
    trade(scene, 3000)
    scene.wait(GuardFailed)
    scene.run(12)
    assert [x.contracts for x in guards(scene)] == [300]


def test_a_guard_that_is_gone_already_is_no_failure(stage: Stage) -> None:
    """Somebody else was faster with the cancel."""
    scene = protecting(stage)
    trade(scene, 3000)
    scene.wait(GuardPlaced)
    scene.fault(Once(Refusal(11044), "private/cancel"))
    trade(scene, -3000)
    scene.wait(GuardRemoved)
    assert not scene.events(GuardFailed)
    assert guards(scene) == []


def test_a_kill_takes_guards_and_foreign_positions_along(stage: Stage) -> None:
    """Asked to be flat, everything is closed, and the guards go last."""
    scene = protecting(stage)
    trade(scene, 3000)
    trade(scene, -500, ETH)
    scene.wait(GuardPlaced, 2)
    scene.kill()
    scene.wait(FlatVerified)
    scene.run(10)
    assert scene.positions() == {}
    assert scene.live() == []


def test_a_foreign_position_on_an_instrument_we_do_not_trade_is_guarded_too(stage: Stage) -> None:
    """Any perpetual of the account, with its own contract data."""
    scene = protecting(stage)
    scene.market.ask(
        "private/buy", instrument_name="ETH_USDC-PERPETUAL", amount=Decimal("0.5"), type="market"
    )
    scene.wait(GuardPlaced)
    (guard,) = guards(scene)
    assert (guard.instrument_name, guard.contracts) == ("ETH_USDC-PERPETUAL", 500)
