"""Asking by name: answers, refusals, and questions that come too late."""

from collections.abc import Callable
from typing import Any

import pytest

from actors.kernel import AskFailed, ChildSpec
from actors.messages.base import Message
from actors.messages.lifecycle import ChildRestarted, StartChild
from tests.actors.kernel.support import (
    GetDone,
    Note,
    Probe,
    Rig,
    Script,
    Unheard,
    fail,
    sleep,
)


def asking(name: str, action: Callable[[Any], Any], timeout: float = 5.0) -> Callable[[Any], None]:
    """An action that asks ``name`` and writes down the answer or the refusal."""

    def ask(probe: Probe) -> None:
        question = GetDone(at=probe.clock.now(), action=action)
        try:
            probe.write(f"heard {probe.to(name).ask(question, timeout)}")
        except AskFailed as refusal:
            probe.write(f"refused: {refusal}")

    return ask


def ask(rig: Rig, name: str, message: Message | None = None, timeout: float = 5.0) -> Any:
    """Asks from outside."""
    question = message or GetDone(at=rig.world.now(), action=lambda probe: probe.name * 2)
    return rig.system.address(name).ask(question, timeout)


def retire(rig: Rig, name: str) -> None:
    """Ends the actor for good and lets the supervisor see it."""
    rig.do(name, Probe.retire)
    rig.run()


def test_an_ask_is_answered(rig: Rig) -> None:
    """What the handler returns is what the asker gets, from outside and from an actor."""
    rig.start("a", "b")
    rig.run()
    assert ask(rig, "a") == "aa"
    rig.do("a", asking("b", lambda probe: probe.name * 3))
    rig.run()
    assert rig.says("heard") == ["a heard bbb @1"]


def test_work_for_afterwards_does_not_hold_up_the_answer(rig: Rig) -> None:
    """It is part of the message all the same: the next one waits for it, a failure restarts."""

    def later(probe: Probe) -> None:
        probe.clock.sleep(3)
        probe.write("done afterwards")
        raise ValueError("too late for the asker")

    def answer(probe: Probe) -> str:
        probe.afterwards(lambda: later(probe))
        return "at once"

    rig.start("a", "b")
    rig.run()
    rig.do("a", asking("b", answer))
    rig.run()
    rig.do("b", lambda probe: probe.write("next"))
    rig.run(10)
    assert rig.says("heard") == ["a heard at once @1"]
    assert [x.split(" @")[0] for x in rig.says("done", "next")] == ["b done afterwards", "b next"]
    assert [x.name for x in rig.events(ChildRestarted)] == ["b"]


def test_asks_nest(rig: Rig) -> None:
    """A asks b, who asks c before answering; others are served meanwhile."""
    rig.start("a", "b", "c", "d")

    def slow(probe: Probe) -> str:
        probe.clock.sleep(2)
        return probe.name

    def through(probe: Probe) -> str:
        question = GetDone(at=probe.clock.now(), action=slow)
        return probe.name + probe.to("c").ask(question, timeout=5)

    rig.do("a", asking("b", through))
    rig.run(1)
    rig.note("d", "alive")
    rig.run(5)
    assert rig.says("alive", "heard") == ["d alive @1", "a heard bc @2"]


def test_a_failure_in_an_ask_reaches_the_asker_and_restarts_the_asked(rig: Rig) -> None:
    """The asker lives with `AskFailed`; the asked is no longer trusted and starts anew."""
    rig.start("a", "b")
    rig.do("a", asking("b", fail(ValueError("boom"))))
    rig.note("a", "after")
    rig.run(5)
    assert rig.says("a") == [
        "a starts #1 @0",
        "a ready #1 @0",
        "a refused: b failed on GetDone @0",
        "a after @0",
    ]
    assert rig.says("#2") == ["b starts #2 @1", "b ready #2 @1"]
    (letter,) = rig.system.dead_letters
    assert (letter.receiver, letter.message, letter.reason) == (
        "b",
        "GetDone",
        "its handler failed",
    )
    assert "ValueError: boom" in letter.trace


def test_the_asker_can_read_the_cause(rig: Rig) -> None:
    """`AskFailed` is raised from what went wrong."""
    rig.start("a")
    rig.run()
    question = GetDone(at=rig.world.now(), action=fail(KeyError("lost")))
    with pytest.raises(AskFailed, match="a failed on GetDone") as caught:
        ask(rig, "a", question)
    assert repr(caught.value.__cause__) == "KeyError('lost')"


def test_an_exit_in_an_ask_reaches_the_asker(rig: Rig) -> None:
    """pykka would leave the future unset for a `SystemExit`, and the asker waiting."""
    rig.start("a")
    rig.run()
    question = GetDone(at=rig.world.now(), action=fail(SystemExit(1)))
    with pytest.raises(AskFailed, match="a failed on GetDone"):
        ask(rig, "a", question)
    rig.run(5)
    assert len(rig.events(ChildRestarted)) == 1


def test_an_ask_nobody_answers_in_time(rig: Rig) -> None:
    """The asker gives up at its timeout and lives; the late answer goes nowhere."""
    rig.start("a", "b")
    rig.do("a", asking("b", sleep(9), timeout=2.5))
    rig.run(20)
    assert rig.says("refused:") == ["a refused: b did not answer within 2.5 s @2.5"]
    assert rig.says("#2") == []


def test_a_question_handled_after_its_asker_gave_up_is_not_executed(rig: Rig) -> None:
    """It is a dead letter: what nobody waits for any more must not happen."""
    rig.start("a", "b")
    done: list[str] = []
    rig.do("b", sleep(5))
    rig.do("a", asking("b", lambda _: done.append("executed"), timeout=2))
    rig.run(10)
    assert done == []
    assert rig.letters() == [("b", "GetDone", "the asker has given up")]
    assert rig.says("refused:") == ["a refused: b did not answer within 2 s @2"]


def test_a_question_survives_the_death_of_the_asked(rig: Rig) -> None:
    """Waiting in the mailbox when the actor dies of something else, it is answered by the next."""
    rig.start("a", "b")
    rig.do("b", fail(ValueError("boom")))
    rig.do("a", asking("b", lambda probe: probe.context.incarnation))
    rig.run(5)
    assert rig.says("heard") == ["a heard 2 @1"]


def test_an_unknown_question_is_refused_at_once(rig: Rig) -> None:
    """No waiting for the timeout, and a dead letter as for any unknown message."""
    rig.start("a")
    rig.run()
    with pytest.raises(AskFailed, match="a: no handler for this message"):
        ask(rig, "a", Unheard(at=rig.world.now()))
    assert rig.world.monotonic() == 1
    assert rig.letters() == [("a", "Unheard", "no handler for this message")]


def test_asking_nobody_fails_at_once(rig: Rig) -> None:
    """A name nobody has answers nothing."""
    rig.start()
    with pytest.raises(AskFailed, match="nobody is not running"):
        ask(rig, "nobody")


def test_a_question_waiting_behind_the_retirement_is_refused_at_once(rig: Rig) -> None:
    """The asker hears when the asked ends, not only when its patience does."""
    rig.start("a", "b")
    rig.do("b", Probe.retire)
    rig.do("b", sleep(3))
    rig.run(1)
    rig.do("a", asking("b", lambda probe: probe.name, timeout=60))
    rig.run(10)
    assert rig.says("refused:") == ["a refused: b has ended @3"]
    assert rig.letters() == [("b", "GetDone", "b has ended")]


def test_a_question_that_crosses_the_closing_is_refused_at_once(rig: Rig) -> None:
    """As for a tell: whoever puts it last empties the mailbox."""
    rig.family("trade")
    rig.start("a")
    now = rig.world.now()
    rig.tell(
        "supervisor", StartChild(at=now, family="trade", name="t1", argument=Note(at=now, text=""))
    )
    rig.run()
    address = rig.system.address("t1")
    retire(rig, "t1")
    address.is_open = True
    mailbox = address.mailbox

    class Closing:
        """Lets the address be closed between the look at it and the put."""

        def put(self, envelope: Any, /) -> None:
            address.is_open = False
            mailbox.put(envelope)

        get, qsize = mailbox.get, mailbox.qsize

    address.mailbox = Closing()
    with pytest.raises(AskFailed, match="t1 has ended"):
        address.ask(GetDone(at=rig.world.now(), action=lambda _: None), timeout=60)
    assert rig.world.monotonic() == 2


def test_a_silent_corpse_is_found(rig: Rig) -> None:
    """An actor whose own last words fail is reported all the same, and restarted."""

    class Mute(Probe):
        def _died(self, error: BaseException) -> None:
            raise MemoryError

    rig.children.append(
        ChildSpec(name="a", actor=Mute, arguments={"diary": rig.diary, "script": Script()})
    )
    rig.start()
    rig.do("a", fail(ValueError("boom")))
    rig.run(5)
    assert rig.says("#2") == ["a starts #2 @1", "a ready #2 @1"]
