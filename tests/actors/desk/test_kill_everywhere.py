"""A kill works in every state of the daemon, and is answered within a second in each."""

from collections.abc import Callable, Iterator

import pytest

from actors.kernel import Actor, SupervisorPolicy
from actors.messages.book import ClearPause, Recorded
from actors.messages.desk import CommandReported, Status
from actors.messages.trading import FlatVerified, KillSwitchActivated, ProtectOnlyBegan, Ready
from actors.ports import DeskSilent
from actors.registry import Registry
from simulation.daemon import default_plan
from simulation.venue import Fate
from tests.actors.desk.support import Counter, words
from tests.scenarios.scene import BTC, ETH, Once, Poison, Scene, Spell, poisonable

PATIENT = SupervisorPolicy(intensity=20)


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene(plan=default_plan(reconcile_limit=5.0), policy=PATIENT).ready(derive=poisonable)
    made.bracket(BTC)
    made.bracket(ETH, quantity="1", stop="3150", target="3300")
    made.run(3.0)
    yield made
    made.end()


def poison(scene: Scene, *names: str) -> None:
    for name in names:
        scene.daemon.system.address(name).tell(Poison(at=scene.world.now()))


def busy(scene: Scene, name: str, seconds: float) -> None:
    scene.daemon.system.address(name).tell(Spell(at=scene.world.now(), seconds=seconds))
    scene.run(0.05)


def paused(scene: Scene) -> None:
    Counter(scene).say("pause")


def disk_is_full(scene: Scene) -> None:
    scene.disk.is_full = True
    scene.run(3.0)


def strategy_dies(scene: Scene) -> None:
    poison(scene, "strategist")


def execution_dies(scene: Scene) -> None:
    poison(scene, "execution")


def both_desks_die(scene: Scene) -> None:
    poison(scene, "desk", "hotline")


def registry_dies(scene: Scene) -> None:
    poison(scene, "registry")


def a_trade_dies(scene: Scene) -> None:
    poison(scene, *(f"trade-{x}" for x in scene.trades()))


def execution_is_busy(scene: Scene) -> None:
    busy(scene, "execution", 8.0)


def registry_is_busy(scene: Scene) -> None:
    busy(scene, "registry", 4.0)


def desk_reads_for_long(scene: Scene) -> None:
    busy(scene, "desk", 20.0)


def replies_get_lost(scene: Scene) -> None:
    scene.fault(Once(Fate.REPLY_LOST, "private/buy", "private/sell", times=2))


STATES: list[Callable[[Scene], None]] = [
    paused,
    disk_is_full,
    strategy_dies,
    execution_dies,
    both_desks_die,
    registry_dies,
    a_trade_dies,
    execution_is_busy,
    registry_is_busy,
    desk_reads_for_long,
    replies_get_lost,
]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_a_kill_in_this_state(scene: Scene, state: Callable[[Scene], None]) -> None:
    """Answered within a second, flat in the end, reported verified, and it stays killed."""
    state(scene)
    began = scene.world.monotonic()
    reply = Counter(scene).say("kill")
    # A desk that has to be restarted first answers as soon as it is back.
    assert scene.world.monotonic() - began <= (1.5 if state is both_desks_die else 1.0)
    assert reply.status is Status.ACCEPTED
    scene.wait(FlatVerified)
    assert scene.positions() == {}
    scene.until(lambda: any(x.is_final for x in scene.events(CommandReported)))
    scene.kind()
    scene.run(3.0)
    assert scene.disk.tables["state"]["kill"]["by"] == "api:operator"
    scene.judge()


def test_a_kill_in_protect_only(scene: Scene) -> None:
    """A start that cannot be reconciled still flattens."""
    scene.crash()
    scene.market.faults = _reads_of_fills_fail
    scene.boot(derive=poisonable)
    scene.wait(ProtectOnlyBegan)
    reply = Counter(scene).say("kill")
    assert reply.status is Status.ACCEPTED
    scene.wait(FlatVerified)
    assert scene.positions() == {}


def _reads_of_fills_fail(method: str, params: object) -> Fate | None:
    del params
    is_history = "user_trades" in method or "order_history" in method
    return Fate.REQUEST_LOST if is_history else None


def test_a_full_disk_is_said_in_the_answer(scene: Scene) -> None:
    """The kill is in force; that it is not on disk must not stay unsaid."""
    disk_is_full(scene)
    assert "NOT ON DISK" in words(Counter(scene).say("kill"))


def test_a_kill_whose_answer_does_not_come_is_carried_out_all_the_same(scene: Scene) -> None:
    """The hotline itself is stuck: the door is told so, and the kill is done when it is not."""
    busy(scene, "hotline", 10.0)
    with pytest.raises(DeskSilent, match="is given"):
        Counter(scene).say("kill")
    scene.wait(KillSwitchActivated)
    scene.wait(FlatVerified)
    assert scene.positions() == {}


def test_a_kill_given_twice_under_one_id_is_told_of_once(scene: Scene) -> None:
    """A door that was not sure repeats itself without harm: it is carried out again."""
    desk = Counter(scene)
    for _ in range(2):
        assert desk.say("kill", request_id="same").status is Status.ACCEPTED
    scene.wait(FlatVerified)
    scene.run(3.0)
    assert scene.positions() == {}
    assert [x.request_id for x in scene.events(CommandReported) if x.is_final] == ["same"]
    scene.judge()


@pytest.mark.parametrize("first", ["kill", "pause"])
def test_a_kill_under_a_used_key_is_carried_out(scene: Scene, first: str) -> None:
    """Whatever the key was used for, long ago or just now: a kill is never answered from memory."""
    desk = Counter(scene)
    desk.say(first, request_id="risk-bot")
    if first == "kill":
        scene.wait(FlatVerified)
        assert desk.sure("resume").status is Status.DONE
        scene.bracket(BTC)
    reply = desk.say("kill", request_id="risk-bot")
    assert (reply.command, reply.status) == ("kill", Status.ACCEPTED)
    scene.wait(FlatVerified, 2 if first == "kill" else 1)
    assert scene.positions() == {}
    assert scene.disk.tables["state"]["kill"]["by"] == "api:operator"
    scene.judge()


def deaf_to_the_end_of_a_pause(actor: type[Actor]) -> type[Actor]:
    """The production class; the Registry fails of it, whenever it is asked."""

    def on_clear_pause(self: Actor, message: ClearPause) -> Recorded:
        raise RuntimeError("the disk, of all times")

    if actor is not Registry:
        return actor
    return type("Registry", (actor,), {"handlers": {**actor.handlers, ClearPause: on_clear_pause}})


@pytest.mark.parametrize(
    ("is_paused", "said"), [(False, "Resumed: "), (True, "The kill has ended")]
)
def test_the_end_of_a_kill_is_not_hidden_by_a_pause(*, is_paused: bool, said: str) -> None:
    """No pause is told of where there is none; that the kill has ended is said."""
    scene = Scene(policy=PATIENT).ready(derive=deaf_to_the_end_of_a_pause)
    desk = Counter(scene)
    if is_paused:
        desk.say("pause")
    desk.say("kill")
    scene.wait(FlatVerified)
    reply = desk.sure("resume")
    assert words(reply).startswith(said)
    assert ("The pause stands" in words(reply)) is is_paused
    scene.end()


def test_a_restarted_hotline_still_reports_to_who_made_the_kill(scene: Scene) -> None:
    """The book knows who it was."""
    Counter(scene, who="alice").say("kill")
    poison(scene, "hotline")
    scene.wait(FlatVerified)
    report = scene.wait(CommandReported)
    assert (report.who, report.command, report.is_final) == ("alice", "kill", True)


def test_a_kill_survives_the_process(scene: Scene) -> None:
    """Killed, then kill -9: the next process goes on with it."""
    Counter(scene).say("kill")
    scene.crash()
    scene.boot()
    scene.wait(FlatVerified)
    assert scene.wait(Ready).mode == "killed"
    assert scene.positions() == {}
