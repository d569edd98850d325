"""What the watchers see: portfolio, protection, drift, orphans."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from actors.messages.base import Command, Due, Event, Message
from domain.orders import Account, Order, Position
from domain.watch import Drift


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioObserved(Message):
    """One fresh, complete look at the account (told, not logged).

    ``orders`` has everything resting, triggers included; ``began_monotonic`` is when the first
    of its reads was sent (seconds). ``drifts`` are the instruments where the account is not the
    sum of our trades; None when a trade changed during the look, which then says nothing.
    """

    positions: tuple[Position, ...]
    orders: tuple[Order, ...]
    accounts: tuple[Account, ...]
    drifts: tuple[Drift, ...] | None
    began_monotonic: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAtAccount(Command):
    """Asks the watcher to look now rather than at its next turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookDue(Due):
    """Time to look at the account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondLookDue(Due):
    """Time to confirm what the last look seemed to find."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftDue(Due):
    """Time to have read again what happened where that could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepDue(Due):
    """Time to look for orphans."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmDue(Due):
    """Time for the second sighting of what a sweep has found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionDoubted(Message):
    """One look saw a position without enough stop (told, not logged).

    It may have been between a fill and its stop, so nobody is alarmed yet; but the trades there
    compare themselves with the venue, which costs three reads and saves half a second.
    """

    instrument: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionMissing(Event):
    """A position rests without enough stop, seen on the venue. Contracts are signed.

    ``ours`` is what our trades hold there by the book.
    """

    level: ClassVar[str] = "critical"
    instrument: str
    position: int
    ours: int
    cover: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionRestored(Event):
    """The position is covered again, or gone."""

    level: ClassVar[str] = "warning"
    instrument: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionDrifted(Event):
    """The venue's position is not the sum of our trades. ``residual`` belongs to nobody of us."""

    level: ClassVar[str] = "error"
    instrument: str
    venue: int
    ledger: int
    residual: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionAgreed(Event):
    """Venue and ledger agree again."""

    instrument: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LookFailed(Event):
    """The account could not be read; nothing is concluded from that."""

    level: ClassVar[str] = "warning"
    error: str
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphanCancelled(Event):
    """An order of ours outlived its trade and was cancelled."""

    level: ClassVar[str] = "warning"
    money: ClassVar[bool] = True
    instrument: str
    order_id: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphanKept(Event):
    """An orphan is left alone because it is the last stop of a position."""

    level: ClassVar[str] = "error"
    instrument: str
    order_id: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardPlaced(Event):
    """A position that is not ours has a stop of ours, of this size."""

    level: ClassVar[str] = "warning"
    money: ClassVar[bool] = True
    instrument: str
    label: str
    contracts: int
    trigger_price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRemoved(Event):
    """A guard is not needed any more and was cancelled."""

    money: ClassVar[bool] = True
    instrument: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardFailed(Event):
    """A guard could not be placed, changed or removed; the next look tries again."""

    level: ClassVar[str] = "error"
    instrument: str
    contracts: int
    error: str
