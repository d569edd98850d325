"""Orders, trades and trigger history out, with the venue's visibility windows."""

from collections.abc import Callable
from typing import Any

from adapters.paper import wire
from adapters.paper.errors import invalid
from adapters.paper.methods.call import Call, Method
from adapters.paper.methods.paging import (
    NO_END,
    ascending,
    id_bounds,
    id_digits,
    in_currency,
    in_instrument,
    is_of_kind,
    of_type,
)
from adapters.paper.methods.tape import timed
from adapters.paper.records import OrderRecord, TradeRecord
from adapters.paper.wire import Json
from domain.orders import OrderState

Wanted = Callable[[OrderRecord], bool]
_OLD_MS = 2 * 24 * 3_600_000


def _order_state(call: Call) -> Json:
    return wire.order(call.engine.ledger.find(call.params.text("order_id"), call.now_ms))


def _order_state_by_label(call: Call) -> list[Json]:
    """All orders with the label, terminal ones of the last half hour included."""
    label, belongs = call.params.text("label"), in_currency(call.params.currency())
    return [
        wire.order(order)
        for order in call.engine.ledger.recent(call.now_ms)
        if order.label == label and belongs(order)
    ]


def _open(call: Call, belongs: Wanted) -> list[Json]:
    if not is_of_kind(call):
        return []
    passes = of_type(call)
    found = call.engine.ledger.select(lambda order: belongs(order) and passes(order))
    return [wire.order(order) for order in found]


def _open_orders(call: Call) -> list[Json]:
    return _open(call, in_currency("any"))


def _open_by_currency(call: Call) -> list[Json]:
    return _open(call, in_currency(call.params.currency()))


def _open_by_instrument(call: Call) -> list[Json]:
    return _open(call, in_instrument(call.params.instrument().name))


def _open_by_label(call: Call) -> list[Json]:
    belongs, label = in_currency(call.params.currency()), call.params.text("label", "")
    return _open(call, lambda order: belongs(order) and (not label or order.label == label))


def _history(call: Call, belongs: Wanted) -> Any:
    """Closed orders newest first; unfilled and old ones only when asked for."""
    unfilled, old = call.params.flag("include_unfilled"), call.params.flag("include_old")
    historical = call.params.flag("historical")
    found = [
        order
        for order in call.engine.ledger.history(call.now_ms, historical=historical)
        if belongs(order)
        and order.state is not OrderState.TRIGGERED
        and (unfilled or order.filled)
        and (old or order.updated_ms > call.now_ms - _OLD_MS)
    ]
    start = _after(call, found)
    page = found[start : start + call.params.count(20, most=1000)]
    orders = [wire.order(order) for order in page]
    if not call.params.flag("with_continuation"):
        return orders
    more = page[-1].order_id if start + len(page) < len(found) else None
    return {"orders": orders, "continuation": more}


def _after(call: Call, found: list[OrderRecord]) -> int:
    """Where a page begins: behind the order it goes on from, whatever has closed since."""
    token = call.params.text("continuation", "")
    if not token:
        return call.params.whole("offset", 0)
    ends = (place for place, order in enumerate(found, 1) if order.order_id == token)
    return next(ends, len(found))


def _history_by_currency(call: Call) -> Any:
    if not is_of_kind(call):
        return []
    return _history(call, in_currency(call.params.currency()))


def _history_by_instrument(call: Call) -> Any:
    return _history(call, in_instrument(call.params.instrument().name))


def _fills(call: Call, belongs: Callable[[TradeRecord], bool]) -> Json:
    start = call.params.whole("start_timestamp", 0)
    end = call.params.whole("end_timestamp", NO_END)
    historical = call.params.flag("historical")
    found = [
        trade
        for trade in call.engine.ledger.fills(call.now_ms, historical=historical)
        if belongs(trade) and start <= trade.timestamp_ms <= end
    ]
    count = call.params.count(10, most=1000)
    page = found[:count] if ascending(call) else found[::-1][:count]
    return {
        "trades": [wire.user_trade(trade) for trade in page],
        "has_more": len(found) > len(page),
    }


def _trades_by_currency(call: Call) -> Json:
    currency, matches = call.params.currency(), is_of_kind(call)
    first, last = id_bounds(call)
    return _fills(
        call,
        lambda trade: (
            matches
            and currency in {"any", trade.instrument.settlement_currency}
            and first <= id_digits(trade.trade_id) <= last
        ),
    )


def _trades_by_instrument(call: Call) -> Json:
    name = call.params.instrument().name
    first, last = call.params.whole("start_seq", 0), call.params.whole("end_seq", NO_END)
    return _fills(
        call,
        lambda trade: trade.instrument_name == name and first <= trade.trade_seq <= last,
    )


def _trades_by_order(call: Call) -> list[Json]:
    order_id = call.params.text("order_id")
    historical = call.params.flag("historical")
    found = [
        wire.user_trade(trade)
        for trade in call.engine.ledger.fills(call.now_ms, historical=historical)
        if trade.order_id == order_id
    ]
    return found if ascending(call) else found[::-1]


def _trigger_history(call: Call) -> Json:
    currency = call.params.currency()
    name = call.params.instrument().name if "instrument_name" in call.params else None
    found = [
        entry
        for entry in reversed(call.engine.ledger.entries)
        if currency in {"any", entry.instrument.settlement_currency}
        and name in {None, entry.instrument_name}
    ]
    start = _continued(call, len(found))
    page = found[start : start + call.params.count(20, most=1000)]
    token, left = None, len(found) - start - len(page)
    if left > 0:
        last = page[-1]
        token = f"{last.timestamp_ms}.{last.trigger_order_id}.{left}"
    following = {} if token is None else {"continuation": token}
    return {"entries": [wire.trigger_entry(entry) for entry in page], **following}


def _continued(call: Call, known: int) -> int:
    """Where a page begins: the token says how many older lines were left, which new ones leave."""
    token = call.params.text("continuation", "")
    if not token:
        return 0
    place = token.rpartition(".")[2]
    if not place.isdecimal():
        raise invalid("continuation", "invalid format")
    return max(0, known - int(place))


def _read(run: Callable[[Call], Any]) -> Method:
    return Method(run=run, needs="trade:read")


METHODS = {
    "private/get_order_state": _read(_order_state),
    "private/get_order_state_by_label": _read(_order_state_by_label),
    "private/get_open_orders": _read(_open_orders),
    "private/get_open_orders_by_currency": _read(_open_by_currency),
    "private/get_open_orders_by_instrument": _read(_open_by_instrument),
    "private/get_open_orders_by_label": _read(_open_by_label),
    "private/get_order_history_by_currency": _read(_history_by_currency),
    "private/get_order_history_by_instrument": _read(_history_by_instrument),
    "private/get_user_trades_by_currency": _read(_trades_by_currency),
    "private/get_user_trades_by_currency_and_time": _read(timed(_trades_by_currency)),
    "private/get_user_trades_by_instrument": _read(_trades_by_instrument),
    "private/get_user_trades_by_instrument_and_time": _read(timed(_trades_by_instrument)),
    "private/get_user_trades_by_order": _read(_trades_by_order),
    "private/get_trigger_order_history": _read(_trigger_history),
}
