"""What reports make of the record: in any order, any number of times, with any ids."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from domain.labels import Role
from domain.orders import Order, OrderState, OrderType, Side
from domain.reports import find_line
from domain.trade import LineStatus
from tests.domain.builders import (
    START,
    START_MS,
    after,
    child,
    close,
    entry,
    fill,
    filled,
    heard,
    label_of,
    record,
    report,
    status_of,
    stop,
    target,
)

OPEN, UNTRIGGERED, FIRED = OrderState.OPEN, OrderState.UNTRIGGERED, OrderState.TRIGGERED
FILLED, GONE, REFUSED = OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED


# -- whose report it is ------------------------------------------------------------


def test_a_report_finds_home_by_id_by_parent_or_by_label() -> None:
    """In this order; a label of another trade leads nowhere."""
    trade = record(entry(), stop())
    label = label_of(Role.ENTRY)
    assert find_line(trade, "sl-1", label, None) == trade.line(Role.STOP, 1)
    assert find_line(trade, "new", label, "sl-1") == trade.line(Role.STOP, 1)
    assert find_line(trade, "new", label, None) == trade.line(Role.ENTRY, 1)
    assert find_line(trade, "new", label_of(Role.ENTRY, trade_id="t2"), None) is None
    assert find_line(trade, "new", "by hand", None) is None
    assert find_line(trade, "new", label_of(Role.STOP, 2), None) is None


def test_an_order_of_ours_that_is_not_in_the_record_is_adopted() -> None:
    """A crash came between the wire and the disk; the label says what it is."""
    trade = heard(record(entry()), report(Role.STOP, UNTRIGGERED, contracts=4), seconds=3)
    found = trade.line(Role.STOP, 1)
    assert found is not None
    assert (found.status, found.contracts, found.sent_at) == (LineStatus.LIVE, 4, after(3))


@pytest.mark.parametrize("label", ["", "mine", "bw.t2.sl.1", "bw.t1.hedge.1"])
def test_orders_of_others_change_nothing(label: str) -> None:
    """Not even if they look alike."""
    trade = record(entry())
    assert heard(trade, report(Role.STOP, UNTRIGGERED, label=label)) == trade
    assert filled(trade, fill(Role.STOP, label=label)) == trade


# -- states ------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (OPEN, LineStatus.LIVE),
        (FILLED, LineStatus.FILLED),
        (GONE, LineStatus.CANCELLED),
        (REFUSED, LineStatus.REJECTED),
    ],
)
@pytest.mark.parametrize("role", [Role.ENTRY, Role.TARGET, Role.CLOSE])
def test_states_of_ordinary_orders(role: Role, state: OrderState, status: LineStatus) -> None:
    """What rests lives; everything else is over."""
    trade = heard(record(entry(), target(LineStatus.UNKNOWN)), report(role, state, attempt=2))
    assert status_of(trade, role, 2) is status


@pytest.mark.parametrize(
    ("state", "status", "is_working"),
    [
        (UNTRIGGERED, LineStatus.LIVE, False),
        (FIRED, LineStatus.TRIGGERED, False),
        (OPEN, LineStatus.TRIGGERED, True),
        (FILLED, LineStatus.FILLED, False),
        (GONE, LineStatus.CANCELLED, False),
    ],
)
def test_states_of_a_stop(state: OrderState, status: LineStatus, *, is_working: bool) -> None:
    """A stop that rests in the book has fired: it protects no longer."""
    trade = heard(record(entry(), stop(LineStatus.UNKNOWN)), report(Role.STOP, state))
    found = trade.line(Role.STOP, 1)
    assert found is not None
    assert (found.status, found.is_working) == (status, is_working)
    assert trade.cover == (10 if status is LineStatus.LIVE else 0)


def test_what_is_over_stays_over() -> None:
    """A late report of better times revives nothing, but its fills count."""
    for state in (FILLED, GONE, REFUSED):
        over = heard(record(entry(), close(LineStatus.UNKNOWN)), report(Role.CLOSE, state))
        late = report(Role.CLOSE, OPEN, filled_contracts=3, updated_ms=START_MS + 9)
        again = heard(over, late)
        assert status_of(again, Role.CLOSE) is status_of(over, Role.CLOSE)
        assert again.line_filled(again.of(Role.CLOSE)[0]) >= 3


def test_an_absent_order_that_turns_up_lives() -> None:
    """Absence is our conclusion, and the venue's word counts more."""
    trade = record(entry(), stop(LineStatus.ABSENT), stop(attempt=2))
    trade = heard(trade, report(Role.STOP, UNTRIGGERED))
    assert (status_of(trade, Role.STOP), trade.cover) == (LineStatus.LIVE, 20)


def test_older_news_change_nothing() -> None:
    """The venue's own clock orders the reports of one order."""
    grown = report(Role.STOP, UNTRIGGERED, contracts=8, updated_ms=START_MS + 5)
    small = report(Role.STOP, UNTRIGGERED, contracts=4, updated_ms=START_MS + 4)
    trade = heard(record(entry(), stop(LineStatus.UNKNOWN)), grown, small)
    assert trade.cover == 8


def test_the_venues_size_is_followed() -> None:
    """A reduce-only order that the venue cut keeps its id and is smaller now."""
    cut = report(Role.TARGET, OPEN, contracts=6, updated_ms=START_MS + 1)
    trade = heard(record(entry(), stop(), target()), cut)
    assert trade.remaining(trade.of(Role.TARGET)[0]) == 6


# -- stops that fire ------------------------------------------------------------


LIFE = (
    report(Role.STOP, UNTRIGGERED),
    report(Role.STOP, FIRED, updated_ms=START_MS + 10),
    child(OPEN, created_ms=START_MS + 10, updated_ms=START_MS + 10),
    child(OPEN, created_ms=START_MS + 10, updated_ms=START_MS + 11, filled_contracts=4),
    child(FILLED, created_ms=START_MS + 10, updated_ms=START_MS + 12),
)


@pytest.mark.parametrize("order", list(permutations(LIFE)))
def test_a_stop_that_fired_and_filled_is_filled_in_whatever_order_we_hear(
    order: Sequence[Order],
) -> None:
    """Two ids, two records, one order: and the trigger's id stays the first."""
    trade = heard(record(entry(), stop(LineStatus.UNKNOWN)), *order)
    found = trade.line(Role.STOP, 1)
    assert found is not None
    assert found.status is LineStatus.FILLED
    assert found.order_ids == ("sl-1", "sl-1-child")
    assert (trade.position, trade.cover) == (0, 0)


def test_a_firing_stop_counts_neither_as_cover_nor_as_exposed() -> None:
    """It closes: the time it needs for that is not unprotected."""
    trade = heard(record(entry(), stop(LineStatus.UNKNOWN)), LIFE[0], LIFE[1])
    assert trade.cover == 0
    assert not trade.is_exposed
    assert trade.lines[1].triggered_at == START


def test_the_time_a_stop_fired_is_kept() -> None:
    """Later reports of its order do not make it younger."""
    trade = heard(record(entry(), stop(LineStatus.UNKNOWN)), LIFE[0], LIFE[1])
    trade = heard(trade, LIFE[2], LIFE[3], seconds=1)
    assert trade.lines[1].triggered_at == START


def test_a_child_without_a_label_is_known_by_its_parent() -> None:
    """Whether the label carries over is not documented."""
    trade = heard(record(entry(), stop()), replace(LIFE[2], label=""))
    trade = filled(trade, fill(Role.STOP, 4, order_id="sl-1-child", label=""))
    assert (trade.position, trade.fills[0].role) == (6, Role.STOP)


def test_a_fill_of_a_child_comes_before_everything_else() -> None:
    """Label only: the id is taken for the child's, and the trigger's goes before it."""
    trade = filled(record(entry(), stop()), fill(Role.STOP, 4, order_id="sl-1-child"))
    assert trade.lines[1].order_ids == ("sl-1", "sl-1-child")
    unknown = filled(
        record(entry(), stop(LineStatus.UNKNOWN)), fill(Role.STOP, 4, order_id="sl-1-child")
    )
    unknown = heard(unknown, LIFE[1])
    assert unknown.lines[1].order_ids == ("sl-1", "sl-1-child")


@pytest.mark.parametrize(
    "twist",
    [
        {"reduce_only": False},
        {"side": Side.BUY},
        {"order_type": OrderType.TAKE_MARKET},
        {"order_type": OrderType.LIMIT},
    ],
)
def test_a_stop_that_would_not_protect_is_no_cover(twist: dict[str, Any]) -> None:
    """A parameter that was dropped on the way turns a stop into something else."""
    trade = heard(
        record(entry(), stop(LineStatus.UNKNOWN)), report(Role.STOP, UNTRIGGERED, **twist)
    )
    assert (trade.cover, trade.is_exposed) == (0, True)
    healed = heard(trade, report(Role.STOP, UNTRIGGERED, updated_ms=START_MS + 1))
    assert (healed.cover, healed.is_exposed) == (10, False)


def test_a_stop_with_another_price_still_protects() -> None:
    """A person moved it: that is respected."""
    moved = report(Role.STOP, UNTRIGGERED, trigger_price=None, order_type=OrderType.STOP_LIMIT)
    assert heard(record(entry(), stop(LineStatus.UNKNOWN)), moved).cover == 10


# -- one label, two orders ------------------------------------------------------------


OLD = report(Role.STOP, GONE, order_id="old", updated_ms=START_MS + 5)
NEW = report(
    Role.STOP, UNTRIGGERED, order_id="new", created_ms=START_MS + 90, updated_ms=START_MS + 90
)


@pytest.mark.parametrize("order", [(OLD, NEW), (NEW, OLD), (OLD, NEW, OLD), (NEW, OLD, NEW)])
def test_a_label_used_twice_is_the_order_that_lives(order: Sequence[Order]) -> None:
    """The write that recorded its first use was lost in a crash; the living one is what counts."""
    trade = heard(record(entry(), stop(LineStatus.UNKNOWN)), *order)
    found = trade.line(Role.STOP, 1)
    assert found is not None
    assert found.status is LineStatus.LIVE
    assert (found.order_ids[0], found.order_ids[-1]) == ("new", "new")
    assert found.former_ids == ("old",)


def test_a_stop_under_the_label_of_one_that_fired_lives() -> None:
    """The first one fired on nothing, unrecorded; the second must not be forgotten."""
    fired = report(Role.STOP, FIRED, order_id="old", updated_ms=START_MS + 5)
    for order in ((fired, NEW), (NEW, fired)):
        trade = heard(record(entry(), stop(LineStatus.UNKNOWN)), *order)
        assert (status_of(trade, Role.STOP), trade.cover) == (LineStatus.LIVE, 10)
        assert trade.lines[1].order_ids == ("new",)


def test_a_trigger_whose_order_works_is_not_taken_over() -> None:
    """What hangs in the book has to be seen to first."""
    trade = heard(record(entry(), stop(LineStatus.UNKNOWN)), LIFE[2], NEW)
    assert (status_of(trade, Role.STOP), trade.lines[1].is_working) == (LineStatus.TRIGGERED, True)


def test_fills_of_both_orders_under_one_label_count() -> None:
    """What the first one closed is closed."""
    first = report(Role.CLOSE, GONE, order_id="old", filled_contracts=3)
    second = report(Role.CLOSE, OPEN, order_id="new", created_ms=START_MS + 9)
    trade = heard(record(entry(), close(LineStatus.UNKNOWN)), first, second)
    trade = filled(
        trade,
        fill(Role.CLOSE, 3, order_id="old", trade_id="a"),
        fill(Role.CLOSE, 4, order_id="new", trade_id="b"),
    )
    assert (trade.position, status_of(trade, Role.CLOSE)) == (3, LineStatus.LIVE)


def test_an_older_living_report_takes_nothing_over() -> None:
    """The trigger's first words, heard after its order has filled."""
    over = heard(record(entry(), stop(LineStatus.UNKNOWN)), LIFE[4])
    assert status_of(heard(over, LIFE[0]), Role.STOP) is LineStatus.FILLED


def test_a_fill_under_another_id_belongs_to_a_former_order() -> None:
    """Only a stop ever trades under a second id."""
    trade = filled(record(entry(), target()), fill(Role.TARGET, 4, order_id="old"))
    assert trade.of(Role.TARGET)[0].order_ids == ("tp-1",)
    assert trade.of(Role.TARGET)[0].former_ids == ("old",)
    assert trade.position == 6


@pytest.mark.parametrize("role", [Role.STOP, Role.TARGET])
def test_late_news_of_an_earlier_order_says_nothing_of_the_one_that_rests(role: Role) -> None:
    """The first lost its reduce-only on the way and was cancelled, and the record of it was lost:
    its label was used again. (Found by the simulation, seed 2000574: the second was cancelled.)"""
    rests = UNTRIGGERED if role is Role.STOP else OPEN
    lines = (entry(), stop(order_ids=("new",)) if role is Role.STOP else stop())
    trade = record(*lines, *([target(order_ids=("new",))] if role is Role.TARGET else []))
    late = report(role, rests, order_id="old", reduce_only=False)
    (found,) = heard(trade, late).of(role)
    assert (found.is_sound, found.status) == (True, LineStatus.LIVE)
    assert (found.order_ids, found.former_ids) == (("new",), ("old",))
