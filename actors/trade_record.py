"""The record of one trade in the hands of its actor: adopted, announced, saved.

Protective orders never wait for the disk, so saving is telling: the Registry writes, Execution
keeps its copy for routing.
"""

from collections.abc import Callable
from dataclasses import replace

from actors.kernel import Address
from actors.messages.book import KeepLastWords, RecordTrade
from actors.messages.trading import TradeUpdated
from actors.ports import Clock
from actors.trade_log import Announcer
from domain.contract_sizes import rescaled
from domain.exposure import heard_late, measured
from domain.trade import Trade


class RecordKeeper:
    """Holds the newest record; every change of it goes through here."""

    def __init__(
        self,
        trade: Trade,
        *,
        announce: Announcer,
        clock: Clock,
        server_now_ms: Callable[[], int],
        registry: Address,
        execution: Address,
    ) -> None:
        self.trade = trade
        self.announce = announce
        self._clock = clock
        self._server_now_ms = server_now_ms
        self._registry = registry
        self._execution = execution
        self._saved: Trade | None = None

    def take_over(self, left: Trade, trade: Trade) -> None:
        """Goes on with the record a predecessor left; only how long it was bare is news."""
        self.trade = trade
        self.announce.gap_ended(left, trade)

    def change(self, trade: Trade) -> None:
        """Adopts a new record and announces what changed. A finished one changes no more."""
        if self.trade.is_finished:
            return
        before, size = self.trade, trade.plan.contract_size
        if size is not None and size != before.plan.contract_size:
            # What changed is said in the contracts of now.
            before = rescaled(before, size)
            self.announce.rescaled(self.trade, before)
        after = measured(trade, self._clock.now())
        self.trade = heard_late(before, after, self._server_now_ms())
        self.trade = self.announce.changed(before, self.trade)

    def save(self) -> None:
        """Tells those who keep it, if there is something new."""
        if self.trade == self._saved:
            return
        now = self._clock.now()
        self._saved = self.trade
        self._registry.tell(RecordTrade(at=now, trade=self.trade))
        self._execution.tell(TradeUpdated(at=now, trade=self.trade))

    def finish(self) -> None:
        """The last words. They close the book, once they are in the journal."""
        self.change(replace(self.trade, is_finished=True))
        self.save()
        now = self._clock.now()
        words = self.announce.finished(self.trade, now)
        # After they were said: whoever asks the Registry for them has had them in the mailbox.
        self._registry.tell(KeepLastWords(at=now, event=words))

    def is_over_already(self) -> None:
        """A predecessor has said the last words: what still comes must find it finished."""
        self.trade = self._saved = replace(self.trade, is_finished=True)
        self._execution.tell(TradeUpdated(at=self._clock.now(), trade=self.trade))
