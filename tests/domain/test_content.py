"""Figures for a person: rounded, but never so that two prices look like one."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.alert_texts import ALERTS
from actors.messages.book import DiskFailed
from actors.messages.trading import TradeOpened
from domain.content import Column, Content, Table, as_text, price_text
from domain.history import CLOSED_COLUMNS
from domain.views import ORDER_COLUMNS, POSITION_COLUMNS, TRADE_COLUMNS
from simulation.runtime import EPOCH

SHOWN = [
    ("100000.5", "100000.50"),
    ("100000.123456", "100000.12"),
    ("3200.05", "3200.05"),
    ("150.12345", "150.12"),
    ("99.999999", "100.00"),
    ("9.5", "9.50"),
    ("0.4873", "0.4873"),
    ("0.487333333", "0.48733"),
    ("0.00002451", "0.00002451"),
    ("0", "0.00"),
    ("1e-5000", "0.00"),
    ("NaN", "-"),
    ("Infinity", "-"),
]


@pytest.mark.parametrize(("price", "text"), SHOWN)
def test_a_small_price_is_shown_in_full(price: str, text: str) -> None:
    """From 100 on two decimals; below it five significant figures."""
    assert price_text(Decimal(price), 2) == text


@given(st.decimals(Decimal("1e-7"), Decimal(100), places=11))
def test_no_small_price_is_off_by_more_than_its_fifth_figure(price: Decimal) -> None:
    """A stop and an entry that differ are told apart."""
    assert abs(Decimal(price_text(price, 2)) - price) <= price / 10_000


PRICES = {"entry", "exit", "mark", "stop", "liquidation", "target", "price", "trigger_price"}
PRICES |= {"stop_loss", "take_profit"}


def test_every_column_of_prices_is_one() -> None:
    """And none of money, percents or milliseconds."""
    columns = (*POSITION_COLUMNS, *TRADE_COLUMNS, *ORDER_COLUMNS, *CLOSED_COLUMNS)
    assert {x.key for x in columns if x.is_price} == PRICES
    assert {x.key for x in columns if not x.is_price}.isdisjoint(PRICES)


def test_a_table_shows_small_prices_in_full() -> None:
    """Beside large ones, which stay as they are."""
    columns = (Column(key="entry", title="entry", digits=2, is_price=True),)
    rows = ((Decimal("0.4873"),), (Decimal("100000.5"),))
    table = Table(key="t", title="T", columns=columns, rows=rows)
    assert as_text(Content(tables=(table,))) == "T\nentry 0.4873\nentry 100000.50"


def test_an_alert_tells_small_prices_in_full_and_large_ones_as_ever() -> None:
    """0.49 would be the entry, the stop and the target."""
    opened = TradeOpened(
        at=EPOCH,
        trade_id="t1",
        instrument="XRP_USDC-PERPETUAL",
        side="buy",
        contracts=5,
        entry_price=Decimal("0.487333333"),
        stop_loss=Decimal("0.4851"),
        take_profit=Decimal(100_000),
        unprotected_ms=3.0,
    )
    text = ALERTS[TradeOpened].text(opened)
    assert "at 0.48733\nstop 0.4851, target 100000\n" in text


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("[Errno 28] No space left on device", "Free some space"),
        ("[Errno 5] Input/output error", "Free some space"),
        ("[Errno 30] Read-only file system", "no matter of space: df -h ., dmesg"),
        ("[Errno 2] No such file or directory", "no matter of space: df -h ., dmesg"),
        ("[Errno 24] Too many open files", "no matter of space: raise ulimit -n"),
    ],
)
def test_room_is_advised_only_where_it_may_help(error: str, advice: str) -> None:
    """Whoever is woken by a disk that became read-only must not begin to delete."""
    text = ALERTS[DiskFailed].text(DiskFailed(at=EPOCH, what="registry", error=error))
    assert error in text
    assert advice in text
    assert ("Free some space" in text) == (advice == "Free some space")
