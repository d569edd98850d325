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

CANCEL_MAKER, REJECT_TAKER = "cancel_maker", "reject_taker"


@dataclass(slots=True, kw_only=True)
class Stake:
    """One instrument in the account. ``realised`` is trading PnL alone, ``funding`` the rest.

    ``holding`` is since entry, ``session`` the same position valued anew at each settlement:
    what is not yet in the cash is worked out from that one. ``touched`` is set once it traded:
    until the next settlement it is listed, flat or not. ``funding`` is of the time until
    ``funded_ms``, ``told`` what of it stands in the transaction log.
    """

    holding: Holding = field(default_factory=Holding)
    session: Holding = field(default_factory=Holding)
    realised: Decimal = ZERO
    funding: Decimal = ZERO
    funded_ms: int = 0
    told: Decimal = ZERO
    touched: bool = False


class Account:
    """Balances and stakes. Contracts are signed, money is in settlement currencies.

    ``liquidated_ms`` has the currencies under liquidation, with the time of the last slice;
    ``self_trading`` what happens to an order that would meet one of our own.
    """

    def __init__(self, balances: Mapping[str, Decimal]) -> None:
        self.balances = dict(balances)
        self.stakes = {name: Stake() for name in INSTRUMENTS}
        self.cancel_on_disconnect = False
        self.liquidated_ms: dict[str, int] = {}
        self.self_trading = CANCEL_MAKER

    def contracts(self, name: str) -> int:
        """The signed position."""
        return self.stakes[name].holding.contracts

    def fill(
        self, instrument: Instrument, side: Side, contracts: int, price: Decimal, fee: Decimal
    ) -> tuple[Decimal, Decimal]:
        """Books a fill; returns the PnL it realised since entry, and of the session alone."""
        stake = self.stakes[instrument.name]
        is_one = stake.session == stake.holding
        stake.holding, whole = apply_fill(instrument, stake.holding, side, contracts, price)
        if is_one:
            stake.session, realised = stake.holding, whole
        else:
            stake.session, realised = apply_fill(instrument, stake.session, side, contracts, price)
        stake.realised += realised
        stake.touched = True
        self.balances[instrument.settlement_currency] -= fee
        return whole, realised

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
