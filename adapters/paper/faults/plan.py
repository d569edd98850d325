"""A fault plan: what goes wrong at the exchange, when, to which requests, and how often.

Plain frozen values, one class per kind; their fields are the keys of a plan file, durations in
milliseconds. A plan may be made smaller by leaving faults out: what chance decides for one fault
does not depend on the others. ``docs/faults.md`` has an example of each kind.
"""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, TypeAlias

from pydantic import ConfigDict, Field

from adapters.paper.faults.common import STRICT
from adapters.paper.faults.of_moments import (
    Disconnected,
    HumanCancelsStop,
    HumanCancelsTarget,
    HumanCloses,
    HumanMovesStop,
    HumanOpens,
    HumanOrders,
    PriceGap,
    TokensRevoked,
)
from adapters.paper.faults.of_news import (
    ConnectionRefused,
    NotificationDelayed,
    NotificationDuplicated,
    NotificationLost,
    NotificationReordered,
)
from adapters.paper.faults.of_requests import (
    BrokenOff,
    HttpError,
    Latency,
    Refused,
    ReplyLost,
    RequestLost,
    Truncated,
)
from adapters.paper.faults.of_spans import (
    BookState,
    ClockSkew,
    FlashCrash,
    Maintenance,
    ThinBook,
    TriggerStorm,
)

AnyFault: TypeAlias = Annotated[
    Latency
    | RequestLost
    | ReplyLost
    | Refused
    | HttpError
    | Truncated
    | BrokenOff
    | NotificationLost
    | NotificationDelayed
    | NotificationDuplicated
    | NotificationReordered
    | ConnectionRefused
    | Disconnected
    | TokensRevoked
    | PriceGap
    | HumanCloses
    | HumanMovesStop
    | HumanCancelsStop
    | HumanCancelsTarget
    | HumanOpens
    | HumanOrders
    | Maintenance
    | BookState
    | ClockSkew
    | ThinBook
    | FlashCrash
    | TriggerStorm,
    Field(discriminator="kind"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """Faults under names that differ. ``seed`` moves all chance at once."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    seed: int = 0
    fault: tuple[AnyFault, ...] = ()

    def __post_init__(self) -> None:
        names = [each.name for each in self.fault if each.name]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two faults are called {twice[0]!r}")

    def named(self) -> "FaultPlan":
        """The same plan with a name for each fault: its kind and a number."""
        taken = {each.name for each in self.fault}
        faults: list[AnyFault] = []
        for each in self.fault:
            name = each.name or _free(each.kind, taken)
            taken.add(name)
            faults.append(replace(each, name=name))
        return replace(self, fault=tuple(faults))

    def without(self, *names: str) -> "FaultPlan":
        """The plan with these faults left out; the others happen as before."""
        return replace(self, fault=tuple(x for x in self.fault if x.name not in names))


def _free(kind: str, taken: set[str]) -> str:
    number = 1
    while f"{kind}-{number}" in taken:
        number += 1
    return f"{kind}-{number}"
