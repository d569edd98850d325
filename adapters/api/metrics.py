"""Metrics for Prometheus: what the vital signs say now, and counts of what has happened.

Counts are kept from events, in this process: they begin at 0 with it, as Prometheus expects.
"""

from collections.abc import Iterator
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric

from actors.messages.alerts import AlertDelayed, AlertDelivered
from actors.messages.base import Event, event_name
from actors.messages.desk import VitalsSnapshot
from actors.messages.lifecycle import ChildFailed, ChildRestarted
from actors.messages.trading import EmergencyClosed, EntryDenied, TradeClosed
from actors.ports import Desk, DeskSilent
from domain.health import verdict

GAP_BUCKETS_MS = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 3000.0, 10_000.0)


class RoundTripsRead(Protocol):
    """The venue client's record of its round trips."""

    def read(self) -> dict[str, tuple[list[tuple[str, int]], float]]:
        """Per method: cumulative counts by upper bound in seconds, and the sum of seconds."""
        ...


class Metrics:
    """Hears events, and is read by `/metrics`."""

    def __init__(self, desk: Desk, round_trips: RoundTripsRead | None = None) -> None:
        disable_created_metrics()  # when each count began: half of the lines, and all the same
        self._registry = CollectorRegistry()
        self._events = Counter(
            "bulwark_events", "Events by name.", ["event"], registry=self._registry
        )
        self._restarts = Counter(
            "bulwark_actor_restarts", "Actors started again.", ["actor"], registry=self._registry
        )
        self._failures = Counter(
            "bulwark_actor_failures", "Actors that died.", ["actor"], registry=self._registry
        )
        self._alerts = Counter(
            "bulwark_alerts", "Alerts delivered, or delayed.", ["what"], registry=self._registry
        )
        self._denied = Counter(
            "bulwark_entries_denied", "Entries refused by us.", ["reason"], registry=self._registry
        )
        self._trades = Counter(
            "bulwark_trades_closed", "Trades closed.", ["reason"], registry=self._registry
        )
        self._emergencies = Counter(
            "bulwark_emergencies",
            "Trades closed because they had no stop; among the closed, too.",
            ["reason"],
            registry=self._registry,
        )
        self._gaps = Histogram(
            "bulwark_unprotected_ms",
            "How long a closed trade was without its stop, in milliseconds.",
            buckets=GAP_BUCKETS_MS,
            registry=self._registry,
        )
        self._registry.register(_Now(desk, round_trips))  # pyright: ignore[reportArgumentType] (needs only collect, as its documentation says)

    def hear(self, event: Event) -> None:
        """Counts."""
        self._events.labels(event_name(type(event))).inc()
        match event:
            case ChildRestarted():
                self._restarts.labels(_family(event.name)).inc()
            case ChildFailed():
                self._failures.labels(_family(event.name)).inc()
            case AlertDelivered():
                self._alerts.labels("delivered").inc()
            case AlertDelayed():
                self._alerts.labels("delayed").inc()
            case EntryDenied():
                for reason in event.reasons:
                    self._denied.labels(reason).inc()
            case TradeClosed():
                self._trades.labels(event.exit_reason).inc()
                self._gaps.observe(event.unprotected_ms)
            case EmergencyClosed():
                self._emergencies.labels(event.reason).inc()  # `TradeClosed` follows
            case _:
                pass

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self._registry)


def _family(name: str) -> str:
    """One series for all trades: their ids would make new series for ever."""
    return "trade" if name.startswith("trade-") else name


class _Now:
    """What is measured at the moment of reading."""

    def __init__(self, desk: Desk, round_trips: RoundTripsRead | None) -> None:
        self._desk = desk
        self._round_trips = round_trips

    def describe(self) -> list[Metric]:
        """Nothing is asked of the Desk only because the registry is built."""
        return []

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("bulwark_desk_up", "Whether the Desk answers.")
        try:
            signs = self._desk.vitals()
        except DeskSilent:
            up.add_metric([], 0)
            yield up
        else:
            up.add_metric([], 1)
            yield up
            yield from _states(signs)
            yield from _actors(signs)
            yield from _money(signs)
        if self._round_trips is not None:
            yield _trips(self._round_trips)


def _gauge(name: str, text: str, value: float | None) -> GaugeMetricFamily:
    """A gauge; without a sample while the value is not known."""
    family = GaugeMetricFamily(name, text)
    if value is not None:
        family.add_metric([], value)
    return family


def _states(signs: VitalsSnapshot) -> Iterator[Metric]:
    vitals = signs.vitals
    judged = verdict(vitals)
    yield _gauge("bulwark_healthy", "Whether the verdict is well.", judged.is_well)
    faults = GaugeMetricFamily("bulwark_fault", "Reasons it is not well.", labels=["code"])
    for finding in {x.code for x in judged.faults}:
        faults.add_metric([finding], 1)
    yield faults
    yield _gauge("bulwark_session_open", "Venue session.", vitals.has_session)
    yield _gauge("bulwark_reconciled", "Book equals venue.", vitals.is_reconciled)
    yield _gauge("bulwark_killed", "A kill is in force.", vitals.killed_by is not None)
    yield _gauge("bulwark_paused", "Entries are paused.", vitals.paused_by is not None)
    is_locked = None if vitals.protect_only is None else bool(vitals.protect_only)
    yield _gauge("bulwark_protect_only", "Only protecting.", is_locked)
    yield _gauge("bulwark_look_age_seconds", "Since the last look.", vitals.look_age_seconds)
    yield _gauge("bulwark_price_age_seconds", "Of the newest price.", vitals.price_age_seconds)
    naked = max((x.seconds for x in vitals.uncovered if x.missing > 0), default=0.0)
    yield _gauge("bulwark_unprotected_seconds", "Longest gap that is open now.", naked)
    yield _gauge("bulwark_up_seconds", "Since the start.", vitals.up_seconds)


def _actors(signs: VitalsSnapshot) -> Iterator[Metric]:
    depth = GaugeMetricFamily("bulwark_mailbox_depth", "Messages waiting.", labels=["actor"])
    busy = GaugeMetricFamily("bulwark_work_age_seconds", "Present message.", labels=["actor"])
    alive = GaugeMetricFamily("bulwark_actor_up", "Whether it lives.", labels=["actor"])
    most: dict[str, tuple[int, float, bool]] = {}
    for actor in signs.vitals.actors:
        name = _family(actor.name)
        waiting, seconds, lives = most.get(name, (0, 0.0, True))
        most[name] = (
            max(waiting, actor.waiting),
            max(seconds, actor.busy_seconds or 0.0),
            lives and actor.is_alive,
        )
    for name, (waiting, seconds, lives) in most.items():
        depth.add_metric([name], waiting)
        busy.add_metric([name], seconds)
        alive.add_metric([name], lives)
    yield from (depth, busy, alive)
    yield _gauge("bulwark_dead_letters", "Messages nobody handled.", signs.vitals.dead_letters)
    yield _gauge("bulwark_reports_dropped", "Stale reports dropped.", signs.reports_dropped)


def _money(signs: VitalsSnapshot) -> Iterator[Metric]:
    yield _gauge("bulwark_equity_usd", "Equity.", _float(signs.equity_usd))
    yield _gauge("bulwark_day_result_usd", "The day's result.", _float(signs.result_usd))
    yield _gauge("bulwark_loss_limit_usd", "Where trading ends.", _float(signs.loss_limit_usd))
    left = None
    if signs.loss_limit_usd is not None and signs.result_usd is not None:
        left = float(signs.loss_limit_usd + signs.result_usd)
    yield _gauge("bulwark_loss_left_usd", "What may still be lost today.", left)
    yield _gauge("bulwark_open_trades", "Trades in the book.", signs.open_trades)
    free = None
    if signs.max_open_trades is not None and signs.open_trades is not None:
        free = signs.max_open_trades - signs.open_trades
    yield _gauge("bulwark_open_trades_left", "Trades that may still be opened.", free)
    yield _gauge("bulwark_positions", "Positions at the venue.", signs.positions)
    yield _gauge("bulwark_alerts_waiting", "Alerts not delivered yet.", signs.alerts_waiting)
    yield _gauge("bulwark_requests_left", "Requests the venue would take.", signs.requests_left)


def _float(value: object) -> float | None:
    return None if value is None else float(str(value))


def _trips(round_trips: RoundTripsRead) -> HistogramMetricFamily:
    family = HistogramMetricFamily(
        "bulwark_round_trip_seconds", "Requests to the venue.", labels=["method"]
    )
    for method, (buckets, total) in round_trips.read().items():
        family.add_metric([method], buckets=buckets, sum_value=total)
    return family
