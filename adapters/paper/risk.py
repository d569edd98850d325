"""Equity, margin and whether an order can be paid for (segregated standard margin).

Resting orders that may add to a position tie up initial margin as if the worse side filled
whole; triggers tie up nothing until they fire.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache

from adapters.paper.catalogue import INSTRUMENTS
from adapters.paper.engine import Engine
from adapters.paper.errors import refusal
from domain import margin
from domain.instruments import Instrument
from domain.margin import Margins
from domain.orders import ZERO, Side
from domain.pnl import unrealised

_NOTHING = Margins(ZERO, ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One currency of the account, all in that currency.

    ``floating`` is unrealised PnL at mark; ``position`` the margins of positions alone,
    ``initial`` with resting orders.
    """

    balance: Decimal
    session_rpl: Decimal
    floating: Decimal
    initial: Decimal
    position: Margins

    @property
    def equity(self) -> Decimal:
        return self.balance + self.session_rpl + self.floating


def floating(engine: Engine, name: str) -> Decimal:
    """Unrealised PnL of one position at mark, of the session: since the last settlement."""
    held = engine.account.stakes[name].session
    if held.contracts == 0:
        return ZERO
    return unrealised(INSTRUMENTS[name], held, engine.markets[name].mark)


def equity(engine: Engine, currency: str) -> Decimal:
    """What the account is worth in one currency now."""
    held = sum((floating(engine, name) for name in names_in(currency)), ZERO)
    return engine.account.balances.get(currency, ZERO) + engine.account.session_rpl(currency) + held


@cache
def names_in(currency: str) -> tuple[str, ...]:
    """The instruments that settle in a currency."""
    return tuple(name for name, each in INSTRUMENTS.items() if each.settlement_currency == currency)


def position_margins(engine: Engine, name: str) -> Margins:
    """Margins of the position alone."""
    return _margins(engine, name, engine.account.contracts(name))


def _margins(engine: Engine, name: str, contracts: int) -> Margins:
    if contracts == 0:
        return _NOTHING
    market = engine.markets[name]
    plain = _requirement(name, contracts, market.mark, market.index)
    factor = engine.switches.margin_factor
    return plain if factor == 1 else Margins(plain.initial * factor, plain.maintenance * factor)


@lru_cache(maxsize=256)
def _requirement(name: str, contracts: int, mark: Decimal, index: Decimal) -> Margins:
    """The same few figures are asked for again and again between two moves of the market."""
    return margin.requirement(INSTRUMENTS[name], contracts, mark, index)


def _resting(engine: Engine, name: str) -> tuple[int, int]:
    """Contracts that rest to be bought and to be sold, reduce-only orders left out.

    Worked out once for each revision: with many orders this is what an order would wait for.
    """
    known = engine.resting.get(name)
    if known is not None and known[0] == engine.revision:
        return known[1], known[2]
    bids = asks = 0
    for order in engine.ledger.resting(name):
        if order.reduce_only:
            continue
        if order.side is Side.BUY:
            bids += order.remaining
        else:
            asks += order.remaining
    engine.resting[name] = engine.revision, bids, asks
    return bids, asks


def with_orders(engine: Engine, name: str, side: Side | None = None, more: int = 0) -> Decimal:
    """Initial margin of position and resting orders, and of ``more`` contracts of a new one."""
    bids, asks = _resting(engine, name)
    if side is Side.BUY:
        bids += more
    elif side is Side.SELL:
        asks += more
    held = engine.account.contracts(name)
    worst = max(abs(held + bids), abs(held - asks))
    return _margins(engine, name, worst).initial


def standing(engine: Engine, currency: str) -> Standing:
    """The account in one currency now."""
    names = names_in(currency)
    held = [position_margins(engine, name) for name in names]
    return Standing(
        balance=engine.account.balances.get(currency, ZERO),
        session_rpl=engine.account.session_rpl(currency),
        floating=sum((floating(engine, name) for name in names), ZERO),
        initial=sum((with_orders(engine, name) for name in names), ZERO),
        position=Margins(
            sum((each.initial for each in held), ZERO),
            sum((each.maintenance for each in held), ZERO),
        ),
    )


def check_funds(engine: Engine, instrument: Instrument, side: Side, contracts: int) -> None:
    """Refuses what the account cannot carry: margin afterwards, and the taker fee.

    Raises:
        VenueError: 10009.
    """
    now = with_orders(engine, instrument.name)
    after = with_orders(engine, instrument.name, side, contracts)
    if after <= now:
        return
    mark = engine.markets[instrument.name].mark
    cost = engine.fees.of_fill(instrument, contracts, mark)
    account = standing(engine, instrument.settlement_currency)
    if account.initial - now + after + cost > account.equity:
        raise refusal(10009)


def liquidation_price(engine: Engine, name: str) -> Decimal | None:
    """Where the maintenance margin would eat the equity; None where no price does it.

    It is worked out for the standard margin alone.
    """
    switches, held = engine.switches, engine.account.stakes[name].session
    if held.contracts == 0 or switches.liquidation_price == "null" or switches.margin_factor != 1:
        return None
    instrument = INSTRUMENTS[name]
    rest = equity(engine, instrument.settlement_currency) - floating(engine, name)
    price = margin.liquidation_price(instrument, held, rest)
    return None if price is None else price.quantize(Decimal("0.01"))
