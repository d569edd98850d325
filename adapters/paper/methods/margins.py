"""What an order ties up: before it is sent, and once it rests."""

from decimal import Decimal
from typing import Any

from adapters.paper import risk, wire
from adapters.paper.methods import drafts
from adapters.paper.methods.call import Call, Method
from adapters.paper.records import OrderRecord
from adapters.paper.wire import Json
from domain import margin
from domain.orders import ZERO, Side


def _margins(call: Call) -> Json:
    """Initial margin a buy and a sell of that size would add to the account's, and their fees."""
    instrument = call.params.instrument()
    contracts = drafts.required_contracts(call.params, instrument)
    price = drafts.required_number(call.params, "price")
    engine, name = call.engine, instrument.name
    now = risk.with_orders(engine, name)
    low, high = engine.markets[name].band()
    added = {
        side.value: wire.money(risk.with_orders(engine, name, side, contracts) - now)
        for side in Side
    }
    fees = {
        f"{side.value}_{role}_fee": wire.money(
            engine.fees.of_fill(instrument, contracts, price, is_maker=role == "maker")
        )
        for side in Side
        for role in ("taker", "maker")
    }
    return {**added, **fees, "min_price": low, "max_price": high}


def _by_ids(call: Call) -> list[Json]:
    """What each order would tie up alone; what is closed or waits outside the book, nothing."""
    orders = [call.engine.ledger.find(text, call.now_ms) for text in call.params.texts("ids")]
    return [
        {
            "order_id": order.order_id,
            "initial_margin": wire.money(_alone(call, order)),
            "initial_margin_currency": order.instrument.settlement_currency,
        }
        for order in orders
    ]


def _alone(call: Call, order: OrderRecord) -> Decimal:
    if not order.is_resting or order.reduce_only:
        return ZERO
    market = call.engine.markets[order.instrument_name]
    return margin.requirement(order.instrument, order.remaining, market.mark, market.index).initial


def _read(run: Any) -> Method:
    return Method(run=run, needs="trade:read")


METHODS = {
    "private/get_margins": _read(_margins),
    "private/get_order_margin_by_ids": _read(_by_ids),
}
