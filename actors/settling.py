"""Settling a drift: the account is not the sum of our trades, so what happened is read again.

A drift is looked into once. If all fills of the instrument do not explain it, the rest belongs
to nobody of us.
"""

from collections.abc import Sequence
from typing import Any

from actors.ports import NotSent, OutcomeUnknown, Rejected, Venue
from actors.routing import Share, shared_out_again
from actors.trade_truth import since_ms
from domain.trade import Trade


class DriftSettler:
    """Remembers which drifts were looked into, per instrument."""

    def __init__(self, venue: Venue, log: Any) -> None:
        self._venue = venue
        self._log = log
        self._settled: dict[str, int] = {}
        self.unread: dict[str, int] = {}
        """Drifts whose story could not be read yet: residual per instrument."""

    def is_news(self, instrument: str, residual: int) -> bool:
        """Whether this drift was not looked into yet (``residual`` in signed contracts)."""
        return self._settled.get(instrument) != residual

    def forget(self, instrument: str) -> None:
        """Book and venue agree."""
        self._settled.pop(instrument, None)
        self.unread.pop(instrument, None)

    def settle(
        self, instrument: str, residual: int, trades: Sequence[Trade]
    ) -> tuple[Share, ...] | None:
        """What belongs to these trades after all; None when it cannot be said yet."""
        story = self._story(instrument, trades) if trades else ()
        if story is None:
            self.unread[instrument] = residual
            return None
        self.unread.pop(instrument, None)
        self._settled[instrument] = residual
        return story

    def _story(self, instrument: str, trades: Sequence[Trade]) -> tuple[Share, ...] | None:
        """Fills only add up to a position that does not move while they are read."""
        try:
            before = self._position(instrument)
            fills = self._venue.fills(instrument, min(since_ms(trade) for trade in trades))
            after = self._position(instrument)
        except (Rejected, NotSent, OutcomeUnknown) as error:
            self._log.warning("drift_unreadable", instrument=instrument, error=str(error))
            return None
        return shared_out_again(fills, trades, after) if before == after else None

    def _position(self, instrument: str) -> int:
        held = (x.contracts for x in self._venue.positions() if x.instrument_name == instrument)
        return next(held, 0)
