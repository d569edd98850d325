"""The venue changes a tick while positions are open."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from actors.messages.trading import CatalogueDue, StopFailed, StopMoved, TradeClosed
from actors.messages.watch import GuardFailed, GuardPlaced
from adapters.paper import catalogue
from domain.labels import Role
from simulation.daemon import default_plan
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, Scene, poisonable


@pytest.fixture(autouse=True)
def _the_old_tick_afterwards() -> Iterator[None]:
    usual = catalogue.INSTRUMENTS[BTC]
    yield
    catalogue.INSTRUMENTS[BTC] = usual


def retick(scene: Scene, tick: str, *, is_read: bool = True) -> None:
    """Prices of BTC-PERPETUAL lie on this tick from now on."""
    changed = replace(catalogue.INSTRUMENTS[BTC], tick_size=Decimal(tick))
    catalogue.INSTRUMENTS[BTC] = changed
    scene.engine.markets[BTC].instrument = changed
    if is_read:
        scene.daemon.system.address("execution").tell(CatalogueDue(at=scene.world.now()))
        scene.run(3)


def take_away(scene: Scene, trade_id: str, role: Role) -> None:
    (order,) = (x for x in scene.live(trade_id) if f".{role}." in x.label)
    scene.market.ask("private/cancel", order_id=order.order_id)


LONG = ("buy", "99000.5", "101003.5", 99_005, 101_000)
SHORT = ("sell", "101003.5", "98997", 101_000, 99_000)


@pytest.mark.parametrize("trouble", ["none", "unread", "trade dies", "unread, and trade dies"])
@pytest.mark.parametrize("bracket", [LONG, SHORT])
def test_what_a_trade_sends_lies_on_the_tick_as_it_is_now(
    stage: Stage, bracket: tuple[str, str, str, int, int], trouble: str
) -> None:
    """A stop nearer to the market, a target nearer to the entry, by less than a tick. It was sent
    as planned, refused three times, and the position closed at market."""
    scene = stage().ready(derive=poisonable)
    side, planned_stop, planned_target, stop_at, target_at = bracket
    trade_id = scene.bracket(BTC, side, "0.05", planned_stop, planned_target)
    scene.run(2)
    retick(scene, "5", is_read="unread" not in trouble)
    if "dies" in trouble:
        scene.poison(f"trade-{trade_id}")
        scene.run(3)
    take_away(scene, trade_id, Role.STOP)
    scene.run(5)
    (stop,) = scene.stops(trade_id)
    assert stop.trigger_price == stop_at
    assert scene.cover(BTC) == abs(scene.position()) > 0
    take_away(scene, trade_id, Role.TARGET)
    scene.run(5)
    (target,) = (x for x in scene.live(trade_id) if ".tp." in x.label)
    assert target.price == target_at
    assert not scene.events(TradeClosed)
    assert len(scene.events(StopFailed)) <= 2
    scene.settled()


def test_a_stop_goes_on_following_on_another_tick(stage: Stage) -> None:
    """It lay on the old tick; every move since lies on the new one."""
    scene = stage().ready()
    trade_id = scene.bracket(stop="99000", target=None, trail=Decimal("500.5"))
    scene.run(2)
    retick(scene, "5")
    moved = len(scene.events(StopMoved))
    for price in (100_200, 100_400):
        scene.market.move(btc_usd=price)
        scene.run(3)
    assert len(scene.events(StopMoved)) > moved
    (stop,) = scene.stops(trade_id)
    assert stop.trigger_price is not None
    assert stop.trigger_price % 5 == 0
    assert stop.trigger_price >= 99_850
    scene.settled()


def test_a_guard_lies_on_the_tick_as_it_is_now(stage: Stage) -> None:
    """The Guardian kept contract data for ever: every guard was refused until a restart."""
    plan = default_plan(foreign_positions="protect", foreign_stop_pct=Decimal("0.02001"))
    scene = stage(plan=plan).ready()
    scene.market.ask("private/buy", instrument_name=BTC, amount=3000, type="market")
    scene.wait(GuardPlaced)
    scene.market.ask("private/close_position", instrument_name=BTC, type="market")
    scene.run(10)
    retick(scene, "5", is_read=False)
    scene.market.ask("private/sell", instrument_name=BTC, amount=3000, type="market")
    scene.run(15)
    assert scene.cover(BTC) == abs(scene.position()) == 300
    assert len(scene.events(GuardFailed)) == 1


def test_a_guard_that_grows_lies_on_the_tick_as_it_is_now(stage: Stage) -> None:
    """Every edit carried the price of the old tick and was refused: the rest stayed bare."""
    plan = default_plan(foreign_positions="protect", foreign_stop_pct=Decimal("0.02001"))
    scene = stage(plan=plan).ready()
    scene.market.ask("private/buy", instrument_name=BTC, amount=3000, type="market")
    scene.wait(GuardPlaced)
    retick(scene, "5", is_read=False)
    scene.market.ask("private/buy", instrument_name=BTC, amount=3000, type="market")
    scene.run(15)
    assert scene.cover(BTC) == scene.position() == 600
    assert len(scene.events(GuardFailed)) == 1
