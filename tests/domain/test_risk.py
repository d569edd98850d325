"""May a position be opened? Each reason by itself, and the money rules in figures."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.instruments import Instrument
from domain.intake import Accepted, Wish, accept
from domain.orders import OrderType, Side
from domain.risk import (
    RULES,
    BracketPrices,
    Candidate,
    Limits,
    OpenTradeView,
    Reason,
    Situation,
    day_result_usd,
    equity_usd,
    is_loss_reached,
    is_settlement_window,
    loss_limit_usd,
    price_refusals,
    refusals,
)
from tests.domain.catalogue import BTC, BTC_USDC, ETH, D
from tests.domain.strategies import rule

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LIMITS = Limits(
    max_daily_loss_pct=D("0.02"),
    max_open_trades=2,
    max_trades_per_instrument=1,
    max_notional_usd=D(1_000),
    initial_equity_usd=None,
)
CANDIDATE = Candidate(instrument_name=BTC.name, side=Side.BUY, notional_usd=D(100))
CALM = Situation(
    now=NOON,
    candidate=CANDIDATE,
    limits=LIMITS,
    is_killed=False,
    is_paused=False,
    is_protect_only=False,
    is_reconciled=True,
    has_session=True,
    day_result_usd=D(-199),
    day_equity_usd=D(10_000),
    trades=(),
    external=(),
    data_age_seconds=5.0,
    venue_is_open=True,
    requests_left=4,
)
ON_ETH = OpenTradeView(trade_id="e", instrument_name=ETH.name, side=Side.SELL, notional_usd=D(900))
ON_BTC = OpenTradeView(trade_id="b", instrument_name=BTC.name, side=Side.BUY, notional_usd=D(1))
TWO_EACH = replace(LIMITS, max_trades_per_instrument=2)
SHORT = replace(ON_BTC, side=Side.SELL)

ONE_REASON: dict[Reason, dict[str, Any]] = {
    Reason.KILLED: {"is_killed": True},
    Reason.PAUSED: {"is_paused": True},
    Reason.PROTECT_ONLY: {"is_protect_only": True},
    Reason.NOT_RECONCILED: {"is_reconciled": False},
    Reason.SESSION_LOST: {"has_session": False},
    Reason.VENUE_NOT_OPEN: {"venue_is_open": False},
    Reason.SETTLEMENT_WINDOW: {"now": NOON.replace(hour=8)},
    Reason.NO_BASELINE: {"day_equity_usd": None, "day_result_usd": None},
    Reason.DAILY_LOSS: {"day_result_usd": D(-200)},
    Reason.MAX_OPEN_TRADES: {
        "limits": replace(LIMITS, max_open_trades=1),
        "trades": (ON_ETH,),
    },
    Reason.MAX_TRADES_PER_INSTRUMENT: {"trades": (ON_BTC,)},
    Reason.OPPOSITE_DIRECTION: {"trades": (SHORT,), "limits": TWO_EACH},
    Reason.EXTERNAL_POSITION: {"external": (BTC.name,)},
    Reason.MAX_NOTIONAL: {"candidate": replace(CANDIDATE, notional_usd=D("1000.01"))},
    Reason.STALE_DATA: {"data_age_seconds": 5.01},
    Reason.NO_BUDGET: {"requests_left": 3},
}


def test_a_calm_situation_allows() -> None:
    """Every figure at the last value that is allowed."""
    assert refusals(CALM) == ()
    assert refusals(replace(CALM, trades=(ON_ETH,))) == ()
    assert refusals(replace(CALM, trades=(ON_BTC,), limits=TWO_EACH)) == ()
    assert refusals(replace(CALM, external=(ETH.name,))) == ()


@pytest.mark.parametrize("reason", ONE_REASON)
def test_each_reason_by_itself(reason: Reason) -> None:
    """One thing is wrong, and exactly that is said."""
    assert refusals(replace(CALM, **ONE_REASON[reason])) == (reason,)


def test_every_rule_of_the_gate_has_its_case() -> None:
    """A rule added without one would go untested."""
    assert [reason for reason, _ in RULES] == list(ONE_REASON)


def test_all_that_is_wrong_is_said_at_once() -> None:
    """In the order of the table, for whoever has to mend it."""
    worst = replace(
        CALM,
        is_killed=True,
        is_paused=True,
        is_protect_only=True,
        is_reconciled=False,
        has_session=False,
        venue_is_open=False,
        now=NOON.replace(hour=8),
        day_result_usd=D(-999),
        trades=(SHORT, ON_ETH),
        external=(BTC.name,),
        candidate=replace(CANDIDATE, notional_usd=D(5_000)),
        data_age_seconds=None,
        requests_left=0,
    )
    assert refusals(worst) == tuple(x for x, _ in RULES if x is not Reason.NO_BASELINE)


def test_half_a_baseline_is_none() -> None:
    """Without the day's result, or without what it is measured by, nothing is opened."""
    for missing in ({"day_result_usd": None}, {"day_equity_usd": None}):
        assert refusals(replace(CALM, **missing)) == (Reason.NO_BASELINE,)


def test_the_notional_of_all_open_trades_counts() -> None:
    """What is open and what is asked for, together."""
    full = replace(CALM, trades=(ON_ETH,))
    assert refusals(full) == ()
    more = replace(full, candidate=replace(CANDIDATE, notional_usd=D("100.01")))
    assert refusals(more) == (Reason.MAX_NOTIONAL,)


# -- settlement ------------------------------------------------------------


@pytest.mark.parametrize(
    ("clock", "inside"),
    [
        ("07:59:29.999999", False),
        ("07:59:30", True),
        ("08:00:00", True),
        ("08:00:59.999999", True),
        ("08:01:00", False),
        ("20:00:00", False),
    ],
)
def test_the_settlement_window(clock: str, *, inside: bool) -> None:
    """From half a minute before eight to a minute after, UTC."""
    assert is_settlement_window(datetime.fromisoformat(f"2026-03-01T{clock}+00:00")) is inside


def test_the_window_is_utc_wherever_the_clock_hangs() -> None:
    """An instant is the same instant in Tokyo."""
    tokyo = timezone(timedelta(hours=9))
    assert is_settlement_window(datetime(2026, 3, 1, 17, 0, tzinfo=tokyo))
    assert not is_settlement_window(datetime(2026, 3, 1, 8, 0, tzinfo=tokyo))


# -- the day's money ------------------------------------------------------------


def test_the_loss_limit_is_a_part_of_the_equity_the_operator_named() -> None:
    """Or of what the account held when the day began."""
    assert loss_limit_usd(LIMITS, D(10_000)) == D(200)
    assert loss_limit_usd(replace(LIMITS, initial_equity_usd=D(5_000)), D(10_000)) == D(100)
    assert loss_limit_usd(LIMITS, None) is None


@pytest.mark.parametrize(
    ("result", "limit", "reached"),
    [
        ("-199.999999", "200", False),
        ("-200", "200", True),
        ("-200.000001", "200", True),
        ("200", "200", False),
        ("0", "0", True),
        (None, "200", False),
        ("-1000", None, False),
    ],
)
def test_when_the_loss_is_reached(result: str | None, limit: str | None, *, reached: bool) -> None:
    """At the limit, not beyond it; unknown figures reach nothing (they refuse elsewhere)."""
    loss = None if result is None else D(result)
    most = None if limit is None else D(limit)
    assert is_loss_reached(loss, most) is reached


def test_an_account_without_equity_has_no_loss_left() -> None:
    """Nothing or less to lose: the limit counts as reached."""
    for equity in (D(0), D(-5)):
        assert Reason.DAILY_LOSS in refusals(
            replace(CALM, day_equity_usd=equity, day_result_usd=D(0))
        )


def test_the_days_result_values_what_changed() -> None:
    """Not what was there: the collateral's own price moves are no trading result."""
    baseline = {"BTC": D("1.5"), "USDC": D(1_000)}
    equity = {"BTC": D("1.49"), "USDC": D(1_250)}
    index = {"BTC": D(80_000), "USDC": D(1)}
    assert day_result_usd(equity, baseline, index) == D(-550)
    assert day_result_usd(baseline, baseline, {"BTC": D(1)}) == D(0)


def test_a_change_without_a_price_leaves_the_result_unknown() -> None:
    """No change needs no price."""
    baseline = {"BTC": D(1), "ETH": D(2)}
    assert day_result_usd({"BTC": D(1), "ETH": D(3)}, baseline, {"BTC": D(9)}) is None
    assert day_result_usd({"BTC": D(2), "ETH": D(2)}, baseline, {"BTC": D(9)}) == D(9)


def test_a_currency_nobody_reports_leaves_the_result_unknown() -> None:
    """After a restart the accounts come one by one: a loss may hide in the missing one."""
    baseline = {"BTC": D(1), "USDC": D(1_000)}
    prices = {"BTC": D(80_000), "USDC": D(1)}
    assert day_result_usd({"BTC": D(1)}, baseline, prices) is None
    assert day_result_usd({"BTC": D(1)}, {"BTC": D(1), "USDC": D(0)}, prices) == D(0)


def test_a_currency_that_is_new_counts_from_what_it_holds() -> None:
    """It was not there when the day began, so nothing of it was lost since."""
    prices = {"BTC": D(80_000), "USDC": D(1)}
    assert day_result_usd({"BTC": D(1), "USDC": D(5)}, {"BTC": D(1)}, prices) == D(0)


def test_a_currency_that_is_new_and_owes_has_lost_it() -> None:
    """Only what is there can have been paid in."""
    prices = {"BTC": D(80_000), "USDC": D(1)}
    assert day_result_usd({"BTC": D(1), "USDC": D(-5)}, {"BTC": D(1)}, prices) == D(-5)
    assert day_result_usd({"BTC": D(-1)}, {}, {}) is None


def test_the_whole_equity_needs_the_price_of_all_that_is_held() -> None:
    """Of nothing the price does not matter. An account nobody has seen is unknown, not empty."""
    assert equity_usd({"BTC": D(2), "USDC": D(5)}, {"BTC": D(100), "USDC": D(1)}) == D(205)
    assert equity_usd({"BTC": D(2), "ETH": D(1)}, {"BTC": D(100)}) is None
    assert equity_usd({"BTC": D(2), "ETH": D(-1)}, {"BTC": D(100)}) is None
    assert equity_usd({"BTC": D(2), "ETH": D(0)}, {"BTC": D(100)}) == D(200)
    assert equity_usd({"BTC": D(0)}, {}) == D(0)
    assert equity_usd({}, {"BTC": D(100)}) is None


@rule
@given(
    before=st.decimals(0, 100, places=4),
    after=st.decimals(0, 100, places=4),
    price=st.decimals(1, 10**6, places=2),
)
def test_the_result_is_the_change_at_todays_price(
    before: Decimal, after: Decimal, price: Decimal
) -> None:
    """Whatever the figures."""
    result = day_result_usd({"BTC": after}, {"BTC": before}, {"BTC": price})
    assert result == (after - before) * price


# -- the prices of a bracket ------------------------------------------------------------


LONG = BracketPrices(
    entry_type=OrderType.MARKET,
    entry=None,
    reference=D(100_000),
    stop=D(98_000),
    target=D(104_000),
    tick=D("0.5"),
)
AT_LIMIT = replace(LONG, entry_type=OrderType.LIMIT, entry=D(99_000))

PRICES: dict[str, tuple[Side, dict[str, Any], tuple[Reason, ...]]] = {
    "a long": (Side.BUY, {}, ()),
    "a short": (Side.SELL, {"stop": D(104_000), "target": D(98_000)}, ()),
    "no target": (Side.BUY, {"target": None}, ()),
    "a tick below": (Side.BUY, {"stop": D("99999.5")}, ()),
    "a stop that is no number": (Side.BUY, {"stop": D("NaN")}, (Reason.BAD_PRICE,)),
    "an endless target": (Side.BUY, {"target": D("Infinity")}, (Reason.BAD_PRICE,)),
    "a negative stop": (Side.BUY, {"stop": D(-1)}, (Reason.BAD_PRICE,)),
    "a stop at nothing": (Side.BUY, {"stop": D(0)}, (Reason.BAD_PRICE,)),
    "an entry that is no number": (Side.BUY, {"entry": D("sNaN")}, (Reason.BAD_PRICE,)),
    "a market without a price": (Side.BUY, {"reference": D("NaN")}, (Reason.BAD_PRICE,)),
    "a market at nothing": (Side.BUY, {"reference": D(0)}, (Reason.BAD_PRICE,)),
    "a stop off tick": (Side.BUY, {"stop": D("98000.3")}, (Reason.OFF_TICK,)),
    "an entry off tick": (Side.BUY, {"entry": D("99999.9")}, (Reason.OFF_TICK,)),
    "a target off tick": (Side.BUY, {"target": D("104000.1")}, (Reason.OFF_TICK,)),
    "a market off tick": (Side.BUY, {"reference": D("100000.123")}, ()),
    "a long's stop above": (Side.BUY, {"stop": D(101_000)}, (Reason.STOP_WRONG_SIDE,)),
    "a long's stop at the entry": (Side.BUY, {"stop": D(100_000)}, (Reason.STOP_WRONG_SIDE,)),
    "a long's target below": (Side.BUY, {"target": D(99_000)}, (Reason.TARGET_WRONG_SIDE,)),
    "a long's target at the entry": (
        Side.BUY,
        {"target": D(100_000)},
        (Reason.TARGET_WRONG_SIDE,),
    ),
    "a short's stop below": (
        Side.SELL,
        {"stop": D(98_000), "target": D(97_000)},
        (Reason.STOP_WRONG_SIDE,),
    ),
    "both on the wrong side": (
        Side.SELL,
        {},
        (Reason.STOP_WRONG_SIDE, Reason.TARGET_WRONG_SIDE),
    ),
    "everything wrong": (
        Side.SELL,
        {"stop": D("98000.3")},
        (Reason.OFF_TICK, Reason.STOP_WRONG_SIDE, Reason.TARGET_WRONG_SIDE),
    ),
}


@pytest.mark.parametrize("name", PRICES)
def test_what_is_wrong_with_prices(name: str) -> None:
    """Exactly what is wrong, and nothing that is not."""
    side, changes, expected = PRICES[name]
    assert price_refusals(side, replace(LONG, **changes)) == expected


def test_a_limit_is_judged_by_its_own_price() -> None:
    """It rests there until the market comes."""
    assert price_refusals(Side.BUY, AT_LIMIT) == ()
    wrong = replace(AT_LIMIT, stop=D("99000.5"))
    assert price_refusals(Side.BUY, wrong) == (Reason.STOP_WRONG_SIDE,)
    assert price_refusals(Side.BUY, replace(AT_LIMIT, target=D("99000.5"))) == ()


def test_a_limit_that_trades_at_once_meets_the_market() -> None:
    """It fills at the better price, where its stop would fire as it is placed."""
    through = replace(AT_LIMIT, reference=D(97_500))
    assert price_refusals(Side.BUY, through) == (Reason.STOP_WRONG_SIDE,)
    above = replace(AT_LIMIT, reference=D(101_500), stop=D(101_000), target=D(98_000))
    assert price_refusals(Side.SELL, above) == (Reason.STOP_WRONG_SIDE,)
    assert price_refusals(Side.SELL, replace(above, stop=D(102_000))) == ()


def test_a_wish_is_judged_at_the_market_of_now() -> None:
    """A limit that would trade at once, with its stop on the far side, never leaves the house."""
    wish = Wish(
        instrument=BTC.name,
        side="buy",
        quantity=D(10),
        unit="contracts",
        entry_type="limit",
        price=D(99_000),
        stop_loss=D(98_000),
        take_profit=None,
    )
    listed = {BTC.name: BTC}
    traded = frozenset(listed)
    assert accept(wish, listed, traded, D(97_500)) == (Reason.STOP_WRONG_SIDE,)
    for market in (D(100_000), None):
        assert isinstance(accept(wish, listed, traded, market), Accepted)


SOLD = Wish(
    instrument=BTC.name,
    side="sell",
    quantity=D(10),
    unit="contracts",
    entry_type="limit",
    price=D(100_000),
    stop_loss=D(101_000),
    take_profit=D(98_000),
    break_even_at=D(99_000),
    trail=D(500),
)


def taken(wish: Wish, instrument: Instrument = BTC) -> Accepted | tuple[Reason, ...]:
    """What becomes of a wish at a market of 100 000."""
    return accept(wish, {instrument.name: instrument}, frozenset({instrument.name}), D(100_000))


@pytest.mark.parametrize("unit", ["coin", "usd"])
@pytest.mark.parametrize(
    ("side", "limit", "meets"),
    [
        ("buy", 101_500, 100_000),
        ("buy", 98_500, 98_500),
        ("sell", 98_500, 100_000),
        ("sell", 101_500, 101_500),
    ],
)
@pytest.mark.parametrize("instrument", [BTC, BTC_USDC])
def test_a_limit_is_sized_and_valued_at_the_price_it_meets(
    instrument: Instrument, side: str, limit: int, meets: int, unit: str
) -> None:
    """Beyond the market that is the market's: never more than was asked for."""
    wish = replace(
        SOLD,
        instrument=instrument.name,
        side=side,
        quantity=D(1) if unit == "coin" else D(meets),
        unit=unit,
        price=D(limit),
        stop_loss=D(limit - 5_000 if side == "buy" else limit + 5_000),
        take_profit=None,
        break_even_at=None,
    )
    order = taken(wish, instrument)
    assert isinstance(order, Accepted)
    assert instrument.amount(order.contracts) == (D(meets) if instrument.is_inverse else D(1))
    assert order.notional_usd == meets


@pytest.mark.parametrize("price", [D(0), D("-0.5")])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("price", Reason.BAD_PRICE),
        ("stop_loss", Reason.BAD_PRICE),
        ("take_profit", Reason.BAD_PRICE),
        ("break_even_at", Reason.BAD_PRICE),
        ("trail", Reason.BAD_TRAIL),
    ],
)
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_price_of_nothing_is_refused_on_either_side(
    side: str, name: str, reason: Reason, price: Decimal
) -> None:
    """Below a short's entry it is on the right side, but a record of it counts as unreadable."""
    assert isinstance(taken(SOLD), Accepted)
    refusal = taken(replace(SOLD, side=side, **{name: price}))
    assert not isinstance(refusal, Accepted)
    assert reason in refusal


def test_no_contract_is_no_trade_whatever_the_smallest_order_is() -> None:
    """A catalogue that names none must not let in an order of nothing."""
    little = replace(SOLD, quantity=D("0.000001"), unit="coin")
    assert taken(little, replace(BTC, min_amount=D(0))) == (Reason.BELOW_MINIMUM,)
