"""Notifications to reports: nothing readable is lost, nothing unreadable is fatal."""

from collections.abc import Collection
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages.base import Report
from actors.messages.venue import (
    AccountReport,
    ChangesReport,
    ConnectionLost,
    MarketTradesReport,
    PlatformReport,
    TickerReport,
)
from adapters.deribit import channels
from adapters.deribit.catalogue import Catalogue
from adapters.deribit.channels import Channels
from tests.adapters.deribit import wires
from tests.adapters.deribit.fakes import ManualClock


class Bench:
    def __init__(self, names: Collection[str] = ()) -> None:
        self.reports: list[Report] = []
        self.clock = ManualClock()
        self.channels = Channels(Catalogue([wires.BTC]), self.clock, self.reports.append, names)

    def take(self, channel: str, data: Any) -> list[Report]:
        self.reports.clear()
        self.channels.on_notification(channel, data)
        return list(self.reports)


def changes(**parts: Any) -> dict[str, Any]:
    return {"instrument_name": "BTC-PERPETUAL", "orders": [], "trades": [], "positions": []} | parts


def test_the_channels_asked_for() -> None:
    """All orders, fills, positions and money; prices per instrument."""
    assert channels.account_channels() == (
        "user.changes.any.any.raw",
        "user.portfolio.any",
        "platform_state",
    )
    assert channels.market_channels("ETH-PERPETUAL") == (
        "ticker.ETH-PERPETUAL.100ms",
        "trades.ETH-PERPETUAL.100ms",
    )


def test_what_one_event_changed() -> None:
    """Order, fill and position come as one report."""
    (report,) = Bench().take(
        channels.CHANGES,
        changes(orders=[wires.stop()], trades=[wires.trade()], positions=[wires.position()]),
    )
    assert isinstance(report, ChangesReport)
    assert report.orders[0].order_id == "SLMS-370"
    assert report.fills[0].trade_id == "48078936"
    assert report.positions[0].contracts == -10
    assert not report.is_flat


def test_going_flat_is_said() -> None:
    """Size 0 is no position, but it is news."""
    flat = changes(positions=[wires.position(size=0, direction="zero")])
    (report,) = Bench().take(channels.CHANGES, flat)
    assert isinstance(report, ChangesReport)
    assert (report.positions, report.is_flat) == ((), True)


def test_an_odd_order_does_not_take_the_fill_along() -> None:
    """What can be read is reported; what cannot is counted."""
    bench = Bench()
    (report,) = bench.take(
        channels.CHANGES,
        changes(orders=[wires.order(order_state="odd")], trades=[wires.trade()], positions=None),
    )
    assert isinstance(report, ChangesReport)
    assert (report.orders, len(report.fills)) == ((), 1)
    assert bench.channels.unreadable.counts == {"orders": 1}


def test_a_foreign_instrument_is_counted() -> None:
    """A dated future traded by hand is none of ours."""
    bench = Bench()
    assert bench.take(channels.CHANGES, changes(instrument_name="BTC-27MAR26")) == []
    assert bench.channels.unreadable.counts == {"not_in_catalogue": 1}


def test_before_contract_data_is_read_nothing_is_odd() -> None:
    """Right after the log-in pushes come before the first catalogue: no warning for that."""
    reports: list[Report] = []
    early = Channels(Catalogue(), ManualClock(), reports.append)
    early.on_notification(channels.CHANGES, changes())
    assert reports == []
    assert early.unreadable.counts == {}


def test_money_prices_and_public_trades() -> None:
    """The other channels, each into its report; the portfolio channel in any case of currency."""
    bench = Bench()
    (account,) = bench.take("user.portfolio.btc", wires.account())
    (ticker,) = bench.take("ticker.BTC-PERPETUAL.100ms", wires.ticker())
    (trades,) = bench.take(
        "trades.BTC-PERPETUAL.100ms", [wires.trade(), wires.trade(trade_id="2", direction="sell")]
    )
    assert isinstance(account, AccountReport)
    assert account.account.equity == Decimal("1.000366076123")
    assert isinstance(ticker, TickerReport)
    assert ticker.perishable
    assert isinstance(trades, MarketTradesReport)
    assert [trade.trade_id for trade in trades.trades] == ["48078936", "2"]
    assert bench.take("trades.X.100ms", [wires.trade(instrument_name="X")]) == []


def test_the_platform_is_reported_when_it_changes() -> None:
    """The state of every index is repeated several times a second; a change for us is said once."""
    bench = Bench(["BTC-PERPETUAL"])

    def state(**fields: Any) -> list[tuple[bool, bool]]:
        return [
            (report.locked, report.maintenance)
            for report in bench.take("platform_state", fields)
            if isinstance(report, PlatformReport)
        ]

    assert state(price_index="btc_usd", locked=False) == []
    assert state(price_index="alt_usdc", locked=True) == []
    assert state(price_index="btc_usd", locked=True) == [(True, False)]
    assert state(price_index="btc_usd", locked=True) == []
    assert state(price_index="alt_usdc", locked=False) == []
    assert state(price_index="btc_usd", locked="false") == [(False, False)]
    assert state(locked="partial") == [(True, False)]
    assert state(locked=False) == [(False, False)]
    assert state(price_index=[7]) == []


def test_a_lock_of_everything_ends_with_its_line_and_by_no_other_word() -> None:
    """Its end may have been told while nobody listened; the next line repeats what holds."""
    bench = Bench(["BTC-PERPETUAL"])
    assert bench.take("platform_state", {"locked": True})
    assert bench.take("platform_state", {"maintenance": False}) == []
    assert bench.take("platform_state", {"price_index": "btc_usd", "locked": False}) == []
    bench.channels.on_lost("closed by the venue with code 1001")
    (report,) = bench.take("platform_state", {"price_index": "btc_usd", "locked": False})
    assert isinstance(report, PlatformReport)
    assert not report.locked


@pytest.mark.parametrize("end", ["said", "lost", "time"])
def test_maintenance_holds_while_ordinary_frames_go_on(end: str) -> None:
    """It is announced once, before the sockets close; the states of indexes say nothing of it."""
    bench = Bench(["BTC-PERPETUAL"])
    ordinary = {"price_index": "btc_usd", "locked": False}
    (begun,) = bench.take("platform_state", {"maintenance": True})
    assert isinstance(begun, PlatformReport)
    assert begun.maintenance
    for _ in range(5):
        bench.clock.seconds += 170
        (still,) = bench.take("platform_state", ordinary)
        assert isinstance(still, PlatformReport)
        assert still.maintenance
        assert bench.take("platform_state", ordinary) == []
    over = ordinary
    if end == "said":
        over = {"maintenance": False}
    elif end == "lost":
        bench.channels.on_lost("closed by the venue with code 1001")
    else:
        bench.clock.seconds += 60
    (report,) = bench.take("platform_state", over)
    assert isinstance(report, PlatformReport)
    assert not report.maintenance


def test_without_a_choice_every_index_counts() -> None:
    """Nobody said what we trade, so any lock may concern us."""
    (report,) = Bench().take("platform_state", {"price_index": "alt_usdc", "locked": True})
    assert isinstance(report, PlatformReport)
    assert report.locked


def test_a_lost_connection_is_a_report() -> None:
    """Whoever mirrors the venue must know that it may have missed something."""
    bench = Bench()
    bench.channels.on_lost("closed by the venue with code 4000")
    assert [report.reason for report in bench.reports if isinstance(report, ConnectionLost)] == [
        "closed by the venue with code 4000"
    ]


@pytest.mark.parametrize(
    ("channel", "data"),
    [
        ("user.changes.any.any.raw", None),
        ("user.changes.any.any.raw", changes(orders=7)),
        ("user.portfolio.any", {}),
        ("ticker.BTC-PERPETUAL.100ms", []),
        ("trades.BTC-PERPETUAL.100ms", {"a": 1}),
        ("trades.BTC-PERPETUAL.100ms", [7]),
        ("quote.BTC-PERPETUAL", {}),
    ],
)
def test_what_cannot_be_read_is_counted(channel: str, data: Any) -> None:
    """No report, no exception, one count."""
    bench = Bench()
    assert bench.take(channel, data) == []
    assert sum(bench.channels.unreadable.counts.values()) == 1


@given(
    st.sampled_from(
        ["user.changes.a", "user.portfolio.a", "ticker.a", "trades.a", "platform_state"]
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["instrument_name", "orders", "trades", "positions", "locked"])
                | st.text(),
                inner | st.just("BTC-PERPETUAL"),
            )
        ),
        max_leaves=8,
    ),
)
def test_no_notification_raises(channel: str, data: Any) -> None:
    """The reader thread outlives any data."""
    Bench().take(channel, data)
