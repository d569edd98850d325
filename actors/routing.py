"""The way home: which trade an order or a fill that the venue reports belongs to."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from actors.messages.trading import FillReport, OrderReport
from actors.messages.venue import ChangesReport
from domain import labels
from domain.attribution import OpenTrade, attribute
from domain.labels import Label
from domain.orders import Fill, Order
from domain.story import Share, Story, label_of, part_of
from domain.trade import Trade
from domain.watch import Drift

T = TypeVar("T")
SEEN_KEPT = 10_000
ORDERS_KEPT = 50_000
"""Orders of open trades are few; the rest are late news of orders that are over."""


class ReportRouter:
    """Remembers which orders are ours, which came from which, and which fills are accounted for.

    Positions carry no label, so only orders and fills lead home; see `domain.attribution`.
    """

    def __init__(self, log: Any) -> None:
        self._log = log
        self._labels: dict[str, Label] = {}
        self._parents: dict[str, str] = {}
        self._seen: dict[str, None] = {}
        self._external: dict[str, int] = {}

    @property
    def foreign(self) -> tuple[str, ...]:
        """Instruments with a position that no trade owns."""
        return tuple(name for name, contracts in self._external.items() if contracts)

    def adopt(self, drifts: Iterable[Drift]) -> None:
        """The venue's word on what is EXTERNAL: more certain than our own count of it."""
        self._external = {drift.instrument_name: drift.residual for drift in drifts}

    def route(
        self, message: ChangesReport, trades: Mapping[str, Trade]
    ) -> Iterator[tuple[str, OrderReport | FillReport]]:
        """What one event of the venue means for which trade."""
        for order in message.orders:
            trade_id = self.of_order(order)
            if trade_id in trades:
                yield trade_id, OrderReport(at=message.at, order=order)
        for fill in message.fills:
            for share in self.of_fill(fill, trades):
                yield (
                    share.trade_id,
                    FillReport(at=message.at, fill=share.fill, is_foreign=share.is_foreign),
                )

    def of_order(self, order: Order) -> str:
        """The trade that owns an order: by its label, or by the trigger it came from."""
        parent = order.trigger_order_id or order.primary_order_id
        if parent is not None:
            _keep_newest(self._parents, order.order_id, parent, ORDERS_KEPT)
        label = labels.parse(order.label) or self._inherited(order.order_id)
        if label is None or labels.is_guard(order.label):
            return ""
        _keep_newest(self._labels, order.order_id, label, ORDERS_KEPT)
        return label.trade_id

    def _inherited(self, order_id: str) -> Label | None:
        parent = self._parents.get(order_id)
        return self._labels.get(parent) if parent else None

    def of_fill(self, fill: Fill, trades: Mapping[str, Trade]) -> Iterator[Share]:
        """The trades a fill belongs to; what belongs to none is EXTERNAL.

        A fill of one of our orders goes to its trade as often as it is told (the trade counts it
        once); one by a foreign hand is shared out once.
        """
        external = self._external
        if fill.trade_id in self._seen:
            return
        label = label_of(fill, self._labels)
        if label is not None and label.trade_id in trades:
            yield Share(label.trade_id, fill, is_foreign=False)
            return
        self._remember(fill.trade_id)
        name = fill.instrument_name
        held = [
            OpenTrade(x.id, x.plan.instrument_name, x.plan.side, max(0, x.position))
            for x in trades.values()
        ]
        before = external.get(name, 0)
        for part in attribute(fill, self._labels, self._parents, held, external=before):
            if part.trade_id is not None and part.trade_id in trades:
                yield Share(part.trade_id, part_of(fill, part.contracts), is_foreign=True)
            else:
                signed = part.contracts * fill.side.sign
                external[name] = external.get(name, 0) + signed
                self._log.warning("external_fill", instrument=name, contracts=signed)

    def heard(self, story: Story) -> None:
        """These fills are accounted for; news of them that is late is no news."""
        for trade_id in story.foreign:
            self._remember(trade_id)

    def forget(self, trade: Trade) -> None:
        """A trade is over: its fills may be told again, its orders are not coming back."""
        for fill in trade.fills:
            self._remember(fill.trade_id)
        gone = [x for x, label in self._labels.items() if label.trade_id == trade.id]
        for order_id in gone:
            del self._labels[order_id]
            self._parents.pop(order_id, None)

    def _remember(self, trade_id: str) -> None:
        _keep_newest(self._seen, trade_id, None, SEEN_KEPT)


def _keep_newest(kept: dict[str, T], key: str, value: T, most: int) -> None:
    """Adds it, or makes it the newest; of more than ``most`` the oldest is forgotten."""
    kept.pop(key, None)
    kept[key] = value
    while len(kept) > most:
        del kept[next(iter(kept))]
