"""Golden numbers of PnL, fees, averages and breakeven."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from domain.instruments import Instrument
from domain.orders import Side
from domain.pnl import (
    Holding,
    apply_fill,
    average_price,
    breakeven,
    breakeven_tick,
    fee,
    realised,
    to_usd,
    unrealised,
)
from tests.domain.catalogue import BTC, BTC_USDC, CLOSE_ENOUGH, ETH, MAKER, TAKER, D, at

BUY, SELL = Side.BUY, Side.SELL
Step = tuple[Side, int, str]


def play(instrument: Instrument, steps: Sequence[Step]) -> tuple[Holding, Decimal, Decimal]:
    """The holding, the PnL realised and the taker fees paid after these fills."""
    holding, gained, paid = Holding(), D(0), D(0)
    for side, contracts, price in steps:
        holding, gain = apply_fill(instrument, holding, side, contracts, D(price))
        gained += gain
        paid += fee(instrument, contracts, D(price), TAKER)
    return holding, gained, paid


def average(instrument: Instrument, holding: Holding) -> Decimal:
    """The average entry of something that is held."""
    price = average_price(instrument, holding)
    assert price is not None
    return price


def test_inverse_entry_averages_harmonically() -> None:
    """Dollars bought at two prices average by coin, not by dollar."""
    holding, gained, paid = play(BTC, [(BUY, 1000, "100000"), (BUY, 500, "80000")])
    assert (holding.contracts, holding.side, gained) == (1500, BUY, 0)
    assert holding.cost == D("0.1625")
    assert at(average(BTC, holding)) == D("92307.69230769")
    assert paid == D("0.000035") + D("0.000021875")
    _, everything = apply_fill(BTC, holding, SELL, 1500, D(100_000))
    assert everything == D("0.0125")


def test_inverse_partial_close_keeps_the_average() -> None:
    """Closing a part realises its share of the cost; the rest keeps average and open profit."""
    before, _, _ = play(BTC, [(BUY, 1000, "100000"), (BUY, 500, "80000")])
    after, gain = apply_fill(BTC, before, SELL, 600, D(96_000))
    assert gain == D("0.0025")
    assert to_usd(BTC, gain, D(96_000)) == 240
    assert gain - fee(BTC, 600, D(96_000), TAKER) == D("0.002478125")
    assert after.contracts == 900
    assert at(average(BTC, after)) == D("92307.69230769")
    open_profit = unrealised(BTC, after, D(97_000))
    assert at(open_profit) == D("0.00471649")
    assert at(to_usd(BTC, open_profit, D(97_000)), 2) == D("457.50")


def test_inverse_equity_change_is_profit_less_fees() -> None:
    """Realised plus unrealised less three taker fees is what equity moves by."""
    steps: list[Step] = [(BUY, 1000, "100000"), (BUY, 500, "80000"), (SELL, 600, "96000")]
    holding, gained, paid = play(BTC, steps)
    change = gained + unrealised(BTC, holding, D(97_000)) - paid
    assert abs(change - D("0.007137744845360825")) < CLOSE_ENOUGH
    assert at(change) == D("0.00713774")


def test_inverse_short_round_trip() -> None:
    """A short gains coin when the price falls."""
    holding, gross, fees = play(BTC, [(SELL, 2000, "100000"), (BUY, 2000, "95000")])
    assert holding == Holding()
    assert at(gross) == D("0.01052632")
    assert (fee(BTC, 2000, D(100_000), TAKER), at(fees - D("0.00007"))) == (
        D("0.00007"),
        D("0.00007368"),
    )
    assert at(gross - fees) == D("0.01038263")
    assert at(to_usd(BTC, gross - fees, D(95_000)), 2) == D("986.35")


def test_flip_closes_all_and_opens_the_rest() -> None:
    """A fill through flat realises the old position and opens the remainder at its price."""
    holding, gained, _ = play(BTC, [(BUY, 1000, "100000"), (SELL, 1500, "102000")])
    assert at(gained) == D("0.00196078")
    assert at(fee(BTC, 1500, D(102_000), TAKER)) == D("0.00005147")
    assert (holding.contracts, holding.side) == (-500, SELL)
    assert abs(average(BTC, holding) - 102_000) < CLOSE_ENOUGH


def test_ether_loss() -> None:
    """A losing inverse trade in ether, both fees taken from ether."""
    holding, gross, fees = play(ETH, [(BUY, 4780, "3187.25"), (SELL, 4780, "3100")])
    assert holding == Holding()
    assert at(gross) == D("-0.04221002")
    assert at(fee(ETH, 4780, D("3187.25"), TAKER)) == D("0.00052490")
    assert at(fee(ETH, 4780, D(3100), TAKER)) == D("0.00053968")
    assert at(gross - fees) == D("-0.04327460")


def test_maker_in_taker_out() -> None:
    """Each side of a trade pays its own rate."""
    gross = realised(BTC, BUY, 1000, D(100_000), D(101_000))
    entry_fee = fee(BTC, 1000, D(100_000), MAKER)
    exit_fee = fee(BTC, 1000, D(101_000), TAKER)
    assert (at(gross), at(entry_fee), at(exit_fee)) == (
        D("0.00099010"),
        D("0.00001500"),
        D("0.00003465"),
    )
    net = gross - entry_fee - exit_fee
    assert at(net) == D("0.00094045")
    assert abs(net - D("0.000940445544554455")) < CLOSE_ENOUGH


def test_one_order_over_two_levels_averages_harmonically() -> None:
    """The average of one inverse order filled at two levels is by coin as well."""
    holding, _, _ = play(BTC, [(BUY, 1000, "100000"), (BUY, 1500, "100000.5")])
    assert at(average(BTC, holding)) == D("100000.29999940")


def test_linear_position_counts_in_dollars() -> None:
    """Linear averages are arithmetic; profit and fees are in USDC."""
    holding, gained, fees = play(BTC_USDC, [(BUY, 1000, "100000"), (BUY, 500, "80000")])
    assert at(average(BTC_USDC, holding)) == D("93333.33333333")
    assert fees == D("3.5") + D("1.4")
    holding, gained = apply_fill(BTC_USDC, holding, SELL, 600, D(96_000))
    exit_fee = fee(BTC_USDC, 600, D(96_000), TAKER)
    assert (at(gained), exit_fee) == (160, D("2.016"))
    open_profit = unrealised(BTC_USDC, holding, D(97_000))
    assert at(open_profit) == 330
    assert abs(gained + open_profit - fees - exit_fee - D("483.084")) < CLOSE_ENOUGH
    assert to_usd(BTC_USDC, gained, D(96_000)) == gained


@pytest.mark.parametrize(
    ("instrument", "contracts", "entry", "mark", "settlement", "total", "session"),
    [
        (ETH, 1, "2074.25", "1963.31", "2090.99", "-0.000027242", "-0.000031102"),
        (BTC, 4, "112585.87", "109266.97", "109351.31", "-0.000010792", "-0.000000282"),
    ],
    ids=["ether", "bitcoin"],
)
def test_captured_positions_of_the_venue(
    *,
    instrument: Instrument,
    contracts: int,
    entry: str,
    mark: str,
    settlement: str,
    total: str,
    session: str,
) -> None:
    """Total profit since entry and since the last settlement equal the venue's, to 1e-9 coin."""
    since_entry = realised(instrument, BUY, contracts, D(entry), D(mark))
    since_settlement = realised(instrument, BUY, contracts, D(settlement), D(mark))
    assert abs(since_entry - D(total)) <= D("1e-9")
    assert at(since_settlement, 9) == D(session)


def test_profit_over_a_settlement() -> None:
    """Session profit booked at settlement and profit since then add up to the total."""
    before = realised(BTC, BUY, 1000, D(98_000), D(100_000))
    after = realised(BTC, BUY, 1000, D(100_000), D(101_000))
    total = realised(BTC, BUY, 1000, D(98_000), D(101_000))
    assert (at(before), at(after), at(total)) == (
        D("0.00204082"),
        D("0.00099010"),
        D("0.00303092"),
    )
    assert abs(before + after - total) < CLOSE_ENOUGH


OLD_TAKER = D("0.0005")


@pytest.mark.parametrize(
    ("instrument", "side", "fee_in", "fee_out", "expected"),
    [
        (BTC, BUY, TAKER, TAKER, "100070.02450858"),
        (BTC, SELL, TAKER, TAKER, "99930.02449143"),
        (BTC, BUY, OLD_TAKER, OLD_TAKER, "100100.05002501"),
        (BTC, SELL, OLD_TAKER, OLD_TAKER, "99900.04997501"),
        (BTC, BUY, MAKER, TAKER, "100050.00750113"),
        (BTC, SELL, MAKER, TAKER, "99950.00749888"),
        (BTC_USDC, BUY, TAKER, TAKER, "100070.02450858"),
        (BTC_USDC, SELL, TAKER, TAKER, "99930.02449143"),
        (BTC_USDC, BUY, MAKER, TAKER, "100050.01750613"),
        (BTC_USDC, SELL, MAKER, TAKER, "99950.01749388"),
    ],
)
def test_breakeven_pays_both_fees(
    instrument: Instrument, side: Side, fee_in: Decimal, fee_out: Decimal, expected: str
) -> None:
    """At the breakeven price, profit equals the two fees to the last digit."""
    entry = D(100_000)
    price = breakeven(instrument, side, entry, fee_in, fee_out)
    assert at(price) == D(expected)
    fees = fee(instrument, 1000, entry, fee_in) + fee(instrument, 1000, price, fee_out)
    assert abs(realised(instrument, side, 1000, entry, price) - fees) < CLOSE_ENOUGH


@pytest.mark.parametrize(
    ("side", "tick", "net", "tick_before", "net_before"),
    [
        (BUY, "100070.5", "0.00000047", "100070.0", "-0.00000002"),
        (SELL, "99930.0", "0.00000002", "99930.5", "-0.00000048"),
    ],
)
def test_breakeven_tick_is_the_first_that_does_not_lose(
    side: Side, tick: str, net: str, tick_before: str, net_before: str
) -> None:
    """The breakeven tick nets a little; the tick before it still loses."""
    entry = D(100_000)
    assert breakeven_tick(BTC, side, entry, TAKER, TAKER) == D(tick)
    for price, expected in ((D(tick), net), (D(tick_before), net_before)):
        fees = fee(BTC, 1000, entry, TAKER) + fee(BTC, 1000, price, TAKER)
        assert at(realised(BTC, side, 1000, entry, price) - fees) == D(expected)


def test_nothing_held_has_no_average_and_no_profit() -> None:
    """Flat is flat: no side, no average, no unrealised PnL."""
    flat = Holding()
    assert flat.side is None
    assert average_price(BTC, flat) is None
    assert unrealised(BTC, flat, D(100_000)) == 0


@pytest.mark.parametrize("contracts", [0, -1])
def test_a_fill_of_nothing_is_refused(contracts: int) -> None:
    """A fill without contracts is an error of whoever read it."""
    with pytest.raises(ValueError, match="positive"):
        apply_fill(BTC, Holding(), BUY, contracts, D(100_000))
