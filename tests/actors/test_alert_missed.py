"""What the journal says about the process before this one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors.alert_missed import look_back

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def journal(*events: tuple[int, str]) -> list[dict[str, Any]]:
    """Entries so many seconds after noon."""
    return [{"ts": (NOON + timedelta(seconds=at)).isoformat(), "event": x} for at, x in events]


LIVED = ((0, "process_started"), (1, "ready"), (50, "stop_placed"))
REBUILT = ((90, "process_started"), (91, "registry_rebuilt"))


@pytest.mark.parametrize(
    ("events", "last"),
    [
        (LIVED, 50),
        ((*LIVED, (90, "process_started")), 50),
        ((*LIVED, *REBUILT), 50),
        ((*LIVED, *REBUILT, (95, "process_started"), (96, "registry_rebuilt")), 91),
        ((*LIVED, *REBUILT, (92, "ready"), (99, "stop_placed"), (120, "process_started")), 99),
        ((*LIVED, (60, "stopping"), (61, "stopped"), *REBUILT), None),
        ((), None),
    ],
)
def test_a_dead_process_was_last_heard_of_before_this_one(
    events: tuple[tuple[int, str], ...], last: int | None
) -> None:
    """What this one has said by then, a rebuilt registry say, is no sign of life of the other."""
    past = look_back(journal(*events), (), NOON + timedelta(seconds=130))
    expected = None if last is None else NOON + timedelta(seconds=last)
    assert past.crashed_at == expected
