"""How long a trade waits for the venue's answers: never past the deadline of its protection.

An actor that waits cannot act. A reply that is lost must leave time to find out what became of
the order, to send it again, and to close at market on the deadline at the latest.
"""

from actors.ports import Clock, Venue
from domain.steps import BracketPolicy
from domain.trade import Line, Trade

LEAST_SECONDS = 0.25
"""What an answer is waited for at least, however near the deadline is."""
TRIES_BEFORE_DEADLINE = 3
LOOK_SECONDS = 15.0
"""What a look may take when no deadline runs, or when it is over."""


class Patience:
    """The venue, as impatient as the trade's situation asks for."""

    def __init__(self, venue: Venue, policy: BracketPolicy, clock: Clock) -> None:
        self._venue = venue
        self._deadline = policy.protection_deadline
        self._child = policy.patience_for_children
        self._clock = clock

    def for_orders(self, trade: Trade) -> Venue:
        """Waits so long that an order can be tried again before the deadline.

        An entry counts: what it filled is bare until its reply, or the news of it, is heard. So
        does what closes: it is wanted now, and a lost reply to a cancel must not hold it up.
        """
        is_closing = trade.exit_reason is not None
        is_quiet = trade.entered > 0 and trade.exposed_since is None and not is_closing
        return self._venue if is_quiet else self._venue.within(self._for_one())

    def for_reads(self, trade: Trade, line: Line | None = None) -> Venue:
        """Waits no longer than the deadline allows, all reads of a look together.

        Whoever has to look is in doubt, and may be bare without knowing it: every look is brisk.
        A linked ``line`` is waited for no longer than before it is placed by ourselves: what it
        became may be told in a message that waits meanwhile.
        """
        left = 0.0
        if trade.exposed_since is not None:
            allowed = self._child if line is not None and line.is_slot else self._deadline
            left = allowed - (self._clock.now() - trade.exposed_since).total_seconds()
        return self._venue.within(max(LEAST_SECONDS, left) if left > 0 else LOOK_SECONDS)

    def _for_one(self) -> float:
        return max(LEAST_SECONDS, self._deadline / TRIES_BEFORE_DEADLINE)
