"""Actors that die, hang or storm: what comes back, what goes on, and when the process ends."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from actors import historian
from actors.chronicler import Chronicler
from actors.execution import Execution
from actors.historian import Historian
from actors.kernel import Actor
from actors.messages.alerts import AlertDelivered
from actors.messages.base import Event, Message, event_name
from actors.messages.book import DropAlert, HistoryLost, RecordPause, RepeatLastWords
from actors.messages.lifecycle import ChildFailed, ChildRestarted, GaveUp
from actors.messages.risk import DayBegan, Denied
from actors.messages.trading import (
    ChronicleReport,
    FlatVerified,
    ReadChronicle,
    Ready,
    StopPlaced,
    StoryReport,
    TargetPlaced,
    TradeAbandoned,
    TradeAccepted,
    TradeClosed,
)
from actors.rebuilding import leaver
from actors.registry import Registry
from actors.trade import TradeActor
from domain.labels import Role
from simulation.daemon import DiskJournal
from simulation.venue import Refusal
from tests.scenarios.conftest import Stage
from tests.scenarios.scene import BTC, ETH, PLACE, Once, Spell, poisonable

PERMANENT = (
    "historian",
    "registry",
    "alerter",
    "risk",
    "auth",
    "watcher",
    "chronicler",
    "execution",
    "reaper",
    "strategist",
)
EVERYBODY = (*PERMANENT, "trade")


def address(name: str, trade_id: str) -> str:
    return f"trade-{trade_id}" if name == "trade" else name


@pytest.mark.parametrize("name", EVERYBODY)
def test_an_actor_that_dies_while_a_trade_is_open_comes_back_and_nothing_is_lost(
    stage: Stage, name: str
) -> None:
    """One failure: restarted in a moment, alone; the trade stays protected and ends as usual."""
    scene = stage().ready(derive=poisonable)
    before = scene.wealth("BTC")
    trade_id = scene.bracket()
    scene.run(1)
    who = address(name, trade_id)
    scene.poison(who)
    assert scene.wait(ChildRestarted).name == who
    scene.run(3)
    assert [event.name for event in scene.events(ChildFailed)] == [who]
    assert len(scene.live(trade_id)) == 2
    assert scene.naked.longest() < 0.1
    scene.market.move(btc_usd=101_300)
    closed = scene.wait(TradeClosed)
    assert abs(closed.net_coin - (scene.wealth("BTC") - before)) <= Decimal("1e-9")
    scene.run(3)
    scene.settled()
    scene.market.move(btc_usd=100_000)
    scene.run(2)
    scene.bracket()
    scene.run(3)
    assert sum(text.startswith("Opened") for text in scene.phone.heard) == 2
    assert sum(text.startswith("Closed") for text in scene.phone.heard) == 1


@pytest.mark.parametrize("after", [False, True], ids=["before its work", "after it"])
@pytest.mark.parametrize("end", [TradeClosed, TradeAbandoned, AlertDelivered])
def test_a_historian_that_dies_of_an_end_loses_it_not(
    stage: Stage, end: type[Event], after: bool
) -> None:
    """Its successor asks for what is not in the journal: it is there, and once."""
    had: list[Event] = []
    scene = stage().ready(derive=lambda actor: allergic(actor, end, had, after=after))
    if end is TradeClosed:
        scene.close_trade(scene.bracket())
    else:
        scene.fault(Once(Refusal(10009), *PLACE, role=Role.ENTRY))
        scene.open()
    key = leaver(scene.wait(end))
    assert scene.wait(ChildRestarted).name == "historian"
    scene.run(1)
    assert str(key) not in scene.disk.tables["outbox"]
    name = event_name(end)
    said = [x.get("trade_id") or x["number"] for x in scene.disk.lines if x["event"] == name]
    assert said.count(key) == 1
    assert key not in scene.booked


@pytest.mark.parametrize("after", [False, True], ids=["before its work", "after it"])
def test_a_registry_that_dies_of_a_drop_forgets_the_alert_nevertheless(
    stage: Stage, after: bool
) -> None:
    """The journal has it delivered: it does not wait in the book until the next start.
    (Found by the simulation, seed 300389.)"""
    dropped: list[int] = []

    def on_drop_alert(self: Registry, message: DropAlert) -> None:
        dropped.append(message.number)
        if after or len(dropped) > 1:
            self.on_drop_alert(message)
        if len(dropped) == 1:
            raise RuntimeError("not this one")

    def derived(actor: type[Actor]) -> type[Actor]:
        if actor is not Registry:
            return actor
        table = {**actor.handlers, DropAlert: on_drop_alert}
        return type("Registry", (actor,), {"handlers": table})

    scene = stage().ready(derive=derived)
    assert scene.wait(ChildRestarted).name == "registry"
    scene.run(3)
    assert scene.disk.tables["outbox"] == {}
    delivered = [x["number"] for x in scene.disk.lines if x["event"] == event_name(AlertDelivered)]
    assert sorted(delivered) == sorted(set(delivered))
    assert dropped[0] in delivered


def test_a_delivery_that_historian_and_registry_die_of_is_not_forgotten(stage: Stage) -> None:
    """The Alerter knows of it yet, and says it again. (Found by the simulation, seed 520352.)"""
    had: list[Event] = []
    registry = dying_of_the_first(RepeatLastWords, Registry)

    def derived(actor: type[Actor]) -> type[Actor]:
        if actor is Registry:
            return registry(actor)
        return allergic(actor, AlertDelivered, had, after=False)

    scene = stage().ready(derive=derived)
    scene.run(5)
    assert [event.name for event in scene.events(ChildRestarted)] == ["historian", "registry"]
    assert scene.disk.tables["outbox"] == {}
    delivered = [x["number"] for x in scene.disk.lines if x["event"] == event_name(AlertDelivered)]
    assert delivered.count(leaver(had[0])) == 1
    assert len(scene.phone.heard) == len(set(scene.phone.heard))


def test_an_end_told_twice_is_in_the_journal_once(stage: Stage) -> None:
    """A successor that could not read the book ends its trade again: the result counts once.
    (Found by the simulation, seed 100308.)"""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.close_trade(trade_id)
    closed = scene.wait(TradeClosed)
    scene.run(1)
    scene.daemon.system.address("historian").tell(closed)
    scene.run(1)
    ends = [x for x in scene.disk.lines if x["event"] == event_name(TradeClosed)]
    assert [x["trade_id"] for x in ends] == [trade_id]
    assert trade_id not in scene.booked


def test_an_end_told_twice_leaves_the_book_when_it_is_in_the_journal_and_no_sooner(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal alone cannot be written: the book is the only one that knows the trade."""
    scene = stage().ready()
    trade_id = scene.bracket()
    with monkeypatch.context() as refused:
        refused.setattr(DiskJournal, "append", no_space)
        scene.close_trade(trade_id)
        scene.daemon.system.address("historian").tell(scene.wait(TradeClosed))
        scene.run(2)
        assert scene.booked == [trade_id]
    scene.run(2)
    assert scene.booked == []
    ends = [x for x in scene.disk.lines if x["event"] == event_name(TradeClosed)]
    assert [x["trade_id"] for x in ends] == [trade_id]


def test_a_trade_that_dies_of_its_story_is_told_it_again_at_once(stage: Stage) -> None:
    """A person closes unheard; the drift is looked into, and its news lost with the actor.
    (Found by the simulation, seed 530082: it came again after a minute.)"""
    scene = stage().ready(derive=dying_of_the_first(StoryReport, TradeActor))
    trade_id = scene.bracket()
    scene.run(1)
    scene.market.lost_notifications = True
    scene.market.ask("private/close_position", instrument_name=BTC, type="market")
    scene.run(0.1)
    scene.market.lost_notifications = False
    assert scene.wait(TradeClosed, limit=10.0).trade_id == trade_id
    assert [event.name for event in scene.events(ChildRestarted)] == [f"trade-{trade_id}"]


@pytest.mark.parametrize("dead", [("registry",), ("registry", "historian")], ids="+".join)
def test_a_trade_that_ended_while_nothing_could_be_written_is_not_forgotten(
    stage: Stage, dead: tuple[str, ...]
) -> None:
    """Its end was in memory alone, and that is gone: the book has it open, and nobody looks after
    it. It ends once more. (Found by the simulation, seed 560526.)"""
    scene = stage().ready(derive=poisonable)
    trade_id = scene.bracket()
    scene.run(1)
    scene.disk.is_full = True
    scene.market.move(btc_usd=98_800)
    closed = scene.wait(TradeClosed)
    for name in dead:
        scene.poison(name)
        scene.run(1)
    scene.disk.is_full = False
    scene.run(10)
    assert scene.booked == []
    ends = [x for x in scene.disk.lines if x["event"] == event_name(TradeClosed)]
    assert [(x["trade_id"], Decimal(x["net_coin"])) for x in ends] == [(trade_id, closed.net_coin)]
    scene.settled()


def test_a_trade_taken_over_once_more_is_told_what_a_person_had_done(stage: Stage) -> None:
    """He closed it; that drift was looked into already, and its fill bears no label of ours. The
    stop it is given meanwhile goes at once. (Found by the simulation, seed 592838.)"""
    scene = stage().ready(derive=poisonable)
    trade_id = scene.bracket()
    scene.run(1)
    scene.disk.is_full = True
    scene.market.lost_notifications = True
    scene.market.ask("private/close_position", instrument_name=BTC, type="market")
    scene.run(0.1)
    scene.market.lost_notifications = False
    scene.wait(TradeClosed)
    scene.poison("registry")
    scene.run(5)
    assert scene.live(trade_id) == []
    scene.disk.is_full = False
    scene.run(5)
    assert scene.booked == []
    ends = [x["trade_id"] for x in scene.disk.lines if x["event"] == event_name(TradeClosed)]
    assert ends == [trade_id]


def test_what_a_registry_had_not_written_is_told_it_again(stage: Stage) -> None:
    """A trade goes on while nothing can be written and the Registry fails: the book that comes
    after has it as it is, not as it was."""
    scene = stage().ready(derive=poisonable)
    trade_id = scene.bracket()
    scene.run(1)
    scene.disk.is_full = True
    (stop,) = scene.stops(trade_id)
    scene.market.ask("private/cancel", order_id=stop.order_id)
    scene.wait(StopPlaced, 2)
    scene.run(1)
    scene.poison("registry")
    scene.run(1)
    scene.disk.is_full = False
    scene.run(5)
    (document,) = scene.disk.tables["trades"].values()
    stops = [x for x in document["lines"] if x["role"] == "sl"]
    assert [(x["attempt"], x["status"]) for x in stops] == [(1, "cancelled"), (2, "live")]


def test_a_kill_that_could_not_be_written_outlives_the_registry(stage: Stage) -> None:
    """It was in force in memory; the Registry that comes after is told of it again."""
    scene = stage().ready(derive=poisonable)
    scene.disk.is_full = True
    scene.kill()
    scene.run(1)
    scene.poison("registry")
    scene.run(1)
    scene.disk.is_full = False
    scene.run(3)
    assert "kill" in scene.disk.tables["state"]
    scene.crash()
    scene.boot()
    assert scene.wait(Ready).mode == "killed"


def test_a_pause_that_could_not_be_written_outlives_the_registry(stage: Stage) -> None:
    """Nobody lets trades in again but the person who paused."""
    scene = stage().ready(derive=poisonable)
    scene.disk.is_full = True
    paused = RecordPause(at=scene.world.now(), by="test")
    assert not scene.daemon.ask("registry", paused).ok
    scene.run(2)
    scene.poison("registry")
    scene.run(1)
    scene.disk.is_full = False
    scene.run(3)
    assert "pause" in scene.disk.tables["state"]
    answer = scene.open()
    assert isinstance(answer, Denied)
    assert answer.reasons == ("paused",)


def test_a_day_that_could_not_be_written_outlives_the_registry(stage: Stage) -> None:
    """The limit of the day's loss counts from its beginning, whatever happens in between."""
    scene = stage()
    scene.disk.is_full = True
    scene.boot(derive=poisonable)
    scene.wait(DayBegan)
    scene.poison("registry")
    scene.run(1)
    scene.disk.is_full = False
    scene.run(3)
    assert "day" in scene.disk.tables["state"]


def dying_of_the_first(kind: type[Message], who: type[Actor]) -> Callable[..., type[Actor]]:
    """Derives actors: of this class one that dies of the first such message, before its work."""
    died: list[Message] = []

    def derived(actor: type[Actor]) -> type[Actor]:
        if actor is not who:
            return actor

        def on_message(self: Actor, message: Message) -> None:
            died.append(message)
            if len(died) == 1:
                raise RuntimeError("not this one")
            actor.handlers[kind](self, message)

        return type(actor.__name__, (actor,), {"handlers": {**actor.handlers, kind: on_message}})

    return derived


@pytest.mark.parametrize("kind", [ReadChronicle, ChronicleReport])
def test_a_story_is_read_again_when_its_reader_or_its_teller_dies_of_it(
    stage: Stage, kind: type[Message]
) -> None:
    """Whoever it is that died, the trade that a person closed unheard ends."""
    who = Chronicler if kind is ReadChronicle else Execution
    scene = stage().ready(derive=dying_of_the_first(kind, who))
    trade_id = scene.bracket()
    scene.run(1)
    scene.market.lost_notifications = True
    scene.market.ask("private/close_position", instrument_name=BTC, type="market")
    scene.run(0.1)
    scene.market.lost_notifications = False
    assert scene.wait(TradeClosed, limit=10.0).trade_id == trade_id
    assert [event.name for event in scene.events(ChildRestarted)] == [who.__name__.lower()]


def no_space(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def allergic(actor: type[Actor], to: type[Event], had: list[Event], *, after: bool) -> type[Actor]:
    """A Historian that dies of the first event of this kind."""
    if actor is not Historian:
        return actor

    def on_event(self: Historian, event: Event) -> None:
        is_first = isinstance(event, to) and not had
        had.extend([event] if is_first else [])
        if after or not is_first:
            self.on_event(event)
        if is_first:
            raise RuntimeError("not this one")

    table = {**actor.handlers, Event: on_event}
    return type("Historian", (actor,), {"handlers": table})


@pytest.mark.parametrize("name", EVERYBODY)
@pytest.mark.parametrize("wait", [0.0, 0.006, 0.013, 0.021, 0.03])
def test_an_actor_that_dies_while_a_bracket_is_being_built_does_not_stop_it(
    stage: Stage, name: str, wait: float
) -> None:
    """Whoever falls over between the wish and the target, the position gets its stop in time."""
    scene = stage(round(wait * 1000)).ready(derive=poisonable)
    answer = scene.open()
    assert isinstance(answer, TradeAccepted)
    scene.run(wait)
    scene.poison(address(name, answer.trade_id))
    scene.until(lambda: scene.position() > 0 or not scene.booked, 30)
    scene.run(12)
    assert scene.naked.longest() < 0.5
    assert len(scene.orders(answer.trade_id, Role.ENTRY)) <= 1
    scene.settled()
    if answer.trade_id in scene.booked:
        assert len(scene.stops(answer.trade_id)) == 1
        scene.close_trade(answer.trade_id)
        scene.run(5)
    assert scene.is_over(answer.trade_id)


@pytest.mark.parametrize("name", EVERYBODY)
def test_an_actor_that_dies_during_a_kill_does_not_stop_it(stage: Stage, name: str) -> None:
    """Flat is reached and verified all the same."""
    scene = stage().ready(derive=poisonable)
    first = scene.bracket(BTC)
    scene.bracket(ETH, "sell", "1.5", "3300", "3100")
    scene.run(1)
    scene.kill()
    scene.poison(address(name, first))
    scene.wait(FlatVerified)
    scene.run(8)
    assert scene.positions() == {}
    assert scene.live() == []
    assert scene.booked == []


@pytest.mark.parametrize("name", PERMANENT)
def test_a_storm_of_failures_ends_the_process_and_leaves_the_stops(stage: Stage, name: str) -> None:
    """Six deaths within a minute: a person is told on another way, and supervisord takes over."""
    scene = stage().ready(derive=poisonable)
    trade_id = scene.bracket()
    scene.run(1)
    for _ in range(6):
        scene.poison(name)
    assert scene.daemon.finished.get(timeout=60) == 70
    assert scene.events(GaveUp)[0].exit_code == 70
    assert len(scene.daemon.escalations) == 1
    assert len(scene.stops(trade_id)) == 1
    scene.boot(derive=poisonable)
    scene.wait(Ready)
    scene.run(3)
    scene.settled()


def test_failures_spread_over_time_are_no_storm(stage: Stage) -> None:
    """One death every fifteen seconds, for minutes: restarted each time."""
    scene = stage(tick=4.0).ready(derive=poisonable)
    for _ in range(10):
        scene.poison("reaper")
        scene.run(15)
    assert not scene.daemon.finished.is_set
    assert len(scene.events(ChildRestarted)) == 10


@pytest.mark.parametrize("name", EVERYBODY)
def test_an_actor_that_hangs_ends_the_process(stage: Stage, name: str) -> None:
    """A hung thread cannot be killed: exit 71, the stops stay, the next process goes on."""
    scene = stage().ready(derive=poisonable)
    trade_id = scene.bracket()
    scene.run(1)
    spell = Spell(at=scene.world.now(), seconds=10_000)
    scene.daemon.system.address(address(name, trade_id)).tell(spell)
    assert scene.daemon.finished.get(timeout=200) == 71
    assert len(scene.stops(trade_id)) == 1
    scene.crash()
    scene.boot()
    scene.run(5)
    scene.settled()


def test_a_trade_that_hangs_does_not_hold_up_the_kill(stage: Stage) -> None:
    """Execution closes the position itself, long before the supervisor loses its patience."""
    scene = stage().ready(derive=poisonable)
    trade_id = scene.bracket()
    scene.run(1)
    spell = Spell(at=scene.world.now(), seconds=20)
    scene.daemon.system.address(f"trade-{trade_id}").tell(spell)
    began = scene.world.monotonic()
    scene.kill()
    scene.wait(FlatVerified)
    assert scene.world.monotonic() - began < 5
    assert scene.positions() == {}
    scene.run(30)
    assert scene.is_over(trade_id)
    assert scene.wait(TradeClosed).exit_reason == "kill"
    assert len(scene.events(FlatVerified)) == 1


@pytest.mark.parametrize("name", ["registry", "risk"])
def test_a_gate_that_does_not_answer_denies(stage: Stage, name: str) -> None:
    """Busy for longer than a question waits: denied, and the intent does not linger."""
    scene = stage().ready(derive=poisonable)
    scene.daemon.system.address(name).tell(Spell(at=scene.world.now(), seconds=5))
    scene.run(0.1)
    answer = scene.open()
    assert isinstance(answer, Denied)
    scene.run(10)
    assert scene.booked == []
    assert not scene.market.sent("private/buy")
    scene.bracket()


def test_a_registry_that_is_slow_does_not_delay_the_stop(stage: Stage) -> None:
    """Protection never waits for the disk."""
    scene = stage().ready(derive=poisonable)
    answer = scene.open()
    assert isinstance(answer, TradeAccepted)
    scene.daemon.system.address("registry").tell(Spell(at=scene.world.now(), seconds=20))
    scene.wait(StopPlaced)
    scene.wait(TargetPlaced)
    assert scene.naked.longest() < 0.1
    scene.run(25)
    scene.settled()


def test_an_ordered_stop_leaves_stop_and_target_on_the_venue(stage: Stage) -> None:
    """SIGTERM: exit 0, everything closed in order, the trade goes on at the next start."""
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    assert scene.daemon.stop() == 0
    assert len(scene.live(trade_id)) == 2
    scene.boot()
    scene.run(5)
    assert scene.booked == [trade_id]
    scene.settled()


def test_history_that_did_not_fit_is_told_and_money_is_kept(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a trade pushes out what is no fact about money; the number lost is told."""
    monkeypatch.setattr(historian, "WAITING_LIMIT", 40)
    scene = stage().ready()
    trade_id = scene.bracket()
    scene.run(1)
    scene.disk.is_full = True
    for number in range(60):
        event = ChildRestarted(
            at=scene.world.now(), name=f"x{number}", incarnation=2, after_seconds=0.1
        )
        scene.daemon.system.publish("supervisor", event)
    scene.market.move(btc_usd=98_800)
    scene.wait(TradeClosed)
    scene.run(2)
    scene.disk.is_full = False
    scene.run(10)
    ends = [x["trade_id"] for x in scene.disk.lines if x["event"] == event_name(TradeClosed)]
    assert ends == [trade_id]
    (lost,) = scene.events(HistoryLost)
    assert lost.entries >= 20
    assert lost.money_facts == 0
    assert any(f"{lost.entries} entries are lost" in text for text in scene.phone.heard)
    scene.settled()
