"""The daemon's vital signs, gathered from what answers; what does not answer is a sign, too."""

from actors.desk_sources import Sources
from actors.kernel import System
from actors.messages.desk import VitalsSnapshot
from domain.health import ActorVitals, Vitals


def snapshot(sources: Sources) -> VitalsSnapshot:
    """Everything health and metrics are made of, as it is now."""
    book, execution, risk = sources.book(), sources.execution(), sources.risk()
    look, now = sources.look, sources.clock.now()
    kill = (book.kill if book else None) or (execution.kill if execution else None)
    newest = max(risk.seen_at, default=None) if risk else None
    return VitalsSnapshot(
        at=now,
        vitals=Vitals(
            up_seconds=(now - sources.started_at).total_seconds(),
            actors=actors(sources.system),
            has_session=execution.has_session if execution else None,
            is_reconciled=execution.is_reconciled if execution else None,
            protect_only=execution.protect_only if execution else None,
            disk_troubles=execution.disk_troubles if execution else None,
            is_flattening=execution.is_flattening if execution else None,
            killed_by=kill.by if kill else None,
            paused_by=book.pause.by if book and book.pause else None,
            has_book=book is not None,
            look_age_seconds=(now - look.at).total_seconds() if look else None,
            poll_seconds=sources.facts.poll_seconds,
            uncovered=sources.uncovered(),
            drifting=sources.drifting(),
            price_age_seconds=(now - newest).total_seconds() if newest else None,
            dead_letters=sources.system.dead_letter_count,
        ),
        equity_usd=risk.equity_usd if risk else None,
        result_usd=risk.result_usd if risk else None,
        loss_limit_usd=risk.loss_limit_usd if risk else None,
        max_open_trades=risk.limits.max_open_trades if risk else None,
        open_trades=len(book.trades) if book else None,
        positions=len(look.positions) if look else None,
        alerts_waiting=sum(x.delivered_at is None for x in book.outbox) if book else None,
        requests_left=sources.venue.budget_left(),
        reports_dropped=sum(x.dropped for x in sources.system.addresses()),
    )


def actors(system: System) -> tuple[ActorVitals, ...]:
    """Every actor that lives, or should."""
    now = system.clock.monotonic()
    found: list[ActorVitals] = []
    for address in system.addresses():
        incumbent = system.incumbents.get(address.name)
        if not address.is_open:
            continue  # ended for good, or never meant to live
        since = incumbent.working_since if incumbent else None
        found.append(
            ActorVitals(
                name=address.name,
                waiting=address.mailbox.qsize(),
                busy_seconds=None if since is None else max(0.0, now - since),
                is_alive=incumbent is not None and not incumbent.has_ended,
            )
        )
    return tuple(sorted(found, key=lambda x: x.name))
