"""Whose a foreign fill was: shared out at once from too little, and set right afterwards."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from actors.messages.trading import FlatVerified, PnlDiffers, Ready, TradeClosed, TradeNetted
from domain.labels import Role
from simulation.daemon import DEFAULT_LIMITS, default_plan
from simulation.venue import Fate
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, ETH, LINEAR, Once, Scene, poisonable
from tests.scenarios.test_human import buy, sell

SEEDS = range(2)
HISTORY = "private/get_user_trades_by_instrument_and_time"
LAST_READ = "private/get_account_summaries"
WEALTH = Decimal(10)
BRACKETS = ("sequential", "otoco")


def traded(stage: Stage, seed: int, bracket: str, **daemon: Any) -> tuple[Scene, str]:
    """A scene with a long of 500 contracts under its stop, right after a look at the account."""
    scene = stage(seed, plan=default_plan(bracket=bracket)).ready(**daemon)
    trade_id = scene.bracket(quantity="500", unit="contracts")
    scene.run(1)
    looked(scene)
    return scene, trade_id


def looked(scene: Scene) -> None:
    """A look has just been taken; the next is a while off."""
    looks = len(scene.market.sent(LAST_READ))
    scene.until(lambda: len(scene.market.sent(LAST_READ)) > looks)
    scene.run(0.05)


def unheard(scene: Scene, act: object, dollars: int) -> None:
    """A person trades, and the news of it gets lost."""
    scene.market.lost_notifications = True
    act(scene, dollars)  # type: ignore[operator]
    scene.run(0.05)
    scene.market.lost_notifications = False


def told(scene: Scene, *, dies: bool) -> None:
    """The whole story has been read since, also by a new process where the first one dies."""
    scene.run(0.1)
    if dies:
        scene.crash()
        scene.boot()
        scene.wait(Ready)
    scene.run(8)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("bracket", BRACKETS)
@pytest.mark.parametrize("dies", [False, True])
def test_a_share_that_was_too_small_is_made_whole(
    stage: Stage, seed: int, bracket: str, dies: bool
) -> None:
    """Three hundred of his are gone, unheard; of the five hundred he sells then, all are ours.
    (Found by the simulation, seed 100384: the rest of the fill stayed in the book for ever.)"""
    scene, trade_id = traded(stage, seed, bracket)
    buy(scene, 3000)
    scene.run(4)
    looked(scene)
    unheard(scene, sell, 3000)
    sell(scene, 5000)
    told(scene, dies=dies)
    assert scene.position() == 0
    assert scene.is_over(trade_id)
    scene.settled()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("bracket", BRACKETS)
@pytest.mark.parametrize("dies", [False, True])
def test_a_share_that_was_too_large_is_taken_back(
    stage: Stage, seed: int, bracket: str, dies: bool
) -> None:
    """He opens three hundred unheard and closes them: all of ours are still there, covered."""
    scene, trade_id = traded(stage, seed, bracket)
    unheard(scene, buy, 3000)
    sell(scene, 3000)
    told(scene, dies=dies)
    assert scene.trades()[trade_id].position == scene.position() == scene.cover(BTC) == 500
    scene.close_trade(trade_id)
    scene.wait(TradeClosed)
    scene.run(3)
    scene.settled()


@pytest.mark.parametrize("bracket", BRACKETS)
@pytest.mark.parametrize("dollars", [5000, 9000])
@pytest.mark.parametrize("trouble", ["none", "process", "execution", "trade", "history"])
def test_a_stop_outlives_the_news_that_somebody_closed_its_position(
    stage: Stage, bracket: str, dollars: int, trouble: str
) -> None:
    """He opens as much beside ours, unheard, and closes that: ours never lacks its stop, whoever
    dies over it, and as long as what happened cannot be read."""
    scene, trade_id = traded(stage, 1, bracket, derive=poisonable)
    unheard(scene, buy, dollars)
    if trouble == "history":
        scene.fault(Once(Fate.REPLY_LOST, HISTORY, times=6))
    sell(scene, dollars)
    if trouble == "process":
        scene.run(0.004)
        scene.crash()
        scene.boot()
        scene.wait(Ready)
    elif trouble != "none":
        scene.run(0.002)
        scene.poison(f"trade-{trade_id}" if trouble == "trade" else "execution")
    scene.run(30 if trouble == "history" else 8)
    assert scene.trades()[trade_id].position == scene.position() == scene.cover(BTC) == 500
    assert len({x.order_id for x in scene.orders(trade_id, Role.STOP)}) == 1
    scene.close_trade(trade_id)
    scene.wait(TradeClosed)
    scene.run(3)
    scene.settled()


def test_a_position_closed_by_hand_ends_once_that_is_certain(stage: Stage) -> None:
    """What was heard is no proof: while the venue cannot be asked, the trade goes on."""
    scene, trade_id = traded(stage, 1, "otoco")
    scene.fault(Once(Fate.NOT_SENT, HISTORY, times=100))
    sell(scene, 5000)
    scene.run(5)
    assert scene.booked == [trade_id]
    scene.kind()
    assert scene.wait(TradeClosed).exit_reason == "manual"
    scene.settled()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("bracket", BRACKETS)
@pytest.mark.parametrize("news", ["heard", "lost"])
@pytest.mark.parametrize("end", ["close", "stop", "target"])
def test_what_a_leftover_took_of_a_trade_is_booked_once(
    stage: Stage, seed: int, bracket: str, news: str, end: str
) -> None:
    """An order of a trade that is over fills against ours: at its own price, netted by nobody.
    (Found by the simulation, seed 100368.)"""
    scene, trade_id = traded(stage, seed, bracket)
    scene.market.lost_notifications = news == "lost"
    scene.market.ask(
        "private/sell",
        instrument_name=BTC,
        amount=1000,
        type="market",
        reduce_only=True,
        label="bw.old.tp.1",
    )
    scene.run(3 if news == "lost" else 0.1)
    scene.market.lost_notifications = False
    scene.run(3)
    assert scene.trades()[trade_id].position == scene.position() == 400
    if end == "close":
        scene.close_trade(trade_id)
    else:
        scene.market.move(btc_usd=98_900 if end == "stop" else 101_300)
    closed = scene.wait(TradeClosed)
    scene.run(3)
    assert not scene.events(TradeNetted)
    assert not scene.events(PnlDiffers)
    assert closed.contracts == 500
    assert abs(closed.net_coin - (scene.wealth("BTC") - WEALTH)) <= Decimal("1e-9")
    scene.settled()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dies", [False, True])
def test_two_trades_share_what_a_hand_closed_as_it_was(stage: Stage, seed: int, dies: bool) -> None:
    """Of what he sells, three hundred seem to be his; then it is all of the older trade and a part
    of the younger, each under a stop of its size or over."""
    limits = replace(DEFAULT_LIMITS, max_trades_per_instrument=2)
    scene = stage(seed, plan=default_plan(limits=limits)).ready()
    older = scene.bracket(quantity="500", unit="contracts", stop="98000", target="103000")
    younger = scene.bracket(quantity="300", unit="contracts", stop="98000", target="103000")
    scene.run(1)
    looked(scene)
    buy(scene, 3000)
    scene.run(4)
    looked(scene)
    unheard(scene, sell, 3000)
    sell(scene, 6000)
    if dies:
        scene.run(0.004)
        scene.crash()
        scene.boot()
        scene.wait(Ready)
    scene.run(8)
    assert scene.is_over(older)
    assert scene.trades()[younger].position == scene.position() == 200
    scene.close_trade(younger)
    scene.run(3)
    scene.settled()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("lost", [0, 3])
def test_a_target_closes_no_more_than_is_left_of_its_trade(
    stage: Stage, seed: int, lost: int
) -> None:
    """A person closed half of the older one: its target is made smaller as its stop is, and the
    target of the younger grows back to what the venue had cut from it."""
    limits = replace(DEFAULT_LIMITS, max_trades_per_instrument=2)
    scene = stage(seed, plan=default_plan(limits=limits)).ready()
    older = scene.bracket(quantity="500", unit="contracts", stop="98000", target="101000")
    younger = scene.bracket(quantity="500", unit="contracts", stop="98000", target="103000")
    scene.run(2)
    sell(scene, 2500)
    scene.fault(Once(Fate.REPLY_LOST, "private/edit", times=lost))
    scene.run(60)
    assert {x.label: x.remaining for x in scene.live() if ".tp." in x.label} == {
        f"bw.{older}.tp.1": 250,
        f"bw.{younger}.tp.1": 500,
    }
    scene.market.move(btc_usd=101_200)
    scene.run(5)
    assert scene.is_over(older)
    assert scene.trades()[younger].position == scene.position() == 500
    assert scene.cover(BTC) == 500
    scene.settled()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("news", ["heard", "lost", "crashed"])
def test_what_a_person_closed_of_two_trades_is_booked_once(
    stage: Stage, seed: int, news: str
) -> None:
    """His order fills in parts, at several prices, and each part is one trade's alone."""
    limits = replace(DEFAULT_LIMITS, max_trades_per_instrument=2, max_notional_usd=Decimal(10**6))
    scene = stage(seed, plan=default_plan(limits=limits)).ready()
    before = scene.wealth("BTC")
    wide = {"stop": "90000", "target": "110000", "unit": "contracts"}
    first = scene.bracket(quantity="19830", **wide)
    second = scene.bracket(quantity="19820", **wide)
    scene.run(1)
    scene.market.lost_notifications = news == "lost"
    if news == "crashed":
        scene.crash()
    scene.market.ask("private/close_position", instrument_name=BTC, type="market")
    scene.run(0.05)
    scene.market.lost_notifications = False
    if news == "crashed":
        scene.boot()
        scene.fault(Once(Fate.REQUEST_LOST, "private/cancel", times=seed % 3))
    scene.run(30)
    assert scene.is_over(first)
    assert scene.is_over(second)
    fills = [x for x in scene.engine.ledger.trades if not x.label]
    assert len(fills) > 1
    booked = sum(x.net_coin for x in scene.events(TradeClosed))
    assert abs(booked - (scene.wealth("BTC") - before)) <= Decimal("1e-9")


UNREAD = [(BTC,), (BTC, LINEAR)]


def unread(stage: Stage, names: tuple[str, ...]) -> Scene:
    """A hand sells on these instruments, and the fills that would tell whose it was are not read.
    An entry of ours rests on another."""
    limits = replace(DEFAULT_LIMITS, max_open_trades=5, max_notional_usd=Decimal(10**6))
    scene = stage(plan=default_plan(limits=limits)).ready()
    for name in names:
        scene.bracket(name)
    bracket = {"stop": "2900", "target": "3300"}
    scene.open(ETH, quantity="1.5", entry_type="limit", price=Decimal(3100), **bracket)
    scene.run(2)
    for name in names:
        amount = 1000 if name == BTC else Decimal("0.01")
        scene.market.ask("private/sell", instrument_name=name, amount=amount, type="market")
    scene.fault(Once(Fate.REQUEST_LOST, HISTORY, times=10**6))
    return scene


@pytest.mark.parametrize("names", UNREAD)
@pytest.mark.parametrize("later", [25.0, 41.3, 47.8])
def test_a_fill_goes_home_while_stories_cannot_be_read(
    stage: Stage, names: tuple[str, ...], later: float
) -> None:
    """The entry that rested has its stop at once. (It waited behind each of the reads, together
    longer than a position may be without one.)"""
    scene = unread(stage, names)
    scene.run(later)
    scene.market.move(eth_usd=3090)
    scene.run(20)
    assert scene.position(ETH) == scene.cover(ETH) > 0
    assert scene.naked.longest(ETH) < 0.1


@pytest.mark.parametrize("names", UNREAD)
@pytest.mark.parametrize("later", [25.0, 41.3, 47.8])
def test_a_kill_is_carried_out_while_stories_cannot_be_read(
    stage: Stage, names: tuple[str, ...], later: float
) -> None:
    """It began when the last of the reads had been given up."""
    scene = unread(stage, names)
    scene.run(later)
    began = scene.world.monotonic()
    scene.kill()
    scene.until(lambda: not scene.positions(), limit=3.0)
    assert scene.world.monotonic() - began < 3.0
    scene.kind()
    scene.wait(FlatVerified)
