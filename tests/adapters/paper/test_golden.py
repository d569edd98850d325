"""Golden figures of margins, liquidation, funding, mark, bands and breakeven, as clients see them.

PnL and fees stand in ``test_money``, the settlement in ``test_settlement``.
"""

from decimal import Decimal

import pytest

from adapters.paper.fees import STANDARD, Fees
from adapters.paper.market import BookShape
from tests.adapters.paper.harness import BALANCES, INVERSE, LINEAR
from tests.adapters.paper.harness import Wire as Bench

ETH = "ETH-PERPETUAL"
# Deep enough for hundreds of coins at the touch.
DEEP = BookShape(size_pct=100_000, widest_spread_ticks=1, premium_bps=0)
RICH = {"BTC": Decimal(1000), "ETH": Decimal(10_000), "USDC": Decimal(10**8)}
HOUR = 3_600_000


def _near(value: Decimal, wanted: str, within: str = "0.000000005") -> bool:
    return abs(value - Decimal(wanted)) <= Decimal(within)


def test_a_captured_eth_position() -> None:
    """Size 1 at 2074.25, settled at 2090.99, mark 1963.31: every captured figure."""
    bench = Bench()
    bench.move(eth="2074.2")
    bench.buy(1, ETH)
    bench.move(eth="2090.99", ms=20 * HOUR)
    bench.move(eth="1963.31", ms=10_000)
    shown = bench.position(ETH)
    assert (shown["average_price"], shown["settlement_price"]) == (
        Decimal("2074.25"),
        Decimal("2090.99"),
    )
    for name, wanted in {
        "size_currency": "0.000509344",
        "total_profit_loss": "-0.000027242",
        "floating_profit_loss": "-0.000031102",
        "initial_margin": "0.000010187",
        "maintenance_margin": "0.000005093",
    }.items():
        assert _near(shown[name], wanted, "6E-10"), name


def test_a_captured_btc_position() -> None:
    """Size 40 at 112585.87, settled at 109351.31, mark 109266.97."""
    bench = Bench()
    for price, amount in (("112585.5", 10), ("112586", 30)):
        bench.ask_at(price)
        bench.buy(amount)
    bench.move("109351.31", ms=20 * HOUR)
    bench.move("109266.97", ms=10_000)
    shown = bench.position()
    for name, wanted in {
        "size_currency": "0.000366076",
        "total_profit_loss": "-0.00001079149",
        "floating_profit_loss": "-0.000000282",
        "initial_margin": "0.000007322",
        "maintenance_margin": "0.000003661",
    }.items():
        assert _near(shown[name], wanted, "1E-9"), name


@pytest.mark.parametrize(
    ("name", "amount", "initial", "maintenance"),
    [
        (INVERSE, "10000", "0.0020005", "0.0010005"),
        (INVERSE, "2500000", "0.53125", "0.28125"),
        (INVERSE, "35000000", "13.125", "9.625"),
        (ETH, "1600000", "11", "6"),
        (ETH, "16000000", "200", "150"),
        (LINEAR, "25", "53125", "28125"),
    ],
)
def test_margins_grow_with_the_position(
    name: str, amount: str, initial: str, maintenance: str
) -> None:
    """0.1, 25 and 350 BTC, 500 and 5000 ETH, 25 BTC in USDC, at 100,000 and 3,200."""
    bench = Bench(shape=DEEP, balances=RICH)
    bench.buy(amount, name)
    bench.move(100_000, eth="3200")
    shown = bench.position(name)
    assert (shown["initial_margin"], shown["maintenance_margin"]) == (
        Decimal(initial),
        Decimal(maintenance),
    )


@pytest.mark.parametrize(
    ("name", "side", "amount", "equity", "price"),
    [
        (INVERSE, "buy", "10000", "0.02", "84167.16"),
        (INVERSE, "sell", "10000", "0.02", "123749.49"),
        (LINEAR, "buy", "0.1", "2000", "80808.49"),
    ],
)
def test_liquidation_begins_at_the_estimated_price(
    name: str, side: str, amount: str, equity: str, price: str
) -> None:
    """The estimate is the golden one, a cent before it nothing happens, a cent beyond it does."""
    currency = "BTC" if name == INVERSE else "USDC"
    fee = Decimal("0.000035") if name == INVERSE else Decimal("3.5")
    bench = Bench(balances={currency: Decimal(equity) + fee})
    if side == "buy":
        bench.ask_at(100_000, name)
        bench.buy(amount, name)
    else:
        bench.bid_at(100_000)
        bench.sell(amount, name)
    shown = bench.position(name)
    assert shown["estimated_liquidation_price"] == Decimal(price)
    away = Decimal("0.02") * (1 if side == "buy" else -1)
    bench.move(str(Decimal(price) + away), ms=1000)
    assert abs(bench.position(name)["size"]) == Decimal(amount)
    bench.move(str(Decimal(price) - away), ms=1000)
    assert abs(bench.position(name)["size"]) < Decimal(amount)


@pytest.mark.parametrize(
    ("lean", "rate", "hour", "linear"),
    [
        (8, "0.00055", "0.000006875", "0.6875"),
        (-4, "-0.00015", "-0.000001875", "-0.1875"),
        (-1, "0", "0", "0"),
    ],
)
def test_funding_by_the_hour(lean: int, rate: str, hour: str, linear: str) -> None:
    """Mark 100,080, 99,960 and 99,990 over an index of 100,000: what the long pays, in coin."""
    bench = Bench(shape=BookShape(premium_bps=0, lean_bps=lean))
    bench.buy(10_000)
    bench.buy("0.1", LINEAR)
    for hours in range(1, 9):
        for _ in range(4):
            bench.move(100_000, ms=HOUR // 4)
        paid = -bench.position()["realized_funding"]
        assert _near(paid, str(hours * Decimal(hour)), "1E-12")
        assert -bench.position(LINEAR)["realized_funding"] == hours * Decimal(linear)
    ticker = bench.call("public/ticker", instrument_name=INVERSE)
    assert ticker["mark_price"] == 100_000 + 10 * lean
    assert ticker["current_funding"] == ticker["funding_8h"] == Decimal(rate)
    earned = Bench(shape=BookShape(premium_bps=0, lean_bps=lean))
    earned.sell(10_000)
    earned.move(100_000, ms=HOUR)
    assert _near(earned.position()["realized_funding"], hour, "1E-12")


def test_funding_is_of_the_time_a_position_was_held() -> None:
    """Opened and closed in the middle of two steps of the market: 1 h of 8, not 2."""
    bench = Bench(shape=BookShape(premium_bps=0, lean_bps=8))
    bench.move(100_000)
    bench.now_ms += HOUR // 2
    bench.buy(10_000)
    bench.move(100_000, ms=HOUR // 2)
    bench.now_ms += HOUR // 2
    bench.sell(10_000)
    bench.move(100_000, ms=HOUR // 2)
    assert _near(-bench.position()["realized_funding"], "0.000006875", "1E-12")


def test_funding_is_capped() -> None:
    """A premium of 0.6 %, 0.575 % damped, is 0.5 % on BTC inverse, and less than the others' caps.

    The mark has to be let so far from the index: by default it is clipped where the cap begins.
    """
    bench = Bench(shape=BookShape(premium_bps=0, lean_bps=60), mark_clip_pct=Decimal(1))
    bench.sell(10_000)
    bench.move(100_000, ms=HOUR)
    tickers = {
        name: bench.call("public/ticker", instrument_name=name) for name in (INVERSE, ETH, LINEAR)
    }
    assert tickers[INVERSE]["mark_price"] == 100_600
    rates = {name: ticker["current_funding"] for name, ticker in tickers.items()}
    assert rates == {INVERSE: Decimal("0.005"), ETH: Decimal("0.00575"), LINEAR: Decimal("0.00575")}
    assert bench.position()["realized_funding"] == Decimal("0.0000625")


def test_the_risk_of_a_position_is_the_loss_at_its_stop() -> None:
    """25,000 USD from 100,000 to 98,000: 0.00510204 BTC, 500 USD, and 17.50 USD of fees."""
    bench = Bench()
    bench.ask_at(100_000)
    (entry,) = bench.buy(25_000)["trades"]
    bench.bid_at(98_000)
    (out,) = bench.sell(25_000)["trades"]
    assert _near(out["profit_loss"], "-0.00510204")
    assert _near(out["profit_loss"] * 98_000, "-500", "1E-6")
    assert _near(entry["fee"] * 100_000 + out["fee"] * 98_000, "17.5", "1E-6")


def test_the_mark_follows_the_premium_over_thirty_seconds() -> None:
    """A premium of 100 from one second to the next: five golden steps, to the cent."""
    bench = Bench()
    bench.move(100_000, ms=1000)
    bench.exchange._engine.markets[INVERSE].shape = BookShape(premium_bps=0, lean_bps=10)
    marks: list[Decimal] = []
    for _ in range(5):
        bench.move(100_000, ms=1000)
        marks.append(bench.call("public/ticker", instrument_name=INVERSE)["mark_price"])
    assert [str(mark) for mark in marks] == [
        "100006.45",
        "100012.49",
        "100018.13",
        "100023.41",
        "100028.36",
    ]


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [(INVERSE, "90897.5", "93666.5"), (ETH, "3139.6", "3235.25")],
)
def test_the_band_is_rounded_outward(name: str, low: str, high: str) -> None:
    """1.5 % around 92,281.78 and 3,187.42, to ticks of 0.5 and 0.05."""
    bench = Bench()
    bench.move("92281.78", eth="3187.42")
    ticker = bench.call("public/ticker", instrument_name=name)
    assert (ticker["min_price"], ticker["max_price"]) == (Decimal(low), Decimal(high))
    placed = bench.buy(10, name)["order"]
    assert placed["price"] == Decimal(high)


def test_a_close_of_all_pays_by_the_harmonic_average() -> None:
    """15,000 at two prices, out at 100,000: 0.0125, where the arithmetic mean would say 0.0107."""
    bench = Bench()
    for price, amount in ((100_000, 10_000), (80_000, 5_000)):
        bench.ask_at(price)
        bench.buy(amount)
    bench.bid_at(100_000)
    (closing,) = bench.sell(15_000)["trades"]
    assert closing["profit_loss"] == Decimal("0.0125")


@pytest.mark.parametrize(
    ("name", "side", "is_maker", "gains", "loses"),
    [
        (INVERSE, "buy", False, "100070.5", "100070.0"),
        (INVERSE, "sell", False, "99930.0", "99930.5"),
        (INVERSE, "buy", True, "100050.5", "100050.0"),
        (INVERSE, "sell", True, "99950.0", "99950.5"),
        (LINEAR, "buy", True, "100050.1", "100050.0"),
        (LINEAR, "sell", True, "99950.0", "99950.1"),
    ],
)
def test_breakeven_lies_between_two_ticks(
    name: str, side: str, is_maker: bool, gains: str, loses: str
) -> None:
    """Golden breakevens of an entry at 100,000: the tick past it gains, the one before it loses."""
    assert _net_of_a_round(name, side, gains, is_maker=is_maker) > 0
    assert _net_of_a_round(name, side, loses, is_maker=is_maker) < 0


def _net_of_a_round(
    name: str, side: str, out: str, *, is_maker: bool, fees: Fees = STANDARD
) -> Decimal:
    """What an entry at 100,000 and a close at market at ``out`` leave of it, fees paid."""
    bench = Bench(fees=fees)
    amount, currency = (10_000, "BTC") if name == INVERSE else ("0.01", "USDC")
    is_buy = side == "buy"
    if is_maker:
        bench.ask_at(100_100, name) if is_buy else bench.bid_at(99_900)
        (bench.buy if is_buy else bench.sell)(amount, name, price=100_000, post_only=True)
        bench.ask_at(99_990, name) if is_buy else bench.bid_at(100_010)
    elif is_buy:
        bench.ask_at(100_000, name)
        bench.buy(amount, name)
    else:
        bench.bid_at(100_000)
        bench.sell(amount, name)
    assert bench.position(name)["average_price"] == 100_000
    bench.bid_at(out) if is_buy else bench.ask_at(out, name)
    (closing,) = bench.call("close_position", instrument_name=name, type="market")["trades"]
    assert closing["price"] == Decimal(out)
    funding = bench.position(name)["realized_funding"]
    return bench.account(currency)["equity"] - BALANCES[currency] - funding


OLD = Fees(maker=Decimal(0), taker=Decimal("0.0005"))


@pytest.mark.parametrize(
    ("name", "fees", "is_maker", "long", "short"),
    [
        (INVERSE, STANDARD, False, "100070.02450858", "99930.02449143"),
        (LINEAR, STANDARD, False, "100070.02450858", "99930.02449143"),
        (INVERSE, OLD, False, "100100.05002501", "99900.04997501"),
        (LINEAR, OLD, False, "100100.05002501", "99900.04997501"),
        (INVERSE, STANDARD, True, "100050.00750113", "99950.00749888"),
        (LINEAR, STANDARD, True, "100050.01750613", "99950.01749388"),
    ],
)
def test_breakeven_to_the_eighth_decimal(
    name: str, fees: Fees, is_maker: bool, long: str, short: str
) -> None:
    """Between two closes the result is straight in the price (its inverse, in coin): where is 0?"""
    for side, wanted in (("buy", long), ("sell", short)):
        outs = [Decimal(100_000), Decimal(100_200 if side == "buy" else 99_800)]
        nets = [_net_of_a_round(name, side, str(out), is_maker=is_maker, fees=fees) for out in outs]
        first, last = (1 / out if name == INVERSE else out for out in outs)
        zero = first + (last - first) * nets[0] / (nets[0] - nets[1])
        assert _near(1 / zero if name == INVERSE else zero, wanted, "0.000001")


@pytest.mark.parametrize(("bid", "net"), [("100070.5", "0.00000047"), ("100070.0", "-0.00000002")])
def test_breakeven_pays_both_fees(bid: str, net: str) -> None:
    """A tick above it a close gains, a tick below it loses."""
    bench = Bench()
    bench.ask_at(100_000)
    bench.buy(10_000)
    bench.bid_at(bid)
    bench.sell(10_000)
    assert _near(bench.account()["equity"] - BALANCES["BTC"], net)


def test_a_losing_eth_long() -> None:
    """4,780 USD at 3,187.25, out at 3,100: gross, both fees and net."""
    bench = Bench()
    bench.move(eth="3187.2")
    (entry,) = bench.buy(4_780, ETH)["trades"]
    bench.move(eth="3100")
    (out,) = bench.sell(4_780, ETH)["trades"]
    assert (entry["price"], out["price"]) == (Decimal("3187.25"), 3100)
    assert _near(out["profit_loss"], "-0.04221002")
    assert (_near(entry["fee"], "0.00052490"), _near(out["fee"], "0.00053968")) == (True, True)
    assert _near(bench.account("ETH")["equity"] - BALANCES["ETH"], "-0.04327460")


def test_an_average_over_two_prices() -> None:
    """10,000 at 100,000 and 15,000 a tick higher."""
    bench = Bench()
    for price, amount in ((100_000, 10_000), ("100000.5", 15_000)):
        bench.ask_at(price)
        bench.buy(amount)
    assert _near(bench.position()["average_price"], "100000.29999940")
