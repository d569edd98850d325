"""The daily report: a window of the journal in a few figures, whatever the entries look like."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.alert_texts import ALERTS
from actors.messages.base import event_name
from domain import daily
from domain.content import Content, as_text

UNTIL = datetime(2026, 1, 5, 23, 50, tzinfo=UTC)
SINCE = UNTIL - timedelta(days=1)


def entry(event: str, hours: float = 1.0, **fields: Any) -> dict[str, Any]:
    """An entry so many hours before the end."""
    return {"ts": (UNTIL - timedelta(hours=hours)).isoformat(), "event": event, **fields}


def closed(trade_id: str, hours: float = 1.0, **fields: Any) -> dict[str, Any]:
    whole = {
        "trade_id": trade_id,
        "instrument": "BTC-PERPETUAL",
        "side": "buy",
        "contracts": 5,
        "exit_reason": "take_profit",
        "pnl_coin": "0.001",
        "pnl_usd": "100.10",
        "fees_coin": "0.0001",
        "net_coin": "0.0009",
        "currency": "BTC",
        "unprotected_ms": 3.4,
    }
    return entry("trade_closed", hours, **{**whole, **fields})


def report(*entries: dict[str, Any], unsent: int | None = None) -> Content:
    return daily.daily_report(entries, since=SINCE, until=UNTIL, zone=UTC, unsent=unsent)


def rows(content: Content) -> dict[str, Any]:
    return {str(row[0]): row[2] for table in content.tables for row in table.rows}


def test_an_empty_day_says_that_nothing_happened() -> None:
    """No news is said in words."""
    content = report()
    assert content.lines == ("04 Jan 23:50 to 05 Jan 23:50 UTC", "No trade was closed.")
    assert rows(content)["nothing"] == "no failure, refusal or restart"
    assert rows(content)["missing"] == "never"


def test_it_sums_what_was_earned_by_currency() -> None:
    """Coins of different currencies are never added up; a trade told twice counts once."""
    content = report(
        closed("a"),
        closed("a"),
        closed("b", exit_reason="stop_loss", net_coin="-0.0004", pnl_usd="-40"),
        closed("c", currency="USDC", net_coin="7", fees_coin="0.5", pnl_usd="7.5"),
    )
    assert content.lines[1] == "3 trades closed, +67.60 USD before fees."
    found = rows(content)
    assert (found["closed"], found["won"]) == (3, 2)
    assert found["net_BTC"] == "+0.00050000"
    assert found["fees_BTC"] == "0.00020000"
    assert found["net_USDC"] == "+7.00000000"
    assert found["exits"] == "take profit 2, stop loss 1"


def test_funding_is_a_line_of_its_own_and_each_booking_counts_once() -> None:
    """Of every currency it was booked in, also on a day without a closed trade."""

    def booked(log_id: int, amount: str, currency: str = "BTC") -> dict[str, Any]:
        return entry("funding_booked", log_id=log_id, amount=amount, currency=currency)

    found = rows(report(booked(1, "0.5"), booked(1, "0.5"), booked(2, "-2"), booked(3, "1", "ETH")))
    assert (found["funding_BTC"], found["funding_ETH"]) == ("-1.50000000", "+1.00000000")


def test_only_what_lies_in_the_window_counts() -> None:
    """After its beginning, up to and including its end: nothing is in two reports."""
    content = report(closed("a", 24.0), closed("b", 23.999), closed("c", 0.0), closed("d", -0.001))
    assert rows(content)["closed"] == 2


def test_it_says_how_long_positions_were_without_a_stop() -> None:
    """The worst, and percentiles, of trades closed and of those still open."""
    naked = [entry("trade_opened", trade_id=f"t{n}", unprotected_ms=n) for n in range(1, 101)]
    found = rows(report(*naked, closed("t100", unprotected_ms=900)))
    assert found["unprotected_worst_ms"] == "900"
    assert found["unprotected_p95_ms"] == "95"
    assert found["unprotected_median_ms"] == "50"
    assert found["unprotected_sum_ms"] == "5850"
    assert found["late"] == 0
    late = [*naked, entry("protection_deadline_missed", seconds=4.0)]
    assert rows(report(*late))["late"] == 1


def test_the_account_is_risks_last_word_and_the_loss_at_its_worst() -> None:
    """A loss that was made good again was a loss."""
    found = rows(
        report(
            entry("day_measured", 5, equity_usd="1000", result_usd="-15", limit_usd="20"),
            entry("day_measured", 1, equity_usd="1010.456", result_usd="10", limit_usd="20"),
            entry("day_measured", 0.5, equity_usd="NaN", result_usd="x"),
        )
    )
    assert (found["equity_usd"], found["result_usd"]) == (Decimal("1010.46"), Decimal("10.00"))
    assert found["loss_used"] == "15.00 of 20.00 USD (75 %)"


def test_a_loss_is_held_against_its_own_days_limit() -> None:
    """A report covers the end of yesterday, too: its result against today's limit is neither's."""

    def worst(*measured: tuple[float, str, str]) -> str:
        days = [
            entry("day_measured", hours, equity_usd="9000", result_usd=result, limit_usd=limit)
            for hours, result, limit in measured
        ]
        return str(rows(report(*days))["loss_used"])

    assert worst((23.9, "-150", "200"), (1, "5", "180")) == "150.00 of 200.00 USD (75 %)"
    assert worst((23.9, "-150", "200"), (1, "-144", "180")) == "144.00 of 180.00 USD (80 %)"
    assert worst((23.9, "3", "200"), (1, "5", "180")) == "0.00 of 180.00 USD (0 %)"


def test_it_says_what_went_wrong_and_leaves_out_what_did_not() -> None:
    """Counts with their reasons; zeros are no lines."""
    found = rows(
        report(
            entry("process_started"),
            entry("process_started"),
            entry("crash_found"),
            entry("entry_denied", reasons=["stale_data", "paused"]),
            entry("entry_denied", reasons=["stale_data"]),
            entry("outcome_unknown"),
            entry("protection_restored", seconds=1.26),
            unsent=3,
        )
    )
    assert found["restarts"] == "2, 1 after a crash"
    assert found["denied"] == "2: stale data 2, paused 1"
    assert (found["unknown"], found["unsent"]) == (1, 3)
    assert found["missing"] == "1, the longest 1.3 s"
    assert not {"kills", "disk", "looks", "nothing"} & set(found)


GRAVE = {
    "trade_quarantined": "quarantined",
    "contract_size_unfit": "unfit",
    "protect_only_began": "protect_only",
    "guard_failed": "guards",
    "session_refused": "sessions_refused",
    "registry_rebuilt": "rebuilt",
    "journal_unreadable": "unreadable",
    "history_lost": "history",
}


@pytest.mark.parametrize(("event", "key"), GRAVE.items())
def test_what_a_person_was_woken_for_is_not_called_nothing(event: str, key: str) -> None:
    """Each has its own line, and is among what is read from the journal."""
    found = rows(report(entry(event)))
    assert found[key] == 1
    assert "nothing" not in found
    assert event in daily.EVENTS


UNSAID = {
    "preflight_passed_over": "told at every start",
    "gave_up": "a start follows, and is counted",
    "emergency_began": "its end is counted",
    "flat_verified": "a kill's end: kills are counted",
    "not_flat_yet": "a kill's: kills are counted",
}


def test_every_critical_alert_is_in_the_report_or_left_out_on_purpose() -> None:
    """A new kind that nobody thought of here would be called nothing."""
    critical = {event_name(kind) for kind, told in ALERTS.items() if told.is_critical}
    assert critical - set(daily.EVENTS) == set(UNSAID)


def missing(hours: float, name: str = "BTC-PERPETUAL") -> dict[str, Any]:
    return entry("protection_missing", hours, instrument=name)


def restored(hours: float, name: str = "BTC-PERPETUAL") -> dict[str, Any]:
    return entry("protection_restored", hours, instrument=name, seconds=2.0)


def test_a_position_that_is_still_without_a_stop_is_said_first() -> None:
    """Also where that began before the report does; each gap counts once, however often told."""
    found = rows(report(missing(5), missing(4), restored(3), missing(2), missing(1, "ETH")))
    assert found["bare"] == "BTC-PERPETUAL, ETH"
    assert found["missing"] == "3, the longest 2.0 s"
    old = rows(report(missing(30)))
    assert (old["bare"], old["missing"]) == ("BTC-PERPETUAL", "never")
    assert "bare" not in rows(report(missing(5), restored(3)))


@pytest.mark.parametrize(
    "anew", [entry("process_started", 2), entry("child_restarted", 2, name="watcher")]
)
def test_who_watches_anew_says_again_what_is_without_a_stop(anew: dict[str, Any]) -> None:
    """Its end is told by nobody when the one that watched has died."""
    assert "bare" not in rows(report(missing(5), anew))
    assert rows(report(missing(5), anew, missing(1)))["bare"] == "BTC-PERPETUAL"


def test_another_part_that_was_restarted_ends_no_gap() -> None:
    """Only who watches knows of it: the position is bare all the same."""
    desk = entry("child_restarted", 2, name="desk")
    assert rows(report(missing(5), desk))["bare"] == "BTC-PERPETUAL"


def test_limits_at_work_are_no_trouble() -> None:
    """On a quiet day a strategy wants more than is allowed, a hundred times: that is no failure."""
    found = rows(
        report(
            entry("entry_denied", reasons=["max_open_trades"]),
            entry("entry_denied", reasons=["max_open_trades", "max_notional"]),
        )
    )
    assert found["nothing"] == "no failure, refusal or restart"
    assert found["held_back"] == "2: max open trades 2, max notional 1"


ODD: tuple[Any, ...] = (None, True, -1, 7, 1.5, float("nan"), float("inf"), "", "x", "NaN")
ODD += ("2026-01-05", [], ["a"], [None], {}, {"a": 1})
NAMES = ("ts", "trade_id", "unprotected_ms", "reasons", "seconds", "equity_usd", "result_usd")


@st.composite
def entries_of_any_kind(draw: st.DrawFn) -> list[dict[str, Any]]:
    fields = st.dictionaries(st.sampled_from((*NAMES, "limit_usd")), st.sampled_from(ODD))
    return [
        {"ts": UNTIL.isoformat(), **draw(fields), "event": draw(st.sampled_from(daily.EVENTS))}
        for _ in range(draw(st.integers(0, 3)))
    ]


@given(entries_of_any_kind())
def test_no_entry_breaks_the_report(entries: list[dict[str, Any]]) -> None:
    """A damaged journal costs a figure, never the report."""
    assert as_text(report(*entries))


@pytest.mark.parametrize(
    ("now", "due", "following"),
    [
        ("2026-01-05T23:49:59+00:00", "2026-01-04T23:50:00+00:00", "2026-01-05T23:50:00+00:00"),
        ("2026-01-05T23:50:00+00:00", "2026-01-05T23:50:00+00:00", "2026-01-06T23:50:00+00:00"),
    ],
)
def test_reports_are_due_at_fixed_moments(now: str, due: str, following: str) -> None:
    """Whenever one looks, the same moments."""
    moment = datetime.fromisoformat(now)
    assert daily.due_moment(moment, time(23, 50), UTC) == datetime.fromisoformat(due)
    assert daily.next_moment(moment, time(23, 50), UTC) == datetime.fromisoformat(following)


@pytest.mark.parametrize("at", [time(2, 30), time(23, 50), time(0, 0)])
def test_the_moments_follow_the_zone_over_both_changes_of_its_clocks(at: time) -> None:
    """One a day, in order, none twice, also where an hour is missing or comes twice."""
    zone = ZoneInfo("Europe/Berlin")
    for start in (datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 10, 23, tzinfo=UTC)):
        now, seen = start, list[datetime]()
        for _ in range(4):
            now = daily.next_moment(now, at, zone)
            seen.append(now)
            assert daily.due_moment(now, at, zone) == now
        gaps = [(b - a) / timedelta(hours=1) for a, b in pairwise(seen)]
        assert all(gap in {23, 24, 25} for gap in gaps)


def test_a_report_begins_where_the_last_one_ended() -> None:
    """A day without a last one; never more than a week."""
    assert daily.window_before(UNTIL, None) == SINCE
    last = UNTIL - timedelta(days=3)
    assert daily.window_before(UNTIL, last) == last
    assert daily.window_before(UNTIL, UNTIL - timedelta(days=30)) == UNTIL - timedelta(days=7)
    ahead = {"until": (UNTIL + timedelta(days=1)).isoformat()}
    ends = [{"until": last.isoformat()}, ahead, {"until": "x"}, {}]
    assert daily.last_report(ends, UNTIL) == last
    assert daily.first_moment([]) is None
