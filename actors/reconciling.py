"""Reconciliation: nothing new is opened before book and venue agree.

First every trade of the book compares itself with the venue; then one fresh look at the whole
account must show each of our positions under its stop. What remains between the book and the
account belongs to nobody of us.
"""

from collections.abc import Iterable, Sequence

from actors.messages.watch import PortfolioObserved
from domain import watch

ASK_AGAIN = 10.0
"""Seconds after which a trade that has not answered is asked again."""


class Reconciliation:
    """Who still has to answer, and whether a look is new enough to be judged. Times monotonic.

    ``hindrance`` is what else keeps trading from beginning, in words.
    """

    def __init__(self, trade_ids: Iterable[str], now: float) -> None:
        self.is_done = False
        self.hindrance = ""
        self.began = now
        self._asked: dict[str, float | None] = dict.fromkeys(trade_ids)
        self._verified_at = now

    @property
    def pending(self) -> int:
        """Trades that have not compared themselves with the venue."""
        return len(self._asked)

    def to_ask(self, now: float) -> list[str]:
        """Trades to be asked now, which counts as asking them."""
        names = [
            trade_id
            for trade_id, asked in sorted(self._asked.items())
            if asked is None or now - asked > ASK_AGAIN
        ]
        self._asked.update(dict.fromkeys(names, now))
        return names

    def answered(self, trade_id: str, *, is_synced: bool, now: float) -> None:
        """A trade has read the venue's truth about itself, or tried to."""
        if trade_id not in self._asked:
            return
        if is_synced:
            del self._asked[trade_id]
            self._verified_at = now
        else:
            self._asked[trade_id] = None

    def gone(self, trade_id: str) -> None:
        """A trade is over."""
        self._asked.pop(trade_id, None)

    def doubt(self, trade_ids: Iterable[str]) -> None:
        """These have to compare themselves again."""
        for trade_id in trade_ids:
            self._asked[trade_id] = None

    def agrees(self, look: PortfolioObserved, instruments: Iterable[str]) -> bool | None:
        """Whether this look shows what is ours protected; None when it says nothing.

        What lies beside a trade and belongs to nobody of us holds nothing up: it may never get a
        stop, and is told by the watcher.
        """
        is_old = look.began_monotonic < self._verified_at
        if self.is_done or self._asked or is_old or look.drifts is None:
            return None
        ours = frozenset(instruments)
        foreign = {drift.instrument_name: drift.residual for drift in look.drifts}
        naked = watch.shortfalls(look.positions, look.orders)
        return not any(
            shortfall.instrument_name in ours
            and shortfall.cover < shortfall.owed(foreign.get(shortfall.instrument_name, 0))
            for shortfall in naked
        )

    def why_not_done(self, *, has_catalogue: bool, quarantined: Sequence[str] = ()) -> str:
        """In words for a person. ``quarantined``: trades that a person has to look at."""
        if not has_catalogue:
            return "the venue's contract data could not be read"
        if quarantined:
            return f"in quarantine, close or end it: trade {', '.join(quarantined)}"
        if self._asked:
            return f"{len(self._asked)} trades could not be verified at the venue"
        if self.hindrance:
            return self.hindrance
        return "the account could not be read, or a position is without its stop"
