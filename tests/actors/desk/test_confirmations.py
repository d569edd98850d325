"""Confirmations: once, in time, by whom they were asked of, and only if they still hold."""

import re
from collections.abc import Iterator
from decimal import Decimal

import pytest

from actors.desk import REPLIES_KEPT
from actors.messages.desk import (
    AlertTestAsked,
    CommandHandled,
    CommandReported,
    Refusal,
    Status,
)
from actors.messages.lifecycle import Stopped
from actors.messages.trading import FlatVerified, KillSwitchReset, TradeOpened
from domain.commands import Door
from tests.actors.desk.support import Counter, words
from tests.scenarios.scene import BTC, Poison, Scene, poisonable


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene().ready(derive=poisonable)
    yield made
    made.end()


OPEN = f"open {BTC} buy 0.05 sl=99000 tp=101000"


def test_what_is_confirmed_names_every_figure(scene: Scene) -> None:
    """Contracts, exposure, prices and the loss at the stop; only then it is sent."""
    desk = Counter(scene)
    reply = desk.say(OPEN, request_id="o1")
    assert reply.status is Status.NEEDS_CONFIRMATION
    assert reply.confirmation is not None
    for part in ("buy BTC-PERPETUAL", "500 contracts", "5000.00 USD", "stop 99000", "101000"):
        assert part in reply.confirmation.effect
    scene.run(2.0)
    assert scene.positions() == {}
    answer = desk.confirm(reply)
    assert answer.status is Status.ACCEPTED
    opened = scene.wait(TradeOpened)
    assert opened.trade_id in words(answer)
    report = scene.wait(CommandReported)
    assert (report.request_id, report.is_final) == ("o1", True)
    assert "is open: 500 contracts" in report.text
    scene.judge()


def test_a_request_id_is_good_for_one_request(scene: Scene) -> None:
    """The same again is answered the same; anything else is refused; both for ten minutes."""
    desk = Counter(scene)
    first = desk.say(OPEN, request_id="k")
    assert desk.say(OPEN, request_id="k") == first
    for other in (OPEN.replace("0.05", "0.5"), "resume", "test"):
        reply = desk.say(other, request_id="k")
        assert (reply.status, reply.reason) == (Status.REFUSED, Refusal.KEY_REUSED)
    assert first.confirmation is not None
    token = first.confirmation.token
    reused = desk.desk.confirm(desk.door, desk.who, token, request_id="k")
    assert reused.reason == Refusal.KEY_REUSED
    assert desk.say("status", request_id="k").command == "status"
    assert desk.say("pause", request_id="k").status is Status.DONE
    assert desk.say(OPEN, request_id="k") == first
    scene.rest(700.0)
    assert desk.say("test", request_id="k").status is Status.DONE
    assert scene.positions() == {}


@pytest.mark.parametrize(("side", "stop"), [("buy", "90000"), ("sell", "110000")])
def test_a_confirmation_says_what_the_stop_costs_in_dollars_of_that_moment(
    scene: Scene, side: str, stop: str
) -> None:
    """Coins are lost, and the stop's price is what they are worth then: a tenth of 10 000 USD."""
    reply = Counter(scene).say(f"open {BTC} {side} 10000usd sl={stop}")
    assert reply.confirmation is not None
    told = re.search(r"loses about ([\d.]+) USD", reply.confirmation.effect)
    assert told is not None
    assert float(told[1]) == pytest.approx(1000, abs=3)


def test_reading_pushes_out_no_reply(scene: Scene) -> None:
    """A dashboard that reads all the time leaves the ten minutes of a request id alone."""
    desk, dashboard = Counter(scene), Counter(scene, Door.DASHBOARD, "grafana")
    first = desk.say("test", request_id="k")
    asked = desk.say("restart", request_id="r")
    assert asked.confirmation is not None
    refused = desk.desk.confirm(desk.door, desk.who, "no such token", request_id="c")
    for number in range(REPLIES_KEPT):
        dashboard.say("positions", request_id=f"p{number}")
    assert desk.say("test", request_id="k") == first
    assert desk.say("restart", request_id="r") == asked
    assert desk.desk.confirm(desk.door, desk.who, "no such token", request_id="c") == refused
    assert len(scene.events(AlertTestAsked)) == 1


def test_a_second_press_does_nothing(scene: Scene) -> None:
    """The token is gone with its first use."""
    desk = Counter(scene)
    reply = desk.say(OPEN)
    desk.confirm(reply)
    again = desk.confirm(reply)
    assert (again.status, again.reason) == (Status.REFUSED, Refusal.UNKNOWN_CONFIRMATION)
    scene.wait(TradeOpened)
    scene.run(5.0)
    assert scene.position(BTC) == 500


def test_a_late_press_does_nothing(scene: Scene) -> None:
    """After its time the token is void."""
    desk = Counter(scene)
    reply = desk.say(OPEN)
    scene.run(61.0)
    late = desk.confirm(reply)
    assert late.status is Status.REFUSED
    assert late.reason in {Refusal.CONFIRMATION_EXPIRED, Refusal.UNKNOWN_CONFIRMATION}
    scene.run(5.0)
    assert scene.positions() == {}


def test_only_who_was_asked_may_confirm_and_from_the_same_door(scene: Scene) -> None:
    """Another person's press neither works nor uses the token up."""
    desk = Counter(scene)
    reply = desk.say(OPEN)
    for other in (Counter(scene, who="somebody"), Counter(scene, Door.CLI)):
        assert other.confirm(reply).reason == Refusal.UNKNOWN_CONFIRMATION
    assert desk.confirm(reply).status is Status.ACCEPTED


def test_a_restarted_desk_knows_no_old_confirmation(scene: Scene) -> None:
    """What was proposed before means nothing after."""
    desk = Counter(scene)
    reply = desk.say(OPEN)
    scene.daemon.system.address("desk").tell(Poison(at=scene.world.now()))
    scene.run(5.0)
    assert desk.confirm(reply).reason == Refusal.UNKNOWN_CONFIRMATION
    assert scene.positions() == {}


def test_a_dismissed_confirmation_is_void(scene: Scene) -> None:
    """The person thought better of it."""
    desk = Counter(scene)
    reply = desk.say(OPEN)
    assert reply.confirmation is not None
    said = desk.desk.dismiss(desk.door, desk.who, reply.confirmation.token)
    assert said.status is Status.DONE
    assert desk.confirm(reply).reason == Refusal.UNKNOWN_CONFIRMATION


def test_a_resume_ends_the_kill_it_named_and_no_other(scene: Scene) -> None:
    """A kill made meanwhile stands."""
    desk = Counter(scene)
    desk.say("kill")
    scene.wait(FlatVerified)
    reply = desk.say("resume")
    assert reply.confirmation is not None
    assert "the kill made by api:operator" in reply.confirmation.effect
    Counter(scene, who="somebody else").say("kill")
    scene.wait(FlatVerified, 2)
    changed = desk.confirm(reply)
    assert (changed.status, changed.reason) == (Status.REFUSED, Refusal.EFFECT_CHANGED)
    assert desk.sure("resume").status is Status.DONE
    scene.wait(KillSwitchReset)
    scene.bracket(BTC)


def test_a_kill_is_not_resumed_before_the_account_is_flat(scene: Scene) -> None:
    """The reply says what is missing, and asks for nothing."""
    scene.bracket(BTC)
    desk = Counter(scene)
    desk.say("kill")
    reply = desk.say("resume")
    assert (reply.status, reply.reason) == (Status.REFUSED, Refusal.NOT_FLAT_YET)


def test_a_trade_that_risk_denies_is_not_opened(scene: Scene) -> None:
    """The reasons are those of the gate, in its words."""
    scene.bracket(BTC)
    desk = Counter(scene)
    denied = desk.sure(OPEN)
    assert denied.status is Status.REFUSED
    assert denied.reason == "max_trades_per_instrument"
    assert desk.say(f"open {BTC} buy 0.05 sl=101000").reason == "stop_on_the_wrong_side"


def test_a_restart_stops_in_order_with_its_own_code(scene: Scene) -> None:
    """The effect says who will start it again; stops stay."""
    scene.bracket(BTC)
    desk = Counter(scene)
    reply = desk.say("restart")
    assert reply.confirmation is not None
    assert "NOBODY starts it again" in reply.confirmation.effect
    desk.confirm(reply)
    assert scene.wait(Stopped).exit_code == 74
    assert scene.cover(BTC) == 500


def test_proposals_and_their_ends_are_audited(scene: Scene) -> None:
    """Asked, and what came of it."""
    Counter(scene).sure(OPEN)
    asked, opened = scene.events(CommandHandled)
    assert asked.status is Status.NEEDS_CONFIRMATION
    assert opened.status is Status.ACCEPTED
    assert opened.effect.startswith(asked.effect)


def test_how_the_stop_is_moved_is_confirmed_and_done(scene: Scene) -> None:
    """Both are in the effect, and in the trade that comes of it."""
    desk = Counter(scene)
    reply = desk.say(f"open {BTC} buy 0.05 sl=99000 be=100500 trail=800")
    assert reply.confirmation is not None
    assert "At 100500 the stop moves to break-even." in reply.confirmation.effect
    assert "It follows the price 800 behind." in reply.confirmation.effect
    assert desk.confirm(reply).status is Status.ACCEPTED
    scene.wait(TradeOpened)
    (trade,) = scene.trades().values()
    assert (trade.plan.break_even_at, trade.plan.trail) == (Decimal(100_500), Decimal(800))
