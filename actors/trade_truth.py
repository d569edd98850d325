"""What the venue knows of a trade: the reads behind a look-up and behind a full comparison.

Each either returns everything it was asked for, or raises what the venue port raises. What an
order found says of itself is true whatever else could be read; that something is not there is
concluded from whole answers alone.
"""

from datetime import datetime

from actors.ports import NotSent, OutcomeUnknown, Rejected, Venue
from domain import labels
from domain.instruments import Instrument
from domain.orders import Fill, Order, OrderState
from domain.trade import Line, Trade

FILLS_MARGIN_MS = 60_000
"""How far before the trade's beginning fills are looked for (clocks differ)."""


FORGOTTEN_AFTER_MS = 20 * 60_000
"""How old an order must be for the venue to have forgotten it."""


def fills_of(venue: Venue, trade: Trade, instrument: Instrument) -> tuple[Fill, ...]:
    """All fills of the instrument since the trade began. To be read after the orders."""
    return venue.fills(instrument.name, since_ms(trade))


def orders_of(venue: Venue, trade: Trade, instrument: Instrument) -> tuple[Order, ...]:
    """The orders of the trade: what rests, and what became of what does not."""
    mine = [order for order in venue.open_orders() if _is_mine(trade, order)]
    resting = {order.order_id for order in mine}
    doubtful = [
        line
        for line in trade.lines
        if not line.status.is_over and not resting.intersection(line.order_ids)
    ]
    looked = [x for line in doubtful for x in orders_under(venue, trade, line, instrument)]
    # Those that rest come last: they were read first, but they are the venue's newest word.
    return (*looked, *mine)


def orders_under(
    venue: Venue, trade: Trade, line: Line, instrument: Instrument
) -> tuple[Order, ...]:
    """The orders under a label, and what a fired stop became.

    Whether the order a stop fires into carries its label is not documented: one that does not
    is found by its parent. What ended a while ago is in the history alone.
    """
    label = trade.label(line)
    found = venue.orders_by_label(label, instrument.settlement_currency)
    fired = {x.order_id for x in found if x.state is OrderState.TRIGGERED}
    has_child = any(x.trigger_order_id in fired for x in found)
    if (found and (not fired or has_child)) or not (found or _may_be_forgotten(venue, line)):
        return found
    known = {x.order_id for x in found}
    family = known.union(line.ids)
    return (
        *found,
        *(
            x
            for x in venue.order_history(instrument.name)
            if x.order_id not in known
            and (x.label == label or x.order_id in family or x.trigger_order_id in family)
        ),
    )


def _may_be_forgotten(venue: Venue, line: Line) -> bool:
    """Whether the order may have left the live store, which keeps what ended for half an hour."""
    sent_ms = min(_ms(line.sent_at), line.valid_until_ms or _ms(line.sent_at))
    return venue.server_now_ms() - sent_ms > FORGOTTEN_AFTER_MS


def since_ms(trade: Trade) -> int:
    """From when on fills may belong to the trade, in the venue's milliseconds.

    Our clock may have been ahead when the trade began; until when its entry was valid is the
    venue's time.
    """
    return min(_ms(trade.plan.created_at), trade.plan.valid_until_ms) - FILLS_MARGIN_MS


def _ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


def _is_mine(trade: Trade, order: Order) -> bool:
    known = {order_id for line in trade.lines for order_id in line.order_ids}
    is_ours = order.label.startswith(f"bw.{trade.id}.")
    family = (order.order_id, order.trigger_order_id, order.primary_order_id)
    return is_ours or not known.isdisjoint(family)


def is_flattened(venue: Venue, fills: tuple[Fill, ...], instrument: Instrument) -> bool:
    """Whether a kill has closed all there was: an order of it filled, and nothing is held."""
    if not any(labels.is_flattening(x.label) for x in fills):
        return False
    try:
        return all(x.instrument_name != instrument.name for x in venue.positions())
    except (Rejected, NotSent, OutcomeUnknown):
        return False
