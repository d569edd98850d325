"""When to restart, how long to wait, when to stop trying: arithmetic only."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorPolicy:
    """Times in seconds. More than ``intensity`` failures within ``window`` end the process."""

    intensity: int = 5
    window: float = 60.0
    backoff_first: float = 0.05
    backoff_cap: float = 10.0
    jitter: float = 0.2
    start_budget: float = 30.0
    health_period: float = 1.0

    def backoff(self, failures: int, draw: float) -> float:
        """The wait before restart number ``failures`` (from 1); ``draw`` is in [-1, 1]."""
        base = min(self.backoff_cap, self.backoff_first * 2 ** min(failures - 1, 30))
        return base * (1 + self.jitter * draw)

    def is_storm(self, failed_at: Sequence[float], now: float) -> bool:
        """Whether too many failures lie within the window before ``now``."""
        return sum(now - each <= self.window for each in failed_at) > self.intensity
