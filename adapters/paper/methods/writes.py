"""Orders in: buy, sell, edit, cancel and their families (matching-engine requests)."""

from collections.abc import Callable
from typing import Any

from adapters.paper import editing, gating, linking, placing, triggers, wire
from adapters.paper.catalogue import INSTRUMENTS
from adapters.paper.engine import Engine
from adapters.paper.errors import VenueError, invalid, refusal
from adapters.paper.limits import Bucket
from adapters.paper.methods import drafts
from adapters.paper.methods.call import Call, Method
from adapters.paper.methods.paging import in_currency, in_instrument, is_of_kind, of_type
from adapters.paper.records import Draft, OrderRecord, TradeRecord
from adapters.paper.wire import Json
from domain.orders import TRIGGER_TYPES, OrderType, Side

Wanted = Callable[[OrderRecord], bool]
_CLOSING_TYPES = frozenset({"limit", "market"})


def _placed(order: OrderRecord, trades: list[TradeRecord]) -> Json:
    return {"order": wire.order(order), "trades": [wire.user_trade(trade) for trade in trades]}


def _place(call: Call, side: Side) -> Json:
    draft = drafts.draft(call, side)
    drafts.check_valid_until(call)
    gating.check_order(call.engine, draft.instrument.name)
    linkage = drafts.linkage(call, draft)
    if linkage is not None:
        return _placed(*linking.place(call.engine, draft, linkage))
    if draft.order_type in TRIGGER_TYPES:
        return _placed(triggers.arm(call.engine, draft), [])
    return _placed(*placing.send(call.engine, draft))


def _buy(call: Call) -> Json:
    return _place(call, Side.BUY)


def _sell(call: Call) -> Json:
    return _place(call, Side.SELL)


def _edit_order(call: Call, order: OrderRecord) -> Json:
    change = drafts.change(call, order.instrument)
    drafts.check_valid_until(call)
    gating.check_edit(call.engine, order.instrument_name)
    trades = editing.edit(call.engine, order, change)
    return _placed(order, trades)


def _edit(call: Call) -> Json:
    return _edit_order(call, call.engine.ledger.find(call.params.text("order_id"), call.now_ms))


def _edit_by_label(call: Call) -> Json:
    label, name = call.params.text("label"), call.params.instrument().name
    found = call.engine.ledger.select(
        lambda order: order.label == label and order.instrument_name == name
    )
    if not found:
        raise refusal(10004)
    if len(found) > 1:
        raise refusal(13032)
    return _edit_order(call, found[0])


def _cancel(call: Call) -> Json:
    order = call.engine.ledger.find(call.params.text("order_id"), call.now_ms)
    if not order.state.is_live:
        raise refusal(11044)
    gating.check_cancel(call.engine, order.instrument_name)
    before = wire.order(order)
    call.engine.cancel(order)
    is_stale = call.engine.switches.cancelled_trigger_reply == "untriggered"
    return before if order.is_off_book and is_stale else wire.order(order)


def _cancel_where(call: Call, *tests: Wanted) -> Any:
    """Cancels what passes every test: a number, or groups when ``detailed``."""
    cancelled = _cancel_found(call, lambda order: all(test(order) for test in tests))
    return _detailed(cancelled) if call.params.flag("detailed") else len(cancelled)


def _cancel_found(call: Call, wanted: Wanted) -> list[OrderRecord]:
    """Cancels what is wanted, as far as its book takes cancels.

    Raises:
        VenueError: 10041 or 10012, none of them does.
    """
    engine = call.engine
    found = engine.ledger.select(wanted)
    refusals = {name: _refusal(engine, name) for name in {each.instrument_name for each in found}}
    possible = [order for order in found if refusals[order.instrument_name] is None]
    for order in possible:
        engine.cancel(order)
    if found and not possible:
        raise refusals[found[0].instrument_name] or refusal(10012)
    return possible


def _refusal(engine: Engine, instrument_name: str) -> VenueError | None:
    try:
        gating.check_cancel(engine, instrument_name)
    except VenueError as error:
        return error
    return None


def _detailed(orders: list[OrderRecord]) -> list[Json]:
    groups: dict[tuple[str, str], list[OrderRecord]] = {}
    for order in orders:
        kind = "trigger" if order.is_off_book else "limit"
        groups.setdefault((order.instrument_name, kind), []).append(order)
    return [
        {
            "currency": INSTRUMENTS[name].settlement_currency,
            "type": kind,
            "instrument_name": name,
            "result": [wire.order(order) for order in group],
        }
        for (name, kind), group in groups.items()
    ]


def _kind_test(call: Call) -> Wanted:
    passes = is_of_kind(call)
    return lambda _: passes


def _cancel_all(call: Call) -> Any:
    return _cancel_where(call)


def _cancel_all_by_currency(call: Call) -> Any:
    return _cancel_where(call, in_currency(call.params.currency()), of_type(call), _kind_test(call))


def _cancel_all_by_pair(call: Call) -> Any:
    pair = call.params.text("currency_pair").lower()
    if not any(each.price_index == pair for each in INSTRUMENTS.values()):
        raise invalid("currency_pair", "invalid currency pair")
    return _cancel_where(
        call,
        lambda order: order.instrument.price_index == pair,
        of_type(call),
        _kind_test(call),
    )


def _cancel_all_by_instrument(call: Call) -> Any:
    return _cancel_where(call, in_instrument(call.params.instrument().name), of_type(call))


def _cancel_all_by_kind_or_type(call: Call) -> Any:
    asked = {text.upper() for text in call.params.texts("currency")}
    return _cancel_where(
        call,
        lambda order: bool(asked & {"ANY", order.instrument.settlement_currency}),
        of_type(call),
        _kind_test(call),
    )


def _cancel_by_label(call: Call) -> int:
    label, currency = call.params.text("label"), call.params.currency(default="any")
    belongs = in_currency(currency)
    return len(_cancel_found(call, lambda order: order.label == label and belongs(order)))


def _close_position(call: Call) -> Json:
    instrument = call.params.instrument()
    order_type = OrderType(call.params.one_of("type", _CLOSING_TYPES))
    gating.check_order(call.engine, instrument.name)
    held = call.engine.account.contracts(instrument.name)
    if held == 0:
        raise refusal(11030, "invalid_reduce_only_order")
    draft = Draft(
        instrument=instrument,
        side=Side.SELL if held > 0 else Side.BUY,
        contracts=abs(held),
        order_type=order_type,
        price=drafts.positive(call.params, "price") if order_type is OrderType.LIMIT else None,
        reduce_only=True,
        session_id=call.session.session_id,
    )
    return _placed(*placing.send(call.engine, draft))


def _write(run: Callable[[Call], Any], bucket: Bucket = Bucket.MATCHING) -> Method:
    return Method(run=run, needs="trade:read_write", bucket=bucket)


METHODS = {
    "private/buy": _write(_buy),
    "private/sell": _write(_sell),
    "private/edit": _write(_edit),
    "private/edit_by_label": _write(_edit_by_label),
    "private/cancel": _write(_cancel),
    "private/close_position": _write(_close_position),
    "private/cancel_all": _write(_cancel_all, Bucket.CANCEL_ALL),
    "private/cancel_all_by_currency": _write(_cancel_all_by_currency, Bucket.CANCEL_ALL),
    "private/cancel_all_by_currency_pair": _write(_cancel_all_by_pair, Bucket.CANCEL_ALL),
    "private/cancel_all_by_instrument": _write(_cancel_all_by_instrument, Bucket.CANCEL_ALL),
    "private/cancel_all_by_kind_or_type": _write(_cancel_all_by_kind_or_type, Bucket.CANCEL_ALL),
    "private/cancel_by_label": _write(_cancel_by_label, Bucket.CANCEL_ALL),
}
