"""The account as tables a person (or a program) reads: positions with their stops, orders, money.

Pure functions over what the venue said in one look. The stop shown is the one that rests at the
venue, never the one that was intended.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from domain import labels
from domain.content import Cell, Column, Table
from domain.orders import ZERO, Account, Order, OrderType, Position, Ticker
from domain.trade import Trade
from domain.trade_states import state_of
from domain.watch import protects

STABLE = frozenset({"USDC", "USDT", "USD"})

POSITION_COLUMNS = (
    Column(key="instrument", title="instrument"),
    Column(key="side", title="side"),
    Column(key="contracts", title="contracts"),
    Column(key="size_coin", title="coin", digits=6),
    Column(key="entry", title="entry", digits=2, is_price=True),
    Column(key="mark", title="mark", digits=2, is_price=True),
    Column(key="pnl_coin", title="PnL coin", digits=8),
    Column(key="currency", title="currency"),
    Column(key="pnl_usd", title="PnL USD", digits=2),
    Column(key="stop", title="stop at venue", digits=2, is_price=True),
    Column(key="stop_contracts", title="stop contracts"),
    Column(key="to_stop_pct", title="to stop %", digits=2),
    Column(key="liquidation", title="liquidation", digits=2, is_price=True),
    Column(key="to_liquidation_pct", title="to liquidation %", digits=2),
    Column(key="target", title="target", digits=2, is_price=True),
    Column(key="unprotected_ms", title="unprotected ms", digits=1),
    Column(key="trades", title="trades"),
)


def positions_table(
    positions: Sequence[Position], orders: Sequence[Order], trades: Sequence[Trade], now: datetime
) -> Table:
    """Every position with what protects it. Distances are in percent of the mark price.

    The PnL counts from the entry beside it; the venue's floating one only since the settlement.
    """
    return Table(
        key="positions",
        title="Positions",
        columns=POSITION_COLUMNS,
        rows=tuple(_position(x, orders, trades, now) for x in positions),
    )


def _position(
    position: Position, orders: Sequence[Order], trades: Sequence[Trade], now: datetime
) -> tuple[Cell, ...]:
    name = position.instrument_name
    currency = settlement_currency(name)
    stops = [x for x in orders if x.instrument_name == name and protects(x, position.contracts)]
    nearest = nearest_stop(stops, position)
    own = [x for x in trades if x.plan.instrument_name == name]
    liquidation = position.estimated_liquidation_price
    return (
        name,
        "long" if position.contracts > 0 else "short",
        abs(position.contracts),
        position.size_coin,
        position.average_price,
        position.mark_price,
        position.total_profit_loss,
        currency,
        in_usd(position.total_profit_loss, currency, position.index_price),
        nearest,
        sum(x.remaining_contracts for x in stops),
        _distance_pct(position, nearest),
        liquidation,
        _distance_pct(position, liquidation),
        _target(orders, position),
        _unprotected_ms(own, now) if own else None,
        ",".join(x.id for x in own),
    )


def nearest_stop(stops: Sequence[Order], position: Position) -> Decimal | None:
    """The trigger the market meets first; None when nothing protects."""
    prices = [x.trigger_price for x in stops if x.trigger_price is not None]
    if not prices:
        return None
    return max(prices) if position.contracts > 0 else min(prices)


def _distance_pct(position: Position, price: Decimal | None) -> Decimal | None:
    """How far the mark may move against the position before it meets ``price``."""
    if price is None or position.mark_price <= 0:
        return None
    sign = 1 if position.contracts > 0 else -1
    return sign * (position.mark_price - price) / position.mark_price * 100


def _target(orders: Sequence[Order], position: Position) -> Decimal | None:
    for order in orders:
        label = labels.parse(order.label)
        is_target = label is not None and label.role is labels.Role.TARGET
        if is_target and order.instrument_name == position.instrument_name:
            return order.price
    return None


def _unprotected_ms(trades: Sequence[Trade], now: datetime) -> Decimal:
    """The longest any of these trades was without its stop, an ongoing gap included."""
    gaps: list[int] = []
    for trade in trades:
        since = trade.exposed_since
        open_us = round((now - since).total_seconds() * 1_000_000) if since else 0
        gaps.append(trade.unprotected_us + max(0, open_us))
    return Decimal(max(gaps)) / 1000


def settlement_currency(instrument_name: str) -> str:
    """``BTC-PERPETUAL`` settles in BTC, ``BTC_USDC-PERPETUAL`` in USDC."""
    pair = instrument_name.split("-", 1)[0]
    return pair.split("_", 1)[1] if "_" in pair else pair


def in_usd(amount: Decimal, currency: str, index: Decimal | None) -> Decimal | None:
    """Money of a settlement currency in USD; None while its price is not known."""
    if currency in STABLE:
        return amount
    return None if index is None else amount * index


# -- trades that hold a position or are about to --------------------------------------------------

TRADE_COLUMNS = (
    Column(key="id", title="trade"),
    Column(key="instrument", title="instrument"),
    Column(key="side", title="side"),
    Column(key="contracts", title="contracts"),
    Column(key="of_contracts", title="of"),
    Column(key="state", title="state"),
    Column(key="stop_loss", title="stop wanted", digits=2, is_price=True),
    Column(key="take_profit", title="target wanted", digits=2, is_price=True),
    Column(key="unprotected_ms", title="unprotected ms", digits=1),
    Column(key="since", title="since (UTC)"),
    Column(key="note", title="note"),
)


def open_trades_table(trades: Sequence[Trade], now: datetime) -> Table:
    """The trades in the book, each as we know it."""
    return Table(
        key="open_trades",
        title="Open trades",
        columns=TRADE_COLUMNS,
        rows=tuple(
            (
                x.id,
                x.plan.instrument_name,
                str(x.plan.side),
                x.position,
                x.plan.contracts,
                str(state_of(x)),
                x.stop_price,
                x.plan.target_price,
                _unprotected_ms([x], now),
                x.plan.created_at,
                x.plan.note,
            )
            for x in trades
        ),
    )


TRADE_ORDER_COLUMNS = (
    Column(key="role", title="order"),
    Column(key="attempt", title="attempt"),
    Column(key="status", title="status"),
    Column(key="contracts", title="contracts"),
    Column(key="filled", title="filled"),
    Column(key="label", title="label"),
    Column(key="order_id", title="at venue"),
)


def trade_orders_table(trade: Trade) -> Table:
    """Every order sent for one trade, as far as we know."""
    return Table(
        key="trade_orders",
        title="Its orders",
        columns=TRADE_ORDER_COLUMNS,
        rows=tuple(
            (
                str(x.role),
                x.attempt,
                str(x.status),
                x.contracts,
                trade.line_filled(x),
                trade.label(x),
                x.order_ids[-1] if x.order_ids else None,
            )
            for x in trade.lines
        ),
    )


# -- orders ----------------------------------------------------------------------------------------

ORDER_COLUMNS = (
    Column(key="instrument", title="instrument"),
    Column(key="side", title="side"),
    Column(key="type", title="type"),
    Column(key="contracts", title="contracts"),
    Column(key="filled", title="filled"),
    Column(key="price", title="price", digits=2, is_price=True),
    Column(key="trigger_price", title="trigger", digits=2, is_price=True),
    Column(key="trigger", title="watches"),
    Column(key="reduce_only", title="reduce-only"),
    Column(key="state", title="state"),
    Column(key="label", title="label"),
    Column(key="order_id", title="order"),
)


def _ours_first(order: Order) -> tuple[bool, str, str]:
    return (not labels.is_ours(order.label), order.instrument_name, order.label)


def orders_table(orders: Iterable[Order]) -> Table:
    """Everything that rests at the venue, ours first."""
    ordered = sorted(orders, key=_ours_first)
    return Table(
        key="orders",
        title="Orders",
        columns=ORDER_COLUMNS,
        rows=tuple(
            (
                x.instrument_name,
                str(x.side),
                str(x.order_type),
                x.contracts,
                x.filled_contracts,
                None if x.order_type is OrderType.STOP_MARKET else x.price,
                x.trigger_price,
                str(x.trigger) if x.trigger else None,
                x.reduce_only,
                str(x.state),
                x.label,
                x.order_id,
            )
            for x in ordered
        ),
    )


# -- money -----------------------------------------------------------------------------------------

BALANCE_COLUMNS = (
    Column(key="currency", title="currency"),
    Column(key="equity", title="equity", digits=8),
    Column(key="equity_usd", title="equity USD", digits=2),
    Column(key="balance", title="balance", digits=8),
    Column(key="available", title="available", digits=8),
    Column(key="initial_margin", title="initial margin", digits=8),
    Column(key="maintenance_margin", title="maintenance margin", digits=8),
    Column(key="session_upl", title="unrealised", digits=8),
    Column(key="session_rpl", title="realised", digits=8),
)


def balance_table(accounts: Sequence[Account], index: Mapping[str, Decimal]) -> Table:
    """The account by currency; ``index`` is USD per coin. Currencies without money are left out."""
    held = [x for x in accounts if x.equity or x.balance or x.initial_margin]
    return Table(
        key="balance",
        title="Balance",
        columns=BALANCE_COLUMNS,
        rows=tuple(
            (
                x.currency,
                x.equity,
                in_usd(x.equity, x.currency, index.get(x.currency)),
                x.balance,
                x.available_funds,
                x.initial_margin,
                x.maintenance_margin,
                x.session_upl,
                x.session_rpl,
            )
            for x in held
        ),
    )


def total_usd(accounts: Sequence[Account], index: Mapping[str, Decimal]) -> Decimal | None:
    """The whole equity in USD; None while the price of a currency that is held is missing."""
    values = [in_usd(x.equity, x.currency, index.get(x.currency)) for x in accounts if x.equity]
    known = [x for x in values if x is not None]
    return sum(known, ZERO) if len(known) == len(values) else None


FUNDING_COLUMNS = (
    Column(key="instrument", title="instrument"),
    Column(key="current_pct", title="now %", digits=6),
    Column(key="last_8h_pct", title="last 8 h %", digits=6),
    Column(key="contracts", title="position"),
    Column(key="realized_funding", title="funding booked since 08:00 UTC", digits=8),
    Column(key="currency", title="currency"),
)


def funding_table(tickers: Sequence[Ticker], positions: Sequence[Position]) -> Table:
    """Rates per eight hours, in percent, and what was booked on positions since the settlement."""
    held = {x.instrument_name: x for x in positions}
    rows: list[tuple[Cell, ...]] = []
    for ticker in tickers:
        position = held.get(ticker.instrument_name)
        rows.append(
            (
                ticker.instrument_name,
                ticker.current_funding * 100,
                ticker.funding_8h * 100,
                position.contracts if position else 0,
                position.realized_funding if position else None,
                settlement_currency(ticker.instrument_name),
            )
        )
    return Table(key="funding", title="Funding", columns=FUNDING_COLUMNS, rows=tuple(rows))
