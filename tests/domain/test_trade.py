"""The record of a trade: its state, what it holds, and how long it was unprotected."""

from dataclasses import replace
from typing import Any

import pytest

from domain.exposure import heard_late, lost_before, measured, measured_anew
from domain.labels import Role
from domain.orders import Side
from domain.trade import (
    EMERGENCIES,
    LATE_MS,
    ExitReason,
    LineStatus,
    Trade,
    TradeState,
    may_still_enter,
    with_line,
)
from domain.trade_states import TRANSITIONS, state_of
from tests.domain.builders import (
    START,
    START_MS,
    after,
    booked,
    close,
    emergency,
    entry,
    filled,
    label_of,
    limit_plan,
    line,
    plan,
    record,
    stop,
    target,
    told,
)

LIVE, UNKNOWN, TRIGGERED = LineStatus.LIVE, LineStatus.UNKNOWN, LineStatus.TRIGGERED
FLAT = close(LineStatus.FILLED, reported_filled=10)

STATES: dict[str, tuple[Trade, TradeState]] = {
    "nothing sent": (record(), TradeState.INTENT),
    "told to end before it began": (
        record(exit_reason=ExitReason.KILL),
        TradeState.CLOSING,
    ),
    "a resting entry": (record(entry(0, LIVE)), TradeState.ENTERING),
    "an entry that is over": (record(entry(0, LineStatus.REJECTED)), TradeState.ENTERING),
    "an entry nobody knows of": (record(entry(0, UNKNOWN)), TradeState.ENTRY_UNKNOWN),
    "a position without a stop": (record(entry()), TradeState.PROTECTING),
    "a position of an unknown entry": (record(entry(4, UNKNOWN)), TradeState.PROTECTING),
    "a stop nobody knows of": (record(entry(), stop(UNKNOWN)), TradeState.PROTECTING),
    "a stop too small": (record(entry(), stop(contracts=9)), TradeState.PROTECTING),
    "a stop that protects nothing": (record(entry(), stop(is_sound=False)), TradeState.PROTECTING),
    "a stop that fires": (record(entry(), stop(TRIGGERED)), TradeState.PROTECTING),
    "under its stop": (record(entry(), stop()), TradeState.PROTECTED),
    "under a larger stop": (record(entry(4), stop()), TradeState.PROTECTED),
    "under two stops": (
        record(entry(), stop(contracts=4), stop(contracts=6, attempt=2)),
        TradeState.PROTECTED,
    ),
    "being closed": (
        record(entry(), stop(), exit_reason=ExitReason.REQUESTED),
        TradeState.CLOSING,
    ),
    "flat, something rests": (record(entry(), stop(), FLAT), TradeState.CLOSING),
    "an emergency": (
        record(entry(), exit_reason=ExitReason.STOP_REFUSED),
        TradeState.EMERGENCY,
    ),
    "an emergency that is flat": (
        record(entry(), FLAT, exit_reason=ExitReason.STOP_REFUSED),
        TradeState.CLOSING,
    ),
    "closed twice": (record(entry(4), FLAT), TradeState.QUARANTINED),
    "over": (record(entry(), FLAT, is_finished=True), TradeState.CLOSED),
}


@pytest.mark.parametrize("name", STATES)
def test_the_state_follows_from_the_record(name: str) -> None:
    """Nothing is stored twice."""
    trade, state = STATES[name]
    assert state_of(trade) is state


def test_every_state_is_reached_and_has_its_moves() -> None:
    """No state without a case, none without an entry in the table."""
    assert {state for _, state in STATES.values()} == set(TradeState)
    assert set(TRANSITIONS) == set(TradeState)


def test_closed_is_final_and_nothing_moves_to_where_it_stands() -> None:
    """Also: nothing becomes an intent again, and whoever has held something never enters."""
    assert TRANSITIONS[TradeState.CLOSED] == frozenset()
    for state, moves in TRANSITIONS.items():
        assert state not in moves
        assert TradeState.INTENT not in moves
    held = {TradeState.PROTECTING, TradeState.PROTECTED, TradeState.CLOSING, TradeState.EMERGENCY}
    for state in held:
        assert not TRANSITIONS[state] & {TradeState.ENTERING, TradeState.ENTRY_UNKNOWN}


@pytest.mark.parametrize("state", [TradeState.PROTECTING, TradeState.PROTECTED])
def test_no_position_disappears_without_being_closed(state: TradeState) -> None:
    """A held position ends by closing, and only flat is over."""
    assert TradeState.CLOSED not in TRANSITIONS[state]
    assert TradeState.CLOSED not in TRANSITIONS[TradeState.EMERGENCY]


def test_emergencies_are_what_a_missing_stop_leads_to() -> None:
    """Requests, kills and foreign hands are none."""
    assert {x.value for x in EMERGENCIES} == {
        "stop_refused",
        "trigger_passed",
        "protection_deadline",
        "stop_stalled",
    }


# -- what it holds ------------------------------------------------------------


def test_position_is_what_entered_less_what_left() -> None:
    """By our orders, by the venue's figures and by foreign hands, each once."""
    hand = booked(None, Side.SELL, 2, 1)
    lines = (entry(), target(reported_filled=3), emergency(reported_filled=1))
    trade = record(*lines, fills=(hand,))
    assert (trade.entered, trade.exited, trade.position) == (10, 6, 4)


@pytest.mark.parametrize(("side", "signed"), [(Side.BUY, 10), (Side.SELL, -10)])
def test_the_ledger_counts_signed(side: Side, signed: int) -> None:
    """Long is positive."""
    assert record(entry(), plan=plan(side=side)).signed_position == signed


def test_only_a_resting_sound_stop_covers() -> None:
    """For as much as it may still trade."""
    assert record(entry(), stop(reported_filled=4)).cover == 6
    for status in LineStatus:
        expected = 10 if status is LIVE else 0
        assert record(entry(), stop(status)).cover == expected
    assert record(entry(), stop(is_sound=False), target()).cover == 0
    assert record(entry(), stop(contracts=4, reported_filled=9)).cover == 0


def test_labels_and_attempts() -> None:
    """Each attempt has a label of its own, counted per role."""
    trade = record(entry(), stop(), stop(attempt=3))
    assert trade.next_attempt(Role.STOP) == 4
    assert trade.next_attempt(Role.TARGET) == 1
    assert [trade.label(x) for x in trade.of(Role.STOP)] == [
        label_of(Role.STOP, 1),
        label_of(Role.STOP, 3),
    ]
    assert trade.line(Role.STOP, 2) is None


def test_lines_stand_in_order_of_role_and_attempt() -> None:
    """Whatever the clock said when they were sent, and each attempt once."""
    trade = record()
    for one in (close(), stop(attempt=2, sent_at=after(-9)), target(), stop(), entry()):
        trade = with_line(trade, one)
    trade = with_line(trade, stop(UNKNOWN, sent_at=after(5)))
    assert [(x.role.value, x.attempt) for x in trade.lines] == [
        ("entry", 1),
        ("sl", 1),
        ("sl", 2),
        ("tp", 1),
        ("close", 1),
    ]
    assert trade.lines[1].status is UNKNOWN


# -- unprotected time ------------------------------------------------------------


def test_the_gap_is_measured_from_fill_to_stop() -> None:
    """It begins with the position and ends with the cover."""
    trade = measured(replace(record(entry(0, LIVE)), lines=(entry(),)), after(1))
    assert trade.exposed_since == after(1)
    assert measured(trade, after(1.2)).exposed_since == after(1)
    covered = measured(with_line(trade, stop()), after(1.25))
    assert (covered.exposed_since, covered.unprotected_us) == (None, 250_000)


def test_gaps_add_up() -> None:
    """Every time the cover is too small counts."""
    trade = record(entry(), stop(), exposed_since=START, unprotected_us=7)
    trade = measured(with_line(trade, stop(contracts=4)), after(2))
    trade = measured(with_line(trade, stop()), after(2.5))
    assert trade.unprotected_us == 500_007


@pytest.mark.parametrize(
    "ending",
    [FLAT, stop(TRIGGERED), stop()],
    ids=["flat", "firing", "covered"],
)
def test_what_ends_a_gap(ending: Any) -> None:
    """A position that is gone, a stop that closes it, a stop that rests."""
    trade = measured(with_line(record(entry()), ending), after(1))
    assert (trade.exposed_since, trade.unprotected_us) == (None, 1_000_000)


def test_a_firing_stop_covers_no_more_than_it_closes() -> None:
    """The rest of the position is exposed."""
    assert record(entry(), stop(TRIGGERED, contracts=4)).is_exposed
    assert not record(
        entry(), stop(TRIGGERED, contracts=4), stop(attempt=2, contracts=6)
    ).is_exposed


def test_a_clock_set_back_neither_shortens_a_gap_nor_puts_off_the_deadline() -> None:
    """It counts from now instead of from the future; no gap is negative."""
    trade = replace(record(entry()), exposed_since=after(3_600))
    assert measured(trade, after(1)).exposed_since == after(1)
    covered = measured(with_line(trade, stop()), after(1))
    assert covered.unprotected_us == 0


def test_a_trade_taken_over_has_its_deadline_anew_but_its_gap_in_full() -> None:
    """Before, there was nobody who could have acted."""
    trade = measured_anew(record(entry()), after(60))
    assert (trade.exposed_since, trade.unprotected_us) == (after(60), 60_000_000)
    covered = measured_anew(record(entry(), stop()), after(60))
    assert (covered.exposed_since, covered.unprotected_us) == (None, 0)


# -- may it still enter ------------------------------------------------------------


def test_an_entry_nobody_has_seen_may_fill_until_it_is_too_late() -> None:
    """Its validity, and as long again as the venue may take to tell."""
    end = START_MS + 5_000 + LATE_MS
    for trade in (record(), record(entry(0, UNKNOWN)), record(entry(0, LIVE), plan=limit_plan())):
        assert may_still_enter(trade, end)
        assert not may_still_enter(trade, end + 1)


@pytest.mark.parametrize("status", [x for x in LineStatus if x.is_over])
def test_an_entry_that_is_over_fills_no_more(status: LineStatus) -> None:
    """However it ended."""
    assert not may_still_enter(record(entry(0, status)), 0)


@pytest.mark.parametrize(
    ("lost", "is_told"),
    [
        ({}, True),
        ({"updated_ms": START_MS + 1}, False),
        ({"updated_ms": START_MS + 9}, False),
        ({"is_sound": False}, False),
        ({"is_astray": True}, False),
        ({"status": LineStatus.FILLED}, False),
        ({"status": LineStatus.REJECTED}, False),
    ],
)
def test_a_stop_was_lost_when_it_went_while_the_position_was_open(
    lost: dict[str, Any], is_told: bool
) -> None:
    """Before the entry filled, or once nothing was left to reduce, none is missed."""
    gone = replace(line(Role.STOP, LineStatus.CANCELLED, updated_ms=START_MS + 5), **lost)
    new = line(Role.STOP, attempt=2)
    bought = replace(told(1, Side.BUY, 10, label_of(Role.ENTRY)), timestamp_ms=START_MS + 2)
    sold = replace(told(2, Side.SELL, 10), timestamp_ms=START_MS + 8)
    trade = filled(record(entry(), gone, new), bought)
    trade = filled(trade, sold, foreign=True)
    assert (lost_before(trade, new) == gone) is is_told
    assert lost_before(trade, gone) is None


def test_the_time_until_the_end_of_a_stop_was_heard_of_counts() -> None:
    """Cancelled unheard two seconds ago: the position was bare for as long."""
    known = filled(record(entry(), stop()), told(1, Side.BUY, 10, label_of(Role.ENTRY)))
    gone = stop(LineStatus.CANCELLED, updated_ms=START_MS + 5_000)
    bare = measured(with_line(known, gone), START)
    assert heard_late(known, bare, START_MS + 7_000).unprotected_us == 2_000_000
    assert heard_late(known, bare, START_MS + 5_300) == bare
