"""Start: a barrier in order; what fails, hangs or ends while the others wait."""

import pytest

from actors.kernel import Actor, ChildSpec, SupervisorPolicy
from actors.messages.lifecycle import (
    ChildFailed,
    ChildRestarted,
    GaveUp,
    Phase,
    StartChild,
    Started,
    Stopped,
    Stopping,
)
from tests.actors.kernel.support import Note, Probe, Rig, Script, fail, fail_times, names, sleep


def start_child(rig: Rig, family: str, name: str) -> None:
    """Has the supervisor start one of the family."""
    now = rig.world.now()
    order = StartChild(at=now, family=family, name=name, argument=Note(at=now, text=name))
    rig.tell("supervisor", order)


@pytest.mark.parametrize("seed", range(5))
def test_start_is_a_barrier_in_order(seed: int) -> None:
    """The next child is started when the one before has recovered, whatever the interleaving."""
    rig = Rig(seed=seed)
    for name, seconds in (("a", 3.0), ("b", 0.0), ("c", 1.5)):
        rig.child(name, Script(on_recover=sleep(seconds)))
    rig.start()
    rig.run(10)
    assert rig.diary == [
        "a starts #1 @0",
        "a ready #1 @3",
        "b starts #1 @3",
        "b ready #1 @3",
        "c starts #1 @3",
        "c ready #1 @4.5",
    ]
    rig.close()


def test_a_failed_start_holds_up_who_comes_after(rig: Rig) -> None:
    """Nobody is started before all who come first are well, retries included."""
    rig.child("a", Script(on_recover=fail_times(2)))
    rig.start("b")
    rig.run(10)
    assert rig.says("ready") == ["a ready #3 @3", "b ready #1 @3"]
    assert rig.events(ChildRestarted)[0].incarnation == 3


def test_a_failure_of_an_earlier_child_pauses_the_start(rig: Rig) -> None:
    """The one that is starting goes on; the next waits until the failed one is back."""
    rig.child("a")
    rig.child("b", Script(on_recover=sleep(2)))
    rig.start("c")
    rig.run(1.5)
    rig.do("a", fail(ValueError("boom")))
    rig.run(10)
    assert rig.says("ready") == [
        "a ready #1 @0",
        "b ready #1 @2",
        "a ready #2 @2.5",
        "c ready #1 @2.5",
    ]


def test_a_child_that_retires_early_does_not_stop_the_start(rig: Rig) -> None:
    """Its work is done: those who come after are started all the same."""
    rig.child("a", Script(on_recover=Probe.retire))
    rig.child("b", Script(on_recover=sleep(2)))
    rig.start("c")
    rig.run(10)
    assert rig.says("ready", "ends") == [
        "a ready #1 @0",
        "a ends @0",
        "b ready #1 @2",
        "c ready #1 @2",
    ]


def test_a_child_that_cannot_be_made_is_a_failed_child(rig: Rig) -> None:
    """`__init__` runs in the supervisor's thread: it must not be the supervisor's failure."""
    rig.child("a", Script(on_birth=fail_times(2)))
    rig.child("b", Script(on_birth=fail_times(1, SystemExit(1))))
    rig.start("c")
    rig.run(10)
    assert rig.says("ready") == ["a ready #3 @3", "b ready #2 @4", "c ready #1 @4"]
    failures = rig.events(ChildFailed)
    assert [(each.name, each.phase, each.error) for each in failures] == [
        ("a", Phase.STARTING, "ValueError: as told"),
        ("a", Phase.STARTING, "ValueError: as told"),
        ("b", Phase.STARTING, "SystemExit: 1"),
    ]


def test_arguments_that_do_not_fit_are_a_failed_child(rig: Rig) -> None:
    """A wrong constructor call ends in giving up with its reason, not in a dead root."""
    rig.children.append(ChildSpec(name="a", actor=Probe, arguments={"no_such": 1}))
    rig.start()
    rig.run(100)
    assert rig.exit_code() == 70
    assert "no_such" in rig.escalated[0]


def test_a_bare_actor_starts_and_stops(rig: Rig) -> None:
    """Recovering and finishing are optional."""
    rig.children.append(ChildSpec(name="a", actor=Actor))
    rig.start()
    rig.run()
    rig.stop()
    rig.run()
    assert rig.exit_code() == 0


def test_giving_up_while_starting(rig: Rig) -> None:
    """A child that never starts ends the process; those never started are not waited for."""
    rig.child("a")
    rig.child("b", Script(on_recover=fail(OSError("disk"))))
    rig.start("c")
    rig.run(200)
    assert rig.exit_code() == 70
    assert rig.says("c") == []
    assert rig.says("ends") == ["a ends @25"]
    (gave_up,) = rig.events(GaveUp)
    assert gave_up.exit_code == 70
    assert gave_up.reason == rig.escalated[0]
    assert "the last in b: OSError: disk" in gave_up.reason


def test_a_start_that_hangs_ends_the_process(rig: Rig) -> None:
    """Past its budget a recovering child is a hung thread: exit 71, the others stop in order."""
    rig.child("a")
    rig.child("b", Script(on_recover=sleep(1e6)))
    rig.start("c")
    rig.run(200)
    assert rig.exit_code() == 71
    assert "b hangs: it did not start within 30 s" in rig.escalated[0]
    assert rig.says("ends") == ["a ends @35"]
    (stopped,) = rig.events(Stopped)
    assert stopped.over_budget == ("b",)


def test_two_starts_that_hang(rig: Rig) -> None:
    """The budget of the second passes while the first is being stopped: still one alarm."""
    rig.policy = SupervisorPolicy(start_budget=30, backoff_first=1, jitter=0)

    def hang_the_second_time(probe: Probe) -> None:
        if probe.context.incarnation == 2:
            probe.clock.sleep(1e6)

    rig.child("a", Script(on_recover=hang_the_second_time))
    rig.family("f", Script(on_recover=sleep(1e6)))
    rig.start()
    rig.do("a", fail(ValueError("boom")))
    rig.run(1)
    start_child(rig, "f", "f1")
    rig.run(200)
    assert rig.exit_code() == 71
    assert len(rig.escalated) == 1
    assert rig.world.monotonic() == 201
    (stopped,) = rig.events(Stopped)
    assert sorted(stopped.over_budget) == ["a", "f1"]


def test_the_budget_of_a_start_is_its_own(rig: Rig) -> None:
    """Several starting at once are each measured from their own beginning."""
    rig.policy = SupervisorPolicy(start_budget=10)
    rig.family("f", Script(on_recover=sleep(9)))
    rig.start("a")
    for number in range(5):
        start_child(rig, "f", f"f{number}")
        rig.run(4)
    rig.run(20)
    assert len(rig.says("ready")) == 6
    assert rig.exit_code() is None


def test_a_late_started_of_the_dead_changes_nothing(rig: Rig) -> None:
    """Words of an earlier incarnation or of a stranger are not taken for the present one's."""
    rig.child("a", Script(on_recover=fail_times(1)))
    rig.start("b")
    rig.run(0.5)
    for name in ("a", "stranger"):
        rig.tell("supervisor", Started(at=rig.world.now(), name=name, incarnation=1))
    rig.run(0.1)
    assert rig.says("b") == []
    rig.run(5)
    assert names(rig.says("ready")) == ["a", "b"]
    assert rig.events(Stopping) == []
