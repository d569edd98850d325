"""The races of a bracket once it is protected, each as a script and the steps that follow.

Numbers are those of the fifty races in docs/proof.md, as far as they can be judged from the
record; the others belong to the venue client and to the actors.
"""

from dataclasses import replace

from domain.labels import Role
from domain.orders import OrderState, Side
from domain.trade import ExitReason, Trade, TradeState
from domain.trade_states import state_of
from tests.domain.builders import limit_plan, plan
from tests.domain.catalogue import BTC
from tests.domain.model_owner import Owner
from tests.domain.model_venue import ModelVenue, Notice, Quirks
from tests.domain.model_wire import Fate, Outcome, Wire
from tests.domain.races import (
    FINE,
    LOST,
    USUAL,
    begun,
    deliver,
    ended,
    refused,
    resting,
    since,
)


def test_race_15_the_target_fills_while_the_stop_grows() -> None:
    """The stop lands on nothing, and is cancelled once that is known."""
    owner, venue = begun(wanted=limit_plan())
    venue.execute(resting(venue, Role.ENTRY).order_id, 4)
    deliver(owner, venue)
    venue.execute(resting(venue, Role.TARGET).order_id, 4)
    venue.execute(resting(venue, Role.ENTRY).order_id, 2)
    late, venue.queue[:2] = venue.queue[:2], []
    deliver(owner, venue)
    venue.queue.extend(late)
    deliver(owner, venue)
    owner.pass_time(3_000)
    assert venue.position == owner.trade.position == 2
    assert venue.cover() >= 2


def test_race_16_stop_and_target_in_the_same_instant() -> None:
    """Reduce-only clips one of them: together they close what there was."""
    owner, venue = begun()
    venue.execute(resting(venue, Role.TARGET).order_id, 4)
    venue.fire(venue.stops()[0].order_id, liquidity=10)
    for notice in reversed(venue.queue):
        if not owner.trade.is_finished:
            owner.hear(notice)
    assert [x.contracts for x in owner.trade.fills] == [10, 4, 6]
    assert ended(owner, venue) is ExitReason.STOP_LOSS


def test_race_18_a_close_crosses_with_the_stop() -> None:
    """Nothing to reduce on a close means probably flat: asked, and so it is."""
    owner, venue = begun()
    venue.fire(venue.stops()[0].order_id, liquidity=10)
    owner.end(ExitReason.REQUESTED)
    owner.pass_time(1_000)
    assert since(owner, 3) == ["cancel tp", "sync", "finish"]
    assert ended(owner, venue) is ExitReason.STOP_LOSS


def test_race_18_a_close_is_refused_because_nothing_is_left() -> None:
    """The stop fired unheard: the refusal leads to the truth, not to another close."""
    owner, venue = begun(wanted=plan(target_price=None))
    venue.fire(venue.stops()[0].order_id, liquidity=10)
    owner.end(ExitReason.KILL)
    assert since(owner, 2) == ["place close", "sync", "finish"]
    assert ended(owner, venue) is ExitReason.STOP_LOSS


def test_race_19_killed_between_entry_and_stop() -> None:
    """Write-ahead: the entry is found again and protected first."""
    owner, venue = begun(FINE, LOST)
    venue.orders = {x: y for x, y in venue.orders.items() if y.role is Role.ENTRY}
    owner.saved = owner.saved[:2]
    owner.restart(0)
    assert since(owner, 5)[:3] == ["sync", "place sl", "place tp"]
    assert owner.trade.cover == 10


def test_race_19_killed_before_the_entry_was_known_to_be_sent() -> None:
    """An intent found on disk is looked up, never sent."""
    owner, venue = begun()
    owner.saved = owner.saved[:1]
    owner.restart(0)
    assert owner.entries_placed == 1
    assert (owner.trade.position, owner.trade.cover) == (10, 10)
    assert len(venue.stops()) == 1


def test_race_20_killed_after_the_stop_was_sent() -> None:
    """The unknown stop is adopted by its label, even after the deadline has long passed."""
    owner, venue = begun()
    sent = next(i for i, x in enumerate(owner.saved) if x.of(Role.STOP))
    owner.saved = owner.saved[:sent]
    owner.wake_ms = None
    owner.pass_time(60_000)
    owner.restart(0)
    assert "place emergency" not in owner.taken
    assert (len(venue.stops()), owner.trade.cover) == (1, 10)


def test_race_21_killed_between_the_targets_fill_and_the_stops_cancel() -> None:
    """The next incarnation finds the fill and removes the orphan itself."""
    owner, venue = begun()
    venue.execute(resting(venue, Role.TARGET).order_id, 10)
    venue.queue.clear()
    owner.restart(0)
    assert since(owner, 3) == ["sync", "cancel sl", "finish"]
    assert ended(owner, venue) is ExitReason.TAKE_PROFIT


def test_race_25_the_queue_is_full() -> None:
    """Definitely refused, so it is sent again after a pause; no failure of the stop."""
    owner, venue = begun(FINE, refused(10047), refused(10047))
    owner.pass_time(1_100)
    assert owner.taken == ["place entry", "place sl", "place sl", "place sl", "place tp"]
    assert venue.cover() == 10


def test_race_27_what_was_missed_while_the_connection_was_down() -> None:
    """A comparison brings orders and fills up to date before anything is done."""
    owner, venue = begun(wanted=limit_plan())
    venue.execute(resting(venue, Role.ENTRY).order_id, 10)
    venue.queue.clear()
    owner.verify()
    assert since(owner, 1) == ["sync", "place sl", "place tp"]


def test_race_29_the_settlement_runs() -> None:
    """Orders and cancels are refused for some seconds: nothing is forgotten meanwhile."""
    owner, venue = begun(FINE, *[refused(10041)] * 4)
    owner.pass_time(2_600)
    assert owner.trade.cover == 10
    owner.wire.script = [refused(10041)] * 6
    owner.end(ExitReason.REQUESTED)
    owner.pass_time(8_000)
    assert ended(owner, venue) is ExitReason.REQUESTED


def test_race_31_a_person_closes_the_position() -> None:
    """The companions go, and the trade ends with the person's price."""
    owner, venue = begun()
    venue.close_by_hand(10)
    deliver(owner, venue)
    assert since(owner, 3)[-2:] == ["cancel sl", "finish"]
    assert ended(owner, venue) is ExitReason.MANUAL


def test_race_31_a_person_closes_a_part() -> None:
    """What is left keeps its stop and its target."""
    owner, venue = begun()
    venue.close_by_hand(4)
    deliver(owner, venue)
    assert (owner.trade.position, venue.position) == (6, 6)
    assert venue.cover() >= 6
    assert resting(venue, Role.TARGET).remaining == 6


def test_race_32_a_person_cancels_the_stop() -> None:
    """It is placed again at once."""
    owner, venue = begun()
    venue.cancel(venue.stops()[0].order_id)
    deliver(owner, venue)
    assert since(owner, 3) == ["place sl"]
    assert venue.cover() == 10


def test_race_32_a_person_makes_the_stop_smaller_or_larger() -> None:
    """Smaller is repaired; larger is respected."""
    owner, venue = begun()
    venue.edit(venue.stops()[0].order_id, 4)
    deliver(owner, venue)
    assert since(owner, 3) == ["resize sl"]
    venue.edit(venue.stops()[0].order_id, 14)
    deliver(owner, venue)
    assert since(owner, 4) == []


def test_race_32_a_stop_that_somebody_cancels_again_and_again() -> None:
    """It comes back each time, but not at the speed of the network."""
    owner, venue = begun(wanted=plan(target_price=None))
    for _ in range(20):
        for waiting in venue.stops():
            venue.cancel(waiting.order_id)
        deliver(owner, venue)
        owner.pass_time(100)
    assert owner.taken.count("place sl") <= 6


def test_race_35_a_position_that_shrank_and_grows_again() -> None:
    """The cover is asserted anew after every growth."""
    owner, venue = begun(wanted=limit_plan(), quirks=Quirks(ticks=0))
    venue.execute(resting(venue, Role.ENTRY).order_id, 4)
    deliver(owner, venue)
    venue.close_by_hand(3)
    venue.edit(venue.stops()[0].order_id, 1)
    venue.execute(resting(venue, Role.ENTRY).order_id, 6)
    deliver(owner, venue)
    owner.pass_time(1_000)
    assert venue.cover() >= venue.position == owner.trade.position


def test_races_36_and_37_a_stop_that_fired_hangs_at_the_band() -> None:
    """After two seconds it is cancelled and chased with a new order, under either id."""
    for keeps_id in (False, True):
        owner, venue = begun(quirks=Quirks(keeps_id=keeps_id))
        venue.fire(venue.stops()[0].order_id, liquidity=3)
        deliver(owner, venue)
        assert owner.trade.cover == 0
        owner.pass_time(2_100)
        deliver(owner, venue)
        assert since(owner, 3)[:3] == ["give_up_stop", "cancel sl", "place emergency"]
        assert ended(owner, venue) is ExitReason.STOP_STALLED


def test_race_36_a_stop_that_fired_into_nothing() -> None:
    """The engine refused what it became: looked up once, then closed by us."""
    owner, venue = begun(wanted=plan(target_price=None))
    venue.fire(venue.stops()[0].order_id, liquidity=0, dud=OrderState.TRIGGERED)
    deliver(owner, venue)
    owner.pass_time(3_500)
    assert since(owner, 2)[:3] == ["look_up sl", "give_up_stop", "place emergency"]
    assert ended(owner, venue) is ExitReason.STOP_STALLED


def test_race_38_a_liquidation_takes_the_position() -> None:
    """Booked as what it was; what still rests is removed."""
    owner, venue = begun()
    venue.close_by_hand(10, is_liquidation=True)
    deliver(owner, venue)
    assert ended(owner, venue) is ExitReason.LIQUIDATION


def test_race_42_an_edit_crosses_with_the_trigger() -> None:
    """The refusal leads to the truth: the stop has fired and closes."""
    owner, venue = begun(wanted=limit_plan())
    venue.execute(resting(venue, Role.ENTRY).order_id, 4)
    deliver(owner, venue)
    venue.fire(venue.stops()[0].order_id, liquidity=4)
    fired, venue.queue[:] = list(venue.queue), []
    venue.execute(resting(venue, Role.ENTRY).order_id, 2)
    deliver(owner, venue)
    assert since(owner, 3)[:1] == ["resize sl"]
    owner.pass_time(1_000)
    venue.queue.extend(fired)
    deliver(owner, venue)
    owner.pass_time(1_000)
    assert owner.trade.position == venue.position == 2
    assert venue.cover() >= 2


def test_race_45_our_clock_is_wrong() -> None:
    """Validity is judged by the venue's clock: ours may be an hour off."""
    for skew_ms in (-3_600_000, 3_600_000):
        trade = Trade(plan=plan())
        venue = ModelVenue(BTC, Side.BUY, Quirks())
        late = Outcome(Fate.LATE, liquidity=10, delay_ms=4_000)
        owner = Owner(trade, venue, Wire(venue, script=[late], skew_ms=skew_ms), saved=[trade])
        owner.advance()
        owner.pass_time(4_000)
        assert (venue.position, owner.trade.cover) == (10, 10)


def test_race_48_an_old_picture_closes_nothing() -> None:
    """Reports from before the last fill are recognised by the venue's own time."""
    owner, venue = begun()
    old = list(venue.queue)
    deliver(owner, venue)
    venue.execute(resting(venue, Role.TARGET).order_id, 4)
    deliver(owner, venue)
    for notice in old:
        owner.hear(notice)
    assert (owner.trade.position, owner.taken) == (6, USUAL)


def test_race_50_a_read_that_fails_is_not_an_empty_answer() -> None:
    """Protection is never touched on an error: the position keeps its stop."""
    owner, venue = begun()
    owner.wire.script = [LOST] * 6
    owner.verify()
    owner.pass_time(6_000)
    assert set(since(owner, 3)) == {"sync"}
    assert (owner.trade.cover, venue.cover()) == (10, 10)


def test_closing_by_hand_cancels_the_stop_last() -> None:
    """Target, market order, flat, stop: it protects for as long as there is something."""
    owner, venue = begun()
    owner.end(ExitReason.REQUESTED)
    assert since(owner, 3) == ["cancel tp", "place close", "cancel sl", "finish"]
    assert ended(owner, venue) is ExitReason.REQUESTED


def test_a_close_on_a_thin_book_is_chased_until_it_is_flat() -> None:
    """What hangs at the band is cancelled and sent again, as often as it takes."""
    owner, venue = begun(wanted=plan(target_price=None))
    owner.wire.script = [Outcome(Fate.THIN, liquidity=4), FINE, Outcome(Fate.THIN, liquidity=3)]
    owner.end(ExitReason.REQUESTED)
    owner.pass_time(5_000)
    assert since(owner, 2) == [
        *["place close", "cancel close"] * 2,
        "place close",
        "cancel sl",
        "finish",
    ]
    assert ended(owner, venue) is ExitReason.REQUESTED


def test_the_stop_that_cannot_be_had_ends_in_a_closed_position_within_the_deadline() -> None:
    """However the tries fail, three seconds after the fill an emergency close is on the wire."""
    for outcome in (refused(10041), LOST, Outcome(Fate.UNSENT)):
        owner, venue = begun(FINE, *[outcome] * 40)
        began = venue.now_ms
        while not owner.trade.is_finished and "place emergency" not in owner.taken:
            owner.pass_time(50)
        assert venue.now_ms - began <= 4_500
        owner.wire.script = []
        owner.pass_time(9_000)
        assert ended(owner, venue) in {
            ExitReason.PROTECTION_DEADLINE,
            ExitReason.STOP_REFUSED,
        }


def test_closed_twice_without_proof_waits_for_a_person_and_then_ends() -> None:
    """Somebody added to the position, and our stop closed that, too: so its order says, but the
    fills that would prove it do not come."""
    owner, venue = begun(wanted=plan(target_price=None))
    (waiting,) = venue.stops()
    over = replace(venue.stated(waiting), state=OrderState.FILLED, filled_contracts=13)
    owner.hear(Notice(replace(over, contracts=13, updated_ms=venue.now_ms + 1)))
    assert state_of(owner.trade) is TradeState.QUARANTINED
    owner.pass_time(10_000)
    assert 3 <= owner.taken.count("sync") <= 6
    venue.cancel(waiting.order_id)
    lost = next(iter(venue.fills))
    more = replace(lost, trade_id="x", order_id=waiting.order_id, label=waiting.label)
    owner.hear(Notice(replace(more, contracts=13, side=Side.SELL)))
    owner.end(ExitReason.REQUESTED)
    assert owner.trade.is_finished
