"""Timing by interleaved rounds, and the only reading of the clock in the benchmarks.

The machine's speed drifts and its scheduler has moods, so whatever is compared takes turns in
short rounds, and a difference is taken within a round before the median over rounds.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SWITCH_INTERVAL = 0.0001
"""What `run.py` sets, in seconds: how long a thread may keep the interpreter to itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much to measure: rounds, and the share of the usual number of calls in each.

    ``folder`` is on the disk to measure; each bench makes what it needs below it.
    """

    folder: Path
    rounds: int = 5
    share: float = 1.0

    @property
    def is_full(self) -> bool:
        """Whether the figures mean something; a smoke test only looks whether all of it runs."""
        return self.share >= 1

    def calls(self, usual: int) -> int:
        return max(1, round(usual * self.share))


@dataclass(frozen=True, slots=True)
class Timings:
    """Microseconds per call, round by round."""

    rounds: Sequence[Sequence[float]]

    @property
    def median(self) -> float:
        return statistics.median(statistics.median(each) for each in self.rounds)

    @property
    def p99(self) -> float:
        """The median over rounds of each round's 99th percentile: neighbours spoil single ones."""
        return statistics.median(percentile(each, 0.99) for each in self.rounds)

    def over(self, floor: "Timings") -> float:
        """Microseconds above ``floor``: the difference of medians within a round."""
        pairs = zip(self.rounds, floor.rounds, strict=True)
        return statistics.median(statistics.median(a) - statistics.median(b) for a, b in pairs)

    def times(self, floor: "Timings") -> float:
        """How many times ``floor``: the ratio of medians within a round."""
        pairs = zip(self.rounds, floor.rounds, strict=True)
        return statistics.median(statistics.median(a) / statistics.median(b) for a, b in pairs)


def now() -> float:
    """Seconds on the clock everything here is measured with."""
    return time.perf_counter()


def pause(seconds: float) -> None:
    """Lets time pass between two looks at another process."""
    time.sleep(seconds)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def timed(action: Callable[[], object], calls: int) -> list[float]:
    """Microseconds of each call."""
    clock = time.perf_counter_ns
    taken: list[float] = []
    for _ in range(calls):
        began = clock()
        action()
        taken.append((clock() - began) / 1000)
    return taken


def interleaved(
    actions: Mapping[str, Callable[[], object]], *, rounds: int, calls: int
) -> dict[str, Timings]:
    """Times all actions in turn, ``calls`` each per round; one more short round warms up."""
    found: dict[str, list[list[float]]] = {name: [] for name in actions}
    for action in actions.values():
        timed(action, max(1, calls // 10))
    for _ in range(rounds):
        for name, action in actions.items():
            found[name].append(timed(action, calls))
    return {name: Timings(taken) for name, taken in found.items()}
