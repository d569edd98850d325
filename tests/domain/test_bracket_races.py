"""The races of a bracket until it is protected, each as a script and the steps that follow.

Numbers are those of the fifty races in docs/proof.md, as far as they can be judged from the
record; the others belong to the venue client and to the actors.
"""

from domain.labels import Role
from domain.orders import Fill
from domain.trade import ExitReason, LineStatus, TradeState
from domain.trade_states import state_of
from tests.domain.builders import limit_plan
from tests.domain.model_venue import Quirks
from tests.domain.model_wire import Fate, Outcome
from tests.domain.races import (
    FINE,
    LOST,
    TAKEN,
    USUAL,
    begun,
    deliver,
    ended,
    refused,
    resting,
    since,
)


def test_the_ordinary_life_of_a_bracket() -> None:
    """Entry, stop, target; the target fills, the stop is cancelled."""
    owner, venue = begun()
    assert owner.taken == USUAL
    assert state_of(owner.trade) is TradeState.PROTECTED
    venue.execute(resting(venue, Role.TARGET).order_id, 10)
    deliver(owner, venue)
    assert since(owner, 3) == ["cancel sl", "finish"]
    assert ended(owner, venue) is ExitReason.TAKE_PROFIT


def test_race_1_an_entry_that_timed_out_was_taken() -> None:
    """It is found by its label and protected; it is never sent again."""
    owner, venue = begun(TAKEN)
    assert owner.taken == ["place entry", "look_up entry", "place sl", "place tp"]
    deliver(owner, venue)
    assert since(owner, 4) == []


def test_race_2_an_entry_that_never_arrived() -> None:
    """Looked up until it can no longer arrive and twice more, then over."""
    owner, venue = begun(LOST)
    owner.pass_time(5_900)
    assert set(since(owner, 1)) == {"look_up entry", "sync", "finish"} - {"sync"}
    assert ended(owner, venue) is ExitReason.ENTRY_NEVER_ARRIVED
    assert venue.now_ms > owner.trade.plan.valid_until_ms


def test_race_1_an_entry_that_arrives_late() -> None:
    """After several looks in vain it is there, and gets its stop at once."""
    owner, venue = begun(Outcome(Fate.LATE, liquidity=10, delay_ms=4_000))
    owner.pass_time(4_000)
    assert since(owner, 1)[-3:] == ["look_up entry", "place sl", "place tp"]
    assert venue.entered == 10


def test_race_3_a_history_that_lags() -> None:
    """Not found once is no proof: the second look finds it."""
    owner, venue = begun(Outcome(Fate.LATE, liquidity=10, delay_ms=690), quirks=Quirks(lag_ms=400))
    assert owner.taken == ["place entry", "look_up entry"]
    owner.pass_time(600)
    assert since(owner, 2) == ["look_up entry", "place sl", "place tp"]
    assert venue.position == 10


def test_race_3_an_order_that_filled_and_is_not_history_yet() -> None:
    """It rests no more and no look-up shows it: it is not over for that."""
    late = Outcome(Fate.LATE, liquidity=10, delay_ms=1_600)
    owner, venue = begun(late, quirks=Quirks(lag_ms=400))
    owner.pass_time(950)
    deliver(owner, venue)
    owner.pass_time(2_000)
    assert owner.trade.position == 10
    assert owner.trade.cover == 10


def test_race_4_the_notification_comes_before_the_reply() -> None:
    """The fill is known by its label while the outcome is not: the stop does not wait for it."""
    owner, venue = begun(TAKEN, Outcome(Fate.LOST))
    assert owner.taken == ["place entry", "look_up entry"]
    owner.hear(next(x for x in venue.queue if isinstance(x.what, Fill)))
    assert since(owner, 2) == ["place sl", "place tp"]
    owner.pass_time(1_000)
    assert since(owner, 4) == ["look_up entry"]


def test_race_5_everything_twice() -> None:
    """A replay on reconnect changes no figure and asks for no step."""
    owner, venue = begun()
    deliver(owner, venue, times=3)
    assert owner.taken == USUAL
    assert owner.trade.position == 10
    venue.fire(venue.stops()[0].order_id, liquidity=10)
    deliver(owner, venue, times=3)
    assert ended(owner, venue) is ExitReason.STOP_LOSS


def test_races_6_and_43_a_limit_that_fills_in_slices() -> None:
    """The stop grows by edit with every slice, and is never cancelled to grow."""
    owner, venue = begun(wanted=limit_plan())
    for slice_ in (3, 4, 3):
        venue.execute(resting(venue, Role.ENTRY).order_id, slice_)
        deliver(owner, venue)
        assert owner.trade.cover == venue.position
    assert since(owner, 1) == [
        "place sl",
        "place tp",
        *["resize sl", "resize tp"] * 2,
    ]


def test_race_7_a_part_filled_and_the_rest_cancelled() -> None:
    """Stop and target stand for what there is."""
    owner, venue = begun(wanted=limit_plan())
    venue.execute(resting(venue, Role.ENTRY).order_id, 3)
    venue.cancel(resting(venue, Role.ENTRY).order_id)
    deliver(owner, venue)
    assert [x.contracts for x in owner.trade.of(Role.STOP, Role.TARGET)] == [3, 3]
    assert owner.trade.of(Role.ENTRY)[0].status is LineStatus.CANCELLED


def test_race_8_cancelling_the_entry_crosses_with_its_fill() -> None:
    """Gone already means filled: what it bought is closed, too."""
    owner, venue = begun(wanted=limit_plan())
    venue.execute(resting(venue, Role.ENTRY).order_id, 10)
    owner.end(ExitReason.REQUESTED)
    assert since(owner, 1) == ["cancel entry", "sync", "place close", "finish"]
    assert ended(owner, venue) is ExitReason.REQUESTED


def test_race_9_the_rest_of_a_market_entry_hangs_at_the_band() -> None:
    """The filled part is protected first, then the rest is cancelled."""
    owner, venue = begun(Outcome(Fate.THIN, liquidity=4))
    assert owner.taken == ["place entry", "place sl", "cancel entry", "place tp"]
    assert (venue.position, owner.trade.cover) == (4, 4)


def test_race_10_the_trigger_has_passed_already() -> None:
    """The position is closed at market at once."""
    owner, venue = begun(FINE, refused(11036))
    assert owner.taken == ["place entry", "place sl", "place emergency", "finish"]
    assert ended(owner, venue) is ExitReason.TRIGGER_PASSED


def test_race_11_the_stop_fires_as_it_is_placed() -> None:
    """Its fill ends the trade like any other."""
    owner, venue = begun()
    venue.fire(venue.stops()[0].order_id, liquidity=10)
    deliver(owner, venue)
    assert since(owner, 3)[-1] == "finish"
    assert ended(owner, venue) is ExitReason.STOP_LOSS


def test_race_12_no_more_triggers() -> None:
    """Three tries, then the position is closed."""
    owner, venue = begun(FINE, *[refused(11035)] * 3)
    owner.pass_time(1_000)
    tries = ["place sl"] * 3
    assert owner.taken == ["place entry", *tries, "give_up_stop", "place emergency", "finish"]
    assert ended(owner, venue) is ExitReason.STOP_REFUSED


def test_race_13_the_risk_engine_has_not_seen_the_position_yet() -> None:
    """Nothing to reduce, says the venue; the position is there, so it is tried again."""
    owner, venue = begun(FINE, refused(11030))
    owner.pass_time(600)
    assert owner.taken == ["place entry", "place sl", "sync", "place sl", "place tp"]
    assert venue.cover() == 10


def test_race_13_the_position_is_gone_already() -> None:
    """Closed by hand before the stop: no stop can be had, and none is needed."""
    owner, venue = begun(FINE, refused(11030), Outcome(Fate.REFUSED))
    venue.close_by_hand(10)
    deliver(owner, venue)
    owner.pass_time(1_000)
    assert ended(owner, venue) is ExitReason.MANUAL


def test_race_14_a_stop_that_timed_out_was_taken() -> None:
    """It is looked up by its label before another one is sent."""
    owner, venue = begun(FINE, Outcome(Fate.TAKEN))
    assert owner.taken == ["place entry", "place sl", "look_up sl", "place tp"]
    assert len(venue.stops()) == 1


def test_race_14_a_stop_that_was_lost_is_sent_again() -> None:
    """Its absence is enough: a second one could only reduce."""
    owner, venue = begun(FINE, LOST)
    assert owner.taken == ["place entry", "place sl", "look_up sl", "place sl", "place tp"]
    assert len(venue.stops()) == 1


def test_race_14_a_stop_believed_lost_turns_up() -> None:
    """Two stops are safe; the surplus is cancelled."""
    owner, venue = begun(FINE, Outcome(Fate.LATE, delay_ms=1_000))
    owner.pass_time(500)
    assert len(venue.stops()) == 2
    deliver(owner, venue)
    assert since(owner, 5) == ["sync", "cancel sl"]
    assert len(venue.stops()) == 1


def test_race_14_a_stop_believed_lost_arrives_when_all_is_over() -> None:
    """The trade does not end before it can no longer come, so nothing is left behind."""
    late = Outcome(Fate.LATE, delay_ms=1_400)
    owner, venue = begun(FINE, late, quirks=Quirks(checks_stops=False))
    owner.end(ExitReason.KILL)
    deliver(owner, venue)
    assert not owner.trade.is_finished
    owner.pass_time(3_000)
    assert ended(owner, venue) is ExitReason.KILL
