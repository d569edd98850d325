"""The kill: no entry after it, the account driven flat and seen flat, until it is ended."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from actors.kernel import Actor
from actors.messages.book import ClearKill, DiskRecovered
from actors.messages.risk import Denied, KillRequested
from actors.messages.trading import (
    FlatVerified,
    GetExecution,
    KillSwitchReset,
    NotFlatYet,
    ProtectionDeadlineMissed,
    Ready,
    StopPlaced,
    StopReplaced,
    TradeAbandoned,
    TradeAccepted,
    TradeClosed,
)
from actors.registry import Registry
from actors.trade import TradeActor
from domain.labels import Role
from domain.orders import OrderState
from domain.risk import Reason
from simulation.daemon import DEFAULT_LIMITS, default_plan
from simulation.venue import Fate, Refusal
from tests.scenarios.conftest import Stage, is_flat, losing
from tests.scenarios.scene import BTC, ETH, LINEAR, PLACE, Once, Scene, Spell, poisonable

SEEDS = range(4)


def three_trades(scene: Scene) -> list[str]:
    return [
        scene.bracket(BTC),
        scene.bracket(ETH, "sell", "1.5", "3300", "3100"),
        scene.bracket(LINEAR),
    ]


def entries(scene: Scene) -> int:
    return len([p for p in scene.market.sent(*PLACE) if ".entry." in p["label"]])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_kill_closes_every_trade_and_says_when_it_has_seen_it(stage: Stage, seed: int) -> None:
    """Three trades on three instruments: durable, closed side by side, verified flat."""
    scene = stage(seed).ready()
    three_trades(scene)
    scene.run(1)
    began = scene.world.monotonic()
    assert scene.kill()
    assert scene.disk.tables["state"]["kill"]["reason"] == "a test"
    scene.until(lambda: not scene.positions())
    assert scene.world.monotonic() - began < 0.1
    scene.wait(FlatVerified)
    is_flat(scene)
    assert {e.exit_reason for e in scene.events(TradeClosed)} == {"kill"}
    assert scene.naked.longest() < 0.1
    scene.run(2)
    assert any("Verified flat" in text for text in scene.phone.heard)


def test_a_kill_cancels_the_stops_last(stage: Stage) -> None:
    """Until the position is gone, its stop rests."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    scene.kill()
    scene.wait(FlatVerified)
    (stop,) = scene.orders(trade_id, Role.STOP)
    (close,) = scene.orders(trade_id, Role.CLOSE)
    assert stop.state is OrderState.CANCELLED
    assert stop.updated_ms > close.updated_ms


@pytest.mark.parametrize("seed", range(12))
def test_no_entry_is_sent_after_a_kill_even_by_a_trade_that_was_let_in(
    stage: Stage, seed: int
) -> None:
    """A wish and a kill at the same moment: whatever comes first, the end is flat."""
    scene = stage(seed).ready()
    answer = scene.open()
    assert isinstance(answer, TradeAccepted)
    scene.world.run_until(lambda: scene.world.steps % 7 == seed % 7, 0.01)
    scene.kill()
    sent = entries(scene)
    scene.wait(FlatVerified)
    scene.run(8)
    assert entries(scene) - sent <= 1 - sent
    is_flat(scene)
    assert len(scene.events(TradeClosed)) + len(scene.events(TradeAbandoned)) == 1


def test_a_trade_that_was_let_in_before_the_kill_finds_the_gate_closed(stage: Stage) -> None:
    """Slow to start, it comes to its entry only when the kill is in force: not a byte leaves."""

    def slow(actor: type[Actor]) -> type[Actor]:
        if actor is not TradeActor:
            return actor

        def recover(self: Any) -> None:
            self.clock.sleep(0.5)
            TradeActor.recover(self)

        return type(actor.__name__, (actor,), {"recover": recover})

    scene = stage().ready(derive=slow)
    assert isinstance(scene.open(), TradeAccepted)
    scene.kill()
    scene.wait(FlatVerified)
    scene.run(8)
    assert entries(scene) == 0
    assert scene.wait(TradeAbandoned).reason == "entry_not_sent"


@pytest.mark.parametrize("fate", [Fate.REQUEST_LOST, Fate.REPLY_LOST])
@pytest.mark.parametrize("seed", SEEDS)
def test_an_entry_in_flight_with_unknown_outcome_is_waited_for(
    stage: Stage, seed: int, fate: Fate
) -> None:
    """Flat is not believed while an entry may still arrive."""
    scene = stage(seed).ready()
    scene.market.lost_notifications = True
    scene.fault(Once(fate, *PLACE, role=Role.ENTRY))
    scene.open()
    scene.run(0.1)
    scene.kill()
    scene.run(0.5)
    scene.market.lost_notifications = False
    scene.wait(FlatVerified)
    scene.run(10)
    is_flat(scene)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_kill_closes_what_is_not_ours_too(stage: Stage, seed: int) -> None:
    """External positions, on listed and other instruments, beside a trade and alone."""
    scene = stage(seed).ready()
    scene.bracket(BTC)
    scene.run(1)
    scene.market.ask("private/buy", instrument_name=BTC, amount=3000, type="market")
    scene.market.ask("private/sell", instrument_name=ETH, amount=500, type="market")
    scene.market.ask(
        "private/buy", instrument_name="ETH_USDC-PERPETUAL", amount=Decimal("0.5"), type="market"
    )
    scene.run(3)
    scene.kill()
    scene.wait(FlatVerified)
    scene.run(2)
    is_flat(scene)
    scene.bracket if scene.resume() else None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_venue_that_refuses_the_closing_is_asked_until_it_does(stage: Stage, seed: int) -> None:
    """NOT FLAT YET is said again and again, and the stop protects meanwhile."""
    scene = stage(seed).ready()
    scene.bracket()
    scene.run(1)
    refusing = Once(Refusal(10041), *PLACE, times=10_000)
    scene.fault(refusing)
    scene.kill()
    scene.wait(NotFlatYet, 2, limit=40)
    assert scene.naked.longest() < 0.1
    assert scene.events(NotFlatYet)[-1].positions == ("BTC-PERPETUAL +500",)
    scene.kind()
    scene.wait(FlatVerified)
    scene.run(8)
    is_flat(scene)


def test_a_trade_whose_own_close_is_refused_does_not_hold_up_the_kill(stage: Stage) -> None:
    """The trade is stuck; Execution closes its position, and the trade learns that it is over."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    stuck = [Once(Refusal(10009), *PLACE, role=Role.CLOSE, times=3)]
    scene.fault(*stuck)
    scene.kill()
    scene.wait(FlatVerified)
    scene.run(8)
    is_flat(scene)
    assert scene.events(TradeClosed)[-1].trade_id == trade_id


def test_a_partition_during_a_kill_ends_in_flat_when_the_venue_is_back(stage: Stage) -> None:
    """Nothing can be done, and it is said; then it is done."""
    scene = stage().ready()
    three_trades(scene)
    scene.run(1)
    scene.market.is_partitioned = True
    scene.kill()
    scene.market.hang_up()
    scene.run(60)
    assert not scene.events(FlatVerified)
    assert "cannot be read" in scene.wait(NotFlatYet, limit=120).reason
    scene.kind()
    scene.wait(FlatVerified)
    scene.run(8)
    is_flat(scene)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_kill_survives_restarts_until_a_person_ends_it(stage: Stage, seed: int) -> None:
    """The next process comes up killed; resume is possible once it is flat."""
    scene = stage(seed).ready()
    scene.bracket()
    scene.kill()
    scene.wait(FlatVerified)
    scene.crash()
    scene.boot()
    assert scene.wait(Ready).mode == "killed"
    scene.wait(FlatVerified)
    answer = scene.open()
    assert isinstance(answer, Denied)
    assert answer.reasons == (Reason.KILLED.value,)
    assert scene.resume()
    scene.run(1)
    scene.bracket()


def test_a_restart_goes_on_killing_even_if_nothing_can_be_reconciled(stage: Stage) -> None:
    """The trade's fills cannot be read: its position is closed all the same."""
    scene = stage().ready()
    scene.bracket()
    scene.run(1)
    scene.fault(Once(Refusal(10041), *PLACE, times=1000))
    scene.kill()
    scene.crash()
    scene.fault(
        Once(Fate.REPLY_LOST, "private/get_user_trades_by_instrument_and_time", times=10_000)
    )
    scene.boot()
    scene.until(lambda: not scene.positions(), 30)
    assert not scene.events(Ready)
    scene.kind()
    scene.wait(FlatVerified)
    scene.run(10)
    is_flat(scene)


def test_resume_is_refused_until_flat(stage: Stage) -> None:
    """A kill cannot be ended in the middle of its work."""
    scene = stage().ready()
    scene.bracket()
    scene.kill()
    assert not scene.resume()
    scene.wait(FlatVerified)
    scene.run(1)
    assert scene.resume()
    assert scene.wait(KillSwitchReset).reason == "test"


def test_without_a_kill_there_is_nothing_to_resume(stage: Stage) -> None:
    """Resume changes nothing and says so."""
    scene = stage().ready()
    assert not scene.resume()


def test_a_kill_on_a_full_disk_kills_all_the_same(stage: Stage) -> None:
    """Not durable yet, and said so; in force at once; on disk as soon as the disk allows."""
    scene = stage().ready()
    scene.bracket()
    scene.disk.is_full = True
    assert not scene.kill()
    scene.wait(FlatVerified)
    assert isinstance(scene.open(), Denied)
    assert "kill" not in scene.disk.tables.get("state", {})
    scene.disk.is_full = False
    scene.wait(DiskRecovered)
    scene.run(2)
    assert scene.disk.tables["state"]["kill"]["reason"] == "a test"
    scene.crash()
    scene.boot()
    assert scene.wait(Ready).mode == "killed"


def keep_busy(scene: Scene, name: str, seconds: float) -> None:
    scene.daemon.system.address(name).tell(Spell(at=scene.world.now(), seconds=seconds))


def test_a_kill_that_a_busy_registry_did_not_confirm_is_durable_all_the_same(
    stage: Stage,
) -> None:
    """What was asked in vain is told: the book has it, and midnight ends it."""
    evening = datetime(2026, 1, 5, 23, 59, 30, tzinfo=UTC)
    scene = losing(stage, start=evening, derive=poisonable)
    scene.bracket(quantity="0.5", stop="99000")
    scene.run(1)
    scene.market.move(btc_usd=99_300)
    scene.wait(KillRequested)
    keep_busy(scene, "registry", 4)
    scene.wait(FlatVerified)
    scene.run(10)
    assert scene.disk.tables["state"]["kill"]["by"] == "risk"
    assert scene.disk.tables["state"]["kill"]["day"] == "2026-01-05"
    reset = scene.wait(KillSwitchReset)
    assert reset.at.date().isoformat() == "2026-01-06"
    scene.run(2)
    scene.bracket(stop="98000")


def test_a_kill_that_a_busy_registry_did_not_confirm_outlives_the_process(stage: Stage) -> None:
    """Not durable at once, and said so; a few seconds later a new process comes up killed."""
    scene = stage().ready(derive=poisonable)
    scene.bracket()
    keep_busy(scene, "registry", 4)
    assert not scene.kill()
    scene.wait(FlatVerified)
    scene.run(10)
    scene.crash()
    scene.boot()
    assert scene.wait(Ready).mode == "killed"
    assert isinstance(scene.open(), Denied)


def slow_to_clear(*seconds: float) -> Any:
    """Derives actors: a Registry whose disk takes so long over the first ends of a kill."""
    left = list(seconds)

    def derived(actor: type[Actor]) -> type[Actor]:
        if actor is not Registry:
            return actor

        def on_clear_kill(self: Any, message: ClearKill) -> Any:
            if left:
                self.clock.sleep(left.pop(0))
            return Registry.on_clear_kill(self, message)

        table = {**actor.handlers, ClearKill: on_clear_kill}
        return type(actor.__name__, (actor,), {"handlers": table})

    return derived


def test_the_end_of_a_kill_whose_answer_came_too_late_is_tried_again(stage: Stage) -> None:
    """The Registry had ended it and nobody heard: book and Execution agree again, then it ends."""
    evening = datetime(2026, 1, 5, 23, 59, 30, tzinfo=UTC)
    scene = losing(stage, start=evening, derive=slow_to_clear(2.5))
    scene.bracket(quantity="0.5", stop="99000")
    scene.market.move(btc_usd=99_300)
    scene.wait(FlatVerified)
    scene.until(lambda: scene.world.now().date().isoformat() == "2026-01-06")
    scene.wait(KillSwitchReset, limit=10)
    scene.run(2)
    assert "kill" not in scene.disk.tables["state"]
    scene.bracket(stop="98000")


def test_a_persons_kill_stands_if_its_end_was_not_confirmed(stage: Stage) -> None:
    """Execution says that it goes on, so the book says so too; the next resume ends it."""
    scene = stage().ready(derive=slow_to_clear(2.5))
    scene.kill()
    scene.wait(FlatVerified)
    scene.run(1)
    assert not scene.resume()
    scene.run(3)
    assert scene.disk.tables["state"]["kill"]["by"] == "test"
    snapshot = scene.daemon.ask("execution", GetExecution(at=scene.world.now()))
    assert snapshot.kill is not None
    assert scene.resume()
    scene.run(1)
    assert "kill" not in scene.disk.tables["state"]
    scene.bracket()


def test_a_kill_until_midnight_does_not_soften_a_persons_kill(stage: Stage) -> None:
    """Killed for good, then once more until midnight: it stays for good."""
    evening = datetime(2026, 1, 5, 23, 59, 30, tzinfo=UTC)
    scene = stage(start=evening).ready()
    scene.kill()
    scene.kill(until_midnight=True)
    scene.wait(FlatVerified)
    scene.run(60)
    assert not scene.events(KillSwitchReset)


def test_a_kill_before_the_reconciliation_flattens_too(stage: Stage) -> None:
    """Killed while starting: the trade of before is closed, the account seen flat."""
    scene = stage().ready()
    scene.bracket()
    scene.run(1)
    scene.crash()
    scene.boot()
    scene.fault(Once(Fate.NOT_SENT, "public/get_instruments", times=20))
    scene.run(0.2)
    assert scene.kill()
    scene.run(2)
    scene.kind()
    scene.wait(FlatVerified)
    scene.run(3)
    is_flat(scene)
    scene.wait(Ready)
    assert len(scene.events(FlatVerified)) == 1


def test_a_kill_without_the_daemon_is_no_gap_for_the_next_one(stage: Stage) -> None:
    """It closes, and cancels the stop last: nothing was ever bare, and no stranger did it."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    scene.crash()
    flattened(scene, scene.position())
    scene.market.ask("private/cancel_all")
    scene.run(6)
    scene.boot()
    closed = scene.wait(TradeClosed)
    scene.wait(Ready)
    scene.run(5)
    assert scene.is_over(trade_id)
    assert not scene.events(ProtectionDeadlineMissed)
    assert not scene.events(StopReplaced)
    assert not scene.events(StopPlaced)
    assert closed.unprotected_ms < 100


def flattened(scene: Scene, contracts: int) -> None:
    """A kill closes so much at the venue; nobody cancels anything yet."""
    scene.market.ask(
        "private/sell",
        instrument_name=BTC,
        amount=contracts * 10,
        type="market",
        reduce_only=True,
        label="bw.flat-x.close.1",
    )


@pytest.mark.parametrize("then", ["start", "start without stops", "reconnect", "actor restart"])
def test_what_a_kill_closed_in_part_is_one_trades_and_the_other_keeps_its_stop(
    stage: Stage, then: str
) -> None:
    """The first trade ends by it, and is forgotten; the same fill, read again, ends no second."""
    limits = replace(DEFAULT_LIMITS, max_trades_per_instrument=2)
    scene = stage(plan=default_plan(limits=limits)).ready(derive=poisonable)
    first = scene.bracket(target=None)
    second = scene.bracket(target=None, stop="98000")
    scene.run(1)
    if then.startswith("start"):
        scene.crash()
    flattened(scene, 500)
    if then == "start without stops":
        scene.market.ask("private/cancel_all")
    scene.run(5)
    if then.startswith("start"):
        scene.boot(derive=poisonable)
    elif then == "reconnect":
        scene.market.hang_up()
    else:
        scene.poison(f"trade-{second}")
    scene.run(60)
    assert scene.is_over(first) is not scene.is_over(second)
    assert scene.position() == scene.cover(BTC) == 500


def test_a_part_that_a_kill_closed_takes_no_stop_away_while_nothing_can_be_read(
    stage: Stage,
) -> None:
    """Whose it was is to be told; until then both trades count as open, and are protected."""
    limits = replace(DEFAULT_LIMITS, max_trades_per_instrument=2)
    scene = stage(plan=default_plan(limits=limits)).ready()
    scene.bracket(target=None)
    scene.bracket(target=None, stop="98000")
    scene.run(1)
    scene.crash()
    flattened(scene, 500)
    scene.market.ask("private/cancel_all")
    scene.boot()
    scene.fault(Once(Refusal(11051), "private/get_positions", times=10**6))
    scene.run(20)
    assert scene.position() == 0 or scene.cover(BTC) >= scene.position()
