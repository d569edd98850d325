"""OrphanReaper: removes orders of ours whose trade is over or unknown.

An order counts as an orphan when it is seen twice, on fresh data, without an owner. Orders are
read before the book: an order is in the book before it is on the wire, so one that is seen
first and not in the book afterwards has no owner. Foreign orders are never touched, nor is the
last stop of a position.
"""

from collections import Counter
from collections.abc import Iterable
from typing import ClassVar

from actors.kernel import Actor, AskFailed, Context, HandlerTable
from actors.messages.book import BookSnapshot, GetBook
from actors.messages.session import SessionLost, SessionOpened
from actors.messages.watch import ConfirmDue, OrphanCancelled, OrphanKept, SweepDue
from actors.ports import NotSent, OutcomeUnknown, Rejected, Venue
from domain import labels, venue_codes, watch
from domain.orders import Order, Position

ASK_SECONDS = 2.0
CONFIRM_SECONDS = 2.0
LOOK_SECONDS = 10.0
"""What both reads of a sweep may take."""
CANCEL_SECONDS, REAP_SECONDS = 3.0, 10.0
"""What one cancel may take, and all of a sweep before the rest is left to the next. Together with
the look it is less than what counts as hanging."""


class OrphanReaper(Actor):
    """Only ever cancels, and only what nobody owns.

    ``spared`` are beginnings of trade ids that others look after without a trade.
    """

    handlers: ClassVar[HandlerTable] = {}

    def __init__(
        self, context: Context, *, venue: Venue, period: float, spared: tuple[str, ...]
    ) -> None:
        super().__init__(context)
        self._venue = venue
        self._period = period
        self._spared = spared
        # Before the first try to log in there is nothing to be read; a successor has missed it.
        self._has_begun = context.incarnation > 1
        self._sighted: frozenset[str] = frozenset()
        self._kept: set[str] = set()
        self._tries: Counter[str] = Counter()

    def recover(self) -> None:
        self.every(self._period, SweepDue)
        self.after(CONFIRM_SECONDS, ConfirmDue)

    def on_sweep_due(self, _: SweepDue) -> None:
        self._sweep()

    def on_confirm_due(self, _: ConfirmDue) -> None:
        self._sweep()

    def on_session_opened(self, _: SessionOpened) -> None:
        self._has_begun = True
        self.after(CONFIRM_SECONDS, ConfirmDue)

    def on_session_lost(self, _: SessionLost) -> None:
        """Without a stream the sweeps go over HTTP, from the first failed try on."""
        self._has_begun = True

    def _sweep(self) -> None:
        if not self._has_begun:
            return
        try:
            venue = self._venue.within(LOOK_SECONDS)
            orders, positions = venue.open_orders(), venue.positions()
            book: BookSnapshot = self.to("registry").ask(
                GetBook(at=self.clock.now()), timeout=ASK_SECONDS
            )
        except (Rejected, NotSent, OutcomeUnknown, AskFailed) as error:
            self.log.warning("sweep_failed", error=str(error))
            self._sighted = frozenset()
            return
        open_trades = frozenset(trade.id for trade in book.trades)
        found = [x for x in watch.orphans(orders, open_trades) if not self._is_spared(x)]
        confirmed = [order for order in found if order.order_id in self._sighted]
        self._sighted = frozenset(order.order_id for order in found)
        self._kept &= self._sighted
        self._tries = Counter({x: self._tries[x] for x in self._sighted})
        is_done = self._reap_all(confirmed, list(orders), positions)
        if len(confirmed) < len(found) or not is_done:
            self.after(CONFIRM_SECONDS, ConfirmDue)

    def _reap_all(
        self, orphans: Iterable[Order], orders: list[Order], positions: tuple[Position, ...]
    ) -> bool:
        """Cancels while there is time, first what was tried least; True when each had its turn."""
        began = self.clock.monotonic()
        for order in sorted(orphans, key=lambda x: self._tries[x.order_id]):
            if self.clock.monotonic() - began > REAP_SECONDS:
                return False
            self._tries[order.order_id] += 1
            if self._reap(order, orders, positions):
                orders = [x for x in orders if x.order_id != order.order_id]
        return True

    def _reap(self, order: Order, orders: list[Order], positions: tuple[Position, ...]) -> bool:
        """Cancels one orphan; True when it is gone."""
        name, order_id, label = order.instrument_name, order.order_id, order.label
        if not watch.may_cancel(order, orders, positions):
            if order_id not in self._kept:
                self._kept.add(order_id)
                self.emit(OrphanKept, instrument=name, order_id=order_id, label=label)
            return False
        try:
            self._venue.within(CANCEL_SECONDS).cancel(order_id)
        except Rejected as error:
            if error.code not in venue_codes.GONE_ALREADY:
                self.log.warning("orphan_cancel_refused", order_id=order_id, error=str(error))
                return False
            return True
        except (NotSent, OutcomeUnknown) as error:
            self.log.warning("orphan_cancel_unknown", order_id=order_id, error=str(error))
            return False
        self.emit(OrphanCancelled, instrument=name, order_id=order_id, label=label)
        return True

    def _is_spared(self, order: Order) -> bool:
        label = labels.parse(order.label)
        return label is not None and label.trade_id.startswith(self._spared)


OrphanReaper.handlers = {
    SweepDue: OrphanReaper.on_sweep_due,
    ConfirmDue: OrphanReaper.on_confirm_due,
    SessionOpened: OrphanReaper.on_session_opened,
    SessionLost: OrphanReaper.on_session_lost,
}
