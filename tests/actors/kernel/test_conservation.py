"""Whatever goes wrong: no message is lost or doubled, nobody lives twice, and the end comes."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from structlog.testing import capture_logs

from actors.kernel import SupervisorPolicy
from actors.messages.lifecycle import StartChild
from tests.actors.kernel.support import Note, Probe, Rig, Script, fail, sleep

PERMANENT = ("a", "b", "c")
FAMILY = tuple(f"t{number}" for number in range(6))
POLICY = SupervisorPolicy(intensity=8, window=20, start_budget=4, health_period=0.5)


@dataclass(slots=True)
class Chaos:
    """A system to which one seed does everything that can go wrong, for a while."""

    seed: int
    chance: Random = field(init=False)
    rig: Rig = field(init=False)
    living: Counter[str] = field(default_factory=Counter[str])
    doubled: list[str] = field(default_factory=list[str])
    told: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)  # noqa: S311 (reproducible on purpose)
        self.rig = Rig(seed=self.seed, policy=POLICY)
        script = Script(
            on_birth=self.perhaps(0.05, fail(ValueError("birth"))),
            on_recover=self.recover,
            on_finish=self.perhaps(0.2, fail(SystemExit(1)), sleep(9)),
        )
        for name in PERMANENT:
            self.rig.child(name, script, stop_budget=2, hang_after=5)
        self.rig.family("trade", script, stop_budget=2, hang_after=5)
        self.rig.start()

    def perhaps(self, probability: float, *actions: Callable[[Any], None]) -> Callable[[Any], None]:
        """One of the actions, sometimes."""

        def act(probe: Any) -> None:
            if self.chance.random() < probability:
                self.chance.choice(actions)(probe)

        return act

    def recover(self, probe: Probe) -> None:
        """Notes two at once: an incarnation recovers only when the one before is no more."""
        self.living[probe.name] += 1
        if self.living[probe.name] > 1:
            self.doubled.append(probe.name)
        self.perhaps(0.5, sleep(self.chance.uniform(0, 1)))(probe)
        self.living[probe.name] -= 1
        self.perhaps(0.1, fail(KeyError("recovery")), fail(SystemExit(2)), sleep(9))(probe)

    def step(self) -> None:
        """Tells somebody something, has somebody do something, lets time pass."""
        rig, name = self.rig, self.chance.choice(PERMANENT + FAMILY)
        self.told.append(f"n{len(self.told)}")
        rig.note(name, self.told[-1])
        if self.chance.random() < 0.15:
            mishap = self.chance.choice(
                [fail(ValueError("handler")), fail(KeyboardInterrupt()), sleep(1.5), Probe.retire]
            )
            rig.do(name, mishap)
        if self.chance.random() < 0.2:
            now = rig.world.now()
            argument = Note(at=now, text="")
            child = self.chance.choice(FAMILY)
            rig.tell(
                "supervisor",
                StartChild(at=now, family="trade", name=child, argument=argument),
            )
        rig.run(self.chance.choice([0, 0, 0.01, 0.3]))

    def letters(self) -> list[str]:
        """The notes that became dead letters."""
        contents = [each.content for each in self.rig.system.dead_letters if each.message == "Note"]
        return [content.split("text='")[1].split("'")[0] for content in contents]


@pytest.mark.parametrize("seed", range(60))
def test_nothing_is_lost_doubled_or_held_up(seed: int) -> None:
    """Every command is handled once or is one dead letter; the stop ends within its budgets."""
    with capture_logs():
        chaos = Chaos(seed)
        rig = chaos.rig
        for _ in range(120):
            chaos.step()
        rig.stop()
        rig.run(2.0 * len(PERMANENT) + 2.0 + 1.5)
    assert rig.exit_code() in {0, 70, 71}
    assert rig.world.failures == []
    assert chaos.doubled == []
    handled = [line.split()[1] for line in rig.diary if line.split()[1] in set(chaos.told)]
    assert sorted(handled + chaos.letters()) == sorted(chaos.told)
    with capture_logs():
        rig.close()
