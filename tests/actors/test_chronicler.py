"""Reading what was filled: whole or not at all, and a slow venue is waited for."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from actors.chronicler import MOST_TIMES, READ_SECONDS, Chronicler
from actors.kernel import Actor, ChildSpec, HandlerTable
from actors.messages.trading import ChronicleReport, ReadChronicle
from actors.ports import OutcomeUnknown, Venue
from domain.orders import Fill, Position, Side
from tests.actors.kernel.support import Rig
from tests.domain.builders import position, told
from tests.domain.catalogue import BTC, ETH

ENTRY = told(1, Side.BUY, 10)


@dataclass
class Account:
    """The part of `Venue` that a Chronicler needs. What is held moves on with every look."""

    held: list[int]
    is_silent: bool = False
    patience: list[float] = field(default_factory=list[float])

    def within(self, seconds: float) -> "Account":
        self.patience.append(seconds)
        return self

    def positions(self) -> tuple[Position, ...]:
        if self.is_silent:
            raise OutcomeUnknown("no reply")
        now = self.held.pop(0) if len(self.held) > 1 else self.held[0]
        return (position(7, ETH.name), *([position(now)] if now else []))

    def fills(self, instrument_name: str, since_ms: int) -> tuple[Fill, ...]:
        assert (instrument_name, since_ms) == (BTC.name, 5)
        return (ENTRY,)


class Listener(Actor):
    """Stands where Execution does."""

    heard: ClassVar[list[ChronicleReport]] = []
    handlers: ClassVar[HandlerTable] = {
        ChronicleReport: lambda _, message: Listener.heard.append(message)
    }


@pytest.fixture
def rig() -> Iterator[Rig]:
    Listener.heard.clear()
    made = Rig()
    yield made
    made.close()


def asked(rig: Rig, account: Account, times: int = 1) -> list[ChronicleReport]:
    """What is answered, each question after the answer to the one before."""
    venue: Venue = account  # type: ignore[assignment]
    rig.children += [
        ChildSpec(name="chronicler", actor=Chronicler, arguments={"venue": venue}),
        ChildSpec(name="execution", actor=Listener),
    ]
    rig.start()
    for _ in range(times):
        question = ReadChronicle(at=rig.world.now(), instrument=BTC.name, since_ms=5)
        rig.system.address("chronicler").tell(question)
        rig.run(1)
    return Listener.heard


def test_the_answer_has_the_fills_and_the_position_after_them(rig: Rig) -> None:
    """And says which question it is of."""
    at = rig.world.now()
    (answer,) = asked(rig, Account([10]))
    assert answer.asked_at == at
    assert (answer.fills, answer.contracts) == ((ENTRY,), 10)


def test_an_account_that_is_flat_has_no_contracts(rig: Rig) -> None:
    """Other instruments are not looked at."""
    (answer,) = asked(rig, Account([0]))
    assert (answer.fills, answer.contracts, answer.contract_size) == ((ENTRY,), 0, None)


def test_fills_of_a_position_that_moves_while_they_are_read_are_none(rig: Rig) -> None:
    """They would not add up."""
    (answer,) = asked(rig, Account([10, 6]))
    assert answer.fills is None


def test_a_venue_that_is_too_slow_is_given_ever_more_time(rig: Rig) -> None:
    """Up to a limit; and the usual time again, once it has answered."""
    account = Account([10], is_silent=True)
    answers = asked(rig, account, times=7)
    assert [x.fills for x in answers] == [None] * 7
    assert account.patience == [READ_SECONDS * min(n, MOST_TIMES) for n in range(1, 8)]
    account.is_silent = False
    for _ in range(2):
        question = ReadChronicle(at=rig.world.now(), instrument=BTC.name, since_ms=5)
        rig.system.address("chronicler").tell(question)
        rig.run(1)
    assert account.patience[-1] == READ_SECONDS
