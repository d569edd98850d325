"""May a new position be opened? Every refusal has a stable reason code.

A table of rules over plain values. Rules only ever refuse; whether something is allowed is the
absence of refusals. Closing and protecting are never asked.

Money. The day's result is what trading did to each currency's equity since the day's baseline,
in coin, valued at today's index: ``sum((equity - baseline) * index)``. Valuing the change rather
than the whole keeps the collateral's own price moves out of the trading result.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from enum import StrEnum

from domain.orders import ZERO, OrderType, Side


class Reason(StrEnum):
    """Why an entry is refused. The texts are an interface: never rename."""

    KILLED = "killed"
    PAUSED = "paused"
    PROTECT_ONLY = "protect_only"
    NOT_RECONCILED = "not_reconciled"
    SESSION_LOST = "session_lost"
    DAILY_LOSS = "daily_loss_reached"
    NO_BASELINE = "no_equity_baseline"
    MAX_OPEN_TRADES = "max_open_trades"
    MAX_TRADES_PER_INSTRUMENT = "max_trades_per_instrument"
    OPPOSITE_DIRECTION = "opposite_direction"
    EXTERNAL_POSITION = "external_position"
    MAX_NOTIONAL = "max_notional"
    STALE_DATA = "stale_data"
    SETTLEMENT_WINDOW = "settlement_window"
    VENUE_NOT_OPEN = "venue_not_open"
    NO_BUDGET = "no_rate_budget"
    UNKNOWN_INSTRUMENT = "unknown_instrument"
    NOT_A_PERPETUAL = "not_a_perpetual"
    NOT_TRADED_HERE = "instrument_not_listed_in_settings"
    NO_STOP = "no_stop_loss"
    STOP_WRONG_SIDE = "stop_on_the_wrong_side"
    TARGET_WRONG_SIDE = "target_on_the_wrong_side"
    BREAK_EVEN_WRONG_SIDE = "break_even_on_the_wrong_side"
    BAD_TRAIL = "bad_trail"
    OFF_TICK = "price_off_tick"
    BELOW_MINIMUM = "below_minimum_size"
    BAD_QUANTITY = "bad_quantity"
    BAD_PRICE = "bad_price"
    BAD_DIRECTION = "bad_direction"
    BAD_ENTRY_TYPE = "bad_entry_type"
    NO_INTENT = "intent_not_recorded"
    NO_VERDICT = "risk_did_not_answer"
    STALE_COMMAND = "command_too_old"
    STOPPING = "stopping"


EXPECTED = frozenset(
    {
        Reason.KILLED,
        Reason.PAUSED,
        Reason.PROTECT_ONLY,
        Reason.NOT_RECONCILED,
        Reason.SESSION_LOST,
        Reason.DAILY_LOSS,
        Reason.MAX_OPEN_TRADES,
        Reason.MAX_TRADES_PER_INSTRUMENT,
        Reason.OPPOSITE_DIRECTION,
        Reason.EXTERNAL_POSITION,
        Reason.MAX_NOTIONAL,
        Reason.SETTLEMENT_WINDOW,
        Reason.STALE_COMMAND,
        Reason.STOPPING,
    }
)
"""Refusals nobody has to look at: a limit does its work, or a state that was told of by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The operator's limits. ``max_daily_loss_pct`` is a fraction of the day's equity."""

    max_daily_loss_pct: Decimal
    max_open_trades: int
    max_trades_per_instrument: int
    max_notional_usd: Decimal
    initial_equity_usd: Decimal | None
    max_data_age_seconds: float = 5.0
    reserve_requests: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTradeView:
    """What risk needs to know of a trade that is not closed."""

    trade_id: str
    instrument_name: str
    side: Side
    notional_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A position somebody wants to open, already in whole contracts."""

    instrument_name: str
    side: Side
    notional_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything the rules look at, at one moment."""

    now: datetime
    candidate: Candidate
    limits: Limits
    is_killed: bool
    is_paused: bool
    is_protect_only: bool
    is_reconciled: bool
    has_session: bool
    day_result_usd: Decimal | None
    day_equity_usd: Decimal | None
    trades: tuple[OpenTradeView, ...]
    external: tuple[str, ...]
    data_age_seconds: float | None
    venue_is_open: bool
    requests_left: int


SETTLEMENT_FROM = time(7, 59, 30)
SETTLEMENT_TO = time(8, 1, 0)
"""Deribit settles daily at 08:00 UTC and refuses orders for some seconds."""


def is_settlement_window(now: datetime) -> bool:
    """Whether a bracket begun at this instant could meet the settlement."""
    return SETTLEMENT_FROM <= now.astimezone(UTC).time() < SETTLEMENT_TO


def loss_limit_usd(limits: Limits, day_equity_usd: Decimal | None) -> Decimal | None:
    """The day's loss in USD at which trading ends; None while no equity is known."""
    base = limits.initial_equity_usd or day_equity_usd
    return None if base is None else base * limits.max_daily_loss_pct


def is_loss_reached(situation_result: Decimal | None, limit: Decimal | None) -> bool:
    """Whether the day's result has used up the limit."""
    return situation_result is not None and limit is not None and situation_result <= -limit


def day_result_usd(
    equity: Mapping[str, Decimal], baseline: Mapping[str, Decimal], index: Mapping[str, Decimal]
) -> Decimal | None:
    """The day's trading result in USD, fees and funding included.

    None if a price is missing, or a currency that held something when the day began. One that is
    new counts from what it holds, or from nothing where it owes: nobody pays in a debt.
    ``equity`` and ``baseline`` are per currency in that currency, ``index`` USD per unit.
    """
    if any(held and currency not in equity for currency, held in baseline.items()):
        return None
    total = ZERO
    for currency, amount in equity.items():
        change = amount - baseline.get(currency, max(amount, ZERO))
        if change and currency not in index:
            return None
        total += change * index.get(currency, ZERO)
    return total


def equity_usd(equity: Mapping[str, Decimal], index: Mapping[str, Decimal]) -> Decimal | None:
    """The whole equity in USD; None while a price is missing, which nothing held has no need of.

    ``equity`` is per currency in that currency, ``index`` USD per unit.
    """
    held = {currency: amount for currency, amount in equity.items() if amount}
    if not equity or any(currency not in index for currency in held):
        return None
    return sum((amount * index[currency] for currency, amount in held.items()), ZERO)


def _same_instrument(s: Situation) -> list[OpenTradeView]:
    return [x for x in s.trades if x.instrument_name == s.candidate.instrument_name]


def _is_over_notional(s: Situation) -> bool:
    open_now = sum((x.notional_usd for x in s.trades), ZERO)
    return open_now + s.candidate.notional_usd > s.limits.max_notional_usd


def _is_stale(s: Situation) -> bool:
    return s.data_age_seconds is None or s.data_age_seconds > s.limits.max_data_age_seconds


def _has_lost(s: Situation) -> bool:
    return is_loss_reached(s.day_result_usd, loss_limit_usd(s.limits, s.day_equity_usd))


RULES: tuple[tuple[Reason, Callable[[Situation], bool]], ...] = (
    (Reason.KILLED, lambda s: s.is_killed),
    (Reason.PAUSED, lambda s: s.is_paused),
    (Reason.PROTECT_ONLY, lambda s: s.is_protect_only),
    (Reason.NOT_RECONCILED, lambda s: not s.is_reconciled),
    (Reason.SESSION_LOST, lambda s: not s.has_session),
    (Reason.VENUE_NOT_OPEN, lambda s: not s.venue_is_open),
    (Reason.SETTLEMENT_WINDOW, lambda s: is_settlement_window(s.now)),
    (Reason.NO_BASELINE, lambda s: s.day_result_usd is None or s.day_equity_usd is None),
    (Reason.DAILY_LOSS, _has_lost),
    (Reason.MAX_OPEN_TRADES, lambda s: len(s.trades) >= s.limits.max_open_trades),
    (
        Reason.MAX_TRADES_PER_INSTRUMENT,
        lambda s: len(_same_instrument(s)) >= s.limits.max_trades_per_instrument,
    ),
    (
        Reason.OPPOSITE_DIRECTION,
        lambda s: any(x.side is not s.candidate.side for x in _same_instrument(s)),
    ),
    (Reason.EXTERNAL_POSITION, lambda s: s.candidate.instrument_name in s.external),
    (Reason.MAX_NOTIONAL, _is_over_notional),
    (Reason.STALE_DATA, _is_stale),
    (Reason.NO_BUDGET, lambda s: s.requests_left < s.limits.reserve_requests),
)
"""The gate: every rule that holds adds its reason."""


def refusals(situation: Situation) -> tuple[Reason, ...]:
    """All reasons against opening; empty means it may."""
    return tuple(reason for reason, holds in RULES if holds(situation))


# -- the order itself ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class BracketPrices:
    """The prices of a bracket, with ``reference`` the market's price now."""

    entry_type: OrderType
    entry: Decimal | None
    reference: Decimal
    stop: Decimal
    target: Decimal | None
    tick: Decimal


def fills_at(side: Side, limit: Decimal, market: Decimal) -> Decimal:
    """What an entry meets now: beyond the market a limit fills at the market's better price."""
    return min(limit, market) if side is Side.BUY else max(limit, market)


def price_refusals(side: Side, prices: BracketPrices) -> tuple[Reason, ...]:
    """What is wrong with a bracket's prices: off tick, or on the wrong side of the entry."""
    given = [x for x in (prices.entry, prices.stop, prices.target) if x is not None]
    if any(not x.is_finite() or x <= 0 for x in (*given, prices.reference)):
        return (Reason.BAD_PRICE,)
    found: list[Reason] = []
    if any(x % prices.tick for x in given):
        found.append(Reason.OFF_TICK)
    base = prices.entry if prices.entry is not None else prices.reference
    if (fills_at(side, base, prices.reference) - prices.stop) * side.sign <= 0:
        found.append(Reason.STOP_WRONG_SIDE)
    if prices.target is not None and (prices.target - base) * side.sign <= 0:
        found.append(Reason.TARGET_WRONG_SIDE)
    return tuple(found)
