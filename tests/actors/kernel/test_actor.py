"""Handlers, refusals, wake-ups and deaths of one actor."""

from datetime import timedelta
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from actors.kernel import ChildSpec, HandlerTable
from actors.kernel.actor import _Schedule  # pyright: ignore[reportPrivateUsage] (a pure rule)
from actors.messages.base import Event
from actors.messages.lifecycle import (
    ChildFailed,
    ChildRestarted,
    MessageDeadLettered,
    Phase,
    Stopping,
)
from tests.actors.kernel.support import (
    BellRang,
    Note,
    OtherDue,
    Probe,
    Rig,
    Script,
    StrayDue,
    TickDue,
    Unheard,
    fail,
    fail_times,
    sleep,
)


def test_messages_are_handled_in_order(rig: Rig) -> None:
    """What one sender tells arrives exactly once and in its order."""
    rig.start("a")
    rig.note("a", *(str(number) for number in range(100)))
    rig.run()
    assert [line.split()[1] for line in rig.diary[2:]] == [str(number) for number in range(100)]


def test_an_unknown_message_is_a_logged_dead_letter(rig: Rig) -> None:
    """Nothing is dropped silently: it is counted, kept, logged and published, and nobody dies."""
    rig.start("a")
    with capture_logs() as logs:
        rig.tell("a", Unheard(at=rig.world.now()))
        rig.run()
    assert rig.letters() == [("a", "Unheard", "no handler for this message")]
    assert rig.system.dead_letter_count == 1
    (letter,) = rig.events(MessageDeadLettered)
    assert letter.content.startswith("Unheard(at=")
    (line,) = [line for line in logs if line["event"] == "message_dead_lettered"]
    assert (line["log_level"], line["receiver"]) == ("warning", "a")
    assert rig.says("starts") == ["a starts #1 @0"]


class Listener(Probe):
    """Hears every event, and one kind in particular."""

    def on_event(self, message: Event) -> None:
        self.write(f"heard {type(message).__name__}")

    handlers: ClassVar[HandlerTable] = {Event: on_event, BellRang: Probe.on_bell_rang}


def test_a_handler_for_a_kind_serves_its_subclasses(rig: Rig) -> None:
    """The handler of the class itself comes first, then that of its nearest base."""
    arguments = {"diary": rig.diary, "script": Script()}
    rig.children.append(ChildSpec(name="a", actor=Listener, arguments=arguments))
    rig.start()
    now = rig.world.now()
    rig.tell("a", BellRang(at=now), Stopping(at=now, reason=""), Unheard(at=now))
    rig.run()
    assert rig.says("heard", "bell") == ["a bell 1 @0", "a heard Stopping @0"]
    assert [each[1] for each in rig.letters()] == ["Unheard"]


def test_an_expired_command_is_refused(rig: Rig) -> None:
    """A command that waited past its time is not executed, one within it is."""
    rig.start("a")
    rig.do("a", sleep(10))
    now = rig.world.now()
    rig.tell("a", Note(at=now, text="late", expires_at=now + timedelta(seconds=9)))
    rig.tell("a", Note(at=now, text="sharp", expires_at=now + timedelta(seconds=10)))
    rig.tell("a", Note(at=now, text="ever"))
    rig.run(20)
    assert rig.says("late", "sharp", "ever") == ["a sharp @10", "a ever @10"]
    assert rig.letters() == [("a", "Note", "expired before it was handled")]


def test_a_failure_costs_one_message(rig: Rig) -> None:
    """The message that killed goes to the dead letters with its traceback; the rest is handled."""
    rig.start("a")
    rig.note("a", "one")
    rig.do("a", fail(ValueError("boom")))
    rig.note("a", "two", "three")
    rig.run()
    assert [line.split()[1] for line in rig.says("one", "two", "three")] == ["one", "two", "three"]
    (letter,) = rig.system.dead_letters
    assert (letter.message, letter.reason) == ("Do", "its handler failed")
    assert "ValueError: boom" in letter.trace
    assert "in on_do" in letter.trace
    (failed,) = rig.events(ChildFailed)
    assert (failed.phase, failed.handling, failed.incarnation) == (Phase.RUNNING, "Do", 1)
    assert failed.error == "ValueError: boom"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
@pytest.mark.parametrize("hook", ["handler", "recover", "finish"])
def test_an_exit_is_one_actors_failure(rig: Rig, error: BaseException, hook: str) -> None:
    """`SystemExit` and its like in one actor end nobody else, wherever they are raised."""
    raised = fail_times(1, error)
    script = {
        "handler": Script(),
        "recover": Script(on_recover=raised),
        "finish": Script(on_finish=raised),
    }[hook]
    rig.child("a", script)
    rig.start("b")
    rig.run(5)
    if hook == "handler":
        rig.do("a", raised)
    rig.note("a", "alive")
    rig.note("b", "alive")
    rig.run(5)
    rig.stop()
    rig.run(20)
    assert len(rig.says("alive")) == 2
    assert rig.world.failures == []
    assert len(rig.says("b")) == 4
    assert rig.exit_code() == 0


def test_a_failed_start_is_seen_and_tried_again(rig: Rig) -> None:
    """pykka calls no hook when `on_start` raises; the supervisor hears of it all the same."""
    rig.child("a", Script(on_recover=fail_times(2)))
    rig.start("b")
    rig.note("a", "waited")
    rig.run(5)
    assert rig.diary[:4] == ["a starts #1 @0", "a starts #2 @1", "a starts #3 @3", "a ready #3 @3"]
    assert sorted(rig.diary[4:]) == ["a waited @3", "b ready #1 @3", "b starts #1 @3"]
    failures = rig.events(ChildFailed)
    assert [(each.phase, each.handling) for each in failures] == [(Phase.STARTING, "")] * 2
    assert rig.system.dead_letter_count == 0


def test_events_carry_what_caused_them(rig: Rig) -> None:
    """An emitted event is stamped with the time and the message being handled."""
    rig.start("a")
    rig.run(5)
    rig.hush()
    rig.do("a", lambda probe: probe.emit(BellRang, times=3))
    rig.do("a", lambda probe: probe.emit(BellRang, cause="by hand"))
    rig.run()
    first, second = rig.events(BellRang)
    assert (first.cause, first.times) == ("do", 3)
    assert second.cause == "by hand"
    assert (rig.world.now() - first.at).total_seconds() == 1


def test_a_wake_up_causes_what_follows(rig: Rig) -> None:
    """An event emitted on a timer names the timer."""
    rig.child("a", Script(on_tick=lambda probe: probe.emit(BellRang) and None))
    rig.start()
    rig.do("a", lambda probe: probe.after(1, TickDue))
    rig.run(2)
    assert [event.cause for event in rig.events(BellRang)] == ["tick_due"]


# -- wake-ups -----------------------------------------------------------------------------------


def test_after_wakes_once(rig: Rig) -> None:
    """A one-shot wake-up comes when it is due, and once."""
    rig.start("a")
    rig.do("a", lambda probe: probe.after(2.5, TickDue))
    rig.run(10)
    assert rig.says("tick") == ["a tick @2.5"]


def test_every_keeps_an_absolute_schedule(rig: Rig) -> None:
    """A slow handler delays no later tick: 10, 20, 30, however long each takes."""
    rig.child("a", Script(on_tick=sleep(3)))
    rig.start()
    rig.do("a", lambda probe: probe.every(10, TickDue))
    rig.run(45)
    assert rig.says("tick") == ["a tick @10", "a tick @20", "a tick @30", "a tick @40"]


def test_every_skips_what_was_missed(rig: Rig) -> None:
    """After 25 s of other work the missed ticks are not made up, and the schedule holds."""
    rig.start("a")
    rig.do("a", lambda probe: probe.every(10, TickDue))
    rig.run(5)
    rig.do("a", sleep(30))
    rig.run(60)
    assert rig.says("tick") == ["a tick @35", "a tick @40", "a tick @50", "a tick @60"]


def test_every_does_not_tick_twice_in_one_moment(rig: Rig) -> None:
    """Rounding of `first + n * period` must not put the next tick at the present one."""
    rig.start("a")
    rig.run(295.4573259752384)
    rig.do("a", lambda probe: probe.every(0.7, TickDue))
    rig.run(700)
    assert len(rig.says("tick")) in {999, 1000}


@given(
    first=st.floats(0, 1e7),
    period=st.floats(0.001, 86_400),
    count=st.integers(0, 100_000),
    late=st.floats(0, 3),
)
def test_the_next_tick_is_always_ahead_and_within_a_period(
    first: float, period: float, count: int, late: float
) -> None:
    """Whatever the rounding: later than now, by no more than one period."""
    schedule = _Schedule(first, period)
    now = first + count * period + late * period
    upcoming = schedule.next_after(now)
    assert now < upcoming <= now + period * 1.001 + 1e-6
    assert schedule.next_after(first - 1) == first


def test_arming_again_replaces(rig: Rig) -> None:
    """The same kind armed twice wakes once, at the later word."""
    rig.start("a")
    rig.do("a", lambda probe: probe.after(2, TickDue))
    rig.do("a", lambda probe: probe.after(5, TickDue))
    rig.do("a", lambda probe: probe.after(3, OtherDue))
    rig.run(10)
    assert rig.says("tick", "other") == ["a other @3", "a tick @5"]


def test_a_one_shot_replaces_the_periodic(rig: Rig) -> None:
    """`after` on a periodic kind ends the period, `every` on a one-shot begins one."""
    rig.start("a")
    rig.do("a", lambda probe: probe.every(2, TickDue))
    rig.do("a", lambda probe: probe.after(3, TickDue))
    rig.do("a", lambda probe: probe.after(1, OtherDue))
    rig.do("a", lambda probe: probe.every(4, OtherDue))
    rig.run(9)
    assert rig.says("tick") == ["a tick @3"]
    assert rig.says("other") == ["a other @4", "a other @8"]


def test_disarming_cancels(rig: Rig) -> None:
    """A disarmed wake-up does not come, periodic or not; disarming nothing is fine."""
    rig.start("a")
    rig.do("a", lambda probe: probe.after(2, TickDue))
    rig.do("a", lambda probe: probe.every(2, OtherDue))
    rig.run(1)
    rig.do("a", lambda probe: probe.disarm(TickDue))
    rig.do("a", lambda probe: probe.disarm(OtherDue))
    rig.do("a", lambda probe: probe.disarm(OtherDue))
    rig.run(10)
    assert rig.says("tick", "other") == []


def test_a_wake_up_in_the_mailbox_can_still_be_disarmed(rig: Rig) -> None:
    """It went off while the actor was busy: what is decided before it is handled counts."""
    rig.start("a")
    rig.do("a", lambda probe: probe.after(2, TickDue))
    rig.do("a", sleep(5))
    rig.do("a", lambda probe: probe.disarm(TickDue))
    rig.run(10)
    assert rig.says("tick") == []


def test_a_wake_up_in_the_mailbox_can_still_be_replaced(rig: Rig) -> None:
    """One that went off before it was re-armed is ignored; the new one comes once."""
    rig.start("a")
    rig.do("a", lambda probe: probe.after(2, TickDue))

    def busy_then_again(probe: Probe) -> None:
        probe.clock.sleep(5)
        probe.after(5, TickDue)

    rig.do("a", busy_then_again)
    rig.run(20)
    assert rig.says("tick") == ["a tick @10"]


def test_a_wake_up_dies_with_who_armed_it(rig: Rig) -> None:
    """The successor is not woken by its predecessor's timers, waiting or still running."""
    rig.start("a")
    rig.do("a", lambda probe: probe.after(1, TickDue))
    rig.do("a", lambda probe: probe.every(5, OtherDue))
    rig.do("a", sleep(2))
    rig.do("a", fail(ValueError("boom")))
    rig.run(30)
    assert rig.says("starts") == ["a starts #1 @0", "a starts #2 @3"]
    assert rig.says("tick", "other") == []


def test_a_wake_up_already_waiting_is_not_the_successors(rig: Rig) -> None:
    """It went off for the first incarnation, which died before handling it."""

    def doomed(probe: Probe) -> None:
        probe.after(1, TickDue)
        probe.clock.sleep(2)
        raise ValueError("boom")

    rig.start("a")
    rig.do("a", doomed)
    rig.run(30)
    assert rig.says("tick") == []
    assert [each[1] for each in rig.letters()] == ["Do"]


def test_a_failing_tick_is_a_failure_like_any_other(rig: Rig) -> None:
    """The wake-up is the dead letter; the successor arms its own schedule when it recovers."""
    rig.child("a", Script(on_recover=lambda probe: probe.every(2, TickDue), on_tick=fail_times(1)))
    rig.start()
    rig.run(7)
    assert [each[1] for each in rig.letters()] == ["TickDue"]
    assert rig.says("tick") == ["a tick @2", "a tick @5", "a tick @7"]
    assert len(rig.events(ChildRestarted)) == 1


def test_a_wake_up_nobody_handles_is_a_dead_letter(rig: Rig) -> None:
    """A timer armed without a handler is a mistake that shows."""
    rig.start("a")
    rig.do("a", lambda probe: probe.after(1, StrayDue))
    rig.run(5)
    assert rig.letters() == [("a", "StrayDue", "no handler for this message")]


def test_an_ended_actor_is_not_woken(rig: Rig) -> None:
    """Stopping disarms what was armed, before the last words."""
    rig.child("a", Script(on_finish=sleep(3)))
    rig.start()
    rig.do("a", lambda probe: probe.every(1, TickDue))
    rig.run(0.5)
    rig.stop()
    rig.run(10)
    assert rig.says("tick") == []
    assert rig.exit_code() == 0
