"""What happens to a simulated daemon besides what its venue does to it: plain frozen values.

A script is a list of these and of the venue's own faults (`adapters.paper.faults`), each at its
moment and under a name of its own, so that a script that fails can be made shorter by leaving
some of them out. Times are seconds, shares are fractions.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Opens:
    """Somebody asks for a bracket. Stop and target stand so far from the mark.

    ``break_even`` is how far the price has to go until the stop moves there, ``trail`` how far
    behind it follows; parts of the price, all of them.
    """

    kind: ClassVar[str] = "open"
    instrument: str
    side: str
    usd: int
    stop: float
    target: float | None
    limit: float | None = None
    break_even: float | None = None
    trail: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Closes:
    """Somebody asks to close an open trade: ``which`` picks one."""

    kind: ClassVar[str] = "close"
    which: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kills:
    """Somebody kills; after ``resume_after`` it is ended, as soon as that is allowed."""

    kind: ClassVar[str] = "kill"
    resume_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """The price of everything jumps by this share, and stays."""

    kind: ClassVar[str] = "move"
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Crashes:
    """``kill -9`` after so many switch points; a new process ``down`` seconds later.

    With ``power_cut`` the machine itself stops, and forgets what was not synced.
    """

    kind: ClassVar[str] = "crash"
    steps: int
    down: float
    power_cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stops:
    """An ordered stop, and a new process."""

    kind: ClassVar[str] = "stop"
    down: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Raises:
    """The ``nth`` message to this actor from now on makes its handler raise.

    ``after`` the handler has done its work, or before.
    """

    kind: ClassVar[str] = "raise"
    actor: str
    nth: int
    after: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Hangs:
    """This actor works on its next message for so long."""

    kind: ClassVar[str] = "hang"
    actor: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskTrouble:
    """The disk is full, fails to sync, or is slow (so many seconds an operation), for a while."""

    kind: ClassVar[str] = "disk"
    trouble: str
    lasts: float
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """The network swallows everything, for a while."""

    kind: ClassVar[str] = "partition"
    lasts: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfOpen:
    """The connection takes requests and brings nothing, until somebody notices."""

    kind: ClassVar[str] = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deafness:
    """Notifications do not come, requests do, for a while."""

    kind: ClassVar[str] = "deaf"
    lasts: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneOff:
    """Nobody can be told anything, for a while."""

    kind: ClassVar[str] = "notifier"
    lasts: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbles:
    """Something on the way drops ``field`` from the next stop that is sent (race 44)."""

    kind: ClassVar[str] = "garble"
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Strays:
    """An order of an earlier life turns up: a label of ours, of a trade that no book knows."""

    kind: ClassVar[str] = "stray"
    instrument: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondInstance:
    """Somebody starts the bot a second time on the same folder."""

    kind: ClassVar[str] = "second"


Wish = Opens | Closes | Kills | Moves
"""What belongs to life itself and is no fault."""
Mishap = (
    Crashes
    | Stops
    | Raises
    | Hangs
    | DiskTrouble
    | Partition
    | HalfOpen
    | Deafness
    | PhoneOff
    | Garbles
    | Strays
    | SecondInstance
)
