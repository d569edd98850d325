"""The day's loss: at its limit everything is closed, once, until the day is over."""

from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from actors.messages.risk import DayBegan, Denied, GetRisk, KillRequested
from actors.messages.trading import (
    FlatVerified,
    KillSwitchActivated,
    KillSwitchReset,
    ProtectOnlyBegan,
    Ready,
    Resume,
)
from adapters.deribit.channels import account_channels, market_channels
from domain.risk import Reason
from simulation.daemon import default_plan
from simulation.venue import Fate, Refusal
from tests.scenarios.conftest import SMALL, Stage, is_flat, losing
from tests.scenarios.scene import BTC, ETH, LINEAR, PLACE, Once, Scene


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


def test_what_is_lost_after_a_resume_kills_again(stage: Stage) -> None:
    """It is worth less where the index falls, an entry is let in, and what that loses counts."""
    scene = let_in_again(stage)
    scene.market.move(btc_usd=78_000)
    scene.run(5)
    assert len(scene.events(KillSwitchActivated)) == 2
    is_flat(scene)


def test_what_is_lost_after_a_resume_and_a_crash_kills_again(stage: Stage) -> None:
    """That an entry was let in outlives the process."""
    scene = let_in_again(stage)
    scene.crash()
    scene.boot()
    scene.wait(Ready)
    scene.market.move(btc_usd=78_000)
    scene.wait(FlatVerified, limit=10)
    is_flat(scene)


def test_a_loss_that_wavers_around_its_limit_after_a_resume_kills_nothing(stage: Stage) -> None:
    """Nothing was let in that could have lost: it is the same loss at another index."""
    scene = killed_and_resumed(stage)
    for price in (80_000, 110_000, 80_000, 110_000):
        scene.market.move(btc_usd=price)
        scene.run(3)
    assert len(scene.events(KillRequested)) == 1
    assert len(scene.events(KillSwitchActivated)) == 1


def test_the_kill_of_a_day_that_a_person_ended_is_not_made_again_by_a_restart(
    stage: Stage,
) -> None:
    """He was told once, and has decided; what he holds by hand is his."""
    scene = killed_and_resumed(stage)
    scene.market.ask("private/buy", instrument_name=BTC, amount=3000, type="market")
    scene.run(5)
    scene.crash()
    scene.boot()
    assert scene.wait(Ready).mode == "trading"
    scene.run(10)
    assert scene.position(BTC) == 300
    assert scene.events(KillRequested) == []


@pytest.mark.parametrize("is_first", [True, False])
def test_a_persons_kill_beside_that_of_the_days_loss_is_his_decision_too(
    stage: Stage, *, is_first: bool
) -> None:
    """He killed just before the limit, or within the second after it; then he ended it."""
    scene = losing(stage)
    scene.bracket(quantity="0.5", stop="99000")
    scene.run(1)
    scene.fault(Once(Refusal(10041), *PLACE, times=8))
    if is_first:
        scene.kill()
    scene.market.move(btc_usd=99_460)
    if not is_first:
        scene.wait(KillSwitchActivated)
        scene.kill()
    scene.wait(FlatVerified)
    scene.run(3)
    assert scene.events(KillRequested)
    assert scene.resume()
    scene.market.ask("private/buy", instrument_name=BTC, amount=3000, type="market")
    scene.run(5)
    scene.crash()
    scene.boot()
    assert scene.wait(Ready).mode == "trading"
    scene.run(10)
    assert scene.position(BTC) == 300


def test_a_kill_for_the_days_loss_that_a_crash_cut_short_is_made_by_the_next_process(
    stage: Stage,
) -> None:
    """Asked for is not made: the loss is still there, and so is the limit."""
    scene = losing(stage)
    scene.bracket(quantity="0.5", stop="90000")
    scene.run(1)
    scene.disk.is_full = True
    scene.market.move(btc_usd=99_300)
    scene.wait(KillRequested)
    scene.crash()
    scene.disk.is_full = False
    scene.boot()
    scene.wait(KillSwitchActivated)
    scene.wait(FlatVerified)


def test_a_loss_of_the_new_day_counts_while_yesterdays_kill_is_not_flat(stage: Stage) -> None:
    """It asked for a kill while one was in force: the next trade's loss asks again."""
    evening = datetime(2026, 1, 5, 23, 59, 45, tzinfo=UTC)
    scene = losing(stage, start=evening)
    scene.bracket(quantity="0.5", stop="90000")
    scene.fault(Once(Refusal(10041), *PLACE, times=100_000))
    scene.market.move(btc_usd=99_300)
    scene.wait(KillSwitchActivated)
    scene.run(30)
    scene.market.move(btc_usd=98_000)
    scene.run(5)
    assert scene.events(KillRequested)[-1].day == "2026-01-06"
    scene.market.move(btc_usd=99_300)
    scene.run(5)
    scene.kind()
    scene.wait(FlatVerified)
    scene.wait(KillSwitchReset)
    scene.run(3)
    scene.bracket(quantity="0.5", stop="90000", target="110000")
    scene.run(1)
    scene.market.move(btc_usd=98_000)
    scene.run(5)
    assert len(scene.events(KillSwitchActivated)) == 2
    is_flat(scene)


def without(scene: Scene, *names: str) -> None:
    """The process starts again, and trades these no more: `INSTRUMENTS` was changed."""
    scene.crash()
    kept = tuple(x for x in scene.plan.instruments if x not in names)
    channels = (*account_channels(), *(x for name in kept for x in market_channels(name)))
    scene.plan = replace(scene.plan, instruments=kept, channels=channels)
    scene.boot()


def day_usd(scene: Scene) -> Decimal:
    """The equity that the day's limit is a part of."""
    snapshot = scene.daemon.ask("risk", GetRisk(at=scene.world.now()))
    return round(snapshot.day.usd, -1)


@pytest.mark.parametrize(
    ("dropped", "left"),
    [((ETH,), 110_000), ((LINEAR,), 132_000), ((ETH, LINEAR), 100_000)],
)
def test_a_currency_that_is_traded_no_more_is_no_part_of_the_day(
    stage: Stage, dropped: tuple[str, ...], left: int
) -> None:
    """Nor is its value one of what the limit is a part of; another restart takes nothing more."""
    scene = losing(stage)
    scene.bracket(quantity="0.5", stop="90000")
    without(scene, *dropped)
    scene.wait(Ready, limit=10)
    scene.run(2)
    assert day_usd(scene) == left
    scene.crash()
    scene.boot()
    scene.wait(Ready, limit=10)
    assert day_usd(scene) == left
    scene.market.move(btc_usd=99_300)
    assert scene.wait(KillRequested, limit=10).limit_usd == pytest.approx(left * 0.002, rel=1e-3)
    scene.wait(FlatVerified)
    assert scene.events(DayBegan) == []


def test_a_day_of_other_currencies_alone_goes_on_with_what_is_traded_now(stage: Stage) -> None:
    """What is held in those counts as paid in: nothing of it was lost before."""
    scene = stage(plan=replace(default_plan(), instruments=(BTC,)), balances=SMALL).ready()
    assert day_usd(scene) == 100_000
    scene.crash()
    scene.plan = replace(scene.plan, instruments=(LINEAR,))
    scene.boot()
    scene.wait(Ready, limit=10)
    scene.run(2)
    assert day_usd(scene) == 10_000
    scene.bracket(LINEAR)


def test_what_a_currency_owes_was_not_paid_in(stage: Stage) -> None:
    """It held nothing in the morning: what is below nothing now was lost since."""
    scene = losing(stage, balances=SMALL | {"USDC": Decimal(0)})
    scene.engine.account.balances["USDC"] = Decimal(-3_000)
    scene.engine.revision += 1
    requested = scene.wait(KillRequested, limit=10)
    assert requested.result_usd == -3_000
    scene.run(5)
    view = scene.daemon.ask("risk", GetRisk(at=scene.world.now()))
    assert view.result_usd == -3_000


def boot_without_eth_prices(scene: Scene) -> None:
    """A new process to which ETH's ticker never comes: a book that is not open, or delisted."""
    usual = scene.plan
    channels = tuple(x for x in usual.channels if not x.startswith("ticker.ETH-"))
    scene.plan = replace(usual, channels=channels)
    scene.boot()
    scene.plan = usual


def over_midnight_without_eth_prices(stage: Stage, eth: Decimal) -> Scene:
    """Such a process, a minute after midnight, with a trade that is open since yesterday."""
    evening = datetime(2026, 1, 5, 23, 59, tzinfo=UTC)
    scene = losing(stage, start=evening, balances=SMALL | {"ETH": eth})
    scene.crash()
    boot_without_eth_prices(scene)
    scene.wait(Ready)
    scene.run(2)
    scene.bracket(quantity="0.5", stop="90000")
    scene.run(90)
    return scene


def test_a_currency_of_which_nothing_is_held_needs_no_price_at_midnight(stage: Stage) -> None:
    """The new day never began, and meanwhile no loss was looked at."""
    scene = over_midnight_without_eth_prices(stage, Decimal(0))
    assert scene.wait(DayBegan).day == "2026-01-06"
    scene.market.move(btc_usd=99_300)
    assert scene.wait(KillRequested, limit=10).day == "2026-01-06"
    scene.wait(FlatVerified)


def test_a_day_that_cannot_begin_leaves_the_old_one_to_judge_losses(stage: Stage) -> None:
    """What is open is watched by yesterday, nothing is let in, and the kill lasts until today."""
    scene = over_midnight_without_eth_prices(stage, Decimal(10))
    assert scene.events(DayBegan) == []
    answer = scene.open(LINEAR)
    assert isinstance(answer, Denied)
    assert answer.reasons == (Reason.NO_BASELINE.value,)
    scene.market.move(btc_usd=99_300)
    assert scene.wait(KillRequested, limit=10).day == "2026-01-05"
    scene.wait(FlatVerified)
    scene.run(10)
    assert len(scene.events(KillRequested)) == 1
    assert scene.events(KillSwitchReset) == []
    scene.crash()
    scene.boot()
    assert scene.wait(DayBegan).day == "2026-01-06"
    scene.wait(KillSwitchReset)
    scene.run(3)
    scene.bracket(stop="98000")


def test_a_start_whose_day_cannot_begin_is_not_ready(stage: Stage) -> None:
    """Nothing would be let in: it says why, and guards what is open."""
    scene = over_midnight_without_eth_prices(stage, Decimal(10))
    scene.crash()
    boot_without_eth_prices(scene)
    assert "equity" in scene.wait(ProtectOnlyBegan).reason
    assert scene.events(Ready) == []
    assert scene.cover(BTC) == scene.position(BTC) == 5000


def held_more(scene: Scene, day: str) -> None:
    """The process was last up on that day, and then the account held a coin more."""
    scene.crash()
    baseline = scene.disk.tables["state"]["day"]
    btc = next(x for x in baseline["equity"] if x["currency"] == "BTC")
    btc["equity"] = str(Decimal(btc["equity"]) + 1)
    baseline["day"] = day


def test_a_day_long_ago_judges_nothing(stage: Stage) -> None:
    """What was paid out while the process was away is no loss, though today cannot begin."""
    scene = losing(stage)
    scene.bracket(quantity="0.5", stop="90000")
    held_more(scene, "2026-01-03")
    boot_without_eth_prices(scene)
    scene.wait(ProtectOnlyBegan)
    scene.run(10)
    assert scene.events(KillRequested) == []
    assert scene.position(BTC) == 5000


def test_yesterday_judges_nothing_where_today_begins_at_once(stage: Stage) -> None:
    """A start after midnight: the account's first news come before it has been looked at."""
    scene = losing(stage)
    scene.bracket(quantity="0.5", stop="90000")
    held_more(scene, "2026-01-04")
    scene.boot()
    scene.fault(Once(Fate.REQUEST_LOST, "private/get_account_summaries", times=4))
    scene.wait(Ready)
    scene.run(10)
    assert scene.events(DayBegan)
    assert scene.events(KillRequested) == []
    assert scene.position(BTC) == 5000


def killed_and_resumed(stage: Stage) -> Scene:
    """The day's loss has killed, everything is flat, and a person has ended the kill."""
    scene = losing(stage)
    scene.bracket(quantity="0.5", stop="99000")
    scene.run(1)
    scene.market.move(btc_usd=99_460)
    scene.wait(FlatVerified)
    scene.run(3)
    assert scene.resume()
    scene.run(1)
    return scene


def let_in_again(stage: Stage) -> Scene:
    """The index has fallen since, the day's loss is worth less, and a trade is open."""
    scene = killed_and_resumed(stage)
    scene.market.move(btc_usd=80_000)
    scene.run(3)
    scene.bracket(quantity="0.5", stop="70000", target="95000")
    scene.run(1)
    return scene
