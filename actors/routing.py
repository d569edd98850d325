"""The way home: which trade an order or a fill that the venue reports belongs to."""

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Any

from domain import labels
from domain.attribution import ClosedBy, OpenTrade, attribute
from domain.labels import Label
from domain.orders import Fill, Order
from domain.trade import Trade

SEEN_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Share:
    """A trade's part of a fill. ``is_foreign``: not by an order of ours."""

    trade_id: str
    fill: Fill
    is_foreign: bool


class ReportRouter:
    """Remembers which orders are ours, which came from which, and which fills are accounted for.

    Positions carry no label, so only orders and fills lead home; see `domain.attribution`.
    """

    def __init__(self, log: Any) -> None:
        self._log = log
        self._labels: dict[str, Label] = {}
        self._parents: dict[str, str] = {}
        self._seen: dict[str, None] = {}

    def of_order(self, order: Order) -> str:
        """The trade that owns an order: by its label, or by the trigger it came from."""
        if order.trigger_order_id is not None:
            self._parents[order.order_id] = order.trigger_order_id
        label = labels.parse(order.label) or self._inherited(order.order_id)
        if label is None:
            return ""
        self._labels[order.order_id] = label
        return label.trade_id

    def _inherited(self, order_id: str) -> Label | None:
        parent = self._parents.get(order_id)
        return self._labels.get(parent) if parent else None

    def of_fill(
        self, fill: Fill, trades: Mapping[str, Trade], external: MutableMapping[str, int]
    ) -> Iterator[Share]:
        """The trades a fill belongs to; what belongs to none is added to ``external``.

        ``external`` is the signed EXTERNAL position per instrument. A fill of one of our orders
        goes to its trade as often as it is told (the trade counts it once); one by a foreign
        hand is shared out once.
        """
        if fill.trade_id in self._seen:
            return
        label = self._labels.get(fill.order_id) or labels.parse(fill.label)
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
                fee = fill.fee * part.contracts / fill.contracts
                share = replace(fill, contracts=part.contracts, fee=fee)
                is_foreign = part.closed_by is not ClosedBy.ORDER
                yield Share(part.trade_id, share, is_foreign)
            else:
                signed = part.contracts * fill.side.sign
                external[name] = external.get(name, 0) + signed
                self._log.warning("external_fill", instrument=name, contracts=signed)

    def forget(self, trade: Trade) -> None:
        """A trade is over: its fills may be told again, its orders are not coming back."""
        for fill in trade.fills:
            self._remember(fill.trade_id)
        gone = [x for x, label in self._labels.items() if label.trade_id == trade.id]
        for order_id in gone:
            del self._labels[order_id]
            self._parents.pop(order_id, None)

    def _remember(self, trade_id: str) -> None:
        self._seen[trade_id] = None
        while len(self._seen) > SEEN_KEPT:
            del self._seen[next(iter(self._seen))]
