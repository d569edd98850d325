"""The ordinary life of a bracket, on inverse and linear perpetuals."""

from decimal import Decimal

import pytest

from actors.messages.trading import (
    EntryFilled,
    PnlDiffers,
    StopPlaced,
    TargetFailed,
    TargetPlaced,
    TradeAccepted,
    TradeClosed,
    TradeOpened,
)
from domain.labels import Role
from domain.orders import OrderState, OrderType, TriggerBy
from simulation.venue import Fate, Refusal
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, ETH, LINEAR, PLACE, Once

ROUND_TRIP = 0.012
CURRENCY = {BTC: "BTC", ETH: "ETH", LINEAR: "USDC"}
MOVES = {BTC: "btc_usd", ETH: "eth_usd", LINEAR: "btc_usd"}
CASES = [
    (BTC, "buy", "0.05", "99000", "101000"),
    (BTC, "sell", "0.05", "101000", "99000"),
    (ETH, "buy", "1.5", "3150", "3300"),
    (ETH, "sell", "1.5", "3300", "3150"),
    (LINEAR, "buy", "0.05", "99000", "101000"),
    (LINEAR, "sell", "0.05", "101000", "99000"),
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("ends_at", ["stop", "target"])
def test_a_bracket_ends_at_its_stop_or_its_target_and_books_what_the_venue_booked(
    stage: Stage, case: tuple[str, str, str, str, str], ends_at: str
) -> None:
    """Entry, stop, target, one of them fills, the other goes; the PnL is the account's change."""
    name, side, quantity, stop, target = case
    scene = stage().ready()
    before = scene.wealth(CURRENCY[name])
    trade_id = scene.bracket(name, side, quantity, stop, target)
    scene.wait(TargetPlaced)
    sign = 1 if side == "buy" else -1
    price = Decimal(target if ends_at == "target" else stop)
    beyond = price * (1 + sign * (1 if ends_at == "target" else -1) * Decimal("0.002"))
    scene.market.move(**{MOVES[name]: beyond})
    closed = scene.wait(TradeClosed)
    assert closed.exit_reason == {"stop": "stop_loss", "target": "take_profit"}[ends_at]
    assert closed.net_coin == closed.pnl_coin - closed.fees_coin
    assert abs(closed.net_coin - (scene.wealth(CURRENCY[name]) - before)) <= Decimal("1e-9")
    assert not scene.events(PnlDiffers)
    scene.run(1)
    assert scene.is_over(trade_id)
    assert scene.positions() == {}


@pytest.mark.parametrize("seed", range(5))
def test_the_stop_rests_within_a_round_trip_of_the_fill_and_before_the_target_is_sent(
    stage: Stage, seed: int
) -> None:
    """The position is naked only while the stop travels; the target waits for its answer."""
    scene = stage(seed).ready()
    trade_id = scene.bracket()
    scene.wait(TargetPlaced)
    order = [type(e) for e in scene.daemon.system.events]
    assert order.index(EntryFilled) < order.index(StopPlaced) < order.index(TargetPlaced)
    assert order.index(StopPlaced) < order.index(TradeOpened)
    assert scene.naked.longest() <= 2 * ROUND_TRIP
    assert scene.wait(TradeOpened).unprotected_ms <= 2 * ROUND_TRIP * 1000
    (stop,) = scene.stops(trade_id)
    assert (stop.order_type, stop.reduce_only) == (OrderType.STOP_MARKET, True)
    assert (stop.trigger, stop.trigger_price) == (TriggerBy.MARK_PRICE, Decimal(99000))
    assert stop.contracts == scene.position()
    (target,) = scene.orders(trade_id, Role.TARGET)
    assert (target.order_type, target.reduce_only) == (OrderType.LIMIT, True)


@pytest.mark.parametrize("seed", range(5))
def test_the_sibling_is_cancelled_within_a_round_trip_of_the_fill(stage: Stage, seed: int) -> None:
    """When the target fills, the stop is gone one round trip and one push later."""
    scene = stage(seed).ready()
    trade_id = scene.bracket()
    scene.wait(TargetPlaced)
    scene.market.move(btc_usd=101_300)
    assert scene.position() == 0
    began = scene.world.monotonic()
    scene.until(lambda: not scene.live(trade_id))
    assert scene.world.monotonic() - began <= 1.5 * ROUND_TRIP
    (stop,) = scene.orders(trade_id, Role.STOP)
    assert stop.state is OrderState.CANCELLED


def test_a_trade_without_a_target_lives_on_its_stop_alone(stage: Stage) -> None:
    """No take profit was asked for: nothing but the stop rests."""
    scene = stage().ready()
    trade_id = scene.bracket(target=None)
    scene.run(2)
    assert [x.order_type for x in scene.live(trade_id)] == [OrderType.STOP_MARKET]


def test_a_target_that_the_price_has_left_behind_is_taken_at_market(stage: Stage) -> None:
    """Lost on the way, and before it is sent again the price is so far that the venue refuses."""
    scene = stage().ready()
    scene.fault(Once(Fate.REQUEST_LOST, *PLACE, role=Role.TARGET))
    scene.open()
    scene.wait(TradeOpened)
    scene.market.move(btc_usd=104_000)
    closed = scene.wait(TradeClosed)
    assert scene.wait(TargetFailed).code == 10005
    assert closed.exit_reason == "take_profit"
    assert closed.exit_price > 103_000
    scene.run(3)
    scene.settled()


def test_a_target_beyond_the_band_is_tried_again_until_the_price_is_near(stage: Stage) -> None:
    """The stop stands meanwhile, it is told once, and nothing is given up."""
    scene = stage().ready()
    scene.fault(Once(Refusal(10007), *PLACE, role=Role.TARGET, times=4))
    answer = scene.open()
    assert isinstance(answer, TradeAccepted)
    scene.wait(TradeOpened)
    scene.run(200)
    assert not scene.events(TargetPlaced)
    scene.run(60)
    assert len(scene.events(TargetPlaced)) == 1
    assert len(scene.events(TargetFailed)) == 1
    assert len(scene.stops(answer.trade_id)) == 1
    scene.market.move(btc_usd=101_300)
    assert scene.wait(TradeClosed).exit_reason == "take_profit"


def test_closing_by_hand_takes_the_target_first_and_the_stop_last(stage: Stage) -> None:
    """The stop protects until the position is seen flat."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.wait(TargetPlaced)
    assert scene.close_trade(trade_id)
    closed = scene.wait(TradeClosed)
    assert closed.exit_reason == "requested"
    kinds = [(m, p.get("label", p.get("order_id"))) for m, p in scene.market.calls]
    acts = [x for x in kinds if x[0] in {"private/cancel", "private/sell"}][-3:]
    (target,) = scene.orders(trade_id, Role.TARGET)
    (stop,) = scene.orders(trade_id, Role.STOP)
    assert acts == [
        ("private/cancel", target.order_id),
        ("private/sell", f"bw.{trade_id}.close.1"),
        ("private/cancel", stop.order_id),
    ]
    scene.run(1)
    assert scene.is_over(trade_id)


def test_a_limit_entry_waits_and_is_protected_when_it_fills(stage: Stage) -> None:
    """Nothing is sent but the entry until the market comes to it."""
    scene = stage().ready()
    answer = scene.open(entry_type="limit", price=Decimal(99800))
    scene.run(3)
    assert [x.label for x in scene.live()] == [f"bw.{answer.trade_id}.entry.1"]
    scene.market.move(btc_usd=99_700)
    scene.wait(TradeOpened)
    assert scene.naked.longest() <= 2 * ROUND_TRIP


def test_a_limit_entry_that_never_filled_is_cancelled_on_request(stage: Stage) -> None:
    """A trade without a position is abandoned, and its entry cannot fill any more."""
    scene = stage().ready()
    answer = scene.open(entry_type="limit", price=Decimal(99800))
    scene.run(2)
    assert scene.close_trade(answer.trade_id)
    scene.run(2)
    assert scene.is_over(answer.trade_id)


def test_three_trades_on_three_instruments_live_side_by_side(stage: Stage) -> None:
    """Each has its own stop; one that ends does not touch the others."""
    scene = stage().ready()
    first = scene.bracket(BTC)
    second = scene.bracket(ETH, "sell", "1.5", "3300", "3100")
    third = scene.bracket(LINEAR)
    scene.close_trade(first)
    scene.wait(TradeClosed)
    scene.run(2)
    assert scene.is_over(first)
    assert set(scene.booked) == {second, third}
    scene.settled()
