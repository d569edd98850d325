"""Stop: the reverse of the start, each with its own budget, held up by nobody."""

import pytest

from actors.kernel import AskFailed
from actors.messages.lifecycle import (
    ChildFailed,
    ChildRestarted,
    ChildStopped,
    RestartDue,
    StartBudgetDue,
    StartChild,
    Stopped,
    Stopping,
)
from tests.actors.kernel.support import GetDone, Note, Probe, Rig, Script, fail, fail_times, sleep


@pytest.mark.parametrize("seed", range(5))
def test_stop_is_the_reverse_of_the_start(seed: int) -> None:
    """The last started ends first, and the next is asked when the one before has ended."""
    rig = Rig(seed=seed)
    for name, seconds in (("a", 1.0), ("b", 0.0), ("c", 2.0)):
        rig.child(name, Script(on_finish=sleep(seconds)))
    rig.start()
    rig.run(10)
    rig.stop("enough", exit_code=3)
    rig.run(10)
    assert rig.says("ends") == ["c ends @10", "b ends @12", "a ends @12"]
    assert rig.exit_code() == 3
    (stopping,), (stopped,) = rig.events(Stopping), rig.events(Stopped)
    assert stopping.reason == "enough"
    assert (stopped.exit_code, stopped.over_budget) == (3, ())
    assert (stopped.at - stopping.at).total_seconds() == 3
    rig.close()


def test_what_waits_is_handled_before_the_end(rig: Rig) -> None:
    """An ordered end comes after the messages already there."""
    rig.start("a")
    rig.run(1)
    rig.do("a", sleep(2))
    rig.note("a", "one", "two")
    rig.stop()
    rig.run(10)
    assert rig.says("one", "two", "ends") == ["a one @3", "a two @3", "a ends @3"]


def test_one_hung_child_does_not_hold_up_the_rest(rig: Rig) -> None:
    """Past its own budget it is left behind, and named; the others end in order."""
    rig.child("a")
    rig.child("b", stop_budget=4)
    rig.child("c")
    rig.start()
    rig.run(1)
    rig.do("b", sleep(1e6))
    rig.stop()
    rig.run(20)
    assert rig.says("ends") == ["c ends @1", "a ends @5"]
    assert rig.exit_code() == 0
    assert rig.events(Stopped)[0].over_budget == ("b",)


def test_a_hung_child_that_comes_to_does_not_go_on(rig: Rig) -> None:
    """Left behind, it finds its messages gone to the dead letters and its end waiting."""
    rig.child("a", Script(on_finish=sleep(4)), stop_budget=10)
    rig.child("b", stop_budget=3)
    rig.start()
    rig.run(0)
    rig.do("b", sleep(5))
    rig.note("b", "too late")
    rig.stop()
    rig.run(20)
    assert rig.says("late", "ends") == ["a ends @3", "b ends @5"]
    assert rig.letters() == [("b", "Note", "b has ended")]
    assert rig.exit_code() == 0


def test_a_child_that_fails_instead_of_stopping(rig: Rig) -> None:
    """Dying on a message before the end is an end; it is not started again."""
    rig.start("a", "b")
    rig.run(1)
    rig.do("b", sleep(2))
    rig.do("b", fail(ValueError("boom")))
    rig.note("b", "left")
    rig.stop()
    rig.run(20)
    assert rig.says("ends") == ["a ends @3"]
    assert rig.says("#2", "left") == []
    assert rig.exit_code() == 0
    assert [each.name for each in rig.events(ChildFailed)] == ["b"]
    assert [each[1:] for each in rig.letters()] == [
        ("Do", "its handler failed"),
        ("Note", "b has ended"),
    ]


def test_a_failure_while_stopping_does_not_block_the_stop(rig: Rig) -> None:
    """Last words that fail are logged and the stop goes on at once."""
    rig.child("a")
    rig.child("b", Script(on_finish=fail(OSError("disk"))))
    rig.start()
    rig.run(1)
    rig.stop()
    rig.run(20)
    assert rig.says("ends") == ["b ends @1", "a ends @1"]
    assert rig.exit_code() == 0
    assert rig.events(Stopped)[0].over_budget == ()


def test_a_child_that_died_just_before_the_stop(rig: Rig) -> None:
    """Its failure is still on the way when the stop begins: not waited for, not restarted."""
    rig.start("a", "b")
    rig.run(1)
    rig.do("b", fail(ValueError("boom")))
    rig.do("a", lambda _: rig.stop())
    rig.run(20)
    assert rig.exit_code() == 0
    assert rig.says("ends") == ["a ends @1"]
    assert rig.says("#2") == []
    assert rig.events(Stopped)[0].over_budget == ()


def test_a_stop_while_a_restart_is_due(rig: Rig) -> None:
    """The back-off is forgotten: nobody is started, and time goes on."""
    rig.child("a", Script(on_finish=sleep(4)))
    rig.start("b")
    rig.run(1)
    rig.do("b", fail(ValueError("boom")))
    rig.run(0.5)
    rig.stop()
    rig.run(20)
    assert rig.exit_code() == 0
    assert rig.says("#2") == []
    assert rig.says("ends") == ["a ends @1.5"]
    assert rig.events(ChildRestarted) == []


def test_a_stop_while_starting(rig: Rig) -> None:
    """Who is recovering ends after it; who has not begun never does."""
    rig.child("a")
    rig.child("b", Script(on_recover=sleep(3)))
    rig.start("c")
    rig.run(1)
    rig.stop()
    rig.run(20)
    assert rig.says("c") == []
    assert rig.says("ready", "ends") == [
        "a ready #1 @0",
        "b ready #1 @3",
        "b ends @3",
        "a ends @3",
    ]
    assert rig.exit_code() == 0


def test_a_start_that_fails_while_stopping(rig: Rig) -> None:
    """It was recovering when the stop began, and does not recover: that is its end."""
    rig.child("a")

    def late_failure(probe: Probe) -> None:
        probe.clock.sleep(3)
        raise ValueError("boom")

    rig.child("b", Script(on_recover=late_failure))
    rig.start()
    rig.run(1)
    rig.stop()
    rig.run(20)
    assert rig.says("ends") == ["a ends @3"]
    assert rig.exit_code() == 0


def test_a_start_that_hangs_while_stopping_costs_its_stop_budget_only(rig: Rig) -> None:
    """The start budget no longer matters, nor does it make the stop an emergency."""
    rig.child("a")
    rig.child("b", Script(on_recover=sleep(1e6)), stop_budget=2)
    rig.start()
    rig.run(29)
    rig.stop()
    rig.run(20)
    assert rig.exit_code() == 0
    assert rig.says("ends") == ["a ends @31"]
    assert rig.escalated == []


def test_a_recovery_that_ends_while_stopping(rig: Rig) -> None:
    """Its turn to end comes later; that it is ready meanwhile starts nobody else."""
    rig.child("a", Script(on_recover=sleep(2)))
    rig.child("b", Script(on_recover=sleep(60), on_finish=sleep(4)))
    rig.start("c")
    rig.run(5)
    rig.do("a", fail(ValueError("boom")))
    rig.run(2)
    rig.stop()
    rig.run(20)
    assert rig.says("c") == []
    assert rig.says("ready", "ends") == ["a ready #1 @2", "a ready #2 @8", "a ends @12"]
    assert rig.exit_code() == 0


def test_a_child_that_ends_twice(rig: Rig) -> None:
    """A repeated word of an end, or a failure after all is done, does not end the process anew."""

    def twice(probe: Probe) -> None:
        rig.tell("supervisor", ChildStopped(at=probe.clock.now(), name="a", incarnation=1))

    rig.child("a", Script(on_finish=twice))
    rig.start()
    rig.run()
    rig.stop()
    rig.run(20)
    assert rig.exit_code() == 0
    assert len(rig.events(Stopped)) == 1


def test_the_root_failing_when_all_is_done(rig: Rig) -> None:
    """The exit code was given already and stands."""

    def last(probe: Probe) -> None:
        now = probe.clock.now()
        rig.tell("supervisor", ChildStopped(at=now, name="a", incarnation=1))
        rig.tell("supervisor", ChildStopped(at=now, name=[], incarnation=1))  # type: ignore[arg-type]

    rig.child("a", Script(on_finish=last))
    rig.start()
    rig.run()
    rig.stop(exit_code=4)
    rig.run(20)
    assert rig.exit_code() == 4


def test_words_of_strangers_change_nothing(rig: Rig) -> None:
    """Ends of nobody and wake-ups without a reason are taken calmly."""
    rig.start("a")
    rig.run()
    now = rig.world.now()
    rig.tell("supervisor", ChildStopped(at=now, name="stranger", incarnation=1))
    rig.tell("supervisor", ChildStopped(at=now, name="a", incarnation=0))
    rig.tell("supervisor", StartBudgetDue(at=now), RestartDue(at=now))
    rig.run()
    assert rig.exit_code() is None
    assert rig.says("a") == ["a starts #1 @0", "a ready #1 @0"]


def test_the_first_order_to_stop_counts(rig: Rig) -> None:
    """A second order, a hang or a storm while stopping changes neither reason nor code."""
    rig.child("a", hang_after=1)
    rig.start()
    rig.do("a", sleep(1e6))
    rig.stop("first", exit_code=0)
    rig.run(1)
    rig.stop("second", exit_code=9)
    rig.run(20)
    assert rig.exit_code() == 0
    assert [each.reason for each in rig.events(Stopping)] == ["first"]
    assert rig.escalated == []


def test_a_stop_with_nobody_to_stop(rig: Rig) -> None:
    """An empty tree ends at once."""
    rig.start()
    rig.stop()
    rig.run(0)
    assert rig.exit_code() == 0
    rig.stop()
    rig.run(20)
    assert len(rig.events(Stopped)) == 1


def test_asks_downwards_work_while_stopping(rig: Rig) -> None:
    """Who ends later in the order still answers those who end before."""
    answers: list[str] = []

    def ask(probe: Probe) -> None:
        question = GetDone(at=probe.clock.now(), action=lambda asked: asked.name)
        answers.append(probe.to("a").ask(question, timeout=1))

    rig.child("a")
    rig.child("b", Script(on_finish=ask))
    rig.start()
    rig.run(1)
    rig.stop()
    rig.run(20)
    assert answers == ["a"]
    assert rig.exit_code() == 0


def test_asking_who_has_failed_is_refused_at_once_while_stopping(rig: Rig) -> None:
    """Nobody will come back to answer: the asker does not spend its own budget on waiting."""
    refusals: list[str] = []

    def ask(probe: Probe) -> None:
        try:
            probe.to("a").ask(GetDone(at=probe.clock.now(), action=lambda _: None), timeout=60)
        except AskFailed as refusal:
            refusals.append(str(refusal))

    rig.child("a")
    rig.child("b", Script(on_finish=ask))
    rig.start()
    rig.run(1)
    rig.do("a", fail(ValueError("boom")))
    rig.run(0.1)
    rig.stop()
    rig.run(0)
    assert refusals == ["a is not running"]
    assert rig.exit_code() == 0


def test_commands_to_those_who_have_ended_are_dead_letters(rig: Rig) -> None:
    """While the stop goes on, what is told to the already ended does not vanish."""
    rig.child("a", Script(on_finish=lambda _: rig.note("b", "late")))
    rig.start("b")
    rig.run(1)
    rig.stop()
    rig.run(5)
    assert rig.letters() == [("b", "Note", "nobody lives at this address")]


def test_family_children_end_side_by_side(rig: Rig) -> None:
    """All of a family are asked at once and each has its own budget; then the next in order."""
    rig.child("a")
    rig.family("f", Script(on_finish=sleep(3)), stop_budget=5)
    rig.start("z")
    rig.run(1)
    for number in range(4):
        now = rig.world.now()
        argument = Note(at=now, text="")
        rig.tell("supervisor", StartChild(at=now, family="f", name=f"f{number}", argument=argument))
    rig.run(1)
    rig.do("f2", sleep(1e6))
    rig.do("f3", fail_times(1))
    rig.run(0.5)
    rig.stop()
    rig.run(20)
    assert rig.says("ends")[0] == "z ends @2.5"
    assert sorted(rig.says("ends")[1:3]) == ["f0 ends @2.5", "f1 ends @2.5"]
    assert rig.says("ends")[3:] == ["a ends @7.5"]
    assert rig.events(Stopped)[0].over_budget == ("f2",)
    assert rig.exit_code() == 0
