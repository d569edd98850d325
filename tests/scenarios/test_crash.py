"""``kill -9`` at every moment of a bracket's life, and what the next process makes of it."""

import copy
from decimal import Decimal

import pytest

from actors.messages.book import RegistryRebuilt
from actors.messages.trading import (
    EmergencyBegan,
    FlatVerified,
    OpenTrade,
    ProtectionDeadlineMissed,
    Ready,
    TradeAbandoned,
    TradeClosed,
    TradeOpened,
)
from actors.messages.watch import OrphanCancelled
from domain.labels import Role
from simulation.venue import Fate
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, PLACE, Once, Scene

ENDS = ("trade_closed", "trade_abandoned")


def wish(scene: Scene) -> None:
    """Tells Execution to open; nobody waits for the answer."""
    command = OpenTrade(
        at=scene.world.now(),
        instrument=BTC,
        side="buy",
        quantity=Decimal("0.05"),
        stop_loss=Decimal(99000),
        take_profit=Decimal(101000),
    )
    scene.daemon.system.address("execution").tell(command)


def crash_after(scene: Scene, steps: int, limit: float = 20.0) -> bool:
    """Lets that many switches of control happen, then kills; False when life was over before."""
    last = scene.world.steps + steps
    is_alive = scene.world.run_until(lambda: scene.world.steps >= last, limit)
    scene.crash()
    return is_alive


def comes_back(scene: Scene) -> None:
    """A new process: ready only when everything is protected and book and venue agree."""
    scene.boot()
    scene.wait(Ready)
    for name, held in scene.positions().items():
        assert scene.cover(name) >= abs(held), f"{name} naked at Ready"
    ledger = sum(trade.signed_position for trade in scene.trades().values())
    assert ledger == scene.position()


def ends(scene: Scene, price: int) -> None:
    """The market reaches an exit: flat, nothing left over, one end in the journal."""
    scene.run(8)
    scene.settled()
    scene.market.move(btc_usd=price)
    scene.run(8)
    scene.settled()
    assert scene.positions() == {}
    assert scene.booked == []
    intents = [x["trade_id"] for x in scene.disk.lines if x["event"] == "intent_recorded"]
    finals = [x["trade_id"] for x in scene.disk.lines if x["event"] in ENDS]
    assert set(finals) <= set(intents)
    assert len(finals) == len(set(finals))
    scene.market.move(btc_usd=100_000)
    scene.run(35)
    scene.bracket()


def crash_while_building(stage: Stage, steps: int, seed: int) -> None:
    scene = stage(seed).ready()
    wish(scene)
    crash_after(scene, steps)
    comes_back(scene)
    ends(scene, 101_300 if steps % 2 else 98_700)


def crash_while_ending(stage: Stage, steps: int, price: int) -> None:
    scene = stage(steps).ready()
    scene.bracket()
    scene.run(0.2)
    scene.market.move(btc_usd=price)
    crash_after(scene, steps)
    comes_back(scene)
    ends(scene, price)


def crash_while_closing(stage: Stage, steps: int) -> None:
    scene = stage(steps).ready()
    trade_id = scene.bracket()
    scene.run(0.2)
    scene.close_trade(trade_id)
    crash_after(scene, steps)
    comes_back(scene)
    ends(scene, 98_700)


def crash_while_killing(stage: Stage, steps: int) -> None:
    scene = stage(steps).ready()
    scene.bracket()
    scene.run(0.2)
    assert scene.kill()
    crash_after(scene, steps, limit=0.9)
    scene.boot()
    assert scene.wait(Ready).mode == "killed"
    scene.wait(FlatVerified)
    scene.run(3)
    assert scene.positions() == {}
    assert scene.live() == []
    assert scene.booked == []


@pytest.mark.parametrize("steps", range(0, 150, 5))
def test_a_crash_while_a_bracket_is_being_built_is_made_good(stage: Stage, steps: int) -> None:
    """Between two steps from the wish to the target: protected at Ready, entered once."""
    crash_while_building(stage, steps, seed=steps)


@pytest.mark.parametrize("price", [101_300, 98_700])
@pytest.mark.parametrize("steps", range(0, 40, 5))
def test_a_crash_while_a_bracket_is_ending_is_made_good(
    stage: Stage, steps: int, price: int
) -> None:
    """Between two steps from the fill of an exit to the end: no orphan stays."""
    crash_while_ending(stage, steps, price)


@pytest.mark.parametrize("steps", range(0, 60, 6))
def test_a_crash_while_a_trade_is_being_closed_is_made_good(stage: Stage, steps: int) -> None:
    """Between two steps of closing by hand: closed, or open under its stop, never naked."""
    crash_while_closing(stage, steps)


@pytest.mark.parametrize("steps", range(0, 90, 9))
def test_a_crash_during_a_kill_does_not_end_the_kill(stage: Stage, steps: int) -> None:
    """A kill that was accepted is carried out by whoever comes next."""
    crash_while_killing(stage, steps)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("steps", range(150))
def test_a_crash_at_every_step_of_building_a_bracket(stage: Stage, steps: int, seed: int) -> None:
    """The long form: every step, six interleavings."""
    crash_while_building(stage, steps, seed)


@pytest.mark.slow
@pytest.mark.parametrize("steps", range(90))
def test_a_crash_at_every_step_of_an_end(stage: Stage, steps: int) -> None:
    """The long form: by target, by stop, by hand, by kill."""
    for price in (101_300, 98_700):
        crash_while_ending(stage, steps, price)
    crash_while_closing(stage, steps)
    crash_while_killing(stage, steps)


def test_crashes_in_a_row_lose_nothing(stage: Stage) -> None:
    """Eight processes in a row, each killed a little later than the one before."""
    scene = stage().ready()
    wish(scene)
    for steps in range(20, 180, 20):
        crash_after(scene, steps, limit=0.3)
        scene.boot()
    scene.wait(Ready)
    ends(scene, 101_300)


def test_a_naked_position_found_after_a_while_gets_its_stop_and_is_not_closed(
    stage: Stage,
) -> None:
    """The deadline does not run while nobody is there; the time without stop is told in full."""
    scene = stage().ready()
    scene.fault(Once(Fate.REQUEST_LOST, *PLACE, role=Role.STOP))
    wish(scene)
    scene.run(0.2)
    scene.crash()
    (document,) = scene.disk.tables["trades"].values()
    assert document["exposed_since"] is not None
    scene.run(30)
    assert scene.stops("") == []
    comes_back(scene)
    assert not scene.events(EmergencyBegan)
    scene.run(2)
    (opened,) = scene.events(TradeOpened)
    assert opened.unprotected_ms > 29_000
    (missed,) = scene.events(ProtectionDeadlineMissed)
    assert missed.seconds > 29
    assert any(f"WITHOUT A STOP FOR {missed.seconds:.1f} s" in x for x in scene.phone.heard)


def test_a_fill_that_is_heard_of_after_a_while_was_bare_since_it_filled(stage: Stage) -> None:
    """Dead before the news of the fill: what is told is the venue's time, not ours."""
    scene = stage().ready()
    wish(scene)
    scene.until(lambda: scene.position() > 0)
    scene.crash()
    (document,) = scene.disk.tables["trades"].values()
    assert document["exposed_since"] is None
    scene.run(30)
    comes_back(scene)
    assert not scene.events(EmergencyBegan)
    scene.run(2)
    (missed,) = scene.events(ProtectionDeadlineMissed)
    (opened,) = scene.events(TradeOpened)
    assert abs(opened.unprotected_ms - 1000 * scene.naked.longest()) < 100
    assert abs(missed.seconds - scene.naked.longest()) < 0.2
    assert not missed.is_over
    assert any("Only now it is known" in x for x in scene.phone.heard)


def test_a_daemon_dead_for_an_hour_finds_its_trade_closed_by_the_stop(stage: Stage) -> None:
    """The venue forgot the orders after half an hour; the fills tell the story."""
    scene = stage().ready()
    before = scene.wealth("BTC")
    scene.bracket()
    scene.run(0.2)
    scene.crash()
    scene.run(60)
    scene.market.move(btc_usd=98_700)
    scene.rest(3600)
    comes_back(scene)
    closed = scene.wait(TradeClosed)
    assert closed.exit_reason == "stop_loss"
    assert abs(closed.net_coin - (scene.wealth("BTC") - before)) <= Decimal("1e-9")
    scene.run(5)
    assert scene.live() == []


def test_a_daemon_dead_for_an_hour_finds_its_trade_as_it_was(stage: Stage) -> None:
    """Stop and target rest; nothing is placed twice."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(0.2)
    scene.crash()
    scene.rest(3600)
    comes_back(scene)
    scene.run(5)
    assert len(scene.orders(trade_id, Role.STOP)) == 1
    assert len(scene.orders(trade_id, Role.TARGET)) == 1
    assert not scene.events(TradeOpened)
    scene.settled()


@pytest.mark.parametrize("steps", range(0, 150, 15))
def test_a_registry_that_was_lost_is_rebuilt_from_the_journal(stage: Stage, steps: int) -> None:
    """The book's file is unreadable: the journal has the intents, the venue the rest."""
    scene = stage(steps).ready()
    wish(scene)
    crash_after(scene, steps)
    scene.disk.tables.clear()
    scene.boot(kept_aside="registry.json.broken")
    scene.wait(Ready)
    assert scene.events(RegistryRebuilt)[0].kept_aside == "registry.json.broken"
    for name, held in scene.positions().items():
        assert scene.cover(name) >= abs(held)
    ends(scene, 101_300)


@pytest.mark.parametrize("steps", [30, 60, 90, 120])
def test_book_and_journal_lost_leave_a_position_that_is_not_ours_and_is_not_touched(
    stage: Stage, steps: int
) -> None:
    """Nobody knows the trade any more: its last stop is kept, its entry and target go."""
    scene = stage(steps).ready()
    wish(scene)
    crash_after(scene, steps)
    scene.disk.tables.clear()
    scene.disk.lines.clear()
    scene.boot(kept_aside="registry.json.broken")
    scene.wait(Ready)
    scene.run(40)
    left = [x.label.split(".")[2] for x in scene.live()]
    assert set(left) <= {"sl"}
    covered = scene.cover(BTC)
    assert covered in {0, abs(scene.position())}


def test_an_intent_without_an_entry_on_the_wire_ends_by_itself(stage: Stage) -> None:
    """On disk, then dead: the entry is never sent by the next process."""
    scene = stage().ready()
    wish(scene)
    scene.until(lambda: bool(scene.booked))
    scene.crash()
    sent = len(scene.market.sent("private/buy"))
    comes_back(scene)
    scene.wait(TradeAbandoned)
    assert len(scene.market.sent("private/buy")) == sent == 0


def test_a_book_older_than_the_end_of_its_trade_drops_it(stage: Stage) -> None:
    """As in a backup during which a trade ended: the journal, read last, has the end."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    earlier = copy.deepcopy(scene.disk.tables)
    scene.close_trade(trade_id)
    scene.wait(TradeClosed)
    scene.run(3)
    scene.crash()
    scene.disk.tables = earlier
    comes_back(scene)
    scene.run(5)
    assert scene.booked == []
    assert [x["event"] for x in scene.disk.lines].count("trade_closed") == 1
    scene.settled()


def test_orphans_of_a_lost_trade_are_reaped(stage: Stage) -> None:
    """A target left behind by a trade nobody knows is cancelled at its second sighting."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    scene.crash()
    scene.disk.tables["trades"].clear()
    scene.boot()
    scene.wait(OrphanCancelled)
    assert scene.events(OrphanCancelled)[0].label == f"bw.{trade_id}.tp.1"
    scene.run(40)
    assert [x.label for x in scene.live()] == [f"bw.{trade_id}.sl.1"]
