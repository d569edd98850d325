"""Realistic values the benchmarks work on."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from domain.instruments import Instrument, Kind
from domain.labels import Role
from domain.orders import OrderType, Side
from domain.trade import Line, LineStatus, Trade, TradeFill, TradePlan

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)

BTC = Instrument(
    name="BTC-PERPETUAL",
    kind=Kind.INVERSE,
    base_currency="BTC",
    quote_currency="USD",
    settlement_currency="BTC",
    price_index="btc_usd",
    tick_size=Decimal("0.5"),
    contract_size=Decimal(10),
    min_amount=Decimal(10),
    maker_commission=Decimal(0),
    taker_commission=Decimal("0.0005"),
)


def trade(number: int) -> Trade:
    """An open bracket: entry filled in two parts, stop and target resting."""
    trade_id = f"01kb{number:015d}"
    entry_id, ids = f"8163{number:07d}", (f"SLMS-{number:07d}", f"8164{number:07d}")
    plan = TradePlan(
        trade_id=trade_id,
        instrument_name=BTC.name,
        side=Side.BUY,
        contracts=100,
        entry_type=OrderType.MARKET,
        entry_price=None,
        stop_price=Decimal("96000.0"),
        target_price=Decimal("99500.0"),
        notional_usd=Decimal(1000),
        note="breakout",
        created_at=NOON,
        valid_until_ms=NOON_MS + 5000,
    )
    return Trade(
        plan=plan,
        lines=(
            _line(Role.ENTRY, LineStatus.FILLED, entry_id, filled=100),
            _line(Role.STOP, LineStatus.LIVE, ids[0]),
            _line(Role.TARGET, LineStatus.LIVE, ids[1]),
        ),
        fills=(_fill(number * 2, entry_id, 60), _fill(number * 2 + 1, entry_id, 40)),
        is_announced=True,
        unprotected_us=11_250,
    )


def _line(role: Role, status: LineStatus, order_id: str, filled: int = 0) -> Line:
    return Line(
        role=role,
        attempt=1,
        contracts=100,
        status=status,
        sent_at=NOON + timedelta(milliseconds=3),
        valid_until_ms=NOON_MS + 5000,
        order_ids=(order_id,),
        reported_filled=filled,
        updated_ms=NOON_MS,
    )


def _fill(number: int, order_id: str, contracts: int) -> TradeFill:
    return TradeFill(
        trade_id=f"BTC-{number}",
        trade_seq=number,
        order_id=order_id,
        role=Role.ENTRY,
        side=Side.BUY,
        contracts=contracts,
        price=Decimal("97000.5"),
        fee=Decimal("0.00000309"),
        profit_loss=Decimal(0),
        timestamp_ms=NOON_MS,
    )
