"""Watcher, reaper and alerter: what is seen, what is removed, and what a person hears."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from actors.messages.alerts import AlertDelayed, AlertDelivered
from actors.messages.book import DiskFailed, DiskRecovered
from actors.messages.risk import Denied
from actors.messages.session import SessionOpened
from actors.messages.trading import Ready, TradeClosed
from actors.messages.watch import (
    OrphanCancelled,
    OrphanKept,
    PositionAgreed,
    PositionDrifted,
    ProtectionMissing,
    ProtectionRestored,
)
from actors.reaper import CONFIRM_SECONDS
from simulation.daemon import default_plan
from simulation.venue import Fate, Refusal
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, ETH, LINEAR, Once, Scene

OPENED = {"channels": 0, "scope": "", "expires_in": 900}


def orphan(scene: Scene, label: str, **changes: object) -> str:
    """An order with our label that no trade owns; returns its id."""
    order = {
        "instrument_name": BTC,
        "amount": 100,
        "type": "limit",
        "price": Decimal(90000),
        "label": label,
    } | changes
    return str(scene.market.ask("private/buy", **order)["order"]["order_id"])


# -- watcher ----------------------------------------------------------------------------------


def test_a_gap_shorter_than_two_looks_is_not_told(stage: Stage) -> None:
    """One look proves nothing: brackets come and go without a false alarm."""
    scene = stage().ready()
    for _ in range(4):
        trade_id = scene.bracket()
        scene.run(0.7)
        scene.close_trade(trade_id)
        scene.wait(TradeClosed)
        scene.run(0.7)
    assert not scene.events(ProtectionMissing)
    assert not scene.events(PositionDrifted)


def test_a_naked_position_that_is_not_ours_is_told_once_and_so_is_its_end(stage: Stage) -> None:
    """Critical, from venue data alone; over when it is covered or gone."""
    scene = stage().ready()
    scene.market.ask("private/buy", instrument_name=ETH, amount=2000, type="market")
    missing = scene.wait(ProtectionMissing)
    assert (missing.instrument, missing.position, missing.ours) == (ETH, 2000, 0)
    assert missing.cover == 0
    scene.run(10)
    assert len(scene.events(ProtectionMissing)) == 1
    scene.market.ask(
        "private/sell",
        instrument_name=ETH,
        amount=2000,
        type="stop_market",
        trigger="mark_price",
        trigger_price=Decimal(3000),
        reduce_only=True,
    )
    assert scene.wait(ProtectionRestored).instrument == ETH
    (told,) = [text for text in scene.phone.heard if "NO STOP" in text]
    assert "No trade of ours holds it" in told


# -- reaper -----------------------------------------------------------------------------------


def test_protection_is_looked_at_twice_before_anything_else_is_read(stage: Stage) -> None:
    """The account's figures cannot be had: a stop that is gone is missed all the same, and told of
    when its trade cannot repair it."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    unreadable = Once(Fate.REPLY_LOST, "private/get_account_summaries", times=1000)
    scene.fault(unreadable)
    scene.run(20)
    scene.fault(unreadable, Once(Fate.REQUEST_LOST, "private/sell"))
    (stop,) = scene.stops(trade_id)
    scene.market.lost_notifications = True
    scene.market.ask("private/cancel", order_id=stop.order_id)
    scene.run(0.1)
    scene.market.lost_notifications = False
    assert scene.wait(ProtectionMissing, limit=8.0).ours == 500
    scene.until(lambda: scene.cover(BTC) == scene.position() == 500, limit=1.0)


@pytest.mark.parametrize("every", [0.3, 0.5, 0.7])
def test_a_bare_position_that_grows_and_grows_holds_up_nothing_else(
    stage: Stage, every: float
) -> None:
    """A program builds it up order by order, so each look finds more of it. What a person does
    unheard elsewhere is seen all the same, and the phone hears of the growth now and then."""
    scene = stage(plan=default_plan(instruments=(BTC,))).ready()
    trade_id = scene.bracket()

    def grow(seconds: float) -> None:
        for _ in range(int(seconds / every)):
            scene.market.ask("private/buy", instrument_name=ETH, amount=10, type="market")
            scene.run(every)

    grow(10)
    scene.market.lost_notifications = True
    scene.market.ask("private/close_position", instrument_name=BTC, type="market")
    scene.run(0.1)
    scene.market.lost_notifications = False
    grow(5)
    assert scene.is_over(trade_id)
    grow(45)
    assert 5 <= len(scene.events(ProtectionMissing)) <= 8


def test_a_start_beside_a_bare_position_that_grows_and_grows_becomes_ready(stage: Stage) -> None:
    scene = stage(plan=default_plan(instruments=(BTC,)))
    scene.boot()
    for _ in range(20):
        scene.market.ask("private/buy", instrument_name=ETH, amount=10, type="market")
        scene.run(0.5)
    assert scene.events(Ready)


def test_an_orphan_goes_at_its_second_sighting_and_not_before(stage: Stage) -> None:
    """Seen once it may be on its way into the book; seen twice it is nobody's."""
    scene = stage().ready()
    scene.run(3)
    order_id = orphan(scene, "bw.gone.entry.1")
    scene.until(lambda: bool(scene.events(OrphanCancelled)), 40)
    cancels = [p["order_id"] for p in scene.market.sent("private/cancel")]
    assert cancels == [order_id]
    looks = [method for method, _ in scene.market.calls]
    assert looks.count("private/get_open_orders") >= 2
    assert scene.live() == []


def test_an_orphan_seen_once_is_left_alone(stage: Stage) -> None:
    """It is gone before the second sighting: not one cancel is sent."""
    scene = stage().ready()
    scene.run(3)
    before = len(scene.market.sent("private/get_open_orders"))
    order_id = orphan(scene, "bw.gone.entry.1")
    scene.daemon.system.address("reaper").tell(SessionOpened(**OPENED, at=scene.world.now()))
    scene.run(CONFIRM_SECONDS + 0.1)
    assert len(scene.market.sent("private/get_open_orders")) > before
    scene.market.ask("private/cancel", order_id=order_id)
    scene.run(10)
    assert not scene.market.sent("private/cancel")


def test_an_orphan_whose_label_is_odd_goes_too(stage: Stage) -> None:
    """Ours by its beginning, owned by no trade that could ever claim it."""
    scene = stage().ready()
    orphan(scene, "bw.what-is-this")
    scene.wait(OrphanCancelled, limit=40)


def test_the_last_stop_of_a_position_is_kept_and_said_once(stage: Stage) -> None:
    """Nobody owns it, but it is all the position has."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    scene.crash()
    scene.disk.tables["trades"].clear()
    scene.boot()
    scene.wait(OrphanKept, limit=40)
    scene.run(100)
    assert len(scene.events(OrphanKept)) == 1
    assert [x.label for x in scene.live()] == [f"bw.{trade_id}.sl.1"]
    scene.market.ask("private/close_position", instrument_name=BTC, type="market")
    scene.run(40)
    assert scene.live() == []


@pytest.mark.parametrize("code", [11044, 10004, 11050])
def test_a_reaper_that_is_refused_goes_on(stage: Stage, code: int) -> None:
    """Gone already is fine; anything else is tried again at the next sweep."""
    scene = stage().ready()
    orphan(scene, "bw.gone.entry.1")
    scene.fault(Once(Refusal(code), "private/cancel"))
    scene.run(80)
    assert scene.live() == []


def test_a_sweep_that_fails_counts_nothing(stage: Stage) -> None:
    """An error is no sighting: two good ones are needed after it."""
    scene = stage().ready()
    scene.run(4)
    orphan(scene, "bw.gone.entry.1")
    scene.fault(Once(Fate.REPLY_LOST, "private/get_open_orders", times=100))
    scene.run(60)
    assert not scene.events(OrphanCancelled)
    scene.kind()
    scene.wait(OrphanCancelled, limit=60)


def test_cancels_of_the_reaper_that_get_lost_are_repeated(stage: Stage) -> None:
    """Unknown outcome: the next sweep sees what became of it."""
    scene = stage().ready()
    orphan(scene, "bw.gone.entry.1")
    scene.fault(Once(Fate.REQUEST_LOST, "private/cancel", times=4))
    scene.run(100)
    assert scene.live() == []


def test_orphans_whose_cancels_are_not_answered_have_their_turn_one_after_the_other(
    stage: Stage,
) -> None:
    """One sweep has its time, whatever there is to be swept. (With six of them it took so long that
    the reaper counted as hung, and the process ended.)"""
    scene = stage().ready()
    left = {orphan(scene, f"bw.gone{number}.tp.1") for number in range(9)}

    def lost(method: str, params: Mapping[str, Any]) -> Fate | None:
        if method != "private/cancel":
            return None
        left.discard(params["order_id"])
        return Fate.REQUEST_LOST

    scene.market.faults = lost
    scene.run(100)
    assert not scene.daemon.finished.is_set
    assert not left
    scene.kind()
    scene.until(lambda: not scene.live(), limit=40)


# -- alerter ----------------------------------------------------------------------------------


def test_what_a_limit_holds_back_is_said_when_its_time_is_over(stage: Stage) -> None:
    """Three refused stops within a second: the first at once, the last with the number."""
    scene = stage().ready()
    scene.fault(Once(Refusal(10009), "private/sell", times=3))
    scene.open()
    scene.wait(TradeClosed)
    scene.run(1)
    told = [text for text in scene.phone.heard if "refused (10009" in text]
    assert len(told) == 1
    scene.run(70)
    told = [text for text in scene.phone.heard if "refused (10009" in text]
    assert len(told) == 2
    assert "failure 3" in told[1]
    assert "the last of 2 such messages" in told[1]


def test_alerts_wait_for_the_phone_and_critical_ones_go_first(stage: Stage) -> None:
    """Off for minutes: nothing is lost, and what matters most is heard first."""
    scene = stage().ready()
    scene.phone.is_off = True
    heard = len(scene.phone.heard)
    scene.bracket()
    scene.wait(AlertDelayed)
    scene.run(30)
    scene.kill()
    scene.run(120)
    scene.phone.is_off = False
    scene.run(70)
    told = scene.phone.heard[heard:]
    assert [text.startswith("!") for text in told] == sorted(
        (text.startswith("!") for text in told), reverse=True
    )
    for word in ("KILL by", "Verified flat", "Opened", "Closed"):
        assert sum(word in text for text in told) == 1
    assert scene.disk.tables["outbox"] == {}


def test_alerts_survive_crashes_until_somebody_hears_them(stage: Stage) -> None:
    """Two processes die with alerts unsent; the third delivers all of them, each once."""
    scene = stage().ready()
    scene.phone.is_off = True
    scene.bracket()
    scene.run(2)
    scene.crash()
    scene.boot()
    scene.wait(Ready)
    scene.kill()
    scene.run(8)
    scene.crash()
    scene.phone.is_off = False
    scene.boot()
    scene.run(10)
    for word in ("Opened", "KILL by", "Closed"):
        assert sum(word in text for text in scene.phone.heard) == 1
    assert scene.disk.tables["outbox"] == {}


def test_a_person_hears_of_new_trouble_at_once_while_the_line_comes_and_goes(stage: Stage) -> None:
    """A critical alert does not wait for the long pause of a failing line."""
    scene = stage().ready()
    scene.phone.is_off = True
    scene.bracket()
    scene.run(200)
    scene.phone.is_off = False
    scene.kill()
    scene.run(3)
    assert any("KILL by" in text for text in scene.phone.heard)
    assert scene.events(AlertDelivered)


def test_a_trade_that_begins_and_ends_unheard_between_two_looks_is_missed(stage: Stage) -> None:
    """No position tells of it; that its entry rests no more does. (Seeds 606868, 604910.)"""
    scene = stage().ready()
    scene.open(entry_type="limit", price=Decimal(99_900))
    scene.run(2)
    scene.until(lambda: bool(scene.live()))
    scene.market.lost_notifications = True
    scene.market.move(btc_usd=99_850)
    scene.market.ask("private/close_position", instrument_name=BTC, type="market")
    scene.run(0.1)
    scene.market.lost_notifications = False
    assert scene.position() == 0
    closed = scene.wait(TradeClosed, limit=12)
    assert closed.exit_reason == "manual"
    scene.run(3)
    assert scene.booked == []


# -- disk -------------------------------------------------------------------------------------


def test_a_full_disk_keeps_protection_going_and_loses_nothing(stage: Stage) -> None:
    """The trade runs and ends on a full disk; when it has room, book and journal are whole."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    scene.disk.is_full = True
    other = scene.open(ETH, "buy", "1.5", "3100", "3300")
    assert isinstance(other, Denied)
    scene.market.move(btc_usd=101_300)
    scene.wait(TradeClosed)
    scene.run(5)
    assert {event.what for event in scene.events(DiskFailed)} == {"registry", "journal"}
    assert scene.booked == [trade_id]
    scene.disk.is_full = False
    scene.wait(DiskRecovered, 2)
    scene.run(3)
    assert scene.booked == []
    closed = [x for x in scene.disk.lines if x["event"] == "trade_closed"]
    assert [x["trade_id"] for x in closed] == [trade_id]
    scene.bracket(ETH, "buy", "1.5", "3100", "3300")
    assert sum("DISK" in text for text in scene.phone.heard) == 2


def test_a_crash_on_a_full_disk_finds_the_trade_by_what_was_on_it(stage: Stage) -> None:
    """The last records were never written: the venue's truth is read, the trade goes on."""
    scene = stage().ready()
    trade_id = scene.bracket(LINEAR)
    scene.run(1)
    scene.disk.is_full = True
    scene.market.move(btc_usd=98_800)
    scene.wait(TradeClosed)
    scene.run(2)
    scene.crash()
    scene.disk.is_full = False
    scene.boot()
    scene.wait(Ready)
    scene.run(3)
    assert scene.is_over(trade_id)
    closed = [x for x in scene.disk.lines if x["event"] == "trade_closed"]
    assert len(closed) == 1
    scene.settled()


def test_a_journal_that_cannot_be_written_closes_the_door(stage: Stage) -> None:
    """History is needed to rebuild the book: without it nothing new is begun."""
    scene = stage().ready()
    scene.disk.is_full = True
    scene.market.ask("private/buy", instrument_name=ETH, amount=10, type="market")
    scene.wait(DiskFailed)
    answer = scene.open()
    assert isinstance(answer, Denied)
    scene.disk.is_full = False
    scene.wait(DiskRecovered)
    scene.market.ask("private/sell", instrument_name=ETH, amount=10, type="market")
    scene.wait(PositionAgreed)
    scene.run(3)
    scene.bracket()
