"""Funding accrues every moment: it is booked when the market moves, and before a position does."""

from decimal import Decimal

from adapters.paper.engine import Engine
from domain import funding


def accrue(engine: Engine, name: str) -> None:
    """Books what the position as it is has earned or paid until now, at the rate that holds."""
    stake, market = engine.account.stakes[name], engine.markets[name]
    # Accounts of earlier versions booked it when the market moved, and only then.
    since_ms, stake.funded_ms = stake.funded_ms or market.now_ms, engine.now_ms
    held, elapsed = stake.holding.contracts, engine.now_ms - since_ms
    if held and elapsed and market.rate:
        price = market.mark if engine.switches.funding_price == "mark" else market.index
        seconds = Decimal(elapsed) / 1000
        stake.funding += funding.payment(market.instrument, held, price, market.rate, seconds)
