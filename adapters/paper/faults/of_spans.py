"""Faults that last: maintenance, closed books, a wrong clock, thin books and wild prices."""

from dataclasses import dataclass
from typing import Literal

from adapters.paper.faults.common import ANY, Fault
from adapters.paper.faults.kinds import Distance, Percent, Positive, Shift, SizePercent, Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class OfSpans(Fault):
    """Lasts for a while from each of its moments; without any, from ``after`` to ``until``."""

    lasts: Positive | None = None

    def __post_init__(self) -> None:
        Fault.__post_init__(self)
        if self.has_moments and self.lasts is None:
            raise ValueError("give lasts, or leave at, every and rate_per_hour out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance(OfSpans):
    """The venue is in maintenance: 11051 to everything but the time and the status.

    ``platform_state`` says when it begins and ends; with ``hangs_up`` every websocket breaks at
    its beginning.
    """

    kind: Literal["maintenance"] = "maintenance"
    hangs_up: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BookState(OfSpans):
    """The books of ``instruments`` are in another state; ``locked`` takes cancels only."""

    kind: Literal["book_state"] = "book_state"
    state: Literal["locked", "halted", "inactive"]
    instruments: Texts = ANY


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSkew(OfSpans):
    """The venue's clock is ahead by ``by``, or behind when it is negative."""

    kind: Literal["clock_skew"] = "clock_skew"
    by: Shift


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinBook(OfSpans):
    """Every level of the book holds ``size_percent`` of the usual."""

    kind: Literal["thin_book"] = "thin_book"
    size_percent: SizePercent = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FlashCrash(OfSpans):
    """Index prices move by ``percent`` and come back.

    Down within a tenth of the time, back in its second half. A positive percentage is a spike.
    """

    kind: Literal["flash_crash"] = "flash_crash"
    percent: Percent
    indexes: Texts = ANY

    def __post_init__(self) -> None:
        OfSpans.__post_init__(self)
        if self.lasts is None and self.until is None:
            raise ValueError("give lasts, or until: a crash has an end")


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerStorm(OfSpans):
    """Index prices swing by ``percent`` up and down, once a ``period``: near triggers fire."""

    kind: Literal["trigger_storm"] = "trigger_storm"
    percent: Distance
    period: Positive = 4000
    indexes: Texts = ANY
