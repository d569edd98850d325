"""The way home: which trade an order or a fill that the venue reports belongs to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from actors.messages.trading import FillReport, OrderReport
from actors.messages.venue import ChangesReport
from domain import labels
from domain.attribution import Allocation, OpenTrade, attribute, is_netted_away
from domain.labels import Label, Role
from domain.orders import ZERO, Fill, Order
from domain.trade import NETTED_BY, Trade
from domain.watch import Drift

SEEN_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Share:
    """A trade's part of a fill. ``is_foreign``: not by an order of ours."""

    trade_id: str
    fill: Fill
    is_foreign: bool

    def report(self, at: datetime) -> FillReport:
        """As the trade is told of it."""
        return FillReport(at=at, fill=self.fill, is_foreign=self.is_foreign)


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
                yield share.trade_id, share.report(message.at)

    def of_order(self, order: Order) -> str:
        """The trade that owns an order: by its label, or by the trigger it came from."""
        parent = order.trigger_order_id or order.primary_order_id
        if parent is not None:
            self._parents[order.order_id] = parent
        label = labels.parse(order.label) or self._inherited(order.order_id)
        if label is None or labels.is_guard(order.label):
            return ""
        self._labels[order.order_id] = label
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
        label = self._labels.get(fill.order_id) or labels.parse(fill.label)
        if label is not None and label.trade_id in trades:
            yield Share(label.trade_id, fill, is_foreign=False)
            return
        self._remember(fill.trade_id)
        name = fill.instrument_name
        held = {x.id: max(0, x.position) for x in trades.values()}
        before = external.get(name, 0)
        for part in _parts(fill, self._labels, self._parents, trades.values(), held, before):
            if part.trade_id is not None and part.trade_id in trades:
                yield Share(part.trade_id, _part_of(fill, part.contracts), is_foreign=True)
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


def shared_out_again(
    fills: Sequence[Fill],
    trades: Sequence[Trade],
    position: int,
    *,
    is_whole: bool = False,
) -> tuple[Share, ...]:
    """What foreign hands did to our trades on one instrument, from the whole story.

    For when reports were lost, or came when too little was known. ``fills`` are all fills of the
    instrument (every owner) since before the oldest trade began, oldest first; ``position`` is
    the venue's after them, in signed contracts. What was there before is EXTERNAL: or a fill that
    the venue does not show yet, unless the story ``is_whole``. A trade that knows a share already
    counts it once.
    """
    held = {trade.id: 0 for trade in trades}
    sides = {trade.id: trade.plan.side for trade in trades}
    before = external = position - sum(fill.contracts * fill.side.sign for fill in fills)
    shares: list[Share] = []
    for fill in fills:
        label = labels.parse(fill.label)
        if _is_of_a_closed_trade(label, held):
            external += fill.contracts * fill.side.sign
            continue
        for part in _parts(fill, {}, {}, trades, held, external):
            if part.trade_id not in held:
                external += part.contracts * fill.side.sign
                continue
            adds = fill.side is sides[part.trade_id]
            held[part.trade_id] += part.contracts if adds else -part.contracts
            if label is None or label.trade_id != part.trade_id:
                share = _part_of(fill, part.contracts)
                shares.append(Share(part.trade_id, share, is_foreign=True))
    against = external if is_whole else external - before
    if is_netted_away(sum(held[x] * sides[x].sign for x in held), against, position):
        shares += [x for trade in trades for x in _netted(fills, trade, held[trade.id])]
    return tuple(shares)


def _netted(fills: Iterable[Fill], trade: Trade, contracts: int) -> Iterator[Share]:
    """So much of a trade's entry, first come first gone, as having ended where it began."""
    for fill in fills:
        label = labels.parse(fill.label)
        taken = min(contracts, fill.contracts)
        if taken > 0 and label == Label(trade.id, Role.ENTRY, label.attempt if label else 0):
            contracts -= taken
            gone = replace(
                fill,
                trade_id=f"{fill.trade_id}.{NETTED_BY}",
                order_id=NETTED_BY,
                label="",
                side=fill.side.opposite,
                contracts=taken,
                fee=ZERO,
                profit_loss=ZERO,
            )
            yield Share(trade.id, gone, is_foreign=True)


def _is_of_a_closed_trade(label: Label | None, held: Mapping[str, int]) -> bool:
    """Its position was there before the story begins, or is: not ours to share out."""
    if label is None or label.trade_id in held:
        return False
    return not label.trade_id.startswith((labels.FLATTENING, labels.GUARDING))


def _parts(  # noqa: PLR0917 (as `attribute` wants it, with the guard's fills made foreign)
    fill: Fill,
    orders: Mapping[str, Label],
    parents: Mapping[str, str],
    trades: Iterable[Trade],
    held: Mapping[str, int],
    external: int,
) -> tuple[Allocation, ...]:
    """How a fill is split. What guards an EXTERNAL position closes that, not a trade."""
    if labels.is_guard(fill.label):
        fill = replace(fill, label="")
    open_trades = [OpenTrade(x.id, x.plan.instrument_name, x.plan.side, held[x.id]) for x in trades]
    return attribute(fill, orders, parents, open_trades, external=external)


def _part_of(fill: Fill, contracts: int) -> Fill:
    if contracts == fill.contracts:
        return fill
    part = Decimal(contracts) / fill.contracts
    booked = fill.profit_loss
    return replace(
        fill,
        contracts=contracts,
        fee=fill.fee * part,
        profit_loss=None if booked is None else booked * part,
    )
