"""The tree on one page: who is started in which order, and who hears what.

Start order is recovery order: what others ask comes first. Stop is the reverse, so that nobody
loses whom it asks. The routes are the whole map of published messages; direct commands and asks
stand in the actors that send them, and `docs/messages.md` draws both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import time, tzinfo
from decimal import Decimal
from typing import Literal

from actors.alert_texts import ALERTS
from actors.alerter import Alerter
from actors.auth import Auth
from actors.cashier import Cashier
from actors.chronicler import Chronicler
from actors.collector import Collector
from actors.desk import Desk
from actors.desk_sources import DeskFacts
from actors.execution import Execution
from actors.guardian import Guardian
from actors.historian import Historian
from actors.kernel import ChildSpec, Family
from actors.kernel.system import Routes
from actors.messages import alerts, book, desk, lifecycle, session, trading, venue, watch
from actors.messages.base import Message
from actors.messages.risk import KillRequested
from actors.opening import Manner
from actors.ports import (
    Audience,
    Book,
    Journal,
    LogTail,
    Notifier,
    Session,
    TickArchive,
    Venue,
)
from actors.reaper import OrphanReaper
from actors.registry import Registry
from actors.risk import Risk, base_currency
from actors.strategist import Sizing, Strategist
from actors.trade import TradeActor
from actors.watcher import PositionWatcher
from domain import labels
from domain.bracket import BracketPolicy
from domain.orders import TriggerBy
from domain.risk import Limits
from domain.strategies import BreakoutSettings, ScriptLine

SUPERVISOR = "supervisor"
DESKS = ("hotline", "desk")
ForeignPositions = Literal["alert", "protect"]
"""What is done for positions that are not ours: told, or given a stop as well."""
BracketStyle = Literal["sequential", "otoco"]
"""Whether entry, stop and target are sent one after another, or as one linked order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The outside world, as adapters (or the simulation) provide it."""

    venue: Venue
    session: Session
    book: Book
    journal: Journal
    notifier: Notifier
    audience: tuple[Audience, ...] = ()
    log_tail: LogTail | None = None
    archive: TickArchive | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything the actors are told at birth. Durations in seconds.

    ``foreign_stop_pct`` is a fraction of the mark price; needed to protect foreign positions.
    """

    instruments: tuple[str, ...]
    channels: tuple[str, ...]
    limits: Limits
    sizing: Sizing
    timezone: tzinfo
    policy: BracketPolicy = field(default_factory=BracketPolicy)
    stop_trigger: TriggerBy = TriggerBy.MARK_PRICE
    bracket: BracketStyle = "sequential"
    breakout: BreakoutSettings | None = None
    script: tuple[ScriptLine, ...] = ()
    position_poll: float = 2.0
    orphan_sweep: float = 30.0
    reconcile_limit: float = 20.0
    forbid_wallet_write: bool = False
    foreign_positions: ForeignPositions = "alert"
    foreign_stop_pct: Decimal | None = None
    desk: DeskFacts = field(default_factory=DeskFacts)
    alert_repeat: float = 0.0
    report_at: time | None = None


def children(plan: Plan, ports: Ports) -> Sequence[ChildSpec | Family]:
    """The children of the supervisor, in start order."""
    traded = frozenset(plan.instruments)
    currencies = frozenset(_settlement_currency(name) for name in traded)
    return (
        ChildSpec(
            name="historian",
            actor=Historian,
            arguments={"journal": ports.journal},
            hang_after=60.0,
        ),
        ChildSpec(
            name="registry",
            actor=Registry,
            arguments={"book": ports.book, "journal": ports.journal},
        ),
        ChildSpec(
            name="alerter",
            actor=Alerter,
            arguments={
                "notifier": ports.notifier,
                "journal": ports.journal,
                "timezone": plan.timezone,
                "repeat": plan.alert_repeat,
                "report_at": plan.report_at,
            },
        ),
        ChildSpec(
            name="risk",
            actor=Risk,
            arguments={
                "limits": plan.limits,
                "currencies": currencies,
                "timezone": plan.timezone,
            },
        ),
        ChildSpec(
            name="auth",
            actor=Auth,
            arguments={
                "session": ports.session,
                "channels": plan.channels,
                "forbid_wallet_write": plan.forbid_wallet_write,
            },
        ),
        ChildSpec(
            name="watcher",
            actor=PositionWatcher,
            arguments={"venue": ports.venue, "period": plan.position_poll},
        ),
        ChildSpec(name="chronicler", actor=Chronicler, arguments={"venue": ports.venue}),
        ChildSpec(
            name="execution",
            actor=Execution,
            arguments={
                "venue": ports.venue,
                "traded": traded,
                "manner": Manner(is_linked=plan.bracket == "otoco", stop_trigger=plan.stop_trigger),
                "reconcile_limit": plan.reconcile_limit,
            },
        ),
        Family(
            name="trade",
            actor=TradeActor,
            arguments={
                "venue": ports.venue,
                "policy": plan.policy,
                "is_alone": plan.limits.max_trades_per_instrument == 1,
            },
        ),
        ChildSpec(
            name="reaper",
            actor=OrphanReaper,
            arguments={
                "venue": ports.venue,
                "period": plan.orphan_sweep,
                "spared": _spared(plan),
            },
        ),
        ChildSpec(
            name="guardian",
            actor=Guardian,
            arguments={
                "venue": ports.venue,
                "stop_pct": _guard_distance(plan),
                "stop_trigger": plan.stop_trigger,
            },
        ),
        ChildSpec(
            name="cashier",
            actor=Cashier,
            arguments={
                "venue": ports.venue,
                "journal": ports.journal,
                "currencies": currencies,
            },
            hang_after=120.0,  # a long log is read a page a second
        ),
        *_desks(plan, ports),
        ChildSpec(
            name="strategist",
            actor=Strategist,
            arguments={
                "instruments": plan.instruments,
                "currencies": currencies,
                "breakout": plan.breakout,
                "script": plan.script,
                "sizing": plan.sizing,
            },
        ),
        *_collector(ports),
    )


def _collector(ports: Ports) -> tuple[ChildSpec, ...]:
    """Last in, first out: nobody waits for it, and it ends its process while all others live."""
    if ports.archive is None:
        return ()
    return (ChildSpec(name="collector", actor=Collector, arguments={"archive": ports.archive}),)


def _desks(plan: Plan, ports: Ports) -> tuple[ChildSpec, ...]:
    """Two of a kind: no reading at the one holds up a kill at the other. One has the audience."""
    facts = {"venue": ports.venue, "journal": ports.journal, "facts": plan.desk}
    full = {**facts, "log_tail": ports.log_tail, "audience": ports.audience}
    return (
        ChildSpec(name="hotline", actor=Desk, arguments=facts),
        ChildSpec(name="desk", actor=Desk, arguments=full),
    )


def _guard_distance(plan: Plan) -> Decimal | None:
    """How far from the mark guards hang; None when foreign positions are only told."""
    if plan.foreign_positions == "alert":
        return None
    if plan.foreign_stop_pct is None:
        raise ValueError("foreign positions are to be protected, but at which distance?")
    return plan.foreign_stop_pct


def _spared(plan: Plan) -> tuple[str, ...]:
    """Whose orders are no orphans although no trade owns them."""
    is_guarded = plan.foreign_positions == "protect"
    return (labels.FLATTENING, labels.GUARDING) if is_guarded else (labels.FLATTENING,)


def routes() -> Routes:
    """Who hears each published message. Every event goes to the journal besides."""
    table: dict[type[Message], tuple[str, ...]] = {
        venue.ConnectionLost: ("auth",),
        venue.ChangesReport: ("execution",),
        venue.TickerReport: ("risk", "execution", "strategist"),
        venue.AccountReport: ("risk",),
        venue.PlatformReport: ("risk",),
        watch.PortfolioObserved: ("risk", "execution", "strategist", "guardian", *DESKS),
        watch.ProtectionDoubted: ("execution",),
        watch.ProtectionMissing: ("execution",),
        watch.PositionDrifted: ("execution",),
        watch.PositionAgreed: ("execution",),
        session.SessionOpened: ("execution", "watcher", "reaper", "cashier"),
        session.SessionLost: ("execution", "watcher", "reaper"),
        KillRequested: ("execution",),
        lifecycle.ChildRestarted: ("execution", "risk"),
        book.DiskFailed: ("execution",),
        book.DiskRecovered: ("execution",),
        book.EntriesPaused: ("execution",),
        book.EntriesResumed: ("execution",),
        book.IntentRecorded: ("strategist",),
        trading.Ready: ("strategist",),
        trading.CatalogueRead: ("strategist",),
        trading.TradeClosed: ("strategist", "hotline"),
        trading.TradeAbandoned: ("strategist", "hotline"),
        trading.FlatVerified: ("hotline",),
        trading.NotFlatYet: ("hotline",),
    }
    table[desk.CommandHandled] = ("alerter",)
    table[alerts.AcknowledgeAlerts] = ("alerter",)
    for alert in ALERTS:
        table[alert] = (*table.get(alert, ()), "alerter")
    return Routes(by_type=table, every_event=("historian", "desk"))


def _settlement_currency(instrument_name: str) -> str:
    """``BTC-PERPETUAL`` settles in BTC, ``BTC_USDC-PERPETUAL`` in USDC."""
    pair = instrument_name.split("-", 1)[0]
    return pair.split("_", 1)[1] if "_" in pair else base_currency(instrument_name)
