"""A venue that calls things by words this version does not know: the fact counts, not the word."""

import re
from decimal import Decimal

import pytest

from actors.messages.trading import (
    EmergencyClosed,
    FlatVerified,
    Ready,
    StopReplaced,
    TradeClosed,
    TradeOpened,
)
from domain.labels import Role
from tests.scenarios.conftest import Stage, is_flat
from tests.scenarios.scene import Scene

ENDED = ("cancelled", "triggered", "rejected(?::[a-z_]+)?")
ALL_ENDED = "|".join((*ENDED, "filled"))


def rename(scene: Scene, field: str, words: str) -> None:
    """From now on the venue has another word for these values of a field."""
    known = re.compile(f'"{field}":"(?:{words})"'.encode())
    unknown = f'"{field}":"moulted"'.encode()
    scene.market.reword = lambda text: known.sub(unknown, text)


@pytest.mark.parametrize("words", [*ENDED, "filled", ALL_ENDED])
def test_a_stop_that_fires_ends_its_trade_whatever_its_end_is_called(
    stage: Stage, words: str
) -> None:
    """What is not among the open orders has ended; what it traded, its fills say."""
    scene = stage().ready()
    rename(scene, "order_state", words)
    trade_id = scene.bracket()
    scene.run(1)
    scene.market.move(btc_usd=98_900)
    assert scene.wait(TradeClosed).exit_reason == "stop_loss"
    scene.run(5)
    assert scene.is_over(trade_id)
    is_flat(scene)
    scene.settled()


@pytest.mark.parametrize("words", ["cancelled", ALL_ENDED])
def test_a_stop_taken_away_is_put_back_whatever_that_is_called(stage: Stage, words: str) -> None:
    """The news of it cannot be read, so the next look at the account finds it gone."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    rename(scene, "order_state", words)
    (stop,) = scene.stops(trade_id)
    scene.market.ask("private/cancel", order_id=stop.order_id)
    scene.wait(StopReplaced)
    assert scene.naked.longest() < 2
    (other,) = scene.stops(trade_id)
    assert other.contracts == scene.position()
    scene.run(5)
    scene.settled()


def test_a_stop_nobody_can_say_would_fire_is_no_stop(stage: Stage) -> None:
    """It is listed, by a word that might mean anything: the position is closed at market."""
    scene = stage().ready()
    rename(scene, "order_state", "untriggered")
    answer = scene.open()
    assert scene.wait(EmergencyClosed).reason == "stop_stalled"
    scene.run(5)
    assert scene.is_over(answer.trade_id)
    is_flat(scene)
    scene.settled()


def test_a_target_is_left_to_rest_whatever_its_state_is_called(stage: Stage) -> None:
    """It may trade, which is all a target is for."""
    scene = stage().ready()
    rename(scene, "order_state", "open")
    trade_id = scene.bracket()
    scene.run(5)
    (target,) = scene.orders(trade_id, Role.TARGET)
    assert target.state.is_live
    scene.market.move(btc_usd=102_100)
    assert scene.wait(TradeClosed).exit_reason == "take_profit"
    scene.run(5)
    is_flat(scene)
    scene.settled()


@pytest.mark.parametrize("words", [*ENDED, "filled", ALL_ENDED])
def test_a_start_reads_what_became_of_its_orders_whatever_that_is_called(
    stage: Stage, words: str
) -> None:
    """The stop fired while nobody was there."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    scene.crash()
    scene.market.move(btc_usd=98_900)
    scene.run(2)
    rename(scene, "order_state", words)
    scene.boot()
    scene.wait(Ready)
    assert scene.wait(TradeClosed).trade_id == trade_id
    scene.run(5)
    is_flat(scene)
    scene.settled()


def test_a_kill_waits_for_no_order_of_a_persons_that_cannot_be_read(stage: Stage) -> None:
    """A kind of order the venue made up since: it is his, and it stays."""
    scene = stage().ready()
    his = scene.market.ask(
        "private/sell",
        instrument_name="BTC-PERPETUAL",
        amount=100,
        type="take_limit",
        price=Decimal(120_000),
        trigger="last_price",
        trigger_price=Decimal(119_000),
    )["order"]["order_id"]
    rename(scene, "order_type", "take_limit")
    scene.bracket()
    assert scene.events(TradeOpened)
    assert scene.kill()
    scene.wait(FlatVerified)
    assert scene.positions() == {}
    assert [x.order_id for x in scene.live()] == [his]
