"""One step of time: new prices, funding, settlement, triggers, resting fills, liquidation."""

from collections.abc import Mapping
from decimal import Decimal

from adapters.paper import accruing, liquidation, matching, risk, settling, triggers
from adapters.paper.catalogue import CURRENCIES, INDEX_OF
from adapters.paper.engine import Engine
from adapters.paper.market import Market
from adapters.paper.noise import between
from domain.orders import Side


def advance(engine: Engine, now_ms: int, prices: Mapping[str, Decimal]) -> None:
    """Moves everything to ``now_ms``. Time never runs back; a missing price stays as it is."""
    # Since the markets last moved: requests move the engine's clock on too, over the hour perhaps.
    before = min(market.now_ms for market in engine.markets.values())
    engine.now_ms = max(now_ms, engine.now_ms)
    engine.ids.step()
    for name, market in engine.markets.items():
        if engine.account.contracts(name):
            accruing.accrue(engine, name)
        spot = prices.get(INDEX_OF[market.instrument.price_index], market.spot)
        moved = market.step(spot, engine.now_ms, engine.ids.change())
        _print(engine, market, moved)
        engine.changes.moved.add(name)
    if settling.is_due(before, engine.now_ms):
        settling.settle(engine)
    for name in engine.markets:
        if engine.state_of(name) == "open":
            triggers.watch(engine, name)
            matching.fill_resting(engine, name)
    for currency in CURRENCIES:
        if all(engine.state_of(name) == "open" for name in risk.names_in(currency)):
            liquidation.watch(engine, currency)


def _print(engine: Engine, market: Market, moved: Decimal) -> None:
    """Somebody else trades: at the ask when the market rises, at the bid when it falls."""
    instrument = market.instrument
    if engine.state_of(instrument.name) != "open":
        return
    if moved == 0 and between(0, 3, engine.seed, market.steps, market.trade_seq):
        return
    side = Side.BUY if moved > 0 or (moved == 0 and market.steps % 2) else Side.SELL
    best = market.first(side.opposite)
    if best is None:
        return
    size = max(1, best.contracts // between(10, 200, engine.seed, market.trade_seq))
    printed = market.print_trade(
        engine.ids.trade(instrument), side, size, best.price, timestamp_ms=market.now_ms
    )
    engine.changes.tape.append((instrument.name, printed))
