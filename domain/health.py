"""Is all well? One verdict over what the daemon knows of itself, with every reason.

Used by the health command, `/healthz` and whoever pings the outside monitor. A fault means that
the daemon does not do what it is for, or cannot know whether it does. A note is a state a person
chose, or should know of: a killed bot that is flat does its work.
"""

from dataclasses import dataclass

LOOKS_MISSED = 3
"""Looks at the account missed in a row beyond which nothing is known of it."""
BUSY_SECONDS = 10.0
"""An actor that works on one message for longer does not work."""
WAITING_MESSAGES = 1000
STARTING_SECONDS = 60.0
UNCOVERED_SECONDS = 1.0
"""One look proves nothing: fills move between its reads."""
STALE_PRICE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorVitals:
    """One actor: messages waiting, seconds on the present one (None: idle), is it alive."""

    name: str
    waiting: int
    busy_seconds: float | None
    is_alive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncovered:
    """A position with less stop than contracts: ``missing`` of ours, ``foreign`` of nobody."""

    instrument: str
    missing: int
    foreign: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """Everything the verdict looks at. None: not known, because nobody answered in time."""

    up_seconds: float
    actors: tuple[ActorVitals, ...]
    has_session: bool | None
    is_reconciled: bool | None
    protect_only: str | None
    disk_troubles: tuple[str, ...] | None
    is_flattening: bool | None
    killed_by: str | None
    paused_by: str | None
    has_book: bool
    look_age_seconds: float | None
    poll_seconds: float
    uncovered: tuple[Uncovered, ...]
    drifting: tuple[str, ...]
    price_age_seconds: float | None
    dead_letters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One reason. ``code`` is stable, ``text`` is for a person."""

    code: str
    text: str
    is_fault: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Well when no finding is a fault."""

    findings: tuple[Finding, ...]

    @property
    def is_well(self) -> bool:
        return not any(x.is_fault for x in self.findings)

    @property
    def faults(self) -> tuple[Finding, ...]:
        return tuple(x for x in self.findings if x.is_fault)


def verdict(vitals: Vitals) -> Verdict:
    """Every finding, faults first."""
    found = [
        *_actors(vitals),
        *_venue(vitals),
        *_protection(vitals),
        *_disk(vitals),
        *_states(vitals),
    ]
    return Verdict(findings=tuple(sorted(found, key=lambda x: not x.is_fault)))


def _fault(code: str, text: str) -> Finding:
    return Finding(code=code, text=text, is_fault=True)


def _note(code: str, text: str) -> Finding:
    return Finding(code=code, text=text, is_fault=False)


def _actors(vitals: Vitals) -> list[Finding]:
    found: list[Finding] = []
    for actor in vitals.actors:
        if not actor.is_alive:
            found.append(_fault("actor_down", f"{actor.name} is down and being restarted"))
        elif actor.busy_seconds is not None and actor.busy_seconds > BUSY_SECONDS:
            text = f"{actor.name} works on one message for {actor.busy_seconds:.0f} s"
            found.append(_fault("actor_hangs", text))
        elif actor.waiting > WAITING_MESSAGES:
            text = f"{actor.waiting} messages wait for {actor.name}"
            found.append(_fault("mailbox_full", text))
    return found


def _venue(vitals: Vitals) -> list[Finding]:
    found: list[Finding] = []
    is_starting = vitals.up_seconds < STARTING_SECONDS
    if vitals.is_reconciled is None:
        found.append(_fault("execution_silent", "Execution does not answer"))
    elif not vitals.is_reconciled and not vitals.protect_only:
        if is_starting:
            found.append(_fault("starting", "book and venue are being compared"))
        else:
            found.append(_fault("not_reconciled", "book and venue do not agree yet"))
    if vitals.protect_only:
        found.append(_fault("protect_only", f"no entries: {vitals.protect_only}"))
    if vitals.has_session is False:
        found.append(_fault("no_session", "no session with the venue"))
    age = vitals.look_age_seconds
    if age is None:
        found.append(_fault("account_unread", "the account was not read yet"))
    elif age > LOOKS_MISSED * vitals.poll_seconds + 1:
        found.append(_fault("account_unread", f"the account was last read {age:.0f} s ago"))
    price_age = vitals.price_age_seconds
    if price_age is not None and price_age > STALE_PRICE_SECONDS:
        found.append(_fault("prices_stale", f"the newest price is {price_age:.0f} s old"))
    return found


def _protection(vitals: Vitals) -> list[Finding]:
    found: list[Finding] = []
    for each in vitals.uncovered:
        if each.seconds < UNCOVERED_SECONDS:
            continue
        if each.missing > 0:
            text = f"{each.instrument}: {each.missing} contracts without a stop"
            found.append(_fault("unprotected", f"{text} for {each.seconds:.0f} s"))
        if each.foreign > 0:
            text = f"{each.instrument}: {each.foreign} contracts that are not ours have no stop"
            found.append(_note("foreign_unprotected", text))
    if vitals.drifting:
        names = ", ".join(vitals.drifting)
        found.append(_note("foreign_position", f"positions that are not all ours: {names}"))
    return found


def _disk(vitals: Vitals) -> list[Finding]:
    found = [
        _fault("disk", f"{what} cannot be written: no entries")
        for what in vitals.disk_troubles or ()
    ]
    if not vitals.has_book:
        found.append(_fault("registry_silent", "the Registry does not answer"))
    return found


def _states(vitals: Vitals) -> list[Finding]:
    found: list[Finding] = []
    if vitals.killed_by is not None:
        found.append(_note("killed", f"killed by {vitals.killed_by}: no entries"))
    if vitals.is_flattening:
        found.append(_note("flattening", "the account is being driven flat"))
    if vitals.paused_by is not None:
        found.append(_note("paused", f"paused by {vitals.paused_by}: no entries"))
    if vitals.dead_letters:
        found.append(_note("dead_letters", f"{vitals.dead_letters} messages could not be handled"))
    return found
