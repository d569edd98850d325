"""How alerts read: one of them, many that waited together, those nobody has acknowledged."""

from collections.abc import Sequence
from datetime import datetime, tzinfo

from actors.alert_outbox import UNSEEN_LIMIT
from actors.messages.book import OutboxAlert

LATE_SECONDS = 60.0
"""Beyond this an alert says when it was raised."""
REPEAT = "repeat"
REPEAT_LINES = 8
_DOUBT = "(Perhaps a repeat: an earlier delivery was not confirmed.)"


def notice_text(
    batch: Sequence[OutboxAlert], now: datetime, zone: tzinfo, *, is_doubtful: bool
) -> str:
    """One alert in full, or several in one message."""
    lines = _one(batch[0], now, zone) if len(batch) == 1 else _many(batch, zone)
    return "\n".join([*lines, _DOUBT] if is_doubtful else lines)


def _one(alert: OutboxAlert, now: datetime, zone: tzinfo) -> list[str]:
    late = (now - alert.raised_at).total_seconds()
    if late <= LATE_SECONDS or alert.kind == REPEAT:
        return [alert.text]
    return [alert.text, f"Raised at {_local(alert.raised_at, zone)}, {_ago(late)} ago."]


def _many(batch: Sequence[OutboxAlert], zone: tzinfo) -> list[str]:
    return [f"{len(batch)} CRITICAL ALERTS waited", _span(batch, zone), *_headlines(batch, zone)]


def repeat_text(unseen: Sequence[OutboxAlert], zone: tzinfo) -> str:
    """What was delivered and not acknowledged, oldest first."""
    number = len(unseen)
    least = "at least " if number >= UNSEEN_LIMIT else ""
    lines = [f"NOT ACKNOWLEDGED: {least}{number} critical alert{'' if number == 1 else 's'}"]
    headlines = _headlines(unseen, zone)
    if len(headlines) > REPEAT_LINES:
        lines.append(f"{_span(unseen, zone)}; the last:")
    lines += headlines[-REPEAT_LINES:]
    return "\n".join([*lines, "Press the button, or give any command in this chat, to end this."])


def _headlines(alerts: Sequence[OutboxAlert], zone: tzinfo) -> list[str]:
    """Each with its time; the same words again and again are one line."""
    times: dict[str, list[datetime]] = {}
    for alert in alerts:
        times.setdefault(alert.text.partition("\n")[0], []).append(alert.raised_at)
    return [
        f"{_local(moments[0], zone)} {headline}"
        + (f" ({len(moments)} times, last {_local(moments[-1], zone)})" if moments[1:] else "")
        for headline, moments in times.items()
    ]


def _span(alerts: Sequence[OutboxAlert], zone: tzinfo) -> str:
    oldest, newest = alerts[0].raised_at, alerts[-1].raised_at
    return f"oldest {_day_too(oldest, zone)}, newest {_day_too(newest, zone)}"


def _day_too(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%d %b %H:%M:%S %Z}"


def _local(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%H:%M:%S %Z}"


def _ago(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
