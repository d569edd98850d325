"""The stop follows the price: to break-even, behind it, and never with a gap."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from actors.messages.risk import Denied
from actors.messages.trading import (
    EmergencyBegan,
    OutcomeUnknown,
    Ready,
    StopMoved,
    StopMoveFailed,
    TradeClosed,
)
from adapters.paper.errors import VenueError
from adapters.paper.records import OrderRecord
from simulation.daemon import default_plan
from simulation.venue import Fate, Refusal
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, Once, Scene

EDIT = "private/edit"
BOTH = pytest.mark.parametrize("is_linked", [False, True])


def begin(stage: Stage, *, is_linked: bool = False, **moves: Decimal) -> tuple[Scene, str]:
    """A long from about 100 000, stop 99 000, no target, whose stop is to be moved."""
    scene = stage(plan=default_plan(bracket="otoco" if is_linked else "sequential")).ready()
    trade_id = scene.bracket(target=None, **moves)
    scene.run(2)
    return scene, trade_id


def stop_of(scene: Scene, trade_id: str) -> OrderRecord:
    (stop,) = scene.stops(trade_id)
    return stop


def at(scene: Scene, trade_id: str) -> Decimal:
    price = stop_of(scene, trade_id).trigger_price
    assert price is not None
    return price


def never_bare(scene: Scene) -> None:
    """But for the round trip after the entry."""
    assert scene.naked.longest() < 0.3


@BOTH
def test_a_stop_follows_the_price_up_and_never_down(stage: Stage, *, is_linked: bool) -> None:
    """One and the same order all the time; at the trail's distance from the best price."""
    scene, trade_id = begin(stage, is_linked=is_linked, trail=Decimal(500))
    first = stop_of(scene, trade_id).order_id
    assert at(scene, trade_id) >= 99_450
    for price in (100_400, 101_000, 100_700, 101_600):
        scene.market.move(btc_usd=price)
        scene.run(4)
    assert at(scene, trade_id) == 101_100
    scene.market.move(btc_usd=101_200)
    scene.run(4)
    assert at(scene, trade_id) == 101_100
    assert stop_of(scene, trade_id).order_id == first
    never_bare(scene)
    scene.market.move(btc_usd=101_050)
    closed = scene.wait(TradeClosed)
    assert closed.exit_reason == "stop_loss"
    assert closed.net_coin > 0
    assert not scene.events(EmergencyBegan)
    scene.run(2)
    scene.settled()
    scene.judge()


def test_an_edit_that_comes_late_undoes_no_later_one(stage: Stage) -> None:
    """A connection that was half open delivers what it took: the bound of that edit has passed."""
    scene, trade_id = begin(stage, trail=Decimal(500))
    late: list[dict[str, Any]] = []

    def hold_the_first(method: str, params: Mapping[str, Any]) -> Fate | None:
        if method != EDIT or late:
            return None
        late.append(dict(params))
        return Fate.REQUEST_LOST

    scene.market.faults = hold_the_first
    scene.market.move(btc_usd=101_000)
    scene.run(4)
    assert at(scene, trade_id) == 100_500
    scene.market.move(btc_usd=101_400)
    scene.run(4)
    assert at(scene, trade_id) == 100_900
    with pytest.raises(VenueError) as refused:
        scene.market.ask(EDIT, **late[0])
    assert refused.value.code == 13888
    assert at(scene, trade_id) == 100_900
    scene.judge()


def test_many_small_steps_are_few_edits(stage: Stage) -> None:
    """A twentieth of the distance at least, and once a second at most."""
    scene, trade_id = begin(stage, trail=Decimal(1_000))
    before = len(scene.market.sent(EDIT))
    for step in range(60):
        scene.market.move(btc_usd=100_000 + 10 * step)
        scene.run(0.5)
    assert 5 <= len(scene.market.sent(EDIT)) - before <= 13
    assert at(scene, trade_id) >= 99_540


@BOTH
def test_at_break_even_nothing_is_lost_but_slippage(stage: Stage, *, is_linked: bool) -> None:
    """The stop goes to entry and fees once, and stays there."""
    scene, trade_id = begin(stage, is_linked=is_linked, break_even_at=Decimal(100_800))
    scene.market.move(btc_usd=100_700)
    scene.run(3)
    assert at(scene, trade_id) == 99_000
    scene.market.move(btc_usd=100_900)
    scene.run(3)
    assert 100_050 < at(scene, trade_id) < 100_150
    scene.market.move(btc_usd=102_000)
    scene.run(3)
    assert len(scene.events(StopMoved)) == 1
    assert scene.trades()[trade_id].stop_price == at(scene, trade_id)
    before = at(scene, trade_id)
    scene.market.move(btc_usd=int(before) - 10)
    closed = scene.wait(TradeClosed)
    assert abs(closed.net_coin) < Decimal("0.00002")
    never_bare(scene)
    scene.judge()


@pytest.mark.parametrize("fate", [Fate.REQUEST_LOST, Fate.REPLY_LOST])
def test_a_move_that_gets_lost_is_looked_up_and_made_good(stage: Stage, fate: Fate) -> None:
    """The old stop stands meanwhile; nothing is placed beside it."""
    scene, trade_id = begin(stage, trail=Decimal(500))
    scene.fault(Once(fate, EDIT))
    scene.market.move(btc_usd=101_000)
    scene.run(8)
    assert at(scene, trade_id) == 100_500
    assert len(scene.events(OutcomeUnknown)) <= 1
    never_bare(scene)
    scene.judge()


def test_a_refused_move_leaves_the_stop_where_it_is_and_is_tried_ever_more_rarely(
    stage: Stage,
) -> None:
    """Nothing is closed for it, and the venue is not flooded."""
    scene, trade_id = begin(stage, trail=Decimal(500))
    before = len(scene.market.sent(EDIT))
    scene.fault(Once(Refusal(10041), EDIT, times=1000))
    scene.market.move(btc_usd=101_000)
    scene.run(40)
    assert at(scene, trade_id) < 99_600
    assert 3 <= len(scene.market.sent(EDIT)) - before <= 7
    assert scene.events(StopMoveFailed)
    scene.kind()
    scene.run(60)
    assert at(scene, trade_id) == 100_500
    never_bare(scene)
    scene.judge()


def test_a_place_the_price_has_left_already_closes_the_trade(stage: Stage) -> None:
    """A stop there would have fired: so it is closed at market, and that is no emergency."""
    scene, trade_id = begin(stage, trail=Decimal(500))
    scene.fault(Once(Refusal(11036), EDIT))
    scene.market.move(btc_usd=101_000)
    closed = scene.wait(TradeClosed)
    assert (closed.trade_id, closed.exit_reason) == (trade_id, "stop_loss")
    assert not scene.events(EmergencyBegan)
    never_bare(scene)
    scene.run(2)
    scene.settled()
    scene.judge()


def test_a_restart_goes_on_following_and_puts_no_stop_back(stage: Stage) -> None:
    """What was moved is in the book; the price moves on while nobody is there."""
    scene, trade_id = begin(stage, trail=Decimal(500))
    scene.market.move(btc_usd=101_000)
    scene.run(3)
    scene.crash()
    scene.market.move(btc_usd=100_800)
    scene.run(20)
    scene.boot()
    scene.wait(Ready)
    assert at(scene, trade_id) == 100_500
    scene.market.move(btc_usd=101_500)
    scene.run(4)
    assert at(scene, trade_id) == 101_000
    never_bare(scene)
    scene.judge()


def test_a_stop_cancelled_by_hand_comes_back_where_it_was_moved_to(stage: Stage) -> None:
    """Not where it was at first."""
    scene, trade_id = begin(stage, trail=Decimal(500))
    scene.market.move(btc_usd=101_000)
    scene.run(3)
    scene.market.ask("private/cancel", order_id=stop_of(scene, trade_id).order_id)
    scene.run(5)
    assert at(scene, trade_id) == 100_500
    scene.judge()


@pytest.mark.parametrize(
    ("moves", "reason"),
    [
        ({"break_even_at": "99900"}, "break_even_on_the_wrong_side"),
        ({"trail": "0.1"}, "bad_trail"),
        ({"trail": "200000"}, "bad_trail"),
        ({"trail": "NaN"}, "bad_price"),
        ({"trail": "-5"}, "bad_trail"),
    ],
)
def test_moves_that_make_no_sense_are_refused(
    stage: Stage, moves: dict[str, str], reason: str
) -> None:
    """Before anything is sent."""
    scene = stage().ready()
    answer = scene.open(BTC, **{name: Decimal(text) for name, text in moves.items()})
    assert isinstance(answer, Denied)
    assert answer.reasons == (reason,)
