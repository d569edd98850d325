"""A venue that drops replies: what is told is heard, and no look-up outlasts a deadline."""

from dataclasses import replace
from decimal import Decimal

import pytest
import structlog
from structlog.testing import capture_logs

from actors.messages.session import SessionOpened
from actors.messages.trading import (
    EmergencyBegan,
    FlatVerified,
    OutcomeResolved,
    OutcomeUnknown,
    TradeClosed,
    TradeOpened,
)
from adapters.paper.faults.common import Delay
from adapters.paper.faults.of_news import NotificationDelayed
from adapters.paper.faults.of_requests import ReplyLost
from adapters.paper.faults.plan import FaultPlan
from adapters.paper.faults.weather import Weather
from domain.labels import Role
from domain.orders import OrderState
from domain.trade import LineStatus
from simulation.daemon import DEFAULT_LIMITS, default_plan
from simulation.venue import Fate
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, ETH, LINEAR, PLACE, Once

LOOKS = (
    "private/get_order_state_by_label",
    "private/get_open_orders",
    "private/get_user_trades_by_instrument_and_time",
)
SEEDS = range(4)
DEADLINE = 3.0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stop_whose_reply_is_lost_is_known_by_its_notification(stage: Stage, seed: int) -> None:
    """It rests, and the venue said so: no look-up is needed, and nothing is closed."""
    scene = stage(seed).ready()
    scene.fault(
        Once(Fate.REPLY_LOST, *PLACE, role=Role.STOP), Once(Fate.REPLY_LOST, *LOOKS, times=1000)
    )
    scene.open()
    opened = scene.wait(TradeOpened)
    assert opened.unprotected_ms < 100
    scene.run(5)
    assert not scene.events(OutcomeUnknown)
    assert not scene.events(EmergencyBegan)
    assert len(scene.orders(opened.trade_id, Role.STOP)) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_news_that_come_after_the_wait_settle_the_doubt(stage: Stage, seed: int) -> None:
    """Reply lost, news late, no look-up answered: known all the same."""
    scene = stage(seed).ready()
    late = NotificationDelayed(
        name="late", channels=("user.changes.*",), delay=Delay(constant=1_020)
    )
    plan, now_ms = FaultPlan(fault=(late,)), scene.world.now_ms()
    scene.market.weather = Weather(scene.market.exchange, plan, seed=seed, now_ms=now_ms)
    scene.fault(
        Once(Fate.REPLY_LOST, *PLACE, role=Role.STOP), Once(Fate.REPLY_LOST, *LOOKS, times=1000)
    )
    scene.open()
    assert scene.wait(OutcomeResolved).outcome == LineStatus.LIVE.value
    scene.run(5)
    assert not scene.events(EmergencyBegan)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lost_stop_is_sent_again_well_before_the_deadline(stage: Stage, seed: int) -> None:
    """Its look-up is answered: nothing there, so another goes out."""
    scene = stage(seed).ready()
    scene.fault(Once(Fate.REQUEST_LOST, *PLACE, role=Role.STOP))
    opened = scene.bracket()
    assert scene.naked.longest() < DEADLINE / 2
    assert [x.state for x in scene.orders(opened, Role.STOP)] == [OrderState.UNTRIGGERED]


@pytest.mark.parametrize("seed", SEEDS)
def test_look_ups_that_hang_do_not_outlast_the_deadline(stage: Stage, seed: int) -> None:
    """The stop never arrived and nobody answers what became of it: closed, as promised."""
    scene = stage(seed).ready()
    scene.fault(
        Once(Fate.REQUEST_LOST, *PLACE, role=Role.STOP, times=1000),
        Once(Fate.REPLY_LOST, *LOOKS, times=1000),
    )
    scene.open()
    scene.until(lambda: bool(scene.position()))
    scene.until(lambda: not scene.position())
    assert scene.naked.longest() < DEADLINE + 0.1
    scene.kind()
    closed = scene.wait(TradeClosed)
    assert closed.exit_reason == "protection_deadline"


@pytest.mark.parametrize("seed", SEEDS)
def test_an_emergency_close_that_is_lost_is_sent_again_soon(stage: Stage, seed: int) -> None:
    """Twice into the void, then it arrives: a second for each, and a little for each look-up."""
    scene = stage(seed).ready()
    scene.fault(
        Once(Fate.REQUEST_LOST, *PLACE, role=Role.STOP, times=1000),
        Once(Fate.REQUEST_LOST, *PLACE, role=Role.EMERGENCY, times=2),
        Once(Fate.REPLY_LOST, *LOOKS, times=4),
    )
    scene.open()
    scene.until(lambda: bool(scene.position()))
    scene.until(lambda: not scene.position())
    assert scene.naked.longest() < DEADLINE + 6.5


def test_a_session_opens_although_replies_are_lost(stage: Stage) -> None:
    """What may be asked twice is asked twice: one lost reply does not cost the connection."""
    scene = stage().ready()
    scene.fault(
        Once(Fate.REPLY_LOST, "private/get_cancel_on_disconnect"),
        Once(Fate.REPLY_LOST, "private/subscribe"),
        Once(Fate.REQUEST_LOST, "public/get_time"),
    )
    scene.market.hang_up()
    began = scene.world.monotonic()
    scene.wait(SessionOpened, 2)
    assert scene.world.monotonic() - began < 7.0
    assert scene.position(BTC) == 0


LEVELS = {
    BTC: ("0.05", "99000", "101000"),
    ETH: ("1.5", "3100", "3300"),
    LINEAR: ("0.05", "99000", "101000"),
}
TEN = replace(
    DEFAULT_LIMITS,
    max_open_trades=10,
    max_trades_per_instrument=4,
    max_notional_usd=Decimal(10**7),
)


@pytest.mark.parametrize("seed", range(2))
def test_ten_trades_are_flat_within_seconds_although_a_third_of_the_replies_is_lost(
    stage: Stage, seed: int
) -> None:
    """Side by side, no lost reply holding up another order; every stop goes last."""
    scene = stage(seed, plan=default_plan(limits=TEN)).ready()
    for number in range(10):
        name = list(LEVELS)[number % 3]
        scene.bracket(name, "buy", *LEVELS[name])
        scene.run(1.5)
    plan = FaultPlan(fault=(ReplyLost(name="third", methods=("private/*",), probability=1 / 3),))
    now_ms = scene.world.now_ms()
    scene.market.weather = Weather(scene.market.exchange, plan, seed=seed, now_ms=now_ms)
    began = scene.world.monotonic()
    scene.kill()
    scene.until(lambda: not scene.positions())
    assert scene.world.monotonic() - began < 5.0
    scene.wait(FlatVerified)
    assert max(map(scene.naked.longest, LEVELS)) < 0.1
    assert scene.market.weather.faults.counts()["third"] > 10
    scene.market.weather.faults.clear()
    scene.until(lambda: not scene.live() and not scene.booked)


def test_a_long_outage_leaves_room_in_the_log(stage: Stage) -> None:
    """Looks that fail are told at the first, second, fourth, ... time."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    scene = stage(0).ready()
    scene.fault(
        Once(Fate.REQUEST_LOST, *PLACE, role=Role.ENTRY), Once(Fate.REPLY_LOST, *LOOKS, times=1000)
    )
    with capture_logs() as logs:
        scene.open()
        scene.rest(180)
    told = [x["failures"] for x in logs if x["event"] == "look_up_failed"]
    assert told[:4] == [1, 2, 4, 8]
    assert len(told) < 9
