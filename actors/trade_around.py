"""What stands around a trade's steps, and two things every kind of step asks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from actors.kernel import Address
from actors.messages.trading import CatalogueDue
from actors.ports import Clock, Rejected, Venue
from domain import venue_codes
from domain.instruments import Instrument
from domain.steps import BracketPolicy, Step
from domain.trade import Line

VALID_MS = 1_500


@dataclass(slots=True, kw_only=True)
class Surroundings:
    """What a trade's steps need around them. ``wake_by`` arms a look after so many seconds.

    The instrument may change while the trade lives. ``is_unfit``: its contracts are no fraction of
    those the trade counts in, so that nothing is sent but a stop that is missing.
    """

    venue: Venue
    instrument: Instrument
    policy: BracketPolicy
    clock: Clock
    log: Any
    emit: Callable[..., Any]
    execution: Address
    wake_by: Callable[[float], None]
    is_unfit: bool = False

    def valid_until_ms(self) -> int:
        """Until when (server time) the venue may begin on what is sent now, entries excepted.

        Longer than a round trip, shorter than it takes until a lost request is looked into.
        """
        return self.venue.server_now_ms() + VALID_MS

    def refused(self, code: int) -> None:
        """Has the contract data read again if they may be what was refused."""
        if code in venue_codes.STALE_CONTRACT_DATA:
            self.read_contracts("contract data refused")

    def read_contracts(self, cause: str) -> None:
        """Has the contract data read again; what is found comes as `InstrumentRead`."""
        self.execution.tell(CatalogueDue(at=self.clock.now(), cause=cause))


def needs_login(error: Exception) -> bool:
    """Whether it was refused for the token's sake alone."""
    return isinstance(error, Rejected) and error.code in venue_codes.NEEDS_LOGIN


def line_of(step: Step) -> Line:
    """The order a step is about."""
    if step.line is None:
        raise ValueError(f"{step.do} without an order")
    return step.line
