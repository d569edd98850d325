"""Failures: restarts with back-off, storms, hangs, and a root that fails itself."""

from dataclasses import replace

import pytest

from actors.kernel import ExitCode
from actors.messages.base import Message
from actors.messages.lifecycle import (
    ChildFailed,
    ChildRestarted,
    ChildStopped,
    GaveUp,
    Stopped,
)
from tests.actors.kernel.support import (
    STEADY,
    Do,
    GetDone,
    Rig,
    Script,
    TickDue,
    Unnamable,
    fail,
    sleep,
)


def boom(rig: Rig, *names: str) -> None:
    """Has each of them fail."""
    for name in names:
        rig.do(name, fail(ValueError("boom")))


def test_the_failed_come_back_with_growing_back_off(rig: Rig) -> None:
    """Each failure within the window doubles the wait, and the event says how long it was."""
    rig.start("a")
    for _ in range(4):
        boom(rig, "a")
        rig.run(9)
    assert rig.says("starts") == [
        "a starts #1 @0",
        "a starts #2 @1",
        "a starts #3 @11",
        "a starts #4 @22",
        "a starts #5 @35",
    ]
    restarts = rig.events(ChildRestarted)
    assert [(each.incarnation, each.after_seconds) for each in restarts] == [
        (2, 1.0),
        (3, 2.0),
        (4, 4.0),
        (5, 8.0),
    ]


def test_back_off_is_forgotten_after_a_quiet_window(rig: Rig) -> None:
    """A failure long after the last one waits as short as the first."""
    rig.start("a")
    boom(rig, "a")
    rig.run(70)
    boom(rig, "a")
    rig.run(10)
    assert [each.after_seconds for each in rig.events(ChildRestarted)] == [1.0, 1.0]


def test_back_off_is_jittered() -> None:
    """Two who fail together do not come back together, and both within the jitter."""
    rig = Rig(policy=replace(STEADY, jitter=0.2))
    rig.start("a", "b")
    rig.run(1)
    boom(rig, "a", "b")
    rig.run(10)
    waits = [each.after_seconds for each in rig.events(ChildRestarted)]
    assert len(set(waits)) == 2
    assert all(0.8 <= wait <= 1.2 for wait in waits)
    rig.close()


def test_several_failed_children_each_come_back_in_their_time(rig: Rig) -> None:
    """One timer serves all: nobody is forgotten, nobody is early."""
    rig.start("a", "b", "c")
    boom(rig, "a")
    rig.run(1.5)
    boom(rig, "a")  # waits 2 s: until 3.5
    rig.run(0.5)
    boom(rig, "b")  # waits 1 s: until 3
    rig.run(0.7)
    boom(rig, "c")  # waits 1 s: until 3.7
    rig.run(10)
    assert rig.says("#2", "#3") == [
        "a starts #2 @1",
        "a ready #2 @1",
        "b starts #2 @3",
        "b ready #2 @3",
        "a starts #3 @3.5",
        "a ready #3 @3.5",
        "c starts #2 @3.7",
        "c ready #2 @3.7",
    ]


def test_a_failure_of_one_is_nobody_elses(rig: Rig) -> None:
    """While one is down the others work on."""
    rig.start("a", "b")
    boom(rig, "a")
    for _ in range(5):
        rig.run(0.1)
        rig.note("b", "works")
    rig.run(5)
    assert len(rig.says("works")) == 5
    assert len(rig.says("b")) == 7


def test_a_failure_told_twice_counts_once(rig: Rig) -> None:
    """A repeated or outdated report of a death neither restarts nor counts again."""
    rig.start("a")
    boom(rig, "a")
    rig.run(0.1)
    (failed,) = rig.events(ChildFailed)
    for _ in range(10):
        rig.tell("supervisor", failed)
    rig.run(5)
    rig.tell("supervisor", failed)
    rig.run(5)
    assert rig.says("starts") == ["a starts #1 @0", "a starts #2 @1"]
    assert rig.escalated == []


def test_the_intensity_is_borne_and_one_more_is_not(rig: Rig) -> None:
    """The sixth failure within a minute: alarm, `GaveUp`, ordered stop, exit 70."""
    rig.start("a", "b", "c")
    rig.run(1)
    for name in ("a", "b", "c", "a", "b"):
        boom(rig, name)
        rig.run(5)
    assert rig.exit_code() is None
    assert rig.escalated == []
    rig.hush()
    rig.diary.clear()
    boom(rig, "c")
    rig.run(5)
    assert rig.escalated == ["6 failures within 60 s, the last in c: ValueError: boom"]
    assert rig.exit_code() == ExitCode.GAVE_UP == 70
    kinds = [type(event).__name__ for event in rig.events()]
    assert kinds == ["MessageDeadLettered", "ChildFailed", "GaveUp", "Stopping", "Stopped"]
    assert rig.diary == ["b ends @26", "a ends @26"]


def test_old_failures_do_not_count(rig: Rig) -> None:
    """Failures spread wider than the window go on for ever."""
    rig.start("a", "b")
    for _ in range(40):
        boom(rig, "a")
        rig.run(13)
    assert rig.exit_code() is None
    assert len(rig.events(ChildRestarted)) == 40


def test_an_alarm_that_fails_does_not_keep_the_process() -> None:
    """The way out does not fail on its last alarm, whatever that raises."""
    for error in (OSError("no network"), SystemExit(1)):
        rig = Rig(policy=replace(STEADY, intensity=0), escalate=fail(error))
        rig.start("a")
        boom(rig, "a")
        rig.run(5)
        assert rig.exit_code() == 70
        assert len(rig.events(GaveUp)) == 1
        rig.close()


def test_a_storm_with_others_waiting_for_their_restart() -> None:
    """Giving up forgets the back-offs: time goes on, and nobody is started again."""
    rig = Rig(policy=replace(STEADY, intensity=2))
    rig.start("a", "b", "c", "d")
    rig.run(1)
    boom(rig, "a", "b", "c")
    rig.run(200)
    assert rig.exit_code() == 70
    assert rig.says("#2") == []
    assert rig.says("ends") == ["d ends @1"]
    rig.close()


# -- hangs --------------------------------------------------------------------------------------


def test_a_hang_ends_the_process(rig: Rig) -> None:
    """A child too long on one message: alarm, the others stop in order, exit 71."""
    rig.child("a", hang_after=10)
    rig.child("b", hang_after=60)
    rig.start("c")
    rig.do("a", sleep(1e6))
    rig.run(200)
    assert rig.exit_code() == ExitCode.HUNG == 71
    assert rig.escalated == ["a hangs: it has worked on one message for 11.0 s"]
    assert rig.says("ends") == ["c ends @11", "b ends @11"]
    (stopped,) = rig.events(Stopped)
    assert (stopped.exit_code, stopped.over_budget) == (71, ("a",))


def test_work_within_its_bound_is_no_hang(rig: Rig) -> None:
    """Many long pieces of work are not one; an idle child is never hung."""
    rig.child("a", hang_after=10)
    rig.start("b")
    for _ in range(10):
        rig.do("a", sleep(9.5))
    rig.run(1000)
    assert rig.exit_code() is None


def test_two_hangs_are_one_alarm(rig: Rig) -> None:
    """The second hung child does not hold up the end, nor alarm again."""
    for name in ("a", "b"):
        rig.child(name, hang_after=10)
    rig.start()
    rig.do("a", sleep(1e6))
    rig.do("b", sleep(1e6))
    rig.run(200)
    assert rig.exit_code() == 71
    assert len(rig.escalated) == 1
    assert rig.events(Stopped)[0].over_budget == ("b", "a")


# -- the root -----------------------------------------------------------------------------------


def test_the_root_failing_ends_the_process(rig: Rig) -> None:
    """Nobody restarts the root: it alarms, asks its children to end, and the exit code is 70."""
    rig.start("a", "b")
    rig.run(1)
    rig.tell("supervisor", ChildStopped(at=rig.world.now(), name=Unnamable(), incarnation=1))
    rig.run(5)
    assert rig.exit_code() == 70
    assert rig.escalated == ["the supervisor failed: ValueError: no name"]
    assert [each.exit_code for each in rig.events(GaveUp)] == [70]
    assert sorted(rig.says("ends")) == ["a ends @1", "b ends @1"]


def test_the_root_failing_while_it_starts(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A root that cannot even begin ends the process too."""

    def at(when: float, callback: object) -> object:
        raise OSError("no timers")

    monkeypatch.setattr(rig.system.timers, "at", at)
    rig.start("a")
    rig.run(5)
    assert rig.exit_code() == 70
    assert rig.escalated == ["the supervisor failed: OSError: no timers"]


def test_the_root_failing_while_it_stops(rig: Rig) -> None:
    """The code it was to end with gives way to 70."""
    rig.child("a", Script(on_finish=sleep(3)))
    rig.start()
    rig.stop()
    rig.run(1)
    rig.tell("supervisor", ChildStopped(at=rig.world.now(), name=Unnamable(), incarnation=1))
    rig.run(5)
    assert rig.exit_code() == 70


def test_the_root_takes_no_unknown_message_amiss(rig: Rig) -> None:
    """A stray message to the root is a dead letter as anywhere."""
    rig.start("a")
    strays: list[Message] = [
        Do(at=rig.world.now(), action=fail(ValueError("boom"))),
        GetDone(at=rig.world.now(), action=fail(ValueError("boom"))),
        TickDue(at=rig.world.now()),
    ]
    rig.tell("supervisor", *strays)
    rig.run(5)
    assert [each[:2] for each in rig.letters()] == [
        ("supervisor", "Do"),
        ("supervisor", "GetDone"),
        ("supervisor", "TickDue"),
    ]
    assert rig.exit_code() is None
