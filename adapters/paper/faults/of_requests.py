"""Faults that strike requests: on the way there, at the venue, on the way back."""

from dataclasses import dataclass
from typing import Literal

from adapters.paper.faults.common import ANY, Applied, Delay, Fault
from adapters.paper.faults.kinds import Fraction, ServerError, Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class OfRequests(Fault):
    """Strikes requests: those whose method, label and way of coming in match.

    ``methods`` and ``labels`` are patterns such as ``private/*`` and ``bw.*.sl.*``; a request
    without a label has an empty one.
    """

    methods: Texts = ANY
    labels: Texts = ANY
    transport: Literal["any", "http", "websocket"] = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency(OfRequests):
    """Requests take time on their way ``out``, replies on their way ``back``; ``both`` draws twice.

    On one websocket nothing overtakes anything, as on any TCP connection.
    """

    kind: Literal["latency"] = "latency"
    delay: Delay
    way: Literal["out", "back", "both"] = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLost(OfRequests):
    """The request never arrives, and nobody answers."""

    kind: Literal["request_lost"] = "request_lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyLost(OfRequests):
    """The request is carried out, and nobody answers."""

    kind: Literal["reply_lost"] = "reply_lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(OfRequests):
    """The venue answers with an error.

    ``applied``: it did what was asked all the same, which only a code that leaves the outcome
    open allows. 10028 ends the session and hangs up.
    """

    kind: Literal["error"] = "error"
    code: Literal[10028, 10040, 10041, 10047, 10050, 11051, 11094, 13009, 13028, 13888]
    applied: Applied = False

    def __post_init__(self) -> None:
        Fault.__post_init__(self)
        if self.applied and self.code in PROVES_NOTHING_HAPPENED:
            raise ValueError(f"{self.code} proves that nothing happened: applied must be false")


PROVES_NOTHING_HAPPENED = frozenset({10041, 10047, 11051, 13009})
"""Refusals before the matching engine: a venue that sends one did nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpError(OfRequests):
    """The edge before the venue answers HTTP with a page of HTML. Not over a websocket."""

    kind: Literal["http_error"] = "http_error"
    status: ServerError = 502
    applied: Applied = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncated(OfRequests):
    """The request is carried out; of the reply only the first part comes, which is no JSON."""

    kind: Literal["truncated"] = "truncated"
    keep: Fraction = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenOff(OfRequests):
    """The connection breaks while the request is under way: before it arrived, or after."""

    kind: Literal["broken_off"] = "broken_off"
    applied: Applied = "random"
