"""The venue changes what a contract is while positions are open."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from actors.messages.trading import (
    CatalogueDue,
    ContractSizeUnfit,
    EmergencyBegan,
    EntryFilled,
    KillSwitchReset,
    Ready,
    StopFailed,
    TradeClosed,
    TradeQuarantined,
    TradeRescaled,
)
from actors.messages.watch import GuardPlaced, ProtectionMissing
from adapters.paper import catalogue
from domain.labels import Role
from domain.pnl import Holding
from simulation.daemon import default_plan
from simulation.venue import Refusal
from tests.scenarios.conftest import Stage, is_flat
from tests.scenarios.scene import LINEAR, PLACE, Once, Scene, poisonable


@pytest.fixture(autouse=True)
def _the_old_size_afterwards() -> Iterator[None]:
    usual = catalogue.INSTRUMENTS[LINEAR]
    yield
    catalogue.INSTRUMENTS[LINEAR] = usual


def resize(scene: Scene, ratio: Fraction) -> None:
    """A contract is so many times smaller from now on; what is held, rests and was, is the same.

    In coin, that is: the number of contracts of each is multiplied by the ``ratio``.
    """

    def counted(contracts: int) -> int:
        number = contracts * ratio
        assert number.denominator == 1, f"{contracts} contracts"
        return int(number)

    usual = catalogue.INSTRUMENTS[LINEAR]
    size = usual.contract_size * ratio.denominator / ratio.numerator
    changed = replace(usual, contract_size=size, min_amount=size)
    catalogue.INSTRUMENTS[LINEAR] = changed
    engine = scene.engine
    engine.markets[LINEAR].instrument = changed
    stake = engine.account.stakes[LINEAR]
    stake.holding = Holding(counted(stake.holding.contracts), stake.holding.cost)
    stake.session = Holding(counted(stake.session.contracts), stake.session.cost)
    ledger = engine.ledger
    for order in (*ledger.live.values(), *ledger.closed.values()):
        if order.instrument_name == LINEAR:
            order.contracts, order.filled = counted(order.contracts), counted(order.filled)
            order.fills = Holding(counted(order.fills.contracts), order.fills.cost)
    for number, trade in enumerate(ledger.trades):
        if trade.instrument_name == LINEAR:
            ledger.trades[number] = replace(trade, contracts=counted(trade.contracts))
    engine.revision += 1
    scene.flips.held[LINEAR] = counted(scene.flips.held[LINEAR])


SMALLER = Fraction(10)


def opened(stage: Stage, **more: Decimal | None) -> tuple[Scene, str]:
    """A long of 0.05 BTC under its stop, and with a target."""
    scene = stage().ready(derive=poisonable)
    trade_id = scene.bracket(LINEAR, "buy", "0.05", "99000", "105000", **more)
    scene.run(5)
    return scene, trade_id


def read_again(scene: Scene) -> None:
    scene.daemon.system.address("execution").tell(CatalogueDue(at=scene.world.now()))


def read_by_others(scene: Scene) -> None:
    """The client has the new contract data, as when the Guardian asks; Execution has not."""
    venue: Any = scene.daemon.venue
    venue._catalogue.merge([catalogue.INSTRUMENTS[LINEAR]])


def is_protected(scene: Scene, trade_id: str, contracts: int) -> None:
    """Book and venue count the same, all of it under its one stop and its one target."""
    trade = scene.trades()[trade_id]
    assert trade.position == scene.position(LINEAR) == contracts
    assert trade.cover == scene.cover(LINEAR) == contracts
    assert sorted(x.contracts for x in scene.live(trade_id)) == [contracts, contracts]
    assert not scene.events(TradeQuarantined)
    assert not scene.events(ProtectionMissing)
    scene.settled()


def closes_whole(scene: Scene, trade_id: str) -> None:
    assert scene.close_trade(trade_id)
    scene.run(30)
    is_flat(scene)
    (end,) = scene.events(TradeClosed)
    assert abs(end.pnl_usd) < 50
    assert scene.naked.longest(LINEAR) < 1


@pytest.mark.parametrize("crashes", [0, 1, 2])
def test_a_smaller_contract_is_counted_anew_by_the_next_process(stage: Stage, crashes: int) -> None:
    """Long 500, the venue said 5000: a close closed a tenth and cancelled the stop of the rest."""
    scene, trade_id = opened(stage)
    scene.crash()
    resize(scene, SMALLER)
    for _ in range(crashes):
        scene.boot()
        scene.run(0.4)
        scene.crash()
    scene.boot()
    scene.wait(Ready)
    scene.run(30)
    is_protected(scene, trade_id, 5000)
    assert scene.trades()[trade_id].plan.contract_size == Decimal("0.00001")
    closes_whole(scene, trade_id)


@pytest.mark.parametrize("is_new_process", [True, False])
@pytest.mark.parametrize("bracket", ["single", "otoco"])
def test_what_was_closed_before_stays_closed(
    stage: Stage, bracket: str, *, is_new_process: bool
) -> None:
    """A person had sold two fifths by hand: that share is booked in the old contracts."""
    scene = stage(plan=default_plan(bracket=bracket)).ready()
    trade_id = scene.bracket(LINEAR, "buy", "0.05", "99000", "105000")
    scene.run(5)
    scene.market.ask("private/sell", instrument_name=LINEAR, amount=Decimal("0.02"), type="market")
    scene.run(30)
    assert scene.trades()[trade_id].position == 300
    if is_new_process:
        scene.crash()
    resize(scene, SMALLER)
    if is_new_process:
        scene.boot()
        scene.wait(Ready)
    else:
        read_again(scene)
    scene.run(90)
    trade = scene.trades()[trade_id]
    assert trade.position == scene.position(LINEAR) == scene.cover(LINEAR) == 3000
    closes_whole(scene, trade_id)
    (end,) = scene.events(TradeClosed)
    assert end.contracts == 5000


def test_a_record_of_before_takes_its_numbers_from_the_venue(stage: Stage) -> None:
    """It does not say what it counts in; the venue's history tells what was filled."""
    scene, trade_id = opened(stage)
    scene.crash()
    del scene.disk.tables["trades"][trade_id]["plan"]["contract_size"]
    resize(scene, SMALLER)
    scene.boot()
    scene.wait(Ready)
    scene.run(30)
    is_protected(scene, trade_id, 5000)
    closes_whole(scene, trade_id)


@pytest.mark.parametrize("steps", range(0, 120, 6))
def test_a_process_that_dies_while_it_counts_anew_does_not_do_so_twice(
    stage: Stage, steps: int
) -> None:
    """The size a record counts in is written with its numbers."""
    scene, trade_id = opened(stage)
    scene.crash()
    resize(scene, SMALLER)
    scene.boot()
    last = scene.world.steps + steps
    scene.world.run_until(lambda: scene.world.steps >= last, 20)
    scene.crash()
    scene.boot()
    scene.wait(Ready)
    is_protected(scene, trade_id, 5000)


def test_a_book_made_of_the_journal_is_counted_anew(stage: Stage) -> None:
    """The journal keeps with each intent what its contracts were."""
    scene, trade_id = opened(stage)
    scene.crash()
    resize(scene, SMALLER)
    scene.boot(kept_aside="registry.unreadable.json")
    scene.wait(Ready)
    scene.run(30)
    is_protected(scene, trade_id, 5000)
    closes_whole(scene, trade_id)


@pytest.mark.parametrize("trouble", ["none", "trade dies", "execution dies", "registry dies"])
def test_a_process_that_lives_through_it_counts_anew(stage: Stage, trouble: str) -> None:
    """As soon as contract data are read, by whoever it is."""
    scene, trade_id = opened(stage)
    resize(scene, SMALLER)
    read_again(scene)
    if trouble != "none":
        name = trouble.partition(" ")[0]
        scene.poison(f"trade-{trade_id}" if name == "trade" else name)
    scene.run(60)
    is_protected(scene, trade_id, 5000)
    (told,) = scene.events(TradeRescaled)
    assert (told.contracts, told.contracts_before) == (5000, 500)
    assert len(scene.events(EntryFilled)) == 1
    closes_whole(scene, trade_id)


def test_what_others_read_is_heard_of_by_all(stage: Stage) -> None:
    """The client counts in new contracts though Execution has not asked: a report tells it."""
    scene, trade_id = opened(stage)
    resize(scene, SMALLER)
    read_by_others(scene)
    (stop,) = scene.stops(trade_id)
    scene.market.ask("private/cancel", order_id=stop.order_id)
    scene.run(20)
    is_protected(scene, trade_id, 5000)
    assert not scene.events(StopFailed)
    closes_whole(scene, trade_id)


def test_a_trade_that_is_opened_in_old_contracts_goes_on_in_the_new(stage: Stage) -> None:
    """The amount is what counts for the venue; what was sent comes back as it was asked for."""
    scene = stage().ready()
    resize(scene, SMALLER)
    read_by_others(scene)
    trade_id = scene.bracket(LINEAR, "buy", "0.05", "99000", "105000")
    scene.run(20)
    assert len(scene.orders(trade_id, Role.STOP)) == 1
    is_protected(scene, trade_id, 5000)
    closes_whole(scene, trade_id)


def test_a_kill_closes_as_much_as_it_reads(stage: Stage) -> None:
    """Not ten times as much, by contract data that are older than what it read."""
    scene = stage().ready()
    amount = Decimal("0.05")
    scene.market.ask("private/buy", instrument_name=LINEAR, amount=amount, type="market")
    scene.run(5)
    resize(scene, SMALLER)
    read_by_others(scene)
    assert scene.kill()
    scene.run(60)
    is_flat(scene)
    (close,) = scene.market.sent(*PLACE)
    assert close["amount"] == amount


def test_a_guard_is_as_large_as_what_it_guards(stage: Stage) -> None:
    """The Guardian's contract data may be older than what it looks at."""
    plan = default_plan(foreign_positions="protect", foreign_stop_pct=Decimal("0.02"))
    scene = stage(plan=plan).ready()
    amount = Decimal("0.02")
    scene.market.ask("private/buy", instrument_name=LINEAR, amount=amount, type="market")
    scene.wait(GuardPlaced)
    scene.run(5)
    resize(scene, SMALLER)
    read_again(scene)
    scene.run(5)
    scene.market.ask("private/buy", instrument_name=LINEAR, amount=amount, type="market")
    scene.run(20)
    (guard,) = scene.live()
    assert guard.contracts == scene.cover(LINEAR) == scene.position(LINEAR) == 4000


@pytest.mark.parametrize("is_kill", [True, False])
def test_an_amount_that_is_no_number_of_old_contracts_is_read(
    stage: Stage, *, is_kill: bool
) -> None:
    """The account was unreadable until the next reading of the catalogue, a day at most: no look,
    no kill that could see it flat."""
    scene, trade_id = opened(stage)
    scene.rest(60)
    resize(scene, SMALLER)
    sold = Decimal("0.00003")
    scene.market.ask("private/sell", instrument_name=LINEAR, amount=sold, type="market")
    if is_kill:
        assert scene.kill()
        scene.run(30)
        is_flat(scene)
        return
    scene.run(120)
    trade = scene.trades()[trade_id]
    assert trade.position == scene.position(LINEAR) == scene.cover(LINEAR) == 4997
    closes_whole(scene, trade_id)


def test_a_kill_closes_all_of_it(stage: Stage) -> None:
    """Before the trade has counted anew, too."""
    scene, _ = opened(stage)
    resize(scene, SMALLER)
    read_by_others(scene)
    assert scene.kill()
    scene.run(60)
    is_flat(scene)


UNFIT = [Fraction(1, 10), Fraction(5, 2)]
"""A contract of ten times the size, and one that no whole number of makes an old one."""


@pytest.mark.parametrize("is_new_process", [True, False])
@pytest.mark.parametrize("ratio", UNFIT)
def test_contracts_that_do_not_fit_are_for_a_person_to_look_at(
    stage: Stage, ratio: Fraction, *, is_new_process: bool
) -> None:
    """What is held may be no whole number of them: nothing is closed or cancelled."""
    scene, trade_id = opened(stage)
    if is_new_process:
        scene.crash()
    resize(scene, ratio)
    if is_new_process:
        scene.boot()
    else:
        read_again(scene)
    scene.run(60)
    assert len(scene.events(ContractSizeUnfit)) == 1
    assert any("PLEASE LOOK" in x and trade_id in x for x in scene.phone.heard)
    before = {x.order_id for x in scene.live(trade_id)}
    assert len(before) == 2
    scene.close_trade(trade_id)
    scene.run(60)
    assert {x.order_id for x in scene.live(trade_id)} == before
    assert scene.position(LINEAR) == scene.cover(LINEAR) == 500 * ratio
    assert not scene.events(EmergencyBegan)
    assert not scene.events(TradeQuarantined)


@pytest.mark.parametrize("ratio", UNFIT)
def test_a_stop_that_is_missing_is_placed_all_the_same(stage: Stage, ratio: Fraction) -> None:
    """It can only reduce, and what is bare is worse."""
    scene, trade_id = opened(stage)
    resize(scene, ratio)
    read_again(scene)
    scene.run(5)
    (stop,) = scene.stops(trade_id)
    scene.market.ask("private/cancel", order_id=stop.order_id)
    scene.run(20)
    assert scene.cover(LINEAR) == scene.position(LINEAR) == 500 * ratio


def test_one_that_cannot_be_had_is_not_tried_without_end(stage: Stage) -> None:
    """Nor is anything closed for it: the watcher tells of what is bare."""
    scene, trade_id = opened(stage)
    resize(scene, UNFIT[0])
    read_again(scene)
    scene.run(5)
    (stop,) = scene.stops(trade_id)
    scene.fault(refused := Once(Refusal(-32602), "private/sell", times=1000))
    scene.market.ask("private/cancel", order_id=stop.order_id)
    scene.run(5)
    before, steps = refused.left, scene.world.steps
    scene.run(60)
    assert 990 < refused.left == before < 1000
    assert scene.world.steps - steps < 1800
    assert scene.position(LINEAR) == 50
    assert scene.events(ProtectionMissing)
    assert not scene.events(EmergencyBegan)


@pytest.mark.parametrize("by", ["hand", "stop", "kill", "hand, and a new process"])
@pytest.mark.parametrize("ratio", UNFIT)
def test_it_ends_when_it_was_ended_outside(stage: Stage, ratio: Fraction, by: str) -> None:
    """It goes on reading: once all of it is gone, the trade is over and booked whole."""
    scene, trade_id = opened(stage)
    resize(scene, ratio)
    read_again(scene)
    scene.run(5)
    if by == "kill":
        assert scene.kill()
    elif by == "stop":
        scene.market.move(btc_usd=98_000)
        scene.run(5)
    else:
        scene.market.ask("private/close_position", instrument_name=LINEAR, type="market")
        scene.run(5)
    for order in scene.live(trade_id) if by != "kill" else ():
        scene.market.ask("private/cancel", order_id=order.order_id)
    if "process" in by:
        scene.crash()
        scene.boot()
    scene.run(60)
    is_flat(scene)
    (end,) = scene.events(TradeClosed)
    assert end.contracts >= 500
    assert abs(end.pnl_usd) < (150 if by == "stop" else 50)
    if by == "kill":
        scene.run(30)
        assert scene.resume()
        assert scene.events(KillSwitchReset)


def test_it_goes_on_when_the_size_is_the_old_one_again(stage: Stage) -> None:
    """Somebody looked, and the venue took it back."""
    scene, trade_id = opened(stage)
    resize(scene, UNFIT[0])
    read_again(scene)
    scene.run(5)
    resize(scene, 1 / UNFIT[0])
    read_again(scene)
    scene.run(30)
    is_protected(scene, trade_id, 500)
    closes_whole(scene, trade_id)


@pytest.mark.parametrize("ratio", UNFIT)
def test_a_close_that_cannot_be_leaves_the_trade_its_stop(stage: Stage, ratio: Fraction) -> None:
    """It is said again that nothing is closed; a stop that goes is placed all the same."""
    scene, trade_id = opened(stage)
    resize(scene, ratio)
    read_again(scene)
    scene.wait(ContractSizeUnfit)
    scene.run(5)
    scene.close_trade(trade_id)
    scene.run(5)
    (stop,) = scene.stops(trade_id)
    scene.market.ask("private/cancel", order_id=stop.order_id)
    scene.run(30)
    assert scene.cover(LINEAR) == scene.position(LINEAR) > 0
    assert len(scene.events(ContractSizeUnfit)) == 2


@pytest.mark.parametrize("ratio", UNFIT)
def test_a_restarted_actor_learns_that_its_contracts_do_not_fit(
    stage: Stage, ratio: Fraction
) -> None:
    """It begins with the instrument its trade was born with, and is told today's at once."""
    scene, trade_id = opened(stage)
    resize(scene, ratio)
    read_again(scene)
    scene.wait(ContractSizeUnfit)
    scene.poison(f"trade-{trade_id}")
    scene.run(5)
    held = scene.position(LINEAR)
    scene.close_trade(trade_id)
    scene.run(30)
    assert scene.position(LINEAR) == held
