"""How long requests to the venue take, per method: buckets, as Prometheus wants them."""

import threading
from bisect import bisect_left

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds in seconds; what takes longer is in the last bucket, without a bound."""


class RoundTrips:
    """Counts answered requests. Cheap: it stands on the order path."""

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}
        self._lock = threading.Lock()

    def note(self, method: str, seconds: float) -> None:
        """One request was answered (or given up) after so long."""
        place = bisect_left(BOUNDS, seconds)
        with self._lock:
            counts = self._counts.setdefault(method, [0] * (len(BOUNDS) + 1))
            counts[place] += 1
            self._sums[method] = self._sums.get(method, 0.0) + seconds

    def read(self) -> dict[str, tuple[list[tuple[str, int]], float]]:
        """Per method: how many took at most each bound, and the seconds of all together."""
        with self._lock:
            counts = {method: list(each) for method, each in self._counts.items()}
            sums = dict(self._sums)
        return {method: (_cumulative(each), sums[method]) for method, each in counts.items()}


def _cumulative(counts: list[int]) -> list[tuple[str, int]]:
    total = 0
    found: list[tuple[str, int]] = []
    for bound, count in zip([*map(str, BOUNDS), "+Inf"], counts, strict=True):
        total += count
        found.append((bound, total))
    return found
