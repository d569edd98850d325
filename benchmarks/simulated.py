"""How much faster than real time the whole daemon is simulated, with every fault on.

An hour at fifty trades a day, as `run.py simulate` plays it, judges included. Where the time
goes stands in ``docs/proof.md``.
"""

from benchmarks.measuring import Effort, now
from benchmarks.rows import Row
from simulation.running import play
from simulation.script import write

TARGET = 5_000
FIRST_SEED = 50


def run(effort: Effort) -> list[Row]:
    """The median seed's speed."""
    hours = 1.0 if effort.is_full else 0.01
    speeds: list[float] = []
    for seed in range(FIRST_SEED, FIRST_SEED + effort.rounds):
        script = write(seed, hours=hours, trades_per_day=50)
        began = now()
        outcome = play(script)
        speeds.append(outcome.seconds / (now() - began))
    speed = sorted(speeds)[len(speeds) // 2]
    return [
        Row(
            what="simulated time over real time, one core",
            ours=speed,
            unit="times",
            target=f">= {TARGET} times",
            met=speed >= TARGET,
            note="50 trades a day, all faults, every invariant judged",
        )
    ]
