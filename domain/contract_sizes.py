"""A trade and what is told of it, counted in the same contracts.

The venue may change what a contract is. Orders, fills and positions stay what they are in coin
(inverse: in USD), and so does what is sent; only their numbers of contracts are others. A record
counts in contracts of the size its plan has, a report in those it was read with. Before they meet,
both are counted in the largest contract that each of the two is whole multiples of: nothing is
rounded, nothing is counted anew twice, and it does not matter which news comes first.

Source: Deribit ``public/get_instruments`` (``contract_size``), which changes by announcement;
``amount`` of orders and trades is in coin or USD.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import reduce
from typing import TypeVar

from domain.instruments import Instrument
from domain.orders import Fill, Order
from domain.trade import Line, Trade, TradeFill

_Report = TypeVar("_Report", Order, Fill)


def rescaled(trade: Trade, size: Decimal) -> Trade:
    """The same trade, counted in contracts that one of ``size`` is a whole number of.

    Every number of contracts is multiplied by the same whole number; prices and fees stay. The
    same record when it counts so already. One of before, which does not say what it counts in,
    counts in ``size``.
    """
    plan = trade.plan
    if plan.contract_size == size:
        return trade
    if plan.contract_size is None:
        return replace(trade, plan=replace(plan, contract_size=size))
    common = _common(plan.contract_size, size)
    times = int(plan.contract_size / common)
    if times == 1:
        return trade
    return replace(
        trade,
        plan=replace(plan, contracts=plan.contracts * times, contract_size=common),
        lines=tuple(_of_line(x, times) for x in trade.lines),
        fills=tuple(_of_fill(x, times) for x in trade.fills),
    )


def _of_line(line: Line, times: int) -> Line:
    filled = line.reported_filled * times
    return replace(line, contracts=line.contracts * times, reported_filled=filled)


def _of_fill(fill: TradeFill, times: int) -> TradeFill:
    return replace(fill, contracts=fill.contracts * times)


def _common(one: Decimal, other: Decimal) -> Decimal:
    """The largest size that both are whole multiples of."""
    while other:
        one, other = other, one % other
    return one


def in_step(trade: Trade, reports: Iterable[_Report]) -> tuple[Trade, tuple[_Report, ...]]:
    """The trade and these reports in the same contracts; one without a size counts as the trade."""
    reports = tuple(reports)
    for report in reports:
        if report.contract_size is not None:
            trade = rescaled(trade, report.contract_size)
    return trade, tuple(_counted(x, trade.plan.contract_size) for x in reports)


def _counted(report: _Report, size: Decimal | None) -> _Report:
    if size is None or report.contract_size is None or report.contract_size == size:
        return report
    times = int(report.contract_size / size)
    if isinstance(report, Fill):
        return replace(report, contracts=report.contracts * times, contract_size=size)
    return replace(
        report,
        contracts=report.contracts * times,
        filled_contracts=report.filled_contracts * times,
        contract_size=size,
    )


def alike(
    trades: Sequence[Trade], fills: Sequence[Fill], size: Decimal | None
) -> tuple[tuple[Trade, ...], tuple[Fill, ...], int]:
    """All of one instrument in the same contracts, and how many of those one of ``size`` is."""
    given = (size, *(x.contract_size for x in fills), *(x.plan.contract_size for x in trades))
    sizes: set[Decimal] = {x for x in given if x is not None}
    if len(sizes) < 2:
        return tuple(trades), tuple(fills), 1
    common = reduce(_common, sizes)
    return (
        tuple(rescaled(x, common) for x in trades),
        tuple(_counted(x, common) for x in fills),
        1 if size is None else int(size / common),
    )


def own(trade: Trade, instrument: Instrument) -> Instrument:
    """The instrument as this trade counts it: its numbers times this size are amounts."""
    return sized(instrument, trade.plan.contract_size)


def sized(instrument: Instrument, size: Decimal | None) -> Instrument:
    """The instrument in contracts of this size, in which something was read; None: in its own."""
    if size is None or size == instrument.contract_size:
        return instrument
    return replace(instrument, contract_size=size)
