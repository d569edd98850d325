"""Drifts are looked into until the venue has shown all there is to see."""

from dataclasses import dataclass, field
from typing import Any, cast

import structlog

from actors.ports import Venue
from actors.settling import FILLS_SHOWN_MS, DriftSettler
from domain.labels import Role
from domain.orders import Fill, Position, Side
from domain.reports import apply_fills
from domain.trade import Trade
from domain.watch import Drift
from tests.domain.builders import START, TRADE_ID, a_trade, entry, label_of, position, record, told
from tests.domain.catalogue import BTC

ENTRY = told(1, Side.BUY, 10, label_of(Role.ENTRY))
SALE = told(2, Side.SELL, 4)


@dataclass
class Account:
    """A venue of one position, whose history shows what it shows."""

    held: int
    shown: list[Fill]
    now_ms: int = 0
    reads: list[str] = field(default_factory=list[str])

    def within(self, seconds: float) -> "Account":
        self.reads.append(f"within {seconds:g} s")
        return self

    def positions(self) -> tuple[Position, ...]:
        self.reads.append("positions")
        return (position(self.held),)

    def fills(self, instrument_name: str, since_ms: int) -> tuple[Fill, ...]:
        self.reads.append("fills")
        return tuple(self.shown)

    def server_now_ms(self) -> int:
        return self.now_ms


def settler(account: Account) -> DriftSettler:
    return DriftSettler(cast("Venue", account), cast("Any", structlog.get_logger()))


def entered() -> Trade:
    return apply_fills(a_trade(), [ENTRY], START)


DRIFT = Drift(instrument_name=BTC.name, venue=6, ledger=10)


def test_a_fill_the_venue_shows_late_is_found_at_the_second_look() -> None:
    """The sale was neither heard of nor in the history: a minute later it is."""
    account = Account(held=6, shown=[ENTRY])
    drifts = settler(account)
    story = drifts.settle(BTC.name, DRIFT, [entered()], [])
    assert story is not None
    assert story.of(TRADE_ID) == ()
    assert not drifts.is_news(DRIFT)
    assert not drifts.is_due(DRIFT)
    account.shown.append(SALE)
    account.now_ms = FILLS_SHOWN_MS
    assert drifts.is_due(DRIFT)
    story = drifts.settle(BTC.name, DRIFT, [entered()], [])
    assert story is not None
    assert story.of(TRADE_ID) == (SALE,)


def test_what_no_fill_explains_then_is_not_asked_for_again() -> None:
    """It was there before, or belongs to nobody of us; another drift is another question."""
    account = Account(held=6, shown=[ENTRY])
    drifts = settler(account)
    for _ in range(2):
        drifts.settle(BTC.name, DRIFT, [entered()], [])
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
    assert drifts.settle(BTC.name, None, [entered()], []) is not None
    assert not drifts.unread
    assert drifts.is_news(DRIFT)


def test_a_story_without_all_of_an_entry_is_none() -> None:
    """Its order has filled, its fills are not shown: the position would pass for somebody's."""
    known = record(entry(), fills=())
    account = Account(held=6, shown=[SALE])
    drifts = settler(account)
    assert drifts.settle(BTC.name, DRIFT, [known], []) is None
    account.shown.insert(0, ENTRY)
    story = drifts.settle(BTC.name, DRIFT, [known], [])
    assert story is not None
    assert story.of(TRADE_ID) == (SALE,)
