"""The event stream and the dead letters."""

from typing import ClassVar

import pytest
from structlog.testing import capture_logs

from actors.kernel import ChildSpec, HandlerTable
from actors.kernel.system import CONTENT_KEPT, DEAD_LETTERS_KEPT
from actors.messages.base import Event
from actors.messages.lifecycle import ChildFailed, ChildRestarted, MessageDeadLettered
from tests.actors.kernel.support import EAR, BellRang, Note, Probe, Rig, Script


def test_publishing_logs_once_and_leaves_out_what_is_empty(rig: Rig) -> None:
    """One line per event: its constant name, who said it, and its own fields."""
    rig.start()
    with capture_logs() as logs:
        rig.system.publish("a", BellRang(at=rig.world.now(), times=2, cause="rope"))
    assert logs == [
        {"event": "bell_rang", "log_level": "warning", "actor": "a", "times": 2, "cause": "rope"}
    ]


def test_publishing_tells_the_routed_and_those_who_hear_all() -> None:
    """Routes by class in their order, then everyone who listens to every event."""
    rig = Rig(routes={BellRang: ("b", "a")})
    rig.start("a", "b", "c")
    rig.run()
    rig.hush()
    rig.system.publish("x", BellRang(at=rig.world.now(), times=4))
    rig.run()
    assert sorted(rig.says("bell")) == ["a bell 4 @1", "b bell 4 @1"]
    assert [type(event) for event in rig.events()] == [BellRang]
    rig.close()


def test_a_failing_log_keeps_no_event_from_its_hearers(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log line that cannot be written is complained about on the error stream, nothing more."""

    class Broken:
        def bind(self, **_: object) -> "Broken":
            return self

        def warning(self, *_: object, **__: object) -> None:
            raise OSError("no space left")

    monkeypatch.setattr(rig.system, "_log", Broken())
    rig.system.publish("a", BellRang(at=rig.world.now()))
    assert len(rig.events(BellRang)) == 1
    assert "no space left" in capsys.readouterr().err


def test_routing_to_nobody_is_fine(rig: Rig) -> None:
    """A message class without routes is told to no one, and that is no dead letter."""
    rig.system.route(Note(at=rig.world.now(), text="x"))
    assert rig.letters() == []


def test_dead_letters_are_bounded_and_their_count_is_not(rig: Rig) -> None:
    """Only the last ones are kept, all are counted, and a long content is cut."""
    rig.start()
    text = "x" * 2 * CONTENT_KEPT
    for number in range(DEAD_LETTERS_KEPT + 10):
        rig.system.dead_letter("a", Note(at=rig.world.now(), text=f"{number} {text}"), "why")
    assert len(rig.system.dead_letters) == DEAD_LETTERS_KEPT
    assert rig.system.dead_letter_count == DEAD_LETTERS_KEPT + 10
    assert "text='10 x" in rig.system.dead_letters[0].content
    assert {len(letter.content) for letter in rig.system.dead_letters} == {CONTENT_KEPT}


class Frail(Probe):
    """Listens to everything and fails on dead letters."""

    def on_message_dead_lettered(self, message: MessageDeadLettered) -> None:
        raise ValueError(message.reason)

    def on_any(self, _: Event) -> None:
        """Hears it."""

    handlers: ClassVar[HandlerTable] = {
        MessageDeadLettered: on_message_dead_lettered,
        ChildFailed: on_any,
        ChildRestarted: on_any,
    }


def test_a_listener_that_fails_on_dead_letters_makes_no_storm() -> None:
    """Its failure on a dead letter is a dead letter itself, counted but not published."""
    rig = Rig(listeners=(EAR, "frail"))
    arguments = {"diary": rig.diary, "script": Script()}
    rig.children.append(ChildSpec(name="frail", actor=Frail, arguments=arguments))
    rig.start()
    rig.note("nobody", "hello")
    rig.run(100)
    assert [each[:2] for each in rig.letters()] == [
        ("nobody", "Note"),
        ("frail", "MessageDeadLettered"),
    ]
    assert len(rig.says("starts")) == 2
    rig.close()


def test_addresses_are_known_by_name(rig: Rig) -> None:
    """The same name is the same address, and all are listed."""
    assert rig.system.address("a") is rig.system.address("a")
    assert {address.name for address in rig.system.addresses()} == {EAR, "a"}


def test_forgetting_a_stranger_is_fine(rig: Rig) -> None:
    """Nothing to forget, nothing happens."""
    rig.system.forget("stranger")
    assert rig.letters() == []
