"""What the journal says about the process before this one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors.alert_missed import look_back
from actors.messages.trading import DIRECT, KillSwitchActivated

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


HOUR, DAY = 3600, 86_400


@pytest.mark.parametrize(
    ("events", "last"),
    [
        (((0, "day_began"), (DAY, "day_began"), (DAY + 9, "stop_placed")), DAY + 9),
        (((0, "day_began"), (DAY, "stop_placed"), (2 * DAY, "process_started")), DAY),
        (((0, "day_began"), (DAY, "stopping"), (DAY + 1, "stopped")), None),
        (((0, "alert_delivered"), (1, "stopped"), (2 * DAY, "process_started")), None),
        (((0, "process_started"), (1, "registry_rebuilt"), (DAY, "process_started")), None),
        (((2 * DAY, "registry_rebuilt"), (2 * DAY, "process_started")), None),
        (((2 * DAY, "registry_rebuilt"),), None),
    ],
)
def test_days_that_begin_in_the_middle_of_a_life_know_that_it_was_one(
    events: tuple[tuple[int, str], ...], last: int | None
) -> None:
    """It said `ready` before them. What a first start says before it is heard to start is not."""
    past = look_back(journal(*events), (), NOON + timedelta(seconds=2 * DAY + 9))
    assert past.crashed_at == (None if last is None else NOON + timedelta(seconds=last))


def killed_directly(at: int) -> dict[str, Any]:
    """What `kill --direct` leaves."""
    more = {"reason": "run.py kill --direct", "by": DIRECT, "until_midnight": False}
    (entry,) = journal((at, "kill_switch_activated"))
    return entry | more


@pytest.mark.parametrize("start", [(), ((6 * HOUR + 5, "process_started"),)])
def test_a_kill_without_the_daemon_is_no_sign_of_its_life(start: tuple[tuple[int, str]]) -> None:
    """It was last heard of when it last said something itself; a bot never started did not die."""
    now = NOON + timedelta(hours=7)
    past = look_back([*journal(*LIVED), killed_directly(6 * HOUR), *journal(*start)], (), now)
    assert past.crashed_at == NOON + timedelta(seconds=50)
    late = NOON + timedelta(days=3)
    assert look_back([killed_directly(0), *journal(*start)], (), late).crashed_at is None


def test_a_kill_without_the_daemon_is_told_however_late_and_once() -> None:
    """Nobody could tell of it before this start; an older alert of a daemon is past."""
    now = NOON + timedelta(days=3)
    entries = [*journal((0, "flat_verified")), killed_directly(HOUR)]
    (missed,) = look_back(entries, (), now).missed
    assert isinstance(missed, KillSwitchActivated)
    (delivered,) = journal((3 * DAY, "alert_delivered"))
    told = {"alert": "kill_switch_activated", "raised_at": entries[1]["ts"], "number": 5}
    assert look_back([*entries, delivered | told], (), now).missed == ()
