"""Entries that fill in parts, books that are too thin, and orders that hang at the band."""

from decimal import Decimal
from typing import Any

import pytest

from actors.messages.trading import EntryFilled, TradeClosed, TradeOpened
from adapters.paper.market import BookShape
from domain.labels import Role
from domain.orders import OrderState
from simulation.venue import Fate, Refusal
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, PLACE, Once, Scene

THIN = BookShape(premium_bps=0, size_pct=2, levels=4)
SEEDS = range(4)


def thin(stage: Stage, seed: int = 1) -> Scene:
    """A book of a few hundred contracts a level."""
    return stage(seed, shape=THIN).ready()


def limit_entry(scene: Scene, quantity: str = "3") -> str:
    """A limit entry a little below the market, too large to fill at once."""
    answer = scene.open(
        quantity=quantity, entry_type="limit", price=Decimal(99990), stop="98000", target="102000"
    )
    return answer.trade_id


def dip(scene: Scene, seconds: float = 0.0) -> None:
    """The market comes down to the entry for a moment."""
    scene.market.move(btc_usd=99_985)
    scene.run(seconds)
    scene.market.move(btc_usd=100_000)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stop_grows_with_every_part_that_fills_and_so_does_the_target(
    stage: Stage, seed: int
) -> None:
    """One stop and one target, edited up; never a second one beside the first."""
    scene = thin(stage, seed)
    trade_id = limit_entry(scene)
    scene.run(1)
    for _ in range(3):
        dip(scene)
        scene.run(2)
        (stop,) = scene.stops(trade_id)
        assert stop.contracts == scene.position() > 0
        (target,) = (x for x in scene.live(trade_id) if ".tp." in x.label)
        assert target.contracts == scene.position()
    assert scene.events(EntryFilled)[-1].contracts == scene.position()
    assert len(scene.events(EntryFilled)) >= 3
    assert len(scene.orders(trade_id, Role.STOP)) == 1
    assert scene.naked.longest() < 0.1
    scene.settled()


def test_a_target_that_loses_its_flag_in_an_edit_does_not_stay(stage: Stage) -> None:
    """Beside a stop that fires first it would open the other way round: it is placed anew."""
    scene = thin(stage)
    trade_id = limit_entry(scene)
    scene.run(1)
    dip(scene)
    scene.run(2)
    (first,) = (x for x in scene.live(trade_id) if ".tp." in x.label)

    def lose_it(params: dict[str, Any]) -> dict[str, Any]:
        is_target = params.get("order_id") == first.order_id and "amount" in params
        return {**params, "reduce_only": False} if is_target else params

    scene.market.garble = lose_it
    dip(scene)
    scene.run(4)
    assert first.state is OrderState.CANCELLED
    (target,) = (x for x in scene.live(trade_id) if ".tp." in x.label)
    assert (target.contracts, target.reduce_only) == (scene.position(), True)
    scene.settled()


@pytest.mark.parametrize("seed", SEEDS)
def test_an_entry_closed_after_a_part_is_cancelled_and_the_part_closed(
    stage: Stage, seed: int
) -> None:
    """The rest of the entry can only add risk: it goes first."""
    scene = thin(stage, seed)
    trade_id = limit_entry(scene)
    scene.run(1)
    dip(scene)
    scene.run(2)
    assert scene.position() > 0
    scene.close_trade(trade_id)
    scene.wait(TradeClosed)
    scene.run(2)
    assert scene.is_over(trade_id)
    assert scene.orders(trade_id, Role.ENTRY)[0].state is OrderState.CANCELLED
    assert scene.positions() == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_exit_of_a_part_takes_the_rest_of_the_entry_along(stage: Stage, seed: int) -> None:
    """When the stop fires on a part, the entry must not fill on its own afterwards."""
    scene = thin(stage, seed)
    trade_id = limit_entry(scene, "1")
    scene.run(1)
    dip(scene)
    scene.run(2)
    assert 0 < scene.position() < 10_000
    scene.market.move(btc_usd=97_000)
    scene.run(20)
    assert scene.is_over(trade_id)
    assert scene.positions() == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_left_of_a_market_entry_at_the_band_is_cancelled(stage: Stage, seed: int) -> None:
    """A market order is a limit at the band: the filled part is the position, the rest goes."""
    scene = thin(stage, seed)
    trade_id = scene.bracket(quantity="3", stop="95000", target="105000")
    scene.run(3)
    entry = scene.orders(trade_id, Role.ENTRY)[0]
    assert entry.state is OrderState.CANCELLED
    assert 0 < scene.position() == entry.filled < 30_000
    assert sum(x.contracts for x in scene.stops(trade_id)) == scene.position()
    scene.settled()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_close_that_hangs_at_the_band_is_chased(stage: Stage, seed: int) -> None:
    """Cancelled and sent again until the position is flat; the stop stays all the time."""
    scene = thin(stage, seed)
    trade_id = limit_entry(scene, "2")
    scene.run(1)
    for _ in range(6):
        dip(scene)
        scene.run(2)
    held = scene.position()
    assert held > 1_500
    scene.close_trade(trade_id)
    scene.until(lambda: scene.is_over(trade_id), limit=300)
    assert scene.positions() == {}
    assert scene.naked.longest() < 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stop_that_hangs_at_the_band_is_chased(stage: Stage, seed: int) -> None:
    """The stop fired into an empty book: what is left of it is closed at market."""
    scene = thin(stage, seed)
    trade_id = limit_entry(scene, "2")
    scene.run(1)
    for _ in range(6):
        dip(scene)
        scene.run(2)
    assert scene.position() > 1_500
    scene.market.move(btc_usd=97_500)
    scene.until(lambda: scene.is_over(trade_id), limit=300)
    assert scene.positions() == {}


@pytest.mark.parametrize("fate", [Fate.REQUEST_LOST, Fate.REPLY_LOST, Fate.NOT_SENT])
@pytest.mark.parametrize("seed", range(2))
def test_an_edit_that_gets_lost_is_repaired(stage: Stage, seed: int, fate: Fate) -> None:
    """Growing the stop is absolute, so asking again after a look is safe."""
    scene = thin(stage, seed)
    trade_id = limit_entry(scene)
    scene.run(1)
    dip(scene)
    scene.run(2)
    scene.fault(Once(fate, "private/edit"))
    dip(scene)
    scene.run(8)
    (stop,) = scene.stops(trade_id)
    assert stop.contracts == scene.position()
    assert scene.naked.longest() < 3.1
    scene.settled()


@pytest.mark.parametrize("times", [1, 99])
def test_edits_that_are_refused_are_tried_again_or_end_in_a_close(stage: Stage, times: int) -> None:
    """A stop that cannot grow leaves a part naked: three times, then the position is closed."""
    scene = thin(stage)
    trade_id = limit_entry(scene)
    scene.run(1)
    dip(scene)
    scene.run(2)
    scene.fault(Once(Refusal(11030), "private/edit", times=times))
    dip(scene)
    scene.run(10)
    assert scene.naked.longest() < 3.1
    if times == 1:
        (stop,) = scene.stops(trade_id)
        assert stop.contracts == scene.position()
        scene.settled()
    else:
        scene.until(lambda: scene.is_over(trade_id), limit=120)
        assert scene.positions() == {}


def test_an_entry_that_fills_while_it_is_being_cancelled_is_protected_and_closed(
    stage: Stage,
) -> None:
    """The cancel comes too late: what filled is a position like any other."""
    scene = stage().ready()
    answer = scene.open(entry_type="limit", price=Decimal(99990))
    scene.run(1)
    scene.close_trade(answer.trade_id)
    scene.market.move(btc_usd=99_900)
    scene.run(5)
    assert scene.is_over(answer.trade_id)
    assert scene.positions() == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_late_fill_of_the_entry_opens_the_trade_again_while_it_is_closing(
    stage: Stage, seed: int
) -> None:
    """Target filled on a part, the entry's rest filled at the same time: it is under its stop."""
    scene = thin(stage, seed)
    trade_id = limit_entry(scene)
    scene.run(1)
    dip(scene)
    scene.run(2)
    scene.fault(Once(Fate.REPLY_LOST, "private/cancel"))
    scene.market.move(btc_usd=102_300)
    scene.market.move(btc_usd=99_985)
    scene.run(15)
    assert not [x for x in scene.live(trade_id) if ".entry." in x.label]
    scene.settled()
    scene.close_trade(trade_id)
    scene.run(10)
    assert scene.is_over(trade_id)
    assert scene.positions() == {}


def test_a_small_entry_in_a_thin_book_is_whole(stage: Stage) -> None:
    """Thin is thick enough for a small trade."""
    scene = thin(stage)
    scene.bracket(quantity="0.01")
    assert scene.wait(TradeOpened).contracts == 100
    scene.fault(Once(Refusal(10009), *PLACE, role=Role.TARGET))
    scene.run(1)
    scene.settled()


@pytest.mark.parametrize("code", [10041, 10047])
def test_a_stop_that_cannot_grow_for_a_moment_closes_nothing(stage: Stage, code: int) -> None:
    """A busy venue says nothing of the stop: three such answers closed the whole position."""
    scene = thin(stage)
    trade_id = limit_entry(scene)
    scene.run(1)
    dip(scene)
    scene.run(2)
    first = scene.position()
    scene.fault(Once(Refusal(code), "private/edit", times=3))
    dip(scene)
    scene.run(5)
    assert not scene.events(TradeClosed)
    assert scene.position() == scene.cover(BTC) > first > 0
    assert scene.naked.longest() < 3
    assert not scene.is_over(trade_id)
    scene.settled()
