"""Settling a drift: the account is not the sum of our trades, so what happened is read again.

A drift is looked into once, and once more when the venue shows every fill there was. What they
do not explain belongs to nobody of us. Trades that hold what the venue does not have are looked
into again until a fill explains it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from actors.kernel import Address
from actors.messages.trading import ChronicleReport, ReadChronicle, StoryReport
from actors.ports import Clock, Venue
from actors.routing import ReportRouter
from actors.trade_house import TradeHouse
from actors.trade_truth import since_ms
from domain.contract_sizes import alike
from domain.story import Story, is_untold, shared_out_again
from domain.trade import Trade
from domain.watch import Drift

RETRY_SECONDS, LONGEST_RETRY = 1.0, 15.0
FILLS_SHOWN_MS = 60_000
"""After so long the venue shows every fill; what none of them tells was there before."""


@dataclass(frozen=True, slots=True)
class _Settled:
    """A drift that was looked into; ``again_at_ms`` is when that is to be repeated, if at all."""

    drift: Drift
    again_at_ms: int | None


class DriftSettler:
    """Remembers which drifts were looked into, per instrument."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._settled: dict[str, _Settled] = {}
        self._denied_since: dict[str, int] = {}
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
        self,
        drift: Drift | None,
        trades: Sequence[Trade],
        ended: Sequence[Trade],
        read: ChronicleReport,
    ) -> Story | None:
        """What belongs to these trades after all; None when what was ``read`` does not tell.

        ``drift`` is what it was read for, ``ended`` are those that were open beside them.
        """
        name = read.instrument
        if not trades:
            self._denied_since.pop(name, None)
        story = self._story(trades, ended, read) if trades else Story()
        if story is not None and name not in self._denied_since:
            wanted = self.unread.get(name)
            if wanted is None or wanted == drift:  # else it drifts otherwise by now
                self.unread.pop(name, None)
            if drift is not None and wanted == drift:
                again = None
                if self.is_news(drift):
                    again = self._venue.server_now_ms() + FILLS_SHOWN_MS
                self._settled[name] = _Settled(drift, again)
        return story

    def _story(
        self, trades: Sequence[Trade], ended: Sequence[Trade], read: ChronicleReport
    ) -> Story | None:
        if read.fills is None:
            return None
        instrument = read.instrument
        both, fills, times = alike((*trades, *ended), read.fills, read.contract_size)
        trades, ended = both[: len(trades)], both[len(trades) :]
        if is_untold(fills, trades):
            return None
        is_whole = self._is_denied_for_long(instrument, read.contracts, trades)
        position = read.contracts * times
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


@dataclass(frozen=True, slots=True)
class _Asked:
    """A chronicle that is being read: for which drift, and what was ``known`` to have filled."""

    at: datetime
    drift: Drift | None
    known: object


class Storyteller:
    """Has stories read, and tells trades what they make of them.

    ``wake_in`` has `seek_unread` called.
    """

    def __init__(
        self,
        drifts: DriftSettler,
        house: TradeHouse,
        home: ReportRouter,
        clock: Clock,
        *,
        chronicler: Address,
        wake_in: Callable[[float], None],
    ) -> None:
        self._drifts = drifts
        self._house = house
        self._home = home
        self._clock = clock
        self._chronicler = chronicler
        self._wake_in = wake_in
        self._asked: dict[str, _Asked] = {}
        self._in_vain = 0

    def guessed(self, trade: Trade) -> None:
        """What a foreign hand did to a trade is read as soon as it is guessed."""
        if trade.rests_on_guesses and not trade.is_finished:
            self.read_again(trade.plan.instrument_name)

    def read_again(self, name: str) -> None:
        """Reads the story of an instrument as soon as may be, though nothing is known to drift."""
        if name not in self._drifts.unread:
            self.seek(name, None)

    def seek_unread(self) -> None:
        for name, drift in list(self._drifts.unread.items()):
            self.seek(name, drift)

    def seek_anew(self) -> None:
        """Who was asked has died, maybe of the question."""
        self._asked.clear()
        self.seek_unread()

    def seek(self, name: str, drift: Drift | None) -> None:
        """Has the story of an instrument read, unless it is being read."""
        self._drifts.unread[name] = drift
        if name in self._asked:
            return
        trades, now = self._house.on(name), self._clock.now()
        if not trades:
            self._tell(drift, ChronicleReport(at=now, instrument=name, asked_at=now))
            return
        self._asked[name] = _Asked(now, drift, _known(trades))
        since = min(since_ms(trade) for trade in trades)
        self._chronicler.tell(ReadChronicle(at=now, instrument=name, since_ms=since))

    def heard(self, read: ChronicleReport) -> None:
        """Tells the story, unless something filled, began or ended while it was being read.

        That would be missing in it, and pass for nobody's: it is read again.
        """
        asked = self._asked.get(read.instrument)
        if asked is None or asked.at != read.asked_at:
            return  # a predecessor asked, or it was asked again since
        del self._asked[read.instrument]
        if _known(self._house.on(read.instrument)) == asked.known:
            self._tell(asked.drift, read)
        else:
            self.seek(read.instrument, self._drifts.unread.get(read.instrument))

    def _tell(self, drift: Drift | None, read: ChronicleReport) -> None:
        """Gives trades what was done to them, and has them compare themselves."""
        trades = self._house.on(read.instrument)
        story = self._drifts.settle(drift, trades, self._house.ended_on(read.instrument), read)
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


def _known(trades: Sequence[Trade]) -> object:
    """What Execution has heard of that a story of these trades must not be older than."""
    return [(trade.id, trade.fills, trade.foreign_seq) for trade in trades]
