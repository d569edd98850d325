"""The venue's JSON objects, made from records. Decimals stay decimals: `jsontext` writes them.

Money is cut to twelve decimals and averages to eight, finer than the venue shows, so that a
client can check its own arithmetic against ours.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from adapters.paper.account import Stake
from adapters.paper.candles import Candle
from adapters.paper.market import InterestSample, Level, Market, PublicTrade
from adapters.paper.records import (
    MARKET_STYLE,
    OrderRecord,
    TradeRecord,
    TriggerEntry,
)
from adapters.paper.switches import Switches
from domain.instruments import Instrument
from domain.margin import Margins
from domain.orders import ZERO, OrderState, Side
from domain.pnl import average_price, unrealised

USER_ID = 1000
_MONEY = Decimal("1E-12")
_AVERAGE = Decimal("1E-8")
_PERCENT = Decimal("0.0001")
_LEVERAGE = 50
_DUE = frozenset({OrderState.TRIGGERED, OrderState.REJECTED})
Json = dict[str, Any]


def money(value: Decimal) -> Decimal:
    """An amount of money as it is shown."""
    return value.quantize(_MONEY).normalize() + 0 if value else ZERO


def average(value: Decimal) -> Decimal:
    """An average price as it is shown."""
    return value.quantize(_AVERAGE).normalize() + 0 if value else ZERO


def order(record: OrderRecord) -> Json:
    """An order object; a market-style trigger that has not fired has a text for a price."""
    instrument = record.instrument
    is_unpriced = record.is_off_book and record.order_type in MARKET_STYLE
    shown: Json = {
        "order_id": record.order_id,
        "order_state": _state(record),
        "order_type": record.order_type.value,
        "instrument_name": record.instrument_name,
        "direction": record.side.value,
        "amount": instrument.amount(record.contracts),
        "contracts": record.contracts,
        "price": "market_price" if is_unpriced else record.price,
        "filled_amount": instrument.amount(record.filled),
        "average_price": average(record.average),
        "time_in_force": record.time_in_force.value,
        "label": record.label,
        "creation_timestamp": record.created_ms,
        "last_update_timestamp": record.updated_ms,
        "api": True,
        "web": False,
        "post_only": record.post_only,
        "reject_post_only": record.reject_post_only,
        "reduce_only": record.reduce_only,
        "is_liquidation": record.is_liquidation,
        "replaced": record.replaced,
        "mmp": False,
        "risk_reducing": record.risk_reducing,
        "user_id": USER_ID,
    }
    if record.is_secondary_oto:
        del shown["average_price"], shown["contracts"]
        shown["triggered"] = record.state is OrderState.TRIGGERED
        shown["is_secondary_oto"] = True
        if record.state in _DUE:
            # Nothing of it has filled: the venue writes so all the same.
            shown["filled_amount"] = shown["amount"]
    elif record.is_trigger:
        # The venue may leave fills out of trigger orders, so a client must not need them.
        del shown["filled_amount"], shown["average_price"]
        shown["triggered"] = record.state is OrderState.TRIGGERED
    return shown | _optional(record)


def _state(record: OrderRecord) -> str:
    """What fired, or was due, and could not be placed says why in its very state."""
    why = record.reject_reason
    return record.state.value if why is None else f"{record.state.value}:{why}"


def _trigger_order_id(record: OrderRecord) -> str | None:
    """The trigger an order came from; a trigger that has fired names itself, a child that waits
    no more what it became.
    """
    if record.state is not OrderState.TRIGGERED:
        return record.trigger_order_id
    return record.growing_id if record.is_secondary_oto else record.order_id


def _optional(record: OrderRecord) -> Json:
    shown = record.display
    display = None if shown is None else record.instrument.amount(shown)
    values: Json = {
        "original_order_type": record.original_order_type,
        "trigger": record.trigger,
        "trigger_price": record.trigger_price,
        "trigger_offset": record.trigger_offset,
        "trigger_reference_price": record.trigger_reference_price,
        "trigger_order_id": _trigger_order_id(record),
        "oco_ref": record.oco_ref,
        # The venue names the primary on what was placed, not on what waits.
        "primary_order_id": None if record.is_secondary_oto else record.primary_order_id,
        "trigger_fill_condition": record.fill_condition,
        "oto_order_ids": list(record.oto_order_ids) or None,
        "is_primary_otoco": record.is_primary_otoco or None,
        "display_amount": display,
        "refresh_amount": display,
        "cancel_reason": record.cancel_reason,
    }
    return {name: value for name, value in values.items() if value is not None}


def user_trade(record: TradeRecord) -> Json:
    """One of our fills."""
    instrument = record.instrument
    shown: Json = {
        "trade_id": record.trade_id,
        "trade_seq": record.trade_seq,
        "instrument_name": record.instrument_name,
        "timestamp": record.timestamp_ms,
        "order_id": record.order_id,
        "order_type": "liquidation" if record.is_liquidation else record.order_type.value,
        "direction": record.side.value,
        "price": record.price,
        "amount": instrument.amount(record.contracts),
        "contracts": record.contracts,
        "tick_direction": record.tick_direction,
        "index_price": record.index_price,
        "mark_price": record.mark_price,
        "fee": money(record.fee),
        "fee_currency": instrument.settlement_currency,
        "liquidity": "M" if record.is_maker else "T",
        "state": record.state.value,
        "matching_id": None,
        "post_only": record.post_only,
        "reduce_only": record.reduce_only,
        "api": True,
        "mmp": False,
        "self_trade": False,
        "risk_reducing": record.risk_reducing,
        "profit_loss": money(record.profit_loss),
        "user_id": USER_ID,
    }
    if record.label:
        shown["label"] = record.label
    if record.is_liquidation:
        shown["liquidation"] = "T"
    return shown


def trigger_entry(record: TriggerEntry) -> Json:
    """One line of the trigger history."""
    shown: Json = {
        "timestamp": record.timestamp_ms,
        "last_update_timestamp": record.timestamp_ms,
        "trigger_order_id": record.trigger_order_id,
        "order_state": record.state,
        "request": record.request,
        "instrument_name": record.instrument_name,
        "direction": record.side.value,
        "price": "market_price" if record.price is None else record.price,
        "amount": record.instrument.amount(record.contracts),
        "reduce_only": record.reduce_only,
        "post_only": record.post_only,
        "order_type": "market" if record.price is None else "limit",
        "label": record.label,
        "order_id": record.order_id,
        "trigger_offset": record.trigger_offset,
    }
    if record.trigger is not None:
        shown |= {"trigger": record.trigger, "trigger_price": record.trigger_price}
    if record.oco_ref is not None:
        shown["oco_ref"] = record.oco_ref
    if record.is_secondary_oto:
        shown["is_secondary_oto"] = True
    return shown


def public_trade(instrument: Instrument, record: PublicTrade) -> Json:
    """A trade on the tape."""
    liquidated = {} if record.liquidation is None else {"liquidation": record.liquidation}
    return liquidated | {
        "trade_id": record.trade_id,
        "trade_seq": record.trade_seq,
        "instrument_name": instrument.name,
        "timestamp": record.timestamp_ms,
        "direction": record.side.value,
        "price": record.price,
        "amount": instrument.amount(record.contracts),
        "contracts": record.contracts,
        "tick_direction": record.tick_direction,
        "mark_price": record.mark_price,
        "index_price": record.index_price,
    }


def candle(span: Candle) -> Json:
    """One candle of a chart channel."""
    return {
        "tick": span.tick,
        "open": span.open,
        "high": span.high,
        "low": span.low,
        "close": span.close,
        "volume": average(span.volume),
        "cost": average(span.cost),
    }


def position(
    market: Market, stake: Stake, margins: Margins, orders_margin: Decimal, switches: Switches
) -> Json:
    """A position; flat ones have size 0 and direction ``zero``."""
    instrument, held = market.instrument, stake.holding.contracts
    amount, coins = instrument.amount(held), delta(market, stake)
    side = stake.holding.side
    is_unsigned = switches.short_size == "unsigned"
    size = coins * market.mark if _is_quoted(instrument, switches) else amount
    return {
        "instrument_name": instrument.name,
        "kind": "future",
        "direction": side.value if side else "zero",
        "size": abs(size) if is_unsigned else size,
        "size_currency": abs(coins) if is_unsigned else coins,
        "delta": coins,
        "average_price": average(average_price(instrument, stake.holding) or ZERO),
        "mark_price": market.mark,
        "index_price": market.index,
        "settlement_price": market.settlement_price,
        "initial_margin": money(margins.initial),
        "maintenance_margin": money(margins.maintenance),
        "open_orders_margin": money(orders_margin),
        "leverage": _LEVERAGE,
        "total_profit_loss": money(unrealised(instrument, stake.holding, market.mark)),
        "floating_profit_loss": money(unrealised(instrument, stake.session, market.mark)),
        "realized_profit_loss": money(stake.realised + stake.funding),
        "realized_funding": money(stake.funding),
        "interest_value": money(market.interest),
    }


def delta(market: Market, stake: Stake) -> Decimal:
    """A position in coins, signed."""
    amount = market.instrument.amount(stake.holding.contracts)
    return money(amount / market.mark) if market.instrument.is_inverse else amount


def _is_quoted(instrument: Instrument, switches: Switches) -> bool:
    return switches.linear_size == "quote" and not instrument.is_inverse


def levels(
    instrument: Instrument, synthetic: Iterable[Level], own: Iterable[OrderRecord], side: Side
) -> list[tuple[Decimal, Decimal]]:
    """Price and amount of one side of the book, ours included, best first."""
    sizes = {level.price: level.contracts for level in synthetic}
    mine = [(x.price, x.shown) for x in own if x.side is side and x.price is not None]
    if not mine:  # the synthetic levels are in order, each with a price of its own
        return [(price, instrument.amount(contracts)) for price, contracts in sizes.items()]
    for price, shown in mine:
        sizes[price] = sizes.get(price, 0) + shown
    ordered = sorted(sizes.items(), reverse=side is Side.BUY)
    return [(price, instrument.amount(contracts)) for price, contracts in ordered]


def touch(bids: list[tuple[Decimal, Decimal]], asks: list[tuple[Decimal, Decimal]]) -> Json:
    """The best of both sides; zeros for an empty one."""
    empty = (ZERO, ZERO)
    bid, ask = (bids or [empty])[0], (asks or [empty])[0]
    return {
        "best_bid_price": bid[0],
        "best_bid_amount": bid[1],
        "best_ask_price": ask[0],
        "best_ask_amount": ask[1],
    }


def ticker(market: Market, best: Mapping[str, Any], state: str) -> Json:
    """A ticker, without the statistics of the day."""
    low, high = market.band()
    instrument = market.instrument
    return {
        "instrument_name": instrument.name,
        "timestamp": market.now_ms,
        "state": state,
        "open_interest": instrument.amount(open_interest(market)),
        **best,
        "index_price": market.index,
        "mark_price": market.mark,
        "last_price": market.last_price,
        "min_price": low,
        "max_price": high,
        "settlement_price": market.settlement_price,
        "estimated_delivery_price": market.index,
        "funding_8h": funding_8h(market),
        "current_funding": money(market.rate),
        "interest_value": money(market.interest),
    }


def open_interest(market: Market) -> int:
    """Contracts outstanding: a plausible number that drifts, made of nothing else."""
    return 100_000_000 + market.trade_seq % 9973 * 100 + market.steps % 1009


def funding_8h(market: Market) -> Decimal:
    """Funding over the eight hours before now."""
    start = market.now_ms - 8 * 3_600_000
    return money(market.interest - market.interest_at(start))


def stats(market: Market) -> Json:
    """The day's statistics."""
    day = market.candles.day()
    if day is None:
        volumes = dict.fromkeys(("volume", "volume_usd", "volume_notional"), ZERO)
        return {"high": None, "low": None, **volumes, "price_change": None}
    change = (day.close / day.open - 1) * 100
    return {
        "high": day.high,
        "low": day.low,
        "volume": average(day.volume),
        "volume_usd": average(day.cost),
        "volume_notional": average(day.cost),
        "price_change": change.quantize(_PERCENT),
    }


def funding_row(market: Market, sample: InterestSample, before: InterestSample) -> Json:
    """One hour of the funding history."""
    past = market.interest_at(sample.timestamp_ms - 8 * 3_600_000)
    return {
        "timestamp": sample.timestamp_ms,
        "index_price": sample.index_price,
        "prev_index_price": before.index_price,
        "interest_1h": money(sample.interest - before.interest),
        "interest_8h": money(sample.interest - past),
    }
