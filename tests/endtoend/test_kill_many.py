"""A kill of ten open trades through real processes, told in round trips to the venue."""

from pathlib import Path

import pytest
import requests

from tests.endtoend.bulwark import Bot, at_exchange, market, wait_for
from tests.endtoend.scripts import WIDE, script
from tests.endtoend.weather import Faults, Weather

INSTRUMENTS = ("BTC-PERPETUAL", "ETH-PERPETUAL", "BTC_USDC-PERPETUAL", "ETH_USDC-PERPETUAL")
TRADES = 10
ROUND_TRIP = 0.1
"""Seconds the venue takes for every request, there and back."""
AFAR: Faults = ({"kind": "latency", "delay": {"constant": "50ms"}, "way": "both"},)
LOSSY: Faults = (*AFAR, {"kind": "reply_lost", "methods": "private/*", "probability": 0.33})
TOKEN = "a-token-of-this-test"


@pytest.mark.slow
@pytest.mark.parametrize(("faults", "most"), [(AFAR, 15.0), (LOSSY, 60.0)], ids=["kind", "lossy"])
def test_ten_trades_are_killed_and_verified_flat(
    tmp_path: Path, faults: Faults, most: float
) -> None:
    """The answer within a second; then flat by the venue's own data, whatever gets lost."""
    wishes = [
        {
            **WIDE,
            "instrument_name": INSTRUMENTS[number % 4],
            "quantity": quantity,
            "after": 2 + number,
        }
        for number, quantity in enumerate(["0.01", "0.2", "0.01", "0.2"] * 3)
    ][:TRADES]
    with market(tmp_path / "exchange", "--speed", "1") as exchange:
        settings = at_exchange(
            exchange,
            STRATEGIES=script(tmp_path, *wishes),
            INSTRUMENTS=",".join(INSTRUMENTS),
            MAX_OPEN_TRADES=TRADES,
            MAX_TRADES_PER_INSTRUMENT=3,
            MAX_NOTIONAL_USD=1_000_000,
            API_TOKEN=TOKEN,
        )
        weather = Weather(exchange.port, faults)
        with Bot(tmp_path, settings) as bot:
            wait_for(lambda: len(bot.all("target_placed")) == TRADES, "ten brackets", 60)
            weather.breaks()
            with requests.Session() as session:
                session.trust_env = False
                answer = session.post(
                    f"http://127.0.0.1:{bot.api_port}/v1/kill",
                    headers={"Authorization": f"Bearer {TOKEN}"},
                    timeout=10,
                )
            assert answer.json()["status"] == "accepted"
            assert answer.elapsed.total_seconds() < 1.0
            seconds = float(bot.wait_for("flat_verified", 120)["seconds"])
            lost = sum(x for name, x in weather.struck().items() if "reply_lost" in name)
            weather.ends()
            closed = bot.all("trade_closed")
            assert bot.stop() == 0
        print(
            f"\nkill of {TRADES} trades: answered in {answer.elapsed.total_seconds():.3f} s, "
            f"verified flat in {seconds:.2f} s, {seconds / ROUND_TRIP:.0f} round trips; "
            f"{lost} replies lost, {len(closed)} closed by then"
        )
        assert seconds < most
        if len(faults) > 1:
            assert lost > 0
        assert exchange.stop() == 0
