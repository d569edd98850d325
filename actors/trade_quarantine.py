"""A trade that a person has to look at says so: when nothing is left to be done, or it lasts."""

from collections.abc import Callable

from actors.ports import Clock
from actors.trade_log import Announcer
from domain.steps import Do, Step
from domain.trade import Trade, TradeState
from domain.trade_states import state_of

LASTS_SECONDS = 60.0
"""By then the venue shows every fill; what is not cleared up is told, whatever it waits for."""


class Quarantine:
    """Watches one trade. ``wake_by`` has it looked at after so many seconds."""

    def __init__(
        self, announce: Announcer, clock: Clock, *, wake_by: Callable[[float], None]
    ) -> None:
        self._announce = announce
        self._clock = clock
        self._wake_by = wake_by
        self._until: float | None = None
        self._told: int | None = None

    def look(self, trade: Trade, step: Step | None) -> None:
        """Tells it once, and again when it is about another size, or anew."""
        if state_of(trade) is not TradeState.QUARANTINED:
            self._until = self._told = None
            return
        now = self._clock.monotonic()
        # A moment, not what is left of a span: that may round to a time that does not pass.
        self._until = now + LASTS_SECONDS if self._until is None else self._until
        if now < self._until and (step is None or step.do is not Do.QUARANTINE):
            self._wake_by(self._until - now)
        elif trade.position != self._told:
            self._told = trade.position
            self._announce.quarantined(trade)
