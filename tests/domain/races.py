"""A bracket in a race: an owner, a venue and a script of what becomes of each request."""

from domain.labels import Role
from domain.orders import Side
from domain.trade import ExitReason, Trade, TradePlan
from domain.trade_result import exit_reason_of
from tests.domain.builders import plan
from tests.domain.catalogue import BTC
from tests.domain.model_owner import Owner
from tests.domain.model_venue import ModelVenue, Quirks, VenueOrder
from tests.domain.model_wire import Fate, Outcome, Wire

FINE = Outcome()
LOST = Outcome(Fate.LOST)
TAKEN = Outcome(Fate.TAKEN, liquidity=10)
USUAL = ["place entry", "place sl", "place tp"]


def refused(code: int) -> Outcome:
    return Outcome(Fate.REFUSED, code=code)


def begun(
    *script: Outcome, wanted: TradePlan | None = None, quirks: Quirks | None = None
) -> tuple[Owner, ModelVenue]:
    """A trade whose first requests end as scripted; those after them are fine."""
    trade = Trade(plan=wanted or plan())
    venue = ModelVenue(BTC, Side.BUY, quirks or Quirks())
    owner = Owner(trade, venue, Wire(venue, script=list(script)), saved=[trade])
    owner.advance()
    return owner, venue


def resting(venue: ModelVenue, role: Role) -> VenueOrder:
    """The only living order of this role."""
    found = [x for x in venue.orders.values() if x.role is role and x.state.is_live]
    assert len(found) == 1
    return found[0]


def deliver(owner: Owner, venue: ModelVenue, *, times: int = 1) -> None:
    """All notifications, each so many times, in order; then the story, if it is wanted."""
    notices, venue.queue[:] = list(venue.queue), []
    for notice in notices:
        for _ in range(times):
            if not owner.trade.is_finished:
                owner.hear(notice)
    if owner.trade.rests_on_guesses and not owner.trade.is_finished:
        owner.hear_story()
    if venue.queue and not owner.trade.is_finished:
        deliver(owner, venue)


def since(owner: Owner, number: int) -> list[str]:
    """The steps after the first so many."""
    return owner.taken[number:]


def ended(owner: Owner, venue: ModelVenue) -> ExitReason:
    """The trade is over, flat, and nothing of it is left; why."""
    assert owner.trade.is_finished
    assert venue.position == 0
    assert not [x for x in venue.orders.values() if x.state.is_live]
    assert len(owner.trade.fills) == len(venue.fills)
    return exit_reason_of(owner.trade)
