"""Requests and replies that get lost, refusals, and everything else the venue may answer."""

from decimal import Decimal

import pytest

from actors.messages.session import SessionOpened
from actors.messages.trading import (
    EmergencyBegan,
    EmergencyClosed,
    EntryRejected,
    OutcomeResolved,
    OutcomeUnknown,
    ProtectionDeadlineMissed,
    StopPlaced,
    TargetMissing,
    TargetPlaced,
    TradeAbandoned,
    TradeAccepted,
    TradeClosed,
    TradeOpened,
)
from domain.labels import Role
from simulation.venue import Fate, Refusal
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import PLACE, Once, Scene

LOST = [Fate.REQUEST_LOST, Fate.REPLY_LOST, Fate.NOT_SENT]
SEEDS = range(3)
DEADLINE = 3.0


def begin(scene: Scene) -> str:
    answer = scene.open()
    assert isinstance(answer, TradeAccepted)
    return answer.trade_id


def ends_well(scene: Scene, trade_id: str) -> None:
    """Closed on request, flat, nothing left over."""
    scene.kind()
    scene.run(8)
    if trade_id in scene.booked:
        scene.close_trade(trade_id)
    scene.run(8)
    assert scene.is_over(trade_id)
    assert scene.positions() == {}
    scene.settled()


@pytest.mark.parametrize("seed", SEEDS)
def test_an_entry_whose_request_is_lost_is_never_sent_again(stage: Stage, seed: int) -> None:
    """After its time has passed and it was looked for twice, the trade is abandoned."""
    scene = stage(seed).ready()
    scene.fault(Once(Fate.REQUEST_LOST, *PLACE, role=Role.ENTRY))
    trade_id = begin(scene)
    ended = scene.wait(TradeAbandoned)
    assert ended.reason == "entry_never_arrived"
    assert scene.events(OutcomeUnknown)
    assert scene.events(OutcomeResolved)[-1].outcome == "absent"
    assert not scene.orders(trade_id, Role.ENTRY)
    ends_well(scene, trade_id)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_entry_whose_reply_is_lost_is_found_and_protected(stage: Stage, seed: int) -> None:
    """The push of its fill ends the wait for the reply: bare for a round trip and a moment."""
    scene = stage(seed).ready()
    scene.fault(Once(Fate.REPLY_LOST, *PLACE, role=Role.ENTRY))
    trade_id = begin(scene)
    scene.wait(TradeOpened)
    assert len(scene.orders(trade_id, Role.ENTRY)) == 1
    assert scene.naked.longest() < 0.1
    assert not scene.events(OutcomeUnknown)
    ends_well(scene, trade_id)


@pytest.mark.parametrize("fate", LOST)
@pytest.mark.parametrize("role", [Role.STOP, Role.TARGET])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_stop_or_target_that_gets_lost_is_looked_up_and_stands_once(
    stage: Stage, seed: int, role: Role, fate: Fate
) -> None:
    """Whatever was lost, in the end one of each rests, and the deadline was kept."""
    scene = stage(seed).ready()
    scene.fault(Once(fate, *PLACE, role=role))
    trade_id = begin(scene)
    scene.wait(TradeOpened)
    scene.wait(TargetPlaced) if role is Role.STOP else None
    scene.run(6)
    assert len(scene.stops(trade_id)) == 1
    assert len([x for x in scene.live(trade_id) if ".tp." in x.label]) == 1
    assert scene.naked.longest() < DEADLINE
    assert not scene.events(EmergencyBegan)
    ends_well(scene, trade_id)


@pytest.mark.parametrize("fate", LOST)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_close_that_gets_lost_is_not_repeated_blindly(
    stage: Stage, seed: int, fate: Fate
) -> None:
    """Closing is looked up before it is sent again; the stop stays until flat."""
    scene = stage(seed).ready()
    trade_id = scene.bracket()
    scene.run(1)
    scene.fault(Once(fate, *PLACE, role=Role.CLOSE))
    scene.close_trade(trade_id)
    closed = scene.wait(TradeClosed)
    assert closed.exit_reason == "requested"
    assert scene.naked.longest() < 0.1
    ends_well(scene, trade_id)


@pytest.mark.parametrize("fate", LOST)
@pytest.mark.parametrize("seed", SEEDS)
def test_cancels_that_get_lost_end_in_nothing_left_over(
    stage: Stage, seed: int, fate: Fate
) -> None:
    """A cancel may be repeated; what it was to remove is gone in the end."""
    scene = stage(seed).ready()
    trade_id = scene.bracket()
    scene.run(1)
    scene.fault(Once(fate, "private/cancel", times=3))
    scene.market.move(btc_usd=101_300)
    closed = scene.wait(TradeClosed)
    assert closed.exit_reason == "take_profit"
    ends_well(scene, trade_id)


@pytest.mark.parametrize("seed", SEEDS)
def test_reads_that_get_lost_delay_but_do_not_mislead(stage: Stage, seed: int) -> None:
    """While look-ups fail, nothing is concluded: the entry is neither repeated nor forgotten."""
    scene = stage(seed).ready()
    scene.fault(
        Once(Fate.REPLY_LOST, *PLACE, role=Role.ENTRY),
        Once(Fate.REPLY_LOST, "private/get_order_state_by_label", times=4),
    )
    scene.market.lost_notifications = True
    trade_id = begin(scene)
    scene.market.lost_notifications = False
    scene.wait(TradeOpened)
    assert len(scene.orders(trade_id, Role.ENTRY)) == 1
    ends_well(scene, trade_id)


@pytest.mark.parametrize("seed", SEEDS)
def test_three_refusals_of_the_stop_end_in_an_emergency_close(stage: Stage, seed: int) -> None:
    """No stop, no position: it is closed at market and a person hears of it twice."""
    scene = stage(seed).ready()
    scene.fault(Once(Refusal(10009), *PLACE, role=Role.STOP, times=99))
    trade_id = begin(scene)
    scene.wait(EmergencyClosed)
    assert scene.events(EmergencyBegan)[0].reason == "stop_refused"
    assert scene.wait(TradeClosed).exit_reason == "stop_refused"
    assert scene.naked.longest() < DEADLINE
    refused = [p for p in scene.market.sent(*PLACE) if ".sl." in p["label"]]
    assert len(refused) == 3
    scene.run(1)
    critical = [text for text in scene.phone.heard if text.startswith("!")]
    assert any("EMERGENCY" in text for text in critical)
    assert any("Emergency close done" in text for text in critical)
    ends_well(scene, trade_id)


@pytest.mark.parametrize("code", [11036, 10034, 10035])
def test_a_stop_whose_trigger_has_passed_closes_at_once(stage: Stage, code: int) -> None:
    """The price is beyond the stop already: what the stop would do is done at market."""
    scene = stage().ready()
    scene.fault(Once(Refusal(code), *PLACE, role=Role.STOP))
    trade_id = begin(scene)
    scene.wait(EmergencyClosed)
    assert scene.wait(TradeClosed).exit_reason == "trigger_passed"
    assert scene.naked.longest() < 0.1
    ends_well(scene, trade_id)


def test_a_gap_through_the_stop_while_it_travels_is_closed_at_once(stage: Stage) -> None:
    """The same without a fault: the market falls through the stop before it rests."""
    scene = stage().ready()
    answer = scene.open()
    assert isinstance(answer, TradeAccepted)
    scene.until(lambda: scene.position() > 0)
    scene.market.move(btc_usd=98_500)
    scene.wait(TradeClosed)
    assert scene.naked.longest() < 0.1
    ends_well(scene, answer.trade_id)


@pytest.mark.parametrize("code", [11035, 11030])
@pytest.mark.parametrize("times", [1, 99])
def test_no_more_triggers_and_nothing_to_reduce(stage: Stage, code: int, times: int) -> None:
    """One such refusal is got over; if they do not end, the position is closed in time."""
    scene = stage().ready()
    scene.fault(Once(Refusal(code), *PLACE, role=Role.STOP, times=times))
    trade_id = begin(scene)
    scene.wait(TradeOpened if times == 1 else EmergencyClosed)
    assert scene.naked.longest() < DEADLINE + 0.1
    ends_well(scene, trade_id)


@pytest.mark.parametrize("code", [10041, 11051, 10047])
def test_a_venue_that_is_closed_for_a_moment_is_asked_again(stage: Stage, code: int) -> None:
    """Settlement, maintenance, a full queue: the stop is sent again until the deadline."""
    scene = stage().ready()
    scene.fault(Once(Refusal(code), *PLACE, role=Role.STOP, times=3))
    trade_id = begin(scene)
    scene.wait(TradeOpened)
    assert scene.naked.longest() < DEADLINE
    assert not scene.events(EmergencyBegan)
    ends_well(scene, trade_id)


def test_a_venue_that_stays_closed_leads_to_a_close_as_soon_as_it_opens(stage: Stage) -> None:
    """Past the deadline the position is closed; while even that is refused, it is tried on."""
    scene = stage().ready()
    scene.fault(
        Once(Refusal(10041), *PLACE, role=Role.STOP, times=10_000),
        Once(Refusal(10041), *PLACE, role=Role.EMERGENCY, times=3),
    )
    trade_id = begin(scene)
    closed = scene.wait(TradeClosed)
    assert closed.exit_reason == "protection_deadline"
    assert scene.naked.longest() < DEADLINE + 10
    (missed,) = scene.events(ProtectionDeadlineMissed)
    assert abs(missed.seconds - scene.naked.longest()) < 0.1
    assert missed.is_over
    ends_well(scene, trade_id)


def test_an_expired_token_is_renewed_and_the_stop_sent_under_the_same_label(stage: Stage) -> None:
    """13009 says nothing about the order: log in again, and go on where it stopped."""
    scene = stage().ready()
    scene.fault(Once(Refusal(13009), *PLACE, role=Role.STOP))
    opened = len(scene.events(SessionOpened))
    trade_id = begin(scene)
    scene.wait(TradeOpened)
    assert len(scene.events(SessionOpened)) == opened + 1
    labels = [p["label"] for p in scene.market.sent(*PLACE) if ".sl." in p["label"]]
    assert labels == [f"bw.{trade_id}.sl.1"] * 2
    assert scene.naked.longest() < 0.5
    ends_well(scene, trade_id)


def test_tokens_the_venue_has_forgotten_are_renewed_by_whoever_needs_one(stage: Stage) -> None:
    """The engine itself revokes everything: the next poll brings the session back."""
    scene = stage().ready()
    trade_id = scene.bracket()
    sessions = scene.market.exchange.sessions
    for token in list(sessions._grants):
        sessions.revoke(token)
    scene.wait(SessionOpened, 2)
    scene.run(3)
    scene.settled()
    ends_well(scene, trade_id)


@pytest.mark.parametrize("role", [Role.STOP, Role.TARGET, Role.ENTRY])
def test_over_the_rate_limit_the_session_ends_and_protection_goes_on(
    stage: Stage, role: Role
) -> None:
    """10028 ends the connection: the order is looked up, then sent over HTTP if it must be."""
    scene = stage().ready()
    scene.fault(Once(Refusal(10028), *PLACE, role=role))
    trade_id = begin(scene)
    scene.wait(SessionOpened, 2)
    scene.run(8)
    assert scene.naked.longest() < DEADLINE
    assert not scene.events(EmergencyBegan)
    if role is not Role.ENTRY:
        assert len(scene.stops(trade_id)) == 1
    ends_well(scene, trade_id)


@pytest.mark.parametrize("moment", ["entry", "sl", "tp"])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_connection_breaks_while_an_order_is_on_its_way(
    stage: Stage, seed: int, moment: str
) -> None:
    """Outcome unknown, line gone: the order is found over HTTP and the bracket completed."""
    scene = stage(seed).ready()
    trade_id = begin(scene)
    scene.until(lambda: any(f".{moment}." in p["label"] for p in scene.market.sent(*PLACE)))
    scene.market.hang_up()
    scene.wait(TradeOpened)
    scene.run(8)
    assert scene.naked.longest() < 1
    assert len(scene.stops(trade_id)) == 1
    assert len(scene.orders(trade_id, Role.ENTRY)) == 1
    ends_well(scene, trade_id)


def test_an_entry_the_venue_refuses_ends_the_trade(stage: Stage) -> None:
    """A proven refusal of the entry: nothing was executed, nothing is repeated."""
    scene = stage(balances={"BTC": Decimal("0.0001"), "USDC": Decimal(10**6)}).ready()
    trade_id = begin(scene)
    assert scene.wait(EntryRejected).code == 10009
    assert scene.wait(TradeAbandoned).reason == "entry_rejected"
    ends_well(scene, trade_id)


def test_an_entry_that_could_not_be_sent_ends_the_trade(stage: Stage) -> None:
    """No byte left: the trade is over, and a new wish makes a new trade."""
    scene = stage().ready()
    scene.fault(Once(Fate.NOT_SENT, *PLACE, role=Role.ENTRY, times=2))
    trade_id = begin(scene)
    assert scene.wait(TradeAbandoned).reason == "entry_not_sent"
    assert not scene.orders(trade_id, Role.ENTRY)
    scene.kind()
    scene.bracket()


def test_a_target_that_is_refused_for_good_leaves_the_stop_alone(stage: Stage) -> None:
    """The target is a wish, the stop is not: it is tried ever more rarely, and the stop stands."""
    scene = stage().ready()
    scene.fault(Once(Refusal(10009), *PLACE, role=Role.TARGET, times=99))
    trade_id = begin(scene)
    scene.wait(StopPlaced)
    scene.run(10)
    assert [".tp." in p["label"] for p in scene.market.sent(*PLACE)].count(True) == 6
    scene.rest(110)
    assert [".tp." in p["label"] for p in scene.market.sent(*PLACE)].count(True) == 9
    assert len(scene.orders(trade_id, Role.STOP)) == len(scene.stops(trade_id)) == 1
    assert len(scene.events(TargetMissing)) == 1
    ends_well(scene, trade_id)
