"""Alerts over outages, doubts, refusals and crashes: each arrives, and says what it must."""

from collections.abc import Callable, Mapping
from datetime import UTC, time, timedelta
from typing import Any

import orjson
import pytest

from actors import alert_outbox
from actors.alert_daily import report_due
from actors.door import DeskDoor
from actors.messages.alerts import (
    AcknowledgeAlerts,
    AlertDelivered,
    AlertDropped,
    AlertsAcknowledged,
    CrashFound,
    DeliveryReport,
)
from actors.messages.base import Event
from actors.messages.book import ClearPause, RecordPause
from actors.messages.lifecycle import ChildFailed, ChildRestarted, Phase
from actors.messages.session import SessionLost, SessionRestored
from actors.messages.signals import RegimeChanged
from actors.messages.telegram import PollingConflicted, PollingResumed
from actors.messages.trading import DIRECT, FlatVerified, KillSwitchActivated, NotFlatYet, Ready
from actors.messages.watch import PositionAgreed, PositionDrifted
from actors.ports import Notice
from domain.strategies import BreakoutSettings
from simulation.daemon import Disk, Opened, Phone, default_plan
from simulation.runtime import VirtualWorld
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, ETH, Scene

Done = Callable[[DeliveryReport], None]
REPEAT = 120.0


class OddPhone(Phone):
    """A phone that does what ``answers`` say, one a delivery, and then behaves.

    An answer is a report's fields, or None for silence. What was taken is in `Phone.heard`.
    """

    def __init__(self, scene: Scene, *answers: dict[str, Any] | None) -> None:
        super().__init__()
        self.scene = scene
        self.answers = list(answers)
        self.sent: list[Notice] = []

    def send(self, notice: Notice, done: Done) -> None:
        self.sent.append(notice)
        if not self.answers:
            super().send(notice, done)
            return
        answer = self.answers.pop(0)
        if answer is not None:
            done(DeliveryReport(at=self.scene.world.now(), number=notice.number, **answer))


def odd(scene: Scene, *answers: dict[str, Any] | None) -> OddPhone:
    """The scene's next daemon has this phone."""
    phone = OddPhone(scene, *answers)
    scene.phone = phone
    return phone


def acknowledge(scene: Scene, up_to: int = 0) -> None:
    message = AcknowledgeAlerts(at=scene.world.now(), by="7", up_to=up_to)
    scene.daemon.system.address("alerter").tell(message)
    scene.run(1)


def repeats(scene: Scene) -> list[str]:
    return [text for text in scene.phone.heard if "NOT ACKNOWLEDGED" in text]


# -- one delivery ----------------------------------------------------------------------------------


def test_a_delivery_of_unknown_outcome_is_repeated_and_says_so(stage: Stage) -> None:
    """It may have arrived: at least once, and the person can tell why it came twice."""
    scene = stage()
    phone = odd(scene, {"error": "timed out", "is_unknown": True})
    scene.ready()
    scene.run(5)
    first, second = phone.sent[:2]
    assert first.number == second.number
    assert "Perhaps a repeat" not in first.text
    assert "Perhaps a repeat" in second.text
    assert scene.events(AlertDelivered)[0].number == first.number


def test_a_delivery_that_provably_failed_does_not_speak_of_repeats(stage: Stage) -> None:
    """Refused by the network before a byte was sent: it is simply sent again."""
    scene = stage()
    phone = odd(scene, {"error": "no route to host"})
    scene.ready()
    scene.run(5)
    assert phone.sent[0] == phone.sent[1]


def test_the_channel_is_left_alone_for_as_long_as_it_wants(stage: Stage) -> None:
    """429 with retry_after: nothing is sent before, not even something critical."""
    scene = stage()
    phone = odd(scene, {"error": "flood", "retry_after_seconds": 40.0})
    scene.ready()
    scene.kill()
    scene.run(30)
    assert len(phone.sent) == 1
    scene.run(15)
    assert len(phone.sent) > 3
    assert "KILL" in phone.sent[1].text


def test_a_channel_that_says_nothing_is_tried_again(stage: Stage) -> None:
    """A delivery of which nothing is heard for two minutes counts as unknown."""
    scene = stage()
    phone = odd(scene, None)
    scene.ready()
    scene.run(100)
    assert len(phone.sent) == 1
    scene.run(40)
    assert "Perhaps a repeat" in phone.sent[1].text
    assert scene.disk.tables["outbox"] == {}


def test_what_is_told_late_says_when_it_happened(stage: Stage) -> None:
    """After an outage the person must not take the past for the present."""
    scene = stage()
    scene.ready()
    scene.phone.is_off = True
    scene.bracket()
    scene.rest(400)
    scene.phone.is_off = False
    scene.run(70)
    (opened,) = [text for text in scene.phone.heard if "Opened" in text]
    assert "Raised at 09:00:" in opened
    assert "min ago." in opened


def test_a_text_that_is_always_refused_holds_up_nobody_and_is_given_up(stage: Stage) -> None:
    """An ordinary one after some tries, with a word about it; what comes behind goes through."""
    scene = stage()

    class Picky(OddPhone):
        def send(self, notice: Notice, done: Done) -> None:
            if "Ready" in notice.text:
                self.answers.insert(0, {"error": "bad request", "is_refused": True})
            super().send(notice, done)

    phone = Picky(scene)
    scene.phone = phone
    scene.ready()
    scene.run(3)
    scene.bracket()
    scene.run(60)
    assert any("Opened" in text for text in phone.heard)
    (dropped,) = scene.events(AlertDropped)
    assert dropped.alert == "ready"
    assert any("not delivered: ready" in text for text in phone.heard)


def test_a_critical_alert_is_never_given_up(stage: Stage) -> None:
    """However often it is refused, it stays and is tried; others go through meanwhile."""
    scene = stage()

    class Deaf(OddPhone):
        is_deaf = True

        def send(self, notice: Notice, done: Done) -> None:
            if self.is_deaf and "KILL" in notice.text:
                self.answers.insert(0, {"error": "bad request", "is_refused": True})
            super().send(notice, done)

    phone = Deaf(scene)
    scene.phone = phone
    scene.ready()
    scene.kill()
    scene.rest(900)
    assert any("Verified flat" in text for text in phone.heard)
    assert sum("KILL" in x.text for x in phone.sent) > alert_outbox.REFUSALS_LIMIT
    phone.is_deaf = False
    scene.run(61)
    assert sum("KILL" in text for text in phone.heard) == 1


def test_an_outage_of_days_does_not_swell_the_book(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many ordinary alerts: the oldest are given up, and how many is said afterwards."""
    monkeypatch.setattr(alert_outbox, "ORDINARY_LIMIT", 3)
    scene = stage()
    scene.ready()
    scene.phone.is_off = True
    for _ in range(3):
        scene.bracket()
        scene.market.move(btc_usd=90_000)
        scene.run(30)
        scene.market.move(btc_usd=100_000)
        scene.run(30)
    assert len(scene.disk.tables["outbox"]) <= 3
    dropped = len(scene.events(AlertDropped))
    assert dropped > 2
    scene.phone.is_off = False
    scene.rest(700)
    assert any(f"the last of {dropped - 1} such" in text for text in scene.phone.heard)


# -- critical ones: until somebody has seen them ---------------------------------------------------


def test_a_critical_alert_is_repeated_until_it_is_acknowledged(stage: Stage) -> None:
    """Every so many minutes, all of them in one message; the button ends it."""
    scene = stage(plan=default_plan(alert_repeat=REPEAT)).ready()
    scene.kill()
    scene.rest(REPEAT - 30)
    assert repeats(scene) == []
    scene.run(60)
    (text,) = repeats(scene)
    assert text.startswith("! NOT ACKNOWLEDGED: 2 critical alerts\n")
    assert "KILL by" in text
    assert "Verified flat" in text
    scene.rest(REPEAT)
    assert len(repeats(scene)) == 2
    acknowledge(scene)
    assert scene.events(AlertsAcknowledged)[0].alerts == 2
    assert scene.disk.tables["outbox"] == {}
    scene.rest(3 * REPEAT)
    assert len(repeats(scene)) == 2


def test_a_button_acknowledges_what_was_there_when_it_was_shown(stage: Stage) -> None:
    """What came after it is repeated still."""
    scene = stage(plan=default_plan(alert_repeat=REPEAT))
    phone = odd(scene)
    scene.ready()
    scene.kill()
    scene.run(5)
    (kill,) = [x for x in phone.sent if "KILL" in x.text]
    assert kill.can_be_acknowledged
    acknowledge(scene, kill.number)
    scene.rest(REPEAT + 30)
    (text,) = repeats(scene)
    assert "NOT ACKNOWLEDGED: 1 critical alert\n" in text
    assert "KILL" not in text


def test_the_repeating_survives_a_crash(stage: Stage) -> None:
    """Who was not there before the crash is still told after it."""
    scene = stage(plan=default_plan(alert_repeat=REPEAT)).ready()
    scene.kill()
    scene.run(30)
    scene.crash()
    scene.boot()
    scene.rest(REPEAT + 30)
    assert len(repeats(scene)) == 1
    assert sum(text.startswith("! KILL") for text in scene.phone.heard) == 1


def test_without_anybody_who_could_acknowledge_nothing_is_repeated(stage: Stage) -> None:
    """No list of users, no button, no repeats."""
    scene = stage()
    phone = odd(scene)
    scene.ready()
    scene.kill()
    scene.rest(3 * REPEAT)
    assert repeats(scene) == []
    assert not any(x.can_be_acknowledged for x in phone.sent)


# -- crashes ---------------------------------------------------------------------------------------


def test_a_crash_is_told_and_an_ordered_stop_is_not(stage: Stage) -> None:
    """The person learns that the daemon was away, and for how long."""
    scene = stage().ready()
    scene.daemon.stop()
    scene.boot()
    scene.wait(Ready)
    assert scene.events(CrashFound) == []
    scene.run(30)
    scene.crash()
    scene.run(20)
    scene.boot()
    scene.wait(Ready)
    assert scene.events(CrashFound)[0].silent_seconds >= 20
    scene.run(2)
    (told,) = [text for text in scene.phone.heard if "RESTARTED" in text]
    silent = scene.events(CrashFound)[0].silent_seconds
    assert f"last journal entry is {silent:.0f} s older than this start" in told


def test_a_critical_event_that_only_the_journal_has_is_told_by_the_next_process(
    stage: Stage,
) -> None:
    """The process died between the journal and the outbox: the event is found there and told."""
    scene = stage().ready()
    scene.run(5)
    scene.crash()
    entry = {
        "ts": scene.world.now().isoformat(),
        "event": "kill_switch_activated",
        "level": "critical",
        "reason": "a drill",
        "by": "nobody",
        "until_midnight": False,
    }
    scene.disk.lines.append(entry)
    scene.boot()
    scene.run(5)
    told = [text for text in scene.phone.heard if "KILL by nobody: a drill" in text]
    assert len(told) == 1
    assert "Perhaps a repeat" in told[0]
    scene.crash()
    scene.boot()
    scene.run(5)
    assert sum("a drill" in text for text in scene.phone.heard) == 1
    assert scene.events(KillSwitchActivated) == []


def test_entries_that_make_no_sense_do_not_stop_the_alerter(stage: Stage) -> None:
    """The journal of another version, or a damaged one."""
    scene = stage().ready()
    scene.crash()
    now = scene.world.now().isoformat()
    scene.disk.lines += [
        {},
        {"event": "flat_verified"},
        {"event": "flat_verified", "ts": "yesterday"},
        {"event": "flat_verified", "ts": "2026-01-05T09:00:00"},
        {"event": "flat_verified", "ts": now, "seconds": "many"},
        {"event": "alert_delivered", "ts": now, "raised_at": None},
    ]
    scene.boot()
    scene.wait(Ready)
    assert not any("Verified flat" in text for text in scene.phone.heard)


def many_wait(scene: Scene) -> None:
    """Ten kills, each verified flat, while nothing reaches the phone."""
    scene.ready()
    scene.run(2)
    scene.phone.is_off = True
    for number in range(10):
        scene.kill()
        scene.wait(FlatVerified, number + 1)
        scene.resume()


def test_many_critical_alerts_that_waited_come_in_one_message(stage: Stage) -> None:
    """Over a restart, too: each is in it with its time, and one press acknowledges all."""
    scene = stage(plan=default_plan(alert_repeat=REPEAT))
    many_wait(scene)
    scene.crash()
    scene.boot()
    scene.phone.is_off = False
    scene.wait(Ready)
    scene.run(20)
    critical = [text for text in scene.phone.heard if text.startswith("!")]
    lines = critical[0].splitlines()
    assert lines[0] == "! 20 CRITICAL ALERTS waited"
    assert lines[1].startswith("oldest 05 Jan 09:00:0")
    assert "KILL by test: a test (10 times, last 09:0" in lines[2]
    assert critical[1:] == []
    assert len(scene.events(AlertDelivered)) >= 20
    acknowledge(scene)
    assert scene.disk.tables["outbox"] == {}


def test_one_message_of_many_that_is_refused_is_sent_one_by_one(stage: Stage) -> None:
    """A text nobody takes must not keep the others away."""
    scene = stage()

    class Picky(OddPhone):
        def send(self, notice: Notice, done: Done) -> None:
            if len(notice.numbers) > 1:
                self.answers.insert(0, {"error": "bad request", "is_refused": True})
            super().send(notice, done)

    scene.phone = Picky(scene)
    many_wait(scene)
    scene.phone.is_off = False
    scene.run(120)
    assert sum("Verified flat" in text for text in scene.phone.heard) == 10
    assert scene.disk.tables["outbox"] == {}


@pytest.mark.no_cover
def test_a_night_that_does_not_become_flat_is_told_ever_more_rarely(stage: Stage) -> None:
    """Killed while the venue is away: ten seconds, twenty, forty, and then every ten minutes."""
    scene = stage().ready()
    scene.bracket()
    scene.market.is_partitioned = True
    scene.kill()
    scene.rest(1800)
    told = len(scene.events(NotFlatYet))
    assert 6 <= told <= 9
    scene.market.is_partitioned = False
    scene.wait(FlatVerified, limit=120)


def test_what_was_delivered_is_not_told_again_after_a_power_cut(stage: Stage) -> None:
    """The book has forgotten it, so the journal must have its delivery, on the platter."""
    scene = stage().ready()
    scene.phone.is_off = True
    for _ in range(3):
        scene.kill()
        scene.wait(FlatVerified, len(scene.events(FlatVerified)) + 1)
        scene.resume()
    scene.phone.is_off = False
    scene.run(120)
    assert scene.disk.tables["outbox"] == {}
    heard = len(scene.phone.heard)
    scene.crash()
    scene.disk.cut_power()
    scene.boot()
    scene.wait(Ready)
    scene.run(5)
    assert [x for x in scene.phone.heard[heard:] if x.startswith("!")] == []


def test_the_end_of_a_kill_or_a_pause_promises_no_more_than_it_is(stage: Stage) -> None:
    """What else denies entries is not known where that is said; the first line has no doubt."""
    scene = stage().ready()
    scene.daemon.ask("registry", RecordPause(at=scene.world.now(), by="somebody"))
    scene.kill()
    scene.wait(FlatVerified)
    scene.resume()
    scene.daemon.ask("registry", ClearPause(at=scene.world.now(), by="somebody"))
    scene.run(1)
    killed, resumed = (
        [text for text in scene.phone.heard if text.startswith(first)]
        for first in ("Kill ended by test\n", "Resumed by somebody\n")
    )
    assert "unless paused or the day's loss stands" in killed[0]
    assert "unless killed or the day's loss stands" in resumed[0]


def test_what_was_delivered_and_waits_to_be_seen_does_not_wait_for_delivery(stage: Stage) -> None:
    """It stays in the book until somebody has seen it; a phone that is off is another matter."""

    def waiting() -> int | None:
        return DeskDoor(scene.daemon.system).vitals().alerts_waiting

    scene = stage(plan=default_plan(alert_repeat=REPEAT)).ready()
    scene.kill()
    scene.wait(FlatVerified)
    scene.run(3)
    assert len(scene.disk.tables["outbox"]) == 2
    assert waiting() == 0
    scene.phone.is_off = True
    scene.resume()
    scene.run(1)
    assert waiting() == 1


# -- the day's report and the markets --------------------------------------------------------------

AT = time(9, 10)


def reports(scene: Scene) -> list[str]:
    return [text for text in scene.phone.heard if text.startswith("Daily report")]


def test_the_day_is_reported_once_at_its_moment(stage: Stage) -> None:
    """Over a crash right after it, too; with what the day was."""
    scene = stage(plan=default_plan(report_at=AT)).ready()
    scene.bracket()
    scene.rest(9 * 60)
    assert reports(scene) == []
    scene.run(120)
    (text,) = reports(scene)
    assert "05 Jan 09:10 UTC" in text
    assert "opened: 1" in text
    assert "equity USD: " in text
    scene.crash()
    scene.boot()
    scene.rest(300)
    assert len(reports(scene)) == 1


def test_a_report_whose_moment_nobody_saw_is_made_later(stage: Stage) -> None:
    """Down at the moment: the next start makes it, and it covers the whole time since the last."""
    scene = stage(plan=default_plan(report_at=AT)).ready()
    scene.run(60)
    scene.crash()
    scene.rest(20 * 60)
    scene.boot()
    scene.run(60)
    (text,) = reports(scene)
    assert "05 Jan 09:10 UTC" in text


def test_a_new_bot_makes_no_report_of_the_days_before_it(stage: Stage) -> None:
    """Nothing happened then that it knows of."""
    scene = stage(plan=default_plan(report_at=time(8, 0))).ready()
    scene.run(120)
    assert reports(scene) == []


def test_a_report_made_while_the_clock_was_ahead_stops_no_other(stage: Stage) -> None:
    """Its end is days from now; the day that ends today is reported all the same."""
    scene = stage(plan=default_plan(report_at=AT)).ready()
    ahead = (scene.world.now() + timedelta(days=4)).isoformat()
    now = scene.world.now()
    entry = {"event": "daily_reported", "ts": ahead, "since": ahead, "until": ahead}
    scene.disk.lines.append({**entry, "text": "Daily report\nx"})
    scene.bracket()
    at = (now + timedelta(hours=1)).time()
    due = now + timedelta(hours=2)
    journal = scene.disk.open(scene.world).journal
    assert report_due(journal, due, at, UTC, unsent=0) is not None


def test_a_report_lost_with_its_process_is_told_by_the_next(stage: Stage) -> None:
    """It is in the journal, so it is not made again; and it was not delivered, so it is told."""
    scene = stage(plan=default_plan(report_at=AT)).ready()
    scene.crash()
    now = scene.world.now().isoformat()
    entry = {"event": "daily_reported", "ts": now, "since": now, "until": now}
    scene.disk.lines.append({**entry, "text": "Daily report\nx"})
    scene.boot()
    scene.run(30)
    assert len(reports(scene)) == 1


def test_a_change_of_the_market_is_told(stage: Stage) -> None:
    """From ranging to trending, by the strategy's own bars."""
    breakout = BreakoutSettings(bar_ms=1000, regime_bars=10, rest_bars=10_000)
    scene = stage(plan=default_plan(breakout=breakout)).ready()
    scene.run(30)
    for step in range(20):
        scene.market.move(btc_usd=100_000 + 10 * step)
        scene.run(1)
    changed = [x for x in scene.events(RegimeChanged) if x.instrument == "BTC-PERPETUAL"]
    assert changed[0].regime == "trending"
    assert any("BTC-PERPETUAL is trending now" in text for text in scene.phone.heard)


class SlowDisk(Disk):
    """The journal takes its time over a delivery."""

    def open(self, world: VirtualWorld) -> Opened:
        opened = super().open(world)
        append = opened.journal.append

        def slowly(entry: Mapping[str, Any], *, durable: bool) -> None:
            world.sleep(0.2 if entry["event"] == "alert_delivered" else 0.0)
            append(entry, durable=durable)

        opened.journal.append = slowly  # type: ignore[method-assign]
        return opened


def test_a_stop_leaves_no_dead_letter_although_the_disk_is_slow(stage: Stage) -> None:
    """The last delivery is written when the book is closed already: the journal is enough."""
    scene = stage()
    scene.disk = SlowDisk()
    phone = odd(scene)
    scene.ready()
    scene.run(5)
    scene.daemon.stop()
    assert any("Stopping" in text for text in phone.heard)
    assert not scene.daemon.system.dead_letters


def test_a_kill_without_the_daemon_is_told_by_the_next_as_what_it_was(stage: Stage) -> None:
    """Nobody could tell of it before, so it is no repeat; and it says what is so, not what was."""
    scene = stage().ready()
    scene.run(5)
    scene.daemon.stop()
    entry = {
        "ts": scene.world.now().isoformat(),
        "event": "kill_switch_activated",
        "level": "critical",
        "reason": "run.py kill --direct",
        "by": DIRECT,
        "until_midnight": False,
    }
    scene.disk.lines.append(entry)
    scene.boot()
    scene.run(5)
    (told,) = [text for text in scene.phone.heard if "kill --direct" in text]
    assert "Ordered while no daemon ran." in told
    assert "closing everything" not in told
    assert "Perhaps a repeat" not in told


def test_an_alert_is_kept_as_text_that_can_be_written(stage: Stage) -> None:
    """Half a character, from an error's text: a Registry died of each try to keep such an alert."""
    scene = stage().ready()
    scene.phone.is_off = True
    failed = ChildFailed(
        at=scene.world.now(), name="risk", incarnation=1, phase=Phase.RUNNING, error="caf\ud800e"
    )
    scene.daemon.system.publish("test", failed)
    scene.run(5)
    orjson.dumps(scene.disk.tables)
    scene.phone.is_off = False
    scene.run(120)
    assert any("caf?e" in text for text in scene.phone.heard)


def test_the_all_clear_is_the_last_word(stage: Stage) -> None:
    """What was held back is withdrawn by it, for its own instrument only."""
    scene = stage().ready()

    def publish(kind: type[Any], instrument: str, **fields: Any) -> None:
        event = kind(at=scene.world.now(), instrument=instrument, **fields)
        scene.daemon.system.publish("watcher", event)
        scene.run(3)

    drift = {"residual": 500, "venue": 500, "ledger": 0}
    for _ in range(2):
        publish(PositionDrifted, ETH, **drift)
    for _ in range(2):
        publish(PositionDrifted, BTC, **drift)
        publish(PositionAgreed, BTC)
    scene.run(120)
    about = {x: [y for y in scene.phone.heard if y.startswith(x)] for x in (BTC, ETH)}
    assert "agree" in about[BTC][-1]
    assert len(about[BTC]) == 3
    assert len(about[ETH]) == 2


@pytest.mark.parametrize(
    ("trouble", "all_clear", "told"),
    [
        (
            (SessionLost, {"reason": "no route", "retry_in_seconds": 1.0}),
            (SessionRestored, {"after_seconds": 5.0}),
            "No session",
        ),
        (
            (PollingConflicted, {"error": "x"}),
            (PollingResumed, {"seconds": 5.0}),
            "Another program",
        ),
        (
            (
                ChildFailed,
                {"name": "risk", "incarnation": 1, "phase": Phase.RUNNING, "error": "x"},
            ),
            (ChildRestarted, {"name": "risk", "incarnation": 2, "after_seconds": 5.0}),
            "Part risk failed",
        ),
    ],
)
def test_trouble_that_came_back_is_the_last_word(
    stage: Stage,
    trouble: tuple[type[Event], dict[str, Any]],
    all_clear: tuple[type[Event], dict[str, Any]],
    told: str,
) -> None:
    """An all-clear that a limit held back is not told while the trouble is there again."""
    scene = stage().ready()
    scene.run(120)
    before = len(scene.phone.heard)
    for kind, fields in (trouble, all_clear, trouble, all_clear, trouble):
        scene.daemon.system.publish("test", kind(at=scene.world.now(), **fields))
        scene.run(5)
    scene.rest(900)
    heard = scene.phone.heard[before:]
    assert [text.startswith(told) for text in heard] == [True, False, True]
    kind, fields = all_clear
    scene.daemon.system.publish("test", kind(at=scene.world.now(), **fields))
    scene.run(5)
    assert scene.phone.heard[-1] == heard[1]
