"""A person in the web interface, with the same account and hands of their own."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from actors.messages.risk import Denied
from actors.messages.trading import (
    EmergencyBegan,
    FlatVerified,
    PnlDiffers,
    ProtectOnlyBegan,
    Ready,
    StopFailed,
    StopPlaced,
    StopReplaced,
    TradeAccepted,
    TradeClosed,
    TradeNetted,
    TradeQuarantined,
)
from actors.messages.watch import PositionAgreed, PositionDrifted, ProtectionMissing
from domain.labels import Role
from domain.orders import OrderState
from domain.risk import Reason
from simulation.daemon import default_plan
from simulation.venue import Fate, Refusal
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, ETH, Once, Scene

SEEDS = range(4)


def sell(scene: Scene, dollars: int, name: str = BTC) -> None:
    scene.market.ask("private/sell", instrument_name=name, amount=dollars, type="market")


def buy(scene: Scene, dollars: int, name: str = BTC) -> None:
    scene.market.ask("private/buy", instrument_name=name, amount=dollars, type="market")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_position_closed_by_hand_ends_the_trade_and_removes_its_orders(
    stage: Stage, seed: int
) -> None:
    """The trade learns from the fill that it is flat, and books what the venue booked."""
    scene = stage(seed).ready()
    before = scene.wealth("BTC")
    trade_id = scene.bracket()
    scene.run(1)
    scene.market.ask("private/close_position", instrument_name=BTC, type="market")
    closed = scene.wait(TradeClosed)
    assert closed.exit_reason == "manual"
    assert not scene.events(StopReplaced)
    assert abs(closed.net_coin - (scene.wealth("BTC") - before)) <= Decimal("1e-9")
    assert not scene.events(PnlDiffers)
    scene.run(3)
    assert scene.is_over(trade_id)
    assert not scene.events(PositionDrifted)
    scene.settled()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("how", ["deaf", "broken", "crashed"])
def test_a_position_closed_by_hand_unheard_is_found_out(stage: Stage, seed: int, how: str) -> None:
    """Notifications lost, line down, process dead: the drift leads to the fill that explains it."""
    scene = stage(seed).ready()
    trade_id = scene.bracket()
    scene.run(1)
    unheard(scene, how, lambda: close_all(scene))
    scene.wait(TradeClosed)
    scene.run(6)
    assert scene.is_over(trade_id)
    scene.settled()
    scene.bracket()


def test_a_start_over_a_trade_in_quarantine_says_so_and_trades_once_it_is_ended(
    stage: Stage,
) -> None:
    """A stop that lost its reduce-only closed more than was left, while nobody was there."""
    scene = stage().ready()
    scene.spoil(Role.STOP)
    answer = scene.open()
    assert isinstance(answer, TradeAccepted)
    scene.until(lambda: bool(scene.stops(answer.trade_id)))
    scene.crash()
    sell(scene, 100)
    scene.market.move(btc_usd=98_000)
    scene.rest(10)
    assert scene.position() == -10
    scene.boot()
    began = scene.wait(ProtectOnlyBegan)
    assert began.reason == f"in quarantine, close or end it: trade {answer.trade_id}"
    buy(scene, 100)
    assert scene.close_trade(answer.trade_id)
    scene.wait(Ready)
    assert scene.is_over(answer.trade_id)
    scene.bracket(stop="96000", target="100000")


def test_what_a_person_closed_is_read_though_the_venue_answers_in_more_than_a_second(
    stage: Stage,
) -> None:
    """Four reads make the story; were they given up after three seconds for ever, the trade would
    stay open for ever."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    scene.market.slow_down(0.55)
    scene.market.ask("private/close_position", instrument_name=BTC, type="market")
    scene.wait(TradeClosed)
    scene.run(10)
    assert scene.is_over(trade_id)


@pytest.mark.parametrize("how", ["deaf", "broken", "crashed"])
@pytest.mark.parametrize("his", [1000, 5000, 400])
def test_what_a_person_opened_in_place_of_ours_unheard_is_never_closed_for_ours(
    stage: Stage, his: int, how: str
) -> None:
    """He closes ours and opens as much, more or less the same way, while nobody hears: his fills
    tell it, his position does not. (Found by the simulation, seeds 606526, 606572, 625318.)"""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    ours = scene.position()
    unheard(scene, how, lambda: replaced(scene, his))
    if how == "deaf":  # the position is the same: a new session is what makes it compare
        scene.market.hang_up()
    scene.wait(TradeClosed)
    scene.run(15)
    assert scene.is_over(trade_id)
    assert scene.position() == his // 10
    assert not scene.live(trade_id)
    assert not scene.events(TradeQuarantined)
    closed = scene.events(TradeClosed)[-1]
    assert (closed.exit_reason, closed.contracts) == ("manual", ours)


def unheard(scene: Scene, how: str, act: Callable[[], None]) -> None:
    """Something happens while notifications are lost, the line is down or the process is dead."""
    if how == "crashed":
        scene.crash()
    if how == "broken":
        scene.market.is_partitioned = True
        scene.market.hang_up()
    scene.market.lost_notifications = True
    act()
    scene.run(1)
    scene.market.lost_notifications = False
    scene.market.is_partitioned = False
    if how == "crashed":
        scene.boot()


def close_all(scene: Scene) -> None:
    scene.market.ask("private/close_position", instrument_name=BTC, type="market")


def replaced(scene: Scene, dollars: int) -> None:
    """A person closes what is there, opens so much the same way, and the price rises."""
    close_all(scene)
    buy(scene, dollars)
    scene.market.move(btc_usd=101_500)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_part_closed_by_hand_leaves_the_rest_under_its_stop(stage: Stage, seed: int) -> None:
    """Half is sold by hand: the trade goes on with the other half."""
    scene = stage(seed).ready()
    before = scene.wealth("BTC")
    trade_id = scene.bracket()
    scene.run(1)
    held = scene.position()
    sell(scene, 1000)
    scene.run(4)
    assert scene.position() == held - 100
    scene.settled()
    scene.market.move(btc_usd=98_800)
    closed = scene.wait(TradeClosed)
    assert closed.exit_reason == "stop_loss"
    assert abs(closed.net_coin - (scene.wealth("BTC") - before)) <= Decimal("1e-9")
    scene.run(2)
    assert scene.is_over(trade_id)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stop_cancelled_by_hand_is_placed_again(stage: Stage, seed: int) -> None:
    """Whoever removes the protection: it is back within two round trips."""
    scene = stage(seed).ready()
    trade_id = scene.bracket()
    scene.run(1)
    (stop,) = scene.stops(trade_id)
    scene.market.ask("private/cancel", order_id=stop.order_id)
    scene.wait(StopPlaced, 2)
    assert scene.naked.longest() < 0.1
    (second,) = scene.stops(trade_id)
    assert second.label == f"bw.{trade_id}.sl.2"
    replaced = scene.wait(StopReplaced)
    assert (replaced.label, replaced.lost_label) == (second.label, stop.label)
    scene.run(5)
    assert any("was gone; another rests now" in text for text in scene.phone.heard)
    assert len(scene.events(StopReplaced)) == 1
    scene.settled()


@pytest.mark.parametrize("every", [0.05, 0.5, 1.0])
def test_a_stop_that_a_program_takes_away_all_the_time_closes_the_position(
    stage: Stage, every: float
) -> None:
    """No gap is longer than the deadline, but it would be bare for most of the time."""
    scene = stage().ready()
    trade_id = scene.bracket()
    taken = 0
    while scene.position():
        for stop in scene.stops(trade_id):
            scene.market.ask("private/cancel", order_id=stop.order_id)
            taken += 1
        scene.run(every)
    assert taken == 4
    assert scene.naked.longest() < 1.2
    assert scene.wait(TradeClosed).exit_reason == "stop_refused"
    assert scene.events(EmergencyBegan)
    scene.run(3)
    scene.settled()


def test_a_stop_that_is_taken_away_now_and_then_is_always_replaced(stage: Stage) -> None:
    """Every two seconds: never bare for longer than a round trip, and the record stays small."""
    scene = stage().ready()
    trade_id = scene.bracket(target=None)
    for _ in range(60):
        scene.run(2)
        (stop,) = scene.stops(trade_id)
        scene.market.ask("private/cancel", order_id=stop.order_id)
    scene.run(2)
    assert scene.naked.longest() < 0.1
    assert len(scene.stops(trade_id)) == 1
    assert len(scene.trades()[trade_id].lines) < 35
    assert not scene.events(EmergencyBegan)
    scene.settled()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stop_cancelled_by_hand_unheard_is_missed_by_the_watcher(stage: Stage, seed: int) -> None:
    """The push is lost: the first look that does not see it has the trade make sure, and repair it
    before a second look would alarm anybody."""
    scene = stage(seed).ready()
    trade_id = scene.bracket()
    scene.run(1)
    (stop,) = scene.stops(trade_id)
    scene.market.lost_notifications = True
    scene.market.ask("private/cancel", order_id=stop.order_id)
    scene.run(0.1)
    scene.market.lost_notifications = False
    scene.wait(StopPlaced, 2)
    assert scene.naked.longest() < 2.2
    scene.run(3)
    assert not scene.events(ProtectionMissing)
    assert scene.events(StopReplaced)
    told = scene.events(StopPlaced)[1].unprotected_ms - scene.events(StopPlaced)[0].unprotected_ms
    assert abs(told / 1000 - scene.naked.longest()) < 0.5
    scene.settled()


def test_a_stop_that_goes_beside_a_bare_position_of_a_persons_is_missed_as_well(
    stage: Stage,
) -> None:
    """What is his lacks a stop for good, and was told; that ours goes too is news all the same.
    (Found by the simulation, seed 603724.)"""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    buy(scene, 1000)
    his = scene.wait(ProtectionMissing)
    assert (his.cover, his.position) == (scene.position() - 100, scene.position())
    scene.run(5)
    for number in (2, 3):
        (stop,) = scene.stops(trade_id)
        scene.market.lost_notifications = True
        scene.market.ask("private/cancel", order_id=stop.order_id)
        scene.run(0.1)
        scene.market.lost_notifications = False
        ours = scene.wait(ProtectionMissing, number)
        assert ours.cover == 0
        scene.run(0.5)
        assert len(scene.stops(trade_id)) == 1
        scene.run(5)
    assert len(scene.events(ProtectionMissing)) == 3
    (stop,) = scene.stops(trade_id)
    scene.market.lost_notifications = True
    smaller = scene.position() - 200
    scene.market.ask("private/edit", order_id=stop.order_id, reduce_only=True, amount=10 * smaller)
    sell(scene, 1000)
    scene.run(0.1)
    scene.market.lost_notifications = False
    assert scene.wait(ProtectionMissing, 4).cover == smaller


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_cancelled_by_hand_is_placed_again(stage: Stage, seed: int) -> None:
    """Cancel all in the web interface: stop first, then the target."""
    scene = stage(seed).ready()
    trade_id = scene.bracket()
    scene.run(1)
    scene.market.ask("private/cancel_all")
    scene.run(5)
    assert len(scene.stops(trade_id)) == 1
    assert len([x for x in scene.live(trade_id) if ".tp." in x.label]) == 1
    assert scene.naked.longest() < 0.1


def test_a_stop_moved_by_hand_is_left_where_it_was_put(stage: Stage) -> None:
    """It still covers the position: the person's price stands."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    (stop,) = scene.stops(trade_id)
    scene.market.ask(
        "private/edit",
        order_id=stop.order_id,
        reduce_only=True,
        amount=5000,
        trigger_price=Decimal(99500),
    )
    scene.run(10)
    (same,) = scene.stops(trade_id)
    assert (same.order_id, same.trigger_price) == (stop.order_id, Decimal(99500))
    scene.market.move(btc_usd=99_400)
    assert scene.wait(TradeClosed).exit_reason == "stop_loss"


def test_a_stop_made_smaller_by_hand_is_grown_again(stage: Stage) -> None:
    """It no longer covers the position, so it is edited up."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    (stop,) = scene.stops(trade_id)
    scene.market.ask(
        "private/edit",
        order_id=stop.order_id,
        reduce_only=True,
        amount=1000,
        trigger_price=Decimal(99000),
    )
    scene.run(3)
    (same,) = scene.stops(trade_id)
    assert same.contracts == scene.position()
    assert scene.naked.longest() < 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_an_external_position_is_told_left_alone_and_closes_its_instrument(
    stage: Stage, seed: int
) -> None:
    """Somebody buys on another instrument: alerted at once, and nothing is opened there."""
    scene = stage(seed).ready()
    buy(scene, 2000, ETH)
    drifted = scene.wait(PositionDrifted)
    assert (drifted.instrument, drifted.residual) == (ETH, 2000)
    scene.run(1)
    assert any("are not ours" in text for text in scene.phone.heard)
    answer = scene.open(ETH, "buy", "1.5", "3100", "3300")
    assert isinstance(answer, Denied)
    assert Reason.EXTERNAL_POSITION.value in answer.reasons
    scene.bracket(BTC)
    scene.run(5)
    assert scene.position(ETH) == 2000
    sell(scene, 2000, ETH)
    scene.wait(PositionAgreed)
    scene.bracket(ETH, "buy", "1.5", "3100", "3300")


@pytest.mark.parametrize("seed", SEEDS)
def test_an_external_position_is_known_before_the_next_wish(stage: Stage, seed: int) -> None:
    """The push of the foreign fill is enough: no wish slips in before the watcher has looked."""
    scene = stage(seed).ready()
    scene.run(0.3)
    buy(scene, 2000, ETH)
    scene.run(0.02)
    answer = scene.open(ETH, "buy", "1.5", "3100", "3300")
    assert isinstance(answer, Denied)
    assert Reason.EXTERNAL_POSITION.value in answer.reasons


def test_an_external_position_that_ended_unheard_opens_its_instrument_again(
    stage: Stage,
) -> None:
    """Bought loudly, sold silently: the next looks set it right."""
    scene = stage().ready()
    buy(scene, 2000, ETH)
    scene.run(0.1)
    scene.market.lost_notifications = True
    sell(scene, 2000, ETH)
    scene.run(0.1)
    scene.market.lost_notifications = False
    scene.run(5)
    scene.bracket(ETH, "buy", "1.5", "3100", "3300")


@pytest.mark.parametrize("seed", SEEDS)
def test_an_external_position_beside_a_trade_does_not_change_the_trade(
    stage: Stage, seed: int
) -> None:
    """The same instrument, the same direction: the trade counts its own contracts only."""
    scene = stage(seed).ready()
    before = scene.wealth("BTC")
    trade_id = scene.bracket()
    scene.run(1)
    held = scene.position()
    buy(scene, 3000)
    drifted = scene.wait(PositionDrifted)
    assert (drifted.venue, drifted.ledger, drifted.residual) == (held + 300, held, 300)
    scene.run(3)
    assert scene.trades()[trade_id].position == held
    scene.close_trade(trade_id)
    scene.wait(TradeClosed)
    scene.run(3)
    assert scene.is_over(trade_id)
    assert scene.position() == 300
    assert scene.wealth("BTC") != before
    sell(scene, 3000)
    scene.wait(PositionAgreed)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_external_hedge_against_a_trade_closes_it_in_part(stage: Stage, seed: int) -> None:
    """The venue nets: whoever sells against our long has closed that much of it."""
    scene = stage(seed).ready()
    trade_id = scene.bracket()
    scene.run(1)
    sell(scene, 7000)
    closed = scene.wait(TradeClosed)
    assert closed.exit_reason == "manual"
    assert not scene.events(PnlDiffers)
    scene.run(6)
    assert scene.is_over(trade_id)
    assert scene.position() == -200
    assert scene.wait(PositionDrifted).residual == -200
    assert scene.live(trade_id) == []


@pytest.mark.parametrize("bracket", ["sequential", "otoco"])
@pytest.mark.parametrize("how", ["heard", "refused", "lost", "crashed"])
def test_a_stop_that_fires_leaves_alone_what_a_person_opened_beside_it(
    stage: Stage, bracket: str, how: str
) -> None:
    """Of our 500 he closes 200, and buys 200 for himself: the stop shrinks with what is ours, or it
    would sell his along. Never below ours, and where he has put it."""
    scene = stage(plan=default_plan(bracket=bracket)).ready()
    trade_id = scene.bracket()
    scene.run(1)
    (stop,) = scene.stops(trade_id)
    bare = scene.naked.longest()
    scene.market.ask(
        "private/edit", order_id=stop.order_id, reduce_only=True, amount=5000, trigger_price=99_200
    )
    fates = {"refused": Refusal(10041), "lost": Fate.REPLY_LOST}
    if how in fates:
        scene.fault(Once(fates[how], "private/edit"))
    sell(scene, 2000)
    if how == "crashed":
        scene.run(0.5)
        scene.crash()
        scene.boot()
    scene.run(15)
    (same,) = scene.stops(trade_id)
    assert (same.order_id, same.contracts, same.trigger_price) == (stop.order_id, 300, 99_200)
    assert scene.naked.longest() == bare
    assert not scene.events(StopFailed)
    buy(scene, 2000)
    scene.run(3)
    scene.market.move(btc_usd=99_000)
    assert scene.wait(TradeClosed).exit_reason == "stop_loss"
    scene.run(2)
    assert scene.is_over(trade_id)
    assert scene.position() == 200


def resting_entry(scene: Scene) -> str:
    """A limit entry of 500 contracts below the market, not filled yet; the trade's id."""
    answer = scene.open(quantity="500", unit="contracts", entry_type="limit", price=Decimal(99_800))
    assert isinstance(answer, TradeAccepted)
    scene.run(1)
    return answer.trade_id


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("end", ["target", "close", "kill"])
def test_what_a_person_held_against_an_entry_was_netted_and_the_trade_ends(
    stage: Stage, seed: int, end: str
) -> None:
    """Short 200 by hand, then our 500 long fill: the venue holds 300, and when they are closed
    nothing is left. The 200 went at the price they came in at."""
    scene = stage(seed).ready()
    trade_id = resting_entry(scene)
    sell(scene, 2000)
    scene.run(3)
    scene.market.move(btc_usd=99_700)
    scene.run(4)
    assert scene.position() == 300
    if end == "target":
        scene.market.move(btc_usd=101_300)
    elif end == "close":
        scene.close_trade(trade_id)
    else:
        scene.kill()
    netted, closed = scene.wait(TradeNetted), scene.wait(TradeClosed)
    assert (netted.trade_id, netted.contracts) == (trade_id, 200)
    assert closed.contracts == 500
    assert not scene.events(PnlDiffers)
    scene.run(6)
    assert scene.positions() == {}
    assert scene.is_over(trade_id)
    assert scene.wait(PositionAgreed).instrument == BTC
    if end == "kill":
        scene.wait(FlatVerified)
        assert scene.resume()
    scene.settled()


@pytest.mark.parametrize("seed", SEEDS)
def test_an_entry_that_only_closes_what_a_person_held_ends_as_netted(
    stage: Stage, seed: int
) -> None:
    """Short 700 by hand, then our 500 long fill: 200 short are left, and they are his."""
    scene = stage(seed).ready()
    trade_id = resting_entry(scene)
    sell(scene, 7000)
    scene.run(3)
    scene.market.move(btc_usd=99_700)
    closed = scene.wait(TradeClosed)
    assert (scene.wait(TradeNetted).contracts, closed.exit_reason) == (500, "netted")
    assert closed.pnl_coin == 0
    scene.run(6)
    assert scene.is_over(trade_id)
    assert scene.position() == -200


def test_what_a_person_takes_back_in_time_was_never_netted(stage: Stage) -> None:
    """While his contracts stand against ours, the trade keeps its whole stop."""
    scene = stage().ready()
    trade_id = resting_entry(scene)
    sell(scene, 2000)
    scene.run(3)
    scene.market.move(btc_usd=99_700)
    scene.run(4)
    assert [x.contracts for x in scene.stops(trade_id)] == [500]
    buy(scene, 2000)
    scene.run(4)
    assert scene.position() == 500
    assert not scene.events(TradeNetted)
    scene.close_trade(trade_id)
    assert scene.wait(TradeClosed).exit_reason == "requested"
    scene.run(3)
    scene.settled()


def test_foreign_orders_are_never_touched(stage: Stage) -> None:
    """Orders without our label outlive sweeps, trades and even a kill."""
    scene = stage().ready()
    scene.market.ask(
        "private/buy", instrument_name=BTC, amount=100, type="limit", price=Decimal(90000)
    )
    trade_id = scene.bracket()
    scene.market.ask(
        "private/sell",
        instrument_name=BTC,
        amount=100,
        type="stop_market",
        trigger="mark_price",
        trigger_price=Decimal(90000),
        reduce_only=True,
        label="mine",
    )
    scene.run(70)
    scene.kill()
    scene.run(5)
    left = list(scene.engine.ledger.live.values())
    assert len(left) == 2
    assert all(x.state in {OrderState.OPEN, OrderState.UNTRIGGERED} for x in left)
    assert scene.orders(trade_id, Role.STOP)


@pytest.mark.parametrize("dollars", [3000, -1000])
def test_an_external_position_beside_a_trade_does_not_hold_up_the_next_start(
    stage: Stage, dollars: int
) -> None:
    """Nobody of us will ever put a stop under it: what is ours hangs under its own, so trading
    goes on. (Found by the simulation: protect-only for ever, on every instrument.)"""
    scene = stage().ready()
    trade_id = scene.bracket()
    if dollars > 0:
        buy(scene, dollars)
    else:
        sell(scene, -dollars)
    scene.run(3)
    scene.crash()
    scene.run(1)
    scene.boot()
    scene.wait(Ready)
    scene.run(1)
    assert trade_id in scene.trades()
    scene.bracket(ETH, "buy", "1.5", "3100", "3300")
