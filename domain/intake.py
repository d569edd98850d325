"""From what a caller asks to a trade that can be sent, or the reasons why not.

Callers speak in coin (as the original interface does), USD or contracts, and in prices; this
turns it into whole contracts of one known perpetual and checks everything that can be checked
before anything is sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from domain.instruments import Instrument
from domain.orders import OrderType, Side
from domain.risk import BracketPrices, Reason, fills_at, price_refusals
from domain.sizing import Coins, Contracts, Quantity, Usd, contracts_for, notional_usd

ENTRY_TYPES = {"market": OrderType.MARKET, "limit": OrderType.LIMIT}
LARGEST = Decimal(10) ** 12
"""Beyond this a figure is a slip of the keyboard, and arithmetic on it may overflow."""
SIDES = {"buy": Side.BUY, "sell": Side.SELL, "long": Side.BUY, "short": Side.SELL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A trade as asked for, nothing checked. ``unit`` is ``coin``, ``usd`` or ``contracts``."""

    instrument: str
    side: str
    quantity: Decimal
    unit: str
    entry_type: str
    price: Decimal | None
    stop_loss: Decimal | None
    take_profit: Decimal | None
    break_even_at: Decimal | None = None
    trail: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A wish that can be sent. ``notional_usd`` is its exposure at the price it will meet."""

    instrument: Instrument
    side: Side
    contracts: int
    entry_type: OrderType
    price: Decimal | None
    stop_loss: Decimal
    take_profit: Decimal | None
    notional_usd: Decimal
    break_even_at: Decimal | None = None
    trail: Decimal | None = None


def accept(
    wish: Wish,
    catalogue: Mapping[str, Instrument],
    traded: frozenset[str],
    reference: Decimal | None,
) -> Accepted | tuple[Reason, ...]:
    """The order behind a wish, or every reason found against it.

    ``traded`` are the instruments of the settings; ``reference`` is the mark price now (None
    while unknown), which a market entry will meet, and a limit beyond it.
    """
    instrument = catalogue.get(wish.instrument)
    if instrument is None:
        return (_why_unknown(wish.instrument),)
    if wish.instrument not in traded:
        return (Reason.NOT_TRADED_HERE,)
    side, entry_type = SIDES.get(wish.side.lower()), ENTRY_TYPES.get(wish.entry_type.lower())
    basics = _basic_refusals(wish, side, entry_type)
    if basics or side is None or entry_type is None or wish.stop_loss is None:
        return basics
    price = wish.price if entry_type is OrderType.LIMIT else None
    market = reference if reference is not None else price
    if market is None:
        return (Reason.STALE_DATA,)
    meets = market if price is None else fills_at(side, price, market)
    prices = BracketPrices(
        entry_type=entry_type,
        entry=price,
        reference=market,
        stop=wish.stop_loss,
        target=wish.take_profit,
        tick=instrument.tick_size,
    )
    wrong = (*price_refusals(side, prices), *_move_refusals(wish, side, meets, instrument))
    if wrong:
        return wrong
    contracts = contracts_for(instrument, _quantity(wish), meets)
    if contracts < max(1, instrument.min_contracts):
        return (Reason.BELOW_MINIMUM,)
    return Accepted(
        instrument=instrument,
        side=side,
        contracts=contracts,
        entry_type=entry_type,
        price=price,
        stop_loss=wish.stop_loss,
        take_profit=wish.take_profit,
        notional_usd=notional_usd(instrument, contracts, meets),
        break_even_at=wish.break_even_at,
        trail=wish.trail,
    )


def _move_refusals(
    wish: Wish, side: Side, meets: Decimal, instrument: Instrument
) -> tuple[Reason, ...]:
    """What is wrong with how the stop is to be moved. ``meets`` is the price of the entry."""
    at, trail = wish.break_even_at, wish.trail
    checks = (
        (at is not None and at <= 0, Reason.BAD_PRICE),
        (at is not None and (at - meets) * side.sign <= 0, Reason.BREAK_EVEN_WRONG_SIDE),
        (trail is not None and not instrument.tick_size <= trail < meets, Reason.BAD_TRAIL),
    )
    return tuple(reason for is_wrong, reason in checks if is_wrong)


def _why_unknown(name: str) -> Reason:
    """Options and dated futures are real instruments, but not for Bulwark."""
    if "-" in name and not name.endswith("-PERPETUAL"):
        return Reason.NOT_A_PERPETUAL
    return Reason.UNKNOWN_INSTRUMENT


def _basic_refusals(
    wish: Wish, side: Side | None, entry_type: OrderType | None
) -> tuple[Reason, ...]:
    is_whole = wish.unit != "contracts" or wish.quantity == wish.quantity.to_integral_value()
    is_number = wish.quantity.is_finite() and 0 < wish.quantity <= LARGEST
    prices = (wish.price, wish.stop_loss, wish.take_profit, wish.break_even_at, wish.trail)
    is_priced = all(x is None or (x.is_finite() and x <= LARGEST) for x in prices)
    checks = (
        (side is None, Reason.BAD_DIRECTION),
        (entry_type is None, Reason.BAD_ENTRY_TYPE),
        (wish.stop_loss is None, Reason.NO_STOP),
        (
            not is_priced or (entry_type is OrderType.LIMIT and wish.price is None),
            Reason.BAD_PRICE,
        ),
        (
            wish.unit not in {"coin", "usd", "contracts"} or not is_number or not is_whole,
            Reason.BAD_QUANTITY,
        ),
    )
    return tuple(reason for is_wrong, reason in checks if is_wrong)


def _quantity(wish: Wish) -> Quantity:
    if wish.unit == "contracts":
        return Contracts(int(wish.quantity))
    return Coins(wish.quantity) if wish.unit == "coin" else Usd(wish.quantity)
