"""Reduce-only orders of ours that closed more than their trade held: somebody else's."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from actors.messages.trading import (
    FlatVerified,
    PnlDiffers,
    Ready,
    TradeAccepted,
    TradeClosed,
    TradeQuarantined,
    TradeTookOthers,
)
from simulation.daemon import DEFAULT_LIMITS, default_plan
from simulation.venue import Refusal
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import Once, Scene
from tests.scenarios.test_human import buy, sell, unheard

HISTORY = "private/get_user_trades_by_instrument_and_time"
HOW = pytest.mark.parametrize("how", ["deaf", "broken", "crashed"])


@HOW
@pytest.mark.parametrize("again", [0, 1000, 3000])
def test_what_our_stop_took_of_a_persons_after_the_target_is_over(
    stage: Stage, again: int, how: str
) -> None:
    """The target closes ours, he opens the same way, our stop fires and closes that, and he may
    open as much the other way: a reduce-only order has opened nothing, so nothing of it is ours.
    (Found by the simulation, seed 1506850: a quarantine that only a person could end.)"""
    scene = stage().ready()
    trade_id = scene.bracket(target="100200")
    scene.run(1)
    ours = scene.position()

    unheard(scene, how, taken(scene, then=lambda: again and sell(scene, again)))
    closed = scene.wait(TradeClosed)
    scene.run(15)
    assert scene.is_over(trade_id)
    assert scene.position() == -(again // 10)
    assert not scene.live(trade_id)
    assert not scene.events(TradeQuarantined)
    (told,) = scene.events(TradeTookOthers)
    assert (told.trade_id, told.contracts) == (trade_id, 100)
    assert (closed.exit_reason, closed.contracts) == ("take_profit", ours)
    assert closed.pnl_coin > 0
    assert not scene.events(PnlDiffers)
    scene.wait(Ready)


def taken(scene: Scene, *, his: int = 1000, then: Callable[[], object] = int) -> Callable[[], None]:
    """The price reaches the target, a person buys, and the price falls to the stop."""

    def happens() -> None:
        scene.market.move(btc_usd=100_500)
        if his:
            buy(scene, his)
        scene.market.move(btc_usd=93_000)
        scene.run(0.9)
        scene.market.advance()
        assert scene.position() == 0
        then()

    return happens


@pytest.mark.parametrize("again", [0, 1000])
@HOW
def test_what_the_stop_of_one_trade_took_of_another_is_that_ones_end(
    stage: Stage, how: str, again: int
) -> None:
    """Both are over, and what a person opens in their place is his; every fee is booked once."""
    limits = replace(DEFAULT_LIMITS, max_trades_per_instrument=2)
    scene = stage(plan=default_plan(limits=limits)).ready()
    before = scene.wealth("BTC")
    of_a = {"quantity": "100", "unit": "contracts", "stop": "99000", "target": "100200"}
    a, b = scene.bracket(**of_a), scene.bracket(**{**of_a, "stop": "90000", "target": "110000"})
    scene.run(1)
    unheard(scene, how, taken(scene, his=0, then=lambda: again and buy(scene, again)))
    wealth = scene.wealth("BTC")
    if how == "deaf":
        scene.market.hang_up()
    scene.run(30)
    assert scene.is_over(a)
    assert scene.is_over(b)
    assert scene.position() == again // 10
    assert not scene.live(a)
    assert not scene.live(b)
    booked = sum(x.net_coin for x in scene.events(TradeClosed))
    assert again or abs(booked - (wealth - before)) <= Decimal("1e-9")


@HOW
@pytest.mark.parametrize("seconds", [2, 20])
def test_nobody_is_asked_to_look_while_the_fills_that_prove_it_cannot_be_read(
    stage: Stage, seconds: int, how: str
) -> None:
    """When they can, the trade ends by itself."""
    scene = stage().ready()
    trade_id = scene.bracket(target="100200")
    scene.run(1)
    scene.fault(Once(Refusal(11051), HISTORY, times=10**6))
    unheard(scene, how, taken(scene))
    scene.run(seconds)
    assert not scene.is_over(trade_id)
    scene.kind()
    scene.wait(TradeTookOthers)
    scene.run(1)
    assert scene.is_over(trade_id)
    assert not scene.events(TradeQuarantined)


@HOW
def test_a_person_is_asked_to_look_when_the_proof_does_not_come(stage: Stage, how: str) -> None:
    """After a minute, once; and when it comes after all, the trade ends all the same."""
    scene = stage().ready()
    trade_id = scene.bracket(target="100200")
    scene.run(1)
    scene.fault(Once(Refusal(11051), HISTORY, times=10**6))
    unheard(scene, how, taken(scene))
    scene.run(300)
    (told,) = scene.events(TradeQuarantined)
    assert (told.trade_id, told.position) == (trade_id, -100)
    scene.kind()
    scene.wait(TradeTookOthers)
    scene.run(1)
    assert scene.is_over(trade_id)


def test_what_a_kill_left_of_what_was_netted_ends_at_once(stage: Stage) -> None:
    """The end of an earlier trade, read without its beginning, is nobody's opening. (Found by the
    simulation, seed 1704593: the trade stayed open for a minute after the kill.)"""
    scene = stage().ready()
    first = scene.bracket(side="sell", stop="101000", target="90000")
    scene.rest(55)
    scene.close_trade(first)
    scene.wait(TradeClosed)
    scene.rest(30)
    sell(scene, 1000)
    assert isinstance(scene.open(quantity="500", unit="contracts", target="110000"), TradeAccepted)
    scene.run(3)
    assert scene.position() == 400
    assert scene.kill()
    scene.wait(FlatVerified)
    scene.run(5)
    assert scene.booked == []
