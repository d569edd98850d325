"""The shortest script that still fails: entries are left out as long as the failure stays."""

from collections.abc import Callable

from simulation.script import Entry, Script

Fails = Callable[[Script], bool]


def shrink(script: Script, fails: Fails, *, tries: int = 200) -> Script:
    """Leaves out halves, then quarters, then single entries (delta debugging).

    The hours after the last entry are cut off too. ``tries`` bounds the runs.
    """
    left = [tries]

    def still(entries: tuple[Entry, ...]) -> bool:
        if left[0] <= 0:
            return False
        left[0] -= 1
        return fails(_cut(script, entries))

    entries, pieces = script.entries, 2
    while entries and left[0] > 0:
        size = max(1, len(entries) // pieces)
        for start in range(0, len(entries), size):
            fewer = (*entries[:start], *entries[start + size :])
            if still(fewer):
                entries, pieces = fewer, max(2, pieces - 1)
                break
        else:
            if size == 1:
                break
            pieces = min(len(entries), pieces * 2)
    return _cut(script, entries) if fails(_cut(script, entries)) else script


SLACK_SECONDS = 120.0


def _cut(script: Script, entries: tuple[Entry, ...]) -> Script:
    last = max((x.at for x in entries), default=0.0)
    hours = min(script.hours, (last + SLACK_SECONDS) / 3600)
    return script.with_entries(entries, hours=hours)
