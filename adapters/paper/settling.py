"""The daily settlement at 08:00 UTC: what the session made becomes cash, and a new one begins.

Positions and their average prices stay; from then on what floats is measured from the
settlement price. For a few seconds no order, edit or cancel is taken and nothing trades.
"""

from adapters.paper import booking
from adapters.paper.account import Stake
from adapters.paper.engine import DAY_MS, SETTLEMENT_AT_MS, Engine
from adapters.paper.market import Market
from domain.orders import ZERO, TimeInForce
from domain.pnl import Holding, apply_fill, unrealised


def is_due(before_ms: int, now_ms: int) -> bool:
    """Whether 08:00 UTC of some day has come in between."""
    return (before_ms - SETTLEMENT_AT_MS) // DAY_MS != (now_ms - SETTLEMENT_AT_MS) // DAY_MS


def settle(engine: Engine) -> None:
    """Ends the session: day orders go, results become cash."""
    for order in engine.ledger.select(
        lambda order: order.time_in_force is TimeInForce.GOOD_TIL_DAY
    ):
        engine.cancel(order, reason="settlement")
    for name, market in engine.markets.items():
        market.settlement_price = market.mark
        stake = engine.account.stakes[name]
        if stake.touched:
            _book(engine, market, stake)
    engine.revision += 1


def _book(engine: Engine, market: Market, stake: Stake) -> None:
    instrument = market.instrument
    floating = unrealised(instrument, stake.session, market.settlement_price)
    realised, funding = stake.realised + stake.funding, stake.funding
    stake.session = _revalued(market, stake.session)
    stake.realised = stake.funding = ZERO
    engine.account.balances[instrument.settlement_currency] += realised + floating
    booking.log_settlement(
        engine, instrument.name, realised=realised, floating=floating, funding=funding
    )
    stake.told = ZERO
    stake.touched = stake.holding.contracts != 0


def _revalued(market: Market, held: Holding) -> Holding:
    """The same position as if it had been opened at the settlement price."""
    if held.side is None:
        return held
    at_price, _ = apply_fill(
        market.instrument, Holding(), held.side, abs(held.contracts), market.settlement_price
    )
    return at_price
