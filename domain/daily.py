"""The day's report, from the journal: what was earned, and what did *not* go wrong.

Pure: entries in, content out. A report covers a window of time rather than a calendar day, so
that nothing between two reports is in none or in both. An entry that lacks something or is damaged
is left out rather than guessed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from domain.content import Cell, Content, pairs
from domain.history import ClosedTrade, closed_trades
from domain.moments import moment_of
from domain.orders import ZERO
from domain.risk import EXPECTED

Entry = Mapping[str, Any]
LONGEST_DAYS = 7
"""A report covers at most so many days, however long nobody was there to make one."""

EVENTS = (
    "trade_opened",
    "trade_closed",
    "trade_abandoned",
    "funding_booked",
    "day_measured",
    "entry_denied",
    "entry_rejected",
    "stop_failed",
    "outcome_unknown",
    "emergency_closed",
    "protection_deadline_missed",
    "protection_missing",
    "protection_restored",
    "trade_quarantined",
    "contract_size_unfit",
    "protect_only_began",
    "guard_failed",
    "orphan_cancelled",
    "session_opened",
    "session_lost",
    "session_refused",
    "look_failed",
    "process_started",
    "crash_found",
    "child_restarted",
    "disk_failed",
    "registry_rebuilt",
    "journal_unreadable",
    "history_lost",
    "alert_delayed",
    "alert_dropped",
    "kill_switch_activated",
    "command_handled",
)
"""The entries a report is made of."""


def due_moment(now: datetime, at: time, zone: tzinfo) -> datetime:
    """The latest moment not after ``now`` at which a report is due."""
    local = now.astimezone(zone)
    today = datetime.combine(local.date(), at, zone)
    if today.astimezone(now.tzinfo) <= now:
        return today.astimezone(now.tzinfo)
    return datetime.combine(local.date() - timedelta(days=1), at, zone).astimezone(now.tzinfo)


def next_moment(now: datetime, at: time, zone: tzinfo) -> datetime:
    """The first moment after ``now`` at which a report is due."""
    local = now.astimezone(zone)
    for days in (0, 1):
        day = datetime.combine(local.date() + timedelta(days=days), at, zone)
        if day.astimezone(now.tzinfo) > now:
            return day.astimezone(now.tzinfo)
    return datetime.combine(local.date() + timedelta(days=2), at, zone).astimezone(now.tzinfo)


def last_report(entries: Iterable[Entry], now: datetime) -> datetime | None:
    """Where the last report ended; one that ends after ``now`` is of a clock that was ahead."""
    ends = (moment_of(entry.get("until")) for entry in entries)
    return max((end for end in ends if end is not None and end <= now), default=None)


def first_moment(entries: Iterable[Entry]) -> datetime | None:
    """Just before the first entry: where a first report begins."""
    moments = [at for x in entries if (at := moment_of(x.get("ts"))) is not None]
    return min(moments) - timedelta(microseconds=1) if moments else None


GAPS = ("protection_missing", "protection_restored", "process_started", "child_restarted")
"""What says which positions are without a stop, however long ago it was told."""


def has_any(entries: Iterable[Entry], since: datetime, until: datetime) -> bool:
    """Whether anything happened in that time: nobody wants a report of a day before the first."""
    moments = (moment_of(entry.get("ts")) for entry in entries if entry.get("event") in EVENTS)
    return any(since < at <= until for at in moments if at is not None)


def window_before(until: datetime, last: datetime | None) -> datetime:
    """Where the report that ends at ``until`` begins: where the last one ended."""
    if last is None or last >= until:
        return until - timedelta(days=1)
    return max(last, until - timedelta(days=LONGEST_DAYS))


def daily_report(
    entries: Iterable[Entry],
    *,
    since: datetime,
    until: datetime,
    zone: tzinfo,
    unsent: int | None = None,
) -> Content:
    """What happened after ``since``, up to and including ``until``.

    ``unsent`` are the alerts that wait now; None when that is not known.
    """
    told = [(at, x) for x in entries if (at := moment_of(x.get("ts"))) is not None and at <= until]
    inside = [x for at, x in told if since < at]
    gaps = _gaps(told, since)
    counts = Counter(str(x.get("event")) for x in inside)
    closed = closed_trades(x for x in inside if x.get("event") == "trade_closed")
    form = "%d %b %H:%M"
    traded = [*_trades(closed, counts), *_held_back(inside), *_funding(inside)]
    return Content(
        lines=(
            f"{since.astimezone(zone):{form}} to {until.astimezone(zone):{form} %Z}",
            _headline(closed),
        ),
        tables=(
            pairs("result", "The account", _account(inside, zone)),
            pairs("trades", "Trades", traded),
            pairs("safety", "Protection", _protection(inside, closed, counts, gaps)),
            pairs("troubles", "What went wrong", _troubles(inside, counts, gaps, unsent)),
        ),
    )


def _headline(closed: Sequence[ClosedTrade]) -> str:
    if not closed:
        return "No trade was closed."
    usd = sum((x.pnl_usd for x in closed), ZERO)
    plural = "" if len(closed) == 1 else "s"
    return f"{len(closed)} trade{plural} closed, {usd:+.2f} USD before fees."


_Row = tuple[str, str, Cell]


# -- the account -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Measured:
    at: datetime
    equity: Decimal
    result: Decimal
    limit: Decimal | None


def _account(entries: Sequence[Entry], zone: tzinfo) -> list[_Row]:
    """From Risk's last word; the loss that came nearest to the limit from all of them."""
    found = [x for x in map(_measured, entries) if x is not None]
    if not found:
        return [("equity_usd", "equity USD", None)]
    last = found[-1]
    rows: list[_Row] = [
        ("equity_usd", "equity USD", _cents(last.equity)),
        ("result_usd", "result since midnight USD", _cents(last.result)),
        ("measured_at", "measured at", f"{last.at.astimezone(zone):%H:%M:%S %Z}"),
    ]
    # Each against its own limit: a report covers parts of two days. Of equal ones, the last.
    losses = [(max(ZERO, -x.result), x.limit) for x in reversed(found) if x.limit and x.limit > 0]
    if losses:
        used, limit = max(losses, key=lambda x: x[0] / x[1])
        share = f"{used:.2f} of {limit:.2f} USD ({used / limit * 100:.0f} %)"
        rows.append(("loss_used", "daily loss at worst", share))
    return rows


def _measured(entry: Entry) -> _Measured | None:
    if entry.get("event") != "day_measured":
        return None
    limit, at = entry.get("limit_usd"), moment_of(entry.get("ts"))
    if at is None:
        return None
    try:
        return _Measured(
            at,
            _figure(entry.get("equity_usd")),
            _figure(entry.get("result_usd")),
            None if limit is None else _figure(limit),
        )
    except (InvalidOperation, ValueError):
        return None


def _figure(value: object) -> Decimal:
    figure = Decimal(str(value))
    if not figure.is_finite():
        raise ValueError(value)
    return figure


def _cents(value: Decimal) -> Decimal:
    return round(value, 2)


# -- money ----------------------------------------------------------------------------------------


def _funding(inside: Iterable[Entry]) -> list[_Row]:
    """What the venue booked as funding, of trades that are still open, too; each line once."""
    lines = {str(x.get("log_id")): x for x in inside if x.get("event") == "funding_booked"}
    sums: dict[str, Decimal] = {}
    for line in lines.values():
        with suppress(InvalidOperation, ValueError):
            currency, amount = str(line.get("currency")), _figure(line.get("amount"))
            sums[currency] = sums.get(currency, ZERO) + amount
    return [(f"funding_{x}", f"funding {x}", f"{sums[x]:+.8f}") for x in sorted(sums)]


def _trades(closed: Sequence[ClosedTrade], counts: Counter[str]) -> list[_Row]:
    rows: list[_Row] = [
        ("opened", "opened", counts["trade_opened"]),
        ("closed", "closed", len(closed)),
    ]
    if closed:
        rows.append(("won", "won after fees", sum(x.net_coin > 0 for x in closed)))
        reasons = Counter(x.exit_reason.replace("_", " ") for x in closed)
        rows.append(("exits", "closed by", _listed(reasons)))
    for currency in sorted({x.currency for x in closed}):
        mine = [x for x in closed if x.currency == currency]
        net = sum((x.net_coin for x in mine), ZERO)
        fees = sum((x.fees_coin for x in mine), ZERO)
        rows.append((f"net_{currency}", f"net {currency}", f"{net:+.8f}"))
        rows.append((f"fees_{currency}", f"fees {currency}", f"{fees:.8f}"))
    return rows


def _held_back(entries: Sequence[Entry]) -> list[_Row]:
    """What the limits, a pause or a kill kept from trading: nobody has to look at that."""
    told = _denied([x for x in entries if EXPECTED.issuperset(_reasons(x))])
    return [("held_back", "signals not traded", told)] if told else []


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{word} {number}" for word, number in counts.most_common(8))


# -- protection ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Gaps:
    """How often a position was seen without its stop, the longest (seconds), and which are now."""

    number: int
    longest: float | None
    open_on: tuple[str, ...]


def _gaps(told: Iterable[tuple[datetime, Entry]], since: datetime) -> _Gaps:
    """Counted after ``since``; one that is open may have begun long before.

    Who begins to watch anew says it again where there is one, and never that an older one is over.
    """
    open_on: set[str] = set()
    number, seconds = 0, list[float]()
    for at, entry in told:
        event, name = entry.get("event"), str(entry.get("instrument"))
        if event == "protection_missing":
            number += at > since and name not in open_on
            open_on.add(name)
        elif event == "protection_restored":
            number += at > since and name not in open_on
            open_on.discard(name)
            seconds += [_number(entry.get("seconds"))] if at > since else []
        elif event == "process_started" or (
            event == "child_restarted" and entry.get("name") == "watcher"
        ):
            open_on.clear()
    return _Gaps(number, max(seconds, default=None), tuple(sorted(open_on)))


def _protection(
    entries: Sequence[Entry], closed: Sequence[ClosedTrade], counts: Counter[str], gaps: _Gaps
) -> list[_Row]:
    naked = {x.trade_id: float(x.unprotected_ms) for x in closed}
    for entry in entries:
        if entry.get("event") == "trade_opened":
            naked.setdefault(str(entry.get("trade_id")), _number(entry.get("unprotected_ms")))
    times = sorted(naked.values())
    rows: list[_Row] = []
    if times:
        rows = [
            ("unprotected_worst_ms", "longest without stop, ms", f"{times[-1]:.0f}"),
            ("unprotected_p95_ms", "95 % below, ms", f"{percentile(times, 0.95):.0f}"),
            ("unprotected_median_ms", "median, ms", f"{percentile(times, 0.5):.0f}"),
            ("unprotected_sum_ms", "all trades together, ms", f"{sum(times):.0f}"),
        ]
    longest = "" if gaps.longest is None else f", the longest {gaps.longest:.1f} s"
    return [
        *rows,
        ("late", "longer than allowed", counts["protection_deadline_missed"]),
        ("missing", "seen without a stop", f"{gaps.number}{longest}" if gaps.number else "never"),
        ("emergencies", "emergency closes", counts["emergency_closed"]),
        ("orphans", "left-over orders cancelled", counts["orphan_cancelled"]),
    ]


def percentile(ordered: Sequence[float], share: float) -> float:
    """The least value that so large a share of them does not exceed."""
    at = max(0, -(-len(ordered) * share // 1) - 1)
    return ordered[min(len(ordered) - 1, int(at))]


def _number(value: object) -> float:
    try:
        return max(0.0, float(cast("Any", value)))
    except (TypeError, ValueError):
        return 0.0


# -- what went wrong -------------------------------------------------------------------------------


def _troubles(
    entries: Sequence[Entry], counts: Counter[str], gaps: _Gaps, unsent: int | None
) -> list[_Row]:
    unexpected = [x for x in entries if not EXPECTED.issuperset(_reasons(x))]
    rows: list[_Row] = [
        ("bare", "WITHOUT A STOP NOW", ", ".join(gaps.open_on) or 0),
        ("quarantined", "trades in quarantine", counts["trade_quarantined"]),
        ("unfit", "trades in contracts that do not fit", counts["contract_size_unfit"]),
        ("guards", "stops of other positions refused", counts["guard_failed"]),
        ("restarts", "starts of the daemon", _starts(counts)),
        ("parts", "parts restarted", counts["child_restarted"]),
        ("unknown", "replies that went missing", counts["outcome_unknown"]),
        ("stops_refused", "stops refused or failed", counts["stop_failed"]),
        ("rejected", "entries the venue refused", counts["entry_rejected"]),
        ("denied", "entries we refused", _denied(unexpected)),
        ("protect_only", "times only protecting", counts["protect_only_began"]),
        ("sessions", "sessions lost", counts["session_lost"]),
        ("sessions_refused", "sessions refused", counts["session_refused"]),
        ("looks", "account unreadable", counts["look_failed"]),
        ("disk", "disk failures", counts["disk_failed"]),
        ("rebuilt", "books rebuilt from the journal", counts["registry_rebuilt"]),
        ("unreadable", "journal files unreadable", counts["journal_unreadable"]),
        ("history", "losses of journal entries", counts["history_lost"]),
        ("kills", "kills", counts["kill_switch_activated"]),
        ("dropped", "alerts dropped", counts["alert_dropped"]),
    ]
    if unsent is not None:
        rows.append(("unsent", "alerts not sent yet", unsent))
    happened = [row for row in rows if row[2] not in {0, "0"}]
    nothing: _Row = ("nothing", "nothing", "no failure, refusal or restart")
    return happened or [nothing]


def _starts(counts: Counter[str]) -> Cell:
    starts, crashes = counts["process_started"], counts["crash_found"]
    return f"{starts}, {crashes} after a crash" if crashes else starts


def _denied(entries: Sequence[Entry]) -> Cell:
    """How many, and for which reasons: a refusal may have several."""
    denied = [x for x in entries if x.get("event") == "entry_denied"]
    if not denied:
        return 0
    reasons: Counter[str] = Counter()
    for entry in denied:
        reasons.update(reason.replace("_", " ") for reason in _reasons(entry))
    return f"{len(denied)}: {_listed(reasons)}" if reasons else len(denied)


def _reasons(entry: Entry) -> list[str]:
    given = entry.get("reasons")
    return [str(x) for x in cast("list[object]", given)] if isinstance(given, list) else []
