"""The line to the venue: lost, refused, expired, partitioned, or not there at all."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from actors import auth
from actors.messages.risk import DayBegan
from actors.messages.session import (
    GetCredentials,
    SessionLost,
    SessionOpened,
    SessionRefused,
    SessionRestored,
    TokenRefreshed,
)
from actors.messages.trading import (
    EmergencyBegan,
    ProtectOnlyBegan,
    ProtectOnlyEnded,
    Ready,
    StopPlaced,
    TradeClosed,
    TradeOpened,
)
from actors.messages.watch import LookFailed
from adapters.deribit.channels import account_channels
from adapters.paper.faults.of_news import ConnectionRefused
from adapters.paper.faults.of_requests import Refused, RequestLost
from adapters.paper.faults.plan import AnyFault
from domain.labels import Role
from simulation.daemon import default_plan
from simulation.venue import Fate, Refusal, VirtualMarket
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, PLACE, Once

SEEDS = range(4)
NO_STREAM = ConnectionRefused()
MUTE_STREAM = RequestLost(transport="websocket")
NO_SUBSCRIPTION = Refused(code=10041, methods=("private/subscribe",))


def test_the_phone_hears_that_a_lost_session_is_back(stage: Stage) -> None:
    """And not of the second loss within a minute, once that is over, too."""
    scene = stage().ready()
    for _ in range(2):
        scene.market.hang_up()
        scene.run(10)
    assert len(scene.events(SessionLost)) == len(scene.events(SessionRestored)) == 2
    scene.run(120)
    told = [x.splitlines()[0] for x in scene.phone.heard if "ession with the venue" in x]
    lost, *back = told
    assert lost.startswith("No session with the venue")
    assert len(back) == 2
    assert all(x.startswith("A session with the venue again, after 0.") for x in back)


@pytest.mark.parametrize("seed", SEEDS)
def test_protection_goes_on_over_http_while_the_stream_is_down(stage: Stage, seed: int) -> None:
    """Only the websocket is gone: a fill is found by polling, and gets its stop over HTTP."""
    scene = stage(seed).ready()
    answer = scene.open(entry_type="limit", price=Decimal(99800))
    scene.run(1)
    scene.fault(Once(Fate.NOT_SENT, "public/auth", times=1000))
    scene.market.hang_up()
    scene.wait(SessionLost)
    scene.market.move(btc_usd=99_700)
    scene.run(0.5)
    assert scene.position() > 0
    scene.wait(StopPlaced)
    assert scene.naked.longest() < 5
    assert len(scene.stops(answer.trade_id)) == 1
    scene.kind()
    scene.wait(SessionOpened, 2)
    scene.run(3)
    scene.settled()


@pytest.mark.parametrize("seed", SEEDS)
def test_an_exit_missed_while_the_line_was_down_is_found_when_it_is_back(
    stage: Stage, seed: int
) -> None:
    """The stop filled unheard: the sibling is cancelled as soon as the session is open again."""
    scene = stage(seed).ready()
    trade_id = scene.bracket()
    scene.run(1)
    scene.market.is_partitioned = True
    scene.market.hang_up()
    scene.run(30)
    scene.market.move(btc_usd=98_800)
    scene.run(30)
    assert scene.position() == 0
    scene.kind()
    closed = scene.wait(TradeClosed, limit=45)
    assert closed.exit_reason == "stop_loss"
    scene.run(3)
    assert scene.is_over(trade_id)
    scene.settled()


def test_reconnecting_backs_off_and_comes_back(stage: Stage) -> None:
    """Quickly at first, then ever more slowly, never slower than half a minute."""
    scene = stage().ready()
    scene.market.is_partitioned = True
    scene.market.hang_up()
    scene.run(240)
    waits = [event.retry_in_seconds for event in scene.events(SessionLost)]
    assert waits[0] < 0.5
    assert all(wait <= 30 * 1.3 for wait in waits)
    assert waits[-1] >= 30
    assert len(waits) < 25
    scene.kind()
    scene.wait(SessionOpened, 2)
    scene.run(5)
    scene.bracket()


def test_a_failed_look_is_never_read_as_flat(stage: Stage) -> None:
    """Minutes without an answer: the book stays, nothing is cancelled, and it is said once."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    scene.fault(
        Once(Fate.REPLY_LOST, "private/get_positions", times=10_000),
        Once(Refusal(10028), "private/get_open_orders", times=3),
    )
    scene.run(120)
    assert scene.booked == [trade_id]
    assert len(scene.live(trade_id)) == 2
    failed = scene.events(LookFailed)
    assert failed
    assert len(failed) < 8
    scene.kind()
    scene.run(10)
    scene.settled()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_partition_of_minutes_in_the_middle_of_a_bracket(stage: Stage, seed: int) -> None:
    """Cut off right after the entry: nothing can be done until it heals, then it is."""
    scene = stage(seed).ready()
    scene.open()
    scene.until(lambda: scene.position() > 0)
    scene.market.is_partitioned = True
    scene.run(20)
    scene.market.hang_up("heartbeat missed")
    scene.run(160)
    scene.kind()
    scene.wait(SessionOpened, 2)
    scene.run(10)
    for name in scene.positions():
        assert scene.cover(name) >= scene.position(name)
    scene.settled()


def test_the_token_is_refreshed_at_eighty_per_cent_of_its_life(stage: Stage) -> None:
    """900 seconds of life: refreshed every 720, without a new log-in."""
    scene = stage().ready()
    scene.rest(730)
    refreshed = scene.wait(TokenRefreshed)
    assert refreshed.how == "refresh_token"
    scene.rest(730)
    assert len(scene.events(TokenRefreshed)) == 2
    assert len(scene.events(SessionOpened)) == 1
    assert scene.daemon.ask("auth", GetCredentials(at=scene.world.now())) is not None


@pytest.mark.parametrize("fate", [Refusal(13009), Fate.REPLY_LOST, Fate.REQUEST_LOST])
def test_a_refresh_that_fails_ends_in_a_fresh_log_in(stage: Stage, fate: Refusal | Fate) -> None:
    """The refresh token is single-use: after any doubt only a log-in is certain."""
    scene = stage().ready()
    scene.rest(700)
    scene.fault(Once(fate, "public/auth"))
    scene.wait(SessionOpened, 2)
    scene.run(5)
    scene.bracket()


def test_wrong_credentials_end_the_process_after_three_tries(stage: Stage) -> None:
    """Trying on could lock the key: said each time, then exit 77."""
    scene = stage()
    scene.market.secret = "wrong"
    scene.boot()
    scene.wait(SessionRefused, 3)
    assert scene.daemon.finished.get(timeout=30) == 77
    assert len(scene.market.sent("public/auth")) == 3
    scene.run(1)
    assert sum("refused" in text for text in scene.phone.heard) == 3


def test_credentials_refused_while_positions_are_open_keep_the_process(stage: Stage) -> None:
    """Somebody changed the key: stay, keep watching, try slowly, and come back."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    scene.fault(Once(Refusal(13004), "public/auth", times=4))
    scene.market.hang_up()
    scene.wait(SessionRefused, 3, limit=400)
    assert not scene.daemon.finished.is_set
    scene.wait(SessionOpened, 2, limit=180)
    scene.run(3)
    assert len(scene.live(trade_id)) == 2


def test_credentials_refused_at_a_start_with_open_trades_keep_the_process(stage: Stage) -> None:
    """The venue refuses them for a while after too many errors: the trade is not left alone."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    scene.crash()
    scene.fault(Once(Refusal(13004), "public/auth", times=4))
    scene.boot()
    scene.wait(SessionRefused, 3, limit=200)
    scene.run(65)
    assert not scene.daemon.finished.is_set
    scene.wait(Ready, limit=120)
    scene.run(3)
    assert len(scene.live(trade_id)) == 2


@pytest.mark.no_cover
def test_credentials_refused_all_night_are_told_ever_more_rarely(stage: Stage) -> None:
    """Tried once a minute, told at the first three tries, and at last every ten minutes."""
    scene = stage().ready()
    scene.bracket(stop="80000", target="120000")
    scene.fault(Once(Refusal(13004), "public/auth", times=60))
    scene.market.hang_up()
    scene.rest(3580)
    attempts = [event.attempt for event in scene.events(SessionRefused)]
    assert attempts == [1, 2, 3, 6, 12, 22, 32, 42, 52]
    assert sum("session is refused" in text for text in scene.phone.heard) == len(attempts)
    scene.wait(SessionOpened, 2, limit=180)
    scene.run(10)
    scene.fault(Once(Refusal(13004), "public/auth"))
    scene.market.hang_up()
    assert scene.wait(SessionRefused, len(attempts) + 1).attempt == 1


def test_the_clocks_are_compared_though_a_token_lives_for_a_year(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounds of orders are set by the venue's clock, which ours drifts away from."""
    monkeypatch.setattr(auth, "REFRESH_MOST", 300.0)
    scene = stage().ready()
    scene.rest(310)
    assert scene.wait(TokenRefreshed).how == "refresh_token"
    assert len(scene.market.sent("public/get_time")) > 1


def test_a_key_that_may_withdraw_is_refused_for_real_money(stage: Stage) -> None:
    """With the rule on, a granted wallet:read_write is not used."""
    scene = stage(plan=default_plan(forbid_wallet_write=True))
    real = scene.market.exchange.sessions.log_in

    def generous(*arguments: object) -> object:
        return changed_scope(real(*arguments))

    def changed_scope(reply: dict[str, object]) -> dict[str, object]:
        return reply | {"scope": f"{reply['scope']} wallet:read_write"}

    scene.market.exchange.sessions.log_in = generous
    scene.boot()
    refused = scene.wait(SessionRefused)
    assert "wallet:read_write" in refused.reason
    assert scene.daemon.finished.get(timeout=60) == 77


def test_cancel_on_disconnect_is_switched_off(stage: Stage) -> None:
    """A venue that would cancel our stops with the line is told not to."""
    scene = stage()
    scene.market.ask("private/enable_cancel_on_disconnect", scope="account")
    scene.ready()
    assert scene.engine.account.cancel_on_disconnect is False
    trade_id = scene.bracket()
    scene.run(1)
    scene.market.hang_up()
    scene.run(3)
    assert len(scene.stops(trade_id)) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Once(Refusal(13021), "private/disable_cancel_on_disconnect", times=99),
        Once(Fate.REPLY_LOST, "private/get_cancel_on_disconnect", times=3),
    ],
    ids=["not ours to switch off", "nobody says whether it is on"],
)
def test_no_order_goes_over_a_line_that_would_take_it_along(stage: Stage, fault: Once) -> None:
    """A person switches it on, the line breaks, and an entry fills while the next one opens: its
    stop goes over HTTP, and is there when that line is closed again."""
    scene = stage().ready()
    scene.market.slow_down(0.05)
    trade_id = scene.open(entry_type="limit", price=Decimal(99_800)).trade_id
    scene.run(1)
    scene.market.ask("private/enable_cancel_on_disconnect", scope="account")
    scene.fault(fault)

    def fill_soon(method: str, params: Mapping[str, Any]) -> None:
        if method == "public/auth" and not scene.position():
            soon = scene.world.monotonic() + 0.15
            scene.world.at(soon, lambda: scene.market.move(btc_usd=99_700))

    scene.market.arrivals.append(fill_soon)
    scene.market.hang_up()
    scene.run(12)
    assert scene.position() == 499
    placed = [*scene.orders(trade_id, Role.STOP), *scene.orders(trade_id, Role.TARGET)]
    assert [x.label for x in placed] == [f"bw.{trade_id}.sl.1", f"bw.{trade_id}.tp.1"]
    assert not {x.cancel_reason for x in placed} - {None}


def test_prices_that_were_left_out_are_asked_for_again(stage: Stage) -> None:
    """A book that was not open when we came, after maintenance: a lost reply changes nothing."""
    scene = stage()
    left_out = ("ticker.ETH-PERPETUAL.100ms", "ticker.BTC_USDC-PERPETUAL.100ms")

    def without(text: bytes) -> bytes:
        for name in left_out:
            text = text.replace(f',"{name}"'.encode(), b"")
        return text

    scene.market.reword = without
    scene.ready()
    scene.fault(Once(Fate.REPLY_LOST, "private/subscribe", times=9))
    scene.run(30)
    scene.kind()
    scene.market.reword = None
    scene.run(40)
    asked = [tuple(x["channels"]) for x in scene.market.sent("private/subscribe")]
    assert len(asked) > 2
    assert set(asked[1:]) == {left_out}
    scene.run(60)
    assert len(scene.market.sent("private/subscribe")) == len(asked)


def test_a_key_that_may_not_switch_it_off_is_told_what_it_is_about(stage: Stage) -> None:
    """ "13021 forbidden" alone sends nobody to the right switch."""
    scene = stage()
    scene.market.ask("private/enable_cancel_on_disconnect", scope="account")
    scene.fault(Once(Refusal(13021), "private/disable_cancel_on_disconnect"))
    scene.boot()
    assert "cancel-on-disconnect is on" in scene.wait(SessionLost).reason
    scene.wait(Ready)


def test_starting_without_the_venue_says_so_and_becomes_ready_later(stage: Stage) -> None:
    """Protect-only after the limit, with an alert; ready when the venue is back."""
    scene = stage()
    scene.market.is_partitioned = True
    scene.boot()
    began = scene.wait(ProtectOnlyBegan, limit=60)
    assert "contract data" in began.reason
    scene.run(2)
    assert any("PROTECT-ONLY" in text for text in scene.phone.heard)
    scene.kind()
    scene.wait(ProtectOnlyEnded, limit=60)
    scene.wait(Ready)
    scene.wait(DayBegan)
    scene.run(1)
    scene.bracket()


def test_a_trade_that_cannot_be_verified_keeps_entries_closed(stage: Stage) -> None:
    """Protect-only names what is missing; it ends when the trade has been seen."""
    scene = stage().ready()
    scene.bracket()
    scene.run(1)
    scene.crash()
    scene.boot()
    lost = Once(Fate.REPLY_LOST, "private/get_user_trades_by_instrument_and_time", times=10_000)
    scene.fault(lost)
    assert "could not be verified" in scene.wait(ProtectOnlyBegan).reason
    scene.kind()
    scene.wait(Ready, limit=120)
    scene.run(1)
    scene.settled()


def test_duplicate_reports_and_a_replay_change_nothing(stage: Stage) -> None:
    """Every notification twice: fills are counted once."""
    scene = stage().ready()
    deliver = scene.market.channels.on_notification

    def twice(channel: str, data: object) -> None:
        deliver(channel, data)
        deliver(channel, data)

    scene.market.channels.on_notification = twice
    trade_id = scene.bracket()
    scene.run(2)
    assert scene.trades()[trade_id].position == scene.position(BTC)
    scene.market.move(btc_usd=101_300)
    closed = scene.wait(TradeClosed)
    assert closed.contracts == 500
    scene.run(2)
    scene.settled()


@pytest.mark.parametrize("seed", range(6))
def test_no_notification_at_all_still_ends_in_a_bracket_that_works(stage: Stage, seed: int) -> None:
    """Deaf from the entry on: replies, polls and look-ups are enough."""
    scene = stage(seed).ready()
    scene.run(0.2)
    answer = scene.open()
    scene.market.lost_notifications = True
    scene.wait(TradeOpened)
    scene.run(4)
    assert len(scene.stops(answer.trade_id)) == 1
    scene.market.move(btc_usd=98_800)
    scene.run(8)
    assert scene.is_over(answer.trade_id)
    assert scene.orders(answer.trade_id, Role.TARGET)
    scene.market.lost_notifications = False
    scene.run(3)
    scene.settled()


def drop_reduce_only_of_the_first_stop(market: VirtualMarket) -> None:
    real = market.exchange.request
    left = [1]

    def careless(line: object, method: str, params: dict[str, object], now_ms: int) -> object:
        is_stop = method in PLACE and ".sl." in str(params.get("label"))
        if is_stop and left[0]:
            left[0] -= 1
            params = {**params, "reduce_only": False}
        return real(line, method, params, now_ms)

    market.exchange.request = careless


def test_an_order_the_venue_changed_on_the_way_is_not_kept(stage: Stage) -> None:
    """A stop accepted without reduce-only is taken away again and counted as a failure."""
    scene = stage().ready()
    drop_reduce_only_of_the_first_stop(scene.market)
    answer = scene.open()
    scene.wait(TradeOpened)
    scene.run(2)
    (stop,) = scene.stops(answer.trade_id)
    assert stop.reduce_only
    assert stop.label == f"bw.{answer.trade_id}.sl.2"
    assert scene.naked.longest() < 1


def test_a_changed_stop_that_closes_while_it_cannot_be_cancelled_ends_the_trade(
    stage: Stage,
) -> None:
    """Its cancel gets lost and the venue is away while it fires: asked for ever, it is no more.

    Found by seed 200105: past the deadline the cancel was sent again and again, each was refused,
    and the venue was never asked what had become of the stop.
    """
    scene = stage().ready()
    drop_reduce_only_of_the_first_stop(scene.market)

    def away(method: str, params: Mapping[str, Any]) -> Fate | None:
        del params
        if method == "private/cancel":
            scene.market.is_partitioned = True
        return None

    scene.market.faults = away
    scene.open()
    scene.run(1)
    assert scene.market.is_partitioned
    scene.market.move(btc_usd=90_000)
    scene.run(15)
    scene.kind()
    closed = scene.wait(TradeClosed, limit=30)
    assert closed.exit_reason == "stop_loss"
    assert scene.position() == 0
    scene.settled()


def test_a_venue_that_is_not_there_at_first_is_told_by_its_session_alone(stage: Stage) -> None:
    """Nobody reports that the account cannot be read before anybody could log in."""
    scene = stage()
    scene.market.is_partitioned = True
    scene.boot()
    scene.run(5)
    assert scene.events(SessionLost)
    assert not scene.events(LookFailed)
    scene.kind()
    scene.wait(Ready)


def test_without_prices_it_is_not_ready_and_says_so(stage: Stage) -> None:
    """Nothing could be let in: the day's equity is not known before the first price."""
    names = ("BTC-PERPETUAL",)
    scene = stage(plan=default_plan(instruments=names, channels=account_channels()))
    scene.boot()
    (began,) = [scene.wait(ProtectOnlyBegan)]
    assert "equity" in began.reason
    assert not scene.events(Ready)


@pytest.mark.parametrize("fault", [NO_STREAM, MUTE_STREAM])
def test_a_start_without_the_stream_protects_over_http(stage: Stage, fault: AnyFault) -> None:
    """No websocket is to be had from the first moment on, or it says nothing: the naked position
    found in the book gets its stop all the same. (Found by the simulation: no log-in, no stop, for
    ever.)"""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.crash()
    (stop,) = scene.stops(trade_id)
    scene.market.ask("private/cancel", order_id=stop.order_id)
    scene.strike(fault)
    scene.boot()
    scene.until(lambda: scene.cover(BTC) >= abs(scene.position()) > 0, limit=6)


@pytest.mark.parametrize("fault", [NO_STREAM, MUTE_STREAM, NO_SUBSCRIPTION])
def test_a_start_without_the_stream_looks_and_tidies_over_http(
    stage: Stage, fault: AnyFault
) -> None:
    """Until the first websocket nobody looked at the account: a stop that a person took away
    stayed away, and what a lost trade had left stayed. (Found by the simulation, seed 100119.)"""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.crash()
    scene.strike(fault)
    scene.boot()
    scene.run(10)
    (stop,) = scene.stops(trade_id)
    scene.market.ask("private/cancel", order_id=stop.order_id)
    far = {"instrument_name": BTC, "amount": 100, "type": "limit", "price": Decimal(90_000)}
    scene.market.ask("private/buy", label="bw.gone.tp.1", **far)
    scene.until(lambda: scene.cover(BTC) >= scene.position() > 0, limit=6)
    scene.until(lambda: not scene.live("gone."), limit=35)
    scene.kind()
    scene.wait(Ready)
    scene.run(3)
    scene.settled()


@pytest.mark.parametrize("unread", [(), ("private/get_user_trades_by_instrument_and_time",)])
def test_what_happens_as_the_line_breaks_is_read_over_http_at_once(
    stage: Stage, unread: tuple[str, ...]
) -> None:
    """A stop that is taken away in that moment is back before there is a stream, and before its
    fills can be read."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    if unread:
        scene.fault(Once(Fate.REPLY_LOST, *unread, times=1000))
    scene.strike(NO_STREAM)
    (stop,) = scene.stops(trade_id)
    scene.market.lost_notifications = True
    scene.market.ask("private/cancel", order_id=stop.order_id)
    scene.market.hang_up()
    scene.until(lambda: scene.cover(BTC) == scene.position() == 500, limit=0.2)
    scene.run(20)
    assert not scene.events(EmergencyBegan)
    assert [x.contracts for x in scene.stops(trade_id)] == [500]


@pytest.mark.parametrize("bracket", ["sequential", "otoco"])
def test_a_stream_that_dies_without_a_word_holds_up_no_protection(
    stage: Stage, bracket: str
) -> None:
    """A connection half open takes bytes and gives none, for a minute until its silence is noticed:
    the stop that a person took away comes back over HTTP."""
    scene = stage(plan=default_plan(bracket=bracket)).ready()
    trade_id = scene.bracket()
    scene.run(1)
    scene.strike(MUTE_STREAM)
    scene.market.lost_notifications = True
    (stop,) = scene.stops(trade_id)
    scene.market.ask("private/cancel", order_id=stop.order_id)
    scene.until(lambda: scene.cover(BTC) == scene.position() == 500, limit=5)
    assert not scene.events(EmergencyBegan)


def test_tokens_that_died_while_the_stream_is_down_are_renewed_at_once(stage: Stage) -> None:
    """However long the pauses between two tries to connect have become. (Found by the simulation:
    a position waited for its stop until the stream was back.)"""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.strike(NO_STREAM)
    scene.market.hang_up()
    scene.run(65)
    scene.market.exchange.sessions.revoke_all()
    (stop,) = scene.stops(trade_id)
    scene.market.ask("private/cancel", order_id=stop.order_id)
    scene.until(lambda: scene.cover(BTC) >= abs(scene.position()) > 0, limit=6)


@pytest.mark.parametrize(("method", "limit"), [("public/auth", 2.0), ("private/subscribe", 1.0)])
def test_a_log_in_whose_reply_is_lost_is_asked_for_again_at_once(
    stage: Stage, method: str, limit: float
) -> None:
    """A start over a naked position: it gets its stop within the deadline, and is not closed.
    (Found by the simulation: the reply was waited for for five seconds, seed 91008.)"""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.crash()
    (stop,) = scene.stops(trade_id)
    scene.market.ask("private/cancel", order_id=stop.order_id)
    scene.fault(Once(Fate.REPLY_LOST, method))
    scene.boot()
    scene.until(lambda: scene.cover(BTC) >= abs(scene.position()) > 0, limit=limit)
    assert not scene.events(EmergencyBegan)


def test_a_venue_that_has_no_catalogue_is_asked_ever_more_rarely(stage: Stage) -> None:
    """The venue grants few such reads; a session that opens is a reason to ask at once."""
    scene = stage()
    scene.boot()
    away = Once(Refusal(11051), "public/get_instruments", times=1000)
    scene.fault(away)
    scene.run(61)
    asked = 1000 - away.left
    assert 10 <= asked <= 20
    scene.kind()
    scene.market.hang_up()
    scene.wait(Ready, limit=10)
    scene.bracket()
