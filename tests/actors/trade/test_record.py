"""The record in its actor's hands: announced once, told once, final when finished."""

from typing import Any

from actors.kernel import Address
from actors.messages.base import Message
from actors.messages.trading import TradeUpdated
from actors.trade_log import Announcer
from actors.trade_record import RecordKeeper
from domain.labels import Role
from domain.outcomes import ending
from domain.trade import ExitReason
from simulation.runtime import VirtualWorld
from tests.domain.builders import closing, record
from tests.domain.catalogue import BTC


class Post:
    """An address that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Message] = []

    def tell(self, message: Message) -> None:
        self.told.append(message)


def keeper(said: list[Any]) -> tuple[RecordKeeper, Post]:
    def emit(kind: type[Any], **fields: Any) -> None:
        said.append(kind.__name__)

    post, world = Post(), VirtualWorld()
    address: Address = post  # type: ignore[assignment]
    made = RecordKeeper(
        record(),
        announce=Announcer(emit, BTC, protection_deadline=3.0, is_alone=True),
        clock=world,
        server_now_ms=world.now_ms,
        registry=address,
        execution=address,
    )
    return made, post


def test_only_news_are_told() -> None:
    """The Registry and Execution hear of a record once."""
    kept, post = keeper([])
    kept.save()
    kept.save()
    assert len(post.told) == 2
    kept.change(ending(kept.trade, ExitReason.REQUESTED))
    kept.save()
    assert len(post.told) == 4


def test_a_finished_record_changes_no_more() -> None:
    """What comes after the last words is somebody else's."""
    said: list[Any] = []
    kept, post = keeper(said)
    kept.finish()
    assert said == ["TradeAbandoned"]
    kept.change(closing(reason=ExitReason.KILL))
    assert kept.trade.is_finished
    assert kept.trade.of(Role.ENTRY) == ()
    kept.save()
    assert [type(x).__name__ for x in post.told] == ["RecordTrade", "TradeUpdated", "KeepLastWords"]


def test_of_a_record_that_is_over_already_execution_alone_is_told() -> None:
    """Neither the Registry nor the world; but whoever counts the open trades."""
    said: list[Any] = []
    kept, post = keeper(said)
    kept.is_over_already()
    kept.save()
    (told,) = post.told
    assert isinstance(told, TradeUpdated)
    assert told.trade.is_finished
    assert said == []
