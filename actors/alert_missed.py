"""What the journal has, a person is owed, and nobody was told of: the process died in between.

An event reaches the journal and the Alerter side by side. A `kill -9` may come after the one and
before the other has put its alert on disk; then only the journal knows of it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError

from actors.alert_texts import ALERTS
from actors.messages.alerts import AlertDelivered
from actors.messages.base import Event, event_name
from actors.messages.lifecycle import ProcessStarted, Stopped, Stopping
from actors.messages.trading import DIRECT, Ready
from domain.moments import moment_of

BEGUN = event_name(ProcessStarted)
OLDEST = timedelta(days=1)
"""Beyond this nobody is told any more; only of what a command did without a daemon, however old."""
READY, DELIVERED = event_name(Ready), event_name(AlertDelivered)
ENDINGS = frozenset({event_name(Stopping), event_name(Stopped)})
_OWED = {event_name(x): x for x in ALERTS if ALERTS[x].is_critical or ALERTS[x].is_owed}

AlertKey = tuple[str, datetime]
"""The event's name and when it happened; several at one instant are counted."""
Known = tuple[int, AlertKey]
"""An alert on disk: its number, and what it tells of."""


@dataclass(frozen=True, slots=True)
class Past:
    """What the journal says about the process before this one.

    ``delivered`` are the numbers of alerts that arrived. ``crashed_at`` is when it was last heard
    of, if it had been ready and was not told to stop.
    """

    missed: tuple[Event, ...]
    delivered: frozenset[int]
    crashed_at: datetime | None


def look_back(entries: Iterable[Mapping[str, Any]], known: Iterable[Known], now: datetime) -> Past:
    """Reads the journal's last days. ``known`` are the alerts that are on disk already."""
    found: dict[AlertKey, list[Mapping[str, Any]]] = {}
    told = Counter[AlertKey]()
    delivered: set[int] = set()
    last, before = None, None
    is_running: bool | None = None
    for entry in entries:
        event, moment = entry.get("event"), moment_of(entry.get("ts"))
        if moment is None:
            continue
        is_direct = entry.get("by") == DIRECT  # written by a command: no daemon's sign of life
        if event == BEGUN:  # what follows is the new process' own, unless it becomes ready
            before, is_running = last, bool(is_running)
        elif not is_direct:
            last = moment
            if is_running is None:  # these days begin in the middle of a life, or this is our own
                is_running = moment.date() < now.date()
        if event == READY:
            before, is_running = None, True
        elif event in ENDINGS:
            is_running = False
        elif event == DELIVERED and (raised_at := moment_of(entry.get("raised_at"))) is not None:
            told[str(entry.get("alert")), raised_at] += 1
            delivered.add(_number(entry.get("number")))
        elif event in _OWED and (is_direct or now - moment < OLDEST):
            found.setdefault((str(event), moment), []).append(entry)
    told.update(key for number, key in known if number not in delivered)
    events = (_event(entry) for key, same in found.items() for entry in same[told[key] :])
    return Past(
        missed=tuple(event for event in events if event is not None),
        delivered=frozenset(delivered),
        crashed_at=(before or last) if is_running else None,
    )


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _event(entry: Mapping[str, Any]) -> Event | None:
    """The event as it was; None for an entry of another version that does not fit any more."""
    kind = _OWED[str(entry["event"])]
    names = kind.__dataclass_fields__.keys() - {"at"}
    fields = {name: value for name, value in entry.items() if name in names}
    try:
        return TypeAdapter(kind).validate_python({"at": entry["ts"], **fields})
    except ValidationError:
        return None
