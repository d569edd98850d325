"""Races of the catalogue that need the whole daemon; `docs/proof.md` says where each other is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from actors.messages.session import SessionOpened, TokenRefreshed
from actors.messages.trading import CloseTrade, PnlDiffers, StopPlaced, TradeClosed
from actors.messages.watch import PositionDrifted
from adapters.paper.faults.of_requests import Refused
from adapters.paper.faults.of_spans import BookState, ClockSkew
from adapters.paper.faults.plan import AnyFault, FaultPlan
from adapters.paper.faults.weather import Weather
from domain.labels import Role
from domain.orders import Side
from simulation.daemon import DEFAULT_LIMITS, default_plan
from simulation.venue import Refusal
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, PLACE, Once, Scene

SEEDS = range(3)


def weather(scene: Scene, *faults: AnyFault) -> None:
    """From now on these are in force."""
    plan = FaultPlan(fault=faults)
    scene.market.weather = Weather(scene.market.exchange, plan, seed=1, now_ms=scene.world.now_ms())


def test_race_23_one_refresher_and_each_token_once(stage: Stage) -> None:
    """Hours of refreshes, with people who want the session renewed in between: never the same
    refresh token twice."""
    scene = stage().ready()
    spent: list[str] = []
    scene.market.hearers.append(
        lambda method, params: (
            spent.append(str(params.get("refresh_token", method)))
            if method == "public/auth" and "refresh_token" in params
            else None
        )
    )
    for _ in range(4):
        scene.rest(715)
        scene.market.exchange.sessions.revoke_all()
        scene.run(30)
    assert scene.events(TokenRefreshed) or scene.events(SessionOpened)
    assert len(spent) == len(set(spent))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("other", ["a person", "a kill", "the stop"])
def test_race_17_a_second_close_turns_nothing_round(stage: Stage, seed: int, other: str) -> None:
    """Two closes of the whole position are under way at once: it is closed once, and not turned."""
    scene = stage(seed).ready()
    before = scene.wealth("BTC")
    trade_id = scene.bracket()
    scene.run(1)
    scene.market.slow_down(0.55 if other == "a kill" else 0.05)
    close = CloseTrade(at=scene.world.now(), trade_id=trade_id)
    scene.daemon.system.address("execution").tell(close)
    if other == "a kill":
        scene.kill()
    else:
        scene.until(lambda: bool(scene.market.sent("private/cancel")))
        scene.run(0.06)
        if other == "a person":
            scene.market.ask("private/close_position", instrument_name=BTC, type="market")
        else:
            scene.market.move(btc_usd=97_000)
    closed = scene.wait(TradeClosed)
    scene.run(5)
    closes = [x["label"] for x in scene.market.sent("private/sell") if ".close." in x["label"]]
    assert len(closes) == 1  # what the kill has closed the trade reads before it sends its own
    fills = [x for x in scene.engine.ledger.trades if x.instrument_name == BTC]
    assert [sum(x.contracts for x in fills if x.side is side) for side in Side] == [500, 500]
    assert scene.position() == 0
    assert abs(closed.net_coin - (scene.wealth("BTC") - before)) <= Decimal("1e-9")
    scene.settled()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("end", ["target", "stop", "close"])
def test_race_34_trades_that_share_an_instrument_end_each_by_itself(
    stage: Stage, seed: int, end: str
) -> None:
    """The venue nets them into one position. What ends one leaves the other its contracts, its
    stop and its result."""
    limits = replace(DEFAULT_LIMITS, max_trades_per_instrument=2)
    scene = stage(seed, plan=default_plan(limits=limits)).ready()
    before = scene.wealth("BTC")
    one = scene.bracket(stop="99500" if end == "stop" else "98000", target="100500")
    scene.run(1)
    scene.market.move(btc_usd=100_200)
    two = scene.bracket(quantity="0.03", stop="98000", target="103000")
    scene.run(1)
    assert scene.position() == 800
    if end == "close":
        scene.close_trade(one)
    else:
        scene.market.move(btc_usd=100_700 if end == "target" else 99_300)
    closed = scene.wait(TradeClosed)
    assert (closed.trade_id, closed.contracts) == (one, 500)
    scene.run(3)
    assert scene.position() == scene.trades()[two].position == 300
    assert [x.remaining for x in scene.stops(two)] == [300]
    assert scene.naked.longest() < 0.1
    assert not scene.events(PositionDrifted)
    scene.close_trade(two)
    last = scene.wait(TradeClosed, 2)
    assert not scene.events(PnlDiffers), "the venue books at the average entry of both"
    earned = closed.net_coin + last.net_coin
    assert abs(earned - (scene.wealth("BTC") - before)) <= Decimal("1e-9")
    scene.run(3)
    scene.settled()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("code", [10040, 13028, 11094, 13888])
def test_race_26_an_answer_that_proves_nothing(
    stage: Stage, seed: int, applied: bool, code: int
) -> None:
    """Not taken for a refusal: what the venue did all the same is found and protected."""
    scene = stage(seed).ready()
    entry: AnyFault = Refused(code=code, applied=applied, labels=("bw.*.entry.*",), most=1)  # type: ignore[arg-type]
    stop: AnyFault = Refused(code=code, applied=applied, labels=("bw.*.sl.*",), most=1)  # type: ignore[arg-type]
    weather(scene, entry, stop)
    scene.open()
    scene.run(20)
    assert bool(scene.position()) is applied
    assert scene.cover(BTC) == abs(scene.position())
    scene.settled()


@pytest.mark.parametrize("seed", SEEDS)
def test_race_29_the_settlement_between_entry_and_stop(stage: Stage, seed: int) -> None:
    """The stop is refused while it runs, and there right after it; or the position is closed."""
    start = datetime(2026, 1, 5, 7, 59, 20, tzinfo=UTC)
    scene = stage(seed, start=start).ready()
    scene.open(entry_type="limit", price=Decimal(99_900))
    now = scene.world.now()
    left = (start.replace(hour=8, minute=0, second=0) - now).total_seconds()
    scene.run(left - 0.004)
    scene.market.move(btc_usd=99_850)
    scene.run(15)
    assert scene.cover(BTC) == abs(scene.position())
    scene.settled()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("state", ["locked", "halted"])
def test_race_30_the_book_closes_between_entry_and_stop(
    stage: Stage, seed: int, state: str
) -> None:
    """Nothing can be done until it opens; then at once."""
    scene = stage(seed).ready()
    closed: AnyFault = BookState(state=state, at=(0,), lasts=20_000, most=1)  # type: ignore[arg-type]
    weather(scene, closed)
    entered = {"done": False}

    def close_the_book(method: str, _: object) -> None:
        if method in PLACE and not entered["done"]:
            entered["done"] = True
            scene.market.advance()

    scene.market.weather = None
    scene.market.arrivals.append(
        lambda method, params: (
            (weather(scene, closed), close_the_book(method, params))[1]
            if not entered["done"] and method in PLACE
            else None
        )
    )
    scene.open()
    scene.run(10)
    assert scene.position()
    assert scene.cover(BTC) == 0
    scene.run(25)
    assert scene.cover(BTC) == abs(scene.position())
    scene.settled()


def test_race_38_a_liquidation_is_booked_and_nothing_is_opened_again(stage: Stage) -> None:
    """The venue takes the position: the trade ends as liquidated, its orders are gone."""
    scene = stage(balances={"BTC": Decimal("0.004")}).ready()
    trade_id = scene.bracket(BTC, "buy", "0.08", "90000", "110000")
    scene.market.move(btc_usd=95_000)
    for price in range(94_900, 93_000, -50):
        scene.market.move(btc_usd=price)
        scene.run(1)
    scene.run(30)
    liquidated = [x for x in scene.engine.ledger.trades if x.is_liquidation]
    assert liquidated
    assert len(scene.orders(trade_id, Role.ENTRY)) == 1
    for name, held in scene.positions().items():
        assert scene.cover(name) >= abs(held)


def test_race_39_a_position_that_changed_by_no_order_is_told(stage: Stage) -> None:
    """Socialised losses and their like: nobody's fill explains it, so a person hears of it and
    nothing is done to what is left."""
    scene = stage().ready()
    scene.bracket()
    stake = scene.engine.account.stakes[BTC]
    held = stake.holding.contracts
    part = stake.holding.__class__(held - 100, stake.holding.cost * (held - 100) / held)
    stake.holding = part
    scene.engine.revision += 1
    drifted = scene.wait(PositionDrifted)
    assert (drifted.instrument, drifted.residual) == (BTC, -100)
    scene.run(5)
    assert scene.position() == held - 100
    assert scene.cover(BTC) >= held - 100
    assert any("not ours" in text for text in scene.phone.heard)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("by", [-3000, 3000])
def test_race_45_the_venues_clock_is_wrong_in_the_middle_of_a_bracket(
    stage: Stage, seed: int, by: int
) -> None:
    """Orders that are refused or late because of it are found out, and the stop is there."""
    scene = stage(seed).ready()
    weather(scene, ClockSkew(by=by, at=(0,), lasts=60_000, most=1))
    scene.market.advance()
    scene.open()
    scene.run(20)
    assert scene.cover(BTC) == abs(scene.position())
    scene.run(60)
    scene.settled()


@pytest.mark.parametrize("ahead_ms", [90_000, 600_000])
def test_a_trade_that_began_by_a_clock_far_ahead_finds_its_fills(
    stage: Stage, ahead_ms: int
) -> None:
    """They are older than its own beginning: by our clock, which it was written down by."""
    scene = stage()
    weather(scene, ClockSkew(by=-ahead_ms, at=(0,), lasts=10_000_000, most=1))
    scene.market.advance()
    scene.rest(ahead_ms / 1000 + 70)
    trade_id = scene.ready().bracket()
    scene.crash()
    scene.market.move(btc_usd=98_000)
    scene.run(5)
    assert scene.position() == 0
    scene.boot()
    scene.wait(TradeClosed)
    scene.run(1)
    assert scene.is_over(trade_id)


@pytest.mark.parametrize("seconds", [-1800, -600, 600, 3600])
def test_a_machines_clock_that_is_set_while_we_trade_hides_no_fill(
    stage: Stage, seconds: int
) -> None:
    """It is wrong while a trade opens, and right again when its stop fires unheard: from when on
    its fills are read is the venue's time, by a clock nobody sets."""
    scene = stage()
    usual, wrong = scene.world.now, timedelta(0)
    scene.world.now = lambda: usual() + wrong
    scene.ready()
    wrong = timedelta(seconds=seconds)
    scene.run(5)
    trade_id = scene.bracket()
    scene.run(20)
    wrong = timedelta(0)
    scene.run(5)
    scene.market.lost_notifications = True
    scene.market.move(btc_usd=98_000)
    scene.run(1)
    scene.market.lost_notifications = False
    scene.run(5)
    assert scene.position() == 0
    closed = scene.wait(TradeClosed)
    assert closed.exit_price == pytest.approx(98_000, rel=0.001)
    assert scene.is_over(trade_id)


@pytest.mark.parametrize("seed", SEEDS)
def test_race_46_contract_data_that_changed_is_read_again(stage: Stage, seed: int) -> None:
    """A stop refused as off the grid makes the catalogue be read, and the next try stands."""
    scene = stage(seed).ready()
    before = len(scene.market.sent("public/get_instruments"))
    scene.fault(Once(Refusal(-32602, "Invalid params"), *PLACE, role=Role.STOP))
    scene.bracket()
    scene.wait(StopPlaced)
    scene.run(1)
    assert len(scene.market.sent("public/get_instruments")) > before
    assert not scene.events(TradeClosed)
    assert scene.cover(BTC) == scene.position()
