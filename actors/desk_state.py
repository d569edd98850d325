"""Reading commands about the daemon itself: status, health, risk, settings, help."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from actors.desk_calls import Call, Outcome, done, refused
from actors.desk_following import Followers
from actors.desk_sources import Sources
from actors.desk_vitals import snapshot
from actors.messages.desk import Refusal, VitalsSnapshot
from actors.messages.risk import RiskSnapshot
from domain.commands import BY_NAME, COMMANDS, nearest
from domain.content import Cell, Column, Table, pairs
from domain.health import Vitals, verdict
from domain.risk import is_loss_reached


def ping(sources: Sources, _: Followers, __: Call) -> Outcome:
    return done(f"pong {sources.clock.now():%Y-%m-%d %H:%M:%S} UTC")


def version(sources: Sources, _: Followers, __: Call) -> Outcome:
    return done(f"bulwark {sources.facts.version} on {sources.facts.env}")


def help_(_: Sources, __: Followers, call: Call) -> Outcome:
    """All commands, or one with its arguments."""
    name = str(call.values["command"] or "")
    if not name:
        return done(tables=(_commands(),))
    spec = BY_NAME.get(name)
    if spec is None:
        near = nearest(name)
        return refused(
            Refusal.UNKNOWN_COMMAND,
            f"There is no command {name}." + (f" Did you mean {near}?" if near else ""),
        )
    lines = [spec.usage, spec.help]
    lines += [f"{x.name}: {x.help}" for x in spec.arguments]
    if spec.is_confirmed:
        lines.append(f"It {spec.effect}, so it asks for confirmation.")
    return done(*lines, f"Example: {spec.example}")


def _commands() -> Table:
    return Table(
        key="commands",
        title="Commands",
        columns=(
            Column(key="usage", title="command"),
            Column(key="help", title="what it does"),
            Column(key="confirmed", title="asks first"),
        ),
        rows=tuple((x.usage, x.help, x.is_confirmed) for x in COMMANDS),
    )


def settings(sources: Sources, _: Followers, __: Call) -> Outcome:
    """As they were read at the start, secrets masked."""
    return done(
        tables=(
            Table(
                key="settings",
                title="Settings",
                columns=(
                    Column(key="setting", title="setting"),
                    Column(key="value", title="value"),
                ),
                rows=sources.facts.settings,
            ),
        )
    )


def status(sources: Sources, _: Followers, __: Call) -> Outcome:
    """What it is doing, whether it is well, and the day so far."""
    signs = snapshot(sources)
    vitals = signs.vitals
    facts: list[tuple[str, str, Cell]] = [
        ("mode", "mode", mode_of(signs)),
        ("venue", "venue", sources.facts.env),
        ("health", "health", _health_word(vitals)),
        ("session", "session", _session_word(vitals)),
        ("up_seconds", "up for", _duration(vitals.up_seconds)),
        ("open_trades", "open trades", signs.open_trades),
        ("positions", "positions", signs.positions),
        ("equity_usd", "equity USD", _cents(signs.equity_usd)),
        ("result_usd", "result today USD", _cents(signs.result_usd)),
        ("loss_limit_usd", "loss limit USD", _cents(signs.loss_limit_usd)),
        ("alerts_waiting", "alerts not delivered yet", signs.alerts_waiting),
        ("version", "version", sources.facts.version),
    ]
    return done(tables=(pairs("status", "Status", facts),))


def mode_of(signs: VitalsSnapshot) -> str:
    """One word for what the daemon does; what forbids most comes first."""
    vitals = signs.vitals
    is_day_lost = is_loss_reached(signs.result_usd, signs.loss_limit_usd)
    modes = (
        (vitals.is_flattening, "killed, going flat"),
        (vitals.killed_by is not None, "killed"),
        (bool(vitals.protect_only), "protect-only"),
        (bool(vitals.disk_troubles), "no entries: the disk cannot be written"),
        (vitals.has_session is False, "no entries: no session with the venue"),
        (vitals.is_reconciled is None, "execution does not answer"),
        (vitals.is_reconciled is False, "reconciling"),
        (vitals.paused_by is not None, "paused"),
        (is_day_lost, "no entries: the day's loss limit is reached"),
    )
    return next((word for holds, word in modes if holds), "trading")


def _health_word(vitals: Vitals) -> str:
    judged = verdict(vitals)
    return "well" if judged.is_well else "; ".join(x.text for x in judged.faults)


def _session_word(vitals: Vitals) -> Cell:
    if vitals.has_session is None:
        return None
    return "open" if vitals.has_session else "lost"


def _duration(seconds: float) -> str:
    whole = int(seconds)
    days, hours, minutes = whole // 86_400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s"


def _cents(value: Decimal | None) -> Decimal | None:
    return None if value is None else round(value, 2)


def health(sources: Sources, _: Followers, __: Call) -> Outcome:
    """The verdict with every reason; when it is bad, each actor, too."""
    signs = snapshot(sources)
    judged = verdict(signs.vitals)
    findings = Table(
        key="findings",
        title="Findings",
        columns=(
            Column(key="kind", title="kind"),
            Column(key="code", title="code"),
            Column(key="text", title="what"),
        ),
        rows=tuple(("fault" if x.is_fault else "note", x.code, x.text) for x in judged.findings),
    )
    if judged.is_well:
        return done("All is well.", tables=(findings,) if judged.findings else ())
    return done("NOT WELL.", tables=(findings, actors_table(signs)))


def actors_table(signs: VitalsSnapshot) -> Table:
    return Table(
        key="actors",
        title="Actors",
        columns=(
            Column(key="name", title="actor"),
            Column(key="alive", title="alive"),
            Column(key="waiting", title="waiting"),
            Column(key="busy_ms", title="busy ms"),
        ),
        rows=tuple(
            (
                x.name,
                x.is_alive,
                x.waiting,
                None if x.busy_seconds is None else round(x.busy_seconds * 1000),
            )
            for x in signs.vitals.actors
        ),
    )


def risk(sources: Sources, _: Followers, __: Call) -> Outcome:
    """Each limit with what is used of it."""
    view, book = sources.risk(), sources.book()
    if view is None:
        return refused(Refusal.BUSY, "Risk does not answer; try again.")
    trades = book.trades if book else ()
    notional = sum((x.plan.notional_usd for x in trades), Decimal(0))
    lost = None if view.result_usd is None else max(Decimal(0), -view.result_usd)
    limits = view.limits
    table = Table(
        key="limits",
        title="Limits",
        columns=(
            Column(key="limit", title="limit"),
            Column(key="used", title="used", digits=2),
            Column(key="most", title="at most", digits=2),
            Column(key="left", title="left", digits=2),
        ),
        rows=(
            _limit("loss of the day USD", lost, view.loss_limit_usd),
            _limit("open trades", len(trades), limits.max_open_trades),
            _limit("notional USD", notional, limits.max_notional_usd),
            (
                "trades per instrument",
                None,
                limits.max_trades_per_instrument,
                None,
            ),
        ),
    )
    lines = (f"Venue: {'open' if view.venue_is_open else 'NOT OPEN'}.", *_locks(sources))
    return done(*lines, tables=(table, _day(view)))


def _limit(name: str, used: Decimal | int | None, most: Decimal | int | None) -> tuple[Cell, ...]:
    left = None if used is None or most is None else most - used
    return (name, used, most, left)


def _locks(sources: Sources) -> tuple[str, ...]:
    """What forbids entries at present."""
    mode = mode_of(snapshot(sources))
    return () if mode == "trading" else (f"No entries: {mode.removeprefix('no entries: ')}.",)


def _day(view: RiskSnapshot) -> Table:
    day = view.day
    rows: list[tuple[str, str, Cell]] = [
        ("day", "trading day", day.day if day else None),
        ("began_usd", "equity when it began USD", _cents(day.usd) if day else None),
        ("equity_usd", "equity now USD", _cents(view.equity_usd)),
        ("result_usd", "result USD", _cents(view.result_usd)),
    ]
    return pairs("day", "The day", rows)


STATES: Mapping[str, Callable[[Sources, Followers, Call], Outcome]] = {
    "ping": ping,
    "version": version,
    "help": help_,
    "settings": settings,
    "status": status,
    "health": health,
    "risk": risk,
}
"""Who answers what."""
