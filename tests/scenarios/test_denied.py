"""What is refused before anything is sent, each for its own stable reason."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from actors.messages.risk import Denied
from actors.messages.session import SessionLost
from actors.messages.trading import EntryDenied, OpenTrade, TradeAccepted
from domain.labels import Role
from domain.risk import Reason
from simulation.daemon import default_plan
from simulation.venue import Fate
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, ETH, LINEAR, PLACE, Once, Scene

WISHES: list[tuple[dict[str, Any], Reason]] = [
    ({"stop": None}, Reason.NO_STOP),
    ({"stop": "101000"}, Reason.STOP_WRONG_SIDE),
    ({"side": "sell"}, Reason.STOP_WRONG_SIDE),
    ({"target": "99500"}, Reason.TARGET_WRONG_SIDE),
    ({"stop": "99000.3"}, Reason.OFF_TICK),
    ({"target": "101000.7"}, Reason.OFF_TICK),
    ({"quantity": "0.00001"}, Reason.BELOW_MINIMUM),
    ({"quantity": "-1"}, Reason.BAD_QUANTITY),
    ({"quantity": "NaN"}, Reason.BAD_QUANTITY),
    ({"quantity": "sNaN"}, Reason.BAD_QUANTITY),
    ({"quantity": "Infinity"}, Reason.BAD_QUANTITY),
    ({"quantity": "1e99"}, Reason.BAD_QUANTITY),
    ({"quantity": "1.5", "unit": "contracts"}, Reason.BAD_QUANTITY),
    ({"quantity": "1", "unit": "lots"}, Reason.BAD_QUANTITY),
    ({"stop": "1e60"}, Reason.BAD_PRICE),
    ({"stop": "0.1e-60"}, Reason.OFF_TICK),
    ({"stop": "NaN"}, Reason.BAD_PRICE),
    ({"stop": "-1"}, Reason.BAD_PRICE),
    ({"entry_type": "limit"}, Reason.BAD_PRICE),
    ({"entry_type": "iceberg"}, Reason.BAD_ENTRY_TYPE),
    ({"side": "up"}, Reason.BAD_DIRECTION),
    ({"instrument": "DOGE-PERPETUAL"}, Reason.UNKNOWN_INSTRUMENT),
    ({"instrument": ""}, Reason.UNKNOWN_INSTRUMENT),
    ({"instrument": "BTC-27DEC24-100000-C"}, Reason.NOT_A_PERPETUAL),
    ({"instrument": "BTC-27DEC24"}, Reason.NOT_A_PERPETUAL),
    ({"instrument": "ETH_USDC-PERPETUAL"}, Reason.NOT_TRADED_HERE),
    ({"quantity": "50"}, Reason.MAX_NOTIONAL),
]


def refused(scene: Scene, reason: Reason, **wish: Any) -> None:
    """Asks, and expects this reason and not one request."""
    before = len(scene.market.sent(*PLACE))
    answer = scene.open(**wish)
    assert isinstance(answer, Denied), answer
    assert reason.value in answer.reasons
    assert scene.events(EntryDenied)[-1].reasons == answer.reasons
    scene.run(2)
    assert len(scene.market.sent(*PLACE)) == before


@pytest.mark.parametrize(("wish", "reason"), WISHES, ids=str)
def test_a_wish_that_is_wrong_by_itself_is_denied(
    stage: Stage, wish: dict[str, Any], reason: Reason
) -> None:
    """No stop, wrong side, off tick, too small, not a perpetual, not a number: nothing is sent."""
    refused(stage().ready(), reason, **wish)


def test_a_denial_names_every_reason_found(stage: Stage) -> None:
    """Whoever asks learns all that is wrong at once."""
    scene = stage().ready()
    answer = scene.open(side="up", stop=None, quantity="-1")
    assert isinstance(answer, Denied)
    expected = {Reason.BAD_DIRECTION, Reason.NO_STOP, Reason.BAD_QUANTITY}
    assert set(answer.reasons) == {x.value for x in expected}


def test_nothing_is_opened_before_book_and_venue_agree(stage: Stage) -> None:
    """The front door is open before the reconciliation, and says no."""
    scene = stage()
    scene.boot()
    scene.fault(Once(Fate.REQUEST_LOST, "private/get_positions", times=1000))
    scene.run(3)
    answer = scene.open()
    assert isinstance(answer, Denied)
    assert Reason.NOT_RECONCILED.value in answer.reasons
    assert not scene.market.sent(*PLACE)


def test_one_trade_per_instrument(stage: Stage) -> None:
    """The venue nets: a second trade on the instrument is denied, in either direction."""
    scene = stage().ready()
    scene.bracket()
    scene.run(1)
    refused(scene, Reason.MAX_TRADES_PER_INSTRUMENT)
    refused(scene, Reason.OPPOSITE_DIRECTION, side="sell", stop="101000", target="99000")


def test_no_more_trades_than_allowed(stage: Stage) -> None:
    """MAX_OPEN_TRADES counts trades on all instruments."""
    limits = replace(default_plan().limits, max_open_trades=2)
    scene = stage(plan=default_plan(limits=limits)).ready()
    scene.bracket(BTC)
    scene.bracket(ETH, "sell", "1.5", "3300", "3100")
    scene.run(1)
    refused(scene, Reason.MAX_OPEN_TRADES, instrument=LINEAR)


def test_two_wishes_at_once_do_not_both_slip_through(stage: Stage) -> None:
    """The gate counts what is recorded, so the second of two simultaneous wishes is denied."""
    scene = stage().ready()
    address = scene.daemon.system.address("execution")
    wish = OpenTrade(
        at=scene.world.now(),
        instrument=BTC,
        side="buy",
        quantity=Decimal("0.05"),
        stop_loss=Decimal(99000),
    )
    address.tell(wish)
    address.tell(wish)
    scene.run(2)
    assert len(scene.events(EntryDenied)) == 1
    assert len(scene.booked) == 1


def test_killed_means_denied(stage: Stage) -> None:
    """After a kill nothing is opened until it is ended."""
    scene = stage().ready()
    assert scene.kill()
    refused(scene, Reason.KILLED)
    assert scene.resume()
    assert isinstance(scene.open(), TradeAccepted)
    scene.run(1)


def test_stale_prices_deny(stage: Stage) -> None:
    """Without a fresh price nobody knows what a market entry would meet."""
    scene = stage().ready()
    scene.market.lost_notifications = True
    scene.run(6)
    refused(scene, Reason.STALE_DATA)


def test_a_lost_session_denies(stage: Stage) -> None:
    """Entries need the stream: without it fills would be seen late."""
    scene = stage().ready()
    scene.market.is_partitioned = True
    scene.market.hang_up()
    scene.wait(SessionLost)
    answer = scene.open()
    assert isinstance(answer, Denied)
    assert Reason.SESSION_LOST.value in answer.reasons
    scene.kind()


@pytest.mark.parametrize(
    ("minutes", "is_denied"), [(-1, False), (-0.4, True), (0.5, True), (2, False)]
)
def test_the_settlement_window_is_closed_for_entries(
    stage: Stage, minutes: float, is_denied: bool
) -> None:
    """From shortly before 08:00 UTC until shortly after, the venue takes no orders."""
    eight = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
    scene = stage(start=eight + timedelta(minutes=minutes, seconds=-5)).ready()
    scene.until(lambda: scene.world.now() >= eight + timedelta(minutes=minutes))
    answer = scene.open()
    is_refused = isinstance(answer, Denied) and "settlement_window" in answer.reasons
    assert is_refused is is_denied
    scene.run(2)


def test_a_full_disk_denies(stage: Stage) -> None:
    """An intent that cannot be made durable is not sent; when the disk is back, trading is."""
    scene = stage().ready()
    scene.disk.is_full = True
    refused(scene, Reason.NO_INTENT)
    assert scene.booked == []
    scene.disk.is_full = False
    scene.run(3)
    scene.bracket()
    scene.settled()


def test_a_plan_that_cannot_be_true_is_not_recorded(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever let it through: with it on disk the next start calls the whole book unreadable."""
    scene = stage().ready()
    monkeypatch.setattr(scene.world, "new_id", lambda: "No Trade's Id")
    refused(scene, Reason.NO_INTENT)
    assert scene.booked == []


def test_a_command_that_is_too_old_is_not_carried_out(stage: Stage) -> None:
    """A wish with a date is refused when it arrives late."""
    scene = stage().ready()
    late = OpenTrade(
        at=scene.world.now(),
        expires_at=scene.world.now() - timedelta(seconds=1),
        instrument=BTC,
        side="buy",
        quantity=Decimal("0.05"),
        stop_loss=Decimal(99000),
    )
    scene.daemon.system.address("execution").tell(late)
    scene.run(2)
    assert not scene.market.sent(*PLACE)
    assert scene.orders("", Role.ENTRY) == []


def test_the_venues_budget_is_kept_for_protection(stage: Stage) -> None:
    """An entry that would use up what stops and closes may need is denied."""
    limits = replace(default_plan().limits, reserve_requests=17)
    scene = stage(plan=default_plan(limits=limits)).ready()
    scene.bracket(BTC)
    answer = scene.open(ETH, "sell", "1.5", "3300", "3100")
    assert isinstance(answer, Denied)
    assert answer.reasons == (Reason.NO_BUDGET.value,)
    scene.run(5)
    scene.bracket(ETH, "sell", "1.5", "3300", "3100")
