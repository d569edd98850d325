"""Settling a drift: the account is not the sum of our trades, so what happened is read again.

A drift is looked into once, and once more when the venue shows every fill there was. What they
do not explain belongs to nobody of us. Trades that hold what the venue does not have are looked
into again until a fill explains it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from actors.messages.trading import StoryReport
from actors.ports import Clock, NotSent, OutcomeUnknown, Rejected, Venue
from actors.routing import ReportRouter
from actors.trade_house import TradeHouse
from actors.trade_truth import since_ms
from domain.contract_sizes import alike
from domain.story import Story, is_untold, shared_out_again
from domain.trade import Trade
from domain.watch import Drift

RETRY_SECONDS, LONGEST_RETRY = 1.0, 15.0
READ_SECONDS = 3.0
"""What the reads of a story may take together: meanwhile nobody's fills go home, and no kill.
After each time that it was not enough, so much more, up to five times as much."""
FILLS_SHOWN_MS = 60_000
"""After so long the venue shows every fill; what none of them tells was there before."""


@dataclass(frozen=True, slots=True)
class _Settled:
    """A drift that was looked into; ``again_at_ms`` is when that is to be repeated, if at all."""

    drift: Drift
    again_at_ms: int | None


class DriftSettler:
    """Remembers which drifts were looked into, per instrument."""

    def __init__(self, venue: Venue, log: Any) -> None:
        self._venue = venue
        self._log = log
        self._settled: dict[str, _Settled] = {}
        self._denied_since: dict[str, int] = {}
        self._unreadable = 0
        self.unread: dict[str, Drift | None] = {}
        """Instruments whose story is to be read: what drifts there, or None when trades guess."""

    def is_news(self, drift: Drift) -> bool:
        """Whether this drift was not looked into yet."""
        settled = self._settled.get(drift.instrument_name)
        return settled is None or settled.drift != drift

    def is_due(self, drift: Drift) -> bool:
        """Whether it has to be looked into once more: fills may have been too new to be shown."""
        settled = self._settled.get(drift.instrument_name)
        if settled is None or settled.drift != drift or settled.again_at_ms is None:
            return False
        return self._venue.server_now_ms() >= settled.again_at_ms

    def forget(self, instrument: str) -> None:
        """Book and venue agree; what trades guess is a guess nevertheless."""
        self._settled.pop(instrument, None)
        self._denied_since.pop(instrument, None)
        if instrument in self.unread:
            self.unread[instrument] = None

    def settle(
        self, name: str, drift: Drift | None, trades: Sequence[Trade], ended: Sequence[Trade]
    ) -> Story | None:
        """What belongs to these trades after all; None when it cannot be read now.

        ``ended`` are those that were open beside them.
        """
        self.unread[name] = drift
        if not trades:
            self._denied_since.pop(name, None)
        story = self._story(name, trades, ended) if trades else Story()
        if story is not None and name not in self._denied_since:
            del self.unread[name]
            if drift is not None:
                again = None
                if self.is_news(drift):
                    again = self._venue.server_now_ms() + FILLS_SHOWN_MS
                self._settled[name] = _Settled(drift, again)
        return story

    def _story(
        self, instrument: str, trades: Sequence[Trade], ended: Sequence[Trade]
    ) -> Story | None:
        """Fills only add up to a position that does not move while they are read."""
        venue = self._venue.within(READ_SECONDS * min(1 + self._unreadable, 5))
        try:
            before = _position(venue, instrument)
            fills = venue.fills(instrument, min(since_ms(trade) for trade in trades))
            after = _position(venue, instrument)
        except (Rejected, NotSent, OutcomeUnknown) as error:
            self._unreadable += 1
            self._log.warning("drift_unreadable", instrument=instrument, error=str(error))
            return None
        self._unreadable = 0
        contracts, size = after
        both, fills, times = alike((*trades, *ended), fills, size)
        trades, ended = both[: len(trades)], both[len(trades) :]
        if before != after or is_untold(fills, trades):
            return None
        is_whole = self._is_denied_for_long(instrument, contracts, trades)
        position = contracts * times
        story = shared_out_again(fills, trades, position, ended=ended, is_whole=is_whole)
        known = {x.trade_id for trade in trades for x in trade.fills}
        if is_whole or any(x.fill.trade_id not in known for x in story.shares):
            self._denied_since.pop(instrument, None)
        return story

    def _is_denied_for_long(self, instrument: str, position: int, trades: Sequence[Trade]) -> bool:
        """Whether the trades have held for a while what the venue does not have.

        Some fill must tell of it, though the venue may not show it yet.
        """
        held = sum(trade.signed_position for trade in trades)
        if held == 0 or held * position > 0:
            self._denied_since.pop(instrument, None)
            return False
        now_ms = self._venue.server_now_ms()
        return now_ms - self._denied_since.setdefault(instrument, now_ms) > FILLS_SHOWN_MS


def _position(venue: Venue, instrument: str) -> tuple[int, Decimal | None]:
    """Signed contracts, and the size of one; none at all when it is flat."""
    held = (x for x in venue.positions() if x.instrument_name == instrument)
    return next(((x.contracts, x.contract_size) for x in held), (0, None))


class Storyteller:
    """Tells trades what the whole story makes of them. ``wake_in`` has `tell_unread` called."""

    def __init__(
        self,
        drifts: DriftSettler,
        house: TradeHouse,
        home: ReportRouter,
        clock: Clock,
        *,
        wake_in: Callable[[float], None],
    ) -> None:
        self._drifts = drifts
        self._house = house
        self._home = home
        self._clock = clock
        self._wake_in = wake_in
        self._in_vain = 0

    def guessed(self, trade: Trade) -> None:
        """What a foreign hand did to a trade is read as soon as it is guessed."""
        if trade.rests_on_guesses and not trade.is_finished:
            self.read_again(trade.plan.instrument_name)

    def read_again(self, name: str) -> None:
        """Reads the story of an instrument as soon as may be, though nothing is known to drift."""
        if name not in self._drifts.unread:
            self._drifts.unread[name] = None
            self._wake_in(0.0)

    def tell_unread(self) -> None:
        for name, drift in list(self._drifts.unread.items()):
            self.tell(name, drift)

    def tell(self, name: str, drift: Drift | None) -> None:
        """Gives trades what was done to them, and has them compare themselves."""
        trades = self._house.on(name)
        story = self._drifts.settle(name, drift, trades, self._house.ended_on(name))
        self._in_vain = self._in_vain + 1 if story is None else 0
        if self._drifts.unread:
            doublings = min(max(0, self._in_vain - 1), 4)
            self._wake_in(min(LONGEST_RETRY, RETRY_SECONDS * 2**doublings))
        if story is None:
            return
        self._home.heard(story)
        for trade in trades:
            told = StoryReport(
                at=self._clock.now(),
                fills=story.of(trade.id),
                told=story.told,
                until_seq=story.until_seq,
            )
            self._house.tell(trade.id, told)
            self._house.verify(trade, "drift")
