"""A person's position against a trade of ours: the venue nets both, and what is gone is gone."""

from decimal import Decimal

import pytest

from actors.messages.trading import FlatVerified, Ready, TradeClosed, TradeNetted
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, Scene
from tests.scenarios.test_foreign import trade

SEEDS = range(4)


def netted(stage: Stage, seed: int, theirs: int) -> tuple[Scene, str]:
    """A long of 500 contracts whose entry filled against so many of a person's short."""
    scene = stage(seed).ready()
    answer = scene.open(
        quantity="500",
        unit="contracts",
        entry_type="limit",
        price=Decimal(99_990),
        stop="98000",
        target="102000",
    )
    scene.run(2)
    trade(scene, -10 * theirs)
    scene.run(2)
    scene.market.move(btc_usd=99_900)
    scene.run(3)
    assert scene.position() == 500 - theirs
    # What the entry turned round was the person's position, made after it was sent.
    scene.flips.seen = [x for x in scene.flips.seen if ".entry." not in x]
    return scene, answer.trade_id


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("way", ["stop", "close"])
def test_what_the_venue_netted_away_ends_the_trade(stage: Stage, seed: int, way: str) -> None:
    """Our exits find 200 of 500 contracts; the others closed the person's short, at the entry."""
    scene, trade_id = netted(stage, seed, 300)
    if way == "stop":
        scene.market.move(btc_usd=97_900)
    else:
        scene.close_trade(trade_id)
    scene.until(lambda: scene.position() == 0)
    closed = scene.wait(TradeClosed)
    (said,) = scene.events(TradeNetted)
    assert (said.trade_id, said.contracts) == (trade_id, 300)
    assert any("300 contracts" in text and "not ours" in text for text in scene.phone.heard)
    exits = sum(x.filled for x in scene.orders(trade_id, "sl") + scene.orders(trade_id, "close"))
    assert exits == 200 or way == "stop"
    assert closed.exit_reason in {"stop_loss", "requested"}
    assert closed.contracts == 500
    scene.run(2)
    assert scene.is_over(trade_id)
    scene.settled()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_trade_netted_away_whole_ends_without_an_exit(stage: Stage, seed: int) -> None:
    """The person's position was the larger: the rest of it is theirs and is left alone."""
    scene, trade_id = netted(stage, seed, 800)
    closed = scene.wait(TradeClosed)
    assert (closed.exit_reason, closed.exit_price, closed.pnl_coin) == ("netted", None, 0)
    assert scene.position() == -300
    assert scene.is_over(trade_id)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_kill_can_be_ended_after_a_trade_was_netted_away(stage: Stage, seed: int) -> None:
    """Flat at the venue, and by the book, too."""
    scene, _ = netted(stage, seed, 300)
    scene.kill()
    scene.wait(FlatVerified)
    scene.until(scene.resume)
    scene.run(1)
    assert scene.positions() == {}
    assert scene.booked == []


def test_a_restart_finds_the_same_end(stage: Stage) -> None:
    """The book says 500, the venue nothing."""
    scene, trade_id = netted(stage, 1, 300)
    scene.crash()
    scene.market.move(btc_usd=97_900)
    scene.run(5)
    assert scene.position() == 0
    scene.boot()
    scene.wait(Ready)
    scene.until(lambda: scene.is_over(trade_id))
    assert scene.position(BTC) == 0
