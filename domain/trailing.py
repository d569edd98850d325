"""Moving a trade's stop in its favour: to break-even once, and behind the price.

Only a new place for the stop is worked out here, and only ever nearer to the market; the trade
moves what rests by `edit`, so the old stop stands until the new one does. Nothing but the place
is remembered: the stop follows by a share of its distance at least, so the best price seen never
lies further off than that.
"""

from dataclasses import replace
from decimal import Decimal

from domain.contract_sizes import own
from domain.exact import exact
from domain.instruments import Instrument
from domain.orders import ZERO, Side, Ticker, TriggerBy
from domain.pnl import Holding, apply_fill, average_price
from domain.trade import Trade, is_tighter

LEAST_MOVE = Decimal("0.05")
"""The least a trailed stop moves, as a share of its distance: no edit for every tick."""


def watched(ticker: Ticker, by: TriggerBy) -> Decimal:
    """The price a stop watches; the mark where the venue has no last price yet."""
    if by is TriggerBy.INDEX_PRICE:
        return ticker.index_price
    if by is TriggerBy.LAST_PRICE and ticker.last_price is not None:
        return ticker.last_price
    return ticker.mark_price


def followed(trade: Trade, price: Decimal, instrument: Instrument) -> Trade:
    """The record with its stop where it belongs at this price; the same one if it may stay."""
    plan = trade.plan
    is_over = trade.is_finished or trade.exit_reason is not None
    if not plan.moves_stop or is_over or trade.position <= 0 or price <= 0:
        return trade
    now, side = trade.stop_price, plan.side
    places = (_behind(trade, price, instrument), _at_break_even(trade, price, instrument))
    better = [x for x in places if x is not None and is_tighter(side, x, now)]
    if not better:
        return trade
    return replace(trade, stop_at=max(better) if side is Side.BUY else min(better))


def _behind(trade: Trade, price: Decimal, instrument: Instrument) -> Decimal | None:
    """At the trail's distance from the price, if that is a move worth an edit."""
    trail, side = trade.plan.trail, trade.plan.side
    if trail is None:
        return None
    place = on_tick(instrument, side.opposite, price - side.sign * trail)
    gained = (place - trade.stop_price) * side.sign
    return place if place > 0 and gained >= trail * LEAST_MOVE else None


def _at_break_even(trade: Trade, price: Decimal, instrument: Instrument) -> Decimal | None:
    """Where nothing is lost, once the price has come as far as was asked for."""
    plan = trade.plan
    if plan.break_even_at is None or (price - plan.break_even_at) * plan.side.sign < 0:
        return None
    place = break_even(trade, instrument)
    # Not beyond the price: that would be no stop, but a close.
    return place if place is not None and is_tighter(plan.side, price, place) else None


@exact
def break_even(trade: Trade, instrument: Instrument) -> Decimal | None:
    """The price at which closing everything at market pays back entry and fees, on tick.

    None while fills are missing. Slippage of the close is not in it.

    Solves ``pnl(x) = fees of the entry + taker fee at x``, for inverse in coin:
    ``side * amount * (1/entry - 1/x) - fees - rate * amount / x = 0``.
    """
    instrument, side = own(trade, instrument), trade.plan.side
    entries = [x for x in trade.fills if x.side is side]
    if trade.lacks_fills or not entries:
        return None
    held, fees = Holding(), ZERO
    for fill in entries:
        held, _ = apply_fill(instrument, held, side, fill.contracts, fill.price)
        fees += fill.fee
    entry = average_price(instrument, held)
    if entry is None:
        return None
    amount = instrument.amount(abs(held.contracts))
    sign, rate = side.sign, instrument.taker_commission
    if instrument.is_inverse:
        price = (1 + sign * rate) / (1 / entry - sign * fees / amount)
    else:
        price = (entry + sign * fees / amount) / (1 - sign * rate)
    return on_tick(instrument, side, price)


def on_tick(instrument: Instrument, towards: Side, price: Decimal) -> Decimal:
    """The nearest tick, up for a buy and down for a sell."""
    return instrument.ceil_price(price) if towards is Side.BUY else instrument.floor_price(price)
