"""The kill: no entry after it, the account driven flat and seen flat, until it is ended."""

from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from actors.kernel import Actor
from actors.messages.book import ClearKill, DiskRecovered
from actors.messages.risk import DayBegan, Denied, KillRequested
from actors.messages.trading import (
    FlatVerified,
    GetExecution,
    KillSwitchActivated,
    KillSwitchReset,
    NotFlatYet,
    Ready,
    Resume,
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
from simulation.runtime import EPOCH
from simulation.venue import Fate, Refusal
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, ETH, LINEAR, PLACE, Once, Scene, Spell, poisonable

SEEDS = range(4)
SMALL = {"BTC": Decimal(1), "ETH": Decimal(10), "USDC": Decimal(10_000)}


def three_trades(scene: Scene) -> list[str]:
    return [
        scene.bracket(BTC),
        scene.bracket(ETH, "sell", "1.5", "3300", "3100"),
        scene.bracket(LINEAR),
    ]


def is_flat(scene: Scene) -> None:
    assert scene.positions() == {}
    assert scene.live() == []
    assert scene.booked == []


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


def losing(stage: Stage, *, start: datetime = EPOCH, timezone: tzinfo = UTC, **more: Any) -> Scene:
    limits = replace(DEFAULT_LIMITS, max_daily_loss_pct=Decimal("0.002"))
    plan = default_plan(limits=limits, timezone=timezone)
    return stage(plan=plan, balances=SMALL, start=start).ready(**more)


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


def test_the_days_loss_kills(stage: Stage) -> None:
    """Realised and floating, fees and all: at the limit everything is closed."""
    scene = losing(stage)
    scene.bracket(quantity="0.5", stop="99000")
    scene.run(1)
    scene.market.move(btc_usd=99_300)
    requested = scene.wait(KillRequested)
    assert requested.result_usd <= -requested.limit_usd
    assert scene.wait(KillSwitchActivated).by == "risk"
    scene.wait(FlatVerified)
    scene.run(3)
    is_flat(scene)
    assert len(scene.events(KillRequested)) == 1
    assert isinstance(scene.open(), Denied)


def test_no_equity_in_the_traded_currencies_is_no_loss(stage: Stage) -> None:
    """Nothing can be lost of nothing: no entry, and what a person holds elsewhere is left alone."""
    only_eth = default_plan(instruments=(ETH,))
    scene = stage(plan=only_eth, balances={"BTC": Decimal(1)})
    scene.market.ask("private/buy", instrument_name=BTC, amount=3000, type="market")
    scene.boot()
    scene.wait(DayBegan)
    scene.run(5)
    assert scene.events(KillRequested) == []
    assert scene.position(BTC) == 300
    answer = scene.open(ETH, "buy", "1", "3000", "3300")
    assert isinstance(answer, Denied)
    assert Reason.DAILY_LOSS.value in answer.reasons


def test_after_a_resume_the_days_loss_still_denies(stage: Stage) -> None:
    """A person may end the kill; the limit of the day is not theirs to end."""
    scene = losing(stage)
    scene.bracket(quantity="0.5", stop="99000")
    scene.market.move(btc_usd=99_300)
    scene.wait(FlatVerified)
    scene.run(2)
    assert scene.resume()
    scene.run(3)
    answer = scene.open(stop="98000", target=None)
    assert isinstance(answer, Denied)
    assert answer.reasons == (Reason.DAILY_LOSS.value,)


def test_a_kill_by_the_days_loss_ends_at_midnight(stage: Stage) -> None:
    """A new day, a new baseline, and trading goes on."""
    evening = datetime(2026, 1, 5, 23, 59, 30, tzinfo=UTC)
    scene = losing(stage, start=evening)
    scene.bracket(quantity="0.5", stop="99000")
    scene.market.move(btc_usd=99_300)
    scene.wait(FlatVerified)
    assert not scene.events(KillSwitchReset)
    reset = scene.wait(KillSwitchReset, limit=60)
    assert reset.at.date().isoformat() == "2026-01-06"
    assert scene.events(DayBegan)[-1].day == "2026-01-06"
    scene.run(2)
    scene.bracket(stop="98000")


def test_midnight_does_not_end_a_kill_that_is_not_flat(stage: Stage) -> None:
    """It ends as soon as the account is flat on the new day, not before."""
    evening = datetime(2026, 1, 5, 23, 59, 45, tzinfo=UTC)
    scene = losing(stage, start=evening)
    scene.bracket(quantity="0.5", stop="90000")
    scene.fault(Once(Refusal(10041), *PLACE, times=100_000))
    scene.market.move(btc_usd=99_300)
    scene.wait(KillSwitchActivated)
    scene.run(60)
    assert not scene.events(KillSwitchReset)
    scene.kind()
    scene.wait(FlatVerified)
    scene.wait(KillSwitchReset)


def test_midnight_does_not_end_a_persons_kill(stage: Stage) -> None:
    """Nor one that Risk asked for a second time."""
    evening = datetime(2026, 1, 5, 23, 59, 30, tzinfo=UTC)
    scene = losing(stage, start=evening)
    scene.bracket(quantity="0.5", stop="99000")
    scene.kill()
    scene.market.move(btc_usd=99_300)
    scene.wait(FlatVerified)
    scene.run(60)
    assert not scene.events(KillSwitchReset)
    midnight = Resume(at=scene.world.now(), by="midnight")
    assert not scene.daemon.ask("execution", midnight)


def test_a_kill_until_midnight_does_not_soften_a_persons_kill(stage: Stage) -> None:
    """Killed for good, then once more until midnight: it stays for good."""
    evening = datetime(2026, 1, 5, 23, 59, 30, tzinfo=UTC)
    scene = stage(start=evening).ready()
    scene.kill()
    scene.kill(until_midnight=True)
    scene.wait(FlatVerified)
    scene.run(60)
    assert not scene.events(KillSwitchReset)


def test_a_kill_of_yesterday_is_ended_by_the_next_start(stage: Stage) -> None:
    """The process was down at midnight: the new day is seen at start."""
    evening = datetime(2026, 1, 5, 23, 59, 30, tzinfo=UTC)
    scene = losing(stage, start=evening)
    scene.bracket(quantity="0.5", stop="99000")
    scene.market.move(btc_usd=99_300)
    scene.wait(FlatVerified)
    scene.crash()
    scene.run(60)
    scene.boot()
    scene.wait(KillSwitchReset)
    scene.run(2)
    scene.bracket(stop="98000")


NEW_YORK = ZoneInfo("America/New_York")


def killed_by_loss(stage: Stage, start: datetime, zone: tzinfo) -> Scene:
    """The day's loss has killed, the account is flat, the process is gone."""
    scene = losing(stage, start=start, timezone=zone)
    scene.bracket(quantity="0.5", stop="99000")
    scene.market.move(btc_usd=99_300)
    scene.wait(FlatVerified)
    scene.run(2)
    scene.crash()
    return scene


def stays_killed(scene: Scene, **arguments: Any) -> None:
    scene.boot(**arguments)
    assert scene.wait(Ready).mode == "killed"
    scene.run(10)
    assert scene.events(KillSwitchReset) == []
    assert scene.events(DayBegan) == []
    assert isinstance(scene.open(stop="98000"), Denied)


@pytest.mark.parametrize("is_old", [False, True], ids=["with its day", "of an older version"])
def test_a_kill_rebuilt_from_the_journal_lasts_until_its_own_midnight(
    stage: Stage, *, is_old: bool
) -> None:
    """At half past eight in the evening of New York it is tomorrow by UTC, and not yet here."""
    scene = killed_by_loss(stage, datetime(2026, 1, 6, 1, 30, tzinfo=UTC), NEW_YORK)
    entry = next(x for x in scene.disk.lines if x["event"] == "kill_switch_activated")
    assert entry["day"] == "2026-01-05"
    if is_old:
        dayless = {k: v for k, v in entry.items() if k != "day"}
        scene.disk.lines[scene.disk.lines.index(entry)] = dayless
    scene.disk.tables.clear()
    stays_killed(scene, kept_aside="registry.json.broken")
    assert scene.disk.tables["state"]["kill"]["day"] == "2026-01-05"


def test_a_clock_set_back_over_midnight_ends_no_kill(stage: Stage) -> None:
    """An earlier day is no new one, be it by the clock or by a zone further west."""
    scene = killed_by_loss(stage, datetime(2026, 1, 6, 0, 30, tzinfo=UTC), UTC)
    scene.plan = replace(scene.plan, timezone=NEW_YORK)
    stays_killed(scene)


def test_a_day_that_a_wrong_clock_began_is_left_once_the_clock_is_right(stage: Stage) -> None:
    """Else the loss would be measured from there for years."""
    scene = stage().ready()
    scene.crash()
    scene.disk.tables["state"]["day"]["day"] = "2036-01-05"
    scene.boot()
    assert scene.wait(DayBegan).day == "2026-01-05"


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
