"""Whether a book takes requests now: settlement, instrument states, liquidation, order limits."""

from adapters.paper.catalogue import INSTRUMENTS
from adapters.paper.engine import Engine
from adapters.paper.errors import refusal

OPEN, SETTLEMENT, LOCKED, HALTED = "open", "settlement", "locked", "halted"
STATES = frozenset({OPEN, LOCKED, HALTED, "inactive"})


def check_edit(engine: Engine, instrument_name: str) -> None:
    """Whether an edit is taken.

    Raises:
        VenueError: 10041 settlement, 10012 the book is not open, 10072 under liquidation.
    """
    state = engine.state_of(instrument_name)
    if state == SETTLEMENT:
        raise refusal(10041)
    if state != OPEN:
        raise refusal(10012)
    if INSTRUMENTS[instrument_name].settlement_currency in engine.account.liquidated_ms:
        raise refusal(10072)


def check_order(engine: Engine, instrument_name: str) -> None:
    """Whether one more order is taken.

    Raises:
        VenueError: as `check_edit`, and 10013 there are too many.
    """
    check_edit(engine, instrument_name)
    most = engine.switches.most_open_orders
    if len(engine.ledger.live) >= most:
        raise refusal(10013, most)


def check_cancel(engine: Engine, instrument_name: str) -> None:
    """Whether a cancel is taken: a locked book does, and perhaps a halted one.

    Raises:
        VenueError: 10041 or 10012.
    """
    state = engine.state_of(instrument_name)
    if state == SETTLEMENT:
        raise refusal(10041)
    takes = {OPEN, LOCKED, HALTED} if engine.switches.halted_takes_cancels else {OPEN, LOCKED}
    if state not in takes:
        raise refusal(10012)
