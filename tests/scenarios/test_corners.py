"""Corners that the other scenarios do not come to by themselves."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from actors.kernel import Actor
from actors.messages.book import RecordIntent
from actors.messages.lifecycle import ChildRestarted, MessageDeadLettered, StartChild
from actors.messages.risk import Denied
from actors.messages.trading import (
    BeginTrade,
    FlatVerified,
    NotFlatYet,
    Ready,
    TradeAbandoned,
    TradeClosed,
    TradeOpened,
    VerifyTrade,
)
from actors.messages.watch import GuardFailed, GuardPlaced
from actors.registry import Registry, check_book
from domain.labels import Role
from domain.risk import Reason
from simulation.daemon import DEFAULT_LIMITS, default_plan
from simulation.venue import Fate, Refusal
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, ETH, PLACE, Once, Scene, Spell, poisonable


def spell(scene: Scene, name: str, seconds: float) -> None:
    scene.daemon.system.address(name).tell(Spell(at=scene.world.now(), seconds=seconds))


def test_an_intent_recorded_too_late_is_cancelled_and_never_sent(stage: Stage) -> None:
    """The disk was slower than the question waits: denied, and the intent ends by itself."""

    def slow(actor: type[Actor]) -> type[Actor]:
        if actor is not Registry:
            return actor

        def on_record_intent(self: Any, message: RecordIntent) -> Any:
            self.clock.sleep(3.0)
            return Registry.on_record_intent(self, message)

        table = {**actor.handlers, RecordIntent: on_record_intent}
        return type(actor.__name__, (actor,), {"handlers": table})

    scene = stage().ready(derive=slow)
    answer = scene.open()
    assert isinstance(answer, Denied)
    assert answer.reasons == (Reason.NO_INTENT.value,)
    assert scene.wait(TradeAbandoned).reason == "entry_not_sent"
    scene.run(2)
    assert scene.booked == []
    assert not scene.market.sent(*PLACE)


@pytest.mark.parametrize(
    ("shut", "again"),
    [
        ({"price_index": "btc_usd", "locked": True}, {"price_index": "btc_usd", "locked": False}),
        ({"maintenance": True}, {"maintenance": False}),
    ],
)
def test_a_locked_platform_denies(
    stage: Stage, shut: dict[str, object], again: dict[str, object]
) -> None:
    """What the venue says of itself counts at once, and as long as it says it."""
    scene = stage().ready()
    tell = scene.market.channels.on_notification
    tell("platform_state", shut)
    scene.run(0.1)
    answer = scene.open()
    assert isinstance(answer, Denied)
    assert answer.reasons == (Reason.VENUE_NOT_OPEN.value,)
    tell("platform_state", again)
    scene.run(0.1)
    scene.bracket()


def test_a_risk_that_was_restarted_hears_of_announced_maintenance(stage: Stage) -> None:
    """What was announced once is repeated to whoever has just begun to listen."""
    scene = stage().ready(derive=poisonable)
    scene.market.channels.on_notification("platform_state", {"maintenance": True})
    scene.poison("risk")
    scene.run(2)
    answer = scene.open()
    assert isinstance(answer, Denied)
    assert answer.reasons == (Reason.VENUE_NOT_OPEN.value,)


def test_an_instrument_whose_book_is_shut_is_denied(stage: Stage) -> None:
    """Its ticker says so, while the platform is well; the others go on."""
    scene = stage().ready()
    ticker = scene.market.ask("public/ticker", instrument_name=BTC)
    scene.market.channels.on_notification(f"ticker.{BTC}.100ms", {**ticker, "state": "closed"})
    scene.run(0.001)
    answer = scene.open()
    assert isinstance(answer, Denied)
    assert answer.reasons == (Reason.VENUE_NOT_OPEN.value,)
    scene.bracket(ETH, "sell", "1.5", "3300", "3100")


def test_a_drift_that_cannot_be_read_is_read_later(stage: Stage) -> None:
    """Closed by hand, unheard, and the fills cannot be had for a while."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    scene.market.lost_notifications = True
    scene.market.ask("private/close_position", instrument_name=BTC, type="market")
    scene.fault(Once(Fate.NOT_SENT, "private/get_user_trades_by_instrument_and_time", times=100))
    scene.run(8)
    assert scene.booked == [trade_id]
    scene.kind()
    scene.market.lost_notifications = False
    assert scene.wait(TradeClosed).exit_reason == "manual"
    scene.run(3)
    scene.settled()


def test_a_trade_taken_over_while_the_book_is_silent_protects_first(stage: Stage) -> None:
    """The Registry hangs for a moment: the trade goes on with what it was born with."""
    scene = stage().ready(derive=poisonable)
    trade_id = scene.bracket()
    scene.run(1)
    spell(scene, "registry", 6)
    scene.poison(f"trade-{trade_id}")
    assert scene.wait(ChildRestarted).name == f"trade-{trade_id}"
    (stop,) = scene.stops(trade_id)
    scene.market.ask("private/cancel", order_id=stop.order_id)
    scene.run(1)
    assert len(scene.stops(trade_id)) == 1
    scene.run(10)
    scene.settled()


def test_fills_an_order_tells_of_are_fetched_when_nobody_reports_them(stage: Stage) -> None:
    """Order reports without their fills: the price is known a second later."""
    scene = stage().ready()
    deliver = scene.market.channels.on_notification

    def without_fills(channel: str, data: Any) -> None:
        deliver(channel, data | {"trades": []} if channel.startswith("user.changes") else data)

    scene.market.channels.on_notification = without_fills
    answer = scene.open(entry_type="limit", price=Decimal(99_900))
    scene.run(1)
    scene.market.move(btc_usd=99_800)
    opened = scene.wait(TradeOpened)
    assert opened.entry_price == 99_900
    assert scene.naked.longest() < 0.1
    scene.run(1)
    assert scene.trades()[answer.trade_id].fills


@pytest.mark.parametrize("method", ["private/cancel", "private/get_open_orders"])
def test_a_token_refused_on_the_way_out_is_renewed(stage: Stage, method: str) -> None:
    """Cancels and reads of a closing trade go on after a log-in."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(2)
    scene.fault(Once(Refusal(13009), method, times=2))
    scene.close_trade(trade_id)
    scene.run(8)
    assert scene.is_over(trade_id)
    scene.settled()


def test_a_token_refused_on_an_edit_is_renewed(stage: Stage) -> None:
    """Growing the stop goes on after a log-in, without counting as a failure."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(2)
    (stop,) = scene.stops(trade_id)
    scene.fault(Once(Refusal(13009), "private/edit"))
    scene.market.ask(
        "private/edit",
        order_id=stop.order_id,
        reduce_only=True,
        amount=1000,
        trigger_price=Decimal(99_000),
    )
    scene.run(3)
    (same,) = scene.stops(trade_id)
    assert same.contracts == scene.position()


def test_a_log_in_that_is_not_answered_does_not_hold_up_the_stop(stage: Stage) -> None:
    """Auth hangs: after the pause the stop is sent again all the same."""
    scene = stage().ready(derive=poisonable)
    scene.fault(Once(Refusal(13009), *PLACE, role=Role.STOP))
    answer = scene.open()
    spell(scene, "auth", 20)
    scene.run(8)
    assert scene.naked.longest() < 4.5
    scene.run(30)
    scene.settled()
    assert len(scene.stops(answer.trade_id)) <= 1


def test_execution_restarted_while_auth_is_silent_asks_again(stage: Stage) -> None:
    """It missed who said that the session is open, and finds out as soon as Auth answers."""
    scene = stage().ready(derive=poisonable)
    spell(scene, "auth", 6)
    scene.poison("execution")
    scene.run(4)
    assert len(scene.events(Ready)) == 1
    scene.wait(Ready, 2)
    scene.bracket()


def test_cancels_refused_during_a_kill_are_named_and_tried_again(stage: Stage) -> None:
    """NOT FLAT YET says which order is in the way."""
    scene = stage().ready()
    scene.market.ask(
        "private/buy",
        instrument_name=BTC,
        amount=100,
        type="limit",
        price=Decimal(90_000),
        label="bw.gone.entry.1",
    )
    scene.fault(Once(Refusal(11050), "private/cancel", times=40))
    scene.kill()
    assert "cancel of" in scene.wait(NotFlatYet).reason
    scene.kind()
    scene.wait(FlatVerified)
    assert scene.live() == []


@pytest.mark.parametrize("code", [11030, 10009])
def test_a_guard_refused_for_good_is_said(stage: Stage, code: int) -> None:
    """The person hears that their position could not be guarded."""
    plan = default_plan(foreign_positions="protect", foreign_stop_pct=Decimal("0.02"))
    scene = stage(plan=plan).ready()
    scene.fault(Once(Refusal(code), *PLACE, times=3))
    scene.market.ask("private/buy", instrument_name=ETH, amount=100, type="market")
    scene.wait(GuardFailed, 3)
    scene.wait(GuardPlaced)
    scene.run(70)
    assert any("could not get its stop" in text for text in scene.phone.heard)


def test_a_currency_paid_in_during_the_day_is_no_profit(stage: Stage) -> None:
    """USDC arrives: the day's result does not change, and its losses count from here on."""
    limits = replace(DEFAULT_LIMITS, max_daily_loss_pct=Decimal("0.01"))
    balances = {"BTC": Decimal(1), "ETH": Decimal(1)}
    scene = stage(plan=default_plan(limits=limits), balances=balances).ready()
    scene.engine.account.balances["USDC"] = Decimal(50_000)
    scene.run(5)
    equity = scene.disk.tables["state"]["day"]["equity"]
    assert {x["currency"]: Decimal(x["equity"]) for x in equity}["USDC"] == 50_000
    scene.engine.account.balances["USDC"] = Decimal(45_000)
    scene.wait(FlatVerified)


def test_a_currency_that_is_gone_is_a_loss(stage: Stage) -> None:
    """The venue leaves out what is empty; its absence must not hide what was lost."""
    limits = replace(DEFAULT_LIMITS, max_daily_loss_pct=Decimal("0.05"))
    scene = stage(plan=default_plan(limits=limits)).ready()
    scene.engine.account.balances["USDC"] = Decimal(0)
    scene.wait(FlatVerified)


def test_a_trade_that_is_over_and_started_again_says_nothing(stage: Stage) -> None:
    """An old record, taken over by mistake: what waits in the mailbox finds it finished."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    old = scene.trades()[trade_id]
    scene.close_trade(trade_id)
    scene.run(3)
    name, now = f"trade-{trade_id}", scene.world.now()
    instrument = scene.daemon.venue.instruments()[BTC]
    begin = BeginTrade(at=now, trade=old, instrument=instrument, is_new=False)
    scene.daemon.system.address(name).is_open = True
    start = StartChild(at=now, family="trade", name=name, argument=begin)
    scene.daemon.system.address("supervisor").tell(start)
    scene.daemon.system.address(name).tell(VerifyTrade(at=now, reason="test"))
    scene.run(3)
    assert len(scene.events(TradeClosed)) == 1
    assert not scene.daemon.system.address(name).is_open


def test_a_document_of_the_book_that_nobody_can_read_costs_no_trade(stage: Stage) -> None:
    """The book is set aside whole, as the bot does; journal and venue know the rest."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    scene.crash()
    (document,) = scene.disk.tables["trades"].values()
    document["plan"]["side"] = "sideways"
    with pytest.raises(ValueError, match="side"):
        check_book(scene.disk.tables)
    scene.disk.tables.clear()
    scene.boot(kept_aside="registry.unreadable.json")
    scene.wait(Ready)
    assert scene.booked == [trade_id]
    assert len(scene.stops(trade_id)) == 1
    scene.run(3)
    scene.settled()


def test_a_look_at_a_trade_that_has_just_ended_is_no_dead_letter(stage: Stage) -> None:
    """A drift or a new session may meet the last words: nothing is left to be looked at."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.close_trade(trade_id)
    scene.run(3)
    assert scene.is_over(trade_id)
    verify = VerifyTrade(at=scene.world.now(), reason="drift")
    scene.daemon.system.address(f"trade-{trade_id}").tell(verify)
    scene.run(1)
    assert not scene.events(MessageDeadLettered)
