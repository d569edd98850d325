"""Liquidation: slice by slice, about one a second, until the margin suffices again.

While it lasts the account takes no orders in that currency. What a slice cannot fill is tried
again with the next one.
"""

from decimal import ROUND_CEILING, Decimal

from adapters.paper import booking, matching, placing, risk
from adapters.paper.catalogue import INSTRUMENTS
from adapters.paper.engine import Engine
from adapters.paper.records import Draft
from domain.orders import ZERO, OrderType, Side, TimeInForce


def watch(engine: Engine, currency: str) -> None:
    """Begins, goes on with or ends the liquidation in one currency."""
    names = [name for name in risk.names_in(currency) if engine.account.contracts(name)]
    margins = {name: risk.position_margins(engine, name).maintenance for name in names}
    needed, running = sum(margins.values(), ZERO), engine.account.liquidated_ms
    if not names and currency not in running:
        return
    equity = risk.equity(engine, currency)
    if not names or needed <= equity:
        if running.pop(currency, None) is not None and not names:
            _cover(engine, currency, equity)
        return
    if currency not in running:
        _cancel_orders(engine, currency)
    last_ms = running.get(currency)
    if last_ms is None or engine.now_ms - last_ms >= engine.switches.liquidation_round_ms:
        running[currency] = engine.now_ms
        largest = max(names, key=lambda name: margins[name])
        _sell_off(engine, largest, _slice(engine, largest, 1 - equity / needed))


def _cancel_orders(engine: Engine, currency: str) -> None:
    for order in engine.ledger.select(
        lambda order: order.instrument.settlement_currency == currency
    ):
        engine.cancel(order, reason="autoliquidation")


def _slice(engine: Engine, name: str, excess: Decimal) -> int:
    """Contracts of one round: what the excess calls for, within the share allowed at once."""
    held = abs(engine.account.contracts(name))
    wanted = int((held * min(Decimal(1), excess)).to_integral_value(ROUND_CEILING))
    most = -(-held * engine.switches.liquidation_slice_pct // 100)
    return max(1, min(wanted, most))


def _sell_off(engine: Engine, name: str, contracts: int) -> None:
    """Closes a slice at market; whatever the band leaves is cancelled."""
    side = Side.SELL if engine.account.contracts(name) > 0 else Side.BUY
    draft = Draft(
        instrument=INSTRUMENTS[name],
        side=side,
        contracts=contracts,
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
        reduce_only=True,
    )
    order = placing.record(engine, draft)
    order.is_liquidation = True
    matching.enter(engine, order)


def _cover(engine: Engine, currency: str, equity: Decimal) -> None:
    """The insurance fund pays what a liquidated account owes."""
    if equity < 0:
        engine.account.balances[currency] -= equity
        booking.log_cash(engine, "correction", currency, -equity)
