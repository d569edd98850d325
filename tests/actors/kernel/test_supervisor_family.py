"""Children started on demand: one per trade, by name, with an argument."""

from datetime import datetime, timedelta

import pytest

from actors.messages.lifecycle import ChildFailed, ChildRestarted, GaveUp, StartChild
from tests.actors.kernel.support import Note, Probe, Rig, Script, fail, fail_times


def start_child(
    rig: Rig, name: str, family: str = "trade", expires_at: datetime | None = None
) -> None:
    """Has the supervisor start one of the family."""
    now = rig.world.now()
    order = StartChild(
        at=now,
        family=family,
        name=name,
        argument=Note(at=now, text=f"for {name}"),
        expires_at=expires_at,
    )
    rig.tell("supervisor", order)


def test_a_child_of_a_family_starts_with_its_argument(rig: Rig) -> None:
    """It is told what it is for, takes messages under its name, and is no one else."""
    rig.family("trade")
    rig.start("a")
    start_child(rig, "t1")
    start_child(rig, "t2")
    rig.run()
    for name in ("t1", "t2"):
        rig.do(name, Probe.write_argument)
    rig.run()
    assert sorted(rig.says("for")) == ["t1 for t1 @1", "t2 for t2 @1"]
    assert rig.letters() == []


def test_a_child_of_a_family_waits_for_no_barrier(rig: Rig) -> None:
    """A trade resumes while those who come later are still starting."""

    def resume(probe: Probe) -> None:
        start_child(rig, "t1")
        probe.clock.sleep(5)

    rig.family("trade")
    rig.child("a", Script(on_recover=resume))
    rig.start("b")
    rig.run(10)
    assert rig.says("ready") == ["t1 ready #1 @0", "a ready #1 @5", "b ready #1 @5"]


def test_the_retired_are_forgotten(rig: Rig) -> None:
    """Its address is closed and its name free; nothing of it is kept."""
    rig.family("trade")
    rig.start("a")
    for _ in range(3):
        start_child(rig, "t1")
        rig.run()
        rig.do("t1", Probe.retire)
        rig.run()
    assert names_of(rig) == {"supervisor", "a", "ear"}
    assert set(rig.system.incumbents) == {"supervisor", "a"}
    rig.note("t1", "late")
    assert rig.letters() == [("t1", "Note", "nobody lives at this address")]
    assert len(rig.says("ends")) == 3
    assert rig.says("#2") == []


def names_of(rig: Rig) -> set[str]:
    """Every name with an address."""
    return {address.name for address in rig.system.addresses()}


def test_one_with_nothing_to_do_retires_while_it_recovers(rig: Rig) -> None:
    """A trade that finds itself closed starts, ends and is forgotten."""
    rig.family("trade", Script(on_recover=Probe.retire))
    rig.start()
    start_child(rig, "t1")
    rig.run()
    assert rig.says("t1") == ["t1 starts #1 @0", "t1 ready #1 @0", "t1 ends @0"]
    assert "t1" not in names_of(rig)


def test_the_failed_restart_with_the_same_argument(rig: Rig) -> None:
    """A failed trade comes back as itself; its address never changed."""
    rig.family("trade")
    rig.start()
    start_child(rig, "t1")
    rig.run()
    kept = rig.system.address("t1")
    rig.do("t1", fail(ValueError("boom")))
    rig.run()
    kept.tell(Note(at=rig.world.now(), text="again"))
    rig.do("t1", Probe.write_argument)
    rig.run()
    assert rig.says("again", "for") == ["t1 again @2", "t1 for t1 @2"]
    assert [each.name for each in rig.events(ChildRestarted)] == ["t1"]


@pytest.mark.parametrize("moment", ["birth", "recovery"])
def test_one_that_fails_to_start_is_tried_again(rig: Rig, moment: str) -> None:
    """As for a permanent child, in the making as in the recovery."""
    once = fail_times(1)
    script = Script(on_birth=once) if moment == "birth" else Script(on_recover=once)
    rig.family("trade", script)
    rig.start("a")
    start_child(rig, "t1")
    rig.run(5)
    assert rig.says("ready") == ["a ready #1 @0", "t1 ready #2 @1"]
    assert [each.name for each in rig.events(ChildFailed)] == ["t1"]


def test_one_that_retires_and_fails_before_its_end_still_ends(rig: Rig) -> None:
    """The wish to end outlives the incarnation that had it."""
    rig.family("trade")
    rig.start()
    start_child(rig, "t1")
    rig.run()

    def retire_and_fail(probe: Probe) -> None:
        probe.retire()
        raise ValueError("boom")

    rig.do("t1", retire_and_fail)
    rig.run(5)
    assert rig.says("#2", "ends") == ["t1 starts #2 @2", "t1 ready #2 @2", "t1 ends @2"]
    assert "t1" not in names_of(rig)


def test_one_that_never_starts_ends_the_process(rig: Rig) -> None:
    """A storm is a storm, whoever makes it."""
    rig.family("trade", Script(on_recover=fail(ValueError("boom"))))
    rig.start("a")
    start_child(rig, "t1")
    rig.run(100)
    assert rig.exit_code() == 70
    assert len(rig.events(GaveUp)) == 1
    assert rig.says("ends") == ["a ends @25"]


@pytest.mark.parametrize("name", ["t1", "a", "supervisor"])
def test_a_name_is_taken_once(rig: Rig, name: str) -> None:
    """A second actor of a running name is refused; the first does not notice."""
    rig.family("trade")
    rig.start("a")
    start_child(rig, "t1")
    rig.run()
    start_child(rig, name)
    rig.run()
    assert rig.letters() == [("supervisor", "StartChild", "an actor of that name is running")]
    assert len(rig.says("starts")) == 2
    rig.stop()
    rig.run()
    assert rig.exit_code() == 0


def test_the_name_of_one_waiting_for_its_restart_is_taken(rig: Rig) -> None:
    """Between two incarnations the child is still there."""
    rig.family("trade")
    rig.start()
    start_child(rig, "t1")
    rig.run()
    rig.do("t1", fail(ValueError("boom")))
    rig.run(0.5)
    start_child(rig, "t1")
    rig.run(5)
    assert [each[0] for each in rig.letters()] == ["t1", "supervisor"]
    assert rig.says("starts") == ["t1 starts #1 @0", "t1 starts #2 @2"]


def test_an_unknown_family_does_not_kill_the_supervisor(rig: Rig) -> None:
    """It is a dead letter with its reason, and everybody lives."""
    rig.family("trade")
    rig.start("a")
    start_child(rig, "x1", family="exchange")
    rig.note("a", "alive")
    rig.run(5)
    assert rig.letters() == [("supervisor", "StartChild", "there is no family 'exchange'")]
    assert rig.says("alive") == ["a alive @0"]
    assert rig.exit_code() is None
    assert "x1" not in names_of(rig)


def test_what_was_told_to_one_who_is_never_started_does_not_wait_for_ever(rig: Rig) -> None:
    """Whoever orders a child may open its address at once; a refused order closes it again."""
    rig.family("trade")
    rig.start("a")
    rig.run()
    for name, family in (("x1", "exchange"), ("a", "trade")):
        rig.system.address(name).is_open = True
        start_child(rig, name, family=family)
        rig.note(name, "hello")
    rig.run()
    assert ("x1", "Note", "x1 has ended") in rig.letters()
    assert rig.says("hello") == ["a hello @1"]
    rig.note("x1", "again")
    assert rig.letters()[-1] == ("x1", "Note", "nobody lives at this address")


def test_a_late_order_to_start_is_refused(rig: Rig) -> None:
    """An order past its time starts nobody."""
    rig.family("trade")
    rig.start()
    start_child(rig, "t1", expires_at=rig.world.now() - timedelta(seconds=1))
    rig.run()
    assert rig.letters() == [("supervisor", "StartChild", "expired before it was handled")]


def test_nobody_is_started_while_stopping(rig: Rig) -> None:
    """A trade that would begin during the stop does not."""
    rig.family("trade")
    rig.child("a", Script(on_finish=lambda _: start_child(rig, "t1")))
    rig.start()
    rig.run()
    rig.stop()
    rig.run(5)
    assert rig.says("t1") == []
    assert rig.letters() == [("supervisor", "StartChild", "the daemon is stopping")]
    assert rig.exit_code() == 0
