"""One seed, one history: the whole kernel under load, twice, and in processes of their own."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

from actors.kernel import AskFailed, SupervisorPolicy
from actors.messages.base import Due
from actors.messages.lifecycle import StartChild
from tests.actors.kernel.support import (
    GetDone,
    Note,
    OtherDue,
    Probe,
    Rig,
    Script,
    TickDue,
    fail,
)

ROOT = Path(__file__).parents[3]
NAMES = ("a", "b", "c", "d")


def chatter(probe: Probe) -> None:
    """Tells, asks and now and then fails, as chance has it."""
    others = [name for name in NAMES if name > probe.name]
    for name in others:
        probe.to(name).tell(Note(at=probe.clock.now(), text=f"from {probe.name}"))
    if others:
        question = GetDone(at=probe.clock.now(), action=lambda asked: asked.write("asked"))
        try:
            probe.to(others[0]).ask(question, timeout=probe.entropy.uniform(0, 0.2))
        except AskFailed as refusal:
            probe.write(str(refusal))
    probe.clock.sleep(probe.entropy.uniform(0, 0.2))
    if probe.entropy.uniform(0, 1) < 0.02:
        raise ValueError("as chance has it")


def arm(probe: Probe) -> None:
    """Two periods that meet again and again."""
    periods: tuple[tuple[float, type[Due]], ...] = ((0.25, TickDue), (0.5, OtherDue))
    for seconds, kind in periods:
        probe.every(seconds, kind)


def history(seed: int) -> list[str]:
    """Everything that is written and published in half a minute of a busy system."""
    rig = Rig(seed=seed, policy=SupervisorPolicy(intensity=1000))
    for name in NAMES:
        rig.child(name, Script(on_recover=arm, on_tick=chatter))
    rig.family("trade", Script(on_recover=arm, on_tick=chatter))
    rig.start()
    for number in range(10):
        now = rig.world.now()
        argument = Note(at=now, text="")
        order = StartChild(at=now, family="trade", name=f"t{number}", argument=argument)
        rig.tell("supervisor", order)
        rig.run(1)
        rig.do(f"t{number}", Probe.retire if number % 2 else fail(ValueError("boom")))
    rig.run(20)
    rig.stop()
    rig.run(60)
    assert rig.exit_code() == 0
    assert rig.world.failures == []
    # The tests' own messages carry functions, and those show where in memory they are.
    events = [re.sub(r"0x[0-9a-f]+", "0x", f"{event.at} {event}") for event in rig.events()]
    steps = rig.world.steps
    rig.close()
    return [*rig.diary, *events, str(steps)]


def test_the_same_seed_gives_the_same_history() -> None:
    """To the last word and the last step, failures, restarts and time-outs included."""
    assert history(3) == history(3)


def test_different_seeds_give_different_histories() -> None:
    """Interleavings differ, not only the drawn numbers."""
    assert len({tuple(history(seed)) for seed in range(5)}) == 5


def test_a_history_is_the_same_in_another_process() -> None:
    """Nothing in it hangs on the hash seed, on addresses in memory or on what ran before."""
    script = "from tests.actors.kernel import test_determinism as t; print(t.digest(3))"
    digests = set[str]()
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        digests.add(done.stdout.split()[-1])
    assert digests == {digest(3)}


def digest(seed: int) -> str:
    """A history in one word."""
    return hashlib.sha256("\n".join(history(seed)).encode()).hexdigest()
