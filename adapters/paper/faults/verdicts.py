"""Which faults concern what, and what they make of it."""

from fnmatch import fnmatchcase

from adapters.paper.faults.chance import Strike
from adapters.paper.faults.common import ANY, Applied, Fault
from adapters.paper.faults.fates import UNTOUCHED, Answer, Asked, Fate
from adapters.paper.faults.of_news import OfNotifications
from adapters.paper.faults.of_requests import (
    BrokenOff,
    HttpError,
    Latency,
    OfRequests,
    Refused,
    ReplyLost,
    RequestLost,
    Truncated,
)


def matches(fault: Fault, asked: Asked) -> bool:
    """Whether a fault of requests concerns this one."""
    if not isinstance(fault, OfRequests):
        return False
    is_websocket = bool(asked.line)
    if fault.transport != "any" and (fault.transport == "websocket") != is_websocket:
        return False
    if isinstance(fault, HttpError) and is_websocket:
        return False
    return _any(fault.methods, asked.method) and _any(fault.labels, asked.label)


def _any(patterns: tuple[str, ...], text: str) -> bool:
    return patterns == ANY or any(fnmatchcase(text, pattern) for pattern in patterns)


def is_of(fault: Fault, channel: str) -> bool:
    """Whether a fault of notifications concerns this channel."""
    return isinstance(fault, OfNotifications) and _any(fault.channels, channel)


def is_of_the_wire(fault: Fault) -> bool:
    """Whether a latency is the wire's own, and so notifications have it too."""
    if not isinstance(fault, Latency) or fault.way == "out" or fault.transport == "http":
        return False
    return fault.methods == ANY and fault.labels == ANY


def verdict(strike: Strike) -> Fate:
    """What a fault that struck a request makes of it; a latency makes nothing of it."""
    fault = strike.fault
    match fault:
        case RequestLost():
            return Fate(is_run=False, answer=Answer.NOTHING)
        case ReplyLost():
            return Fate(answer=Answer.NOTHING)
        case Refused():
            run = _is_applied(fault.applied, strike)
            return Fate(is_run=run, answer=Answer.ERROR, code=fault.code)
        case HttpError():
            run = _is_applied(fault.applied, strike)
            return Fate(is_run=run, answer=Answer.PAGE, status=fault.status)
        case Truncated():
            return Fate(answer=Answer.PART, keep=fault.keep)
        case BrokenOff():
            return Fate(is_run=_is_applied(fault.applied, strike), answer=Answer.BREAK)
        case _:
            return UNTOUCHED


def _is_applied(applied: Applied, strike: Strike) -> bool:
    return strike.dice.part() < 0.5 if applied == "random" else applied
