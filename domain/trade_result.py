"""What a trade made, and why it ended: booked from its own fills, in the venue's order."""

from dataclasses import dataclass
from decimal import Decimal

from domain.contract_sizes import sized
from domain.exact import exact
from domain.instruments import Instrument, Kind
from domain.labels import Role
from domain.orders import ZERO
from domain.overclosing import own_fills, taken_from_others
from domain.pnl import Holding, apply_fill, average_price
from domain.reports import find_line
from domain.trade import NETTED_BY, ExitReason, LineStatus, Trade, TradeFill

AGREE_WITHIN = {Kind.INVERSE: Decimal("1e-9"), Kind.LINEAR: Decimal("1e-6")}
"""So far, in coin and in USDC, the venue's sum may be from ours for its own rounded averages, and
half as far again for each figure in it: coin is printed with nine decimals, and a millionth of a
USDC is no matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a trade made, in the settlement currency; prices USD/USDC per coin.

    ``pnl_coin`` is before fees, as the venue books it; ``venue_pnl_coin`` is the venue's own
    sum when it stated one on every closing fill, and all of it was ours. What our orders closed
    for others is in none of these. ``net_coin = pnl_coin - fees_coin``. ``is_disputed``: the two
    sums are further apart than rounding brings them.
    """

    pnl_coin: Decimal
    fees_coin: Decimal
    net_coin: Decimal
    venue_pnl_coin: Decimal | None
    is_disputed: bool
    entry_price: Decimal | None
    exit_price: Decimal | None
    contracts: int


@exact
def result_of(trade: Trade, instrument: Instrument) -> Result:
    """Books the fills in the venue's order: harmonic average for inverse, exact throughout."""
    instrument, own = sized(instrument, trade.plan.contract_size), own_fills(trade)
    holding, pnl = Holding(), ZERO
    fees = sum((x.fee for x in own), ZERO)
    entry, exits = Holding(), Holding()
    stated: list[Decimal | None] = []
    for fill in own:
        holding, realised = apply_fill(instrument, holding, fill.side, fill.contracts, fill.price)
        pnl += realised
        if fill.side is trade.plan.side:
            entry, _ = apply_fill(instrument, entry, fill.side, fill.contracts, fill.price)
        else:
            exits, _ = apply_fill(instrument, exits, fill.side, fill.contracts, fill.price)
            stated.append(fill.profit_loss)
    is_stated = bool(stated) and None not in stated and not taken_from_others(trade)
    venue = sum((x for x in stated if x), ZERO) if is_stated else None
    return Result(
        pnl_coin=pnl,
        fees_coin=fees,
        net_coin=pnl - fees,
        venue_pnl_coin=venue,
        is_disputed=venue is not None and abs(pnl - venue) > _rounding(instrument, len(stated)),
        entry_price=average_price(instrument, entry),
        exit_price=average_price(instrument, exits),
        contracts=abs(entry.contracts),
    )


def _rounding(instrument: Instrument, figures: int) -> Decimal:
    return AGREE_WITHIN[instrument.kind] * (1 + Decimal(figures) / 2)


def exit_reason_of(trade: Trade) -> ExitReason:
    """Why the trade ended, by what closed the last of it."""
    fills = reversed(own_fills(trade))
    last = next((x for x in fills if x.side is not trade.plan.side), None)
    role = _role_of(trade, last) if last is not None else None
    if role is Role.STOP:
        return ExitReason.STOP_LOSS
    if role is Role.TARGET:
        return ExitReason.TAKE_PROFIT
    if last is not None and role is None and last.is_liquidation:
        return ExitReason.LIQUIDATION
    if last is not None and last.order_id == NETTED_BY:
        return ExitReason.NETTED
    if trade.exit_reason is not None:
        return trade.exit_reason  # by our own order, or by who was faster: the kill itself
    if last is not None and role is None:
        return ExitReason.MANUAL
    return _entry_end(trade)


def _role_of(trade: Trade, fill: TradeFill) -> Role | None:
    """The role of the order that traded, even if it was known to be ours only later."""
    line = find_line(trade, fill.order_id, "", None)
    return line.role if line else fill.role


def _entry_end(trade: Trade) -> ExitReason:
    entries = trade.of(Role.ENTRY)
    if not entries:
        return ExitReason.ENTRY_NOT_SENT
    last = entries[-1]
    if last.status is LineStatus.ABSENT and last.order_ids:
        # It was there once, and is not among what rests: it ended out of our sight.
        return ExitReason.ENTRY_CANCELLED
    ends = {
        LineStatus.REJECTED: ExitReason.ENTRY_REJECTED,
        LineStatus.CANCELLED: ExitReason.ENTRY_CANCELLED,
        LineStatus.ABSENT: ExitReason.ENTRY_NEVER_ARRIVED,
    }
    return ends.get(last.status, ExitReason.REQUESTED)
