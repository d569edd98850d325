"""The account: cash per currency, and per instrument what is held and what the session made.

Fees leave the cash at once; realised PnL and funding stay in the session and are part of the
equity (``equity = balance + session_rpl + session_upl``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from adapters.paper.catalogue import INSTRUMENTS
from domain.instruments import Instrument
from domain.orders import ZERO, Side
from domain.pnl import Holding, apply_fill


@dataclass(slots=True, kw_only=True)
class Stake:
    """One instrument in the account. ``realised`` is trading PnL alone, ``funding`` the rest.

    ``touched`` is set once it traded: from then on it is listed, flat or not.
    """

    holding: Holding = field(default_factory=Holding)
    realised: Decimal = ZERO
    funding: Decimal = ZERO
    touched: bool = False


class Account:
    """Balances and stakes. Contracts are signed, money is in settlement currencies."""

    def __init__(self, balances: Mapping[str, Decimal]) -> None:
        self.balances = dict(balances)
        self.stakes = {name: Stake() for name in INSTRUMENTS}
        self.cancel_on_disconnect = False

    def contracts(self, name: str) -> int:
        """The signed position."""
        return self.stakes[name].holding.contracts

    def fill(
        self, instrument: Instrument, side: Side, contracts: int, price: Decimal, fee: Decimal
    ) -> Decimal:
        """Books a fill; returns the trading PnL it realised."""
        stake = self.stakes[instrument.name]
        stake.holding, realised = apply_fill(instrument, stake.holding, side, contracts, price)
        stake.realised += realised
        stake.touched = True
        self.balances[instrument.settlement_currency] -= fee
        return realised

    def book_funding(self, name: str, received: Decimal) -> None:
        """Books what a position received (negative: paid)."""
        self.stakes[name].funding += received

    def session_rpl(self, currency: str) -> Decimal:
        """Realised PnL of the session, funding included."""
        return sum(
            (
                stake.realised + stake.funding
                for name, stake in self.stakes.items()
                if INSTRUMENTS[name].settlement_currency == currency
            ),
            ZERO,
        )
