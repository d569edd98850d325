"""A trade's orders: how each is asked for, and whether what was accepted is what was asked."""

from dataclasses import replace

from domain.contract_sizes import own
from domain.instruments import Instrument
from domain.labels import Role
from domain.orders import Order, OrderRequest, OrderType
from domain.trade import Line, LineStatus, Trade
from domain.trailing import on_tick


def on_grid(trade: Trade, instrument: Instrument) -> Trade:
    """The trade with the prices of its stop and its target on the tick as it is now.

    Nothing moves unless the venue has changed the tick since the trade was planned. Then it moves
    by less than a tick, to the safe side: a stop nearer to the market, a target to the entry.
    """
    plan = trade.plan
    nearer, sooner = plan.side, plan.side.opposite
    target, moved_to = plan.target_price, trade.stop_at
    return replace(
        trade,
        plan=replace(
            plan,
            stop_price=on_tick(instrument, nearer, plan.stop_price),
            target_price=None if target is None else on_tick(instrument, sooner, target),
        ),
        stop_at=None if moved_to is None else on_tick(instrument, nearer, moved_to),
        lines=tuple(
            x
            if x.trigger_price is None
            else replace(x, trigger_price=on_tick(instrument, nearer, x.trigger_price))
            for x in trade.lines
        ),
    )


def request_of(trade: Trade, line: Line, instrument: Instrument) -> OrderRequest:
    """The order behind a line of the record. Everything but an entry is reduce-only."""
    trade, instrument = on_grid(trade, instrument), own(trade, instrument)
    plan = trade.plan
    is_entry = line.role is Role.ENTRY
    types = {
        Role.ENTRY: plan.entry_type,
        Role.STOP: OrderType.STOP_MARKET,
        Role.TARGET: OrderType.LIMIT,
    }
    prices = {Role.ENTRY: plan.entry_price, Role.TARGET: plan.target_price}
    is_stop = line.role is Role.STOP
    return OrderRequest(
        instrument=instrument,
        side=plan.side if is_entry else plan.side.opposite,
        contracts=line.contracts,
        order_type=types.get(line.role, OrderType.MARKET),
        label=trade.label(line),
        price=prices.get(line.role),
        trigger_price=trade.stop_price if is_stop else None,
        trigger=plan.stop_trigger if is_stop else None,
        reduce_only=not is_entry,
        valid_until_ms=line.valid_until_ms,
        children=_children(trade, instrument) if is_entry and trade.is_linked else (),
    )


def _children(trade: Trade, instrument: Instrument) -> tuple[OrderRequest, ...]:
    """What a linked entry brings along: its stop, and its target if there is one."""
    waiting = (x for x in trade.lines if x.is_slot and x.status is LineStatus.WAITING)
    return tuple(request_of(trade, child, instrument) for child in waiting)


def differences(request: OrderRequest, order: Order) -> str:
    """How an accepted order differs from the one asked for; empty when it is the same.

    A wrapper or an engine that drops an unknown parameter turns a stop into a market order
    (ccxt issue 16315), so nothing of a reply is taken for granted. A market order may be shown
    as a limit at the price band, a reduce-only order smaller than asked. What was edited since is
    as somebody wants it: news may come in the place of a reply, and tell of an edit as well.
    """
    is_theirs = order.is_edited and request.reduce_only
    checks = [
        (order.label == request.label, f"label {order.label!r}"),
        (order.side is request.side, f"direction {order.side}"),
        (
            order.instrument_name == request.instrument.name,
            f"instrument {order.instrument_name}",
        ),
        (order.reduce_only or not request.reduce_only, "not reduce-only"),
        (
            order.contracts <= request.contracts or is_theirs,
            f"{order.contracts} contracts instead of {request.contracts}",
        ),
    ]
    if request.order_type is OrderType.STOP_MARKET:
        checks += _stop_checks(request, order)
    return ", ".join(text for is_right, text in checks if not is_right)


def _stop_checks(request: OrderRequest, order: Order) -> list[tuple[bool, str]]:
    """A stop that fires at once is shown as the market order that came out of it."""
    is_child = order.trigger_order_id is not None
    return [
        (order.order_type is OrderType.STOP_MARKET or is_child, f"type {order.order_type}"),
        (order.trigger in {None, request.trigger}, f"trigger {order.trigger}"),
        (
            order.trigger_price in {None, request.trigger_price} or order.is_edited,
            f"trigger price {order.trigger_price}",
        ),
    ]
