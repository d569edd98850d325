"""Drifts are looked into until the venue has shown all there is to see."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import structlog

from actors.kernel import Address
from actors.messages.base import Message
from actors.messages.trading import ChronicleReport, ReadChronicle, StoryReport
from actors.ports import Venue
from actors.routing import ReportRouter
from actors.settling import FILLS_SHOWN_MS, DriftSettler, Storyteller
from actors.trade_house import TradeHouse
from domain.labels import Role
from domain.orders import Fill, Side
from domain.reports import apply_fills
from domain.story import Story
from domain.trade import Trade
from domain.watch import Drift
from simulation.runtime import VirtualWorld
from tests.domain.builders import START, TRADE_ID, a_trade, entry, label_of, record, told
from tests.domain.catalogue import BTC

ENTRY = told(1, Side.BUY, 10, label_of(Role.ENTRY))
SALE = told(2, Side.SELL, 4)


@dataclass
class Account:
    """A venue of one position, whose history shows what it shows."""

    held: int
    shown: list[Fill]
    now_ms: int = 0

    def server_now_ms(self) -> int:
        return self.now_ms

    def read(self) -> ChronicleReport:
        return ChronicleReport(
            at=START,
            instrument=BTC.name,
            asked_at=START,
            fills=tuple(self.shown),
            contracts=self.held,
            contract_size=BTC.contract_size,
        )

    def settle(
        self, drifts: DriftSettler, drift: Drift | None, trades: Sequence[Trade]
    ) -> Story | None:
        """What is read for this drift, as an answer to a question of now."""
        drifts.unread[BTC.name] = drift
        return drifts.settle(drift, trades, [], self.read())


def settler(account: Account) -> DriftSettler:
    return DriftSettler(cast("Venue", account))


def entered() -> Trade:
    return apply_fills(a_trade(), [ENTRY], START)


DRIFT = Drift(instrument_name=BTC.name, venue=6, ledger=10)


def test_a_fill_the_venue_shows_late_is_found_at_the_second_look() -> None:
    """The sale was neither heard of nor in the history: a minute later it is."""
    account = Account(held=6, shown=[ENTRY])
    drifts = settler(account)
    story = account.settle(drifts, DRIFT, [entered()])
    assert story is not None
    assert story.of(TRADE_ID) == ()
    assert not drifts.is_news(DRIFT)
    assert not drifts.is_due(DRIFT)
    account.shown.append(SALE)
    account.now_ms = FILLS_SHOWN_MS
    assert drifts.is_due(DRIFT)
    story = account.settle(drifts, DRIFT, [entered()])
    assert story is not None
    assert story.of(TRADE_ID) == (SALE,)


def test_what_no_fill_explains_then_is_not_asked_for_again() -> None:
    """It was there before, or belongs to nobody of us; another drift is another question."""
    account = Account(held=6, shown=[ENTRY])
    drifts = settler(account)
    for _ in range(2):
        account.settle(drifts, DRIFT, [entered()])
        account.now_ms += FILLS_SHOWN_MS
    assert not drifts.is_due(DRIFT)
    assert not drifts.is_news(DRIFT)
    assert drifts.is_news(Drift(instrument_name=BTC.name, venue=7, ledger=10))
    drifts.forget(BTC.name)
    assert drifts.is_news(DRIFT)


def test_a_story_that_is_wanted_stays_wanted_when_book_and_venue_agree() -> None:
    """They may agree by a guess: it is read nevertheless, once."""
    account = Account(held=10, shown=[ENTRY])
    drifts = settler(account)
    drifts.unread[BTC.name] = DRIFT
    drifts.forget(BTC.name)
    assert drifts.unread == {BTC.name: None}
    assert drifts.settle(None, [entered()], [], account.read()) is not None
    assert not drifts.unread
    assert drifts.is_news(DRIFT)


def test_a_story_without_all_of_an_entry_is_none() -> None:
    """Its order has filled, its fills are not shown: the position would pass for somebody's."""
    known = record(entry(), fills=())
    account = Account(held=6, shown=[SALE])
    drifts = settler(account)
    assert account.settle(drifts, DRIFT, [known]) is None
    account.shown.insert(0, ENTRY)
    story = account.settle(drifts, DRIFT, [known])
    assert story is not None
    assert story.of(TRADE_ID) == (SALE,)


def test_a_drift_that_has_passed_while_its_story_was_read_is_news_when_it_comes_again() -> None:
    """Book and venue agreed meanwhile: nothing of it is settled."""
    account = Account(held=6, shown=[ENTRY])
    drifts = settler(account)
    drifts.unread[BTC.name] = DRIFT
    drifts.forget(BTC.name)
    assert drifts.settle(DRIFT, [entered()], [], account.read()) is not None
    assert not drifts.unread
    assert drifts.is_news(DRIFT)


def test_a_drift_that_has_changed_while_its_story_was_read_is_read_again() -> None:
    """What was read may be older than the change."""
    account = Account(held=6, shown=[ENTRY])
    drifts = settler(account)
    other = Drift(instrument_name=BTC.name, venue=7, ledger=10)
    drifts.unread[BTC.name] = other
    assert drifts.settle(DRIFT, [entered()], [], account.read()) is not None
    assert drifts.unread == {BTC.name: other}
    assert drifts.is_news(other)


@dataclass
class Boxes:
    """Addresses that keep what they are told."""

    told: list[Message] = field(default_factory=list[Message])
    is_open: bool = True

    def tell(self, message: Message) -> None:
        self.told.append(message)

    def of(self, kind: type[Message]) -> list[Any]:
        return [x for x in self.told if isinstance(x, kind)]


@dataclass
class Desk:
    """A Storyteller over one open trade, and all that it tells."""

    account: Account
    world: VirtualWorld = field(default_factory=VirtualWorld)
    boxes: Boxes = field(default_factory=Boxes)

    def __post_init__(self) -> None:
        box = cast("Address", self.boxes)
        self.house = TradeHouse(address=lambda _: box, supervisor="s", clock=self.world)
        self.house.records[TRADE_ID] = entered()
        self.stories = Storyteller(
            settler(self.account),
            self.house,
            ReportRouter(structlog.get_logger()),
            self.world,
            chronicler=box,
            wake_in=lambda _: None,
        )

    @property
    def questions(self) -> list[ReadChronicle]:
        return self.boxes.of(ReadChronicle)

    def answer(self, question: ReadChronicle) -> None:
        at = question.at
        self.stories.heard(replace(self.account.read(), asked_at=at))
        self.world.run_for(1)


def test_a_story_is_read_once_however_often_it_is_asked_for() -> None:
    """Who reads may be slow; the next look at the account, and the next, do not wait in a row."""
    desk = Desk(Account(held=6, shown=[ENTRY, SALE]))
    for _ in range(3):
        desk.stories.seek(BTC.name, DRIFT)
    (question,) = desk.questions
    desk.answer(question)
    (report,) = desk.boxes.of(StoryReport)
    assert report.fills == (SALE,)
    desk.answer(question)
    assert len(desk.boxes.of(StoryReport)) == 1


def test_what_filled_while_it_was_read_has_it_read_again() -> None:
    """The story would not know of it; the fill of an order of ours would pass for nobody's."""
    desk = Desk(Account(held=6, shown=[ENTRY, SALE]))
    desk.stories.seek(BTC.name, DRIFT)
    close = told(3, Side.SELL, 6, label_of(Role.CLOSE))
    desk.house.update(apply_fills(desk.house.records[TRADE_ID], [close], START))
    desk.answer(desk.questions[0])
    assert not desk.boxes.of(StoryReport)
    assert len(desk.questions) == 2
    desk.answer(desk.questions[1])
    assert len(desk.boxes.of(StoryReport)) == 1


def test_whose_reader_has_died_asks_its_successor() -> None:
    """The question may be what it died of; the first answer would count for nothing."""
    desk = Desk(Account(held=6, shown=[ENTRY, SALE]))
    desk.stories.seek(BTC.name, DRIFT)
    desk.world.run_for(1)
    desk.stories.seek_anew()
    first, second = desk.questions
    desk.answer(first)
    assert not desk.boxes.of(StoryReport)
    desk.answer(second)
    assert len(desk.boxes.of(StoryReport)) == 1
