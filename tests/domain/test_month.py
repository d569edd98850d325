"""A month folded from journal entries: true sums, the right edges, nothing invented."""

from datetime import UTC
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from domain.month import report


def closed(ts: str, net: str, **fields: Any) -> dict[str, Any]:
    """A closed trade: 1 coin more before fees than after."""
    return {
        "ts": ts,
        "event": "trade_closed",
        "trade_id": f"trade-{ts}",
        "instrument": "BTC-PERPETUAL",
        "exit_reason": "stop_loss",
        "pnl_coin": str(Decimal(net) + 1),
        "fees_coin": "1",
        "net_coin": net,
        "pnl_usd": "5",
        "currency": "BTC",
        "unprotected_ms": 3.0,
        **fields,
    }


def began(ts: str, equity: str) -> dict[str, Any]:
    return {"ts": ts, "event": "day_began", "equity": [f"BTC={equity}"]}


def test_sums_are_exact_and_a_win_is_one_after_fees() -> None:
    """A trade that won less than its fees has lost; one that won nothing did neither."""
    nets = ("0.000000000001", "-0.5", "0")
    entries = [closed("2026-03-02T10:00:00+00:00", net, trade_id=f"of {net}") for net in nets]
    found = report(entries, "2026-03", UTC)
    assert (found.trades, found.won, found.lost) == (3, 1, 1)
    assert found.by_currency["BTC"].net == Decimal("-0.499999999999")
    assert found.by_currency["BTC"].fees == Decimal(3)
    assert found.pnl_usd == Decimal(15)
    assert found.win_rate == 1 / 3


def test_a_trade_that_is_told_twice_counts_once() -> None:
    """Last words are said again after a failure; also where a day or a month began between."""
    again = closed("2026-03-01T23:59:59+00:00", "2")
    entries = [
        began("2026-03-01T00:00:00+00:00", "10"),
        again,
        again,
        began("2026-03-02T00:00:00+00:00", "12"),
        {**again, "ts": "2026-03-02T00:00:01+00:00"},
        began("2026-03-03T00:00:00+00:00", "12"),
        {**again, "ts": "2026-04-01T00:00:01+00:00"},
    ]
    found = report(entries, "2026-03", UTC)
    assert (found.trades, found.won, found.pnl_usd) == (1, 1, Decimal(5))
    assert found.by_currency["BTC"].net == Decimal(2)
    assert (found.by_instrument, found.by_exit) == ({"BTC-PERPETUAL": 1}, {"stop_loss": 1})
    assert found.other("BTC") == Decimal(0)
    assert report(entries, "2026-04", UTC).trades == 0


def test_the_month_has_the_edges_of_the_time_zone() -> None:
    """Half past eleven in the evening in London is the next month in Berlin."""
    entries = [closed("2026-02-28T23:30:00+00:00", "1"), closed("2026-03-31T22:30:00+00:00", "2")]
    berlin = report(entries, "2026-03", ZoneInfo("Europe/Berlin"))
    assert berlin.by_currency["BTC"].net == Decimal(1)
    assert report(entries, "2026-03", UTC).by_currency["BTC"].net == Decimal(2)


def test_what_equity_changed_beside_trades_is_the_rest() -> None:
    """Between the first and the last day's start; trades outside of these do not count."""
    entries = [
        closed("2026-03-01T00:00:01+00:00", "100"),
        began("2026-03-01T00:00:02+00:00", "10"),
        closed("2026-03-01T10:00:00+00:00", "2"),
        began("2026-03-02T00:00:00+00:00", "11"),
        closed("2026-03-02T10:00:00+00:00", "3"),
        began("2026-03-03T00:00:00+00:00", "14.5"),
        closed("2026-03-03T10:00:00+00:00", "1000"),
    ]
    assert report(entries, "2026-03", UTC).other("BTC") == Decimal("-0.5")
    assert report(entries[:3], "2026-03", UTC).other("BTC") is None


def test_funding_is_a_figure_of_its_own_and_no_part_of_the_rest() -> None:
    """Each booking once; what equity changed beside trades and funding is transfers."""
    booked = {"event": "funding_booked", "log_id": 7, "currency": "BTC", "amount": "-0.25"}
    entries = [
        began("2026-03-01T00:00:00+00:00", "10"),
        {"ts": "2026-03-01T08:00:00+00:00", **booked},
        {"ts": "2026-03-01T08:05:00+00:00", **booked},
        began("2026-03-02T00:00:00+00:00", "10.75"),
    ]
    found = report(entries, "2026-03", UTC)
    assert found.by_currency["BTC"].funding == Decimal("-0.25")
    assert found.other("BTC") == Decimal(1)


def test_the_worst_exposure_names_its_trade() -> None:
    """Emergencies count too: they are the longest."""
    entries = [
        closed("2026-03-01T00:00:00+00:00", "1"),
        {
            "ts": "2026-03-01T01:00:00+00:00",
            "event": "emergency_closed",
            "trade_id": "bare",
            "unprotected_ms": 3100.5,
        },
    ]
    found = report(entries, "2026-03", UTC)
    assert (found.worst_unprotected_ms, found.worst_unprotected_trade) == (3100.5, "bare")
    assert found.events["emergency_closed"] == 1


def test_the_percentiles_are_of_trades_and_each_counts_with_its_longest_figure() -> None:
    """A stop told three times is one trade's time, not three."""
    times = [(str(number), float(number)) for number in range(1, 101)]
    entries = [
        {
            "ts": "2026-03-01T01:00:00+00:00",
            "event": "stop_placed",
            "trade_id": name,
            "unprotected_ms": part,
        }
        for name, ms in times
        for part in (ms / 2, ms, ms)
    ]
    found = report(entries, "2026-03", UTC)
    assert (found.unprotected(0.5), found.unprotected(0.95)) == (50, 95)
    assert (found.worst_unprotected_ms, found.worst_unprotected_trade) == (100, "100")


def test_what_is_unreadable_counts_as_nothing() -> None:
    """A damaged figure or moment hides none of the others."""
    entries = [
        closed("no time", "7"),
        closed("2026-03-01T00:00:00+00:00", "1", pnl_usd="NaN", fees_coin="?"),
        {"event": "trade_closed"},
    ]
    found = report(entries, "2026-03", UTC)
    assert (found.trades, found.pnl_usd) == (1, Decimal(0))
    assert found.by_currency["BTC"].fees == Decimal(0)


def test_refusals_are_counted_by_reason() -> None:
    """An entry refused for two reasons counts for both."""
    entry = {
        "ts": "2026-03-01T00:00:00+00:00",
        "event": "entry_denied",
        "reasons": ["max_open_trades", "stale_data"],
    }
    found = report([entry, entry], "2026-03", UTC)
    assert found.denied == {"max_open_trades": 2, "stale_data": 2}
    assert found.events["entry_denied"] == 2
    assert found.win_rate is None
