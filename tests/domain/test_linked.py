"""Linked children in the record: what waits, what was made of it, whose a fill is."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain import outcomes
from domain.labels import Role
from domain.orders import Order, OrderState, OrderType, TriggerBy
from domain.reports import apply_fills, apply_order
from domain.steps import Do
from domain.trade import ExitReason, Line, LineStatus, Trade, with_line
from tests.domain.builders import (
    POLICY,
    START,
    START_MS,
    after,
    fill,
    label_of,
    limit_plan,
    line,
    look,
    plan,
    report,
    says,
    step_of,
)
from tests.domain.catalogue import D


def sent() -> Trade:
    """A linked entry on its way."""
    return outcomes.about_to_send(
        Trade(plan=plan(is_linked=True)), line(Role.ENTRY, LineStatus.UNKNOWN)
    )


def waiting(role: Role, **changes: Any) -> Order:
    fields: dict[str, Any] = {
        "order_id": f"OTO-{role}",
        "is_secondary_oto": True,
        "oco_ref": "pair",
    }
    return report(role, OrderState.UNTRIGGERED, **(fields | changes))


def made(role: Role, contracts: int = 10, order_id: str = "", **changes: Any) -> Order:
    """An order the venue made of a waiting child."""
    is_stop = role is Role.STOP
    fields: dict[str, Any] = {
        "order_id": order_id or f"made-{role}",
        "contracts": contracts,
        "primary_order_id": "e1",
        "oco_ref": "pair",
        "trigger": TriggerBy.MARK_PRICE if is_stop else None,
        "trigger_price": D(98_000) if is_stop else None,
    }
    state = OrderState.UNTRIGGERED if is_stop else OrderState.OPEN
    return report(role, state, **(fields | changes))


def heard(trade: Trade, *orders: Order, seconds: float = 0.0) -> Trade:
    for order in orders:
        trade = apply_order(trade, order, after(seconds))
    return trade


NOW = after(0)
ENTERED = report(Role.ENTRY, OrderState.FILLED, order_id="e1", filled_contracts=10)


def statuses(trade: Trade, role: Role) -> list[tuple[int, LineStatus]]:
    return [(x.part, x.status) for x in trade.of(role)]


def test_children_wait_with_their_entry() -> None:
    """They are in the record before a byte leaves, and protect nothing."""
    trade = heard(sent(), waiting(Role.STOP), waiting(Role.TARGET))
    assert statuses(trade, Role.STOP) == statuses(trade, Role.TARGET) == [(0, LineStatus.WAITING)]
    assert trade.cover == 0


def test_every_order_made_of_a_child_is_a_part_and_parts_add_up() -> None:
    """Several under one label, as long as the entry fills."""
    part = report(Role.ENTRY, OrderState.OPEN, order_id="e1", filled_contracts=4)
    trade = heard(sent(), part, made(Role.STOP, 4, "s1"))
    assert (trade.cover, trade.position) == (4, 4)
    trade = heard(trade, ENTERED, made(Role.STOP, 6, "s2"))
    assert (trade.cover, trade.position) == (10, 10)
    assert len({x.key for x in trade.of(Role.STOP)}) == 3


def test_a_fill_heard_before_its_order_counts_once_and_finds_its_part() -> None:
    """Which of the orders under a label it was, its order says later."""
    trade = heard(sent(), ENTERED, made(Role.STOP))
    sold = fill(Role.TARGET, 3, order_id="t9", trade_id="x1", label=label_of(Role.TARGET))
    trade = apply_fills(trade, (sold,), NOW)
    assert trade.position == 7
    trade = heard(trade, made(Role.TARGET, 10, "t9", filled_contracts=3))
    assert trade.position == 7
    assert [x.part for x in trade.of(Role.TARGET) if trade.line_filled(x)] == [1]


def test_parts_without_a_label_are_known_by_their_primary() -> None:
    """Should the venue drop the label: what was made of our entry closes it."""
    trade = heard(sent(), ENTERED, made(Role.STOP, label=""), made(Role.TARGET, label=""))
    assert trade.cover == 10
    assert statuses(trade, Role.TARGET)[-1] == (1, LineStatus.LIVE)


def test_a_child_nobody_recorded_is_adopted_by_its_label() -> None:
    """The write was lost: what waits and what was made are told apart all the same."""
    bare = outcomes.about_to_send(Trade(plan=plan()), line(Role.ENTRY, LineStatus.UNKNOWN))
    trade = heard(bare, ENTERED, made(Role.STOP, 4, "s1"), waiting(Role.STOP, contracts=6))
    assert statuses(trade, Role.STOP) == [(0, LineStatus.WAITING), (1, LineStatus.LIVE)]
    trade = heard(trade, made(Role.STOP, 6, "s2"))
    assert trade.cover == 10


@pytest.mark.parametrize(
    "changes",
    [
        {"trigger": TriggerBy.LAST_PRICE},
        {"trigger_price": D(90_000)},
        {"order_type": OrderType.STOP_LIMIT},
    ],
)
def test_a_stop_other_than_asked_is_replaced_before_it_goes(changes: dict[str, Any]) -> None:
    """It protects somehow: first the right one, then away with it."""
    trade = heard(sent(), ENTERED, made(Role.STOP, **changes), seconds=0)
    trade = outcomes.looked_up(trade, trade.of(Role.STOP)[0], (made(Role.STOP, **changes),),
                               POLICY, NOW, server_ms=0)  # fmt: skip
    step = step_of(trade)
    assert step is not None
    assert (step.do, step.role) == (Do.PLACE, Role.STOP)
    own = report(Role.STOP, OrderState.UNTRIGGERED, order_id="own", label=label_of(Role.STOP, 2))
    step = step_of(outcomes.synced(heard(trade, own), START))
    assert step is not None
    assert (step.do, step.line and step.line.order_ids) == (Do.CANCEL, ("made-sl",))


def test_a_stop_other_than_asked_may_be_the_first_word_of_a_fill() -> None:
    """A person moved the waiting child: what is made of it covers what has just filled. The venue
    is asked how much that is before it passes for one too many. (Seed 541124 said I1.)
    """
    part = report(Role.ENTRY, OrderState.OPEN, order_id="e1", filled_contracts=4)
    limit = replace(sent(), plan=limit_plan(is_linked=True))
    trade = heard(limit, part, made(Role.STOP, 4, "s1"))
    trade = heard(trade, made(Role.STOP, 6, "s2", trigger_price=D(97_900)))
    step = step_of(trade)
    assert step is not None
    assert step.do is Do.SYNC
    step = step_of(outcomes.synced(heard(trade, ENTERED), START))
    assert step is not None
    assert step.do is Do.LOOK_UP  # there may be a right one yet


def test_what_is_heard_of_an_unknown_stop_may_be_older_than_its_end() -> None:
    """Whoever had heard of it failed, it was cancelled, and one of our own stands in its place:
    that one does not go for a word that waited in the mailbox. (Seed 560088 said I1.)
    """
    own = report(Role.STOP, OrderState.UNTRIGGERED, order_id="own", label=label_of(Role.STOP, 2))
    trade = outcomes.synced(heard(sent(), ENTERED, own), START)
    step = step_of(heard(trade, made(Role.STOP, updated_ms=own.updated_ms - 1)))
    assert step is not None
    assert step.do is Do.SYNC


def test_one_that_does_not_only_reduce_goes_at_once() -> None:
    """It can do harm, and covers nothing."""
    trade = heard(sent(), ENTERED, made(Role.STOP, reduce_only=False))
    trade = outcomes.looked_up(
        trade, trade.of(Role.STOP)[0], (made(Role.STOP, reduce_only=False),), POLICY, NOW,
        server_ms=0,
    )  # fmt: skip
    step = step_of(trade)
    assert step is not None
    assert step.do is Do.CANCEL


def test_the_stop_is_looked_for_at_once_and_placed_when_it_does_not_come() -> None:
    """The reply to the entry is no proof; patience ends long before the deadline."""
    trade = heard(sent(), ENTERED)
    step = step_of(trade)
    assert step is not None
    assert (step.do, step.line and step.line.is_slot) == (Do.LOOK_UP, True)
    late = step_of(trade, POLICY.child_patience)
    assert late is not None
    assert (late.do, late.role) == (Do.PLACE, Role.STOP)


def test_a_refused_link_is_followed_by_the_plain_entry_once() -> None:
    """Under the next label; after a restart it would count as sent, so it is not."""
    trade = sent()
    trade = outcomes.rejected(trade, trade.of(Role.ENTRY)[0], 13901, POLICY, NOW)
    assert not trade.of(Role.STOP, Role.TARGET)
    assert says(step_of(trade))[0] == "place"
    again = outcomes.about_to_send(trade, line(Role.ENTRY, LineStatus.UNKNOWN, attempt=2))
    assert not again.is_linked
    twice = outcomes.rejected(again, again.of(Role.ENTRY)[1], 13901, POLICY, NOW)
    assert says(step_of(twice))[0] == "finish"
    resumed = step_of(outcomes.resumed(trade))
    assert resumed is None or resumed.do is not Do.PLACE


@pytest.mark.parametrize("state", [OrderState.OPEN, OrderState.CANCELLED])
def test_a_linked_entry_taken_otherwise_than_asked_is_not_entered_again(state: OrderState) -> None:
    """It has an id, so it was no refusal of the link: what it filled, and may yet fill, counts."""
    other = report(Role.ENTRY, state, order_id="e1", contracts=20, filled_contracts=4)
    trade = heard(sent(), other, made(Role.STOP, 4), made(Role.TARGET, 4))
    trade = outcomes.rejected(trade, trade.of(Role.ENTRY)[0], 0, POLICY, NOW)
    assert (trade.is_linked, trade.enters_again) == (True, False)
    assert (trade.position, trade.cover) == (4, 4)
    assert says(step_of(trade, 60))[:2] != ("place", "entry")


def test_news_of_a_first_entry_keep_the_plain_one_from_being_sent() -> None:
    """The refusal was proven, and the venue says otherwise all the same."""
    trade = sent()
    trade = outcomes.rejected(trade, trade.of(Role.ENTRY)[0], 13901, POLICY, NOW)
    late = report(Role.ENTRY, OrderState.OPEN, order_id="e1")
    assert says(step_of(heard(trade, late)))[:2] != ("place", "entry")


def test_a_trade_told_to_close_meanwhile_does_not_enter_plainly() -> None:
    """A kill between the refusal and the next try."""
    trade = sent()
    trade = outcomes.rejected(trade, trade.of(Role.ENTRY)[0], 13901, POLICY, NOW)
    step = step_of(outcomes.ending(trade, ExitReason.KILL))
    assert step is not None
    assert step.do is Do.FINISH


def test_unprotected_time_ends_when_the_venue_made_the_stop() -> None:
    """We hear of it later; at the venue nothing was ever naked."""
    entered = sent()
    at_ms = round(NOW.timestamp() * 1000)
    bought = fill(Role.ENTRY, 10, order_id="e1", timestamp_ms=at_ms)
    trade = apply_fills(heard(entered, ENTERED), (bought,), NOW)
    assert trade.exposed_since == NOW
    stop = made(Role.STOP, created_ms=at_ms + 2)
    trade = apply_order(trade, stop, NOW + timedelta(seconds=1))
    assert (trade.exposed_since, trade.unprotected_us) == (None, 2_000)


def test_a_pair_is_no_surplus_when_its_target_fills_in_part() -> None:
    """The venue makes its stop smaller by as much and tells it a moment later: all are needed."""
    trade = heard(sent(), ENTERED)
    for contracts, name in ((4, "a"), (4, "b"), (2, "c")):
        for role in (Role.STOP, Role.TARGET):
            trade = heard(trade, made(role, contracts, f"{role}-{name}", oco_ref=name))
    assert (trade.position, trade.cover) == (10, 10)
    trade = heard(trade, made(Role.TARGET, 4, f"{Role.TARGET}-a", oco_ref="a", filled_contracts=2))
    assert (trade.position, trade.cover) == (8, 10)
    step = step_of(trade)
    assert step is None or step.do is not Do.CANCEL


def test_what_was_made_of_a_child_is_looked_for_before_the_trade_ends() -> None:
    """The position was closed while the news of it were on their way: the child has passed on, what
    it became is not known yet. It is looked for after the last news, once more."""
    trade = closed_before_children_were_heard_of()
    trade = outcomes.looked_up(
        trade, looked_at(trade, Role.STOP), (made(Role.STOP),), POLICY, after(3), server_ms=0
    )
    assert says(step_of(trade, 3)) == ("cancel", "sl", 1, 0)
    gone = replace(made(Role.STOP), state=OrderState.CANCELLED, updated_ms=2**42)
    trade = heard(trade, gone, seconds=3)
    trade = outcomes.looked_up(
        trade, looked_at(trade, Role.TARGET), (), POLICY, after(3), server_ms=0
    )
    assert says(step_of(trade, 3))[0] == "finish"


def looked_at(trade: Trade, role: Role) -> Line:
    """The child of this role, which is to be looked at now."""
    step = step_of(trade, 3)
    assert step is not None
    assert step.line is not None
    assert (step.do, step.line.role, step.line.is_slot) == (Do.LOOK_UP, role, True)
    return step.line


def test_each_child_is_looked_for_once_however_slow_the_venue_answers() -> None:
    """What a look brings is no news that makes another one necessary: with a second to each reply
    the two children were looked for in turn, for ever. (Seed 560140 said L3.)
    """
    trade = closed_before_children_were_heard_of()
    for seconds, role in ((4, Role.STOP), (5, Role.TARGET)):
        assert says(step_of(trade, seconds - 1)) == ("look_up", role.value, 1, 0)
        gone = replace(made(role), state=OrderState.CANCELLED, updated_ms=2**42)
        trade = outcomes.looked_up(
            trade, looked_at(trade, role), (gone,), POLICY, after(seconds), server_ms=0
        )
    assert says(step_of(trade, 6))[0] == "finish"


@pytest.mark.parametrize("back_at", [99, 101])
def test_a_clock_set_back_keeps_no_flat_trade(back_at: int) -> None:
    """Before the news of the close or after it: each child is looked for once, and that is all."""

    def clock(true: float) -> float:
        return true - 3_600 * (true > back_at)

    trade = heard(sent(), ENTERED, made(Role.STOP), made(Role.TARGET))
    trade = apply_fills(trade, (fill(Role.ENTRY, 10, order_id="e1"),), NOW)
    for role in (Role.STOP, Role.TARGET):
        trade = look(trade, trade.of(role)[0], made(role), seconds=1)
    trade = outcomes.about_to_send(
        outcomes.ending(trade, ExitReason.REQUESTED), line(Role.CLOSE, LineStatus.UNKNOWN)
    )
    closed = report(Role.CLOSE, OrderState.FILLED)
    ended = (
        replace(made(role), state=OrderState.CANCELLED, updated_ms=START_MS + 1)
        for role in (Role.STOP, Role.TARGET)
    )
    trade = heard(trade, closed, *ended, seconds=clock(100))
    trade = apply_fills(trade, (fill(Role.CLOSE, trade_seq=2),), after(clock(100)))
    for true in (102, 103):
        step = step_of(trade, clock(true))
        assert step is not None
        assert step.line is not None
        assert (step.do, step.line.is_slot) == (Do.LOOK_UP, True)
        trade = look(trade, step.line, seconds=clock(true))
    assert says(step_of(trade, clock(104)))[0] == "finish"


def test_a_look_that_failed_is_no_look() -> None:
    """A trade does not end for having tried."""
    trade = closed_before_children_were_heard_of()
    stop = replace(looked_at(trade, Role.STOP), look_at=after(4))
    step = step_of(with_line(trade, stop), 4)
    assert says(step) == ("look_up", "sl", 1, 0)


def closed_before_children_were_heard_of() -> Trade:
    passed = (waiting(role) for role in (Role.STOP, Role.TARGET))
    trade = heard(sent(), ENTERED, *(replace(x, state=OrderState.TRIGGERED) for x in passed))
    closed = line(Role.EMERGENCY, LineStatus.FILLED, reported_filled=10, heard_at=after(3))
    bought = fill(Role.ENTRY, 10, order_id="e1")
    sold = fill(Role.EMERGENCY, 10, order_id="emergency-1", trade_id="x")
    trade = outcomes.ending(with_line(trade, closed), ExitReason.PROTECTION_DEADLINE)
    return apply_fills(trade, (bought, sold), NOW)
