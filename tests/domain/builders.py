"""Short ways to write the records, reports and fills of one bracketed trade."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.bracket import next_step
from domain.exposure import measured
from domain.labels import Label, Role
from domain.orders import Fill, Order, OrderState, OrderType, Position, Side, TriggerBy
from domain.outcomes import looked_up
from domain.reports import apply_fills, apply_order
from domain.steps import BracketPolicy, Do, Step
from domain.trade import ExitReason, Line, LineStatus, Trade, TradeFill, TradePlan
from tests.domain.catalogue import BTC, D
from tests.domain.catalogue import fill as of_anyone

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
START_MS = round(START.timestamp() * 1000)
POLICY = BracketPolicy()
TRADE_ID = "t1"


def after(seconds: float) -> datetime:
    """So many seconds after the trade began."""
    return START + timedelta(seconds=seconds)


def plan(**changes: Any) -> TradePlan:
    """A long of ten contracts at market, stop 98 000, target 104 000."""
    usual = TradePlan(
        trade_id=TRADE_ID,
        instrument_name=BTC.name,
        side=Side.BUY,
        contracts=10,
        entry_type=OrderType.MARKET,
        entry_price=None,
        stop_price=D(98_000),
        target_price=D(104_000),
        notional_usd=D(100),
        note="",
        created_at=START,
        valid_until_ms=START_MS + 5_000,
    )
    return replace(usual, **changes)


def limit_plan(**changes: Any) -> TradePlan:
    """The same, entered by a resting limit at 100 000."""
    at_price = {"entry_type": OrderType.LIMIT, "entry_price": D(100_000)}
    return plan(**{**at_price, **changes})


def line(role: Role, status: LineStatus = LineStatus.LIVE, **changes: Any) -> Line:
    """One order of the trade: first attempt, ten contracts, sent at the start."""
    attempt = changes.pop("attempt", 1)
    known = () if status in {LineStatus.UNKNOWN, LineStatus.ABSENT} else (f"{role}-{attempt}",)
    usual = Line(
        role=role,
        attempt=attempt,
        contracts=10,
        status=status,
        sent_at=START,
        valid_until_ms=START_MS + 5_000,
        order_ids=known,
    )
    return replace(usual, **changes)


def entry(filled: int = 10, status: LineStatus = LineStatus.FILLED, **changes: Any) -> Line:
    """The entry, with what the venue says it filled."""
    return line(Role.ENTRY, status, reported_filled=filled, **changes)


def stop(status: LineStatus = LineStatus.LIVE, **changes: Any) -> Line:
    return line(Role.STOP, status, **changes)


def target(status: LineStatus = LineStatus.LIVE, **changes: Any) -> Line:
    return line(Role.TARGET, status, **changes)


def close(status: LineStatus = LineStatus.LIVE, **changes: Any) -> Line:
    return line(Role.CLOSE, status, **changes)


def emergency(status: LineStatus = LineStatus.LIVE, **changes: Any) -> Line:
    return line(Role.EMERGENCY, status, **changes)


def record(*lines: Line, **changes: Any) -> Trade:
    """A trade with these orders, its exposure measured from the start."""
    usual = Trade(plan=changes.pop("plan", plan()), lines=lines)
    return measured(replace(usual, **changes), changes.get("exposed_since") or START)


def step_of(trade: Trade, seconds: float = 0.0, policy: BracketPolicy = POLICY) -> Step | None:
    """What is to be done so many seconds after the start."""
    return next_step(trade, policy, after(seconds))


def label_of(role: Role, attempt: int = 1, trade_id: str = TRADE_ID) -> str:
    return str(Label(trade_id, role, attempt))


def report(role: Role, state: OrderState, **changes: Any) -> Order:
    """What the venue says of this role's first order; ids and sizes as the builders above."""
    attempt = changes.pop("attempt", 1)
    is_stop = role is Role.STOP
    types = {Role.STOP: OrderType.STOP_MARKET, Role.TARGET: OrderType.LIMIT}
    usual = Order(
        order_id=f"{role}-{attempt}",
        label=label_of(role, attempt),
        instrument_name=BTC.name,
        side=Side.BUY if role is Role.ENTRY else Side.SELL,
        order_type=types.get(role, OrderType.MARKET),
        state=state,
        contracts=10,
        filled_contracts=10 if state is OrderState.FILLED else 0,
        price=None,
        average_price=None,
        reduce_only=role is not Role.ENTRY,
        trigger=TriggerBy.MARK_PRICE if is_stop else None,
        trigger_price=D(98_000) if is_stop else None,
        created_ms=START_MS,
        updated_ms=START_MS,
    )
    return replace(usual, **changes)


def child(state: OrderState, **changes: Any) -> Order:
    """The market order a fired stop made: an id of its own, pointing back at the trigger."""
    usual = report(
        Role.STOP,
        state,
        order_id="sl-1-child",
        order_type=OrderType.MARKET,
        trigger_order_id="sl-1",
        trigger=None,
        trigger_price=None,
    )
    return replace(usual, **changes)


def fill(role: Role, contracts: int = 10, **changes: Any) -> Fill:
    """A fill of this role's first order."""
    attempt = changes.pop("attempt", 1)
    usual = Fill(
        trade_id=f"{role}-{attempt}-fill",
        trade_seq=1,
        order_id=f"{role}-{attempt}",
        label=label_of(role, attempt),
        instrument_name=BTC.name,
        side=Side.BUY if role is Role.ENTRY else Side.SELL,
        contracts=contracts,
        price=D(100_000),
        fee=D("0.00000035"),
        fee_currency="BTC",
        is_maker=False,
        reduce_only=role is not Role.ENTRY,
        timestamp_ms=START_MS,
    )
    return replace(usual, **changes)


def hand_fill(contracts: int, **changes: Any) -> Fill:
    """A closing fill that no order of ours made."""
    other = {"trade_id": "hand", "order_id": "web-1", "label": "", "reduce_only": False}
    return fill(Role.CLOSE, contracts, **{**other, **changes})


def booked(role: Role | None, side: Side, contracts: int, price: str | int, **changes: Any) -> Any:
    """A fill as the record keeps it; ids and times rise with the price given last."""
    number = changes.pop("number", 1)
    usual = TradeFill(
        trade_id=f"f{number}",
        trade_seq=number,
        order_id=f"{role}-1" if role else "web-1",
        role=role,
        side=side,
        contracts=contracts,
        price=Decimal(price),
        fee=D("0.000001"),
        profit_loss=None,
        timestamp_ms=START_MS + number,
    )
    return replace(usual, **changes)


def heard(trade: Trade, *orders: Order, seconds: float = 0.0) -> Trade:
    """The record after these reports, in this order."""
    for order in orders:
        trade = apply_order(trade, order, after(seconds))
    return trade


def filled(trade: Trade, *fills: Fill, foreign: bool = False) -> Trade:
    """The record after these fills."""
    return apply_fills(trade, fills, START, foreign=foreign)


def look(
    trade: Trade, about: Line, *orders: Order, seconds: float = 0, server_ms: int = 0
) -> Trade:
    """The record after a look-up that found these orders."""
    when = after(seconds)
    return looked_up(trade, about, orders, POLICY, when, server_ms=server_ms)


def closing(*lines: Line, reason: ExitReason = ExitReason.REQUESTED, **changes: Any) -> Trade:
    """A trade that is to end."""
    return record(*lines, exit_reason=reason, **changes)


def status_of(trade: Trade, role: Role, attempt: int = 1) -> LineStatus:
    """How this order stands."""
    found = trade.line(role, attempt)
    assert found is not None
    return found.status


def says(step: Step | None) -> tuple[Any, ...]:
    """The step in short: what, which role or attempt, how many contracts."""
    if step is None:
        return ("nothing",)
    about = step.role or (step.line.role if step.line else None)
    attempt = step.line.attempt if step.line else 0
    return (step.do.value, about.value if about else "", attempt, step.contracts)


def until_of(step: Step | None) -> datetime | None:
    """Until when a step waits; it must be one that waits."""
    assert step is not None
    assert step.do is Do.WAIT
    return step.until


def position(contracts: int, name: str = BTC.name) -> Position:
    """A position at the venue, of which only its size matters."""
    nothing = D(0)
    return Position(
        instrument_name=name,
        contracts=contracts,
        average_price=nothing,
        mark_price=nothing,
        index_price=nothing,
        size_coin=nothing,
        floating_profit_loss=nothing,
        total_profit_loss=nothing,
        realized_profit_loss=nothing,
        realized_funding=nothing,
        initial_margin=nothing,
        maintenance_margin=nothing,
        estimated_liquidation_price=None,
    )


def stop_order(contracts: int = 10, order_id: str = "s1", **changes: Any) -> Order:
    """A resting reduce-only stop under a long."""
    waits = OrderState.UNTRIGGERED
    usual = report(Role.STOP, waits, contracts=contracts, order_id=order_id)
    return replace(usual, **changes)


def told(number: int, side: Side, contracts: int, label: str = "", **changes: Any) -> Fill:
    """Anybody's fill with this number in the venue's order of time."""
    named = replace(
        of_anyone(side, contracts, label=label, order_id=f"o{number}"),
        trade_id=f"f{number}",
        trade_seq=number,
        timestamp_ms=number,
        fee=D(contracts),
        profit_loss=D(-contracts),
    )
    return replace(named, **changes)


def a_trade(trade_id: str = TRADE_ID, side: Side = Side.BUY) -> Trade:
    """A trade of which nothing was heard yet."""
    return Trade(plan=plan(trade_id=trade_id, side=side))
