"""A venue for one trade, as a pure model: what a matching engine does with a bracket's orders.

It knows nothing of the code under test but the values it speaks. Reduce-only orders are clipped
to the position, triggers fire into market orders, market orders hang when the book is thin, and
every change is queued as a notification that the test delivers when and as often as it likes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from domain.instruments import Instrument
from domain.labels import Role, parse
from domain.orders import Fill, Order, OrderState, OrderType, Side, TriggerBy
from domain.trade import is_tighter
from tests.domain.builders import START_MS
from tests.domain.catalogue import D

STOP_AT = D(98_000)
PRICES = (D(100_000), D("100000.5"), D(99_000), D("101234.5"), D(87_654))


class Refused(Exception):
    """The venue proved that it did not do it."""

    def __init__(self, code: int) -> None:
        super().__init__(f"refused with {code}")
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """What differs between venues, or is not documented.

    ``keeps_id``: a fired stop goes on under its own id. ``child_has_label``: a fired stop's
    order carries its label. ``lag_ms``: how long history and look-ups by label trail behind.
    ``ticks``: milliseconds the venue's clock moves with every event. ``checks_stops``: a stop
    is refused without a position, and clipped to it, when it is placed.
    """

    keeps_id: bool = False
    child_has_label: bool = True
    lag_ms: int = 0
    ticks: int = 1
    checks_stops: bool = True


@dataclass(slots=True, kw_only=True)
class VenueOrder:
    """An order in the engine, changed in place."""

    order_id: str
    label: str
    side: Side
    order_type: OrderType
    contracts: int
    reduce_only: bool
    state: OrderState
    created_ms: int
    updated_ms: int
    filled: int = 0
    parent: str | None = None
    cancel_reason: str | None = None
    trigger_price: Decimal = STOP_AT

    @property
    def remaining(self) -> int:
        return self.contracts - self.filled

    @property
    def role(self) -> Role | None:
        label = parse(self.label)
        return label.role if label else None


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification; ``is_foreign`` marks a fill that no order of ours made."""

    what: Order | Fill
    is_foreign: bool = False


@dataclass(slots=True)
class ModelVenue:
    """One instrument, one position, and the trade's orders. ``side`` is the trade's."""

    instrument: Instrument
    side: Side
    quirks: Quirks
    now_ms: int = START_MS
    position: int = 0
    entered: int = 0
    orders: dict[str, VenueOrder] = field(default_factory=dict[str, VenueOrder])
    fills: list[Fill] = field(default_factory=list[Fill])
    queue: list[Notice] = field(default_factory=list[Notice])
    coin_in: Fraction = Fraction(0)
    fees: Fraction = Fraction(0)
    _numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 10**6)))

    # -- requests ------------------------------------------------------------

    def place(
        self,
        label: str,
        contracts: int,
        *,
        liquidity: int,
        is_twisted: bool = False,
        trigger_price: Decimal = STOP_AT,
    ) -> tuple[Order, list[Fill]]:
        """Takes an order as its label's role asks; ``liquidity`` contracts trade at once.

        A twisted stop is taken as something that would not only reduce.
        """
        parsed = parse(label)
        assert parsed is not None
        role = parsed.role
        is_entry = role is Role.ENTRY
        is_free = is_entry or (role is Role.STOP and not self.quirks.checks_stops)
        if not is_free and self.position == 0:
            raise Refused(11030)
        types = {Role.STOP: OrderType.STOP_MARKET, Role.TARGET: OrderType.LIMIT}
        self._tick()
        order = VenueOrder(
            order_id=f"o{next(self._numbers)}",
            label=label,
            side=self.side if is_entry else self.side.opposite,
            order_type=types.get(role, OrderType.MARKET),
            contracts=contracts if is_free else min(contracts, self.position),
            reduce_only=not is_entry and not (is_twisted and role is Role.STOP),
            state=OrderState.UNTRIGGERED if role is Role.STOP else OrderState.OPEN,
            created_ms=self.now_ms,
            updated_ms=self.now_ms,
            trigger_price=trigger_price,
        )
        self.orders[order.order_id] = order
        self._note(order)
        before = len(self.fills)
        if role in {Role.ENTRY, Role.CLOSE, Role.EMERGENCY}:
            self.execute(order.order_id, liquidity)
        self._clip()
        return self.stated(order), self.fills[before:]

    def edit(self, order_id: str, contracts: int, trigger_price: Decimal | None = None) -> Order:
        """Sets a new total; a resting reduce-only order is clipped at once.

        A stop's trigger may come nearer to the market; nobody may ask for it to go away.
        """
        order = self._live(order_id)
        if contracts <= order.filled:
            raise Refused(10022)
        self._tick()
        order.contracts = contracts
        if trigger_price is not None:
            away = is_tighter(self.side, order.trigger_price, trigger_price)
            assert not away, f"a stop put back from {order.trigger_price} to {trigger_price}"
            order.trigger_price = trigger_price
        self._touched(order)
        self._clip()
        return self.stated(order)

    def cancel(self, order_id: str, reason: str | None = "user_request") -> Order:
        order = self._live(order_id)
        self._tick()
        self._end(order, OrderState.CANCELLED, reason)
        return self.stated(order)

    def _live(self, order_id: str) -> VenueOrder:
        order = self.orders[order_id]
        if order.state is OrderState.TRIGGERED:
            raise Refused(11044)
        if not order.state.is_live:
            raise Refused(10010)
        return order

    # -- reads ------------------------------------------------------------

    def by_label(self, label: str) -> list[Order]:
        """Orders with this label that the lagging index has by now."""
        seen_by = self.now_ms - self.quirks.lag_ms
        found = (x for x in self.orders.values() if x.label == label and x.created_ms <= seen_by)
        return [self.stated(x) for x in found]

    def order_history(self) -> list[Order]:
        """Every order that the lagging history has by now."""
        seen_by = self.now_ms - self.quirks.lag_ms
        return [self.stated(x) for x in self.orders.values() if x.created_ms <= seen_by]

    def resting(self) -> list[Order]:
        return [self.stated(x) for x in self.orders.values() if x.state.is_live]

    def history(self) -> list[Fill]:
        """All fills that the lagging history has by now."""
        seen_by = self.now_ms - self.quirks.lag_ms
        return [x for x in self.fills if x.timestamp_ms <= seen_by]

    def stops(self) -> list[VenueOrder]:
        """What waits for its trigger and only reduces."""
        waiting = OrderState.UNTRIGGERED
        return [x for x in self.orders.values() if x.state is waiting and x.reduce_only]

    def cover(self) -> int:
        """Contracts under stops that wait, and under those that fired and still work."""
        fired = (x for x in self.hanging() if x.role is Role.STOP or x.parent)
        return sum(x.remaining for x in (*self.stops(), *fired))

    def hanging(self) -> list[VenueOrder]:
        return [x for x in self.orders.values() if x.state is OrderState.OPEN]

    def stated(self, order: VenueOrder) -> Order:
        """The order as a reply or a notification states it at this moment."""
        is_stop = order.order_type is OrderType.STOP_MARKET
        return Order(
            order_id=order.order_id,
            label=order.label,
            instrument_name=self.instrument.name,
            side=order.side,
            order_type=order.order_type,
            state=order.state,
            contracts=order.contracts,
            filled_contracts=order.filled,
            price=None,
            average_price=None,
            reduce_only=order.reduce_only,
            trigger=TriggerBy.MARK_PRICE if is_stop else None,
            trigger_price=order.trigger_price if is_stop else None,
            trigger_order_id=order.parent,
            cancel_reason=order.cancel_reason,
            created_ms=order.created_ms,
            updated_ms=order.updated_ms,
        )

    # -- events ------------------------------------------------------------

    def pass_time(self, milliseconds: int) -> None:
        self.now_ms += milliseconds

    def execute(self, order_id: str, contracts: int) -> None:
        """Trades up to so many contracts of a resting order."""
        order = self.orders[order_id]
        traded = min(contracts, order.remaining)
        if order.reduce_only:
            traded = min(traded, self.position)
        if traded <= 0 or order.state is not OrderState.OPEN:
            return
        self._tick()
        order.filled += traded
        order.state = OrderState.FILLED if order.remaining == 0 else OrderState.OPEN
        self._touched(order)
        self._book(order.order_id, order.label, order.side, traded)
        self._clip()

    def fire(self, order_id: str, *, liquidity: int, dud: OrderState | None = None) -> None:
        """A stop's trigger is reached. ``dud`` is how it ends when the engine refuses it."""
        stop = self.orders[order_id]
        self._tick()
        if self.position == 0 or dud is not None:
            self._end(stop, dud or OrderState.REJECTED, None)
            return
        if self.quirks.keeps_id:
            stop.state = OrderState.OPEN
            stop.contracts = min(stop.contracts, self.position)
            self._touched(stop)
        else:
            stop = self._child_of(stop)
        self.execute(stop.order_id, liquidity)
        self._clip()

    def _child_of(self, stop: VenueOrder) -> VenueOrder:
        stop.state = OrderState.TRIGGERED
        self._touched(stop)
        born = VenueOrder(
            order_id=f"o{next(self._numbers)}",
            label=stop.label if self.quirks.child_has_label else "",
            side=stop.side,
            order_type=OrderType.MARKET,
            contracts=min(stop.contracts, self.position),
            reduce_only=True,
            state=OrderState.OPEN,
            created_ms=self.now_ms,
            updated_ms=self.now_ms,
            parent=stop.order_id,
        )
        self.orders[born.order_id] = born
        self._note(born)
        return born

    def close_by_hand(self, contracts: int, *, is_liquidation: bool = False) -> None:
        """Somebody else reduces the position."""
        self._tick()
        self._book("", "", self.side.opposite, contracts, is_liquidation=is_liquidation)
        self._clip()

    # -- inside ------------------------------------------------------------

    def _tick(self) -> None:
        self.now_ms += self.quirks.ticks

    def _book(
        self,
        order_id: str,
        label: str,
        side: Side,
        contracts: int,
        *,
        is_liquidation: bool = False,
    ) -> None:
        number = next(self._numbers)
        price = PRICES[number % len(PRICES)]
        fee = D("0.0000001") * contracts
        is_entry = side is self.side
        amount = Fraction(self.instrument.amount(contracts)) / Fraction(price)
        self.coin_in += amount if is_entry else -amount
        self.fees += Fraction(fee)
        self.entered += contracts if is_entry else 0
        self.position += contracts if is_entry else -contracts
        assert self.position >= 0, "the position changed sign by our hand"
        booked = Fill(
            trade_id=f"f{number}",
            trade_seq=number,
            order_id=order_id or f"web{number}",
            label=label,
            instrument_name=self.instrument.name,
            side=side,
            contracts=contracts,
            price=price,
            fee=fee,
            fee_currency=self.instrument.settlement_currency,
            is_maker=False,
            reduce_only=not is_entry,
            timestamp_ms=self.now_ms,
            is_liquidation=is_liquidation,
        )
        self.fills.append(booked)
        self.queue.append(Notice(booked, is_foreign=not order_id))

    def _clip(self) -> None:
        """Resting reduce-only orders never add up to more than the position: targets last."""
        left = self.position
        for order in sorted(self.hanging(), key=lambda x: x.order_type is OrderType.LIMIT):
            if not order.reduce_only:
                continue
            allowed = min(order.remaining, left)
            left -= allowed
            if allowed == 0:
                self._end(order, OrderState.CANCELLED, None)
            elif allowed < order.remaining:
                order.contracts = order.filled + allowed
                self._touched(order)

    def _end(self, order: VenueOrder, state: OrderState, reason: str | None) -> None:
        order.state, order.cancel_reason = state, reason
        self._touched(order)

    def _touched(self, order: VenueOrder) -> None:
        order.updated_ms = self.now_ms
        self._note(order)

    def _note(self, order: VenueOrder) -> None:
        self.queue.append(Notice(self.stated(order)))

    def pnl(self) -> Decimal:
        """What the flat position made before fees: every coin in less every coin out."""
        exact = self.coin_in * self.side.sign
        return Decimal(exact.numerator) / Decimal(exact.denominator)
