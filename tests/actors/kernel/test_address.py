"""Telling by name: what arrives, what is dropped, and what is a dead letter."""

from typing import Any

import pytest
from pykka import ActorRegistry

from actors.kernel.address import PERISHABLE_LIMIT
from tests.actors.kernel.support import (
    BellRang,
    FillReport,
    Note,
    PriceReport,
    Probe,
    Rig,
    Script,
    fail,
    sleep,
)


def retire(rig: Rig, name: str) -> None:
    """Ends the actor for good and lets the supervisor see it."""
    rig.do(name, Probe.retire)
    rig.run()


def test_what_is_told_before_the_start_waits_for_it(rig: Rig) -> None:
    """A child that is not up yet has its mailbox already: nothing told to it is lost."""
    rig.child("a", Script(on_recover=sleep(3)))
    rig.start("b")
    rig.note("b", "early")
    rig.run(5)
    assert rig.says("b") == ["b starts #1 @3", "b ready #1 @3", "b early @3"]


def test_telling_nobody_never_raises(rig: Rig) -> None:
    """A name nobody has: commands are dead letters."""
    rig.start()
    rig.note("nobody", "hello")
    assert rig.letters() == [("nobody", "Note", "nobody lives at this address")]


def test_telling_the_retired_never_raises(rig: Rig) -> None:
    """A permanent child that ended for good takes no more, and the sender lives on."""
    rig.start("a", "b")
    kept = rig.system.address("a")
    retire(rig, "a")
    rig.do("b", lambda probe: kept.tell(Note(at=probe.clock.now(), text="late")))
    rig.note("a", "later")
    rig.run()
    assert rig.says("late", "later") == []
    assert rig.letters() == [("a", "Note", "nobody lives at this address")] * 2
    assert rig.says("#2") == []


def test_what_waits_behind_the_retirement_is_not_lost_silently(rig: Rig) -> None:
    """Told before the end was known: commands become dead letters, events and reports do not."""
    rig.start("a")
    rig.do("a", Probe.retire)
    rig.note("a", "before")
    rig.do("a", sleep(2))
    rig.run(1)
    rig.note("a", "behind")
    rig.tell("a", BellRang(at=rig.world.now()), FillReport(at=rig.world.now(), number=1))
    rig.run(5)
    assert rig.says("before", "behind") == ["a before @0"]
    assert rig.letters() == [("a", "Note", "a has ended")]
    assert rig.system.address("a").dropped == 1


def test_a_tell_that_crosses_the_closing_is_a_dead_letter(rig: Rig) -> None:
    """Put into the mailbox after it was emptied, it would wait for ever; the teller sees to it."""
    address = rig.system.address("a")
    address.is_open = True
    mailbox = address.mailbox

    class Closing:
        """Lets the address be closed between the look at it and the put."""

        def put(self, envelope: Any, /) -> None:
            address.close()
            mailbox.put(envelope)

        get, qsize = mailbox.get, mailbox.qsize

    address.mailbox = Closing()
    rig.note("a", "crossed")
    assert rig.letters() == [("a", "Note", "a has ended")]


def test_an_event_about_the_gone_causes_no_loop() -> None:
    """A listener that is gone is told of dead letters all the time: that makes none itself."""
    rig = Rig(listeners=("gone", "deaf"))
    rig.start("deaf")
    rig.note("nobody", "hello")
    rig.run()
    assert [each[:2] for each in rig.letters()] == [
        ("nobody", "Note"),
        ("deaf", "MessageDeadLettered"),
    ]
    rig.close()


@pytest.mark.parametrize("excess", [0, 1, 1000])
def test_prices_are_dropped_beyond_the_limit_and_counted(rig: Rig, excess: int) -> None:
    """Perishable reports cannot flood a busy actor; what is not perishable always gets in."""
    rig.start("a")
    rig.do("a", sleep(2))
    rig.run(1)
    now = rig.world.now()
    prices = [PriceReport(at=now, number=number) for number in range(PERISHABLE_LIMIT + excess)]
    rig.tell("a", *prices, FillReport(at=now, number=7))
    rig.run(5)
    assert rig.says("price") == [f"a price {number} @2" for number in range(PERISHABLE_LIMIT)]
    assert rig.says("fill") == ["a fill 7 @2"]
    assert rig.system.address("a").dropped == excess
    assert rig.letters() == []


def test_reports_for_nobody_are_counted_only(rig: Rig) -> None:
    """What the venue told is at the venue still: a report nobody waits for is no dead letter."""
    rig.start()
    now = rig.world.now()
    rig.tell("nobody", PriceReport(at=now, number=1), FillReport(at=now, number=1))
    assert (rig.system.address("nobody").dropped, rig.letters()) == (2, [])


def test_the_mailbox_outlives_the_incarnation(rig: Rig) -> None:
    """An address kept from before the failure reaches the successor, in order, exactly once."""
    rig.start("a")
    kept = rig.system.address("a")
    rig.do("a", fail(ValueError("boom")))
    for number in range(5):
        rig.run(0.3)
        kept.tell(Note(at=rig.world.now(), text=str(number)))
    rig.run(5)
    assert [line.split()[1] for line in rig.says(*"01234")] == list("01234")
    assert kept is rig.system.address("a")
    assert repr(kept) == "Address('a')"


def test_systems_of_one_process_know_nothing_of_each_other(rig: Rig) -> None:
    """Nothing is kept in pykka's global registry, which would never let a system go."""
    rig.start("a")
    rig.run()
    assert ActorRegistry.get_all() == []
