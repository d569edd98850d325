"""Edits: absolute new values under the same order id. ``amount`` is the new total."""

from dataclasses import dataclass, replace
from decimal import Decimal

from adapters.paper import matching, placing, reduce_only, risk, triggers
from adapters.paper.engine import Engine
from adapters.paper.errors import VenueError, invalid, refusal
from adapters.paper.records import OrderRecord, TradeRecord
from domain.orders import ZERO, OrderState, OrderType

POST_ONLY_REJECT = 11054


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an edit asks for; None leaves a value as it is. ``contracts`` includes the filled."""

    contracts: int | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    trigger_offset: Decimal | None = None
    reduce_only: bool | None = None
    post_only: bool | None = None
    reject_post_only: bool | None = None
    display: int | None = None


def edit(engine: Engine, order: OrderRecord, change: Change) -> list[TradeRecord]:
    """Changes a live order; returns the fills that this caused at once.

    Raises:
        VenueError: refused, and the order is as before; but a post-only edit that would take
            liquidity in reject mode cancels it.
    """
    if order.state is OrderState.TRIGGERED:
        raise refusal(11044)
    if not order.state.is_live:
        raise refusal(10010)
    contracts = order.contracts if change.contracts is None else change.contracts
    if contracts <= order.filled:
        raise refusal(10022)
    if order.is_secondary_oto:
        return _edit_child(engine, order, change, contracts)
    if order.is_trigger:
        return _edit_trigger(engine, order, change, contracts)
    return _edit_resting(engine, order, change, contracts)


def _flags(engine: Engine, order: OrderRecord, change: Change) -> OrderRecord:
    """The order with the new flags, as a copy to check before anything is changed."""
    keeps = engine.switches.edit_without_reduce_only == "keeps" or order.is_secondary_oto
    left_out = order.reduce_only and keeps
    return replace(
        order,
        reduce_only=left_out if change.reduce_only is None else change.reduce_only,
        post_only=order.post_only if change.post_only is None else change.post_only,
        reject_post_only=(
            order.reject_post_only if change.reject_post_only is None else change.reject_post_only
        ),
    )


def _adopt(engine: Engine, order: OrderRecord, wanted: OrderRecord) -> None:
    order.reduce_only, order.post_only = wanted.reduce_only, wanted.post_only
    order.reject_post_only, order.contracts = wanted.reject_post_only, wanted.contracts
    order.price, order.rank = wanted.price, wanted.rank
    order.display, order.visible = wanted.display, wanted.visible
    order.replaced = True
    engine.note(order)


def _edit_child(
    engine: Engine, order: OrderRecord, change: Change, contracts: int
) -> list[TradeRecord]:
    """A waiting child: ticks are checked, the market is not."""
    if change.post_only is not None:
        raise invalid("post_only", "post_only not allowed for secondary orders")
    wanted = _flags(engine, order, change)
    wanted.contracts = contracts
    wanted.price = _new_limit(order, change)
    if change.trigger_price is not None and order.trigger_price is not None:
        order.trigger_price = triggers.check_trigger(order.instrument, change.trigger_price)
    if change.trigger_offset is not None and order.trigger_offset is not None:
        order.trigger_offset = change.trigger_offset
    _adopt(engine, order, wanted)
    return []


def _new_limit(order: OrderRecord, change: Change) -> Decimal | None:
    """The limit of an order that is not in the book; market-style ones have none to change."""
    if change.price is None or order.price is None:
        return order.price
    if not order.instrument.is_on_tick(change.price):
        raise refusal(10043)
    return change.price


def _edit_trigger(
    engine: Engine, order: OrderRecord, change: Change, contracts: int
) -> list[TradeRecord]:
    wanted = _flags(engine, order, change)
    wanted.contracts = contracts
    wanted.price = _new_limit(order, change)
    if order.order_type is not OrderType.TRAILING_STOP:
        triggers.rearm(engine, order, change.trigger_price)
    elif change.trigger_offset is not None:
        _new_offset(order, change.trigger_offset)
    _adopt(engine, order, wanted)
    return []


def _new_offset(order: OrderRecord, offset: Decimal) -> None:
    order.trigger_offset = offset
    if order.peak is not None:
        order.trigger_price = order.peak + order.side.sign * offset


def _edit_resting(
    engine: Engine, order: OrderRecord, change: Change, contracts: int
) -> list[TradeRecord]:
    wanted = _flags(engine, order, change)
    wanted.contracts = contracts
    if change.price is not None:
        price = placing.within_band(engine, order.instrument, order.side, change.price)
        wanted.price = _passive(engine, order, wanted, price)
    _check_size(engine, order, wanted)
    price = wanted.price or ZERO
    matching.check_self_trade(engine, order.instrument_name, order.side, price, wanted.remaining)
    _show(wanted, change)
    if wanted.price != order.price or wanted.contracts > order.contracts:
        wanted.rank = engine.ids.rank()
    _adopt(engine, order, wanted)
    return matching.enter(engine, order)


def _passive(engine: Engine, order: OrderRecord, wanted: OrderRecord, price: Decimal) -> Decimal:
    if not wanted.post_only:
        return price
    try:
        return placing.passive_price(engine, order.instrument, order.side, price, wanted)
    except VenueError as error:
        if error.code == POST_ONLY_REJECT:
            engine.cancel(order, reason="edit_post_only_reject")
        raise


def _show(wanted: OrderRecord, change: Change) -> None:
    """A new visible part begins anew; an old one never shows more than there is."""
    display = wanted.display if change.display is None else change.display
    if display is not None:
        wanted.display = placing.check_display(wanted.instrument, wanted.contracts, display)
    if change.display is not None:
        wanted.visible = wanted.display or 0


def _check_size(engine: Engine, order: OrderRecord, wanted: OrderRecord) -> None:
    """Cuts a reduce-only order to the position; others must be affordable."""
    if wanted.reduce_only:
        room = reduce_only.admitted(engine, order.instrument_name, order.side, wanted.remaining)
        wanted.contracts = wanted.filled + room
        return
    # A reduce-only order made ordinary ties up margin for all of it, not just for the growth.
    counted = 0 if order.reduce_only else order.remaining
    more = wanted.remaining - counted
    if more > 0:
        risk.check_funds(engine, order.instrument, order.side, more)
