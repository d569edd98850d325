"""Whose doing was what on one instrument, from all its fills: the whole story.

Live, a fill is shared out from what is known at that moment, and that may be too little; the
story is read when the account drifts, and its word counts.

Source: Deribit trade objects; `domain.attribution` for the rules.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Self

from domain import labels
from domain.attribution import OpenTrade, attribute, is_netted_away
from domain.labels import Label, Role
from domain.orders import ZERO, Fill, Side
from domain.overclosing import own_fills
from domain.trade import NETTED_BY, Trade, TradeFill, TradePlan


@dataclass(frozen=True, slots=True)
class Share:
    """A trade's part of a fill. ``is_foreign``: not by an order of ours."""

    trade_id: str
    fill: Fill
    is_foreign: bool


@dataclass(frozen=True, slots=True)
class Story:
    """What foreign hands did to our trades on one instrument, from all its fills.

    ``shares`` is all there is for these trades among the fills ``told``; ``foreign`` are those
    of them that no order of these trades made. ``until_seq``: the newest (``trade_seq``).
    """

    shares: tuple[Share, ...] = ()
    told: frozenset[str] = frozenset()
    foreign: frozenset[str] = frozenset()
    until_seq: int = 0

    def of(self, trade_id: str) -> tuple[Fill, ...]:
        """What foreign hands did to this trade."""
        return tuple(x.fill for x in self.shares if x.trade_id == trade_id)


def shared_out_again(
    fills: Sequence[Fill],
    trades: Sequence[Trade],
    position: int,
    *,
    ended: Iterable[Trade] = (),
    is_whole: bool = False,
) -> Story:
    """What foreign hands did to our trades on one instrument, from the whole story.

    For when reports were lost, or came when too little was known. ``fills`` are all fills of the
    instrument (every owner) since before the oldest trade began, oldest first; ``position`` is
    the venue's after them, in signed contracts. What was there before is EXTERNAL: or a fill that
    the venue does not show yet, unless the story ``is_whole``.
    What trades that have ``ended`` beside these have booked is theirs. One that is not among them,
    though it began here, has its share of the hands as it had live.
    """
    orders, shown = _orders_of(trades), frozenset(x.trade_id for x in fills)
    fills = _with_those_known(fills, trades)
    open_to_all = _without(fills, ended, shown)
    over = _others_begun(open_to_all, trades, orders)
    told = _Telling.of(open_to_all, trades, over, position)
    while left := {x for x in over if told.held[x]}:  # it did not end by its fills: nobody's
        over = {x: side for x, side in over.items() if x not in left}
        told = _Telling.of(open_to_all, trades, over, position)
    against = told.external if is_whole else told.external - told.before
    ours = sum(told.held[x.id] * x.plan.side.sign for x in trades)
    if is_netted_away(ours, against, position):
        for trade in trades:
            told.shares.extend(_netted(fills, trade, told.held[trade.id], orders))
    return Story(
        shares=tuple(told.shares),
        told=frozenset(x.trade_id for x in fills),
        foreign=frozenset(x.trade_id for x in fills if not _is_of(trades, label_of(x, orders))),
        until_seq=max((x.trade_seq for x in fills), default=0),
    )


def _is_of(trades: Iterable[Trade], label: Label | None) -> bool:
    return label is not None and any(trade.id == label.trade_id for trade in trades)


def _without(
    fills: Iterable[Fill], ended: Iterable[Trade], shown: Container[str]
) -> Sequence[Fill]:
    """What these trades have not booked of the fills the venue has ``shown``."""
    booked = Counter[str]()
    for trade in ended:
        for fill in own_fills(trade):
            booked[fill.trade_id] += fill.contracts if fill.trade_id in shown else 0
    left = ((fill, fill.contracts - booked[fill.trade_id]) for fill in fills)
    return [part_of(fill, contracts) for fill, contracts in left if contracts > 0]


def _others_begun(
    fills: Iterable[Fill], trades: Sequence[Trade], orders: Mapping[str, Label]
) -> dict[str, Side]:
    """The trades of ours that are none of these and whose entries filled here, and their sides."""
    found: dict[str, Side] = {}
    for fill in fills:
        label = label_of(fill, orders)
        if label is not None and label.role is Role.ENTRY and not _is_of(trades, label):
            found.setdefault(label.trade_id, fill.side)
    return found


@dataclass(slots=True)
class _Telling:
    """A story while it is told. ``held`` is what each trade has, those that are ``over`` too.

    ``before`` is what is left of what nobody tells of, ``external`` all that is no trade's; both
    are signed.
    """

    orders: Mapping[str, Label]
    sides: Mapping[str, Side]
    over: Mapping[str, Side]
    instrument_name: str
    before: int
    external: int
    held: dict[str, int]
    shares: list[Share] = field(default_factory=list[Share])

    @classmethod
    def of(
        cls, fills: Sequence[Fill], trades: Sequence[Trade], over: Mapping[str, Side], position: int
    ) -> Self:
        """All of it, from the first fill to the last."""
        unsaid = position - sum(fill.contracts * fill.side.sign for fill in fills)
        sides = {**{trade.id: trade.plan.side for trade in trades}, **over}
        told = cls(
            orders=_orders_of(trades),
            sides={trade_id: sides[trade_id] for trade_id in sorted(sides)},  # oldest first
            over=over,
            instrument_name=trades[0].plan.instrument_name if trades else "",
            before=unsaid,
            external=unsaid,
            held=dict.fromkeys(sides, 0),
        )
        for fill in fills:
            told._take(fill)
        return told

    def _take(self, fill: Fill) -> None:
        label = label_of(fill, self.orders)
        if label is not None and label.trade_id in self.over:
            self._of_one_that_is_over(fill, label.trade_id)
        else:
            self._share_out(fill, None if label is None else label.trade_id)

    def _of_one_that_is_over(self, fill: Fill, trade_id: str) -> None:
        """Its own orders are its own; what they did beyond it a hand has done."""
        if fill.side is self.over[trade_id]:
            self.held[trade_id] += fill.contracts
            return
        own = min(fill.contracts, self.held[trade_id])
        self.held[trade_id] -= own
        if own < fill.contracts:
            self._share_out(replace(part_of(fill, fill.contracts - own), label=""), None)

    def _share_out(self, fill: Fill, owner: str | None) -> None:
        trades = [
            OpenTrade(x, self.instrument_name, side, self.held[x]) for x, side in self.sides.items()
        ]
        for part in attribute(fill, self.orders, {}, trades, external=self.external):
            if part.trade_id is None:
                signed = part.contracts * fill.side.sign
                self.before = _taken_back(self.before, signed)
                self.external += signed
                continue
            adds = fill.side is self.sides[part.trade_id]
            self.held[part.trade_id] += part.contracts if adds else -part.contracts
            if part.trade_id not in (owner, *self.over):
                share = part_of(fill, part.contracts)
                self.shares.append(Share(part.trade_id, share, is_foreign=True))


def _taken_back(before: int, signed: int) -> int:
    """What is left of a position after a fill that may close it, and opens nothing of its kind."""
    if before * signed >= 0:
        return before
    return before + signed if abs(signed) < abs(before) else 0


def is_untold(fills: Sequence[Fill], trades: Sequence[Trade]) -> bool:
    """Whether more is known to have filled than these ``fills`` tell: by a trade's entry, or by
    the foreign hand it has seen. Whose the position is, is not to be told yet."""
    fills, orders = _with_those_known(fills, trades), _orders_of(trades)
    newest = max((x.trade_seq for x in fills), default=0)
    if any(trade.foreign_seq > max(newest, trade.told_seq) for trade in trades):
        return True
    entered = Counter[str]()
    for fill in fills:
        label = label_of(fill, orders)
        if label is not None and label.role is Role.ENTRY:
            entered[label.trade_id] += fill.contracts
    return any(entered[trade.id] < trade.entered for trade in trades)


def _with_those_known(fills: Sequence[Fill], trades: Iterable[Trade]) -> list[Fill]:
    """The story with what the venue does not show yet, though our trades have heard of it."""
    shown = {fill.trade_id for fill in fills}
    late = [
        _as_fill(known, trade.plan)
        for trade in trades
        for known in trade.fills
        if known.trade_id not in shown and known.order_id != NETTED_BY
    ]
    return sorted((*fills, *late), key=lambda x: (x.timestamp_ms, x.trade_seq))


def _as_fill(known: TradeFill, plan: TradePlan) -> Fill:
    """As the venue tells of it; whose it is, its order says."""
    return Fill(
        trade_id=known.trade_id,
        trade_seq=known.trade_seq,
        order_id=known.order_id,
        label="",
        instrument_name=plan.instrument_name,
        side=known.side,
        contracts=known.contracts,
        price=known.price,
        fee=known.fee,
        fee_currency="",
        is_maker=False,
        reduce_only=known.is_reduce_only,
        timestamp_ms=known.timestamp_ms,
        profit_loss=known.profit_loss,
        is_liquidation=known.is_liquidation,
        contract_size=plan.contract_size,
    )


def _orders_of(trades: Iterable[Trade]) -> dict[str, Label]:
    """Every order these trades know to be theirs."""
    return {
        order_id: Label(trade.id, line.role, line.attempt)
        for trade in trades
        for line in trade.lines
        for order_id in line.ids
    }


def label_of(fill: Fill, orders: Mapping[str, Label]) -> Label | None:
    """What a fill's order is to us: by its id, or by the label it carries."""
    return orders.get(fill.order_id) or labels.parse(fill.label)


def _netted(
    fills: Iterable[Fill], trade: Trade, contracts: int, orders: Mapping[str, Label]
) -> Iterator[Share]:
    """So much of a trade's entry, first come first gone, as having ended where it began."""
    for fill in fills:
        label = label_of(fill, orders)
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


def part_of(fill: Fill, contracts: int) -> Fill:
    """So much of a fill, and its fee in proportion.

    What the venue booked for the whole says nothing of a part: an opening part makes no profit, and
    others have come in at other prices.
    """
    if contracts == fill.contracts:
        return fill
    fee = fill.fee * Decimal(contracts) / fill.contracts
    return replace(fill, contracts=contracts, fee=fee, profit_loss=None)
